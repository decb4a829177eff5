"""What several exercises of lesson 05 take."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course.checking import Case, Wrong, require

Enlarge = Callable[[Tensor], Tensor]


def linear(case: Case, inputs: int, outputs: int, *, bias: bool = True, size: float = 2.0) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias)
    for parameter in layer.parameters():
        parameter.data = size * (case.rand(*parameter.shape) - 0.5)
    return layer


def fixed(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def unharmed(layers: tuple[nn.Linear, ...], before: tuple[nn.Linear, ...]) -> None:
    require(
        all(torch.equal(a, b) for x, y in zip(layers, before, strict=True) for a, b in twins(x, y)),
        "your code changes a layer's weights: call the layer, and leave it as it is",
        expected="the layers as they were",
        got="a layer with other weights",
    )


def twins(a: nn.Module, b: nn.Module) -> list[tuple[Tensor, Tensor]]:
    return list(zip(a.parameters(), b.parameters(), strict=True))


def gradients_of(answer: Any, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The gradients of an answer's sum of squares. Raises Wrong if one of the inputs does not get any."""
    if not (isinstance(answer, Tensor) and answer.requires_grad):
        raise Wrong(
            "no gradient can flow: leave out torch.no_grad, detach, .data and numpy",
            expected="a result that training can go through",
            got="a result without a gradient",
        )
    found = torch.autograd.grad(answer.square().sum(), inputs, allow_unused=True)
    if any(gradient is None for gradient in found):
        raise Wrong(
            "the gradient is cut off on its way: leave out detach, .data and torch.no_grad",
            expected="a gradient for every input and every weight",
            got="an input or a weight without one",
        )
    return [gradient for gradient in found if gradient is not None]
