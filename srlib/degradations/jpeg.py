"""JPEG compression and its undoing in one batched operation, equal to libjpeg (PIL, OpenCV) in every bit.

libjpeg computes in integers of 32 bits. Here the same whole numbers stand in floats, and floor(... + 1/2) wherever it
rounds. The DCT is two products with a small matrix, in float64: its sums need 32 bits, and in float32 five values of a
million came out different. The steps: colours, chroma halved, DCT, quantisation, and all of them backwards.

Source of what is written and of the standard tables: ITU-T T.81 (1992), annexes A.3.3 and K.1, and JFIF 1.02. Source
of the rounding, which the standard leaves open: libjpeg 6b and libjpeg-turbo, the files named below.
"""

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Pixels that a CPU takes at once: what stays in its cache goes up to twice as fast as a large batch.
CPU_PIXELS = 2**17

_FACTORS = {"4:2:0": 2, "4:4:4": 1}  # how many times fewer rows and columns chroma has

# T.81, tables K.1 (luma) and K.2 (chroma); row: vertical frequency, column: horizontal.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99), (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8,) * 4,
)  # fmt: skip

# jfdctint.c and jidctint.c as a matrix: 2^13 sqrt(8) times the orthonormal DCT, rounded. Some entries are 1 off, since
# the fast algorithm adds rounded constants. The other half of each row mirrors this one, odd rows with minus.
_DCT = (
    (8192, 8192, 8192, 8192), (11363, 9633, 6437, 2260), (10703, 4433, -4433, -10703), (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192), (6437, -11362, 2261, 9633), (4433, -10704, 10704, -4433), (2260, -6436, 9633, -11363),
)  # fmt: skip

# jccolor.c and jdcolor.c, in 1/65536: the full-range colours of JFIF, all three centred (-128..127), and, last, what
# is added before rounding down: for Cb and Cr a little less than a half, so that 127.5 does not become 128. Every sum
# stays below 2^24, so that float32 holds it exactly.
_TO_YCC = ((19595, 38470, 7471, 32768 - 128 * 65536), (-11059, -21709, 32768, 32767), (32768, -27439, -5329, 32767))
_FROM_CHROMA = ((0, 91881, 32768), (-22554, -46802, 32768), (116130, 0, 32768))  # what Cb and Cr add to Y: R, G, B


def jpeg(
    pictures: Tensor, quality: float | Tensor, *, subsampling: str = "4:2:0", differentiable: bool = False
) -> Tensor:
    """What is left of pictures that are written as JPEG and read again.

    pictures (B, 3, H, W) floats in [0, 1], rounded to 8 bits first, any size -> (B, 3, H, W) float32, k / 255 with
    whole k in [0, 255]. quality in [1, 100], decimals cut off: one for all, or a tensor (B,); on a GPU it is read back.
    subsampling: "4:2:0" halves chroma in both directions (what PIL and OpenCV write), "4:4:4" keeps it.
    differentiable: the same values, with a gradient to the pictures. Roundings pass it on as it comes (straight
    through), the quantiser multiplies it by 3 (x - round(x))^2, x in steps: nearly 0 where a level is firm.
    Raises ValueError for a wrong shape, integers, a quality outside [1, 100] or not one per picture, or an unknown
    subsampling.
    Source of the gradient: Shin and Song 2017, JPEG-resistant adversarial images: round(x) + (x - round(x))^3.
    """
    _check(pictures, subsampling)
    steps = tables(quality)
    if torch.as_tensor(quality).ndim and len(steps) != len(pictures):
        raise ValueError(
            f"quality has {len(steps)} values and there are {len(pictures)} pictures: give one each, or one number"
        )
    # MPS has no float64: pictures there are compressed on the CPU.
    device = torch.device("cpu") if pictures.device.type == "mps" else pictures.device
    steps = steps.expand(len(pictures), -1, -1, -1).to(device, torch.float64)
    at_once = max(1, CPU_PIXELS // pictures[0, 0].numel()) if device.type == "cpu" else len(pictures)
    with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
        parts = zip(pictures.to(device).split(at_once), steps.split(at_once), strict=True)
        return torch.cat([_through(x, s, _FACTORS[subsampling]) for x, s in parts]).to(pictures.device)


def tables(quality: float | Tensor) -> Tensor:
    """The quantisation steps of a quality, as libjpeg scales the standard's tables.

    quality in [1, 100], decimals cut off: a number or a tensor (B,) -> (B, 2, 8, 8) int64 in [1, 255] on the CPU: luma
    and chroma; row: vertical frequency, column: horizontal. A number counts as B = 1.
    Raises ValueError for a quality outside [1, 100], or a tensor of another shape.
    Source: libjpeg's jcparam.c, jpeg_quality_scaling and jpeg_add_quant_table (baseline).
    """
    asked = torch.as_tensor(quality).detach().cpu()
    if asked.ndim > 1:
        raise ValueError(f"quality is {tuple(asked.shape)}: give a number or a tensor (B,)")
    values = asked.reshape(-1)
    outside = values[~((values >= 1) & (values <= 100))]  # a NaN is outside too
    if len(outside):
        raise ValueError(f"quality is {outside[0].item():g}: it goes from 1 (smallest file) to 100 (finest steps)")
    whole = values.long()
    percent = torch.where(whole < 50, 5000 // whole, 200 - 2 * whole).view(-1, 1, 1, 1)
    return ((torch.tensor([_LUMA, _CHROMA]) * percent + 50) // 100).clamp_(1, 255)


def dct_matrix() -> Tensor:
    """The orthonormal DCT-II of 8 samples: D @ block @ D.T are the coefficients of a block, D.T @ ... @ D undoes it.

    -> (8, 8) float64; row: frequency, column: sample.
    Source: ITU-T T.81, A.3.3.
    """
    frequency, sample = torch.arange(8, dtype=torch.float64).view(8, 1), torch.arange(8, dtype=torch.float64)
    matrix = torch.cos((2 * sample + 1) * frequency * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _through(pictures: Tensor, steps: Tensor, factor: int) -> Tensor:
    height, width = pictures.shape[2:]
    x = _floor(pictures.float().contiguous().clamp(0, 1).mul_(255).add_(0.5))
    # Columns grow before chroma is halved, rows (but for one) after it: jcsample.c and jcprepct.c.
    x = _mixed(_TO_YCC, _grown(x, factor, 8 * factor))
    luma, chroma = x[:, :1], x[:, 1:]
    if factor == 2:
        chroma = _halved(chroma)
    luma = _quantised(_grown(luma, 8, 8), steps[:, 0])[:, :, :height, :width]
    chroma = _quantised(_grown(chroma, 8, 8), steps[:, 1])[:, :, : -(-height // factor), : -(-width // factor)]
    if factor == 2:
        chroma = _doubled(chroma)[:, :, :height, :width]
    return _mixed(_FROM_CHROMA, chroma).add_(luma).add_(128).clamp_(0, 255).div_(255)


def _grown(x: Tensor, rows: int, columns: int) -> Tensor:
    """Repeats the last row and column until the sides are multiples."""
    bottom, right = -x.shape[2] % rows, -x.shape[3] % columns
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def _mixed(rows: tuple[tuple[int, ...], ...], x: Tensor) -> Tensor:
    """Weighted sums of channels and an offset, rounded down: (B, C, H, W) -> (B, len(rows), H, W).

    No matrix product, which a GPU may be told to compute in fewer bits.
    """
    sums = []
    for *weights, offset in rows:
        total = x[:, :1] * (weights[0] / 65536)
        for k, weight in enumerate(weights[1:], 1):
            total = total.add_(x[:, k : k + 1], alpha=weight / 65536)
        sums.append(_floor(total.add_(offset / 65536)))
    return torch.cat(sums, 1)


def _halved(x: Tensor) -> Tensor:
    """Means of 2 x 2, where halves go down and up in turn along a row: jcsample.c, h2v2_downsample."""
    x = x[:, :, 0::2] + x[:, :, 1::2]
    x = x[..., 0::2] + x[..., 1::2]
    return _floor((x / 4).add_(_in_turn(1 / 4, 2 / 4, x)))


def _doubled(x: Tensor) -> Tensor:
    """jdsample.c, h2v2_fancy_upsample: bilinear, where halves go up and down in turn; two columns are only repeated."""
    if x.shape[3] <= 2:
        return F.interpolate(x, scale_factor=2, mode="nearest")
    x = F.interpolate(x, scale_factor=2, mode="bilinear")
    return _floor(x + _in_turn(8 / 16, 7 / 16, x))


def _in_turn(even: float, odd: float, x: Tensor) -> Tensor:
    return x.new_tensor([even, odd]).repeat(x.shape[3] // 2)


def _quantised(x: Tensor, steps: Tensor) -> Tensor:
    """Centred samples after DCT, quantisation and inverse DCT: (B, C, H, W) and (B, 8, 8) -> (B, C, H, W).

    A block is 8 rows of 8 samples: its rows are transformed first, then its columns, and on the way back columns come
    first. Between the two libjpeg keeps 2 bits below the point; behind them the coefficients are 8 times as large.
    """
    width = x.shape[3]
    dct = _dct(x.device)
    y = _product(x.double().view(-1, 8), dct.T / 2**11)
    y = _product(_turned(y, 8, width), dct.T / 2**15)
    # Now turned blocks stand one behind the other. jcdctmgr.c rounds halves away from zero: a little more than 1 does
    # that, and is too little for any other level.
    steps = steps.mT.reshape(-1, 1, 64)
    y = _level(y.view(len(x), -1, 64) * ((1 + 2**-18) / (8 * steps))) * steps
    y = _product(y.view(-1, 8), dct / 2**11)
    y = _product(_turned(y, width, 8), dct / 2**18)
    return y.clamp_(-128, 127).float().view(x.shape)


def _product(x: Tensor, matrix: Tensor) -> Tensor:
    return _floor((x @ matrix).add_(0.5))


def _turned(x: Tensor, rows: int, columns: int) -> Tensor:
    """Every (rows, columns) matrix of x transposed; -> (..., 8), since one of the two runs along a block."""
    return x.view(-1, rows, columns).mT.reshape(-1, 8)


def _level(x: Tensor) -> Tensor:
    whole = x.round()
    if not x.requires_grad:
        return whole
    cube = (x - whole) ** 3
    return whole + (cube - cube.detach())


class _Floor(torch.autograd.Function):
    """Rounds down in place; the gradient is passed on as it comes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.floor_()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def _floor(x: Tensor) -> Tensor:
    return _Floor.apply(x) if x.requires_grad else x.floor_()


@lru_cache(maxsize=8)
def _dct(device: torch.device) -> Tensor:
    half = torch.tensor(_DCT, dtype=torch.float64, device=device)
    return torch.cat([half, half.flip(1) * half.new_tensor([1, -1] * 4).view(8, 1)], 1)


def _check(pictures: Tensor, subsampling: str) -> None:
    if pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.numel():
        raise ValueError(f"pictures are {tuple(pictures.shape)}: they must be (B, 3, H, W); repeat grey to 3 channels")
    if not pictures.is_floating_point():
        raise ValueError(f"pictures are {pictures.dtype}: they must be floats in [0, 1]; use srlib.image.to_float")
    if subsampling not in _FACTORS:
        raise ValueError(f"subsampling is {subsampling!r}: use one of {', '.join(map(repr, _FACTORS))}")
