"""Filtering pictures with kernels, and sharpening them: the border is mirrored about its outermost pixel."""

from functools import lru_cache

import torch
from torch import Tensor

from srlib import bands

SHARPEN_TAPS, SHARPEN_SIGMA = 51, 8.0  # of the Gaussian; the sigma is what OpenCV takes for so many taps
SHARPEN_WEIGHT, SHARPEN_THRESHOLD = 0.5, 10 / 255


def blur(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Correlates each picture with a kernel of its own: (B, C, H, W), (B, k, k) -> (B, C, H, W).

    By FFT, which takes the same time for every k: on one CPU thread, a picture of 3 x 256 x 256 in a tenth of the
    time of a convolution with k = 21. Raises ValueError for an even k, or a number of kernels that is not that of
    the pictures.
    """
    size = kernels.shape[-1]
    if kernels.ndim != 3 or kernels.shape[1] != size or size % 2 == 0 or len(kernels) != len(pictures):
        raise ValueError(f"kernels are {tuple(kernels.shape)}: give ({len(pictures)}, k, k), k odd, one to a picture")
    height, width = pictures.shape[-2:]
    spread = _spread(pictures, size // 2)
    whole = [_quick(side) for side in spread.shape[-2:]]
    waves = torch.fft.rfft2(spread, s=whole) * torch.fft.rfft2(kernels.to(pictures)[:, None], s=whole).conj()
    return torch.fft.irfft2(waves, s=whole)[..., :height, :width]


def sharpen(pictures: Tensor) -> Tensor:
    """Unsharp masking, of Real-ESRGAN's targets: edges are raised, flat parts with their noise stay.

    pictures (B, C, H, W) in [0, 1] -> the same. What a wide Gaussian blur takes away is added once more by half, where
    it is above 10/255, with soft borders.
    Source: 2107.10833, section 3.3 (sharpened ground truth), and the authors' code for its numbers.
    """
    residual = pictures - _smooth(pictures)
    soft = _smooth((residual.abs() > SHARPEN_THRESHOLD).to(pictures))
    return torch.lerp(pictures, (pictures + SHARPEN_WEIGHT * residual).clamp(0, 1), soft)


def _smooth(pictures: Tensor) -> Tensor:
    """The Gaussian of `sharpen`, one side after the other."""
    for dim in (2, 3):
        pictures = bands.apply(_gaussian(pictures.shape[dim], pictures.dtype, pictures.device), pictures, dim)
    return pictures


@lru_cache(maxsize=64)
def _gaussian(length: int, dtype: torch.dtype, device: torch.device) -> bands.Bands:
    with torch.inference_mode(False):  # what is kept must serve training too
        offset = torch.arange(SHARPEN_TAPS) - SHARPEN_TAPS // 2
        row = torch.exp(-(offset.double() ** 2) / (2 * SHARPEN_SIGMA**2))
        place = _mirrored(torch.arange(length)[:, None] + offset, length)
        taps = min(SHARPEN_TAPS, length)
        first = place.min(1).values.clamp(max=length - taps)
        folded = torch.zeros(length, taps, dtype=torch.float64)  # mirrored pixels are the same pixels
        folded.scatter_add_(1, place - first[:, None], (row / row.sum()).expand(length, -1))
        return bands.cut(folded, first, length).to(torch.empty(0, dtype=dtype, device=device))


def _spread(pictures: Tensor, margin: int) -> Tensor:
    """Pictures with mirrored margins, which may be wider than they are."""
    if margin < min(pictures.shape[-2:]):
        return torch.nn.functional.pad(pictures, [margin] * 4, mode="reflect")
    for dim in (2, 3):
        length = pictures.shape[dim]
        place = _mirrored(torch.arange(-margin, length + margin), length)
        pictures = pictures.index_select(dim, place.to(pictures.device))
    return pictures


def _mirrored(place: Tensor, length: int) -> Tensor:
    """The pixel in [0, length) that stands for one outside, mirrored about the outermost ones as often as needed."""
    period = max(2 * length - 2, 1)
    place = place.abs() % period
    return torch.where(place < length, place, period - place)


@lru_cache(maxsize=1024)
def _quick(length: int) -> int:
    """The next length whose prime factors are 2, 3 and 5, of which FFTs are fast."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1
