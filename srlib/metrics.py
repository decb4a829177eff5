"""PSNR and SSIM, the exact protocol of the super-resolution papers: per image, batched, on any device.

Neither border nor luma has a default: the same pair of pictures differs by up to 2 dB between the choices, so the
caller writes down which one is meant.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from srlib import bands, color

# Wang et al. 2004, section III.B, and their ssim.m: window, its sigma, and the constants for a range of 1.
SSIM_WINDOW, SSIM_SIGMA, SSIM_K1, SSIM_K2 = 11, 1.5, 0.01, 0.03


def psnr(sr: Tensor, hr: Tensor, *, border: int, luma: bool) -> Tensor:
    """Peak signal-to-noise ratio of each picture.

    sr, hr (B, C, H, W) floats in [0, 1] -> (B,) float64, dB; inf where they are identical. border: pixels left
    out on every side (the papers: the scale). luma: compare Y of RGB (studio range) instead of all channels.
    Raises ValueError for shapes that differ, a border that leaves nothing, or luma of a one-channel picture.
    """
    sr, hr = _checked(sr, hr, border, luma, smallest=1)
    difference = _crop(sr, border) - _crop(hr, border)
    if luma:
        difference = color.luma_difference(difference)
    norm = torch.linalg.vector_norm(difference.flatten(1), dim=1, dtype=torch.float64)
    return -20 * torch.log10(norm / math.sqrt(difference[0].numel()))


def ssim(sr: Tensor, hr: Tensor, *, border: int, luma: bool) -> Tensor:
    """Structural similarity of each picture, mean over the windows that lie wholly inside, and over channels.

    sr, hr (B, C, H, W) floats in [0, 1] -> (B,) float64 in [-1, 1]; 1 where they are identical. border, luma: as
    in psnr. float32 pictures agree with float64 ones to 1e-6.
    Raises ValueError as psnr does, or if less than an 11 x 11 window is left.
    Source: Wang et al. 2004, IEEE TIP 13(4), eq. 13; Gaussian window 11 x 11, sigma 1.5, population covariance.
    """
    sr, hr = _checked(sr, hr, border, luma, smallest=SSIM_WINDOW)
    x, y = _crop(sr, border), _crop(hr, border)
    if luma:
        x, y = color.luma(x), color.luma(y)
    # Variances are those of the centred pictures: without the shift, float32 loses them in bright flat places.
    shift = y.mean((1, 2, 3), keepdim=True)
    x, y = x - shift, y - shift
    window = _window(x.shape[2], x.dtype, x.device), _window(x.shape[3], x.dtype, x.device)
    stacked = torch.stack([x, y, x * x + y * y, x * y]).flatten(0, 1)
    mean_x, mean_y, energy, product = bands.apply(window[1], bands.apply(window[0], stacked, 2), 3).unflatten(
        0, (4, -1)
    )
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    mean_product, mean_energy = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    structure = (2 * (product - mean_product) + c2) / (energy - mean_energy + c2)
    # The true means are larger by the shift.
    both = shift * (mean_x + mean_y + shift)
    brightness = (2 * (mean_product + both) + c1) / (mean_energy + 2 * both + c1)
    return (structure * brightness).flatten(1).mean(1, dtype=torch.float64)


@lru_cache(maxsize=128)
def _window(inputs: int, dtype: torch.dtype, device: torch.device) -> bands.Bands:
    """The Gaussian window along one side as a banded matrix (inputs - 10, inputs)."""
    with torch.inference_mode(False):  # what is kept must serve training too
        offset = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
        row = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
        first = torch.arange(inputs - SSIM_WINDOW + 1)
        matrix = bands.cut((row / row.sum()).repeat(len(first), 1), first, inputs)
        return matrix.to(torch.empty(0, dtype=dtype, device=device))


def _crop(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]


def _checked(sr: Tensor, hr: Tensor, border: int, luma: bool, smallest: int) -> tuple[Tensor, Tensor]:
    if sr.shape != hr.shape or sr.ndim != 4:
        raise ValueError(
            f"sr is {tuple(sr.shape)} and hr is {tuple(hr.shape)}: both must be (B, C, H, W) of the same size; "
            "crop hr to a multiple of the scale before making lr"
        )
    if not (sr.dtype.is_floating_point and hr.dtype.is_floating_point):
        raise ValueError(
            f"sr is {sr.dtype} and hr is {hr.dtype}: differences of integers wrap around; use srlib.image.to_float"
        )
    if luma and sr.shape[1] != 3:
        raise ValueError(
            f"luma=True needs RGB, got {sr.shape[1]} channel(s): a luma picture is compared as it is, with luma=False"
        )
    if border < 0 or min(sr.shape[-2:]) - 2 * border < smallest:
        raise ValueError(
            f"border {border} leaves less than {smallest} x {smallest} of a {sr.shape[-2]} x {sr.shape[-1]} "
            "picture: take a smaller border or a larger picture"
        )
    # MPS has no float64: pictures there are compared on the CPU.
    return (sr.cpu(), hr.cpu()) if sr.device.type == "mps" else (sr, hr)
