"""02.3 shave: what a right answer must satisfy."""

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch02 import shave_mistakes
from course.checks.ch02.shared import Shave, without_border


def shave_worked_example(shave: Shave, case: Case) -> None:
    """The 4 x 4 picture 0 .. 15 without a border of 1 is [[5, 6], [9, 10]]."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    compare(
        case.call(shave, x, 1),
        torch.tensor([[[[5.0, 6.0], [9.0, 10.0]]]]),
        within=0,
        what="the four numbers in the middle",
        public=True,
        mistakes=shave_mistakes.shaves(x, 1),
    )


def shave_nothing(shave: Shave, case: Case) -> None:
    """With border 0 the whole picture comes back."""
    x = case.rand(2, 3, 4, 6)
    got = case.call(shave, x, 0)
    require(
        not isinstance(got, Tensor) or got.numel() > 0,
        "with border 0 nothing is left, because -0 is 0 and x[0:-0] is empty: count the end from the front, as "
        "height - border",
        expected="the picture as it was, (2, 3, 4, 6)",
        got=got,
    )
    compare(got, x, within=0, what="the picture as it was, (2, 3, 4, 6)", mistakes=shave_mistakes.shaves(x, 0))


def shave_wide_and_high(shave: Shave, case: Case) -> None:
    """Wide pictures and high ones, batches and channels stay in order."""
    for shape in ((2, 3, 9, 15), (3, 1, 16, 11), (1, 4, case.integer(9, 12), case.integer(13, 20))):
        x, border = case.rand(*shape), case.integer(2, 4)
        compare(
            case.call(shave, x, border),
            without_border(x, border),
            within=0,
            what=f"the inside of {shape} without a border of {border}",
            mistakes=shave_mistakes.shaves(x, border),
        )


def shave_to_one_pixel(shave: Shave, case: Case) -> None:
    """A border that leaves one row or one pixel is allowed, in float64 as in float32."""
    for shape, border in (((1, 3, 7, 7), 3), ((2, 1, 5, 12), 2), ((1, 1, 3, 3), 1)):
        x = case.rand(*shape).double()
        compare(
            case.call(shave, x, border),
            without_border(x, border),
            within=0,
            what=f"what is left of {shape} without a border of {border}",
            mistakes=shave_mistakes.shaves(x, border),
        )


EXERCISE = Exercise(
    reference=without_border,
    checks=(shave_worked_example, shave_nothing, shave_wide_and_high, shave_to_one_pixel),
)
