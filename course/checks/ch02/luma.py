"""02.2 luma: what a right answer must satisfy."""

import torch
from skimage.color import rgb2ycbcr
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch02 import luma_mistakes
from course.checks.ch02.shared import Luma
from srlib import color


def _luma(rgb: Tensor) -> Tensor:
    return color.luma(rgb)


def luma_worked_example(luma: Luma, case: Case) -> None:
    """White is 235/255, black is 16/255, pure red (16 + 65.481)/255 and pure blue (16 + 24.966)/255."""
    rgb = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).T[None, :, None]
    compare(
        case.call(luma, rgb),
        torch.tensor([235.0, 16.0, 81.481, 40.966]).view(1, 1, 1, 4) / 255,
        within=1e-5,
        what="a row of four pixels: white, black, red, blue",
        public=True,
        mistakes=luma_mistakes.lumas(rgb),
    )


def luma_of_primaries(luma: Luma, case: Case) -> None:
    """Red, green and blue weigh 65.481, 128.553 and 24.966, in this order."""
    rgb = torch.eye(3).view(1, 3, 3, 1) * (0.2 + 0.8 * case.rand(1, 1, 1, 5))
    compare(
        case.call(luma, rgb),
        color.luma(rgb),
        within=1e-5,
        what="three rows, in red, green and blue",
        mistakes=luma_mistakes.lumas(rgb),
    )


def luma_of_greys(luma: Luma, case: Case) -> None:
    """A grey of value v has Y = (16 + 219 v) / 255: the three weights sum to 219."""
    grey = case.rand(3, 1, 6, 4).sort().values
    rgb = grey.expand(-1, 3, -1, -1).clone()
    compare(
        case.call(luma, rgb),
        (16 + 219 * grey) / 255,
        within=1e-5,
        what="three grey pictures, shape (3, 1, 6, 4)",
        mistakes=luma_mistakes.lumas(rgb),
    )


def luma_as_scikit_image(luma: Luma, case: Case) -> None:
    """A batch of coloured pictures that are not square, as scikit-image's rgb2ycbcr has it."""
    height, width = case.integer(5, 9), case.integer(10, 16)
    ramp = torch.linspace(0, 1, width).expand(height, width)
    fall = torch.linspace(1, 0, height)[:, None].expand(height, width)
    rgb = torch.stack([torch.stack([ramp, fall, ramp * fall]), case.rand(3, height, width)])
    expected = torch.from_numpy(rgb2ycbcr(rgb.numpy(), channel_axis=1)[:, :1]) / 255
    compare(
        case.call(luma, rgb),
        expected,
        within=1e-5,
        what=f"luma of two pictures, shape (2, 1, {height}, {width})",
        mistakes=luma_mistakes.lumas(rgb),
        pictures=True,
    )


def luma_in_float64(luma: Luma, case: Case) -> None:
    """A float64 picture works like a float32 one, down to a single pixel."""
    rgb = case.rand(1, 3, 1, 1).double()
    compare(case.call(luma, rgb), color.luma(rgb), within=1e-5, what="one number", mistakes=luma_mistakes.lumas(rgb))


EXERCISE = Exercise(
    reference=_luma,
    checks=(luma_worked_example, luma_of_primaries, luma_of_greys, luma_as_scikit_image, luma_in_float64),
)
