"""06.2 perceptual: what a right answer must satisfy."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch06 import perceptual_mistakes
from course.checks.ch06.shared import gradients_of

Perceptual = Callable[[Tensor, Tensor, perceptual_mistakes.Features, Sequence[float]], Tensor]


def _perceptual(sr: Tensor, hr: Tensor, features: perceptual_mistakes.Features, weights: Sequence[float]) -> Tensor:
    total = torch.zeros(())
    for weight, own, target in zip(weights, features(sr), features(hr.detach()), strict=True):
        total = total + weight * ((own - target) / 12.75).square().sum() / own.numel()
    return total


def _looking(case: Case, layers: int) -> perceptual_mistakes.Features:
    """Stands for VGG19: features of several sizes, large as VGG19's are."""
    kernels = [60 * (case.rand(2 + k, 3, 3, 3) - 0.5) for k in range(layers)]
    biases = [60 * (case.rand(2 + k) - 0.5) for k in range(layers)]  # features of darker pictures are not just smaller

    def features(x: Tensor) -> list[Tensor]:
        pairs = zip(kernels, biases, strict=True)
        return [F.conv2d(x, kernel, bias, stride=k + 1).abs() for k, (kernel, bias) in enumerate(pairs)]

    return features


def _compare_perceptual(
    answer: Perceptual,
    case: Case,
    sr: Tensor,
    hr: Tensor,
    features: perceptual_mistakes.Features,
    weights: Sequence[float],
    what: str,
) -> None:
    expected = _perceptual(sr, hr, features, weights)
    mistakes = perceptual_mistakes.perceptual(sr, hr, features, weights)
    compare(case.call(answer, sr, hr, features, weights), expected, within=2e-5, what=what, mistakes=mistakes)


def perceptual_one_layer(answer: Perceptual, case: Case) -> None:
    """One layer with weight 1: the mean of the rescaled squared differences."""
    sr, hr = case.rand(2, 3, 6, 7), case.rand(2, 3, 6, 7)
    _compare_perceptual(answer, case, sr, hr, _looking(case, 1), (1.0,), "the distance at one layer")


def perceptual_weighted_sum(answer: Perceptual, case: Case) -> None:
    """Several layers of different size, each with its weight."""
    for weights in ((0.1, 2.0, 0.7), [3.0, 0.25]):
        sr, hr = case.rand(2, 3, 6, 7), case.rand(2, 3, 6, 7)
        what = f"the weighted sum over {len(weights)} layers"
        _compare_perceptual(answer, case, sr, hr, _looking(case, len(weights)), weights, what)


def perceptual_worked_example(answer: Perceptual, case: Case) -> None:
    """(12.75, 0) against (0, 25.5) with weight 2 gives 5."""
    sr, hr = (torch.tensor(x).view(1, 1, 1, 2).expand(1, 3, 1, 2).clone() for x in ([12.75, 0.0], [0.0, 25.5]))

    def features(x: Tensor) -> list[Tensor]:
        return [x[:, :1]]

    mistakes = perceptual_mistakes.perceptual(sr, hr, features, (2.0,))
    got = case.call(answer, sr, hr, features, (2.0,))
    compare(got, torch.tensor(5.0), within=1e-5, what="the loss", public=True, mistakes=mistakes)


def perceptual_gradients(answer: Perceptual, case: Case) -> None:
    """The gradient reaches sr, and none goes to hr: the truth's features are a target."""
    sr, hr = case.rand(2, 3, 5, 5).requires_grad_(), case.rand(2, 3, 5, 5)
    features = _looking(case, 2)
    [expected] = torch.autograd.grad(_perceptual(sr, hr, features, (1.0, 2.0)), sr)
    truth = hr.clone().requires_grad_()
    loss = case.call(answer, sr, truth, features, (1.0, 2.0))
    [own] = gradients_of(loss, (sr,), ("sr",))
    cut = {
        "the gradient is cut off between the loss and the features of sr: only hr's are detached": lambda: 0 * expected
    }
    compare(own, expected, within=1e-4, what="the gradient at sr", mistakes=cut)
    loss = answer(sr, truth, features, (1.0, 2.0))
    require(
        truth.requires_grad,
        "your code switches requires_grad of hr off, and hr is the caller's: torch.no_grad or detach is enough",
        expected="hr as it came",
        got="hr that cannot get a gradient any more",
    )
    [wasted] = torch.autograd.grad(loss, truth, allow_unused=True)
    require(
        wasted is None or not bool(wasted.any()),
        "a gradient goes to the truth as well: compute its features under torch.no_grad, or detach them",
        expected="no gradient for hr",
        got="one",
    )


EXERCISE = Exercise(
    reference=_perceptual,
    checks=(perceptual_one_layer, perceptual_weighted_sum, perceptual_worked_example, perceptual_gradients),
)
