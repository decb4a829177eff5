"""05.5 take_over: what a right answer must satisfy."""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, Mistakes, Wrong, compare, require

TakeOver = Callable[[nn.Module, Mapping[str, Tensor]], list[str]]


def _take_over(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Tensor by tensor; srlib's load_matching refuses a network of which not even half fits."""
    stayed = []
    with torch.no_grad():
        for name, own in network.state_dict().items():
            if name in state and state[name].shape == own.shape:
                own.copy_(state[name])
            else:
                stayed.append(name)
    return stayed


class _Net(nn.Module):
    """A network whose tensors have the names and shapes that are asked for; those that end in "count" are buffers."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], case: Case) -> None:
        super().__init__()
        for name, shape in shapes.items():
            folder, _, last = name.rpartition(".")
            part: nn.Module = self
            for step in filter(None, folder.split(".")):
                if step not in part._modules:
                    part.add_module(step, nn.Module())
                part = part.get_submodule(step)
            if last.endswith("count"):
                part.register_buffer(last, case.rand(*shape))
            else:
                part.register_parameter(last, nn.Parameter(case.rand(*shape)))


def _compare_taken(
    answer: TakeOver, case: Case, shapes: Mapping[str, tuple[int, ...]], state: dict[str, Tensor], what: str,
    public: bool = False,
) -> _Net:  # fmt: skip
    """Lets the answer load the state, and looks at the network's tensors and at the list that came back."""
    network = _Net(shapes, case)
    twin, before = copy.deepcopy(network), copy.deepcopy(network.state_dict())
    stayed, parameters = _take_over(twin, state), dict(network.named_parameters())
    got = case.call(answer, network, state)
    now = network.state_dict()
    require(
        list(now) == list(before) and all(now[name].shape == before[name].shape for name in before),
        "the network has other tensors than before: what does not fit in name and shape stays",
        expected=what,
        got="tensors of other names or shapes",
    )
    for name, wanted in twin.state_dict().items():
        if torch.equal(now[name], wanted):
            continue
        cause = f"{name} was changed, although nothing of its name and shape is in state"
        if name not in stayed:
            cause = f"{name} fits in name and shape, but was not taken over"
            if torch.equal(now[name], before[name]) and name not in parameters:
                cause = f"{name} is a buffer and was not taken over: state_dict() has them too, parameters() does not"
        elif name in state:
            cause = f"{name} has another shape in state: it must stay, and not be cut, repeated or reshaped to fit"
        elif any(torch.equal(now[name], value) for value in state.values()):
            cause = f"{name} got a tensor of another name: name and shape must both agree"
        raise Wrong(cause, expected=what, got=f"other values in {name}")
    require(
        all(after is parameters[name] for name, after in network.named_parameters()),
        "the parameters were replaced by new ones, which the optimiser does not know: copy into them",
        expected="the same parameters with other values",
        got="other parameters",
    )
    places = {value.data_ptr() for value in state.values()}
    require(
        not any(value.data_ptr() in places for value in now.values()),
        "the network shares memory with state: copy the values, or training changes both",
        expected="values that were copied",
        got="tensors of state itself",
    )
    compare(got, stayed, within=0, what=f"the names that stayed, {what}", public=public, mistakes=_lists(before, state))
    return network


def _lists(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Mistakes:
    fits = [name for name in own if name in state and state[name].shape == own[name].shape]
    stayed = [name for name in own if name not in fits]
    unknown = [name for name in state if name not in own]
    return {
        "the names that were taken over came back: those that stayed are wanted": lambda: fits,
        "the names of state that were not used came back: those of the network that stayed are wanted": lambda: [
            name for name in state if name not in fits
        ],
        "only the names that the network does not have came back: those that stayed are wanted": lambda: unknown,
        "only tensors of another shape were listed: those that are not in state stayed too": lambda: [
            name for name in stayed if name in state
        ],
        "only tensors that are not in state were listed: those of another shape stayed too": lambda: [
            name for name in stayed if name not in state
        ],
        "names of state that the network does not have are in the list too": lambda: stayed + unknown,
        "the list is sorted by the alphabet: the network's own order is wanted": lambda: sorted(stayed),
        "the list is in the opposite order": lambda: stayed[::-1],
        "a set came back: a list in the network's order is wanted": lambda: set(stayed),
    }


def take_over_worked_example(answer: TakeOver, case: Case) -> None:
    """a.weight is taken over, b.weight of another shape and b.bias stay."""
    shapes = {"a.weight": (3, 2), "b.weight": (5, 3), "b.bias": (5,)}
    state = {"a.weight": case.rand(3, 2), "b.weight": case.rand(4, 3), "c.bias": case.rand(5)}
    _compare_taken(answer, case, shapes, state, "a.weight taken over, the rest as it was", public=True)


def take_over_shapes(answer: TakeOver, case: Case) -> None:
    """A tensor of another shape stays, even where it could be repeated, cut or reshaped to fit."""
    shapes = {"repeat": (4, 3), "wide": (2, 6), "tall": (6, 2), "cut": (2, 2), "body.kernel": (3, 3, 3, 3)}
    shapes |= {"swapped": (2, 3, 4), "one": (1,), "flat": (4,)}
    state = {
        "swapped": case.rand(3, 2, 4),  # the same numbers of numbers, dimensions and columns
        "one": case.rand(),
        "flat": case.rand(4, 1),
        "wide": case.rand(6, 2),  # as many numbers
        "repeat": case.rand(1, 3),  # could be broadcast
        "tall": case.rand(6, 2),
        "body.kernel": case.rand(3, 3, 1, 1),  # the same number of dimensions, and of rows
        "cut": case.rand(3, 3),
    }
    _compare_taken(answer, case, shapes, state, "only `tall` taken over")


def take_over_names(answer: TakeOver, case: Case) -> None:
    """A tensor of another name stays, even where order and shape agree; state may lack and have names."""
    shapes = {"up.weight": (2, 3), "body.0.weight": (2, 3), "body.1.weight": (2, 3), "att.bias": (4,)}
    state = {"body.1.weight": case.rand(2, 3), "body.weight": case.rand(2, 3), "module.up.weight": case.rand(2, 3)}
    _compare_taken(answer, case, shapes, state, "only body.1.weight taken over")
    _compare_taken(answer, case, shapes, {}, "nothing taken over from an empty state")


def take_over_all(answer: TakeOver, case: Case) -> None:
    """Where everything fits, buffers too, everything is taken over and the list is empty."""
    shapes = {"norm.weight": (3,), "norm.count": (1,), "norm.bias": (3,), "last.weight": (2, 2)}
    state = {name: case.rand(*shape) for name, shape in reversed(shapes.items())}
    _compare_taken(answer, case, shapes, state, "everything taken over, an empty list")


def take_over_real_layers(answer: TakeOver, case: Case) -> None:
    """With real layers: counters without dimensions are taken over, what no state_dict has is not in the list."""
    network, other = (nn.Sequential(nn.Conv2d(1, n, 1), nn.BatchNorm2d(n), nn.Conv2d(n, 1, 1)) for n in (3, 2))
    for part in (network, other):
        part.register_buffer("scratch", case.rand(2), persistent=False)
    network[1].eval()
    other(case.rand(2, 1, 3, 3))
    twin, state = copy.deepcopy(network), dict(other.state_dict())
    stayed = _take_over(twin, state)
    got = case.call(answer, network, state)
    counter = "1.num_batches_tracked"
    require(
        all(map(torch.equal, network.state_dict().values(), twin.state_dict().values())),
        f"not all that fits was taken over, or more: {counter} and 2.bias fit, one a counter without dimensions",
        expected="the counter and the last bias taken over",
        got="other values",
    )
    require(
        all(
            part.training == original.training for part, original in zip(network.modules(), twin.modules(), strict=True)
        ),
        "your code switches the network's mode: leave train and eval alone",
        expected="each part of the network in the mode in which it came",
        got="another mode",
    )
    mistakes = _lists(twin.state_dict(), state)
    mistakes["parameters come before all buffers in the list: state_dict() has the network's order"] = lambda: [
        *(name for name, _ in network.named_parameters() if name in stayed),
        *(name for name, _ in network.named_buffers() if name in stayed),
    ]
    mistakes["a buffer is in the list that state_dict() does not have (persistent=False)"] = lambda: [
        *(name for name, _ in network.named_parameters() if name in stayed),
        *(name for name, _ in network.named_buffers() if name in {*stayed, "scratch"}),
    ]
    compare(got, stayed, within=0, what="the names of a convolution and a normalisation", mistakes=mistakes)


def take_over_leaves_training_possible(answer: TakeOver, case: Case) -> None:
    """Afterwards the network trains as before, and its training does not change the other network's weights."""
    shapes = {"a": (2, 2), "b": (3,)}
    state = {"a": case.rand(2, 2), "b": case.rand(4)}
    network = _compare_taken(answer, case, shapes, state, "a taken over")
    require(
        all(parameter.requires_grad for parameter in network.parameters()),
        "a parameter cannot be trained any more (requires_grad is False)",
        expected="parameters that can be trained",
        got="one that cannot",
    )


EXERCISE = Exercise(
    reference=_take_over,
    checks=(
        take_over_worked_example,
        take_over_shapes,
        take_over_names,
        take_over_all,
        take_over_real_layers,
        take_over_leaves_training_possible,
    ),
)
