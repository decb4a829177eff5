"""Tiles of a picture: which rectangle each one reads, which it keeps, and what their overlap costs.

All lengths are pixels of the small picture (LR). A tile that reads `halo` pixels more than it keeps on each side, as
far as an output pixel sees, gives exactly the pixels that the whole picture would. At the picture's own edge nothing
is added: there a tile has the border that the whole has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

FLOOR = 32  # a smaller tile is nearly all overlap
WORTH = 21  # times the halo: a larger tile spares less than a fifth of the work, (1 + 2 / 21)² = 1.2
LEAST = 512  # the same for a small halo: the pixels at which a tile keeps a device busy
CHEAP = 12  # a halo up to which tiles of LEAST cost less than a tenth, (1 + 24 / 512)² = 1.1: memory is spared by them
AT_ONCE = 1 << 20  # pixels that are then enlarged without tiles
DEAR = 3  # times the work of the whole: from here on the overlap is worth a remark


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture: rows from top to bottom, columns from left to right, the last ones not in it."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)

    def times(self, scale: int) -> "Box":
        """The same rectangle of the picture that is `scale` times as large."""
        return Box(self.top * scale, self.bottom * scale, self.left * scale, self.right * scale)

    def inside(self, outer: "Box") -> "Box":
        """The same rectangle, counted from another's top left corner."""
        top, left = outer.top, outer.left
        return Box(self.top - top, self.bottom - top, self.left - left, self.right - left)


def cut(box: Box, side: int, shrink: int = 1) -> list[Box]:
    """Rectangles of at most side x side that fill a box, row by row and about equally large.

    Their borders lie on multiples of `shrink` from the box's corner, but for its own: a network that shrinks its input
    by pixel-unshuffle sees the same groups of pixels in a tile as in the whole.
    """
    rows = _steps(box.top, box.bottom, side, shrink)
    columns = _steps(box.left, box.right, side, shrink)
    return [Box(top, bottom, left, right) for top, bottom in rows for left, right in columns]


def _steps(begin: int, end: int, side: int, shrink: int) -> list[tuple[int, int]]:
    largest = max(side // shrink, 1) * shrink
    count = -(-(end - begin) // largest)
    step = -(-(end - begin) // (count * shrink)) * shrink
    return [(at, min(at + step, end)) for at in range(begin, end, step)]


def grown(box: Box, halo: int, size: tuple[int, int], shrink: int = 1) -> Box:
    """The rectangle that a tile reads: halo pixels more on each side, out to multiples of shrink, inside the picture.

    size: (height, width) of the picture.
    """
    top, left = (max(at - halo, 0) // shrink * shrink for at in (box.top, box.left))
    ends = zip((box.bottom, box.right), size, strict=True)
    bottom, right = (min(-(-(at + halo) // shrink) * shrink, most) for at, most in ends)
    return Box(top, bottom, left, right)


def work(boxes: list[Box], halo: int, size: tuple[int, int], shrink: int = 1) -> float:
    """How many times the picture's pixels its tiles read, all together: 1 is no overlap."""
    read = (grown(box, halo, size, shrink) for box in boxes)
    return sum(box.height * box.width for box in read) / (size[0] * size[1])


def fitting(size: tuple[int, int], pixels: int, halo: int) -> int | None:
    """The side of the tiles to take where `pixels` may be read at once; None: the whole picture fits.

    The largest that fits, but no larger than pays: see WORTH. Where overlap costs next to nothing (CHEAP), large
    pictures are tiled even if they fit. Where next to nothing fits, tiles are half as wide as their overlap: smaller
    ones read as much, and make more work; a picture of which even these read all is not tiled.
    """
    short, long = sorted(size)
    if halo <= CHEAP:
        pixels = min(pixels, AT_ONCE)
    if short * long <= pixels:
        return None
    read = isqrt(pixels)
    if read > short:  # strips of the picture's whole short side
        read = pixels // short
    side = max(min(read - 2 * halo, max(LEAST, WORTH * halo)), FLOOR, halo // 2)
    return None if side + 2 * halo >= long else side  # where one in the middle would read the whole


def strips(height: int, halo: int, rows: int) -> Iterator[tuple[int, int, slice]]:
    """(first row, last row, which of them to keep) of each strip: `rows` at a time, the halo on each side of them."""
    rows = max(rows, 1)
    for begin in range(0, height, rows):
        end = min(begin + rows, height)
        top, bottom = max(begin - halo, 0), min(end + halo, height)
        yield top, bottom, slice(begin - top, end - top)
