"""08.6 degraded: what a right answer must satisfy."""

import itertools
import random
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch08 import degraded_mistakes
from course.checks.ch08.shared import how_far
from course.likeness import number_in

Degraded = Callable[[Tensor, Sequence[tuple[degraded_mistakes.Step, float, float]], torch.Generator], Tensor]


def _degraded(
    pictures: Tensor, steps: Sequence[tuple[degraded_mistakes.Step, float, float]], rng: torch.Generator
) -> Tensor:
    """srlib's `degrade` draws a whole plan for each picture first, from which it can be done again."""
    made = []
    for number in range(len(pictures)):
        picture = pictures[number : number + 1]
        for step, low, high in steps:
            picture = step(picture, float(torch.empty(()).uniform_(low, high, generator=rng)), rng)
        made.append(picture)
    return torch.cat(made)


class _Witness:
    """Steps that remember how they were called. Each gives strength + 2 * what came in, and may draw noise."""

    def __init__(self, ranges: Sequence[tuple[float, float]], noise: float = 0.0, halves: bool = False) -> None:
        self.calls: list[tuple[int, Tensor, float, bytes, bytes]] = []
        self.generators: list[object] = []
        self.noise, self.halves = noise, halves
        self.steps = [(partial(self._step, number), low, high) for number, (low, high) in enumerate(ranges)]

    def _step(self, number: int, picture: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        self.generators.append(rng)
        require(
            isinstance(picture, Tensor) and picture.ndim == 4 and len(picture) == 1,
            "a step takes one picture, (1, 3, H, W): not the whole batch, and not without its first dimension",
            expected="a picture (1, 3, H, W)",
            got=f"shape {tuple(getattr(picture, 'shape', ()))}",
        )
        require(
            number_in(strength) is not None or (isinstance(strength, Tensor) and strength.numel() == 1),
            "a strength is one number",
            expected="one number",
            got=strength,
        )
        before = _state(rng)
        made = 2 * picture + float(strength)
        if self.halves and number == 0:
            made = made[..., ::2, ::2]
        if self.noise:
            made = made + self.noise * torch.rand(made.shape, generator=rng)
        self.calls.append((number, picture.detach().clone(), float(strength), before, _state(rng)))
        return made


def _state(rng: object) -> bytes:
    return rng.get_state().numpy().tobytes() if isinstance(rng, torch.Generator) else b""


def _run(answer: Degraded, case: Case, pictures: Tensor, witness: _Witness, rng: torch.Generator) -> Tensor:
    seeded = torch.initial_seed()
    got = case.call(answer, pictures, witness.steps, rng)
    require(
        torch.initial_seed() == seeded,
        "torch.manual_seed sets the dice of everybody, and the caller's too: draw from rng",
        expected="torch's own generator as it was",
        got="another seed",
    )
    require(
        all(one is rng for one in witness.generators),
        "a step was given another generator: rng itself goes to each",
        expected="step(picture, strength, rng)",
        got="a generator made anew",
    )
    return got


def degraded_fixed(answer: Degraded, case: Case) -> None:
    """One step after the other; where low is high, that is the strength."""
    witness = _Witness([(0.1, 0.1), (0.3, 0.3)])
    got = _run(answer, case, torch.zeros(2, 3, 1, 1), witness, torch.Generator().manual_seed(1))
    if any(abs(strength - (0.1, 0.3)[number]) > 1e-6 for number, _, strength, *_ in witness.calls):
        degraded_ranges(answer, case)
    mistakes: dict[str, tuple[int, float]] = {
        "the steps come in the opposite order": (2, 0.7),
        "only the first step is done: each gets what the one before it gave": (2, 0.1),
        "each step gets the picture as it came: what the step before it gave": (2, 0.3),
        "the first picture came back alone: all of them, behind one another": (1, 0.5),
    }
    compare(
        got,
        torch.full((2, 3, 1, 1), 0.5),
        within=1e-6,
        what="0 through a step that doubles and adds 0.1, and one that doubles and adds 0.3",
        public=True,
        mistakes={
            **{cause: partial(torch.full, (n, 3, 1, 1), value) for cause, (n, value) in mistakes.items()},
            "there is one dimension too many: torch.cat, not torch.stack": lambda: torch.full((2, 1, 3, 1, 1), 0.5),
        },
    )


def degraded_ranges(answer: Degraded, case: Case) -> None:
    """Strengths are uniform in [low, high]."""
    ranges = [(2.0, 30.0), (-1.0, 0.5), (0.05, 0.06)]
    witness = _Witness(ranges)
    _run(answer, case, torch.zeros(200, 3, 1, 1), witness, torch.Generator().manual_seed(case.integer(0, 10**6)))
    shares = []
    for number, (low, high) in enumerate(ranges):
        drawn = [(strength - low) / (high - low) for k, _, strength, *_ in witness.calls if k == number]
        require(
            len(drawn) == 200,
            "each step is called once for each picture",
            expected="200 calls for 200 pictures",
            got=f"{len(drawn)} calls",
        )
        u = torch.tensor(drawn, dtype=torch.float64)
        what = f"strengths in [{low:g}, {high:g}]"
        require(
            number > 0 or not all(strength == round(strength) for k, _, strength, *_ in witness.calls if k == number),
            "strengths are whole numbers: any number between low and high, by torch.rand",
            expected=what,
            got="whole numbers alone",
        )
        require(
            len(set(drawn)) > 1,
            "one strength for the whole batch: draw anew for each picture",
            expected=what,
            got="200 times the same",
        )
        if float(u.min()) < -1e-6 or float(u.max()) > 1 + 1e-6:
            raise Wrong(
                degraded_mistakes.out_of_range(u, low, high),
                expected=what,
                got=f"{float(u.min()) * (high - low) + low:.3g} to {float(u.max()) * (high - low) + low:.3g}",
            )
        parts = torch.bincount((4 * u).long().clamp(0, 3), minlength=4) / len(u)
        require(  # the chance of a false alarm is below 1e-9: 1/4 of 200 has a deviation of 0.031
            float((parts - 0.25).abs().max()) < 0.2,
            degraded_mistakes.not_uniform(u),
            expected=f"{what}, about a quarter of them in each quarter",
            got=f"shares of the quarters {[round(float(p), 2) for p in parts]}",
        )
        require(
            len(set(drawn)) > 150,
            "strengths come in a few steps: any number between low and high, by torch.rand",
            expected=f"{what}, 200 different ones",
            got=f"{len(set(drawn))} different ones",
        )
        shares.append(u)
    alike = torch.corrcoef(torch.stack(shares)).fill_diagonal_(0).abs()
    require(  # the deviation of independent ones is 0.07
        float(alike.max()) < 0.5,
        "the strengths of one picture follow from one another: draw anew for each step",
        expected="strengths that have nothing to do with one another",
        got=f"a correlation of {float(alike.max()):.2f} between those of two steps",
    )
    u = torch.cat(shares)
    mean, spread = float(u.mean()), float((u - 0.5).square().mean())
    require(  # 1/2 and 1/12 of uniform ones, their deviations for 600 being 0.0118 and 0.0030
        abs(mean - 1 / 2) < 0.075 and abs(spread - 1 / 12) < 0.019,
        degraded_mistakes.not_uniform(u),
        expected="600 strengths, uniform in their ranges",
        got=f"on average {mean:.2f} of the way from low to high, deviation {spread**0.5:.2f}: not 0.50 and 0.29",
    )


def degraded_own_draws(answer: Degraded, case: Case) -> None:
    """Every picture and every step has a strength of its own, and the pictures come back in their order."""
    pictures = case.rand(4, 3, 2, 2).double()
    witness = _Witness([(0.0, 1.0), (0.0, 1.0)])
    got = _run(answer, case, pictures, witness, torch.Generator().manual_seed(case.integer(0, 10**6)))
    drawn = [strength for _, _, strength, *_ in witness.calls]
    told = f"{len(set(drawn))} different strengths in {len(drawn)} calls"
    by_step = [{s for k, _, s, *_ in witness.calls if k == number} for number in (0, 1)]
    require(
        max(map(len, by_step)) > 1,
        "one strength for the whole batch: draw anew for each picture",
        expected="8 different strengths",
        got=told,
    )
    require(
        len(set(drawn)) > 4,
        "one strength for all the steps of a picture: draw anew for each step",
        expected="8 different strengths",
        got=told,
    )
    wanted = []
    for picture in pictures:
        of_it = [c for c in witness.calls if c[0] == 0 and torch.equal(c[1][0], picture)]
        require(
            len(of_it) == 1,
            "the first step is called once for each picture, with the picture as it came",
            expected="4 calls, one with each picture",
            got=f"{len(of_it)} calls with one of them",
        )
        middle = 2 * picture + of_it[0][2]
        then = [c for c in witness.calls if c[0] == 1 and torch.equal(c[1][0], middle)]
        require(
            len(then) == 1,
            "the second step gets something else than what the first made",
            expected="the picture that the first step made",
            got="another one",
        )
        wanted.append(2 * middle + then[0][2])

    def mixed() -> Tensor:
        return min((torch.stack(one) for one in itertools.permutations(wanted)), key=partial(how_far, got))

    compare(
        got,
        torch.stack(wanted),
        within=1e-12,
        what="the four pictures, in their order, in float64 as they came",
        mistakes={
            "the pictures came back in the opposite order": lambda: torch.stack(wanted[::-1]),
            "the pictures came back in another order: as they came": mixed,
            "the result is clipped: leave it as the steps made it": lambda: torch.stack(wanted).clamp(0, 1),
        },
    )


def degraded_seed(answer: Degraded, case: Case) -> None:
    """The same seed gives the same pictures, another seed others."""
    pictures, seed = case.rand(8, 3, 2, 2), case.integer(0, 10**6)

    def of(number: int) -> Tensor:
        rng = torch.Generator().manual_seed(number)
        got = _run(answer, case, pictures, _Witness([(0.0, 1.0), (1.0, 3.0)], noise=0.01), rng)
        require(
            rng.initial_seed() == number,
            "rng was seeded anew: draw from it as it comes",
            expected="rng's own numbers",
            got="those of another seed",
        )
        return got

    dice = random.getstate()
    one, again, other = of(seed), of(seed), of(seed + 1)
    require(
        bool(torch.equal(one, again)),
        "the same seed gave other pictures: something is drawn past rng (torch.rand without generator=rng, random)",
        expected="the same pictures from the same seed",
        got="others",
    )
    require(
        random.getstate() == dice,
        "Python's own dice (random) were seeded, which are the caller's: draw from rng",
        expected="random as it was",
        got="random in another state",
    )
    noise_apart = float((one - other).abs().max()) < 0.05
    require(
        not noise_apart,
        "another seed gave the same strengths: they come from a generator of your own, not from rng",
        expected="other strengths from another seed",
        got="the same",
    )


def degraded_split(answer: Degraded, case: Case) -> None:
    """A batch in parts gives what the whole gives, with steps that draw noise and change the size."""
    pictures, seed = case.rand(5, 3, 4, 6), case.integer(0, 10**6)
    ranges = [(0.0, 1.0), (1.0, 3.0)]
    whole = _Witness(ranges, noise=0.5, halves=True)
    rng = torch.Generator().manual_seed(seed)
    start = _state(rng)
    expected = _run(answer, case, pictures, whole, rng)
    require(
        isinstance(expected, Tensor) and expected.shape == (5, 3, 2, 3),
        "pictures (B, 3, h, w) of the size that the steps make are wanted",
        expected="a tensor (5, 3, 2, 3)",
        got=expected,
    )
    for sizes in ([2, 3], [1, 1, 1, 1, 1], [4, 1]):
        rng = torch.Generator().manual_seed(seed)
        parts = [_run(answer, case, part, _Witness(ranges, 0.5, True), rng) for part in pictures.split(sizes)]
        require(
            torch.equal(torch.cat(parts), expected),
            degraded_mistakes.of_the_split(
                [(number, before, behind) for number, _, _, before, behind in whole.calls], start
            ),
            expected=f"batches of {' + '.join(map(str, sizes))}: the same as the batch of 5",
            got="other pictures",
        )


EXERCISE = Exercise(
    _degraded,
    (degraded_fixed, degraded_own_draws, degraded_ranges, degraded_seed, degraded_split),
)
