"""05.4 charbonnier: what a right answer must satisfy."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare
from course.checks.ch05 import charbonnier_mistakes
from srlib import losses

Charbonnier = Callable[[Tensor, Tensor, float], Tensor]


def _charbonnier(sr: Tensor, hr: Tensor, eps: float) -> Tensor:
    return losses.charbonnier(sr, hr, eps=eps)


def _compare_charbonnier(
    answer: Charbonnier, case: Case, sr: Tensor, hr: Tensor, eps: float, what: str, expected: Tensor | None = None,
    within: float = 2e-6,
) -> None:  # fmt: skip
    compare(
        case.call(answer, sr, hr, eps),
        torch.hypot(sr - hr, torch.tensor(eps, dtype=sr.dtype)).mean() if expected is None else expected,
        within=within,
        what=what,
        public=expected is not None,
        mistakes=charbonnier_mistakes.charbonnier(sr, hr, eps),
    )


def charbonnier_worked_example(answer: Charbonnier, case: Case) -> None:
    """Differences 0.3 and 0 with eps 0.4 make the loss 0.45."""
    sr, hr = torch.tensor([0.8, 0.2]).view(1, 1, 1, 2), torch.tensor([0.5, 0.2]).view(1, 1, 1, 2)
    _compare_charbonnier(answer, case, sr, hr, 0.4, "the loss", torch.tensor(0.45))


def charbonnier_random(answer: Charbonnier, case: Case) -> None:
    """One mean over all values of a batch, for any eps."""
    for eps in (0.3, 0.05, 1e-3):
        sr, hr = case.rand(3, 2, 4, 5), case.rand(3, 2, 4, 5) - 0.2
        _compare_charbonnier(answer, case, sr, hr, eps, f"the loss of a batch of three, eps {eps}")


def charbonnier_of_equal_pictures(answer: Charbonnier, case: Case) -> None:
    """Equal pictures give eps, and differences much larger than eps the mean absolute error."""
    sr = case.rand(2, 3, 3, 3)
    _compare_charbonnier(answer, case, sr, sr.clone(), 0.02, "eps itself")
    _compare_charbonnier(answer, case, sr + 4, sr - 3, 0.02, "nearly 7")


def charbonnier_any_values(answer: Charbonnier, case: Case) -> None:
    """Values of 0..255 or any other size, a tiny eps, squares, in float64."""
    for shape, size, eps in (((2, 1, 3, 3), 1e-5, 1e-5), ((1, 3, 4, 4), 255.0, 0.5), ((2, 2, 5, 5), 1.0, 3.0)):
        sr, hr = size * case.rand(*shape).double(), size * case.rand(*shape).double()
        what = f"the loss of values up to {size:g}, eps {eps:g}, in float64"
        _compare_charbonnier(answer, case, sr, hr, eps, what, within=1e-12 * max(size, eps))


def charbonnier_gradient(answer: Charbonnier, case: Case) -> None:
    """The gradient is d / sqrt(d^2 + eps^2) / N: 0 where the pictures agree, never larger than 1 / N."""
    sr, hr, eps = case.rand(2, 1, 3, 4), case.rand(2, 1, 3, 4), 0.05
    sr[0, 0, 0] = hr[0, 0, 0]
    sr.requires_grad_()
    loss = case.call(answer, sr, hr, eps)
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise Wrong(
            "no gradient can flow: return the tensor itself, without .item(), detach, torch.no_grad or numpy",
            expected="a loss that sr can be trained through",
            got="a number without a gradient",
        )
    [gradient] = torch.autograd.grad(loss, sr)
    d = (sr - hr).detach()
    compare(
        gradient,
        d / torch.hypot(d, torch.tensor(eps)) / d.numel(),
        within=1e-5,
        what="the gradient with respect to sr",
        mistakes={
            "that is the gradient of L1: eps is missing": lambda: d.sign() / d.numel(),
            "that is the gradient of L2": lambda: 2 * d / d.numel(),
        },
    )


EXERCISE = Exercise(
    reference=_charbonnier,
    checks=(
        charbonnier_random,
        charbonnier_of_equal_pictures,
        charbonnier_worked_example,
        charbonnier_any_values,
        charbonnier_gradient,
    ),
)
