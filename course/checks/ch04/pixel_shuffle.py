"""04.3 pixel_shuffle: what a right answer must satisfy."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch04 import pixel_shuffle_mistakes
from course.checks.ch04.shared import PixelShuffle, numbered


def _pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    return F.pixel_shuffle(x, factor)


def _compare_shuffle(pixel_shuffle: PixelShuffle, case: Case, x: Tensor, factor: int, expected: Tensor) -> None:
    compare(
        case.call(pixel_shuffle, x, factor),
        expected,
        within=0,
        what=f"features {tuple(x.shape)}, factor {factor}",
        public=x.numel() == 4,
        mistakes=pixel_shuffle_mistakes.shuffles(x, factor),
    )


def pixel_shuffle_worked_example(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Four channels of one pixel become two rows of two pixels, filled row by row."""
    x = 10 + numbered(1, 4, 1, 1)
    _compare_shuffle(pixel_shuffle, case, x, 2, torch.tensor([[[[10.0, 11], [12, 13]]]]))


def pixel_shuffle_channels(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Several channels and pictures keep apart: the channels of one cell are neighbours."""
    x = numbered(2, 12, 1, 1)
    expected = x.view(2, 3, 2, 2)  # a single pixel: each four channels are one cell, already in order
    _compare_shuffle(pixel_shuffle, case, x, 2, expected)


def pixel_shuffle_places(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Every value goes where the formula says, for sides that differ."""
    x, r = numbered(2, 8, 2, 3), 2
    expected = torch.empty(2, 2, 4, 6)
    for dy in range(r):
        for dx in range(r):
            expected[:, :, dy::r, dx::r] = x[:, dy * r + dx :: r * r]
    _compare_shuffle(pixel_shuffle, case, x, r, expected)


def pixel_shuffle_other_factors(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Factors 1, 3 and 4, any size, any dtype."""
    for factor, dtype in ((3, torch.float64), (1, torch.float32), (4, torch.int64)):
        shape = case.integer(1, 2), case.integer(2, 3) * factor**2, case.integer(2, 3), case.integer(4, 5)
        x = numbered(*shape).to(dtype)
        _compare_shuffle(pixel_shuffle, case, x, factor, F.pixel_shuffle(x, factor))
    for side in (3, 4):
        x = 1e9 + numbered(2, 8, side, side).double()
        _compare_shuffle(pixel_shuffle, case, x, 2, F.pixel_shuffle(x, 2))


def pixel_shuffle_by_hand(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """It is written by hand."""
    with _WithoutShuffle():
        case.call(pixel_shuffle, numbered(1, 4, 2, 2), 2)


class _WithoutShuffle(TorchFunctionMode):
    """Inside, torch's own pixel shuffle is refused."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.pixel_shuffle:
            cause = "torch's own pixel shuffle does the work: write it with reshape and permute, or with loops"
            raise Wrong(cause, expected="a pixel shuffle by hand", got="a call of F.pixel_shuffle")
        return func(*args, **(kwargs or {}))


def pixel_shuffle_gradient(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Gradients go back to where the values came from."""
    x = case.rand(1, 8, 2, 3).requires_grad_(True)
    answer = case.call(pixel_shuffle, x, 2)
    require(
        isinstance(answer, Tensor) and answer.requires_grad,
        "no gradient can flow: rearrange x itself, do not copy its values out with .data, .detach() or .tolist()",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    direction = case.rand(1, 2, 4, 6)
    (answer * direction).sum().backward()
    compare(cast(Tensor, x.grad), F.pixel_unshuffle(direction, 2), within=1e-6, what="the gradient of x")


EXERCISE = Exercise(
    reference=_pixel_shuffle,
    checks=(
        pixel_shuffle_worked_example,
        pixel_shuffle_channels,
        pixel_shuffle_places,
        pixel_shuffle_other_factors,
        pixel_shuffle_by_hand,
        pixel_shuffle_gradient,
    ),
)
