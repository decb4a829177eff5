"""07.6 back_projection: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch07 import back_projection_mistakes
from course.checks.ch07.shared import Step
from srlib.resize import imresize

BackProjection = Callable[[Tensor, Tensor, Step, Step, int], Tensor]


def _back_projection(sr: Tensor, lr: Tensor, shrink: Step, enlarge: Step, iterations: int) -> Tensor:
    """As srlib.blending's, which has MATLAB's bicubic in the place of the two functions."""
    for _ in range(iterations):
        sr = sr + enlarge(lr - shrink(sr))
    return sr


def _matrix(step: Step, height: int, width: int) -> Tensor:
    """What a linear function of one picture does, as a matrix: column k is what it makes of a lone pixel k."""
    basis = torch.eye(height * width, dtype=torch.float64).view(-1, 1, height, width)
    return step(basis).flatten(1).T


def _by_matrices(sr: Tensor, lr: Tensor, shrink: Step, enlarge: Step, iterations: int) -> Tensor:
    """(1 - E S)^n sr + sum of (1 - E S)^k E lr, k below n."""
    small, large = _matrix(shrink, *sr.shape[2:]), _matrix(enlarge, *lr.shape[2:])
    keep = torch.eye(len(large), dtype=torch.float64) - large @ small
    powers = [torch.linalg.matrix_power(keep, k) for k in range(iterations + 1)]
    made = sr.double().flatten(2) @ powers[-1].mT
    for power in powers[:-1]:
        made = made + lr.double().flatten(2) @ (power @ large).mT
    return made.view_as(sr).to(sr)


def _halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2)


def _doubled(x: Tensor) -> Tensor:
    return 0.6 * x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def _too_far(x: Tensor) -> Tensor:
    return 2.5 * x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def _compare_back(
    answer: BackProjection, case: Case, sr: Tensor, lr: Tensor, steps: tuple[Step, Step], iterations: int, what: str,
    within: float = 1e-5, public: bool = False,
) -> None:  # fmt: skip
    compare(
        case.call(answer, sr, lr, *steps, iterations),
        _by_matrices(sr, lr, *steps, iterations),
        within=within,
        what=what,
        public=public,
        mistakes=back_projection_mistakes.back(sr, lr, *steps, iterations),
    )


def back_worked_example(answer: BackProjection, case: Case) -> None:
    """(0.1, 0.5) and lr = 0.8 become (0.5375, 0.9375) after three iterations."""

    def mean(x: Tensor) -> Tensor:
        return x.mean(3, keepdim=True)

    def half(x: Tensor) -> Tensor:
        return 0.5 * x.expand(-1, -1, -1, 2)

    sr, lr = torch.tensor([0.1, 0.5]).view(1, 1, 1, 2), torch.full((1, 1, 1, 1), 0.8)
    _compare_back(answer, case, sr, lr, (mean, half), 3, "the two pixels", public=True)


def back_each_iteration(answer: BackProjection, case: Case) -> None:
    """Each iteration looks at the error that is left, and there are as many as asked for."""
    for iterations in (3, 1, 2, 0, 12):
        sr, lr = 2 * case.rand(2, 3, 4, 6) - 0.5, 2 * case.rand(2, 3, 2, 3) - 0.5
        what = f"sr after {iterations} iteration(s), neither clipped nor rounded"
        _compare_back(answer, case, sr, lr, (_halved, _doubled), iterations, what)
    sr, lr = 2 * case.rand(1, 3, 4, 6) - 0.5, 2 * case.rand(1, 3, 2, 3) - 0.5
    _compare_back(answer, case, sr, lr, (_halved, _too_far), 4, "sr after 4 iterations that make the error larger")


def back_any_values(answer: BackProjection, case: Case) -> None:
    """Values of any size, in float64."""
    for size in (1.0, 1000.0):
        sr, lr = (size * (4 * case.rand(1, 2, k, k).double() - 2) for k in (6, 3))
        what = f"sr of values up to {2 * size:g}, in float64"
        _compare_back(answer, case, sr, lr, (_halved, _doubled), 24, what, within=1e-10 * size)


def back_by_bicubic(answer: BackProjection, case: Case) -> None:
    """With the course's own bicubic, the picture made small comes nearer and nearer to lr."""
    sr, lr = case.rand(1, 3, 16, 12), case.rand(1, 3, 4, 3)

    def smaller(x: Tensor) -> Tensor:
        return imresize(x, scale=1 / 4)

    def larger(x: Tensor) -> Tensor:
        return imresize(x, scale=4)

    _compare_back(answer, case, sr, lr, (smaller, larger), 4, "sr after 4 iterations by bicubic", within=1e-4)


EXERCISE = Exercise(_back_projection, (back_worked_example, back_each_iteration, back_any_values, back_by_bicubic))
