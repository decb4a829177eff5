"""What the usual mistakes in 01.6 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor

from srlib import resize as library


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
