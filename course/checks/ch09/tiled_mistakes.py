"""What the usual mistakes in 09.6 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch09.shared import Step


def tiles(lr: Tensor, network: Step, scale: int, tile: int, overlap: int) -> Mistakes:
    height, width = lr.shape[2:]

    def cut(
        source: Tensor = lr,
        origin: int = 0,
        before: int = overlap,
        after: int = overlap,
        left_out: Callable[[int, int], int] = lambda first, read: first - read,
        whole_only: bool = False,
        side: int = tile,
    ) -> Tensor:
        """The picture in tiles; `source` is lr with `origin` more pixels on each side."""
        sr = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
        limits = [n // side * side for n in (height, width)] if whole_only else [height, width]
        for top in range(0, limits[0], side):
            for left in range(0, limits[1], side):
                bottom, right = min(top + side, height), min(left + side, width)
                y, x = max(top + origin - before, 0), max(left + origin - before, 0)
                made = network(source[:, :, y : bottom + origin + after, x : right + origin + after])
                down, across = left_out(top + origin, y) * scale, left_out(left + origin, x) * scale
                piece = made[:, :, down : down + (bottom - top) * scale, across : across + (right - left) * scale]
                sr[:, :, top * scale : bottom * scale, left * scale : right * scale] = piece
        return sr

    def spread(mode: str) -> Tensor:
        return F.pad(lr, [overlap] * 4, mode=mode)

    def averaged() -> Tensor:
        total, count = (lr.new_zeros(*lr.shape[:2], height * scale, width * scale) for _ in range(2))
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                y, x = max(top - overlap, 0), max(left - overlap, 0)
                made = network(lr[:, :, y : top + tile + overlap, x : left + tile + overlap])
                place = (..., slice(y * scale, y * scale + made.shape[2]), slice(x * scale, x * scale + made.shape[3]))
                total[place] += made
                count[place] += 1
        return total / count

    def along_one(axis: int) -> Tensor:
        """With overlap along one axis: the other is cut first, into strips that are pictures of their own."""
        strips = lr.split(tile, 5 - axis)
        return torch.cat([_plain_tiles(strip, network, scale, tile, overlap) for strip in strips], 5 - axis)

    def moved_back() -> Tensor:
        sr = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                a, b = max(min(top, height - tile), 0), max(min(left, width - tile), 0)
                y, x = max(a - overlap, 0), max(b - overlap, 0)
                made = network(lr[:, :, y : a + tile + overlap, x : b + tile + overlap])
                piece = made[:, :, (a - y) * scale :, (b - x) * scale :][:, :, : tile * scale, : tile * scale]
                sr[:, :, a * scale : (a + tile) * scale, b * scale : (b + tile) * scale] = piece
        return sr

    def filled_up(mode: str) -> Tensor:
        wide = F.pad(lr, [0, -width % tile, 0, -height % tile], mode=mode)
        return _plain_tiles(wide, network, scale, tile, overlap)[:, :, : height * scale, : width * scale]

    def pasted(added: bool) -> Tensor:
        sr = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                y, x = max(top - overlap, 0), max(left - overlap, 0)
                made = network(lr[:, :, y : top + tile + overlap, x : left + tile + overlap])
                place = (..., slice(y * scale, y * scale + made.shape[2]), slice(x * scale, x * scale + made.shape[3]))
                sr[place] = sr[place] + made if added else made
        return sr

    def cut_repeated() -> Tensor:
        first = network(lr[:, :, : tile + overlap, : tile + overlap])[:, :, : tile * scale, : tile * scale]
        times = -(-height // tile), -(-width // tile)
        return first.repeat(1, 1, *times)[:, :, : height * scale, : width * scale]

    return {
        "the tiles are cut without any overlap": lambda: cut(before=0, after=0),
        "the overlap is read above and below only: on every side": lambda: along_one(2),
        "the overlap is read on the left and right only: on every side": lambda: along_one(3),
        "the overlap is read on the left and above only: on every side": lambda: cut(after=0),
        "the overlap is read on the right and below only: on every side": lambda: cut(before=0),
        "where the picture ends, zeros were put around it: read less there": lambda: cut(spread("constant"), overlap),
        "where the picture ends, it was mirrored: read less there": lambda: cut(spread("reflect"), overlap),
        "where the picture ends, its border was repeated: read less there": lambda: cut(spread("replicate"), overlap),
        "the overlap is left out above and on the left of the first tiles too, which read none there, or the end of "
        "each piece is kept: what lies over the tile begins at (top - y) * scale": lambda: cut(
            left_out=lambda first, read: overlap
        ),
        "the overlap was kept, and the end of each piece cut away: keep what lies over the tile": lambda: cut(
            left_out=lambda first, read: 0
        ),
        "the part that is kept begins after `overlap` pixels of the result: overlap * scale of them": lambda: (
            _in_small_pixels(lr, network, scale, tile, overlap)
        ),
        "the last, smaller tiles are missing": lambda: cut(whole_only=True),
        "the last tiles were moved back to their full size: they stay where they begin, and are smaller": moved_back,
        "the picture was filled up to whole tiles: the last ones are smaller": lambda: filled_up("constant"),
        "the picture was filled up to whole tiles, by its mirror: the last ones are smaller": lambda: filled_up(
            "reflect"
        ),
        "the picture was filled up to whole tiles, by its border: the last ones are smaller": lambda: filled_up(
            "replicate"
        ),
        "where the picture ends, its other end was put: read less there": lambda: cut(spread("circular"), overlap),
        "the pieces are put in with their overlap, each over the one before: each tile is kept alone": lambda: pasted(
            False
        ),
        "the pieces are added up with their overlap: each tile is kept alone": lambda: pasted(True),
        "the result was rounded to 256 levels": lambda: (cut() * 255).round() / 255,
        "the pieces overlap in the result, and their means were taken: each tile is kept alone": averaged,
        "the overlap is twice as wide: `overlap` pixels on every side": lambda: cut(
            before=2 * overlap, after=2 * overlap
        ),
        "the overlap is half as wide: `overlap` pixels on every side": lambda: cut(
            before=overlap // 2, after=overlap // 2
        ),
        "the tiles are smaller by the overlap: tile x tile is kept of each": lambda: cut(side=tile - overlap),
        "the tiles are larger by the overlap: tile x tile is kept of each": lambda: cut(side=tile + overlap),
        "tiles of half the size": lambda: cut(side=tile // 2),
        "the result was clamped to [0, 1]": lambda: cut().clamp(0, 1),
        "the first tile stands at every place: each has its own": cut_repeated,
    }


def _plain_tiles(lr: Tensor, network: Step, scale: int, tile: int, overlap: int) -> Tensor:
    """As it should be, of a picture of its own."""
    height, width = lr.shape[2:]
    sr = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            y, x = max(top - overlap, 0), max(left - overlap, 0)
            made = network(lr[:, :, y : top + tile + overlap, x : left + tile + overlap])
            place = sr[:, :, top * scale : (top + tile) * scale, left * scale : (left + tile) * scale]
            piece = made[:, :, (top - y) * scale :, (left - x) * scale :]
            place.copy_(piece[:, :, : place.shape[2], : place.shape[3]])
    return sr


def _in_small_pixels(lr: Tensor, network: Step, scale: int, tile: int, overlap: int) -> Tensor:
    height, width = lr.shape[2:]
    sr = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y, x = max(top - overlap, 0), max(left - overlap, 0)
            made = network(lr[:, :, y : bottom + overlap, x : right + overlap])
            down, across = top - y, left - x
            piece = made[:, :, down : down + (bottom - top) * scale, across : across + (right - left) * scale]
            sr[:, :, top * scale : bottom * scale, left * scale : right * scale] = piece
    return sr
