"""What the usual mistakes in 01.4 give: cause -> formula, computed only when an answer is wrong."""

from typing import Any

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch01.shared import reflected, right_contributions, right_mirror
from srlib import resize as library


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


def wrong_matrices(got: Any, inputs: int, outputs: int, scale: float, antialias: bool) -> Mistakes:
    """What the usual mistakes give for this side."""
    weights, position = right_contributions(outputs, scale, antialias)
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
            reflected(position, inputs)
        ),
        "`mirror` was asked with `outputs`: the picture that goes on beyond its edges has `inputs` pixels": lambda: (
            placed(right_mirror(position, outputs))
        ),
        "antialias is not handed on to `contributions`": lambda: matrix(inputs, outputs, scale, not antialias),
        "the scale was computed anew as outputs / inputs: use the one that is given": lambda: matrix(
            inputs, outputs, outputs / inputs, antialias
        ),
        "weights that meet in one pixel replace each other: they must add up (scatter_add, or += for each tap)": (
            lambda: _not_summed(got, weights, right_mirror(position, inputs), inputs)
        ),
    }
