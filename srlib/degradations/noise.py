"""Noise of sensors: the same strength everywhere (Gaussian), or stronger where it is bright (Poisson)."""

from functools import lru_cache

import torch
from torch import Tensor

BINS = 4096  # into which `counts` cuts (0, 1): most of them hold one count alone
# Luma as torchvision's rgb_to_grayscale, which the authors take. Source: ITU-R BT.601, unrounded weights' decimals.
GREY = (0.2989, 0.587, 0.114)


def add_gaussian(pictures: Tensor, sigma: Tensor, *, grey: Tensor, rng: torch.Generator) -> Tensor:
    """Adds Gaussian noise to each picture, and clips to [0, 1].

    pictures (B, 3, H, W) in [0, 1]; sigma (B,): standard deviation in 1/255; grey (B,) bool: the same noise in all
    channels; rng: of the pictures' device -> (B, 3, H, W). Raises ValueError for a sigma below 0.
    """
    _check(pictures, sigma, grey, "sigma")
    noise = torch.randn(pictures.shape, generator=rng, dtype=pictures.dtype, device=pictures.device)
    noise = torch.where(_each(grey).to(pictures.device), noise[:, :1], noise)
    return (pictures + noise * (_each(sigma).to(pictures) / 255)).clamp(0, 1)


def add_poisson(pictures: Tensor, scale: Tensor, *, grey: Tensor, rng: torch.Generator) -> Tensor:
    """Adds `scale` times the noise of counting photons to each picture, and clips to [0, 1].

    pictures, grey, rng as in `add_gaussian`; scale (B,). A picture is taken as its 8-bit values; the photons of a white
    pixel are as many as it has different values, rounded up to a power of 2. Grey noise is that of the picture's grey,
    added to all channels. Raises ValueError for a scale below 0.
    Source: the authors' code of 2107.10833 (its numbers of photons follow scikit-image's random_noise).
    """
    _check(pictures, scale, grey, "scale")
    made = []
    for picture, strength, plain in zip(pictures, scale.tolist(), grey.tolist(), strict=True):
        seen = torch.tensordot(picture.new_tensor(GREY), picture, 1)[None] if plain else picture
        levels = (seen.clamp(0, 1) * 255).round().to(torch.uint8)
        photons = _photons(levels)
        noise = counts(levels, photons, rng).to(picture) / photons - levels.to(picture) / 255
        made.append((picture + strength * noise).clamp(0, 1))
    return torch.stack(made)


def counts(levels: Tensor, photons: int, rng: torch.Generator) -> Tensor:
    """How many photons each pixel counts: a Poisson number of mean levels / 255 * photons.

    levels: uint8 of any shape; photons: of a white pixel -> int16 of the same shape. The law is exact, to the
    resolution of float64; three times as fast as torch.poisson on a CPU, since pixels have but 256 means.
    """
    surest, chances = (table.to(levels.device) for table in _tables(photons))
    bins = torch.randint(BINS, levels.shape, generator=rng, dtype=torch.int32, device=levels.device)
    found = surest.take(bins.add_(levels, alpha=BINS).long())
    open_ = (found < 0).nonzero(as_tuple=True)  # bins in which the number is not sure yet
    row = levels[open_].long()
    within = torch.rand(len(row), generator=rng, dtype=torch.float64, device=levels.device)
    chance = (bins[open_] - BINS * row + within) / BINS
    # One table for all: row l of the cumulative chances lies in (l, l + 1].
    place = torch.searchsorted(chances.view(-1), row + chance, right=True)
    found[open_] = (place - row * chances.shape[1]).to(found.dtype)
    return found


@lru_cache(maxsize=10)
def _tables(photons: int) -> tuple[Tensor, Tensor]:
    """For the 256 means: the count that a bin of (0, 1) holds alone, or -1; and level plus cumulative chances."""
    means = torch.arange(256, dtype=torch.float64)[:, None] * photons / 255
    most = int(photons + 12 * photons**0.5 + 30)  # beyond which float64 cannot tell the chance from 0
    chances = torch.special.gammaincc(torch.arange(1, most + 1, dtype=torch.float64), means.clamp(min=1e-300))
    edges = torch.arange(BINS + 1, dtype=torch.float64).expand(256, -1) / BINS
    at = torch.searchsorted(chances, edges.contiguous(), right=True)
    surest = torch.where(at[:, :-1] == at[:, 1:], at[:, :-1], -1)
    return surest.to(torch.int16), chances + torch.arange(256, dtype=torch.float64)[:, None]


def _photons(levels: Tensor) -> int:
    different = int((torch.bincount(levels.flatten(), minlength=256) > 0).sum())
    return 1 << (different - 1).bit_length()


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _check(pictures: Tensor, strength: Tensor, grey: Tensor, name: str) -> None:
    if strength.shape != (len(pictures),) or grey.shape != (len(pictures),):
        raise ValueError(
            f"{name} is {tuple(strength.shape)} and grey {tuple(grey.shape)}: give one of each to a picture"
        )
    if not bool((strength >= 0).all()):
        raise ValueError(f"{name} is {strength.tolist()}: noise has a strength of at least 0")
