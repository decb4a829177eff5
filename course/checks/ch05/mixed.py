"""05.3 mixed: what a right answer must satisfy."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, compare
from course.checks.ch05 import mixed_mistakes
from course.checks.ch05.shared import fixed, gradients_of, linear, unharmed

Mixed = Callable[[Tensor, Tensor, Tensor, nn.Linear, nn.Linear, float], Tensor]


def _mixed(
    inner: Tensor, attended: Tensor, plain: Tensor, down: nn.Linear, up: nn.Linear, temperature: float
) -> Tensor:
    """With two branches the softmax is a sigmoid of the difference."""
    hidden = down(inner.flatten(2).mean(2)).clamp(min=0)
    z = up(hidden) / temperature
    share = torch.sigmoid(z[:, 0] - z[:, 1]).view(-1, 1, 1, 1)
    return torch.lerp(plain, attended, share)


def _compare_mixed(
    answer: Mixed, case: Case, pictures: tuple[Tensor, Tensor, Tensor], down: nn.Linear, up: nn.Linear,
    temperature: float, what: str, expected: Tensor | None = None, within: float = 1e-4,
) -> None:  # fmt: skip
    before = copy.deepcopy((down, up))
    got = case.call(answer, *pictures, down, up, temperature)
    unharmed((down, up), before)
    with torch.no_grad():
        compare(
            got,
            _mixed(*pictures, *before, temperature) if expected is None else expected,
            within=within,
            what=what,
            public=expected is not None,
            mistakes=mixed_mistakes.mix(*pictures, *before, temperature),
        )


def _branches(case: Case, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """inner, attended, plain; the channels of inner have very different means."""
    return 20 * case.rand(*shape) * case.rand(*shape[:2], 1, 1), 2 * case.rand(*shape) - 1, 2 * case.rand(*shape) - 1


def mixed_worked_example(answer: Mixed, case: Case) -> None:
    """z = (30 ln 3, 0) at temperature 30 makes 7 of 8 and 4."""
    inner = torch.tensor([15.0, 45.0]).view(1, 1, 1, 2)
    down, up = fixed([[1.0]]), fixed([[math.log(3)], [0.0]])
    pictures = inner, torch.full_like(inner, 8), torch.full_like(inner, 4)
    _compare_mixed(answer, case, pictures, down, up, 30.0, "7 everywhere", torch.full_like(inner, 7))


def mixed_each_picture(answer: Mixed, case: Case) -> None:
    """Each picture of a batch has its own two shares, which sum to 1."""
    for shape in ((3, 4, 2, 5), (4, 4, 3, 4), (1, 6, 1, 2), (2, 3, 3, 3)):
        down, up = linear(case, shape[1], 3, bias=False, size=4), linear(case, 3, 2, bias=False, size=12)
        _compare_mixed(answer, case, _branches(case, *shape), down, up, 30.0, f"pictures {shape}, temperature 30")


def mixed_temperature(answer: Mixed, case: Case) -> None:
    """The higher the temperature, the nearer both shares come to one half."""
    down, up = linear(case, 2, 3, bias=False), linear(case, 3, 2, bias=False)
    down.weight.data.abs_()
    for temperature in (2.0, 0.5, 40.0):
        inner, attended, plain = _branches(case, 2, 2, 3, 2)
        pictures = inner / 5, attended + 1, plain + 1  # all above 0: no mean is lost in the ReLU
        _compare_mixed(answer, case, pictures, down, up, temperature, f"mixed at temperature {temperature:g}")


def mixed_relu(answer: Mixed, case: Case) -> None:
    """Negative numbers between the two layers count as 0."""
    down = fixed([[1.0, -1.0, 0.5], [-1.0, -0.5, -0.5]])
    up = linear(case, 2, 2, bias=False, size=4)
    inner, attended, plain = _branches(case, 3, 3, 4, 2)
    _compare_mixed(answer, case, (inner / 5, attended, plain), down, up, 3.0, "mixed, some hidden numbers below 0")


def mixed_any_values(answer: Mixed, case: Case) -> None:
    """Layers with and without a bias, low temperatures, values of any size, in float64."""
    for bias, temperature, size in ((True, 0.05, 1.0), (True, 30.0, 1000.0), (False, 7.0, 30.0)):
        inner, attended, plain = (2 * case.rand(2, 3, 4, 4).double() - 0.5 for _ in range(3))
        down, up = (linear(case, *sides, bias=bias).double() for sides in ((3, 4), (4, 2)))
        what = f"branches with values up to {1.5 * size:g}, temperature {temperature:g}, in float64"
        pictures = inner, size * attended, size * plain
        _compare_mixed(answer, case, pictures, down, up, temperature, what, within=1e-10 * size)


def mixed_gradients(answer: Mixed, case: Case) -> None:
    """Gradients reach both branches, both layers, and inner."""
    inner, attended, plain = ((1 + case.rand(2, 3, 2, 2)).requires_grad_() for _ in range(3))
    down, up = linear(case, 3, 2, bias=False), linear(case, 2, 2, bias=False)
    down.weight.data.abs_()  # so that no hidden number sits at the kink of the ReLU
    inputs = inner, attended, plain, down.weight, up.weight
    expected = gradients_of(_mixed(inner, attended, plain, down, up, 2.0), inputs)
    got = case.call(answer, inner, attended, plain, down, up, 2.0)
    for own, theirs in zip(gradients_of(got, inputs), expected, strict=True):
        compare(own, theirs, within=1e-3, what="the gradient of each input and weight")


EXERCISE = Exercise(
    reference=_mixed,
    checks=(
        mixed_temperature,
        mixed_relu,
        mixed_each_picture,
        mixed_worked_example,
        mixed_any_values,
        mixed_gradients,
    ),
)
