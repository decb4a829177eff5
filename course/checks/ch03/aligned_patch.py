"""03.3 aligned_patch: what a right answer must satisfy."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require

AlignedPatch = Callable[[Tensor, Tensor, int, int, torch.Generator], tuple[Tensor, Tensor]]
_NO_CHANCE = {1: 37.0, 2: 42.0, 17: 80.0}  # degrees of freedom -> a chi-squared that chance exceeds once in 10^9


def _aligned_patch(lr: Tensor, hr: Tensor, scale: int, side: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    places = [range(length - side + 1) for length in lr.shape[-2:]]
    top, left = (int(torch.randint(len(r), (1,), generator=rng)) for r in places)
    small = lr[:, top : top + side, left : left + side]
    large = hr[:, top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    mirror = bool(torch.randint(2, (1,), generator=rng))
    return (small.flip(2), large.flip(2)) if mirror else (small, large)


def _places(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A picture whose pixels say where they are: channel 0 is the row, channel 1 the column, channel 2 is 7."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns, torch.full_like(rows, 7)]).to(dtype)


def _pictures(height: int, width: int, scale: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return _places(height, width, dtype), _places(height * scale, width * scale, dtype)


def _pair(answer: Any, scale: int, side: int) -> tuple[Tensor, Tensor]:
    """The two patches, of the right shapes."""
    require(
        type(answer) in (tuple, list) and len(answer) == 2 and all(isinstance(patch, Tensor) for patch in answer),
        "two patches are wanted: return the LR patch, the HR patch",
        expected="a tuple of two tensors",
        got=answer,
    )
    small, large = answer
    wanted, wanted_large = (3, side, side), (3, side * scale, side * scale)
    got, got_large = tuple(small.shape), tuple(large.shape)
    if (got, got_large) == (wanted, wanted_large):
        return small, large
    cause = "the patches have another size"
    if small.ndim == 3 and min(got[1:]) < side:
        cause = "a place was drawn where the patch does not fit: rows come from h - side + 1, columns from w - side + 1"
    elif got == got_large:
        cause = "the HR patch has the LR patch's size: its sides are side * scale"
    elif got == wanted:
        cause = "the HR patch has another size: it begins at row * scale, column * scale, and is side * scale large"
    raise Wrong(cause, expected=f"{wanted} and {wanted_large}", got=f"{got} and {got_large}")


def _located(patch: Tensor, picture: Tensor) -> tuple[int, int, bool, bool] | None:
    """Top row and left column of the part of the picture, whether it is upside down and mirrored; None: not a part."""
    high, wide = patch.shape[1:]
    first_row, last_row = int(patch[0, 0, 0]), int(patch[0, -1, 0])
    first_column, last_column = int(patch[1, 0, 0]), int(patch[1, 0, -1])
    top, left = min(first_row, last_row), min(first_column, last_column)
    cut = picture[:, top : top + high, left : left + wide]
    flips = [dim for dim, turned in ((1, first_row > last_row), (2, first_column > last_column)) if turned]
    if not torch.equal(cut.flip(flips) if flips else cut, patch):
        return None
    return top, left, 1 in flips, 2 in flips


Place = tuple[int, int]


def _two_places(answer: Any, lr: Tensor, hr: Tensor, scale: int, side: int) -> tuple[Place, Place]:
    """Row and column of the LR and of the HR patch. Raises Wrong if they are no parts, or not mirrored alike."""
    small, large = _pair(answer, scale, side)
    require(
        small.dtype == lr.dtype and large.dtype == hr.dtype,
        "the dtype was changed: cut the patches and leave their values alone",
        expected=f"{lr.dtype} and {hr.dtype}, as the pictures",
        got=f"{small.dtype} and {large.dtype}",
    )
    a, b = _located(small, lr), _located(large, hr)
    if a is None or b is None:
        raise Wrong(
            f"the {'LR' if a is None else 'HR'} patch is no part of its picture: only cut, and .flip(-1)",
            expected="neighbouring pixels in their order, or mirrored",
            got="other pixels, or turned ones",
        )
    require(
        not a[2] and not b[2],
        "the patches are mirrored top-bottom: left-right is the last dimension, .flip(-1)",
        expected="rows in their order",
        got="rows from the bottom to the top",
    )
    require(
        side == 1 or a[3] == b[3],
        "only one of the two patches is mirrored: draw once, and mirror both or none",
        expected="both mirrored, or none",
        got=f"the {'LR' if a[3] else 'HR'} patch alone mirrored",
    )
    return a[:2], b[:2]


def _check_draws(
    aligned_patch: AlignedPatch, case: Case, pictures: tuple[Tensor, Tensor], scale: int, side: int
) -> None:
    """Draws some pairs. Raises Wrong, with the cause that fits all of them, if they do not belong together."""
    lr, hr = pictures
    draws = (case.call(aligned_patch, lr, hr, scale, side, case.rng) for _ in range(20))
    places = [_two_places(answer, lr, hr, scale, side) for answer in draws]
    wrong = [(a, b) for a, b in places if b != (a[0] * scale, a[1] * scale)]
    if not wrong:
        return
    (row, column), got = max(wrong, key=lambda pair: min(pair[0]))  # at row or column 0 most mistakes do not show
    shifts = {(b[0] - a[0] * scale, b[1] - a[1] * scale) for a, b in wrong}
    cause = "the HR patch is not the part that the LR patch was made from: it begins at row * scale, column * scale"
    if all(b == a for a, b in wrong):
        cause = "the HR patch begins at the row and column of the LR patch: multiply both by scale"
    elif all(b in ((a[0], a[1] * scale), (a[0] * scale, a[1])) for a, b in wrong):
        cause = "only one of row and column is multiplied by scale in the HR patch: both must be"
    elif len(shifts) > 1 and all(0 <= shift < scale for pair in shifts for shift in pair):
        cause = "the place was drawn in HR pixels: draw it in LR pixels and multiply by scale"
    raise Wrong(
        cause,
        expected=f"for an LR patch from ({row}, {column}) an HR patch from ({row * scale}, {column * scale})",
        got=f"one from {got}",
    )


def _drawn(answer: Any, scale: int, side: int) -> tuple[int, int, bool]:
    """Row, column and mirroring of a pair, of which no more is looked at: fast."""
    small, _ = _pair(answer, scale, side)
    row, first, last = int(small[0, 0, 0]), int(small[1, 0, 0]), int(small[1, 0, -1])
    return row, min(first, last), first > last


def aligned_patch_worked_example(aligned_patch: AlignedPatch, case: Case) -> None:
    """From an 8 x 10 lr come 4 x 4 patches, each with its own 12 x 12 patch of hr."""
    _check_draws(aligned_patch, case, _pictures(8, 10, 3), 3, 4)


def aligned_patch_other_sizes(aligned_patch: AlignedPatch, case: Case) -> None:
    """The two patches belong together at any scale, size and dtype, one pixel too."""
    for scale, dtype in ((2, torch.uint8), (4, torch.float64), (1, torch.float32), (3, torch.uint8)):
        side = case.integer(1, 4)
        sizes = side + case.integer(0, 6), side + case.integer(8, 12)
        for height, width in (sizes, sizes[::-1]):
            _check_draws(aligned_patch, case, _pictures(height, width, scale, dtype), scale, side)


def aligned_patch_every_place(aligned_patch: AlignedPatch, case: Case) -> None:
    """Every place where the patch fits comes up, the last row and the last column of places too."""
    side, scale = 2, 2

    def drawn(rows: int, columns: int) -> set[Place]:
        lr, hr = _pictures(side + rows - 1, side + columns - 1, scale)
        # 12 places: one is missing after 230 draws with probability 12 (11 / 12)^230 = 2e-8
        return {_drawn(aligned_patch(lr, hr, scale, side, case.rng), scale, side)[:2] for _ in range(230)}

    wide, tall = drawn(2, 6), drawn(6, 2)
    if len(wide) == len(tall) == 12:
        return
    rows, columns = {row for row, _ in tall}, {column for _, column in wide}
    cause = "row and column hang together: draw two numbers, one for each"
    if len(rows) == len(columns) == 1:
        cause = "every call gives the same place: draw it anew from rng, and do not seed inside"
    elif len(rows) == 1 or len(columns) == 1:
        cause = f"the {'row' if len(rows) == 1 else 'column'} is always the same: draw two numbers, one for each"
    elif {0, 1, 2, 3, 4} in (rows, columns):
        cause = "the last row or column of places never comes: there are h - side + 1, and randint leaves its end out"
    elif {0, 1} in (rows, columns) and len(wide) == 4:
        cause = "rows and columns are drawn from one range: rows from h - side + 1, columns from w - side + 1"
    raise Wrong(
        cause,
        expected="with 6 rows (columns) of places, all of 0..5 in 230 draws",
        got=f"rows {sorted(rows)}, columns {sorted(columns)}",
    )


def aligned_patch_whole_picture(aligned_patch: AlignedPatch, case: Case) -> None:
    """A picture as small as the patch comes back whole, as it is or mirrored."""
    lr, hr = case.rand(3, 4, 4), case.rand(3, 8, 8)
    for _ in range(5):
        small, large = _pair(case.call(aligned_patch, lr, hr, 2, 4, case.rng), 2, 4)
        mirrored = not torch.equal(small, lr)
        for got, whole in ((small, lr), (large, hr)):
            compare(got, whole.flip(-1) if mirrored else whole, within=0, what="the whole picture", public=True)


def aligned_patch_chances(aligned_patch: AlignedPatch, case: Case) -> None:
    """All places are equally likely, and half of the patches are mirrored, wherever they lie."""
    lr, hr = _pictures(5, 5, 1)
    draws = 700
    drawn = [_drawn(aligned_patch(lr, hr, 1, 3, case.rng), 1, 3) for _ in range(draws)]
    mirrored = sum(mirror for _, _, mirror in drawn)
    require(mirrored > 0, "no patch is ever mirrored: with probability 1/2 both are", expected="350 of 700", got="none")
    require(
        mirrored < draws,
        "every patch is mirrored: only half of them should be",
        expected="350 of 700",
        got="all of 700",
    )
    _even(
        Counter(mirror for _, _, mirror in drawn),
        (False, True),
        "mirroring is not a fair coin: torch.rand(1, generator=rng) < 0.5 is one",
    )
    for k, name in ((0, "rows"), (1, "columns")):
        _even(
            Counter(place[k] for place in drawn),
            range(3),
            f"the {name} of places are not equally likely: take torch.randint, and neither round nor clamp",
        )
    _even(
        Counter(drawn),
        tuple(product(range(3), range(3), (False, True))),
        "row, column and mirroring hang together: draw each of the three apart",
    )


def _even(counts: Counter[Any], outcomes: Sequence[Any], cause: str) -> None:
    """Raises Wrong if the counts are further from equal than chance allows (Pearson's chi-squared)."""
    expected = counts.total() / len(outcomes)
    distance = sum((counts[outcome] - expected) ** 2 / expected for outcome in outcomes)
    if distance > _NO_CHANCE[len(outcomes) - 1]:
        few, many = min(counts[o] for o in outcomes), max(counts[o] for o in outcomes)
        raise Wrong(
            cause,
            expected=f"each of {len(outcomes)} outcomes about {expected:.0f} times in {counts.total()} draws",
            got=f"between {few} and {many} times",
        )


def aligned_patch_randomness(aligned_patch: AlignedPatch, case: Case) -> None:
    """From the same state of rng come the same patches, and no other source of randomness is touched."""
    lr, hr = case.rand(3, 9, 12), case.rand(3, 18, 24)
    elsewhere, seed = torch.get_rng_state(), case.rng.initial_seed()
    for _ in range(30):  # the mirroring alone differs by chance in half of the pairs
        state = case.rng.get_state()
        first = _pair(aligned_patch(lr, hr, 2, 3, case.rng), 2, 3)
        case.rng.set_state(state)
        second = _pair(aligned_patch(lr, hr, 2, 3, case.rng), 2, 3)
        require(
            torch.equal(first[0], second[0]) and torch.equal(first[1], second[1]),
            "not all randomness comes from rng: every torch.rand and torch.randint needs generator=rng",
            expected="the same patches from the same state of rng",
            got="other patches",
        )
    require(
        case.rng.initial_seed() == seed,
        "rng was seeded inside: only draw from it, with generator=rng",
        expected="rng as it came, some draws further on",
        got="an rng that begins anew",
    )
    require(
        torch.equal(elsewhere, torch.get_rng_state()),
        "the global generator was used or seeded: every draw is from rng, with generator=rng",
        expected="torch's global generator as it was",
        got="another state of it",
    )


EXERCISE = Exercise(
    reference=_aligned_patch,
    checks=(
        aligned_patch_worked_example,
        aligned_patch_every_place,
        aligned_patch_whole_picture,
        aligned_patch_other_sizes,
        aligned_patch_chances,
        aligned_patch_randomness,
    ),
)
