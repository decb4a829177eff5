"""09.4 averaged: what a right answer must satisfy."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, compare, require
from course.checks.ch09 import averaged_mistakes
from srlib.training import move_average

Averaged = Callable[[nn.Module, nn.Module, float], nn.Module]


def _averaged(average: nn.Module, network: nn.Module, decay: float) -> nn.Module:
    with torch.no_grad():
        move_average(average, network, keep=decay)
    return average


class _Kept(nn.Module):
    """The worked example's: a weight and a counter."""

    count: Tensor

    def __init__(self, weight: list[float], count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.register_buffer("count", torch.tensor(count))


def _networks(case: Case, *, frozen: bool) -> tuple[nn.Module, nn.Module]:
    """Two of a kind, whose values all differ; the average's parameters as training has them, or frozen."""
    made: list[nn.Module] = []
    for _ in range(2):
        inner = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1, bias=False))
        network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.PReLU(), inner)
        for value in (*network.parameters(), *network.buffers()):
            whole = not value.is_floating_point()
            value.data.copy_(torch.tensor(case.integer(1, 99)) if whole else case.rand(*value.shape) + len(made))
        made.append(network)
    for parameter in made[1].parameters():
        parameter.grad = torch.ones_like(parameter)
    made[0].requires_grad_(not frozen)
    return made[0], made[1]


def _compare_average(
    answer: Averaged, case: Case, average: nn.Module, network: nn.Module, decay: float, what: str,
    within: float = 1e-5, public: bool = False,
) -> None:  # fmt: skip
    mine, theirs = ({k: v.detach().clone() for k, v in _all(x).items()} for x in (average, network))
    own = dict(average.named_parameters())
    needed = {name: value.requires_grad for name, value in own.items()}
    buffers = [name for name, _ in network.named_buffers()]
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()}
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    mode = network.training
    got = case.call(answer, average, network, decay)
    now = _all(average)
    require(
        now.keys() == mine.keys(),
        "the average has other parameters or buffers than before: change the values of those it has",
        expected="the same names",
        got=", ".join(sorted(now.keys() ^ mine.keys())),
    )
    for name, value in _all(network).items():
        require(
            torch.equal(value.detach(), theirs[name]),
            "the network that is trained was changed: only the average is",
            expected="the network as it was",
            got=f"another {name}",
        )
    for name, parameter in network.named_parameters():
        kept, grad = gradients[name], parameter.grad
        require(
            (grad is None) == (kept is None) and (grad is None or kept is None or torch.equal(grad, kept)),
            "the gradients of the network that is trained were touched: it stays as it is",
            expected="the gradients that it had",
            got=f"other ones at {name}",
        )
        require(
            parameter.requires_grad == (name not in frozen),
            "the network that is trained was frozen, or set free: only the average's values change",
            expected=f"{name} with requires_grad = {name not in frozen}",
            got=f"{parameter.requires_grad}",
        )
    require(
        network.training == mode,
        "the network that is trained was switched with train() or eval(): it stays as it is",
        expected="a network in the mode in which it came",
        got="the other mode",
    )
    for name, value in now.items():
        expected = torch.lerp(theirs[name], mine[name], decay) if name in own else theirs[name]
        if name in buffers:
            mistakes = averaged_mistakes.copied(name, mine[name], theirs[name], decay)
        else:
            mistakes = averaged_mistakes.average(mine[name], theirs[name], decay)
        compare(
            value.detach(),
            expected,
            within=within,
            what=f"{name}, {what}",
            public=public,
            mistakes=mistakes,
            otherwise=partial(_what_of_average, name, value.detach(), mine[name], theirs[name], decay, name in buffers),
        )
    places = {value.data_ptr() for value in _all(network).values()}
    require(
        not any(value.data_ptr() in places for value in now.values()),
        "average and network share memory: the next step of training would change both; copy the values, x.copy_(y)",
        expected="values of its own",
        got="a tensor of the network itself",
    )
    for name, value in average.named_parameters():
        require(
            value.is_leaf and value.grad_fn is None,
            "a graph hangs on the average, longer at each step, until the memory is full: torch.no_grad()",
            expected=f"{name} without a graph",
            got="a tensor that remembers how it was made",
        )
        require(
            value is own[name],
            "the average got new parameters in the place of its own: change their values, mul_ and add_, or copy_",
            expected=f"the same tensor {name}",
            got="another one",
        )
        require(
            value.requires_grad == needed[name],
            "whether the average's parameters require gradients has changed",
            expected=f"requires_grad = {needed[name]}",
            got=f"{value.requires_grad}",
        )
    require(
        got is average,
        "average itself is wanted, changed in place, and not another network",
        expected="the network that came as average",
        got="another one",
    )


def _what_of_average(name: str, got: Tensor, mine: Tensor, theirs: Tensor, decay: float, buffer: bool) -> str:
    """What can be said of one parameter or buffer that is neither the old nor the new one."""
    if buffer:
        return f"{name} is neither what it was nor what the network has: buffers are copied"
    difference = (mine - theirs).double().flatten()
    share = float(((got - theirs).double().flatten() * difference).sum() / difference.square().sum())
    if 0 <= share <= 1 and torch.allclose(torch.lerp(theirs, mine, share), got, rtol=0, atol=1e-5):
        return f"the share of the average that is kept is {share:.4g}, whatever was asked for: decay"
    return "not decay * average + (1 - decay) * network of what came: nothing is kept from an earlier call"


def _all(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def average_worked_example(answer: Averaged, case: Case) -> None:
    """(1, 2) and (3, 6) become (1.5, 3); the counter is copied."""
    _compare_average(answer, case, _Kept([1.0, 2.0], 8), _Kept([3.0, 6.0], 20), 0.75, "after one step", public=True)


def average_random(answer: Averaged, case: Case) -> None:
    """Every parameter of a network moves, at any depth, and every buffer is copied, for any decay."""
    for decay in (0.9, 0.3, 0.999, 0.0, 1.0):
        average, network = _networks(case, frozen=decay == 0.3)
        _compare_average(answer, case, average, network, decay, f"with decay {decay:g}")


def average_frozen(answer: Averaged, case: Case) -> None:
    """Whether parameters require gradients makes no difference, in the average or in the network."""
    for frozen in (True, False):
        average, network = _networks(case, frozen=frozen)
        network[0].requires_grad_(False)  # type: ignore[index]
        _compare_average(answer, case, average, network, 0.8, "where some parameters are frozen")


def average_goes_on(answer: Averaged, case: Case) -> None:
    """Steps in a row, in float64, while the network moves on."""
    average, network = (x.double() for x in _networks(case, frozen=True))
    for number in range(3):
        _compare_average(answer, case, average, network, 0.7, f"after step {number + 1}, in float64", within=1e-12)
        for parameter in network.parameters():
            parameter.data.add_(case.rand(*parameter.shape).double())


EXERCISE = Exercise(_averaged, (average_worked_example, average_random, average_frozen, average_goes_on))
