"""A network on one picture, or one tile of it, in strips that give the same pixels as the whole and spare memory."""

from collections.abc import Callable, Iterator
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from srlib import tiles
from srlib.precision import Precision, autocast

STRIP_PIXELS = 1 << 20  # HR pixels in flight at once: SRCNN's 64 channels then take 0.3 GB
TAIL_PIXELS = 1 << 18  # the same for a tail, whose strips overlap by little: RRDBNet's 64 channels then take 0.07 GB


class _Network(Protocol):
    scale: int


@runtime_checkable
class _Split(_Network, Protocol):
    """A network in two parts: `features` sees the whole picture, `tail` enlarges strips of it and of its features.

    A row of features is `shrink` LR rows; an output pixel depends on features at most `tail_halo` rows away.
    """

    shrink: int
    tail_halo: int

    def features(self, lr: Tensor) -> Tensor: ...

    def tail(self, lr: Tensor, features: Tensor) -> Tensor: ...


def enlarged(
    network: nn.Module, lr: Tensor, device: torch.device, precision: Precision, remark: Callable[[], None]
) -> Tensor:
    """What a network makes of floats, clipped to [0, 1], float32, on lr's device.

    A result in half precision that is not finite, or black where lr is not, is made again in fp32; `remark` is called.
    """
    made = _checked_parts(network, lr, device, precision)
    if made is None:
        remark()
        made = _checked_parts(network, lr, device, "fp32")
    assert made is not None  # fp32 is taken as it is
    return made[0] if len(made) == 1 else torch.cat(made, 2)


def _checked_parts(network: nn.Module, lr: Tensor, device: torch.device, precision: Precision) -> list[Tensor] | None:
    """The strips, clipped, or None if half precision spoilt them."""
    parts = _tail_parts if isinstance(network, _Split) else _whole_parts
    half, made, black = precision != "fp32", [], True
    with autocast(device, precision):
        for part in parts(network, lr, device):
            if half and not bool(torch.isfinite(part).all()):
                return None
            black = black and half and not bool((part > 0).any())
            made.append(part.float().clamp(0, 1).to(lr.device))
    return None if black and bool(lr.any()) else made


def _whole_parts(network: nn.Module, lr: Tensor, device: torch.device) -> Iterator[Tensor]:
    """The enlarged picture from top to bottom, each part by the whole network from a strip of the picture.

    The network tells its `halo`, LR pixels beyond which an output pixel sees nothing; of one that does not, all is one
    strip.
    """
    scale, halo = cast(_Network, network).scale, getattr(network, "halo", None)
    height, width = lr.shape[-2:]
    rows = height if halo is None else STRIP_PIXELS // (len(lr) * width * scale**2)
    for top, bottom, kept in tiles.strips(height, halo or 0, rows):
        made = network(lr[:, :, top:bottom].to(device))
        yield made[:, :, kept.start * scale : kept.stop * scale]


def _tail_parts(network: nn.Module, lr: Tensor, device: torch.device) -> Iterator[Tensor]:
    """The enlarged picture from top to bottom, each part by the tail from a strip of the picture's features."""
    split = cast(_Split, network)
    lr = lr.to(device)
    features = split.features(lr)
    width, row = lr.shape[-1], split.shrink * split.scale  # HR rows to a row of features
    pieces = tiles.strips(features.shape[2], split.tail_halo, TAIL_PIXELS // (len(lr) * width * split.scale * row))
    for top, bottom, kept in pieces:
        made = split.tail(lr[:, :, top * split.shrink : bottom * split.shrink], features[:, :, top:bottom])
        yield made[:, :, kept.start * row : kept.stop * row]
