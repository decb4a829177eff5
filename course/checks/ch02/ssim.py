"""02.4 ssim: what a right answer must satisfy."""

from collections.abc import Callable

import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional as F

from course.checking import Case, Exercise, compare
from course.checks.ch02 import ssim_mistakes
from srlib import metrics

Ssim = Callable[[Tensor, Tensor], Tensor]


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    return metrics.ssim(x, y, border=0, luma=False)


def _like(y: Tensor, case: Case) -> Tensor:
    """A distorted copy: less contrast, a little brighter, and noise."""
    return (0.15 + 0.7 * y + 0.3 * (case.rand(*y.shape) - 0.5)).clamp(0, 1)


def ssim_worked_example(ssim: Ssim, case: Case) -> None:
    """Two checkerboards, 0.2 and 0.4 against 0.3 and 0.7, have an SSIM of 0.7090."""
    row, column = torch.arange(14.0)[:, None], torch.arange(12.0)
    board = (-1) ** (row + column).view(1, 1, 14, 12)
    x, y = 0.3 + 0.1 * board, 0.5 + 0.2 * board
    compare(
        case.call(ssim, x, y),
        torch.tensor([0.3001 / 0.3401 * 0.0409 / 0.0509]),
        within=1e-4,
        what="one number",
        public=True,
        mistakes=ssim_mistakes.ssims(x, y),
    )


def ssim_of_one_window(ssim: Ssim, case: Case) -> None:
    """In pictures of 11 x 11 pixels there is one single window."""
    y = case.rand(2, 1, 11, 11)
    x = _like(y, case)
    weight = ssim_mistakes.bell() / ssim_mistakes.bell().sum()
    expected = []
    for a, b in zip(x[:, 0].double(), y[:, 0].double(), strict=True):
        ma, mb = (weight * a).sum(), (weight * b).sum()
        va, vb, cov = ((weight * p * q).sum() for p, q in ((a - ma, a - ma), (b - mb, b - mb), (a - ma, b - mb)))
        expected.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    compare(
        case.call(ssim, x, y),
        torch.stack(expected),
        within=1e-4,
        what="SSIM of two pairs of 11 x 11 pixels, shape (2,)",
        mistakes=ssim_mistakes.ssims(x, y),
    )


def ssim_as_scikit_image(ssim: Ssim, case: Case) -> None:
    """Three pairs that are not square, as scikit-image has them with Wang's settings."""
    y = case.rand(3, 1, 17, case.integer(21, 25))
    y[1] = F.avg_pool2d(y[1], 3, 1, 1)  # smooth
    y[2] = 0.1 * y[2] + 0.02  # dark and flat: here the constants matter
    x = _like(y, case)
    ramp = torch.linspace(0, 1, y.shape[-1])
    x[0] = (y[0] + ramp * (0.5 - y[0]) + 0.4 * ramp * case.rand(*y.shape[1:])).clamp(0, 1)  # worse to the right
    x[2] = y[2] + 0.02 * case.rand(*y.shape[1:])
    expected = [
        structural_similarity(
            a[0].numpy().astype(float),
            b[0].numpy().astype(float),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(x, y, strict=True)
    ]
    compare(
        case.call(ssim, x, y),
        torch.tensor(expected),
        within=1e-4,
        what="SSIM of each of the three pairs, shape (3,)",
        mistakes=ssim_mistakes.ssims(x, y),
    )


def ssim_identical(ssim: Ssim, case: Case) -> None:
    """A picture is as similar as can be to itself: exactly 1."""
    x = case.rand(2, 1, 15, 12)
    compare(
        case.call(ssim, x, x.clone()),
        torch.ones(2),
        within=1e-5,
        what="1 for both",
        public=True,
        mistakes=ssim_mistakes.ssims(x, x),
    )


def ssim_of_the_negative(ssim: Ssim, case: Case) -> None:
    """The negative of a picture has an SSIM below 0."""
    y = case.rand(1, 1, 23, 14)
    x = 1 - y
    compare(
        case.call(ssim, x, y),
        _ssim(x, y),
        within=1e-4,
        what="a number below 0",
        mistakes=ssim_mistakes.ssims(x, y),
    )


def ssim_both_ways(ssim: Ssim, case: Case) -> None:
    """SSIM of (x, y) is SSIM of (y, x), and float64 pictures work like float32 ones."""
    y = case.rand(2, 1, 12, 19).double()
    x = _like(y, case)
    one, other = case.call(ssim, x, y), case.call(ssim, y, x)
    for got, mistakes in ((one, ssim_mistakes.ssims(x, y)), (other, ssim_mistakes.ssims(y, x))):
        compare(got, _ssim(x, y), within=1e-4, what="the same two numbers both times", mistakes=mistakes)


EXERCISE = Exercise(
    reference=_ssim,
    checks=(
        ssim_worked_example,
        ssim_identical,
        ssim_as_scikit_image,
        ssim_of_one_window,
        ssim_of_the_negative,
        ssim_both_ways,
    ),
)
