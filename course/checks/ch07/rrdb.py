"""07.2 rrdb: what a right answer must satisfy."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare, that_fit_elsewhere
from course.checks.ch07 import rrdb_mistakes
from course.checks.ch07.shared import Step, flows
from srlib.models.rrdbnet import RESIDUAL_SCALE

Rrdb = Callable[[Tensor, Sequence[Step]], Tensor]


_ELSEWHERE = torch.tensor([0.7, -1.3, 2.1, -0.4]).view(1, 2, 1, 2)
_OTHERS: list[Step] = [lambda y: y.roll(1, 1) + 0.3, lambda y: 1.7 * y.abs(), lambda y: y.roll(1, 3) * (0.9 - y)]


def _rrdb(x: Tensor, blocks: Sequence[Step]) -> Tensor:
    one, two, three = blocks
    return torch.add(x, three(two(one(x))), alpha=RESIDUAL_SCALE)


def _bent(case: Case) -> list[Step]:
    """Three functions that cannot be exchanged, and give values of both signs."""
    a, b, c = (float(case.rand(1)) for _ in range(3))
    return [lambda y: y.roll(1, 1) + a, lambda y: (1 + b) * y.abs(), lambda y: y.roll(1, 3) * (c - y)]


def _compare_rrdb(
    answer: Rrdb, case: Case, x: Tensor, blocks: list[Step], what: str, within: float = 1e-5, public: bool = False
) -> None:
    compare(
        case.call(answer, x, list(blocks)),
        _rrdb(x, blocks),
        within=within,
        what=what,
        public=public,
        mistakes=that_fit_elsewhere(
            rrdb_mistakes.residual(x, blocks),
            rrdb_mistakes.residual(_ELSEWHERE, _OTHERS),
            lambda: case.call(answer, _ELSEWHERE, list(_OTHERS)),
        ),
    )


def rrdb_worked_example(answer: Rrdb, case: Case) -> None:
    """5 becomes 6, 12 and 9 in the blocks, and 6.8 in the end."""
    blocks: list[Step] = [lambda y: y + 1, lambda y: 2 * y, lambda y: y - 3]
    _compare_rrdb(answer, case, torch.full((1, 1, 1, 1), 5.0), blocks, "the pixel", public=True)


def rrdb_idle_blocks(answer: Rrdb, case: Case) -> None:
    """Blocks that give back what they get make 1.2 times x; blocks that give 0 make x."""
    x = case.rand(2, 3, 2, 2) + 0.5
    _compare_rrdb(answer, case, x, [lambda y: y] * 3, "1.2 times x")
    _compare_rrdb(answer, case, x, [torch.zeros_like] * 3, "x itself")


def rrdb_random(answer: Rrdb, case: Case) -> None:
    """The blocks follow one another, in their order, for any values, in float32 and float64."""
    for size in (1.0, 10.0):
        _compare_rrdb(answer, case, size * (case.rand(2, 3, 3, 4) - 0.5), _bent(case), "three blocks", 1e-4 * size**2)
    x = 30 * case.rand(1, 2, 4, 3).double() - 15
    _compare_rrdb(answer, case, x, _bent(case), "three blocks, in float64", 1e-10)


def rrdb_gradients(answer: Rrdb, case: Case) -> None:
    """Gradients reach x past the blocks and through them."""
    x = (case.rand(1, 2, 3, 3) + 0.5).requires_grad_()
    blocks = _bent(case)
    expected = flows(_rrdb(x, blocks), [x])
    got = flows(case.call(answer, x, blocks), [x])
    idle = 2 * _rrdb(x, blocks).detach()
    mistakes = {"no gradient goes through the blocks: leave out detach and torch.no_grad": lambda: idle}
    compare(got[0], expected[0], within=1e-3, what="the gradient of x", mistakes=mistakes)


EXERCISE = Exercise(_rrdb, (rrdb_worked_example, rrdb_idle_blocks, rrdb_random, rrdb_gradients))
