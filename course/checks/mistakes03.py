"""Lesson 03: what the usual mistakes make of a check's input, by their cause."""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from skimage.util import montage
from torch import Tensor, nn

from srlib.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlib.resize import imresize

Mistakes = dict[str, Callable[[], Any]]


Restore = Callable[[Tensor], Tensor]


def assembled(lr: Tensor, restore: Restore, scale: int) -> Tensor:
    ycbcr = rgb_to_ycbcr(imresize(lr, scale=scale))
    return ycbcr_to_rgb(torch.cat([restore(ycbcr[:, :1]), ycbcr[:, 1:]], 1))


def assemblies(lr: Tensor, restore: Restore, scale: int) -> Mistakes:
    large = imresize(lr, scale=scale)
    ycbcr, small = rgb_to_ycbcr(large), rgb_to_ycbcr(lr)

    def joined(y: Tensor, chroma: Tensor) -> Tensor:
        return ycbcr_to_rgb(torch.cat([y, chroma], 1))

    def each(x: Tensor) -> Tensor:
        return torch.cat([restore(channel) for channel in x.split(1, 1)], 1)

    y, chroma = restore(ycbcr[:, :1]), ycbcr[:, 1:]
    cubic = F.interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False)
    nearest = F.interpolate(small[:, 1:], scale_factor=scale, mode="nearest")
    return {
        "the result is clipped: leave the clamp out, values outside [0, 1] are wanted here": lambda: assembled(
            lr, restore, scale
        ).clamp(0, 1),
        "the enlarged picture is clipped before the conversion: leave the clamp out": lambda: joined(
            restore(rgb_to_ycbcr(large.clamp(0, 1))[:, :1]), rgb_to_ycbcr(large.clamp(0, 1))[:, 1:]
        ),
        "the conversion back is missing: the three channels are still Y, Cb, Cr; end with ycbcr_to_rgb": lambda: (
            torch.cat([y, chroma], 1)
        ),
        "restore worked on R, G and B: convert with rgb_to_ycbcr first and give it channel 0": lambda: each(large),
        "restore worked on Cb and Cr too: only Y goes through it, chroma goes past it": lambda: ycbcr_to_rgb(
            each(ycbcr)
        ),
        "Cb and Cr are exchanged: put them back in the order in which they came": lambda: joined(y, chroma.flip(1)),
        "restore worked on the small picture: enlarge first, then restore at full size": lambda: imresize(
            joined(restore(small[:, :1]), small[:, 1:]), scale=scale
        ),
        "restore was not used: its answer is the new Y": lambda: large,
        "the input of restore was added to its answer: its answer alone is the new Y": lambda: joined(
            y + ycbcr[:, :1], chroma
        ),
        "the restored Y is clipped: leave the clamp out, values outside [0, 1] are wanted here": lambda: joined(
            y.clamp(0, 1), chroma
        ),
        "the chroma is enlarged by nearest neighbour: enlarge the whole picture with imresize, then convert": lambda: (
            joined(y, nearest)
        ),
        "the picture is enlarged by F.interpolate, another bicubic (a = -0.75): use imresize": lambda: assembled(
            cubic, restore, 1
        ),
    }


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


def greys(weights: Tensor) -> Tensor:
    """Each filter on its own scale, zero at 0.5."""
    largest = weights.detach().abs().flatten(1).max(1).values.clamp(min=1e-30)
    return 0.5 + 0.5 * weights.detach() / largest.view(-1, 1, 1)


def sheet(tiles: Tensor, columns: int, gap: int = 1, fill: float = 1.0) -> Tensor:
    """scikit-image's montage, which has a gap around the whole too."""
    rows = -(-len(tiles) // columns)
    picture = montage(tiles.numpy(), fill=fill, grid_shape=(rows, columns), padding_width=gap)
    return torch.from_numpy(picture)[None, None].to(tiles.dtype)


def filter_pictures(weights: Tensor, columns: int) -> Mistakes:
    count, height, width = weights.shape
    rows = -(-count // columns)
    low, high = weights.amin((1, 2), keepdim=True), weights.amax((1, 2), keepdim=True)
    inside = (..., slice(1, -1), slice(1, -1))

    def laid(tiles: Tensor, columns: int = columns) -> Tensor:
        return sheet(tiles, columns)[inside]

    def upright() -> Tensor:
        """Column by column: as if rows and columns of the sheet were exchanged."""
        places = torch.full((rows * columns,), -1)
        places.view(columns, rows).flatten()[:count] = torch.arange(count)
        order = places.view(columns, rows).T.flatten()
        return laid(torch.stack([greys(weights)[k] if k >= 0 else torch.ones(height, width) for k in order.tolist()]))

    grey = greys(weights)
    return {
        "a filter of zeros became NaN, 0 / 0: it is 0.5 everywhere": lambda: laid(
            torch.where(weights.abs().amax((1, 2), keepdim=True) > 0, grey, torch.nan)
        ),
        "there is a gap around the whole: gaps are only between tiles": lambda: sheet(grey, columns),
        "there is a gap at the bottom and right of the whole: gaps are only between tiles": lambda: sheet(
            grey, columns
        )[..., 1:, 1:],
        "there is a gap at the top and left of the whole: gaps are only between tiles": lambda: sheet(grey, columns)[
            ..., :-1, :-1
        ],
        "one scale for all filters: each is divided by its own largest absolute weight": lambda: laid(
            0.5 + 0.5 * weights / weights.abs().max()
        ),
        "each filter was stretched from its smallest to its largest weight: zero must stay 0.5": lambda: laid(
            (weights - low) / (high - low)
        ),
        "all filters together were stretched from the smallest to the largest weight": lambda: laid(
            (weights - low.min()) / (high.max() - low.min())
        ),
        "the largest weight was taken with its sign: take the largest absolute one, .abs()": lambda: laid(
            0.5 + 0.5 * weights / high
        ),
        "0.5 is missing, so that negative weights are lost or negative": lambda: laid(grey * 2 - 1),
        "0.5 is missing, and negative weights are clipped": lambda: laid((grey * 2 - 1).clamp(0, 1)),
        "the absolute weights are shown: the sign must be seen": lambda: laid((grey * 2 - 1).abs()),
        "bright and dark are exchanged: positive weights are brighter than 0.5": lambda: laid(1 - grey),
        "every filter is transposed: its rows must stay rows": lambda: laid(grey.mT),
        "the tiles lie column by column: reading order goes along the row first": upright,
        "`columns` is taken for the number of rows": lambda: laid(grey, -(-count // columns)),
        "the gaps are dark: their value is 1": lambda: sheet(grey, columns, fill=0.0)[inside],
        "the gaps are missing: one pixel of value 1 between tiles": lambda: sheet(grey, columns, gap=0),
        "places without a filter are dark: their value is 1": lambda: laid(
            torch.cat([grey, torch.zeros(rows * columns - count, height, width)])
        ),
        "places without a filter are grey: their value is 1": lambda: laid(
            torch.cat([grey, torch.full((rows * columns - count, height, width), 0.5)])
        ),
        "the row without a filter at its end was left out: its places are 1": lambda: laid(
            grey[: count // columns * columns]
        ),
    }
