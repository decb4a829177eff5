"""05.2 place_attention: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch05 import place_attention_mistakes
from course.checks.ch05.shared import gradients_of

PlaceAttention = Callable[[Tensor, Tensor, Tensor], Tensor]


def _place_attention(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """With the channels last, as one matrix product."""
    logits = x.movedim(1, -1) @ weight.T + bias
    return torch.sigmoid(logits).movedim(-1, 1) * x


def _compare_place(
    answer: PlaceAttention, case: Case, x: Tensor, weight: Tensor, bias: Tensor, what: str, public: bool = False,
    within: float = 1e-5,
) -> None:  # fmt: skip
    compare(
        case.call(answer, x, weight, bias),
        _place_attention(x, weight, bias),
        within=within,
        what=what,
        public=public,
        mistakes=place_attention_mistakes.place(x, weight, bias),
    )


def place_worked_example(answer: PlaceAttention, case: Case) -> None:
    """A place with the numbers (1, 2) becomes (0.5, 1) by one gate, (0.5, 1.5) by two."""
    x = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    _compare_place(answer, case, x, torch.tensor([[1.0, 0.5]]), torch.tensor([-2.0]), "one gate: (0.5, 1)", public=True)
    bias = torch.tensor([0.0, 2 + math.log(3)])
    _compare_place(answer, case, x, torch.tensor([[0.0, 0.0], [0.0, -1.0]]), bias, "(0.5, 1.5)", public=True)


def place_spatial(answer: PlaceAttention, case: Case) -> None:
    """With K = 1 every place has one gate for all of its channels."""
    for shape in ((2, 5, 3, 4), (1, 1, 2, 2), (3, 4, 1, 6), (2, 3, 4, 4), (1, 2, 5, 5)):
        x, weight = 4 * case.rand(*shape) - 2, 3 * case.rand(1, shape[1]) - 1.5
        _compare_place(answer, case, x, weight, case.rand(1) - 0.5, f"x {shape}, weight (1, {shape[1]})")


def place_pixel(answer: PlaceAttention, case: Case) -> None:
    """With K = C every value has a gate of its own, which all C numbers of its place decide."""
    for shape in ((2, 3, 4, 5), (1, 6, 2, 2), (2, 4, 3, 3)):
        count = shape[1]
        x, weight = 4 * case.rand(*shape) - 2, 3 * case.rand(count, count) - 1.5
        _compare_place(answer, case, x, weight, 2 * case.rand(count) - 1, f"x {shape}, weight ({count}, {count})")


def place_any_values(answer: PlaceAttention, case: Case) -> None:
    """Values of any size, in float64."""
    for count, size in ((1, 1.0), (3, 1e5)):
        x = size * (4 * case.rand(2, 3, 3, 3).double() - 2)
        weight, bias = 3 * case.rand(count, 3).double() - 1.5, case.rand(count).double()
        what = f"x with values up to {2 * size:g}, in float64"
        _compare_place(answer, case, x, weight, bias, what, within=1e-10 * size)


def place_gradients(answer: PlaceAttention, case: Case) -> None:
    """Gradients reach x, weight and bias, with one gate for a place and with many."""
    for count in (1, 3):
        shapes = (2, 3, 2, 4), (count, 3), (count,)
        x, weight, bias = inputs = tuple(case.rand(*shape).requires_grad_() for shape in shapes)
        expected = gradients_of(_place_attention(x, weight, bias), inputs)
        for own, theirs in zip(gradients_of(case.call(answer, *inputs), inputs), expected, strict=True):
            compare(own, theirs, within=1e-3, what="the gradient of x, weight and bias")


EXERCISE = Exercise(
    reference=_place_attention,
    checks=(place_spatial, place_pixel, place_worked_example, place_any_values, place_gradients),
)
