"""What the usual mistakes in 03.5 give: cause -> formula, computed only when an answer is wrong."""

import torch
from skimage.util import montage
from torch import Tensor

from course.checking import Mistakes


def greys(weights: Tensor) -> Tensor:
    """Each filter on its own scale, zero at 0.5."""
    largest = weights.detach().abs().flatten(1).max(1).values.clamp(min=1e-30)
    return 0.5 + 0.5 * weights.detach() / largest.view(-1, 1, 1)


def sheet(tiles: Tensor, columns: int, gap: int = 1, fill: float = 1.0) -> Tensor:
    """scikit-image's montage, which has a gap around the whole too."""
    rows = -(-len(tiles) // columns)
    picture = montage(tiles.numpy(), fill=fill, grid_shape=(rows, columns), padding_width=gap)
    return torch.from_numpy(picture)[None, None].to(tiles.dtype)


def filter_pictures(weights: Tensor, columns: int) -> Mistakes:
    count, height, width = weights.shape
    rows = -(-count // columns)
    low, high = weights.amin((1, 2), keepdim=True), weights.amax((1, 2), keepdim=True)
    inside = (..., slice(1, -1), slice(1, -1))

    def laid(tiles: Tensor, columns: int = columns) -> Tensor:
        return sheet(tiles, columns)[inside]

    def upright() -> Tensor:
        """Column by column: as if rows and columns of the sheet were exchanged."""
        places = torch.full((rows * columns,), -1)
        places.view(columns, rows).flatten()[:count] = torch.arange(count)
        order = places.view(columns, rows).T.flatten()
        return laid(torch.stack([greys(weights)[k] if k >= 0 else torch.ones(height, width) for k in order.tolist()]))

    grey = greys(weights)
    return {
        "a filter of zeros became NaN, 0 / 0: it is 0.5 everywhere": lambda: laid(
            torch.where(weights.abs().amax((1, 2), keepdim=True) > 0, grey, torch.nan)
        ),
        "there is a gap around the whole: gaps are only between tiles": lambda: sheet(grey, columns),
        "there is a gap at the bottom and right of the whole: gaps are only between tiles": lambda: sheet(
            grey, columns
        )[..., 1:, 1:],
        "there is a gap at the top and left of the whole: gaps are only between tiles": lambda: sheet(grey, columns)[
            ..., :-1, :-1
        ],
        "one scale for all filters: each is divided by its own largest absolute weight": lambda: laid(
            0.5 + 0.5 * weights / weights.abs().max()
        ),
        "each filter was stretched from its smallest to its largest weight: zero must stay 0.5": lambda: laid(
            (weights - low) / (high - low)
        ),
        "all filters together were stretched from the smallest to the largest weight": lambda: laid(
            (weights - low.min()) / (high.max() - low.min())
        ),
        "the largest weight was taken with its sign: take the largest absolute one, .abs()": lambda: laid(
            0.5 + 0.5 * weights / high
        ),
        "0.5 is missing, so that negative weights are lost or negative": lambda: laid(grey * 2 - 1),
        "0.5 is missing, and negative weights are clipped": lambda: laid((grey * 2 - 1).clamp(0, 1)),
        "the absolute weights are shown: the sign must be seen": lambda: laid((grey * 2 - 1).abs()),
        "bright and dark are exchanged: positive weights are brighter than 0.5": lambda: laid(1 - grey),
        "every filter is transposed: its rows must stay rows": lambda: laid(grey.mT),
        "the tiles lie column by column: reading order goes along the row first": upright,
        "`columns` is taken for the number of rows": lambda: laid(grey, -(-count // columns)),
        "the gaps are dark: their value is 1": lambda: sheet(grey, columns, fill=0.0)[inside],
        "the gaps are missing: one pixel of value 1 between tiles": lambda: sheet(grey, columns, gap=0),
        "places without a filter are dark: their value is 1": lambda: laid(
            torch.cat([grey, torch.zeros(rows * columns - count, height, width)])
        ),
        "places without a filter are grey: their value is 1": lambda: laid(
            torch.cat([grey, torch.full((rows * columns - count, height, width), 0.5)])
        ),
        "the row without a filter at its end was left out: its places are 1": lambda: laid(
            grey[: count // columns * columns]
        ),
    }
