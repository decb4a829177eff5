"""What several exercises of lesson 06 take."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from course.checking import Wrong, require

RESCALE = 1 / 12.75
CUTS = (10.0, 20.0, 30.0, 50.0, 80.0, 100.0)  # where cautious code may cut logits off
OVERFLOW = "log(0) or e^z is infinite for large logits: F.softplus(z) is log(1 + e^z) for every z"


def gradients_of(answer: Any, inputs: tuple[Tensor, ...], names: tuple[str, ...]) -> list[Tensor]:
    """The gradients of a loss. Raises Wrong if one of the inputs does not get any."""
    if not (isinstance(answer, Tensor) and answer.requires_grad):
        raise Wrong(
            "no gradient can flow: leave out torch.no_grad, detach, item, .data and numpy",
            expected="a result that training can go through",
            got="a result without a gradient",
        )
    found = torch.autograd.grad(answer, inputs, allow_unused=True)
    for gradient, name in zip(found, names, strict=True):
        if gradient is None:
            raise Wrong(
                f"no gradient reaches {name}: leave out detach, item and torch.no_grad on its way",
                expected=f"a gradient for {name}",
                got="none",
            )
    return [gradient for gradient in found if gradient is not None]


def no_nan(gradients: Sequence[Tensor]) -> None:
    """Raises Wrong if a loss is right, and its gradient is not a number."""
    require(
        not any(bool(gradient.isnan().any()) for gradient in gradients),
        "the gradient of a large logit is nan: e^z is infinite, and torch.where sends 0 times infinity back from the "
        "branch that it does not take; F.softplus is right in both",
        expected="gradients that are numbers, logits of any size",
        got="nan",
    )
