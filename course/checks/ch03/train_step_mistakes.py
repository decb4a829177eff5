"""What the usual mistakes in 03.4 give: cause -> formula, computed only when an answer is wrong."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Mistakes


def flat_weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def cropped(x: Tensor, margin: int) -> Tensor:
    return x[..., margin : x.shape[-2] - margin, margin : x.shape[-1] - margin]


Loss = Callable[[Tensor], Tensor]


def by_hand(
    network: nn.Module, rate: float, x: Tensor, target: Tensor, loss: Loss, cut: Callable[[Tensor], Tensor]
) -> tuple[float, Tensor]:
    """Loss, and the weights after one step of plain gradient descent, without an optimiser."""
    own = copy.deepcopy(network)
    value = loss(cut(own(x)) - cut(target))
    gradient = torch.autograd.grad(value, list(own.parameters()))
    return float(value.detach()), flat_weights(network) - rate * torch.cat([g.flatten() for g in gradient])


def mean_square(error: Tensor) -> Tensor:
    return error.square().mean()


def steps(network: nn.Module, rate: float, x: Tensor, target: Tensor, margin: int) -> Mistakes:
    """What the usual mistakes give, as (loss, weights afterwards), for plain gradient descent from here."""
    left = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in network.parameters()])
    network, before = copy.deepcopy(network), flat_weights(network)

    def step(
        loss: Loss = mean_square, cut: Callable[[Tensor], Tensor] = lambda y: cropped(y, margin)
    ) -> tuple[float, Tensor]:
        return by_hand(network, rate, x, target, loss, cut)

    def lone(part: Callable[[Tensor], Tensor]) -> Callable[[], tuple[float, Tensor]]:
        return lambda: step(cut=part)

    def after() -> tuple[float, Tensor]:
        moved, (_, weights) = copy.deepcopy(network), step()
        torch.nn.utils.vector_to_parameters(weights, moved.parameters())
        return float(mean_square(cropped(moved(x) - target, margin)).detach()), weights

    m = margin
    return {
        "the old gradient was added to the new one: optimizer.zero_grad() before loss.backward()": lambda: (
            step()[0],
            step()[1] - rate * left if left.any() else torch.tensor(torch.nan),
        ),
        "the loss is that after the update: compute it once, before optimizer.step()": after,
        "the sum of the squared errors instead of their mean": lambda: step(lambda e: e.square().sum()),
        "the absolute error (L1) instead of the squared one": lambda: step(lambda e: e.abs().mean()),
        "the root of the mean squared error: leave the root out": lambda: step(lambda e: e.square().mean().sqrt()),
        "half the mean squared error: leave the half out": lambda: step(lambda e: e.square().mean() / 2),
        "the sum over each picture, then the mean over the batch: one mean over everything is wanted": lambda: step(
            lambda e: e.square().sum((1, 2, 3)).mean()
        ),
        "the margin was not left out of the loss": lone(lambda y: y),
        "the margin was cut at the top and left only: at the bottom and right too": lone(lambda y: y[..., m:, m:]),
        "the margin was cut at the bottom and right only: at the top and left too": lone(
            lambda y: y[..., : y.shape[-2] - m, : y.shape[-1] - m]
        ),
        "the margin was cut from the rows only: from the columns too": lone(lambda y: y[..., m : y.shape[-2] - m, :]),
        "the margin was cut from the columns only: from the rows too": lone(lambda y: y[..., m : y.shape[-1] - m]),
        "the margin was cut from x: cut the network's output and the target": lambda: by_hand(
            network, rate, cropped(x, m), cropped(target, m), mean_square, lambda y: y
        ),
        "the errors in the margin were set to zero but still counted in the mean: cut them out": lone(
            lambda y: y * F.pad(cropped(torch.ones_like(y), m), (m, m, m, m))
        ),
        "margin 0 leaves nothing: x[..., 0:-0] is empty; slice from margin to height - margin": lambda: (
            torch.nan,
            before if m == 0 else torch.tensor(0.0),
        ),
        "the weights went uphill: the gradient is subtracted": lambda: (step()[0], 2 * before - step()[1]),
        "the weights did not move: optimizer.step() after loss.backward()": lambda: (step()[0], before),
    }
