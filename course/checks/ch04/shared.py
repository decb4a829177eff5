"""What several exercises of lesson 04 take."""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from course.checking import Case, Mistakes, Wrong, compare, require

PixelShuffle = Callable[[Tensor, int], Tensor]
Parts = dict[str, nn.Module]


# Parts of a network that note when they are called: for 04.1 and 04.5
class Noted(nn.Module):
    """A part that notes its name in each call."""

    def __init__(self, name: str, body: nn.Module, notes: list[str]) -> None:
        super().__init__()
        self.name, self.body, self.notes = name, body, notes

    def forward(self, x: Tensor) -> Tensor:
        self.notes.append(self.name)
        return cast(Tensor, self.body(x))


def times_factor(factor: float) -> nn.Conv2d:
    """A 1 x 1 convolution of one channel: factor * x."""
    conv = nn.Conv2d(1, 1, 1)
    nn.init.constant_(conv.weight, factor)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


def with_weights(part: nn.Module, case: Case) -> nn.Module:
    """The part with weights, and running statistics, from the case; slopes of PReLU stay below 1."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.weight[0].numel()
            module.weight.data = (6 * case.rand(*module.weight.shape) - 3) * fan**-0.5
            cast(Tensor, module.bias).data = case.rand(module.out_channels) - 0.5
        elif isinstance(module, nn.PReLU):
            module.weight.data = 0.1 + 0.4 * case.rand(1)
        elif isinstance(module, nn.BatchNorm2d):
            channels = module.num_features
            module.weight.data, module.bias.data = 0.5 + case.rand(channels), case.rand(channels) - 0.5
            cast(Tensor, module.running_mean).copy_(case.rand(channels) - 0.5)
            cast(Tensor, module.running_var).copy_(0.5 + case.rand(channels))
    return part


def compare_parts(
    answer: Callable[..., Tensor],
    case: Case,
    x: Tensor,
    parts: Parts,
    mistakes: Callable[[Tensor, Parts], Mistakes],
    reference: Callable[..., Tensor],
    what: str,
    *,
    expected: Tensor | None = None,
    within: float = 1e-4,
    public: bool = False,
) -> None:
    """The answer's value, and that the parts are as the right answer would leave them."""
    before, twin = copy.deepcopy(parts), copy.deepcopy(parts)
    right = reference(x, *twin.values()).detach()
    got = case.call(answer, x, *parts.values())
    compare(
        got,
        right if expected is None else expected,
        within=within,
        what=what,
        public=public,
        mistakes=mistakes(x, before),
    )
    for name, part in parts.items():
        require(
            part.training == twin[name].training,
            f"your code switches the mode of {name}: leave train and eval alone",
            expected=f"{name} in the mode in which it came",
            got="the other mode",
        )
        same = all(map(torch.equal, part.state_dict().values(), twin[name].state_dict().values()))
        require(
            same,
            f"your code changes {name}, or calls it with something else as well",
            expected=f"{name} as one call leaves it",
            got="other weights or statistics in it",
        )
        require(
            all(parameter.requires_grad for parameter in part.parameters()),
            f"{name} cannot be trained any more: leave requires_grad of its weights alone",
            expected=f"{name} with weights that can be trained",
            got="weights with requires_grad=False",
        )


def require_order(notes: Sequence[str], wanted: Sequence[str]) -> None:
    if list(notes) == list(wanted):
        return
    got = ", ".join(notes) or "no call"
    order = ", ".join(wanted)
    missing = [name for name in wanted if name not in notes]
    if missing:
        raise Wrong(f"{missing[0]} is left out: the order is {order}", expected=f"calls of {order}", got=got)
    often = next((name for name in wanted if notes.count(name) > 1), None)
    if often:
        cause = f"{often} is called {notes.count(often)} times: call it once and keep what it gives in a variable"
        raise Wrong(cause, expected=f"calls of {order}", got=got)
    raise Wrong(f"the parts come in another order: it is {order}", expected=f"calls of {order}", got=got)


def noted(parts: Parts, notes: list[str]) -> Parts:
    return {name: Noted(name, part, notes) for name, part in parts.items()}


def compare_gradients(
    answer: Callable[..., Tensor], case: Case, x: Tensor, parts: Parts, reference: Callable[..., Tensor]
) -> None:
    """The gradients of the input and of all weights are the right ones."""
    twin = copy.deepcopy(parts)
    own, theirs = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    got = case.call(answer, own, *parts.values())
    require(
        isinstance(got, Tensor) and got.requires_grad,
        "no gradient can flow: leave out torch.no_grad, detach and .data",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    got.square().sum().backward()
    reference(theirs, *twin.values()).square().sum().backward()
    pairs = [(own, theirs)]
    pairs += [pair for name in parts for pair in zip(parts[name].parameters(), twin[name].parameters(), strict=True)]
    for mine, right in pairs:
        require(
            mine.grad is not None,
            "the gradient is cut off on its way: leave out detach, .data and torch.no_grad",
            expected="a gradient for the input and for every weight",
            got="one without",
        )
        wanted = cast(Tensor, right.grad)
        require(
            torch.allclose(cast(Tensor, mine.grad), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())),
            "the gradient is cut off on one of its ways: leave out detach, .data and torch.no_grad",
            expected="the gradient of the input and of each weight",
            got="another gradient, although the values are right",
        )


def numbered(*shape: int) -> Tensor:
    """0, 1, 2, ...: every value says where it was."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)
