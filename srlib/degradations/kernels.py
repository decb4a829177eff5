"""Blur kernels in batches: Gaussians of every shape, plateaus, and the sinc that rings. All sum to 1.

Source: 2107.10833 (Real-ESRGAN), section 3.1, and 3.4 for the sinc.
"""

import math

import torch
from torch import Tensor


def gaussian(size: int, sigma: Tensor, *, rotation: Tensor | float = 0.0, beta: Tensor | float = 1.0) -> Tensor:
    """Gaussians, exp(-r^(2 beta) / 2), generalised: flatter on top for beta above 1, pointed with long tails below.

    size: odd; sigma (B, 2): standard deviations in pixels along the two axes; rotation (B,): radians from the x to the
    y axis, which points down; beta (B,) -> (B, size, size) of sigma's dtype, on its device. Raises ValueError for an
    even size, or a sigma or beta that is not above 0.
    """
    distance = _distance(size, sigma, rotation, beta)
    return _normalised(torch.exp(-0.5 * distance))


def plateau(size: int, sigma: Tensor, *, rotation: Tensor | float = 0.0, beta: Tensor | float = 1.0) -> Tensor:
    """Plateaus, 1 / (1 + r^(2 beta)): parameters, result and errors as `gaussian`'s."""
    return _normalised(1 / (1 + _distance(size, sigma, rotation, beta)))


def sinc(size: int, cutoff: Tensor) -> Tensor:
    """Ideal circular low-pass filters, cut off to a square: they let frequencies below `cutoff` pass, and ring.

    size: odd; cutoff (B,): radians a pixel in (0, pi] -> (B, size, size). The value at distance r is
    cutoff J1(cutoff r) / (2 pi r). Raises ValueError for an even size, or a cutoff outside (0, pi].
    """
    if not bool(((cutoff > 0) & (cutoff <= math.pi + 1e-6)).all()):
        raise ValueError(f"cutoff is {cutoff.tolist()}: it is in radians a pixel, above 0 and at most pi")
    x, y = _grid(size, cutoff)
    radius = torch.hypot(x, y)
    cutoff = cutoff[:, None, None]
    centre = radius == 0
    wave = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.masked_fill(centre, 1.0))
    return _normalised(torch.where(centre, cutoff**2 / (4 * math.pi), wave))


def _distance(size: int, sigma: Tensor, rotation: Tensor | float, beta: Tensor | float) -> Tensor:
    """r^(2 beta) at each pixel, r being 1 one sigma away from the middle, in any direction."""
    if sigma.ndim != 2 or sigma.shape[1] != 2:
        raise ValueError(
            f"sigma is of shape {tuple(sigma.shape)}: give (B, 2), the same value twice for a round kernel"
        )
    rotation, beta = (torch.as_tensor(v, dtype=sigma.dtype, device=sigma.device) for v in (rotation, beta))
    if not bool((sigma > 0).all() and (beta > 0).all()):
        raise ValueError(f"sigma is {sigma.tolist()} and beta {beta.tolist()}: both must be above 0")
    x, y = _grid(size, sigma)
    cos, sin = (f(rotation).reshape(-1, 1, 1) for f in (torch.cos, torch.sin))
    along, across = sigma[:, 0, None, None], sigma[:, 1, None, None]
    squared = ((cos * x + sin * y) / along) ** 2 + ((cos * y - sin * x) / across) ** 2
    return squared ** beta.reshape(-1, 1, 1)


def _grid(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """x of each column (1, 1, size) and y of each row (1, size, 1), 0 in the middle."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size is {size}: a kernel has a middle pixel, so take an odd size")
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    return offset[None, None, :], offset[None, :, None]


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)
