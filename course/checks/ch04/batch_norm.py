"""04.2 batch_norm: what a right answer must satisfy."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch04 import batch_norm_mistakes

BatchNorm = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool, float, float], tuple[Tensor, Tensor, Tensor]]


def _batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = mean.clone(), variance.clone()
    y = F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
    return y, mean, variance


def _statistics(case: Case, channels: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """weight, bias, running mean, running variance"""
    weight, bias, mean, variance = (case.rand(channels).to(dtype) for _ in range(4))
    sign = torch.ones(channels, dtype=dtype)
    sign[1::2] = -1  # a learnt scale may have either sign
    return sign * (0.5 + weight), bias - 0.5, 2 * mean - 1, 0.3 + 2 * variance


def _compare_norm(
    batch_norm: BatchNorm,
    case: Case,
    x: Tensor,
    statistics: Sequence[Tensor],
    rest: tuple[bool, float, float],
    what: str,
    *,
    expected: tuple[Tensor, ...] | None = None,
    within: float = 1e-4,
    public: bool = False,
) -> None:
    given = (x, *statistics, *rest)
    compare(
        case.call(batch_norm, *given),
        _batch_norm(*given) if expected is None else expected,  # type: ignore[arg-type]
        within=within,
        what=what,
        public=public,
        mistakes=batch_norm_mistakes.batch_norms(*given),  # type: ignore[arg-type]
    )


def batch_norm_worked_example(batch_norm: BatchNorm, case: Case) -> None:
    """1, 2, 3, 6 in training: mean 3, variance 3.5 inside y, 14 / 3 in the running one."""
    x = torch.tensor([1.0, 2, 3, 6]).view(1, 1, 2, 2)
    statistics = torch.ones(1), torch.zeros(1), torch.zeros(1), torch.tensor([3.5])
    expected = (x - 3) / 2, torch.tensor([0.3]), torch.tensor([0.9 * 3.5 + 1.4 / 3])
    what = "y, mean, variance"
    _compare_norm(batch_norm, case, x, statistics, (True, 0.1, 0.5), what, expected=expected, public=True)


def batch_norm_in_evaluation(batch_norm: BatchNorm, case: Case) -> None:
    """Not training: the running statistics are used, and come back as they were."""
    x = 3 * case.rand(2, 3, 4, 5)
    statistics = _statistics(case, 3)
    weight, bias, mean, variance = (s.view(1, -1, 1, 1) for s in statistics)
    y = (x - mean) / (variance + 0.01) ** 0.5 * weight + bias
    expected = y, *statistics[2:]
    _compare_norm(batch_norm, case, x, statistics, (False, 0.1, 0.01), "evaluation mode", expected=expected)


def batch_norm_in_training(batch_norm: BatchNorm, case: Case) -> None:
    """Training: the batch's statistics, over pictures, rows and columns, for each channel, at any momentum."""
    for shape in ((3, 4, 5, 6), (2, 1, 1, 1), (1, 5, 2, 3), (4, 4, 4, 4), (1, 2, 3, 3), (2, 3, 1, 2)):
        x = 3 * case.rand(*shape) - 1
        momentum = {(1, 2, 3, 3): 0.0, (2, 3, 1, 2): 1.0}.get(shape, 0.15 + 0.3 * float(case.rand(1)))
        rest = (True, momentum, 0.02)
        _compare_norm(batch_norm, case, x, _statistics(case, shape[1]), rest, f"features {shape} in training mode")


def batch_norm_large_eps(batch_norm: BatchNorm, case: Case) -> None:
    """eps is added below the root, be it small or as large as 0.8; float64 too."""
    for training in (True, False):
        for eps in (1e-5, 0.8):
            x = case.rand(2, 3, 3, 4).double()
            what = f"eps {eps:g}, {'training' if training else 'not training'}"
            statistics = _statistics(case, 3, torch.float64)
            _compare_norm(batch_norm, case, x, statistics, (training, 0.2, eps), what, within=1e-10)


def batch_norm_gradient(batch_norm: BatchNorm, case: Case) -> None:
    """Gradients flow to x through the batch's mean and variance too, and to weight and bias, in both modes."""
    x, direction = case.rand(2, 2, 3, 3), case.rand(2, 2, 3, 3)
    weight, bias, mean, variance = _statistics(case, 2)

    def leaves() -> tuple[Tensor, Tensor, Tensor]:
        copies = [tensor.clone().requires_grad_(True) for tensor in (x, weight, bias)]
        return copies[0], copies[1], copies[2]

    def gradients(y: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad((y * direction).sum(), inputs, allow_unused=True)

    def cut() -> Tensor:
        m, v = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        probe = x.clone().requires_grad_(True)
        [gradient] = gradients((probe - m) / torch.sqrt(v + 1e-3) * weight.view(-1, 1, 1), (probe,))
        return cast(Tensor, gradient)

    for training in (True, False):
        own, theirs = leaves(), leaves()
        answer = case.call(batch_norm, *own, mean, variance, training, 0.1, 1e-3)
        require(
            isinstance(answer[0], Tensor) and answer[0].requires_grad,
            "no gradient can flow: leave out torch.no_grad, detach and .data",
            expected="a y that training can go through",
            got="a y without a gradient",
        )
        right = gradients(_batch_norm(*theirs, mean, variance, training, 0.1, 1e-3)[0], theirs)
        for name, mine, wanted in zip(("x", "weight", "bias"), gradients(answer[0], own), right, strict=True):
            require(
                mine is not None,
                f"no gradient reaches {name}: leave out detach, .data and torch.no_grad",
                expected=f"a gradient for {name}",
                got="none",
            )
            compare(
                mine,
                wanted,
                within=1e-3,
                what=f"the gradient of {name}, {'training' if training else 'not training'}",
                mistakes={"the gradient does not pass through m and v: leave out detach and torch.no_grad there": cut},
            )


EXERCISE = Exercise(
    reference=_batch_norm,
    checks=(
        batch_norm_in_training,
        batch_norm_worked_example,
        batch_norm_in_evaluation,
        batch_norm_large_eps,
        batch_norm_gradient,
    ),
)
