"""08.1 gaussian_kernel: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, that_fit_elsewhere
from course.checks.ch08 import gaussian_kernel_mistakes
from srlib.degradations import kernels

Gaussian = Callable[[int, tuple[float, float], float], Tensor]


def _gaussian(size: int, sigma: tuple[float, float], rotation: float) -> Tensor:
    return kernels.gaussian(size, torch.tensor([sigma], dtype=torch.float64), rotation=rotation)[0]


def _by_covariance(size: int, sigma: tuple[float, float], rotation: float) -> Tensor:
    """exp(-v' C^-1 v / 2) with the covariance C of a turned Gaussian, which is how the paper writes it."""
    cos, sin = math.cos(rotation), math.sin(rotation)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    covariance = turn @ torch.tensor(sigma, dtype=torch.float64).square().diag() @ turn.T
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    v = torch.stack([offset.expand(size, size), offset[:, None].expand(size, size)], -1)  # x, y
    kernel = torch.exp(-torch.einsum("ijk,kl,ijl->ij", v, torch.linalg.inv(covariance), v) / 2)
    return kernel / kernel.sum()


def _compare_gaussian(
    answer: Gaussian, case: Case, size: int, sigma: tuple[float, float], rotation: float, public: bool = False
) -> None:
    what = f"size {size}, sigma ({sigma[0]:.3g}, {sigma[1]:.3g}), rotation {rotation:.3g}"
    compare(
        case.call(answer, size, sigma, rotation),
        _by_covariance(size, sigma, rotation),
        within=1e-6,
        what=what,
        public=public,
        mistakes=that_fit_elsewhere(
            gaussian_kernel_mistakes.gaussian(size, sigma, rotation),
            gaussian_kernel_mistakes.gaussian(7, (2.0, 0.8), 0.6),
            lambda: case.call(answer, 7, (2.0, 0.8), 0.6),
        ),
    )


def _sigma(case: Case, low: float = 0.6, high: float = 2.5) -> tuple[float, float]:
    along, across = (low + (high - low) * case.rand(2)).tolist()
    return (along, across + 0.3) if abs(along - across) < 0.2 else (along, across)


def gaussian_worked_example(answer: Gaussian, case: Case) -> None:
    """Size 3, sigma (1, 0.5), rotation 0 has 0.35561 in the middle."""
    _compare_gaussian(answer, case, 3, (1.0, 0.5), 0.0, public=True)


def gaussian_upright(answer: Gaussian, case: Case) -> None:
    """Without rotation, sigma[0] is the width along x (columns), sigma[1] along y (rows)."""
    for size in (5, 7, 21):
        _compare_gaussian(answer, case, size, _sigma(case), 0.0)


def gaussian_turned(answer: Gaussian, case: Case) -> None:
    """Turned by any angle, from x towards y, which points down."""
    for size, turn in ((7, 0.6), (9, -1.1), (15, 2.4)):
        _compare_gaussian(answer, case, size, _sigma(case), turn + 0.2 * float(case.rand(1)))
    _compare_gaussian(answer, case, 3, (1.0, 0.5), math.pi / 2, public=True)


def gaussian_round(answer: Gaussian, case: Case) -> None:
    """A round kernel looks the same at every angle; the narrowest is one pixel, a size of 1 too."""
    wide = 1 + float(case.rand(1))
    for size, sigma in ((7, wide), (7, 0.2), (1, 1.0), (21, 3.0)):
        _compare_gaussian(answer, case, size, (sigma, sigma), 3 * float(case.rand(1)))


EXERCISE = Exercise(_gaussian, (gaussian_worked_example, gaussian_upright, gaussian_turned, gaussian_round))
