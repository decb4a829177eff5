"""03.2 forward: what a right answer must satisfy."""

import copy
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, compare, require
from course.checks.ch03 import forward_mistakes
from srlib.models import SRCNN

Forward = Callable[[Tensor, nn.Conv2d, nn.Conv2d, nn.Conv2d], Tensor]


def _forward(large: Tensor, extract: nn.Conv2d, map: nn.Conv2d, reconstruct: nn.Conv2d) -> Tensor:
    return SRCNN.restore(cast(SRCNN, SimpleNamespace(extract=extract, map=map, reconstruct=reconstruct)), large)


def _layers(
    case: Case, large: Tensor, sizes: Sequence[int], channels: Sequence[int] = (3, 2)
) -> forward_mistakes.Layers:
    """Three convolutions with weights from the case; what each makes of the picture has both signs everywhere."""
    widths = [1, *channels, 1]
    pairs = zip(widths[:-1], widths[1:], sizes, strict=True)
    layers = [nn.Conv2d(before, after, size, dtype=large.dtype) for before, after, size in pairs]
    for layer in layers:
        layer.weight.data = (6 * case.rand(*layer.weight.shape).to(large) - 3) * layer.weight[0].numel() ** -0.5
        nn.init.zeros_(cast(Tensor, layer.bias))
        large = forward_mistakes.chain(large, [layer], relu=[False]).detach()
        middle = large.mean((0, 2, 3))
        cast(Tensor, layer.bias).data = -middle
        large = F.relu(large - middle.view(-1, 1, 1))
    return cast(forward_mistakes.Layers, tuple(layers))


def _compare_forward(
    forward: Forward,
    case: Case,
    large: Tensor,
    layers: forward_mistakes.Layers,
    expected: Tensor,
    what: str,
    public: bool = False,
) -> None:
    before = copy.deepcopy(layers)
    answer = case.call(forward, large, *layers)
    require(
        all(map(_equal_layers, layers, before)),
        "your code changes a layer (its padding or its weights): pad the picture with F.pad instead",
        expected="the three layers as they were",
        got="a layer with other settings or weights",
    )
    mistakes = forward_mistakes.forwards(large, before)
    compare(answer, expected, within=1e-4, what=what, public=public, mistakes=mistakes, pictures=True)


def _equal_layers(a: nn.Conv2d, b: nn.Conv2d) -> bool:
    same = all(map(torch.equal, a.parameters(), b.parameters()))
    return same and (a.kernel_size, a.padding, a.padding_mode) == (b.kernel_size, b.padding, b.padding_mode)


def _compare_random(
    forward: Forward, case: Case, large: Tensor, sizes: Sequence[int], channels: Sequence[int], what: str
) -> None:
    layers = _layers(case, large, sizes, channels)
    _compare_forward(forward, case, large, layers, _forward(large, *layers).detach(), what)


def forward_worked_example(forward: Forward, case: Case) -> None:
    """Ones through three layers of one filter become -2 everywhere, at the edge too."""
    large = torch.ones(1, 1, 6, 7)
    layers = _layers(case, large, (3, 1, 3), (1, 1))
    for layer, weight, bias in zip(layers, (1.0, 2.0, 1 / 9), (0.0, 0.0, -20.0), strict=True):
        nn.init.constant_(layer.weight, weight)
        nn.init.constant_(cast(Tensor, layer.bias), bias)
    _compare_forward(forward, case, large, layers, torch.full_like(large, -2), "-2 everywhere", public=True)


def forward_has_two_relus(forward: Forward, case: Case) -> None:
    """ReLU stands after the first layer and after the second, and nowhere else."""
    large = 2 * case.rand(2, 1, 4, 5) - 1
    layers = _layers(case, large, (1, 1, 1), (2, 1))
    for layer, weight, bias in zip(layers, ([1.0, -1.0], [1.0, -1.0], [-1.0]), (0.0, 0.0, 0.25), strict=True):
        layer.weight.data = torch.tensor(weight).view_as(layer.weight)
        nn.init.constant_(cast(Tensor, layer.bias), bias)
    # F1 = (max(0, x), max(0, -x)), their difference is x, F2 = max(0, x)
    what = "0.25 - max(0, x), from 1 x 1 layers with weights (1, -1), (1, -1) and -1"
    _compare_forward(forward, case, large, layers, 0.25 - large.clamp(min=0), what)


def forward_order(forward: Forward, case: Case) -> None:
    """The layers come in the order extract, map, reconstruct, each with its own padding."""
    _compare_random(forward, case, case.rand(1, 1, 12, 15), (5, 1, 3), (1, 1), "one filter in each layer, 5-1-3")


def forward_other_kernels(forward: Forward, case: Case) -> None:
    """9-1-5 and kernels of any other odd sizes keep the size of the picture."""
    for sizes in ((9, 1, 5), (1, 3, 7), (3, 5, 1)):
        large = case.rand(2, 1, case.integer(14, 18), case.integer(10, 13))
        channels = case.integer(2, 6), case.integer(2, 6)
        _compare_random(
            forward, case, large, sizes, channels, f"two pictures {tuple(large.shape[2:])}, kernels {sizes}"
        )


def forward_tiny_picture(forward: Forward, case: Case) -> None:
    """A picture smaller than the kernels is no problem, in float64 neither."""
    large = case.rand(1, 1, 2, 3).double()
    _compare_random(forward, case, large, (9, 3, 5), (2, 3), "a picture of 2 x 3, kernels 9-3-5")


def forward_can_be_trained(forward: Forward, case: Case) -> None:
    """Gradients reach the weights of all three layers."""
    large = case.rand(2, 1, 7, 8)
    layers = _layers(case, large, (3, 1, 5))
    before = copy.deepcopy(layers)
    answer = case.call(forward, large, *layers)
    require(
        isinstance(answer, Tensor) and answer.requires_grad,
        "no gradient can flow: leave out torch.no_grad, detach and .data",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    answer.square().sum().backward()
    _forward(large, *before).square().sum().backward()
    for own, theirs in zip(_weights(layers), _weights(before), strict=True):
        require(
            own.grad is not None,
            "the gradient is cut off on its way to a layer: leave out detach, .data and torch.no_grad",
            expected="a gradient for every weight",
            got="a weight without one",
        )
        compare(own.grad, cast(Tensor, theirs.grad), within=1e-3, what="the gradient of each weight")


def _weights(layers: forward_mistakes.Layers) -> list[Tensor]:
    return [parameter for layer in layers for parameter in layer.parameters()]


EXERCISE = Exercise(
    reference=_forward,
    checks=(
        forward_worked_example,
        forward_order,
        forward_has_two_relus,
        forward_other_kernels,
        forward_tiny_picture,
        forward_can_be_trained,
    ),
)
