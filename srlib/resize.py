"""imresize: MATLAB's resampling as two small matrices, exact at the border, on any device, differentiable."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from srlib import bands

KernelName = Literal["bicubic", "bilinear", "nearest", "lanczos2", "lanczos3"]


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, MATLAB's; zero outside [-2, 2]. Source: Keys 1981, eq. 15."""
    a, x = -0.5, x.abs()
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))


def triangle(x: Tensor) -> Tensor:
    """Bilinear kernel; zero outside [-1, 1]."""
    return (1 - x.abs()).clamp(min=0)


def box(x: Tensor) -> Tensor:
    """Nearest neighbour's kernel: 1 on [-0.5, 0.5), else 0."""
    return ((x >= -0.5) & (x < 0.5)).to(x)


def lanczos(x: Tensor, lobes: int) -> Tensor:
    """Windowed sinc: sinc(x) sinc(x / lobes) inside [-lobes, lobes], else 0."""
    return torch.where(x.abs() < lobes, torch.sinc(x) * torch.sinc(x / lobes), 0.0)


# name -> (kernel, its width)
KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "bicubic": (cubic, 4),
    "bilinear": (triangle, 2),
    "nearest": (box, 1),
    "lanczos2": (lambda x: lanczos(x, 2), 4),
    "lanczos3": (lambda x: lanczos(x, 3), 6),
}


def weights(
    inputs: int, outputs: int, scale: float, *, antialias: bool = True, kernel: KernelName = "bicubic"
) -> tuple[Tensor, Tensor]:
    """The weights of one side: output i is the sum over k of weights[i, k] * input[indices[i, k]].

    inputs, outputs: lengths in pixels; scale: outputs per input pixel -> weights (outputs, taps) float64, rows
    sum to 1, and indices (outputs, taps) in [0, inputs): the picture is continued by mirroring at its edge.
    Source: `contributions` in MATLAB's imresize.
    """
    shape, width = KERNELS[kernel]
    stretch = min(scale, 1.0) if antialias else 1.0  # a wider kernel when shrinking: the low-pass filter
    width /= stretch
    centre = torch.arange(1, outputs + 1, dtype=torch.float64) / scale + 0.5 * (1 - 1 / scale)
    left = torch.floor(centre - width / 2)
    taps = math.ceil(width) + 2
    position = left[:, None] + torch.arange(taps)
    table = stretch * shape(stretch * (centre[:, None] - position))
    table = table / table.sum(1, keepdim=True)
    mirror = torch.cat([torch.arange(inputs), torch.arange(inputs - 1, -1, -1)])
    return table, mirror[(position.long() - 1) % (2 * inputs)]


def imresize(
    x: Tensor,
    *,
    scale: float | tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
    kernel: KernelName = "bicubic",
) -> Tensor:
    """MATLAB's imresize.

    x (B, C, H, W), floating, any range -> (B, C, H', W') of the same dtype, unclipped: H' = ceil(H * scale), or
    size = (H', W'). A uint8 picture comes back as uint8, rounded half away from zero after each of the two
    passes as MATLAB does. antialias=False leaves the kernel at its own width when shrinking.
    Raises ValueError for a wrong shape, an unknown kernel, or not exactly one of scale and size.
    """
    height, width, scales = _target(x, scale, size, kernel)
    if x.dtype == torch.uint8 and x.device.type == "mps":  # which has no float64
        return imresize(x.cpu(), scale=scale, size=size, antialias=antialias, kernel=kernel).to(x.device)

    def step(y: Tensor, dim: int, outputs: int) -> Tensor:
        if y.dtype == torch.uint8:
            return _round(_resize_side(y.double(), dim, outputs, scales[dim - 2], antialias, kernel))
        return _resize_side(y, dim, outputs, scales[dim - 2], antialias, kernel)

    sides = [(2, height), (3, width)]
    # The smaller scale first, rows before columns on a tie: MATLAB's order. Where nothing is rounded between the
    # passes the order is free, and enlarging is twice as fast if the pass that copies whole rows comes last.
    columns_first = scales[1] < scales[0] or (scales[0] == scales[1] > 1 and x.dtype != torch.uint8)
    first, second = reversed(sides) if columns_first else sides
    return step(step(x, *first), *second)


def resized_rows(
    read: Callable[[int, int], Tensor], size: tuple[int, int], new: tuple[int, int]
) -> Iterator[tuple[int, Tensor]]:
    """`imresize` with size=new of a picture that is not in memory whole, some rows at a time from the top.

    read(begin, end) gives its rows, (1, C, end - begin, W) floats; size its (H, W) -> (the first row, the rows).
    """
    first, scale = 0, new[1] / size[1]
    matrix = _bands(size[0], new[0], new[0] / size[0], True, "bicubic", torch.float32, torch.device("cpu"))
    for start, block in zip(matrix.starts, matrix.blocks, strict=True):
        rows = _resize_side(read(start, start + block.shape[1]), 3, new[1], scale, True, "bicubic")
        yield first, bands.apply(bands.Bands((0,), (block,)), rows, 2)
        first += block.shape[0]


def _resize_side(x: Tensor, dim: int, outputs: int, scale: float, antialias: bool, kernel: KernelName) -> Tensor:
    inputs = x.shape[dim]
    if inputs == outputs and scale == 1:
        return x
    work = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    matrix = _bands(inputs, outputs, scale, antialias, kernel, work.dtype, work.device)
    return bands.apply(matrix, work, dim).to(x.dtype)


@lru_cache(maxsize=256)
def _bands(
    inputs: int,
    outputs: int,
    scale: float,
    antialias: bool,
    kernel: KernelName,
    dtype: torch.dtype,
    device: torch.device,
) -> bands.Bands:
    with torch.inference_mode(False):  # what is kept must serve training too
        table, index = weights(inputs, outputs, scale, antialias=antialias, kernel=kernel)
        first = index.min(1).values
        taps = int((index.max(1).values - first).max()) + 1
        first = first.clamp(max=inputs - taps)
        folded = table.new_zeros(outputs, taps)  # mirrored pixels are the same pixels: their weights add up
        folded.scatter_add_(1, index - first[:, None], table)
        return bands.cut(folded, first, inputs).to(torch.empty(0, dtype=dtype, device=device))


def _target(
    x: Tensor, scale: float | tuple[float, float] | None, size: tuple[int, int] | None, kernel: str
) -> tuple[int, int, tuple[float, float]]:
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}: choose one of {', '.join(KERNELS)}")
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"imresize needs a picture (B, C, H, W) with at least one pixel, got {tuple(x.shape)}")
    if not (x.dtype == torch.uint8 or x.dtype.is_floating_point):
        raise ValueError(f"imresize needs floats, or uint8 for MATLAB's rounded path, got {x.dtype}: use x.float()")
    if (scale is None) == (size is None):
        raise ValueError("imresize needs exactly one of scale= and size=")
    height, width = x.shape[-2:]
    if size is not None:
        if min(size) < 1:
            raise ValueError(f"size is {size}: both sides must be at least 1 pixel")
        return size[0], size[1], (size[0] / height, size[1] / width)
    scales = scale if isinstance(scale, tuple) else (scale, scale)
    if not all(0 < s < math.inf for s in scales):  # type: ignore[operator]
        raise ValueError(f"scale is {scale}: it must be a positive number")
    return math.ceil(height * scales[0]), math.ceil(width * scales[1]), scales  # type: ignore


def _round(x: Tensor) -> Tensor:
    """To uint8, half away from zero (torch.round goes to even)."""
    return (x + 0.5).floor_().clamp_(0, 255).to(torch.uint8)
