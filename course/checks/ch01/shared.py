"""What several exercises of lesson 01 take."""

import math
from typing import Any

import torch
from torch import Tensor

from course.checking import require
from srlib import resize as library

Pair = tuple[Tensor, Tensor]  # weights and positions


def near_piece(x: Tensor, a: float = -0.5) -> Tensor:
    return (a + 2) * x**3 - (a + 3) * x**2 + 1


def far_piece(x: Tensor, a: float = -0.5) -> Tensor:
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a


def in_pieces(s: Tensor, near: Tensor, far: Tensor) -> Tensor:
    return torch.where(s <= 1, near, torch.where(s <= 2, far, 0.0))


def keys_kernel(x: Tensor, a: float) -> Tensor:
    s = x.abs()
    return in_pieces(s, near_piece(s, a), far_piece(s, a))


def right_contributions(outputs: int, scale: float, antialias: bool) -> Pair:
    inputs = math.ceil(outputs / scale + 4 * max(1 / scale, 1)) + 8  # so many that nothing is mirrored at the far end
    weights, index = library.weights(inputs, outputs, scale, antialias=antialias)
    return weights, index[:, -1:] + torch.arange(1 - index.shape[1], 1)


def right_mirror(position: Tensor, inputs: int) -> Tensor:
    folded = position % (2 * inputs)
    return torch.where(folded < inputs, folded, 2 * inputs - 1 - folded)


def reflected(position: Tensor, inputs: int) -> Tensor:
    """The other mirror, whose edge pixel stands there once."""
    folded = position % max(2 * inputs - 2, 1)
    return torch.minimum(folded, 2 * inputs - 2 - folded)


def has_shape(got: Any, shape: tuple[int, ...]) -> None:
    right = type(got) is Tensor and tuple(got.shape) == shape
    require(right, f"a tensor of shape {shape} is wanted", expected=f"shape {shape}", got=got)
