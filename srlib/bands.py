"""Banded matrices along one side of a picture: the one loop that resampling and windowed metrics share.

Every separable filter of this library (resize, SSIM's window) is a matrix whose row i has its few non-zero
weights around one input pixel. A block of neighbouring rows reads one short run of inputs, so the product is a
handful of small dense matrix products.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Outputs per block: fewer waste less on zeros, more make fewer, larger products. Measured on one CPU thread: 16 is
# best where a block reads more inputs than it writes outputs, 32 elsewhere, and up to 2x is lost at 8 or 64.
NARROW, WIDE = 16, 32


class Bands(NamedTuple):
    """A banded matrix (outputs, inputs) as dense blocks: `blocks[k]` (rows, columns) reads inputs from `starts[k]`."""

    starts: tuple[int, ...]
    blocks: tuple[Tensor, ...]

    def to(self, like: Tensor) -> "Bands":
        """The same matrix in the dtype and on the device of `like`."""
        return Bands(self.starts, tuple(block.to(like.dtype).to(like.device) for block in self.blocks))


def cut(rows: Tensor, first: Tensor, inputs: int) -> Bands:
    """Cuts the rows of a banded matrix into blocks.

    rows (outputs, taps) weights; first (outputs,) the input index of each row's first weight, so that
    first + taps <= inputs; inputs: length of the side.
    """
    outputs, taps = rows.shape
    step = NARROW if outputs < inputs - taps else WIDE
    starts, blocks = [], []
    for begin in range(0, outputs, step):
        part, at = rows[begin : begin + step], first[begin : begin + step]
        low, high = int(at.min()), min(int(at.max()) + taps, inputs)
        block = rows.new_zeros(part.shape[0], high - low)
        block.scatter_(1, (at - low)[:, None] + torch.arange(taps), part)
        starts.append(low)
        blocks.append(block)
    return Bands(tuple(starts), tuple(blocks))


@lru_cache(maxsize=128)
def gaussian(inputs: int, taps: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Bands:
    """A Gaussian window of odd length along one side, only where it lies wholly inside: (inputs - taps + 1, inputs)."""
    with torch.inference_mode(False):  # what is kept must serve training too
        offset = torch.arange(taps, dtype=torch.float64) - taps // 2
        row = torch.exp(-(offset**2) / (2 * sigma**2))
        first = torch.arange(inputs - taps + 1)
        matrix = cut((row / row.sum()).repeat(len(first), 1), first, inputs)
        return matrix.to(torch.empty(0, dtype=dtype, device=device))


def apply(bands: Bands, x: Tensor, dim: int) -> Tensor:
    """Multiplies one side of a batch of pictures by a banded matrix.

    x (B, C, H, W); dim 2 multiplies columns (H), dim 3 rows (W) -> the same with that side replaced. Mixed
    precision is off inside: bf16 weights would cost 20 dB.
    """
    with torch.autocast(x.device.type, enabled=False):
        return _apply(bands, x, dim)


def _apply(bands: Bands, x: Tensor, dim: int) -> Tensor:
    batch, channels, height, width = x.shape
    flat = x.reshape(-1, height, width) if dim == 2 else x.reshape(-1, width)
    parts = []
    for start, block in zip(bands.starts, bands.blocks, strict=True):
        run = flat.narrow(1, start, block.shape[1])
        parts.append(block @ run if dim == 2 else run @ block.t())
    joined = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
    return joined.view((batch, channels, -1, width) if dim == 2 else (batch, channels, height, -1))
