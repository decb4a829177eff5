"""How natural enlarged pictures look, beside how faithful they are: the two axes on which games are judged.

A network cannot win on both: past some point, what looks more like a photograph is further from the very one.
Source: Blau, Michaeli, "The perception-distortion tradeoff", CVPR 2018 (1711.06077).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from srlib import datasets, features, image, metrics, niqe
from srlib.evaluation import CONVENTIONS
from srlib.features import VGG19
from srlib.inference import Model
from srlib.patches import crop_to_multiple


class Perception(NamedTuple):
    """PSNR in dB and SSIM by y-of-rgb; NIQE (lower is better); sharpness, times the truth's; VGG distance (lower)."""

    psnr: float
    ssim: float
    niqe: float
    sharpness: float
    vgg: float | None = None  # None where VGG19's weights are not here


def judge() -> VGG19 | None:
    """What the VGG distance looks through, or None if the weights are not here, or not deep enough."""
    if features.file() is None or features.reach() < features.depth_of(features.DISTANCE_TAPS[-1]):
        return None
    return VGG19(features.DISTANCE_TAPS)


def perceive(model: Model, name: str | Path, *, eye: VGG19 | None, convention: str = "y-of-rgb") -> Perception:
    """The mean of each figure over the pictures of a named set or folder, 8-bit, border `scale`.

    convention: y-of-rgb or degraded, see `evaluation`. eye: as `judge` gives it; None leaves the VGG distance out.
    NIQE is the mean of the pictures that are large enough for it, nan if none is. Raises ValueError as
    evaluation.score and datasets.files do.
    """
    return _mean([_one(model, path, eye, convention) for path in datasets.files(name)])


def of_the_truth(name: str | Path, scale: int) -> float:
    """NIQE of a set's own pictures, cut and bordered as those that a model makes of them: what there is to reach."""
    pictures = (crop_to_multiple(image.read(path).rgb, scale) for path in datasets.files(name))
    return _average([_niqe(hr, scale) for hr in pictures])


@torch.inference_mode()
def _one(model: Model, path: Path, eye: VGG19 | None, convention: str) -> Perception:
    lr, hr, _ = CONVENTIONS[convention](image.read(path), model.scale)
    sr = model(lr)
    sr = image.to_float(sr if sr.dtype == torch.uint8 else image.to_uint8(sr))
    border = model.scale
    sharp, wanted = (metrics.sharpness(x, border=border, luma=True) for x in (sr, hr))
    return Perception(
        float(metrics.psnr(sr, hr, border=border, luma=True)),
        float(metrics.ssim(sr, hr, border=border, luma=True)),
        _niqe(sr, border),
        float(sharp / wanted),
        None if eye is None else float(features.vgg_distance(eye, sr, hr)),
    )


def _niqe(picture: torch.Tensor, border: int) -> float:
    height, width = (side - 2 * border for side in picture.shape[-2:])
    if not niqe.fits(height, width):
        return math.nan
    return float(niqe.niqe(picture, border=border))


def _mean(rows: Sequence[Perception]) -> Perception:
    *columns, vgg = zip(*rows, strict=True)
    seen = [value for value in vgg if value is not None]
    psnr, ssim, natural, sharp = (_average(column) for column in columns)
    return Perception(psnr, ssim, natural, sharp, _average(seen) if seen else None)


def _average(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
