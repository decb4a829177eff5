"""What the usual mistakes in 01.1 give: cause -> formula, computed only when an answer is wrong."""

from typing import Any

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch01.shared import far_piece, in_pieces, keys_kernel, near_piece
from srlib import resize as library


def wrong_cubics(x: Tensor, got: Any) -> Mistakes:
    """What the usual mistakes give at these distances; with `got` one piece of it is kept."""
    s = x.abs()
    signed = "the distance is used with its sign: the kernel is symmetric, so begin with x.abs()"
    return {
        "a = -0.75, as in cv2 and in F.interpolate without antialias: MATLAB has a = -0.5": lambda: keys_kernel(
            x, -0.75
        ),
        "a = -1 gives a still crisper kernel: MATLAB has a = -0.5": lambda: keys_kernel(x, -1.0),
        "a = 0.5: the sign of a is lost, it is -0.5": lambda: keys_kernel(x, 0.5),
        f"{signed} (also where you compare it with 1 and 2)": lambda: in_pieces(x, near_piece(x), far_piece(x)),
        f"{signed} (in the formula too)": lambda: in_pieces(s, near_piece(x), far_piece(x)),
        "beyond 2 the second piece goes on: it must be 0 there": lambda: torch.where(
            s <= 1, near_piece(s), far_piece(s)
        ),
        "the second piece, for 1 < |x| <= 2, is missing": lambda: torch.where(s <= 1, near_piece(s), 0.0),
        "the first piece is used as far as 2: from 1 on it is the second one": lambda: torch.where(
            s <= 2, near_piece(s), 0.0
        ),
        "the first piece's terms have lost their signs: (a + 2)|x|^3 MINUS (a + 3)|x|^2 + 1": lambda: in_pieces(
            s, 1.5 * s**3 + 2.5 * s**2 + 1, far_piece(s)
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
