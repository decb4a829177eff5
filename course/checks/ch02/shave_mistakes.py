"""What the usual mistakes in 02.3 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from course.checking import Mistakes
from course.checks.ch02.shared import without_border


def shaves(x: Tensor, border: int) -> Mistakes:
    """What the usual mistakes give on this picture."""
    b, height, width = border, x.shape[-2], x.shape[-1]

    def rows(first: int, end: int, left: int, right: int) -> Callable[[], Tensor]:
        return lambda: x[..., first:end, left:right]

    return {
        "only the top and the left are left out: the border goes away on all four sides": rows(b, height, b, width),
        "only the bottom and the right are left out: the border goes away on all four sides": rows(
            0, height - b, 0, width - b
        ),
        "only the columns are shaved: rows at the top and the bottom go too": rows(0, height, b, width - b),
        "only the rows are shaved: columns at the left and the right go too": rows(b, height - b, 0, width),
        "the border went away twice on every side: `border` pixels on each": rows(
            2 * b, height - 2 * b, 2 * b, width - 2 * b
        ),
        "half the border went away on every side: `border` pixels on each": lambda: without_border(x, b // 2),
        "twice the border went away at one end, and nothing at the other": rows(2 * b, height, 2 * b, width),
        "one pixel too many went away at the bottom and the right: a slice ends before its second number": rows(
            b, height - b - 1, b, width - b - 1
        ),
        "height and width are mixed up: rows end at height - border, columns at width - border": rows(
            b, width - b, b, height - b
        ),
        "the slices stand at the wrong dimensions: height and width come last in (B, C, H, W), so begin with `...`": (
            lambda: x[b : len(x) - b, b : x.shape[1] - b]
        ),
        "the border was painted black: it must be cut away, so that the picture gets smaller": lambda: F.pad(
            without_border(x, b), (b,) * 4
        ),
    }
