"""PSNR and SSIM, the exact protocol of the super-resolution papers, and sharpness: per image, batched, on any device.

Neither border nor luma has a default: PSNR of the same pair of pictures differs by up to 2 dB between the choices,
so the caller writes down which one is meant.
"""

import math

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
    sr, hr = _pair(sr, hr, border, luma, smallest=1)
    difference = sr - hr
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
    x, y = _pair(sr, hr, border, luma, smallest=SSIM_WINDOW)
    if luma:
        x, y = color.luma(x), color.luma(y)
    # Variances are those of the centred pictures: without the shift, float32 loses them in bright flat places.
    shift = y.mean((1, 2, 3), keepdim=True)
    x, y = x - shift, y - shift
    window = [bands.gaussian(side, SSIM_WINDOW, SSIM_SIGMA, x.dtype, x.device) for side in x.shape[2:]]
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


def sharpness(pictures: Tensor, *, border: int, luma: bool) -> Tensor:
    """Mean gradient magnitude of each picture: how much edge and texture it has, true or invented.

    pictures (B, C, H, W) floats in [0, 1] -> (B,) float64, in the range's units per pixel: sqrt(dx^2 + dy^2) of
    forward differences, mean over the pixels that have both neighbours inside, and over channels. border, luma: as in
    psnr. Tables of GANs print its ratio to the truth's: below 1 is blurred, above 1 is too sharp or noisy.
    Raises ValueError as psnr does, or if less than 2 x 2 pixels are left.
    """
    x = inside(pictures, border=border, luma=luma, smallest=2)
    if luma:
        x = color.luma_difference(x)
    here = x[..., :-1, :-1]
    both = torch.stack([x[..., :-1, 1:] - here, x[..., 1:, :-1] - here], -1)  # ten times faster than along dim 0
    return torch.linalg.vector_norm(both, dim=-1).flatten(1).mean(1, dtype=torch.float64)


def _pair(sr: Tensor, hr: Tensor, border: int, luma: bool, smallest: int) -> tuple[Tensor, Tensor]:
    if sr.shape != hr.shape:
        raise ValueError(
            f"sr is {tuple(sr.shape)} and hr is {tuple(hr.shape)}: both must be (B, C, H, W) of the same size; "
            "crop hr to a multiple of the scale before making lr"
        )
    first, second = (inside(x, border=border, luma=luma, smallest=smallest) for x in (sr, hr))
    return first, second


def inside(pictures: Tensor, *, border: int, luma: bool, smallest: int) -> Tensor:
    """What a metric looks at: checked pictures without their border.

    pictures (B, C, H, W) floats -> (B, C, H - 2 border, W - 2 border). luma: whether Y is going to be taken of them.
    Raises ValueError for a wrong shape, integers, luma of other than RGB, or less than smallest x smallest left.
    """
    if pictures.ndim != 4:
        raise ValueError(f"pictures are {tuple(pictures.shape)}: they must be (B, C, H, W)")
    if not pictures.dtype.is_floating_point:
        raise ValueError(
            f"pictures are {pictures.dtype}: differences of integers wrap around; use srlib.image.to_float"
        )
    _, channels, height, width = pictures.shape
    if luma and channels != 3:
        raise ValueError(
            f"luma=True needs RGB, got {channels} channel(s): a luma picture is measured as it is, with luma=False"
        )
    if border < 0 or min(height, width) - 2 * border < smallest:
        raise ValueError(
            f"border {border} leaves less than {smallest} x {smallest} of a {height} x {width} picture: "
            "take a smaller border or a larger picture"
        )
    # MPS has no float64: pictures there are measured on the CPU.
    pictures = pictures.cpu() if pictures.device.type == "mps" else pictures
    return pictures[..., border : height - border, border : width - border]
