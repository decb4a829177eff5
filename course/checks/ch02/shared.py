"""What several exercises of lesson 02 take."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course.checking import Case, Mistakes
from srlib import color, image, metrics

Luma = Callable[[Tensor], Tensor]
Shave = Callable[[Tensor, int], Tensor]


def weighed(rgb: Tensor, weights: Sequence[float], offset: float = 0.0) -> Tensor:
    """Another weighing of the three channels."""
    return torch.einsum("c,bchw->bhw", torch.tensor(weights, dtype=torch.float64), rgb.double())[:, None] + offset


def without_border(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]


def eight_bits(x: Tensor) -> Tensor:
    return image.to_float(image.to_uint8(x))


def squared_errors(
    srs: Sequence[Tensor],
    hrs: Sequence[Tensor],
    scale: int,
    *,
    stored: Luma = eight_bits,
    y: Luma = color.luma,
    y_hr: Luma | None = None,
    cut: Shave = without_border,
) -> list[Tensor]:
    """The squared errors of every picture, with one step of the protocol done in another way."""
    pairs = [(y(stored(sr)), (y_hr or y)(hr)) for sr, hr in zip(srs, hrs, strict=True)]
    return [(cut(sr, scale) - cut(hr, scale)).double().square() for sr, hr in pairs]


def to_decibels(errors: Sequence[Tensor]) -> float:
    return sum(-10 * math.log10(float(e.mean())) for e in errors) / len(errors)


def pooled(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.sum()) for e in errors) / sum(e.numel() for e in errors))


def mean_of_mse(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.mean()) for e in errors) / len(errors))


def figures(srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What the usual mistakes give for this set."""

    def of(**changed: Any) -> Callable[[], float]:
        return lambda: to_decibels(squared_errors(srs, hrs, scale, **changed))

    in_place = "Y was rounded in the place of sr: round sr to whole steps of 1/255, and leave Y as it comes out"

    def weighted() -> float:
        errors = squared_errors(srs, hrs, scale)
        return sum(to_decibels([e]) * e.numel() for e in errors) / sum(e.numel() for e in errors)

    return {
        "all errors went into one pot: the papers take the PSNR of each picture, and the mean of these dB": lambda: (
            pooled(squared_errors(srs, hrs, scale))
        ),
        "the mean of the MSEs, then the logarithm: the papers take the PSNR of each picture, then the mean": lambda: (
            mean_of_mse(squared_errors(srs, hrs, scale))
        ),
        "large pictures count for more: every picture counts alike": weighted,
        "the sum of the dB: their mean is wanted": lambda: len(srs) * to_decibels(squared_errors(srs, hrs, scale)),
        "only the first picture counts: is there a `return` inside the loop?": lambda: to_decibels(
            squared_errors(srs[:1], hrs[:1], scale)
        ),
        "only the last picture counts: collect the dB of all of them": lambda: to_decibels(
            squared_errors(srs[-1:], hrs[-1:], scale)
        ),
        "sr is neither clipped nor rounded: as a file it would have whole steps of 1/255, from 0 to 1": of(
            stored=lambda x: x
        ),
        "sr is not rounded to 8 bits": of(stored=lambda x: x.clamp(0, 1)),
        "sr is not clipped to [0, 1]": of(stored=lambda x: (255 * x + 0.5).floor() / 255),
        "half goes down: 76.5 becomes 76, and 77 is wanted": of(
            stored=lambda x: (255 * x.clamp(0, 1) - 0.5).ceil() / 255
        ),
        "sr is cut down to 8 bits instead of rounded: 76.9 must become 77": of(
            stored=lambda x: (255 * x.clamp(0, 1)).floor() / 255
        ),
        "half to even: torch.round makes 76 of 76.5, and 77 is wanted": of(
            stored=lambda x: (255 * x.clamp(0, 1)).round() / 255
        ),
        "sr was rounded to whole numbers in [0, 1], black and white: round 255 * sr": of(
            stored=lambda x: x.clamp(0, 1).round()
        ),
        "sr stayed on 0..255 after the rounding: divide by 255 again": of(stored=lambda x: 255 * eight_bits(x)),
        "PSNR on all three colours: the papers measure luma": of(y=lambda x: x),
        "full-range luma (0.299, 0.587, 0.114): the papers use the studio range": of(
            y=lambda x: weighed(x, [0.299, 0.587, 0.114])
        ),
        "the plain mean of the three colours was compared: the papers measure luma": of(
            y=lambda x: x.mean(1, keepdim=True)
        ),
        "Y was rounded: it stays as it comes out": of(y=lambda x: eight_bits(color.luma(x))),
        f"{in_place} (Y of both)": of(stored=lambda x: x, y=lambda x: eight_bits(color.luma(x))),
        f"{in_place} (Y of both, after clipping sr)": of(
            stored=lambda x: x.clamp(0, 1), y=lambda x: eight_bits(color.luma(x))
        ),
        f"{in_place} (Y of sr)": of(stored=lambda x: x, y=lambda x: eight_bits(color.luma(x)), y_hr=color.luma),
        f"{in_place} (Y of sr, after clipping it)": of(
            stored=lambda x: x.clamp(0, 1), y=lambda x: eight_bits(color.luma(x)), y_hr=color.luma
        ),
        "Y is on 0..255, where psnr takes a peak of 1: divide by 255 again": of(y=lambda x: 255 * color.luma(x)),
        "Y was rounded and is on 0..255: it stays as luma gives it": of(y=lambda x: 255 * eight_bits(color.luma(x))),
        "the border is still in: leave out `scale` pixels on every side": of(cut=lambda x, b: x),
        "a border of 4 at every scale: leave out `scale` pixels": of(cut=lambda x, b: without_border(x, 4)),
        "twice the border was left out: `scale` pixels on every side": of(cut=lambda x, b: without_border(x, 2 * b)),
        "the border is left out at the top and the left only: it goes on all four sides": of(
            cut=lambda x, b: x[..., b:, b:]
        ),
        "the border of sr and hr was painted black instead of left out": of(
            cut=lambda x, b: F.pad(without_border(x, b), (b,) * 4)
        ),
    }


def right_protocol(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    values = [metrics.psnr(eight_bits(sr), hr, border=scale, luma=True).item() for sr, hr in zip(srs, hrs, strict=True)]
    return sum(values) / len(values)


def noisy_set(
    case: Case, sizes: Sequence[tuple[int, int]], strength: Sequence[float]
) -> tuple[list[Tensor], list[Tensor]]:
    """Pictures of 8 bits, and copies with some noise of another strength in each, a little beyond [0, 1]."""
    hrs = [eight_bits(case.rand(1, 3, *size)) for size in sizes]
    srs = [hr + s * (case.rand(*hr.shape) - 0.5) for hr, s in zip(hrs, strength, strict=True)]
    return srs, hrs


def tree_rings(picture: Tensor) -> None:
    """Makes each ring of pixels, from the outermost on, brighter or darker than the one inside it, in place."""
    for inset in range(6):
        without_border(picture, inset).add_(0.06 * (-1) ** inset)


def too_green() -> tuple[Tensor, Tensor]:
    hr = torch.full((1, 3, 16, 20), 100 / 255)
    return hr + torch.tensor([0.0, 8 / 255, 0.0]).view(1, 3, 1, 1), hr
