"""09.3 swap: what a right answer must satisfy."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, require

Pairs = tuple[Tensor, Tensor]
Swap = Callable[[Pairs, Tensor, Tensor, int, torch.Generator], tuple[Pairs, Pairs]]


def _swap(pool: Pairs, lr: Tensor, hr: Tensor, size: int, rng: torch.Generator) -> tuple[Pairs, Pairs]:
    """srlib's Pool keeps its pairs, and changes them in place."""
    room = size - len(pool[0])
    if room > 0:
        grown = torch.cat([pool[0], lr[:room]]), torch.cat([pool[1], hr[:room]])
        return grown, (lr, hr)
    order = torch.randperm(size, generator=rng).to(lr.device)
    leave, stay = order[: len(lr)], order[len(lr) :]
    kept = torch.cat([pool[0][stay], lr]), torch.cat([pool[1][stay], hr])
    return kept, (pool[0][leave], pool[1][leave])


class _Pairs:
    """Pairs that can be told from one another: number k is all 10 k + something small, the same in both pictures."""

    def __init__(self, case: Case, earlier: Sequence[Pairs] = ()) -> None:
        self.case, self.earlier = case, earlier
        self.known: list[Pairs] = []

    def none(self) -> Pairs:
        return torch.empty(0, 1, 1, 2), torch.empty(0, 1, 2, 4)

    def new(self, count: int) -> Pairs:
        """So many, with the next numbers."""
        numbers = 10.0 * torch.arange(len(self.known), len(self.known) + count).view(-1, 1, 1, 1)
        lr, hr = numbers + self.case.rand(count, 1, 1, 2), numbers + self.case.rand(count, 1, 2, 4)
        self.known += list(zip(lr, hr, strict=True))
        return lr, hr

    def numbers(self, pairs: Any, what: str) -> list[int]:
        """Of the pairs that came back. Raises Wrong if they are none, or not those that were brought."""
        if not (type(pairs) in (tuple, list) and len(pairs) == 2 and all(isinstance(x, Tensor) for x in pairs)):
            raise Wrong(
                f"{what} must be two tensors, the small pictures and the large ones",
                expected="(lr, hr)",
                got=f"a {type(pairs).__name__}",
            )
        of_lr, of_hr = (self._which(x, side) for side, x in enumerate(pairs))
        require(
            of_lr == of_hr,
            "the pairs are torn apart, a small picture with the large one of another: draw the places once, for both",
            expected=f"{what}, each small picture with its large one",
            got="small and large pictures in different orders, or of different number",
        )
        return of_lr

    def _which(self, pictures: Tensor, side: int) -> list[int]:
        found = []
        if pictures.ndim == 4 and pictures.shape[1:] == self.known[0][1 - side].shape:
            raise Wrong(
                "small and large pictures are exchanged: (pool_lr, pool_hr), (lr, hr) is wanted, each with the small "
                "ones first",
                expected=f"the {('small', 'large')[side]} pictures",
                got=f"the {('large', 'small')[side]} ones",
            )
        for picture in pictures:
            require(
                not any(torch.equal(picture, pair[side]) for pair in self.earlier),
                "a pair came back that was in another pool, in an earlier call: nothing is kept between calls but what "
                "`pool` brings",
                expected="pairs of this pool",
                got="one of another pool",
            )
            k = int(picture.flatten()[0] // 10) if picture.numel() else -1
            if not (0 <= k < len(self.known) and torch.equal(picture, self.known[k][side])):
                raise Wrong(
                    "a picture came back that was never brought in: pictures are moved, never changed",
                    expected="pictures as they were brought",
                    got="other values",
                )
            found.append(k)
        return found


def _swapped(
    answer: Swap, case: Case, pairs: _Pairs, pool: Pairs, batch: Pairs, size: int, rng: torch.Generator
) -> tuple[Pairs, list[int], list[int]]:
    """The pool afterwards, the numbers in it, and those of what came back, all as it must be. Raises Wrong."""
    before, new = pairs.numbers(pool, "the pool"), pairs.numbers(batch, "the new pairs")
    seed = rng.initial_seed()
    try:
        got = case.call(answer, pool, *batch, size, rng)
    except IndexError as error:
        if len(before) < size and "out of bounds" in str(error):
            raise Wrong(
                "a place was read where nothing waits yet: until `size` pairs wait, nothing is drawn, and as many new "
                "pairs are put in as there is room for",
                expected=f"no draw, where {len(before)} of {size} wait and {len(new)} come",
                got=f"IndexError: {error}",
            ) from None
        raise
    require(
        rng.initial_seed() == seed,
        "rng was seeded anew, so that the same places are drawn every time: draw from it as it comes",
        expected="an rng that goes on from call to call",
        got="one that begins again",
    )
    if not (type(got) in (tuple, list) and len(got) == 2):
        raise Wrong(
            "the pool and the pairs to train with are wanted: return (pool_lr, pool_hr), (lr, hr)",
            expected="two pairs of tensors",
            got=f"a {type(got).__name__}",
        )
    after, out = pairs.numbers(got[0], "the pool"), pairs.numbers(got[1], "the pairs to train with")
    what = f"{len(before)} of {size} wait and {len(new)} come"
    (_filled if len(before) < size else _exchanged)(before, new, after, out, size, what)
    return cast(Pairs, got[0]), after, out


def _filled(before: list[int], new: list[int], after: list[int], out: list[int], size: int, what: str) -> None:
    told = f"where {what}, the new ones to train with"
    require(
        sorted(out) == sorted(new),
        "while the pool fills up, the new pairs themselves, all of them, are what is trained with",
        expected=told,
        got=f"{len(out)} pairs, {len(set(out) & set(new))} of them new",
    )
    room = min(size - len(before), len(new))
    require(
        len(after) <= size,
        "the pool holds more than size: only as many are put in as there is room for",
        expected=f"{size} pairs in the pool",
        got=f"{len(after)}",
    )
    require(
        set(before) <= set(after),
        "pairs that waited are lost while the pool fills up: add the new ones to them",
        expected=f"a pool with all that waited, where {what}",
        got=f"a pool with {len(set(before) & set(after))} of them",
    )
    require(
        len(after) == len(set(after)) == len(before) + room and set(after) <= set(before) | set(new),
        "the new pairs are not put into the pool, as many as there is room for",
        expected=f"{len(before) + room} pairs in the pool, where {what}",
        got=f"{len(after)}, {len(set(after) & set(new))} of them new",
    )


def _exchanged(before: list[int], new: list[int], after: list[int], out: list[int], size: int, what: str) -> None:
    told = f"where {what}, as many that waited"
    require(
        not set(out) & set(new),
        "new pairs go straight out of a full pool again: those that waited are trained with (and copied before the new "
        "ones take their places: a slice is a view)",
        expected=told,
        got=f"{len(set(out) & set(new))} new pairs among {len(out)}",
    )
    require(
        len(out) == len(set(out)),
        "one pair is there twice: draw different places, by torch.randperm, and not with torch.randint",
        expected=told,
        got=f"{len(set(out))} different pairs among {len(out)}",
    )
    require(
        len(out) == len(new),
        "as many pairs leave the pool as come in",
        expected=told,
        got=f"{len(out)} pairs to train with",
    )
    require(
        len(after) == size,
        "a full pool stays full: the new pairs take the places of those that leave",
        expected=f"{size} pairs in the pool",
        got=f"{len(after)}",
    )
    require(
        not set(after) & set(out),
        "what is trained with still waits in the pool: the new pairs take just these places",
        expected="a pool without the pairs that left it",
        got=f"{len(set(after) & set(out))} of them in the pool",
    )
    require(
        set(after) == (set(before) | set(new)) - set(out),
        "a pair is lost, or is in the pool twice: every new pair gets a place of its own",
        expected="in the pool the rest and the new pairs, each once",
        got=f"{len(set(after))} different pairs of {size}",
    )


def _filled_up(case: Case, pairs: _Pairs, size: int) -> Pairs:
    return _swap(pairs.none(), *pairs.new(size), size, case.rng)[0]


def pool_filling(answer: Swap, case: Case) -> None:
    """An empty pool fills up, what does not fit is trained with once and not kept, and then pairs are exchanged."""
    earlier: list[Pairs] = []
    for size, counts in ((4, (3, 3, 3, 3)), (6, (2, 2, 2, 2)), (5, (5, 5)), (7, (1, 4, 4, 4)), (3, (1, 3, 2))):
        pairs = _Pairs(case, earlier)
        pool = pairs.none()
        for count in counts:
            pool, _, _ = _swapped(answer, case, pairs, pool, pairs.new(count), size, case.rng)
        earlier = [*earlier, *pairs.known]


def pool_exchange(answer: Swap, case: Case) -> None:
    """From a full pool as many leave as come, each pair leaves once, and none is lost."""
    for size, count in ((5, 2), (4, 4), (6, 1), (6, 5)):
        pairs = _Pairs(case)
        pool = _filled_up(case, pairs, size)
        left: list[int] = []
        for _ in range(4):
            pool, waiting, out = _swapped(answer, case, pairs, pool, pairs.new(count), size, case.rng)
            left += out
        require(
            len(set(left)) == len(left) and not set(left) & set(waiting),
            "a pair left the pool twice",
            expected="each pair once",
            got=f"{len(set(left))} different pairs among {len(left)}",
        )


def pool_places(answer: Swap, case: Case) -> None:
    """Every place has the same chance, by itself, and the draw follows from rng alone."""
    size, rounds = 6, 60
    pairs = _Pairs(case)
    pool, batch = _filled_up(case, pairs, size), pairs.new(2)
    drawn, before = [], torch.get_rng_state()
    for _ in range(rounds):
        out = case.call(answer, pool, *batch, size, case.rng)[1][0]
        drawn.append(tuple(sorted(int(k) for k in out[:, 0, 0, 0] // 10)))
    require(
        len(set(drawn)) > 1,
        "the same places are drawn every time: at random, by rng",
        expected="other places from call to call",
        got="always the same",
    )
    times = torch.bincount(torch.tensor(drawn).flatten(), minlength=size)
    require(
        int(times.min()) > 0,
        "some places are never drawn: every one of the pool's has the same chance",
        expected=f"every place among {rounds} draws",
        got=f"{int((times == 0).sum())} of {size} places never",
    )
    require(
        any(1 < b - a < size - 1 for a, b in drawn),
        "the places lie side by side: each is drawn by itself",
        expected="places that need not be neighbours",
        got="neighbours every time",
    )
    share = rounds * 2 / size
    require(
        0.25 * share < int(times.min()) and int(times.max()) < 1.8 * share,
        "some places are drawn far more often than others: every one has the same chance",
        expected="chances that are the same",
        got=f"from {100 * int(times.min()) / rounds:.0f} % to {100 * int(times.max()) / rounds:.0f} % of the draws",
    )
    for _ in range(5):
        twice = [case.call(answer, pool, *batch, size, torch.Generator().manual_seed(7))[1][0].sort(0)[0] for _ in "ab"]
        require(
            torch.equal(*twice),
            "the same rng, set to the same seed, draws other places: give it to torch.randperm, generator=rng",
            expected="the same draw from the same seed",
            got="another one",
        )
    require(
        torch.equal(torch.get_rng_state(), before),
        "torch's own random state is another one after the call: rng is drawn from, and nothing is seeded for everyone",
        expected="random numbers that are the same for others",
        got="a state that was set or drawn from",
    )


def pool_of_pictures(answer: Swap, case: Case) -> None:
    """Whole colour pictures of 8 bits go in and come out as they are."""
    lr, hr = (torch.randint(256, (5, 3, n, n), generator=case.rng).to(torch.uint8) for n in (2, 8))
    pool, out = case.call(answer, (lr[:3], hr[:3]), lr[3:], hr[3:], 3, case.rng)
    for kind, (waits, leaves, all_of_them) in {"small": (pool[0], out[0], lr), "large": (pool[1], out[1], hr)}.items():
        for part in (waits, leaves):
            require(
                part.dtype == torch.uint8,
                "8-bit pictures came back in another dtype: nothing is converted",
                expected=f"{kind} pictures of dtype torch.uint8",
                got=f"dtype {part.dtype}",
            )
        both = torch.cat([waits, leaves]).flatten(1).tolist()
        require(
            sorted(both) == sorted(all_of_them.flatten(1).tolist()),
            "pictures are changed or lost",
            expected=f"all {kind} pictures once, in the pool or in what came back",
            got="others",
        )


EXERCISE = Exercise(_swap, (pool_filling, pool_exchange, pool_places, pool_of_pictures))
