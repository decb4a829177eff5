"""Lesson 05, attention and small networks: what a right answer must satisfy."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks import mistakes05
from srlib import inference, losses

Enlarge = Callable[[Tensor], Tensor]
ChannelAttention = Callable[[Tensor, nn.Linear, nn.Linear], Tensor]
PlaceAttention = Callable[[Tensor, Tensor, Tensor], Tensor]
Mixed = Callable[[Tensor, Tensor, Tensor, nn.Linear, nn.Linear, float], Tensor]
Charbonnier = Callable[[Tensor, Tensor, float], Tensor]
TakeOver = Callable[[nn.Module, Mapping[str, Tensor]], list[str]]
SelfEnsemble = Callable[[Enlarge, Tensor], Tensor]


def _linear(case: Case, inputs: int, outputs: int, *, bias: bool = True, size: float = 2.0) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias)
    for parameter in layer.parameters():
        parameter.data = size * (case.rand(*parameter.shape) - 0.5)
    return layer


def _fixed(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def _unharmed(layers: tuple[nn.Linear, ...], before: tuple[nn.Linear, ...]) -> None:
    require(
        all(torch.equal(a, b) for x, y in zip(layers, before, strict=True) for a, b in _twins(x, y)),
        "your code changes a layer's weights: call the layer, and leave it as it is",
        expected="the layers as they were",
        got="a layer with other weights",
    )


def _twins(a: nn.Module, b: nn.Module) -> list[tuple[Tensor, Tensor]]:
    return list(zip(a.parameters(), b.parameters(), strict=True))


def _gradients(answer: Any, inputs: tuple[Tensor, ...]) -> list[Tensor]:
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


# ---------------------------------------------------------------------------------------------------------------
# 05.1 channel_attention


def _channel_attention(x: Tensor, down: nn.Linear, up: nn.Linear) -> Tensor:
    """As convolutions of a picture of one pixel, the way most programs write it."""
    squeezed = F.adaptive_avg_pool2d(x, 1)
    hidden = F.conv2d(squeezed, down.weight[..., None, None], down.bias).clamp(min=0)
    return F.conv2d(hidden, up.weight[..., None, None], up.bias).sigmoid() * x


def _compare_channel(
    answer: ChannelAttention, case: Case, x: Tensor, down: nn.Linear, up: nn.Linear, expected: Tensor, what: str,
    within: float = 1e-5,
) -> None:  # fmt: skip
    before = copy.deepcopy((down, up))
    got = case.call(answer, x, down, up)
    _unharmed((down, up), before)
    with torch.no_grad():
        mistakes = mistakes05.channel(x, *before)
        compare(got, expected.detach(), within=within, what=what, mistakes=mistakes)


def channel_worked_example(answer: ChannelAttention, case: Case) -> None:
    """Two channels with the means 2 and 1 get the gates 0.5 and 0.75."""
    x = torch.tensor([[1.0, 3.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    down, up = _fixed([[1.0, 1.0]], [0.0]), _fixed([[0.0], [-1.0]], [0.0, 3 + math.log(3)])
    before = copy.deepcopy((down, up))
    with torch.no_grad():
        compare(
            case.call(answer, x, down, up),
            torch.tensor([0.5, 1.5, 0.75, 0.75]).view(1, 2, 1, 2),
            within=1e-5,
            what="(0.5, 1.5) and (0.75, 0.75)",
            public=True,
            mistakes=mistakes05.channel(x, *before),
        )


def channel_each_picture(answer: ChannelAttention, case: Case) -> None:
    """Each picture of a batch has gates of its own, which are the same at all its places."""
    for shape in ((3, 5, 4, 6), (1, 4, 1, 3), (4, 6, 4, 6), (2, 3, 5, 5)):
        x = 3 * case.rand(*shape) * case.rand(shape[0], shape[1], 1, 1) - 0.5
        down, up = _linear(case, shape[1], 2), _linear(case, 2, shape[1])
        expected = _channel_attention(x, down, up)
        _compare_channel(answer, case, x, down, up, expected, f"x {shape}, each channel times its gate")


def channel_relu_and_sigmoid(answer: ChannelAttention, case: Case) -> None:
    """Negative numbers between the two layers count as 0, and the gates end with a sigmoid."""
    x = 0.5 + case.rand(2, 3, 2, 5)
    down = _fixed([[1.0, -1.0, 0.2], [-0.5, -0.5, -0.5], [2.0, 1.0, 0.0]], [0.0, 0.0, -1.0])
    up = _linear(case, 3, 3, size=6)
    expected = _channel_attention(x, down, up)
    _compare_channel(answer, case, x, down, up, expected, "x times gates, some hidden numbers below 0")


def channel_any_values(answer: ChannelAttention, case: Case) -> None:
    """Values of any size, in float64."""
    for size in (1.0, 1e5):
        x = size * (2 * case.rand(2, 3, 4, 4).double() - 0.5)
        down, up = _linear(case, 3, 4, size=4).double(), _linear(case, 4, 3, size=4).double()
        for weight in (down.weight, up.weight[0]):  # so that some numbers before the sigmoid are large
            weight.data.abs_()
        expected, what = _channel_attention(x, down, up), f"x with values up to {1.5 * size:g}, in float64"
        _compare_channel(answer, case, x, down, up, expected, what, within=1e-10 * size)


def channel_gradients(answer: ChannelAttention, case: Case) -> None:
    """Gradients reach x and both layers."""
    x = case.rand(2, 4, 3, 3).requires_grad_()
    down, up = _linear(case, 4, 3), _linear(case, 3, 4)
    inputs = (x, *down.parameters(), *up.parameters())
    nn.init.constant_(down.bias, 1.5)  # so that no hidden number sits at the kink of the ReLU
    expected = _gradients(_channel_attention(x, down, up), inputs)
    for own, theirs in zip(_gradients(case.call(answer, x, down, up), inputs), expected, strict=True):
        compare(own, theirs, within=1e-3, what="the gradient of each input and weight")


# ---------------------------------------------------------------------------------------------------------------
# 05.2 place_attention


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
        mistakes=mistakes05.place(x, weight, bias),
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
        expected = _gradients(_place_attention(x, weight, bias), inputs)
        for own, theirs in zip(_gradients(case.call(answer, *inputs), inputs), expected, strict=True):
            compare(own, theirs, within=1e-3, what="the gradient of x, weight and bias")


# ---------------------------------------------------------------------------------------------------------------
# 05.3 mixed


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
    _unharmed((down, up), before)
    with torch.no_grad():
        compare(
            got,
            _mixed(*pictures, *before, temperature) if expected is None else expected,
            within=within,
            what=what,
            public=expected is not None,
            mistakes=mistakes05.mix(*pictures, *before, temperature),
        )


def _branches(case: Case, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """inner, attended, plain; the channels of inner have very different means."""
    return 20 * case.rand(*shape) * case.rand(*shape[:2], 1, 1), 2 * case.rand(*shape) - 1, 2 * case.rand(*shape) - 1


def mixed_worked_example(answer: Mixed, case: Case) -> None:
    """z = (30 ln 3, 0) at temperature 30 makes 7 of 8 and 4."""
    inner = torch.tensor([15.0, 45.0]).view(1, 1, 1, 2)
    down, up = _fixed([[1.0]]), _fixed([[math.log(3)], [0.0]])
    pictures = inner, torch.full_like(inner, 8), torch.full_like(inner, 4)
    _compare_mixed(answer, case, pictures, down, up, 30.0, "7 everywhere", torch.full_like(inner, 7))


def mixed_each_picture(answer: Mixed, case: Case) -> None:
    """Each picture of a batch has its own two shares, which sum to 1."""
    for shape in ((3, 4, 2, 5), (4, 4, 3, 4), (1, 6, 1, 2), (2, 3, 3, 3)):
        down, up = _linear(case, shape[1], 3, bias=False, size=4), _linear(case, 3, 2, bias=False, size=12)
        _compare_mixed(answer, case, _branches(case, *shape), down, up, 30.0, f"pictures {shape}, temperature 30")


def mixed_temperature(answer: Mixed, case: Case) -> None:
    """The higher the temperature, the nearer both shares come to one half."""
    down, up = _linear(case, 2, 3, bias=False), _linear(case, 3, 2, bias=False)
    down.weight.data.abs_()
    for temperature in (2.0, 0.5, 40.0):
        inner, attended, plain = _branches(case, 2, 2, 3, 2)
        pictures = inner / 5, attended + 1, plain + 1  # all above 0: no mean is lost in the ReLU
        _compare_mixed(answer, case, pictures, down, up, temperature, f"mixed at temperature {temperature:g}")


def mixed_relu(answer: Mixed, case: Case) -> None:
    """Negative numbers between the two layers count as 0."""
    down = _fixed([[1.0, -1.0, 0.5], [-1.0, -0.5, -0.5]])
    up = _linear(case, 2, 2, bias=False, size=4)
    inner, attended, plain = _branches(case, 3, 3, 4, 2)
    _compare_mixed(answer, case, (inner / 5, attended, plain), down, up, 3.0, "mixed, some hidden numbers below 0")


def mixed_any_values(answer: Mixed, case: Case) -> None:
    """Layers with and without a bias, low temperatures, values of any size, in float64."""
    for bias, temperature, size in ((True, 0.05, 1.0), (True, 30.0, 1000.0), (False, 7.0, 30.0)):
        inner, attended, plain = (2 * case.rand(2, 3, 4, 4).double() - 0.5 for _ in range(3))
        down, up = (_linear(case, *sides, bias=bias).double() for sides in ((3, 4), (4, 2)))
        what = f"branches with values up to {1.5 * size:g}, temperature {temperature:g}, in float64"
        pictures = inner, size * attended, size * plain
        _compare_mixed(answer, case, pictures, down, up, temperature, what, within=1e-10 * size)


def mixed_gradients(answer: Mixed, case: Case) -> None:
    """Gradients reach both branches, both layers, and inner."""
    inner, attended, plain = ((1 + case.rand(2, 3, 2, 2)).requires_grad_() for _ in range(3))
    down, up = _linear(case, 3, 2, bias=False), _linear(case, 2, 2, bias=False)
    down.weight.data.abs_()  # so that no hidden number sits at the kink of the ReLU
    inputs = inner, attended, plain, down.weight, up.weight
    expected = _gradients(_mixed(inner, attended, plain, down, up, 2.0), inputs)
    got = case.call(answer, inner, attended, plain, down, up, 2.0)
    for own, theirs in zip(_gradients(got, inputs), expected, strict=True):
        compare(own, theirs, within=1e-3, what="the gradient of each input and weight")


# ---------------------------------------------------------------------------------------------------------------
# 05.4 charbonnier


def _charbonnier(sr: Tensor, hr: Tensor, eps: float) -> Tensor:
    return losses.charbonnier(sr, hr, eps=eps)


def _compare_charbonnier(
    answer: Charbonnier, case: Case, sr: Tensor, hr: Tensor, eps: float, what: str, expected: Tensor | None = None,
    within: float = 2e-6,
) -> None:  # fmt: skip
    compare(
        case.call(answer, sr, hr, eps),
        torch.hypot(sr - hr, torch.tensor(eps, dtype=sr.dtype)).mean() if expected is None else expected,
        within=within,
        what=what,
        public=expected is not None,
        mistakes=mistakes05.charbonnier(sr, hr, eps),
    )


def charbonnier_worked_example(answer: Charbonnier, case: Case) -> None:
    """Differences 0.3 and 0 with eps 0.4 make the loss 0.45."""
    sr, hr = torch.tensor([0.8, 0.2]).view(1, 1, 1, 2), torch.tensor([0.5, 0.2]).view(1, 1, 1, 2)
    _compare_charbonnier(answer, case, sr, hr, 0.4, "the loss", torch.tensor(0.45))


def charbonnier_random(answer: Charbonnier, case: Case) -> None:
    """One mean over all values of a batch, for any eps."""
    for eps in (0.3, 0.05, 1e-3):
        sr, hr = case.rand(3, 2, 4, 5), case.rand(3, 2, 4, 5) - 0.2
        _compare_charbonnier(answer, case, sr, hr, eps, f"the loss of a batch of three, eps {eps}")


def charbonnier_of_equal_pictures(answer: Charbonnier, case: Case) -> None:
    """Equal pictures give eps, and differences much larger than eps the mean absolute error."""
    sr = case.rand(2, 3, 3, 3)
    _compare_charbonnier(answer, case, sr, sr.clone(), 0.02, "eps itself")
    _compare_charbonnier(answer, case, sr + 4, sr - 3, 0.02, "nearly 7")


def charbonnier_any_values(answer: Charbonnier, case: Case) -> None:
    """Values of 0..255 or any other size, a tiny eps, squares, in float64."""
    for shape, size, eps in (((2, 1, 3, 3), 1e-5, 1e-5), ((1, 3, 4, 4), 255.0, 0.5), ((2, 2, 5, 5), 1.0, 3.0)):
        sr, hr = size * case.rand(*shape).double(), size * case.rand(*shape).double()
        what = f"the loss of values up to {size:g}, eps {eps:g}, in float64"
        _compare_charbonnier(answer, case, sr, hr, eps, what, within=1e-12 * max(size, eps))


def charbonnier_gradient(answer: Charbonnier, case: Case) -> None:
    """The gradient is d / sqrt(d^2 + eps^2) / N: 0 where the pictures agree, never larger than 1 / N."""
    sr, hr, eps = case.rand(2, 1, 3, 4), case.rand(2, 1, 3, 4), 0.05
    sr[0, 0, 0] = hr[0, 0, 0]
    sr.requires_grad_()
    loss = case.call(answer, sr, hr, eps)
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise Wrong(
            "no gradient can flow: return the tensor itself, without .item(), detach, torch.no_grad or numpy",
            expected="a loss that sr can be trained through",
            got="a number without a gradient",
        )
    [gradient] = torch.autograd.grad(loss, sr)
    d = (sr - hr).detach()
    compare(
        gradient,
        d / torch.hypot(d, torch.tensor(eps)) / d.numel(),
        within=1e-5,
        what="the gradient with respect to sr",
        mistakes={
            "that is the gradient of L1: eps is missing": lambda: d.sign() / d.numel(),
            "that is the gradient of L2": lambda: 2 * d / d.numel(),
        },
    )


# ---------------------------------------------------------------------------------------------------------------
# 05.5 take_over


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


def _lists(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> mistakes05.Mistakes:
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


# ---------------------------------------------------------------------------------------------------------------
# 05.6 self_ensemble


def _self_ensemble(enlarge: Enlarge, lr: Tensor) -> Tensor:
    return inference.self_ensemble(inference.Model("", 1, 0, enlarge))(lr)


def _by_transposing(enlarge: Enlarge, lr: Tensor) -> Tensor:
    """The same from three mirrors instead of turns: left-right, top-bottom, and along the diagonal."""
    total = torch.zeros(())
    for dims in ([], [-1], [-2], [-2, -1]):
        mirrored = lr.flip(dims)
        total = total + enlarge(mirrored).flip(dims) + enlarge(mirrored.mT).mT.flip(dims)
    return total / 8


def _lopsided(lr: Tensor, scale: int = 2) -> Tensor:
    """Stands for a network: enlarges, and treats its four corners and sides differently."""
    large = lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    rows = torch.arange(large.shape[2]).view(-1, 1)
    columns = torch.arange(large.shape[3])
    return large.square() + 0.3 * large.roll(1, 3) * rows + 0.07 * columns - 0.5 * large.roll(1, 2)


def _compare_ensemble(
    answer: SelfEnsemble, case: Case, enlarge: Enlarge, lr: Tensor, what: str, within: float = 1e-4
) -> None:
    compare(
        case.call(answer, enlarge, lr),
        _by_transposing(enlarge, lr),
        within=within,
        what=what,
        mistakes=mistakes05.ensemble(enlarge, lr),
        pictures=True,
    )


def ensemble_worked_example(answer: SelfEnsemble, case: Case) -> None:
    """(0, 1) and an `enlarge` that adds 1 to the first column make (0.75, 1.75)."""

    def brighter(x: Tensor) -> Tensor:
        return torch.cat([x[..., :1] + 1, x[..., 1:]], -1)

    lr = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    compare(
        case.call(answer, brighter, lr),
        torch.tensor([0.75, 1.75]).view(1, 1, 1, 2),
        within=1e-5,
        what="the mean of the eight",
        public=True,
        mistakes=mistakes05.ensemble(brighter, lr),
    )


def ensemble_sees_eight_pictures(answer: SelfEnsemble, case: Case) -> None:
    """`enlarge` is called eight times, each time with another flip or rotation of lr."""
    lr = case.rand(1, 2, 3, 3)
    views = [x.rot90(k, (2, 3)) for x in (lr, lr.flip(-1)) for k in range(4)]
    seen: list[int] = []

    def enlarge(x: Tensor) -> Tensor:
        match = [k for k, view in enumerate(views) if view.shape == x.shape and torch.equal(view, x)]
        require(
            len(match) == 1,
            "enlarge was given something else than a flip or rotation of lr: turn dimensions 2 and 3, change no value",
            expected="one of the eight flips and rotations of lr",
            got=x,
        )
        seen.append(match[0])
        return x

    case.call(answer, enlarge, lr)
    different = frozenset(seen)
    if len(seen) == len(different) == 8:
        return
    cause = _SUBSETS.get(different, "not all were enlarged: lr and its mirror image, each turned by 0 to 3 quarters")
    got = f"{len(seen)} calls, {len(different)} of them different"
    raise Wrong(cause, expected="eight calls with different pictures", got=got)


_SUBSETS = {
    frozenset(): "`enlarge` was not called",
    frozenset(
        {0}
    ): "lr was enlarged as it is, and never turned: it and its mirror image, each turned by 0 to 3 quarters",
    frozenset({0, 4}): "picture and mirror image alone were enlarged: the rotations are missing",
    frozenset({0, 1, 2, 3}): "the four rotations alone were enlarged: the mirror image's four are missing",
    frozenset({0, 2, 4, 6}): "upright and upside down, mirrored or not: the quarter turns are missing",
    frozenset(range(8)): "some picture was enlarged twice: each of the eight once",
}


def ensemble_turns_back(answer: SelfEnsemble, case: Case) -> None:
    """A network that treats all directions alike gives the same with and without the ensemble."""
    for shape in ((1, 1, 3, 3), (2, 3, 2, 5)):
        lr = case.rand(*shape)

        def nearest(x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=3, mode="nearest")

        _compare_ensemble(answer, case, nearest, lr, "what nearest enlargement gives alone")


def ensemble_mean(answer: SelfEnsemble, case: Case) -> None:
    """The mean of the eight, for a network that treats every side differently, squares and long pictures."""
    for shape in ((1, 1, 4, 4), (2, 3, 3, 5), (1, 2, 6, 1)):
        _compare_ensemble(
            answer, case, _lopsided, case.rand(*shape), f"the mean for lr {shape}, neither clipped nor rounded"
        )


def ensemble_any_values(answer: SelfEnsemble, case: Case) -> None:
    """Negative and large values, float64, scales from 1 to 4."""
    for scale, size in ((1, 1.0), (3, 3.0), (4, 100.0)):

        def lopsided(x: Tensor, scale: int = scale) -> Tensor:
            return _lopsided(x, scale)

        lr = size * (4 * case.rand(2, 1, case.integer(2, 3), case.integer(4, 5)).double() - 2)
        what = f"the mean for values of -{2 * size:g} to {2 * size:g}, scale {scale}, in float64"
        _compare_ensemble(answer, case, lopsided, lr, what, within=1e-10 * size**2)


EXERCISES = {
    "05.1": Exercise(
        reference=_channel_attention,
        checks=(
            channel_worked_example,
            channel_each_picture,
            channel_relu_and_sigmoid,
            channel_any_values,
            channel_gradients,
        ),
    ),
    "05.2": Exercise(
        reference=_place_attention,
        checks=(place_spatial, place_pixel, place_worked_example, place_any_values, place_gradients),
    ),
    "05.3": Exercise(
        reference=_mixed,
        checks=(
            mixed_temperature,
            mixed_relu,
            mixed_each_picture,
            mixed_worked_example,
            mixed_any_values,
            mixed_gradients,
        ),
    ),
    "05.4": Exercise(
        reference=_charbonnier,
        checks=(
            charbonnier_random,
            charbonnier_of_equal_pictures,
            charbonnier_worked_example,
            charbonnier_any_values,
            charbonnier_gradient,
        ),
    ),
    "05.5": Exercise(
        reference=_take_over,
        checks=(
            take_over_worked_example,
            take_over_shapes,
            take_over_names,
            take_over_all,
            take_over_real_layers,
            take_over_leaves_training_possible,
        ),
    ),
    "05.6": Exercise(
        reference=_self_ensemble,
        checks=(
            ensemble_sees_eight_pictures,
            ensemble_mean,
            ensemble_turns_back,
            ensemble_worked_example,
            ensemble_any_values,
        ),
    ),
}
