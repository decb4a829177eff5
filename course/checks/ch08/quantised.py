"""08.4 quantised: what a right answer must satisfy."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, that_fit_elsewhere
from course.checks.ch08 import quantised_mistakes
from srlib.degradations import jpeg

Quantised = Callable[[Tensor, Tensor, int], Tensor]


def _quantised(coefficients: Tensor, table: Tensor, quality: int) -> Tensor:
    """srlib's `tables` scales the standard's own two tables only."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = ((table * percent + 50) // 100).clamp(1, 255)
    return torch.copysign((coefficients.abs() / steps + 0.5).floor(), coefficients) * steps


def _nearest(coefficients: Tensor, table: Tensor, quality: int) -> Tensor:
    """By trying the multiples around, and taking the outer one of two that are equally near."""
    steps = torch.tensor([[_step(int(entry), quality) for entry in row] for row in table])
    around = (coefficients.double() / steps).round()[..., None] + torch.tensor([-1, 0, 1])
    multiples = around * steps[..., None]
    far = (coefficients.double()[..., None] - multiples).abs()
    nearest = far == far.amin(-1, keepdim=True)
    outer = multiples.abs().masked_fill(~nearest, -1).argmax(-1, keepdim=True)
    return multiples.gather(-1, outer)[..., 0].to(coefficients)


def _step(entry: int, quality: int) -> int:
    percent = math.floor(5000 / quality) if quality < 50 else 2 * (100 - quality)
    return min(max(math.floor((entry * percent + 50) / 100), 1), 255)


def _table(case: Case) -> Tensor:
    """Mostly the standard's, with entries in the middle that meet the limits."""
    table = jpeg.tables(50)[0, 0].clone()
    table[3, 3:5] = torch.tensor([case.integer(1, 3), 1])
    table[4, 3] = 255
    table[2, 5:] = torch.tensor([25, 75, 225])  # with 47 percent and the like halves of a step
    return table


_OTHER_TABLE = 3 + torch.arange(64).view(8, 8) // 4


def _coefficients(case: Case, table: Tensor, quality: int, halves: bool = False) -> Tensor:
    steps = torch.tensor([[_step(int(entry), quality) for entry in row] for row in table])
    whole = torch.randint(-8, 9, (2, 8, 8), generator=case.rng)
    whole[:, 4, 4] = torch.tensor([case.integer(300, 900), -case.integer(300, 900)])
    rest = 0.8 * case.rand(2, 8, 8) - 0.4
    rest[:, 5, :2] = torch.tensor([[0.499], [-0.499]])
    rest[:, 5, 2] = torch.tensor([0.49999, -0.49999])
    return (whole + (0.5 if halves else rest)) * steps


def _compare_quantised(
    answer: Quantised, case: Case, coefficients: Tensor, table: Tensor, quality: int, what: str, public: bool = False
) -> None:
    compare(
        case.call(answer, coefficients, table, quality),
        _nearest(coefficients, table, quality),
        within=1e-3,
        what=what,
        public=public,
        mistakes=quantised_mistakes.quantised(coefficients, table, quality),
    )


def quantised_worked_example(answer: Quantised, case: Case) -> None:
    """At quality 25 a 16 in the table is a step of 32: 79, 80, 90 and -15 become 64, 96, 96 and 0."""
    coefficients = torch.zeros(4, 8, 8)
    coefficients[:, 2, 3] = torch.tensor([79.0, 80.0, 90.0, -15.0])
    table = torch.full((8, 8), 16)
    others = (torch.arange(128.0, dtype=torch.float64).view(2, 8, 8) - 64) * 2.71

    got = case.call(answer, coefficients, table, 25)
    if not isinstance(got, Tensor) or got.shape != coefficients.shape:
        compare(got, coefficients, within=1e-3, what="blocks (4, 8, 8), as many as came in")

    def seen(made: Tensor) -> Tensor:
        return made[:, 2, 3]

    compare(
        seen(got),
        seen(_nearest(coefficients, table, 25)),
        within=1e-3,
        what="a coefficient of each of four blocks",
        public=True,
        mistakes=that_fit_elsewhere(
            {
                cause: partial(lambda make: seen(make()), make)
                for cause, make in quantised_mistakes.quantised(coefficients, table, 25).items()
            },
            quantised_mistakes.quantised(others, _OTHER_TABLE, 30),
            lambda: case.call(answer, others, _OTHER_TABLE, 30),
        ),
    )


def quantised_qualities(answer: Quantised, case: Case) -> None:
    """The steps of any quality from 1 to 100, in libjpeg's whole numbers, at least 1 and at most 255."""
    for quality in (60, 30, 95, 49, 50, 7, 1, 98, 100, 47, 87, 61, case.integer(31, 47)):
        table = _table(case)
        _compare_quantised(answer, case, _coefficients(case, table, quality), table, quality, f"quality {quality}")


def quantised_halves(answer: Quantised, case: Case) -> None:
    """A coefficient in the middle between two multiples goes to the outer one, on both sides of 0."""
    for quality in (50, 75, 100):
        table = _table(case)
        coefficients = _coefficients(case, table, quality, halves=True)
        _compare_quantised(answer, case, coefficients, table, quality, f"halves of a step, quality {quality}")


def quantised_double(answer: Quantised, case: Case) -> None:
    """One block alone, and float64."""
    table = _table(case)
    coefficients = _coefficients(case, table, 40)[:1]
    _compare_quantised(answer, case, coefficients, table, 40, "one block, quality 40")
    coefficients = coefficients.double()
    _compare_quantised(answer, case, coefficients, table, 40, "one block, quality 40, in float64")
    coefficients[:, 5, 2] = (3.5 - 1e-9) * _step(int(table[5, 2]), 40)
    _compare_quantised(answer, case, coefficients, table, 40, "a coefficient just below a half of a step, in float64")


EXERCISE = Exercise(_quantised, (quantised_worked_example, quantised_qualities, quantised_halves, quantised_double))
