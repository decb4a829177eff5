"""What the usual mistakes in 01.2 give: cause -> formula, computed only when an answer is wrong."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.checks.ch01.shared import Pair, keys_kernel
from srlib import resize as library


def _taken(
    centre: Tensor,
    stretch: float,
    *,
    kernel: Callable[[Tensor], Tensor] = library.cubic,
    position: Tensor | None = None,
    divisor: float | None = None,
) -> Pair:
    """A row of weights for each centre: at these positions (else all in reach), divided by this (else its sum)."""
    if position is None:
        reach = math.ceil(2 * stretch) + 2
        position = centre.floor().long()[:, None] + torch.arange(-reach, reach + 1)
    weights = kernel((centre[:, None] - position) / stretch)
    return weights / (weights.sum(1, keepdim=True) if divisor is None else divisor), position


def _geometry(outputs: int, scale: float, antialias: bool) -> tuple[Tensor, float]:
    """The centres, and how much wider than cubic the kernel is."""
    centre = (torch.arange(outputs, dtype=torch.float64) + 0.5) / scale - 0.5
    return centre, 1 / scale if antialias and scale < 1 else 1.0


def wrong_divisors(outputs: int, scale: float, antialias: bool) -> dict[str, Callable[[], Pair]]:
    """What comes if the rows are divided by something other than their sum."""
    centre, stretch = _geometry(outputs, scale, antialias)
    return {
        "the rows are not divided by their sum: they sum to about stretch": lambda: _taken(
            centre, stretch, divisor=1.0
        ),
        "the rows are divided by stretch, which is only about their sum: divide each by its own sum": (
            lambda: _taken(centre, stretch, divisor=stretch)
        ),
    }


def wrong_contributions(outputs: int, scale: float, antialias: bool, given: Tensor) -> dict[str, Callable[[], Pair]]:
    """What the usual mistakes give; `given` are the answer's own positions."""
    row = torch.arange(outputs, dtype=torch.float64)
    centre, stretch = _geometry(outputs, scale, antialias)
    right, position = _taken(centre, stretch)
    last = max(round(outputs / scale), 1) - 1  # of the picture's pixels
    half, border = "the centre lacks half a pixel", "the border is exercise 01.3"
    four = torch.arange(-1, 3)

    def kept(inside: Tensor, *, divided: bool) -> Pair:
        weights = right * inside
        return weights / weights.sum(1, keepdim=True) if divided else weights, position

    return {
        f"{half}: it is (i + 0.5) / scale - 0.5, not i / scale": lambda: _taken(row / scale, stretch),
        f"{half} at its end: (i + 0.5) / scale is a distance from the edge, the first pixel's middle is at 0.5, so "
        "take 0.5 off": lambda: _taken((row + 0.5) / scale, stretch),
        f"{half} at its beginning: it is (i + 0.5) / scale - 0.5": lambda: _taken(row / scale - 0.5, stretch),
        "the centre is multiplied by scale: scale is outputs per input, so it is (i + 0.5) / scale - 0.5": (
            lambda: _taken((row + 0.5) * scale - 0.5, stretch)
        ),
        "all positions are one too high: MATLAB counts pixels from 1, here the first one is 0": lambda: _taken(
            centre + 1, stretch
        ),
        "the kernel is stretched although antialias is False": lambda: _taken(centre, max(1 / scale, 1)),
        "the kernel is stretched by 1 / scale when enlarging too: then stretch is 1": lambda: _taken(centre, 1 / scale),
        "the kernel is not stretched: with antialias and scale < 1 divide the distance by stretch = 1 / scale": (
            lambda: _taken(centre, 1.0)
        ),
        "the kernel is made narrower instead of wider: divide the distance by stretch = 1 / scale": (
            lambda: _taken(centre, 1 / stretch)
        ),
        "the kernel is stretched, but only 4 pixels are taken: it reaches 2 * stretch to either side": (
            lambda: _taken(centre, stretch, position=centre.floor().long()[:, None] + four)
        ),
        "int() and .long() cut towards 0, so a negative position is one too high: take torch.floor first": (
            lambda: _taken(centre, stretch, position=centre.trunc().long()[:, None] + four)
        ),
        **wrong_divisors(outputs, scale, antialias),
        "the kernel has a = -0.75: is `cubic` right?": lambda: _taken(
            centre, stretch, kernel=lambda x: keys_kernel(x, -0.75)
        ),
        f"negative positions are set to 0: leave them as they are, {border}": lambda: (right, position.clamp(min=0)),
        f"negative positions have lost their sign: leave them as they are, {border}": lambda: (right, position.abs()),
        f"pixels before the first one are left out: leave them in, {border}": lambda: kept(
            position >= 0, divided=False
        ),
        f"pixels before the first one are left out and the row is divided by what remains: leave them in, {border}": (
            lambda: kept(position >= 0, divided=True)
        ),
        f"positions outside the picture are set to its edge (clamp), at both ends: leave them as they are, {border}": (
            lambda: (right, position.clamp(0, last))
        ),
        f"pixels outside the picture are left out at both ends: leave them in, {border}": lambda: kept(
            (position >= 0) & (position <= last), divided=False
        ),
        f"pixels outside the picture are left out at both ends and the row is divided by what remains: leave them in, "
        f"{border}": lambda: kept((position >= 0) & (position <= last), divided=True),
        "the rows hold too few pixels: all that are nearer to the centre than 2 * stretch belong in, so take a tap "
        "more than the kernel is wide": lambda: _taken(centre, stretch, position=given),
    }
