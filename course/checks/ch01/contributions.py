"""01.2 contributions: what a right answer must satisfy."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch01 import contributions_mistakes
from course.checks.ch01.shared import Pair, right_contributions

Contributions = Callable[[int, float, bool], tuple[Tensor, Tensor]]


def _spread(weights: Tensor, position: Tensor, low: int, high: int) -> Tensor:
    """A table (outputs, high - low + 1) over the positions low .. high; what lies farther out counts at the ends."""
    table = torch.zeros(len(weights), high - low + 1, dtype=torch.float64)
    return table.scatter_add(1, position.long().clamp(low, high) - low, weights.detach().double())


def _pair(answer: Any, outputs: int) -> tuple[Tensor, Tensor]:
    """Weights and positions, once it is sure that they are such."""
    wanted = f"weights and position, both of shape ({outputs}, taps)"
    pair = type(answer) in (tuple, list) and len(answer) == 2
    require(pair, "a pair is wanted: return weights, position", expected=wanted, got=answer)
    tensors = all(type(x) in (Tensor, torch.nn.Parameter) for x in answer)
    require(tensors, "both must be tensors", expected=wanted, got=answer)
    weights, position = answer
    shapes = weights.shape == position.shape and weights.ndim == 2 and len(weights) == outputs
    require(shapes, "a row of weights and positions for each output is wanted", expected=wanted, got=answer)
    require(
        weights.dtype.is_floating_point or not position.dtype.is_floating_point,
        "the two are exchanged: return weights, position, in this order",
        expected="weights of a float dtype, then position of an integer one",
        got=f"{weights.dtype}, then {position.dtype}",
    )
    whole = not position.dtype.is_floating_point and not position.dtype.is_complex
    require(
        whole,
        "the positions are not integers, but they are to be used as indices: end with .long()",
        expected="position of an integer dtype, such as torch.int64",
        got=f"position of {position.dtype}",
    )
    require(
        weights.dtype.is_floating_point,
        "the weights are integers: a division or the kernel has lost its fractions",
        expected="weights of a float dtype",
        got=f"weights of {weights.dtype}",
    )
    return weights, position


def _compare_sides(
    contributions: Contributions, case: Case, outputs: int, scale: float, antialias: bool, *, public: bool = False
) -> None:
    """Scatters the answer and srlib's weights over the same positions, so that the number of taps is free.

    public: shows what output 0 has from -3 to 2. All outputs say which mistake it was: some agree in the first.
    """
    weights, position = _pair(case.call(contributions, outputs, scale, antialias), outputs)
    reach = math.ceil(2 * max(1 / scale, 1)) + 4
    low, high = -reach, math.ceil(outputs / scale) + reach
    rows, first = (1, (-3, 2)) if public else (outputs, (low, high))
    table = _spread(weights, position, low, high)

    def shown(make: Callable[[], Pair]) -> Callable[[], Tensor]:
        def made() -> Tensor:
            wrong, there = make()
            if not torch.allclose(_spread(wrong, there, low, high), table, rtol=0, atol=1e-4):
                raise ValueError("another mistake")
            return _spread(wrong, there, *first)[:rows]

        return made

    wrongs = contributions_mistakes.wrong_contributions(outputs, scale, antialias, position)
    compare(
        _spread(weights, position, *first)[:rows],
        _spread(*right_contributions(outputs, scale, antialias), *first)[:rows],
        within=1e-4,
        what=f"the weights at positions {first[0]} .. {first[1]}, {'output 0 of' if public else 'outputs:'} {outputs}, "
        f"scale {scale:.4g}, antialias {antialias}",
        public=public,
        mistakes={cause: shown(make) for cause, make in wrongs.items()},
    )


def contributions_worked_example(contributions: Contributions, case: Case) -> None:
    """At scale 2 the first output has the four weights of the worked example."""
    _compare_sides(contributions, case, 4, 2.0, True, public=True)


def contributions_sum(contributions: Contributions, case: Case) -> None:
    """Every row sums to 1, also where 1 / scale is no whole number."""
    for scale in (0.7, 0.3, 1.9):
        weights, _ = _pair(case.call(contributions, 5, scale, True), 5)
        wrongs = contributions_mistakes.wrong_divisors(5, scale, True)
        compare(
            weights.double().sum(1),
            torch.ones(5),
            within=1e-4,
            what=f"1 for each of five outputs, scale {scale}",
            public=True,
            mistakes={cause: _sums(make) for cause, make in wrongs.items()},
        )


def _sums(make: Callable[[], Pair]) -> Callable[[], Tensor]:
    return lambda: make()[0].sum(1)


def contributions_shrinking(contributions: Contributions, case: Case) -> None:
    """With antialias, shrinking by any factor takes the stretched kernel."""
    for scale in (0.2 + 0.7 * float(case.rand(1)), 1 / 3, 0.08):
        _compare_sides(contributions, case, case.integer(3, 9), scale, True)


def contributions_halving(contributions: Contributions, case: Case) -> None:
    """At scale 0.5 the antialiased kernel is twice as wide: eight weights."""
    _compare_sides(contributions, case, 1, 0.5, True)
    _compare_sides(contributions, case, 4, 0.5, True)


def contributions_narrow(contributions: Contributions, case: Case) -> None:
    """Without antialias the kernel keeps its width of four pixels at any scale."""
    for scale in (0.25, 0.3 + 0.6 * float(case.rand(1)), 1.5):
        _compare_sides(contributions, case, case.integer(3, 9), scale, False)


def contributions_enlarging(contributions: Contributions, case: Case) -> None:
    """Enlarging is the same with antialias and without: the kernel is stretched only when shrinking."""
    for scale in (3.0, 1.0, 1.1 + 3 * float(case.rand(1))):
        _compare_sides(contributions, case, case.integer(4, 12), scale, True)


def contributions_ramp(contributions: Contributions, case: Case) -> None:
    """When enlarging, the weighted mean of the positions is the centre, (i + 0.5) / scale - 0.5."""
    scale = 1.2 + 3 * float(case.rand(1))
    weights, position = _pair(case.call(contributions, 8, scale, False), 8)
    centre = (torch.arange(8, dtype=torch.float64) + 0.5) / scale - 0.5
    compare((weights * position).double().sum(1), centre, within=1e-4, what="the eight centres", public=True)


def contributions_of_torch(contributions: Contributions, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True has the same weights."""
    inputs, outputs, scale = 48, 12, 0.25
    each = torch.eye(inputs).view(inputs, 1, 1, inputs)  # every pixel alone, to see where it goes
    theirs = F.interpolate(each, size=(1, outputs), mode="bicubic", antialias=True)[:, 0, 0].T
    weights, position = _pair(case.call(contributions, outputs, scale, True), outputs)
    ours = _spread(weights, position, -20, inputs + 20)[:, 20 : 20 + inputs]
    compare(ours[3:-3], theirs[3:-3], within=1e-4, what="the weights of outputs 3 to 8 of 12, at scale 0.25")


EXERCISE = Exercise(
    reference=right_contributions,
    checks=(
        contributions_worked_example,
        contributions_sum,
        contributions_shrinking,
        contributions_halving,
        contributions_narrow,
        contributions_enlarging,
        contributions_ramp,
        contributions_of_torch,
    ),
)
