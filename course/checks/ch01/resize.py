"""01.5 resize: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch01 import resize_mistakes
from course.checks.ch01.shared import has_shape

Resize = Callable[..., Tensor]
# What MATLAB's imresize prints for 0, 1, 2, ... row by row: 4 x 4 at scale 0.75, 8 x 8 at 0.25, 15 x 15 at 1 / 3.
MATLAB_4_TO_3 = [
    [0.7505518764, 2.1004415011, 3.4503311258],
    [6.1501103753, 7.5, 8.8498896247],
    [11.5496688742, 12.8995584989, 14.2494481236],
]
MATLAB_8_TO_2 = [[12.3837890625, 16.6318359375], [46.3681640625, 50.6162109375]]
MATLAB_15_TO_5_FIRST_ROW = [14.4197530864, 17.5061728395, 20.5185185185, 23.5308641975, 26.6172839506]


def _compare_pictures(resize: Resize, case: Case, x: Tensor, scale: float, *more: bool) -> None:
    antialias = more[0] if more else True
    compare(
        case.call(resize, x, scale, *more),
        resize_mistakes.resize(x, scale, antialias),
        within=1e-4,
        what=f"what scale {scale:.4g} makes of a picture {tuple(x.shape)}, antialias {antialias}",
        mistakes=resize_mistakes.wrong_resizes(x, scale, antialias),
        pictures=True,
    )


def _steps(side: int) -> Tensor:
    """0, 1, 2, ... row by row."""
    return torch.arange(side * side, dtype=torch.float64).view(1, 1, side, side)


def resize_worked_example(resize: Resize, case: Case) -> None:
    """0 .. 15 as 4 x 4 at scale 0.75 is what MATLAB prints."""
    compare(
        case.call(resize, _steps(4), 0.75),
        torch.tensor(MATLAB_4_TO_3, dtype=torch.float64).view(1, 1, 3, 3),
        within=1e-4,
        what="MATLAB's 3 x 3 values",
        public=True,
        mistakes=resize_mistakes.wrong_resizes(_steps(4), 0.75, True),
    )


def resize_matlab(resize: Resize, case: Case) -> None:
    """Two more pictures are what MATLAB prints: 8 x 8 at scale 0.25, 15 x 15 at 1 / 3."""
    small = torch.tensor(MATLAB_8_TO_2).view(1, 1, 2, 2)
    row = torch.tensor(MATLAB_15_TO_5_FIRST_ROW).view(1, 1, 1, 5)
    wrongs = resize_mistakes.wrong_resizes(_steps(8), 0.25, True)
    compare(
        case.call(resize, _steps(8), 0.25), small, within=1e-4, what="MATLAB's four values of 8 x 8", mistakes=wrongs
    )
    got = case.call(resize, _steps(15), 1 / 3)
    has_shape(got, (1, 1, 5, 5))
    compare(got[:, :, :1], row, within=1e-4, what="MATLAB's first row of 15 x 15")


def resize_odd_sizes(resize: Resize, case: Case) -> None:
    """Height and width of any size: the result has math.ceil(H * scale) rows and math.ceil(W * scale) columns."""
    _compare_pictures(resize, case, case.rand(1, 3, 7, 11), 0.35)
    for scale in (0.5, 1 / 3, 1.5):
        _compare_pictures(resize, case, case.rand(1, 3, 7, case.integer(8, 13)), scale)


def resize_batch(resize: Resize, case: Case) -> None:
    """Every picture of a batch and every channel is resized by itself, at scales 2, 3 and 4 and back."""
    x = case.rand(2, 3, 12, 24)
    for scale in (1 / 2, 1 / 3, 1 / 4, 2, 3, 4, 1):
        _compare_pictures(resize, case, x, scale)


def resize_narrow(resize: Resize, case: Case) -> None:
    """antialias=False leaves the kernel narrow."""
    for scale in (1 / 3, 0.45):
        _compare_pictures(resize, case, case.rand(1, 2, 12, 9), scale, False)


def resize_unclipped(resize: Resize, case: Case) -> None:
    """Nothing is rounded or clipped: beside a hard edge the cubic overshoots, and that stays."""
    edge = torch.zeros(1, 1, 6, 10)
    edge[..., 5:] = 1
    _compare_pictures(resize, case, edge, 2)
    _compare_pictures(resize, case, 255 * edge - 100, 0.5)


def resize_tiny(resize: Resize, case: Case) -> None:
    """The smallest pictures work: a single pixel, a single row, a single column."""
    for shape in ((1, 1, 1, 1), (1, 1, 1, 7), (2, 1, 5, 1)):
        for scale in (3, 0.5):
            _compare_pictures(resize, case, case.rand(*shape), scale)


def resize_of_torch(resize: Resize, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True gives the same picture."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    wave = 0.5 + 0.3 * torch.sin(0.01 * (x**2 + y**2)) + 0.1 * case.rand(1, 1, 48, 60)
    theirs = F.interpolate(wave, size=(16, 20), mode="bicubic", antialias=True)
    got = case.call(resize, wave, 1 / 3)
    has_shape(got, (1, 1, 16, 20))
    inside = (..., slice(3, -3), slice(3, -3))
    compare(got[inside], theirs[inside], within=1e-4, what="the inner 10 x 14 of 16 x 20", pictures=True)


EXERCISE = Exercise(
    reference=resize_mistakes.resize,
    checks=(
        resize_worked_example,
        resize_matlab,
        resize_odd_sizes,
        resize_batch,
        resize_narrow,
        resize_unclipped,
        resize_tiny,
        resize_of_torch,
    ),
)
