"""05.6 self_ensemble: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch05 import self_ensemble_mistakes
from course.checks.ch05.shared import Enlarge
from srlib import inference

SelfEnsemble = Callable[[Enlarge, Tensor], Tensor]


def _self_ensemble(enlarge: Enlarge, lr: Tensor) -> Tensor:
    return inference.self_ensemble(inference.Model("", 1, 0, enlarge)).run(lr)


def _by_transposing(enlarge: Enlarge, lr: Tensor) -> Tensor:
    """The same from three mirrors instead of turns: left-right, top-bottom, and along the diagonal."""
    total = torch.zeros(())
    for dims in ([], [-1], [-2], [-2, -1]):
        mirrored = lr.flip(dims)
        total = total + enlarge(mirrored).flip(dims) + enlarge(mirrored.mT).mT.flip(dims)
    return total / 8


def _lopsided(lr: Tensor, scale: int = 2) -> Tensor:
    """Stands for a network: enlarges, and treats its four corners and sides differently."""
    large = lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    rows = torch.arange(large.shape[2]).view(-1, 1)
    columns = torch.arange(large.shape[3])
    return large.square() + 0.3 * large.roll(1, 3) * rows + 0.07 * columns - 0.5 * large.roll(1, 2)


def _compare_ensemble(
    answer: SelfEnsemble, case: Case, enlarge: Enlarge, lr: Tensor, what: str, within: float = 1e-4
) -> None:
    compare(
        case.call(answer, enlarge, lr),
        _by_transposing(enlarge, lr),
        within=within,
        what=what,
        mistakes=self_ensemble_mistakes.ensemble(enlarge, lr),
        pictures=True,
    )


def ensemble_worked_example(answer: SelfEnsemble, case: Case) -> None:
    """(0, 1) and an `enlarge` that adds 1 to the first column make (0.75, 1.75)."""

    def brighter(x: Tensor) -> Tensor:
        return torch.cat([x[..., :1] + 1, x[..., 1:]], -1)

    lr = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    compare(
        case.call(answer, brighter, lr),
        torch.tensor([0.75, 1.75]).view(1, 1, 1, 2),
        within=1e-5,
        what="the mean of the eight",
        public=True,
        mistakes=self_ensemble_mistakes.ensemble(brighter, lr),
    )


def ensemble_sees_eight_pictures(answer: SelfEnsemble, case: Case) -> None:
    """`enlarge` is called eight times, each time with another flip or rotation of lr."""
    lr = case.rand(1, 2, 3, 3)
    views = [x.rot90(k, (2, 3)) for x in (lr, lr.flip(-1)) for k in range(4)]
    seen: list[int] = []

    def enlarge(x: Tensor) -> Tensor:
        match = [k for k, view in enumerate(views) if view.shape == x.shape and torch.equal(view, x)]
        require(
            len(match) == 1,
            "enlarge was given something else than a flip or rotation of lr: turn dimensions 2 and 3, change no value",
            expected="one of the eight flips and rotations of lr",
            got=x,
        )
        seen.append(match[0])
        return x

    case.call(answer, enlarge, lr)
    different = frozenset(seen)
    if len(seen) == len(different) == 8:
        return
    cause = _SUBSETS.get(different, "not all were enlarged: lr and its mirror image, each turned by 0 to 3 quarters")
    got = f"{len(seen)} calls, {len(different)} of them different"
    raise Wrong(cause, expected="eight calls with different pictures", got=got)


_SUBSETS = {
    frozenset(): "`enlarge` was not called",
    frozenset(
        {0}
    ): "lr was enlarged as it is, and never turned: it and its mirror image, each turned by 0 to 3 quarters",
    frozenset({0, 4}): "picture and mirror image alone were enlarged: the rotations are missing",
    frozenset({0, 1, 2, 3}): "the four rotations alone were enlarged: the mirror image's four are missing",
    frozenset({0, 2, 4, 6}): "upright and upside down, mirrored or not: the quarter turns are missing",
    frozenset(range(8)): "some picture was enlarged twice: each of the eight once",
}


def ensemble_turns_back(answer: SelfEnsemble, case: Case) -> None:
    """A network that treats all directions alike gives the same with and without the ensemble."""
    for shape in ((1, 1, 3, 3), (2, 3, 2, 5)):
        lr = case.rand(*shape)

        def nearest(x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=3, mode="nearest")

        _compare_ensemble(answer, case, nearest, lr, "what nearest enlargement gives alone")


def ensemble_mean(answer: SelfEnsemble, case: Case) -> None:
    """The mean of the eight, for a network that treats every side differently, squares and long pictures."""
    for shape in ((1, 1, 4, 4), (2, 3, 3, 5), (1, 2, 6, 1)):
        _compare_ensemble(
            answer, case, _lopsided, case.rand(*shape), f"the mean for lr {shape}, neither clipped nor rounded"
        )


def ensemble_any_values(answer: SelfEnsemble, case: Case) -> None:
    """Negative and large values, float64, scales from 1 to 4."""
    for scale, size in ((1, 1.0), (3, 3.0), (4, 100.0)):

        def lopsided(x: Tensor, scale: int = scale) -> Tensor:
            return _lopsided(x, scale)

        lr = size * (4 * case.rand(2, 1, case.integer(2, 3), case.integer(4, 5)).double() - 2)
        what = f"the mean for values of -{2 * size:g} to {2 * size:g}, scale {scale}, in float64"
        _compare_ensemble(answer, case, lopsided, lr, what, within=1e-10 * size**2)


EXERCISE = Exercise(
    reference=_self_ensemble,
    checks=(
        ensemble_sees_eight_pictures,
        ensemble_mean,
        ensemble_turns_back,
        ensemble_worked_example,
        ensemble_any_values,
    ),
)
