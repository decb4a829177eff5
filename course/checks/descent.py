"""An optimiser for checks: what it does can be read."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Descent:
    """Gradient descent that notes what it is asked to do (torch.optim takes seconds to load, and cannot note)."""

    def __init__(self, network: nn.Module, rate: float, notes: list[str]) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "lr": rate}]
        self.notes = notes

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.notes.append("zero_grad")
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else torch.zeros_like(parameter)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        self.notes.append("step")
        group = self.param_groups[0]
        with torch.no_grad():
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter -= group["lr"] * self.direction(parameter.grad)
        return value

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient
