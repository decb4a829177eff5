"""The usual ways of making HR small, and which of them made a given LR."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.resize import imresize

SURE = 48.0  # dB: the right candidate reaches 50 and more, rounding being all that is left
UNKNOWN = 40.0  # dB below which no candidate is believed, not even as nearest to what was done
EXACT = 100.0  # dB shown for pictures that agree in every value
TIE = 1.0  # dB within which two candidates count as the same
MATLAB = "MATLAB's bicubic (srlib.resize.imresize)"
PIL = "PIL's or torch's antialiased bicubic"
ALIASED = ("bicubic without antialiasing", "bilinear without antialiasing", "nearest", "nearest, top left")


class Fit(NamedTuple):
    """How well a candidate explains an LR picture, in dB, and how much better than the next that differs."""

    names: tuple[str, ...]
    psnr: float
    margin: float


def _matlab(hr: Tensor, scale: int) -> Tensor:
    return imresize(hr, scale=1 / scale)


def _matlab_float(hr: Tensor, scale: int) -> Tensor:
    return imresize(hr.float(), scale=1 / scale)


def _matlab_lanczos(hr: Tensor, scale: int) -> Tensor:
    return imresize(hr, scale=1 / scale, kernel="lanczos3")


def _aliased_matlab(hr: Tensor, scale: int) -> Tensor:
    return imresize(hr, scale=1 / scale, antialias=False)


def _torch(hr: Tensor, scale: int, *, mode: str, antialias: bool = False, floats: bool = True) -> Tensor:
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    return F.interpolate(hr.float() if floats else hr, size=size, mode=mode, antialias=antialias)


# Several functions under a name differ in their rounding, border or value of a alone. Torch's antialiased uint8 path
# computes as PIL does; its path without antialiasing has cv2's a = -0.75 and pixel centres.
_Candidate = Callable[[Tensor, int], Tensor]
CANDIDATES: dict[str, tuple[_Candidate, ...]] = {
    MATLAB: (_matlab, _matlab_float),
    PIL: (
        partial(_torch, mode="bicubic", antialias=True, floats=False),
        partial(_torch, mode="bicubic", antialias=True),
    ),
    "antialiased bilinear": (
        partial(_torch, mode="bilinear", antialias=True, floats=False),
        partial(_torch, mode="bilinear", antialias=True),
    ),
    "area (box)": (partial(_torch, mode="area"),),
    "antialiased Lanczos": (_matlab_lanczos,),
    ALIASED[0]: (partial(_torch, mode="bicubic"), _aliased_matlab),
    ALIASED[1]: (partial(_torch, mode="bilinear"),),
    ALIASED[2]: (partial(_torch, mode="nearest-exact"),),
    ALIASED[3]: (partial(_torch, mode="nearest"),),
}


def errors(lr: Tensor, hr: Tensor, scale: int, keep: tuple[slice, slice]) -> tuple[float, ...]:
    """The PSNR in dB, at most EXACT, of LR against HR made small by each of CANDIDATES.

    lr (1, C, h, w), hr (1, C, scale h, scale w), uint8; keep: the rows and columns of LR that are compared.
    """
    truth = lr[..., keep[0], keep[1]].float()
    return tuple(
        max(_psnr(make(hr, scale)[..., keep[0], keep[1]], truth) for make in makers) for makers in CANDIDATES.values()
    )


def _psnr(made: Tensor, truth: Tensor) -> float:
    rounded = (made.float() + 0.5).floor_().clamp_(0, 255)
    error = float((rounded - truth).square().mean())
    return min(EXACT, 20 * math.log10(255) - 10 * math.log10(error)) if error else EXACT


def best(psnrs: tuple[float, ...]) -> Fit:
    """The candidate that fits, with those that fit as well (at some scales two are the same), and its margin."""
    ranked = sorted(zip(psnrs, CANDIDATES, strict=True), key=lambda pair: -pair[0])
    top = ranked[0][0]
    names = tuple(name for psnr, name in ranked if psnr > top - TIE)
    others = [psnr for psnr, name in ranked if name not in names]
    return Fit(names, top, top - max(others) if others else 0.0)


def together(every: list[tuple[float, ...]]) -> list[tuple[Fit, list[int]]]:
    """Each LR's candidate, with as few different ones as explain them all: flat pictures fit several.

    every: the result of `errors` for each pair -> for each candidate found, its median fit and the pairs.
    """
    left, found = set(range(len(every))), []
    while left:
        fits = {k: best(every[k]) for k in left}
        known = {k: set(fit.names) if fit.psnr >= UNKNOWN else {""} for k, fit in fits.items()}
        names = sorted(set().union(*known.values()))
        name = max(names, key=lambda n: (sum(n in ns for ns in known.values()), -names.index(n)))
        mine = sorted(k for k in left if name in known[k])
        middle = torch.tensor([every[k] for k in mine], dtype=torch.float64).median(0).values
        found.append((best(tuple(middle.tolist())), mine))
        left -= set(mine)
    return found
