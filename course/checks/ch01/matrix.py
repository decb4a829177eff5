"""01.4 matrix: what a right answer must satisfy."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch01 import matrix_mistakes
from course.checks.ch01.shared import has_shape

Matrix = Callable[[int, int, float, bool], Tensor]


def _compare_matrices(matrix: Matrix, case: Case, sides: Sequence[tuple[float, ...]], antialias: bool) -> None:
    for side, scale, *more in sides:
        inputs = int(side)
        outputs = int(more[0]) if more else math.ceil(inputs * scale)
        got = case.call(matrix, inputs, outputs, scale, antialias)
        compare(
            got,
            matrix_mistakes.matrix(inputs, outputs, scale, antialias),
            within=1e-4,
            what=f"the matrix ({outputs}, {inputs}) of {inputs} pixels at scale {scale:.4g}, antialias {antialias}",
            mistakes=matrix_mistakes.wrong_matrices(got, inputs, outputs, scale, antialias),
        )


def matrix_worked_example(matrix: Matrix, case: Case) -> None:
    """Four pixels made two have the weights of the worked example, and the same from the other side."""
    got = case.call(matrix, 4, 2, 0.5, True)
    row = torch.tensor([0.546875, 0.3984375, 0.1015625, -0.046875])
    compare(
        got,
        torch.stack([row, row.flip(0)]),
        within=1e-5,
        what="the matrix (2, 4)",
        public=True,
        mistakes=matrix_mistakes.wrong_matrices(got, 4, 2, 0.5, True),
    )


def matrix_shrinking(matrix: Matrix, case: Case) -> None:
    """Shrinking with antialias: weights beyond both ends come back and add up."""
    _compare_matrices(matrix, case, [(12, 1 / 3), (case.integer(13, 30), 0.4)], True)


def matrix_constant(matrix: Matrix, case: Case) -> None:
    """A constant line stays constant: each row sums to 1, even where the kernel is wider than the picture."""
    for inputs, scale in ((7, 0.5), (3, 0.25), (1, 3.0), (2, 0.3)):
        outputs = math.ceil(inputs * scale)
        got = case.call(matrix, inputs, outputs, scale, True)
        compare(
            got @ torch.ones(inputs, dtype=got.dtype),
            torch.ones(outputs),
            within=1e-4,
            what=f"{outputs} time(s) 1, from {inputs} pixel(s) at scale {scale}",
            public=True,
        )


def matrix_small(matrix: Matrix, case: Case) -> None:
    """A picture smaller than the kernel is mirrored more than once."""
    _compare_matrices(matrix, case, [(1, 2.0), (2, 0.25), (3, 0.21), (case.integer(2, 5), 0.2)], True)


def matrix_narrow(matrix: Matrix, case: Case) -> None:
    """Without antialias the weights are those of the narrow kernel."""
    _compare_matrices(matrix, case, [(8, 0.5), (case.integer(9, 20), 0.3), (5, 2.0)], False)


def matrix_odd(matrix: Matrix, case: Case) -> None:
    """Where inputs * scale is not the number of outputs, the scale is used as it is given, and so is that number."""
    _compare_matrices(matrix, case, [(5, 0.5), (7, 1.5), (10, 1 / 3), (9, 0.5, 3)], True)


def matrix_of_torch(matrix: Matrix, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True gives the same line."""
    line = case.rand(60)
    theirs = F.interpolate(line.view(1, 1, 1, 60), size=(1, 20), mode="bicubic", antialias=True).flatten()
    got = case.call(matrix, 60, 20, 1 / 3, True)
    has_shape(got, (20, 60))
    compare((got @ line.to(got))[3:-3], theirs[3:-3], within=1e-4, what="the 14 middle values of 20")


EXERCISE = Exercise(
    reference=matrix_mistakes.matrix,
    checks=(
        matrix_worked_example,
        matrix_shrinking,
        matrix_constant,
        matrix_small,
        matrix_narrow,
        matrix_odd,
        matrix_of_torch,
    ),
)
