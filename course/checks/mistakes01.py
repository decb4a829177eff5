"""Lesson 01: what right answers give, by srlib's means, and what the usual mistakes give in their place.

Each `wrong_...` is a dictionary: cause -> what an answer with this mistake gives for these inputs.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import resize as library

Wrongs = dict[str, Callable[[], Any]]
Pair = tuple[Tensor, Tensor]  # weights and positions

# ---------------------------------------------------------------------------------------------------------------
# 01.1 cubic


def _near(x: Tensor, a: float = -0.5) -> Tensor:
    return (a + 2) * x**3 - (a + 3) * x**2 + 1


def _far(x: Tensor, a: float = -0.5) -> Tensor:
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a


def _pieces(s: Tensor, near: Tensor, far: Tensor) -> Tensor:
    return torch.where(s <= 1, near, torch.where(s <= 2, far, 0.0))


def _keys(x: Tensor, a: float) -> Tensor:
    s = x.abs()
    return _pieces(s, _near(s, a), _far(s, a))


def wrong_cubics(x: Tensor, got: Any) -> Wrongs:
    """What the usual mistakes give at these distances; with `got` one piece of it is kept."""
    s = x.abs()
    signed = "the distance is used with its sign: the kernel is symmetric, so begin with x.abs()"
    return {
        "a = -0.75, as in cv2 and in F.interpolate without antialias: MATLAB has a = -0.5": lambda: _keys(x, -0.75),
        "a = -1 gives a still crisper kernel: MATLAB has a = -0.5": lambda: _keys(x, -1.0),
        "a = 0.5: the sign of a is lost, it is -0.5": lambda: _keys(x, 0.5),
        f"{signed} (also where you compare it with 1 and 2)": lambda: _pieces(x, _near(x), _far(x)),
        f"{signed} (in the formula too)": lambda: _pieces(s, _near(x), _far(x)),
        "beyond 2 the second piece goes on: it must be 0 there": lambda: torch.where(s <= 1, _near(s), _far(s)),
        "the second piece, for 1 < |x| <= 2, is missing": lambda: torch.where(s <= 1, _near(s), 0.0),
        "the first piece is used as far as 2: from 1 on it is the second one": lambda: torch.where(
            s <= 2, _near(s), 0.0
        ),
        "the first piece's terms have lost their signs: (a + 2)|x|^3 MINUS (a + 3)|x|^2 + 1": lambda: _pieces(
            s, 1.5 * s**3 + 2.5 * s**2 + 1, _far(s)
        ),
        "this is the triangle of bilinear: the cubic has two pieces": lambda: library.triangle(x),
        "only the second piece, for 1 < |x| <= 2, is wrong: its factors are a, -5a, 8a and -4a": lambda: _wrong_only_in(
            (s > 1) & (s <= 2), got, x
        ),
        "only the first piece, for |x| <= 1, is wrong: its factors are a + 2, -(a + 3), 0 and 1": (
            lambda: _wrong_only_in(s <= 1, got, x)
        ),
    }


def _wrong_only_in(region: Tensor, got: Any, x: Tensor) -> Tensor:
    """The right weights, and those of `got` in the region."""
    if type(got) is not Tensor or got.shape != x.shape:
        raise ValueError("no weights to look at")
    return torch.where(region, got.detach().to(x), library.cubic(x))


# ---------------------------------------------------------------------------------------------------------------
# 01.2 contributions


def contributions(outputs: int, scale: float, antialias: bool) -> Pair:
    inputs = math.ceil(outputs / scale + 4 * max(1 / scale, 1)) + 8  # so many that nothing is mirrored at the far end
    weights, index = library.weights(inputs, outputs, scale, antialias=antialias)
    return weights, index[:, -1:] + torch.arange(1 - index.shape[1], 1)


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
            centre, stretch, kernel=lambda x: _keys(x, -0.75)
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


# ---------------------------------------------------------------------------------------------------------------
# 01.3 mirror


def mirror(position: Tensor, inputs: int) -> Tensor:
    folded = position % (2 * inputs)
    return torch.where(folded < inputs, folded, 2 * inputs - 1 - folded)


def _reflected(position: Tensor, inputs: int) -> Tensor:
    """The other mirror, whose edge pixel stands there once."""
    folded = position % max(2 * inputs - 2, 1)
    return torch.minimum(folded, 2 * inputs - 2 - folded)


def wrong_mirrors(position: Tensor, inputs: int) -> Wrongs:
    """What the usual mistakes give at these positions."""
    p, n = position, inputs
    folded, signed = p % (2 * n), torch.fmod(p, 2 * n)
    return {
        "the edge pixel stands there only once (as ReflectionPad2d does it): -1 is pixel 0, not 1": lambda: _reflected(
            p, n
        ),
        "the edge pixel is repeated for ever (clamp): the picture goes back from there, -2 is pixel 1": lambda: p.clamp(
            0, n - 1
        ),
        "the line begins anew (p % inputs): at the edge it turns round": lambda: p % n,
        "one reflection is too few for positions far outside: take them modulo 2 * inputs first": lambda: torch.where(
            p < 0, -1 - p, torch.where(p >= n, 2 * n - 1 - p, p)
        ),
        "one reflection on the left, then one on the right, is too few: modulo 2 * inputs first": lambda: torch.minimum(
            torch.where(p < 0, -1 - p, p), 2 * n - 1 - torch.where(p < 0, -1 - p, p)
        ),
        "the right end is one off: position inputs is pixel inputs - 1": lambda: torch.where(
            folded < n, folded, 2 * n - folded
        ),
        "the right end is one off the other way: position inputs is pixel inputs - 1, not inputs - 2": (
            lambda: torch.where(folded < n, folded, 2 * n - 2 - folded)
        ),
        "the left end is one off (abs): position -1 is pixel 0": lambda: mirror(p.abs(), n),
        "fmod keeps the sign of a negative position: use % (torch.remainder), which gives 0 .. 2 * inputs - 1": (
            lambda: torch.minimum(signed, 2 * n - 1 - signed)
        ),
        "the modulo is missing: bring every position into 0 .. 2 * inputs - 1 first, by position % (2 * inputs)": (
            lambda: torch.minimum(p, 2 * n - 1 - p)
        ),
    }


# ---------------------------------------------------------------------------------------------------------------
# 01.4 matrix


def matrix(inputs: int, outputs: int, scale: float, antialias: bool) -> Tensor:
    weights, index = library.weights(inputs, outputs, scale, antialias=antialias)
    return torch.zeros(outputs, inputs, dtype=torch.float64).scatter_add(1, index, weights)


def _not_summed(got: Any, weights: Tensor, index: Tensor, inputs: int) -> Tensor:
    """The answer itself, if each of its values is one single weight of those that meet there; else ValueError."""
    if type(got) is not Tensor or got.shape != (len(weights), inputs):
        raise ValueError("no table of this shape")
    here = index[:, None] == torch.arange(inputs)[:, None]  # (outputs, inputs, taps)
    single = here & ((got.detach().double()[..., None] - weights[:, None]).abs() < 1e-5)
    if not bool((single.any(2) | (got.abs() < 1e-5)).all() and got.any(1).all()):
        raise ValueError("something was added")
    return got


def wrong_matrices(got: Any, inputs: int, outputs: int, scale: float, antialias: bool) -> Wrongs:
    """What the usual mistakes give for this side."""
    weights, position = contributions(outputs, scale, antialias)
    inside = (position >= 0) & (position < inputs)

    def placed(index: Tensor, weights: Tensor = weights) -> Tensor:
        return torch.zeros(outputs, inputs, dtype=torch.float64).scatter_add(1, index, weights)

    def cut() -> Tensor:
        return placed(position.clamp(0, inputs - 1), weights * inside)

    return {
        "rows and columns are exchanged: a row for each output, a column for each input": lambda: (
            matrix(inputs, outputs, scale, antialias).T
        ),
        "positions outside are left out and the rows divided by what remains, as F.interpolate does: mirror them": (
            lambda: cut() / cut().sum(1, keepdim=True)
        ),
        "positions outside are left out: mirror them, then add their weights": cut,
        "positions outside count for the pixel at the edge (clamp): mirror them": lambda: placed(
            position.clamp(0, inputs - 1)
        ),
        "positions outside come in again at the other end (a negative index counts from there): mirror them": (
            lambda: placed(position % inputs)
        ),
        "the edge pixel stands only once in the mirror: use `mirror` (01.3)": lambda: placed(
            _reflected(position, inputs)
        ),
        "`mirror` was asked with `outputs`: the picture that goes on beyond its edges has `inputs` pixels": lambda: (
            placed(mirror(position, outputs))
        ),
        "antialias is not handed on to `contributions`": lambda: matrix(inputs, outputs, scale, not antialias),
        "the scale was computed anew as outputs / inputs: use the one that is given": lambda: matrix(
            inputs, outputs, outputs / inputs, antialias
        ),
        "weights that meet in one pixel replace each other: they must add up (scatter_add, or += for each tap)": (
            lambda: _not_summed(got, weights, mirror(position, inputs), inputs)
        ),
    }


# ---------------------------------------------------------------------------------------------------------------
# 01.5 resize


def resize(x: Tensor, scale: float, antialias: bool = True) -> Tensor:
    return library.imresize(x, scale=scale, antialias=antialias)


def wrong_resizes(x: Tensor, scale: float, antialias: bool) -> Wrongs:
    """What the usual mistakes give for this picture."""
    right = resize(x, scale, antialias)
    sides = x.shape[-2] * scale, x.shape[-1] * scale

    def cropped(rounding: Callable[[float], int]) -> Tensor:
        return right[..., : rounding(sides[0]), : rounding(sides[1])]

    size = right.shape[-2:]
    return {
        "antialias has no effect: hand it on to `matrix`": lambda: resize(x, scale, not antialias),
        "the size is rounded down (int or //): it is math.ceil(H * scale)": lambda: cropped(int),
        "the size is rounded to the nearest: it is math.ceil(H * scale)": lambda: cropped(round),
        "only the height is resized: the width needs its own matrix": lambda: library.imresize(
            x, scale=(scale, 1.0), antialias=antialias
        ),
        "only the width is resized: the height needs its own matrix": lambda: library.imresize(
            x, scale=(1.0, scale), antialias=antialias
        ),
        "height and width of the result are exchanged": lambda: right.mT,
        "the scale was computed anew from the sizes: use the one that is given": lambda: library.imresize(
            x, size=(size[0], size[1]), antialias=antialias
        ),
        "values are clipped to [0, 1]: leave them as they come out": lambda: right.clamp(0, 1),
        "values are clipped at 0: leave them as they come out": lambda: right.clamp(min=0),
        "values are rounded to whole numbers: leave them as they come out": lambda: right.round(),
        "values are rounded to 255 steps: leave them as they come out": lambda: (255 * right).round() / 255,
        "the border is that of F.interpolate, which cuts the kernel off there: MATLAB mirrors the picture": (
            lambda: F.interpolate(x, size=tuple(size), mode="bicubic", antialias=True)
        ),
        "this is F.interpolate without antialias, whose kernel has a = -0.75": lambda: F.interpolate(
            x, size=tuple(size), mode="bicubic"
        ),
        "the pictures of the batch are all like the first one": lambda: right[:1].expand_as(right),
        "the channels are all like the first one": lambda: right[:, :1].expand_as(right),
        "the channels are mixed: each is resized by itself": lambda: right.mean(1, keepdim=True).expand_as(right),
    }


# ---------------------------------------------------------------------------------------------------------------
# 01.6 spot


def spot(hr: Tensor, candidates: dict[str, Tensor]) -> str:
    return _most(candidates, lambda lr: lr - library.imresize(hr, size=_size(lr)))


def _most(candidates: Mapping[str, Tensor], difference: Callable[[Tensor], Tensor], *, sign: int = 1) -> str:
    """The name with the largest mean square (or the smallest, sign = -1)."""
    return max(candidates, key=lambda name: sign * float(difference(candidates[name]).square().mean()))


def _least(difference: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Mapping[str, Tensor]], str]:
    """A wrong way to choose: the candidate whose difference(lr, hr) has the smallest mean square."""
    return lambda hr, candidates: _most(candidates, lambda lr: difference(lr, hr), sign=-1)


def _size(lr: Tensor) -> tuple[int, int]:
    return lr.shape[-2], lr.shape[-1]


def _greatest(statistic: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Mapping[str, Tensor]], str]:
    """A wrong way to choose: the candidate with the greatest statistic(lr)."""
    return lambda hr, candidates: max(candidates, key=lambda name: float(statistic(candidates[name])))


_EXTREMES = "a single edge decides it, where antialiased pictures overshoot: take a mean over all pixels"
_ONE_WAY = "it looks for one way of leaving antialiasing out, but there are several, and they differ"
WRONG_SPOTS: dict[str, Callable[[Tensor, Mapping[str, Tensor]], str]] = {
    f"the largest range of values (max - min) was chosen: {_EXTREMES}": _greatest(lambda lr: lr.max() - lr.min()),
    f"the largest value (max) was chosen: {_EXTREMES}": _greatest(lambda lr: lr.max()),
    f"the smallest value (min) was chosen: {_EXTREMES}": _greatest(lambda lr: -lr.min()),
    f"the largest difference of two neighbours (max) was chosen: {_EXTREMES}": _greatest(
        lambda lr: lr.diff(dim=-1).abs().max()
    ),
    "the smoothest was chosen: without antialiasing there is more fine detail, not less": _least(
        lambda lr, hr: lr.diff(dim=-1)
    ),
    "the smoothest was chosen, with the least contrast: aliasing keeps contrast that a mean takes away": _least(
        lambda lr, hr: lr - lr.mean()
    ),
    "the one nearest to the mean of each s x s block was chosen: wanted is the farthest": _least(
        lambda lr, hr: lr - F.adaptive_avg_pool2d(hr, _size(lr))
    ),
    "the one nearest to an antialiased bicubic was chosen: wanted is the farthest": _least(
        lambda lr, hr: lr - library.imresize(hr, size=_size(lr))
    ),
    "the one most like hr after enlarging was chosen: aliasing takes it away from hr": _least(
        lambda lr, hr: F.interpolate(lr, size=_size(hr), mode="bicubic") - hr
    ),
    f"{_ONE_WAY} (it was compared with hr[..., ::s, ::s])": _least(
        lambda lr, hr: lr - F.interpolate(hr, size=_size(lr), mode="nearest")
    ),
    f"{_ONE_WAY} (it was compared with F.interpolate's bicubic)": _least(
        lambda lr, hr: lr - F.interpolate(hr, size=_size(lr), mode="bicubic")
    ),
    "the brightest was chosen: with antialiasing and without, the mean of all pixels is nearly the same": _greatest(
        lambda lr: lr.mean()
    ),
    "always the first name is given: the order means nothing": lambda hr, candidates: next(iter(candidates)),
    "always the last name is given: the order means nothing": lambda hr, candidates: list(candidates)[-1],
}
