"""09.6 tiled: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch09 import tiled_mistakes
from course.checks.ch09.shared import Step, mean_over, nearest_by

Tiled = Callable[[Tensor, Step, int, int, int], Tensor]


def _tiled(lr: Tensor, network: Step, scale: int, tile: int, overlap: int) -> Tensor:
    """Rows of tiles that are joined; srlib's tiles choose their own sizes, and their overlap by the network."""
    strips = []
    for band, top in zip(lr.split(tile, 2), range(0, lr.shape[2], tile), strict=True):
        above = min(top, overlap)
        pieces = []
        for box, left in zip(band.split(tile, 3), range(0, lr.shape[3], tile), strict=True):
            before = min(left, overlap)
            rows = slice(top - above, top + box.shape[2] + overlap)
            made = network(lr[:, :, rows, left - before : left + box.shape[3] + overlap])
            made = made.narrow(2, above * scale, box.shape[2] * scale)
            pieces.append(made.narrow(3, before * scale, box.shape[3] * scale))
        strips.append(torch.cat(pieces, 3))
    return torch.cat(strips, 2)


class _NoRoom(RuntimeError):
    """Raised by a network in the middle of a picture."""


class _Network:
    """A network that notes what it is given, and may have no room for one of the pieces."""

    def __init__(self, function: Step, limit: int, fails_at: int = -1) -> None:
        self.function, self.limit, self.fails_at, self.calls = function, limit, fails_at, 0
        self.given: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        require(
            min(x.shape) > 0,
            "the network was given an empty piece: a slice that begins below 0 counts from the picture's end, so "
            "max(top - overlap, 0)",
            expected="pieces with pixels in them",
            got=f"a piece of {x.shape[-2]} x {x.shape[-1]}",
        )
        require(
            max(x.shape[-2:]) <= self.limit,
            "the network was given more than a tile and its overlap: at most tile + 2 * overlap on a side, or memory "
            "is not saved",
            expected=f"pieces of at most {self.limit} pixels on a side",
            got=f"a piece of {x.shape[-2]} x {x.shape[-1]}",
        )
        self.calls += 1
        self.given.append(x.detach().clone())
        if self.calls - 1 == self.fails_at:
            raise _NoRoom("out of memory")
        return self.function(x)


def _by_what_is_seen(scale: int) -> Step:
    """A network that tells by every pixel what it was given: pixels at its border count more."""

    def network(x: Tensor) -> Tensor:
        down, across = (torch.linspace(1, 2, n, dtype=x.dtype) for n in x.shape[2:])
        return nearest_by(x + (x * across).mean((2, 3), keepdim=True) * down[:, None], scale)

    return network


def _local(case: Case, scale: int) -> Step:
    """Two convolutions, zeros around the picture: an output pixel depends on two LR pixels on each side, no more."""
    first, second = (case.rand(2, 2, 3, 3).double() - 0.4 for _ in range(2))

    def network(x: Tensor) -> Tensor:
        y = F.relu(F.conv2d(x, first, padding=1))
        return F.conv2d(nearest_by(y, scale), second, padding=1)

    return network


def _compare_tiled(
    answer: Tiled, case: Case, lr: Tensor, function: Step, scale: int, tile: int, overlap: int, what: str,
    expected: Tensor | None = None, within: float = 1e-5, public: bool = False,
) -> None:  # fmt: skip
    network = _Network(function, tile + 2 * overlap)
    got = case.call(answer, lr, network, scale, tile, overlap)
    expected = _tiled(lr, function, scale, tile, overlap) if expected is None else expected
    if isinstance(got, Tensor) and got.shape == expected.shape:
        empty = got.isnan()
        require(
            not bool(empty.any()),
            "there are places where no tile was put: " + _what_of_tiles(network.given, lr, tile, overlap),
            expected=f"{what}: a value everywhere",
            got=f"{int(empty.sum())} of {empty.numel()} values are NaN",
        )
    compare(
        got,
        expected,
        within=within,
        what=what,
        public=public,
        mistakes=tiled_mistakes.tiles(lr, function, scale, tile, overlap),
        pictures=lr.shape[1] == 3,
        otherwise=lambda: _what_of_tiles(network.given, lr, tile, overlap),
    )
    tiles = -(-lr.shape[2] // tile) * -(-lr.shape[3] // tile)
    require(
        network.calls == tiles,
        "the network is called more or less often than there are tiles: once for each",
        expected=f"{tiles} calls",
        got=f"{network.calls} calls",
    )


def _what_of_tiles(given: list[Tensor], lr: Tensor, tile: int, overlap: int) -> str:
    """Whether the network was given the right pieces."""
    right: list[Tensor] = []
    _tiled(lr, lambda x: right.append(x) or x, 1, tile, overlap)  # type: ignore[func-returns-value]
    if len(given) != len(right):
        return (
            f"the network is called {len(given)} times for {len(right)} tiles: one at each row of "
            "range(0, height, tile) and each column of range(0, width, tile)"
        )
    sizes, wanted = ([(x.shape[-2], x.shape[-1]) for x in pieces] for pieces in (given, right))
    if sorted(sizes) != sorted(wanted):
        k = next(k for k, pair in enumerate(zip(sizes, wanted, strict=True)) if pair[0] != pair[1])
        return (
            f"the network is given pieces of other sizes: number {k} is {sizes[k][0]} x {sizes[k][1]}, and the tile "
            f"with its overlap, as far as the picture goes, is {wanted[k][0]} x {wanted[k][1]}"
        )
    if not all(any(x.shape == y.shape and torch.equal(x, y) for y in right) for x in given):
        return "the network is given pieces of the right sizes that lie elsewhere, or whose pixels are other ones"
    return (
        "the network is given the right pieces: of what it makes another part is kept (the tile begins at row "
        "(top - y) * scale), or it is put elsewhere, or changed"
    )


def tiled_worked_example(answer: Tiled, case: Case) -> None:
    """(1, 2, 3, 4) and (3, 4, 5, 6) become twice (2.5, 3, 4, 4.5)."""
    lr = torch.tensor([[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]]).view(1, 1, 2, 4)
    _compare_tiled(answer, case, lr, mean_over, 1, 1, 1, "the two rows", public=True)


def tiled_pieces(answer: Tiled, case: Case) -> None:
    """Each tile is given its overlap where there is a picture, and only the tile itself is kept, at any scale."""
    for height, width, scale, tile, overlap in ((8, 6, 2, 4, 1), (7, 9, 3, 3, 2), (5, 5, 4, 8, 2), (6, 10, 2, 5, 0)):
        lr = 3 * case.rand(2, 3, height, width) - 1
        what = f"{height} x {width} enlarged x{scale} in tiles of {tile} with an overlap of {overlap}"
        _compare_tiled(answer, case, lr, _by_what_is_seen(scale), scale, tile, overlap, what)


def tiled_exact(answer: Tiled, case: Case) -> None:
    """Where the overlap is as far as an output pixel sees, the tiles are the whole picture's pixels, in float64."""
    for height, width, scale, tile, overlap in ((7, 8, 2, 3, 2), (9, 5, 3, 4, 3)):
        lr = case.rand(1, 2, height, width).double() - 0.5
        network = _local(case, scale)
        what = f"what the network makes of the whole {height} x {width}, in float64"
        _compare_tiled(answer, case, lr, network, scale, tile, overlap, what, expected=network(lr), within=1e-10)


def tiled_errors(answer: Tiled, case: Case) -> None:
    """An error of the network is not swallowed: no tile takes the place of another."""
    lr = case.rand(1, 3, 6, 6)
    for fails_at in (1, 3):
        network = _Network(lambda x: nearest_by(x, 2), 5, fails_at)
        try:
            got = case.call(answer, lr, network, 2, 3, 1)
        except Exception as error:
            if isinstance(error, _NoRoom) or isinstance(error.__cause__ or error.__context__, _NoRoom):
                continue
            raise
        raise Wrong(
            "the network had no room for a tile, and its error was swallowed: what stands there is another tile, or "
            "nothing. Let the error through",
            expected="the network's own error",
            got="a picture" if isinstance(got, Tensor) else f"a {type(got).__name__}",
        )


EXERCISE = Exercise(_tiled, (tiled_worked_example, tiled_pieces, tiled_exact, tiled_errors))
