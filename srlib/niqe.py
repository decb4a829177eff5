"""NIQE: how far a picture's local statistics are from those of undistorted photographs; no truth is needed.

Lower is better. A value belongs to the pristine pictures behind it: papers print those of the authors' model, ours is
of 889 sharp patches of the 200 pictures of BSDS500 `train`, JPEG files all. The two agree in rank, not in value.
Measured against BasicSR 1.4.2, which holds the authors' model, on Set14 and 16 versions of it (four enlargements x4,
blur, noise, JPEG; 238 pictures), border 4: Spearman's rank correlation is 0.950 over the pictures and 0.975 over the
17 means. Our values are higher, by 0.5 for the truth and 3.3 for bicubic; with the authors' model in place of ours all
agree to 0.1 %. By both, JPEG at quality 75 is better than the truth: a NIQE below the truth's is no merit.

Source: Mittal, Soundararajan and Bovik 2013, "Making a completely blind image quality analyzer", IEEE Signal
Processing Letters 20(3); equation numbers are the paper's. Where it leaves a choice, that of the authors' release:
luma rounded to 8 bits, the products of neighbours wrap around inside a patch, and one estimator serves both laws.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from srlib import bands, color, metrics
from srlib.files import atomically
from srlib.resize import imresize

PATCH = 96  # pixels a side at scale 1, half of it at scale 2
WINDOW, SIGMA = 7, 7 / 6  # the Gaussian window of the local mean and deviation
SHARP = 0.75  # of the sharpest patch of a picture: what pristine patches must exceed (the patch selection)
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and the two diagonals
SHIPPED = Path(__file__).with_name("weights") / "niqe_pristine.safetensors"


class Pristine(NamedTuple):
    """The law of undistorted patches: mean (36,), covariance (36, 36), both float64, and how many patches made it."""

    mean: Tensor
    covariance: Tensor
    patches: int


@torch.no_grad()
def niqe(pictures: Tensor, *, border: int, pristine: Pristine | None = None) -> Tensor:
    """Natural image quality of each picture: the distance of its patches' law to that of pristine ones.

    pictures (B, 3, H, W) RGB, of which Y is measured (studio range), or (B, 1, H, W) luma as it is, floats in [0, 1]
    -> (B,) float64, 0 or more, lower is better; nan where fewer than two patches have any detail. border: pixels left
    out on every side. pristine: the model; None: the shipped one. There is no gradient.
    Raises ValueError for integers, other channels, or less than two patches of 96 x 96.
    Source: eq. 10, with the pseudo-inverse.
    """
    told = features(metrics.inside(pictures, border=border, luma=False, smallest=PATCH))
    mean, covariance, enough = _normal(told)
    model = pristine or load()
    difference = (mean - model.mean.to(mean))[:, :, None]
    inverse = torch.linalg.pinv((covariance + model.covariance.to(mean)) / 2, hermitian=True)
    squared = (difference.mT @ inverse @ difference).flatten().clamp(min=0)
    return torch.where(enough, squared.sqrt(), torch.nan)


@torch.no_grad()
def features(pictures: Tensor) -> Tensor:
    """The 36 features of every patch.

    pictures (B, 3 or 1, H, W) as in niqe -> (B, patches, 36) float64: 18 at scale 1, 18 at scale 2. Patches go row by
    row; rows and columns that fill no patch are left out. nan in a patch without detail. Raises ValueError as niqe.
    """
    return _measured(pictures)[0]


@torch.no_grad()
def fit(pictures: Iterable[Tensor]) -> Pristine:
    """The model of pristine pictures, from their sharp patches only.

    pictures: each (B, 3 or 1, H, W) as in niqe, of any size from two patches up.
    Raises ValueError as niqe, or if less than two sharp patches are found.
    """
    kept = [torch.empty(0, 36, dtype=torch.float64)]
    for batch in pictures:
        told, sharpness = _measured(batch)
        sharp = sharpness > SHARP * sharpness.amax(1, keepdim=True)
        kept.append(told[sharp & told.isfinite().all(2)].cpu())
    chosen = torch.cat(kept)
    if len(chosen) < 2:
        raise ValueError(f"{len(chosen)} sharp patches make no covariance: fit more pictures")
    mean, covariance, _ = _normal(chosen[None])
    return Pristine(mean[0], covariance[0], len(chosen))


def save(pristine: Pristine, path: Path, *, source: str) -> None:
    """Writes a model as safetensors, whole or not at all. source: what it was fitted on, for its metadata."""
    import safetensors.torch

    tensors = {"mean": pristine.mean, "covariance": pristine.covariance, "patches": torch.tensor(pristine.patches)}
    data = safetensors.torch.save(tensors, metadata={"source": source})
    atomically(path, lambda part: part.write_bytes(data))


@lru_cache(maxsize=8)
def load(path: Path = SHIPPED) -> Pristine:
    """A model that `save` wrote; the shipped one is of `srlib fit-niqe BSDS500/train`."""
    import safetensors.torch

    held = safetensors.torch.load_file(path)
    return Pristine(held["mean"], held["covariance"], int(held["patches"]))


def _measured(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, patches, 36), and the sharpness (B, patches) of each patch: its mean local deviation."""
    luma = _luma(pictures)
    normalised, deviation = _normalise(luma)
    sharpness = _patches(deviation, PATCH).mean((2, 3))
    half, _ = _normalise(imresize(luma, scale=0.5))
    told = _describe(_patches(normalised, PATCH)), _describe(_patches(half, PATCH // 2))
    return torch.cat(told, 2), sharpness


def fits(height: int, width: int) -> bool:
    """Whether a picture of this size, without its border, holds the two patches that NIQE needs."""
    return (height // PATCH) * (width // PATCH) >= 2


def _luma(pictures: Tensor) -> Tensor:
    """Whole patches of luma in 0..255, rounded, float64."""
    pictures = metrics.inside(pictures, border=0, luma=False, smallest=PATCH)
    _, channels, height, width = pictures.shape
    rows, columns = height // PATCH, width // PATCH
    if channels not in (1, 3):
        raise ValueError(f"pictures have {channels} channels: NIQE is of RGB (3) or of luma (1)")
    if not fits(height, width):
        raise ValueError(f"{height} x {width} holds {rows * columns} patch of {PATCH} x {PATCH}: NIQE needs two")
    pictures = pictures[..., : rows * PATCH, : columns * PATCH].double()
    return (255 * (color.luma(pictures) if channels == 3 else pictures)).round()


def _normalise(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean-subtracted, contrast-normalised luma, and its local standard deviation (eq. 1)."""
    mean = _blur(luma)
    deviation = (_blur(luma * luma) - mean * mean).clamp(min=0).sqrt()
    # In a flat place only rounding is left, whose sign must not count as a sample below or above 0.
    return functional.hardshrink(luma - mean, 1e-6) / (deviation + 1), deviation


def _blur(x: Tensor) -> Tensor:
    padded = functional.pad(x, (WINDOW // 2,) * 4, mode="replicate")
    for dim in (2, 3):
        window = bands.gaussian(padded.shape[dim], WINDOW, SIGMA, padded.dtype, padded.device)
        padded = bands.apply(window, padded, dim)
    return padded


def _patches(x: Tensor, side: int) -> Tensor:
    """(B, 1, H, W) -> (B, patches, side, side)."""
    return x[:, 0].unflatten(1, (-1, side)).unflatten(3, (-1, side)).transpose(2, 3).flatten(1, 2)


def _describe(patches: Tensor) -> Tensor:
    """The 18 features of one scale: (B, patches, side, side) -> (B, patches, 18)."""
    alpha, left, right = aggd(patches)
    told = [alpha, (left + right) / 2]
    for shift in NEIGHBOURS:
        alpha, left, right = aggd(patches * patches.roll(shift, (2, 3)))
        mean = (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()  # eq. 8
        told += [alpha, mean, left, right]
    return torch.stack(told, 2)


def aggd(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fits the asymmetric generalised Gaussian law by its moments.

    samples (..., H, W) -> shape alpha in [0.2, 10] by steps of 0.001, and the left and right scale, each (...); nan
    where no sample is below 0, or none above. alpha is 2 for the normal law, whose scales are sqrt(2) sigma.
    Source: eq. 7; Lasmar, Stitou and Berthoumieu 2009.
    """
    samples = samples.flatten(-2)
    squares = samples * samples
    left, right = ((squares * side).sum(-1) / side.sum(-1) for side in (samples < 0, samples > 0))
    left, right = left.sqrt(), right.sqrt()
    ratio = left / right
    share = samples.abs().mean(-1).square() / squares.mean(-1)
    share = share * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1).square()
    alphas, shares = _table(samples.dtype, samples.device)
    above = torch.searchsorted(shares, share).clamp(1, len(shares) - 1)
    nearest = above - (share - shares[above - 1] < shares[above] - share).long()
    alpha = alphas[nearest]
    scale = ((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2).exp()
    return alpha, left * scale, right * scale


@lru_cache(maxsize=8)
def _table(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Shapes alpha, and the ratio of moments E|x|^2 / E x^2 that each has: it rises with alpha."""
    with torch.inference_mode(False):
        alpha = torch.arange(200, 10001, dtype=torch.float64) / 1000
        one, two, three = (torch.lgamma(k / alpha) for k in (1, 2, 3))
        like = torch.empty(0, dtype=dtype, device=device)
        return alpha.to(like), (2 * two - one - three).exp().to(like)


def _normal(told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (B, 36) and covariance (B, 36, 36) over the patches without nan, and whether there are two of them."""
    whole = told.isfinite().all(2, keepdim=True)
    count = whole.sum(1)
    mean = told.where(whole, 0).sum(1) / count.clamp(min=1)
    centred = (told - mean[:, None]).where(whole, 0)
    covariance = centred.mT @ centred / (count - 1).clamp(min=1)[:, :, None]
    return mean, covariance, count[:, 0] >= 2
