"""08.2 sinc_kernel: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, that_fit_elsewhere
from course.checks.ch08 import sinc_kernel_mistakes
from srlib.degradations import kernels

Sinc = Callable[[int, float], Tensor]


def _sinc(size: int, cutoff: float) -> Tensor:
    return kernels.sinc(size, torch.tensor([cutoff], dtype=torch.float64))[0]


def _by_waves(size: int, cutoff: float) -> Tensor:
    """All waves slower than the cutoff added up: J1(z) / z is the mean of cos(z cos t) sin^2 t over a turn."""
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    z = cutoff * (offset[None, :] ** 2 + offset[:, None] ** 2).sqrt()
    t = torch.arange(128, dtype=torch.float64) * 2 * math.pi / 128
    kernel = (cutoff**2 / (2 * math.pi)) * (torch.cos(z[..., None] * t.cos()) * t.sin() ** 2).mean(-1)
    return kernel / kernel.sum()


def _compare_sinc(answer: Sinc, case: Case, size: int, cutoff: float, public: bool = False) -> None:
    compare(
        case.call(answer, size, cutoff),
        _by_waves(size, cutoff),
        within=1e-6,
        what=f"size {size}, cutoff {cutoff:.3g}",
        public=public,
        mistakes=that_fit_elsewhere(
            sinc_kernel_mistakes.sinc(size, cutoff),
            sinc_kernel_mistakes.sinc(7, 1.7),
            lambda: case.call(answer, 7, 1.7),
        ),
    )


def sinc_worked_example(answer: Sinc, case: Case) -> None:
    """Size 3, cutoff pi has 0.747827 in the middle, and corners below 0."""
    _compare_sinc(answer, case, 3, math.pi, public=True)


def sinc_sizes(answer: Sinc, case: Case) -> None:
    """Any odd size, cutoffs from pi / 3 to pi."""
    for size in (7, 11, 13, 21):
        _compare_sinc(answer, case, size, math.pi / 3 + 2 * float(case.rand(1)))


def sinc_slow(answer: Sinc, case: Case) -> None:
    """Low cutoffs, where the whole kernel may lie above 0, and a size of 1."""
    for size, cutoff in ((21, math.pi / 5), (9, 0.1 + 0.1 * float(case.rand(1))), (1, 2.0)):
        _compare_sinc(answer, case, size, cutoff)


EXERCISE = Exercise(_sinc, (sinc_worked_example, sinc_sizes, sinc_slow))
