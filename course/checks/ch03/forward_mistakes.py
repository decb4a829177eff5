"""What the usual mistakes in 03.2 give: cause -> formula, computed only when an answer is wrong."""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Mistakes

Layers = tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]


def chain(
    large: Tensor,
    layers: Iterable[nn.Conv2d],
    mode: str | None = "replicate",
    relu: Sequence[bool] = (True, True, False),
    activation: Callable[[Tensor], Tensor] = F.relu,
) -> Tensor:
    """The three layers with another border (None: no padding at all), or other ReLUs."""
    for layer, rectified in zip(layers, relu, strict=True):
        large = layer(F.pad(large, (layer.kernel_size[0] // 2,) * 4, mode=mode) if mode else large)
        large = activation(large) if rectified else large
    return large


def _fixed(large: Tensor, layers: Layers) -> Tensor:
    """The paddings of 9-1-5 around any layers."""
    for layer, pad, rectified in zip(layers, (4, 0, 2), (True, True, False), strict=True):
        large = layer(F.pad(large, (pad,) * 4, mode="replicate"))
        large = F.relu(large) if rectified else large
    return large


_OTHER_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky ReLU": F.leaky_relu,
    "leaky ReLU of slope 0.2": partial(F.leaky_relu, negative_slope=0.2),
    "ReLU6": F.relu6,
    "GELU": F.gelu,
    "ELU": F.elu,
    "SiLU": F.silu,
    "the sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "the absolute value": torch.abs,
}


def forwards(large: Tensor, layers: Layers) -> Mistakes:
    reach = (sum(layer.kernel_size[0] // 2 for layer in layers),) * 4
    without = copy.deepcopy(layers)
    for layer in without:
        layer.bias = None
    return {
        "zeros around the picture instead of copies of its edge: F.pad(..., mode='replicate')": lambda: chain(
            large, layers, "constant"
        ),
        "the edge is mirrored ('reflect') instead of repeated: F.pad(..., mode='replicate')": lambda: chain(
            large, layers, "reflect"
        ),
        "the opposite edge is used ('circular'): F.pad(..., mode='replicate')": lambda: chain(
            large, layers, "circular"
        ),
        "there is no padding, so that the picture shrinks: k // 2 pixels on every side before each layer": lambda: (
            chain(large, layers, None)
        ),
        "the padding is that of 9-1-5 whatever the kernels: take k // 2 from each layer's kernel_size": lambda: _fixed(
            large, layers
        ),
        "all the padding is done at the start: pad before each of the layers, by that layer's k // 2": lambda: chain(
            F.pad(large, reach, mode="replicate"), layers, None
        ),
        "all the padding is done at the start, with zeros: pad before each of the layers": lambda: chain(
            F.pad(large, reach), layers, None
        ),
        "a ReLU after the last layer: that one has none, its output may be negative": lambda: chain(
            large, layers, relu=(True, True, True)
        ),
        "the ReLU after the first layer is missing": lambda: chain(large, layers, relu=(False, True, False)),
        "the ReLU after the second layer is missing": lambda: chain(large, layers, relu=(True, False, False)),
        "both ReLUs are missing: without them three layers are one": lambda: chain(
            large, layers, relu=(False, False, False)
        ),
        **{
            f"{name} stands where max(0, x) is wanted: F.relu": partial(chain, large, layers, activation=function)
            for name, function in _OTHER_ACTIVATIONS.items()
        },
        "the layers are in another order: extract, then map, then reconstruct": lambda: chain(
            large, (layers[1], layers[0], layers[2])
        ),
        "the layers are in the opposite order: extract, then map, then reconstruct": lambda: chain(large, layers[::-1]),
        "the bias is left out: call the layer itself, or hand F.conv2d its bias too": lambda: chain(large, without),
        "the input was added at the end: SRCNN has no skip connection": lambda: chain(large, layers) + large,
    }
