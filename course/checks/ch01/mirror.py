"""01.3 mirror: what a right answer must satisfy."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch01 import mirror_mistakes
from course.checks.ch01.shared import right_mirror

Mirror = Callable[[Tensor, int], Tensor]


def mirror_worked_example(mirror: Mirror, case: Case) -> None:
    """A line of 3 pixels goes on as in the worked example."""
    position = torch.tensor([-4, -2, -1, 0, 3, 4, 6, 7])
    compare(
        case.call(mirror, position, 3),
        torch.tensor([2, 1, 0, 0, 2, 1, 0, 1]),
        within=0,
        what="the pixels at -4, -2, -1, 0, 3, 4, 6, 7",
        public=True,
        mistakes=mirror_mistakes.wrong_mirrors(position, 3),
    )


def mirror_inside(mirror: Mirror, case: Case) -> None:
    """A position inside the picture is the pixel itself."""
    inputs = case.integer(5, 30)
    position = torch.randint(inputs, (4, 3), generator=case.rng)
    compare(
        case.call(mirror, position, inputs),
        position.clone(),
        within=0,
        what="the positions as they were",
        mistakes=mirror_mistakes.wrong_mirrors(position, inputs),
    )


def mirror_far(mirror: Mirror, case: Case) -> None:
    """Any distance works, with as many reflections as it takes."""
    for inputs in (2, case.integer(3, 9), 40):
        position = torch.arange(-60, 60 + inputs)
        line = np.pad(np.arange(inputs), 60, mode="symmetric")  # numpy's word for this border
        compare(
            case.call(mirror, position, inputs),
            torch.from_numpy(line),
            within=0,
            what=f"the pixels at positions -60 .. {59 + inputs} of a line of {inputs}",
            mistakes=mirror_mistakes.wrong_mirrors(position, inputs),
        )


def mirror_one_pixel(mirror: Mirror, case: Case) -> None:
    """A line of a single pixel has that pixel everywhere."""
    position = torch.randint(-9, 9, (2, 6), generator=case.rng)
    compare(
        case.call(mirror, position, 1),
        torch.zeros_like(position),
        within=0,
        what="pixel 0 everywhere",
        public=True,
        mistakes=mirror_mistakes.wrong_mirrors(position, 1),
    )


def mirror_dtype(mirror: Mirror, case: Case) -> None:
    """Shape and integer dtype stay, so that the result is an index."""
    for dtype, shape in ((torch.int32, (2, 3, 2)), (torch.int64, (1,)), (torch.int64, ())):
        position = torch.randint(-20, 20, shape, generator=case.rng).to(dtype)
        answer = case.call(mirror, position, 4)
        compare(
            answer,
            right_mirror(position, 4),
            within=0,
            what=f"pixels of a line of 4, shape {shape}",
            mistakes=mirror_mistakes.wrong_mirrors(position, 4),
        )
        require(
            answer.dtype == dtype,
            "the dtype has changed: keep to whole-number operations, or end with .to(position.dtype)",
            expected=str(dtype),
            got=str(answer.dtype),
        )


EXERCISE = Exercise(
    reference=right_mirror,
    checks=(mirror_worked_example, mirror_inside, mirror_far, mirror_one_pixel, mirror_dtype),
)
