"""A large picture tile by tile: into memory or a file, with what memory there is, and what it costs told."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from srlib import memory, tiles
from srlib.tiles import Box

if TYPE_CHECKING:
    from srlib.inference import Model

SHARE = 0.5  # of the free memory: the rest is for what others do, and for the convolutions' own scratch
LITTLE = 1 / 8  # the least share: where HIDDEN would leave nothing, the smallest tiles would not need less
HIDDEN = 3 << 28  # bytes that a network takes besides what grows with its tile: its weights, its strips
Read = Callable[[Box], Tensor]
Watch = Callable[[float], object]


class Sheet(Protocol):
    """What the tiles are laid on: HR rectangles, floats in [0, 1] (or as the model gives them)."""

    def put(self, box: Box, part: Tensor) -> None: ...

    def get(self, box: Box) -> Tensor: ...


class InMemory:
    """A sheet that is a tensor; of a single tile it is that tile."""

    def __init__(self, height: int, width: int) -> None:
        self.size = height, width
        self.picture = torch.empty(0)

    def put(self, box: Box, part: Tensor) -> None:
        if (box.height, box.width) == self.size:
            self.picture = part
            return
        if not self.picture.numel():
            self.picture = part.new_empty(*part.shape[:2], *self.size)
        self.picture[..., box.rows, box.columns] = part

    def get(self, box: Box) -> Tensor:
        return self.picture[..., box.rows, box.columns]


def side(model: "Model", size: tuple[int, int]) -> int | None:
    """The side of the model's tiles for a picture of (height, width), in LR pixels; None: it is enlarged whole.

    The one that the model names, else what the free memory of its device allows.
    """
    if model.tile is not None:
        return model.tile
    if not model.memory:
        return None
    free = memory.available(model.device)
    room = max(free * SHARE - HIDDEN, free * LITTLE)
    return tiles.fitting(size, max(int(room / model.memory), 1), model.overlapping)


def fill(model: "Model", size: tuple[int, int], read: Read, sheet: Sheet, *, watch: Watch | None = None) -> None:
    """Enlarges a picture tile by tile: read(rectangle) gives LR pixels, the sheet takes the HR ones.

    Tiles that overlap by all that the model sees give the pixels that the whole would; where they cannot, the largest
    difference between neighbours is measured at their seam and told. Where memory runs out, the tiles are halved and
    that is told. watch(share of the picture that is finished) is called after each. Raises MemoryError if the
    smallest do not fit.
    """
    largest, seam, told, finished = side(model, size), -1.0, False, 0
    todo = [Box(0, size[0], 0, size[1])]
    while todo:
        box = todo.pop()
        if largest and len(parts := tiles.cut(box, largest, model.shrink)) > 1:
            if not told:
                told = _told(model, parts, largest, size)
            todo += reversed(parts)
            continue
        around = tiles.grown(box, model.overlapping, size, model.shrink)
        made = _tried(model, read, around)
        if made is None:
            largest = _halved(model, box, largest is not None)
            todo.append(box)
            continue
        here = around.times(model.scale)
        if box != around and not model.seamless:
            edges = _edges(box, around, model.scale)
            seam = max([seam, *(_difference(edge, here, made, sheet) for edge in edges)])
        inside = box.times(model.scale).inside(here)
        sheet.put(box.times(model.scale), made[..., inside.rows, inside.columns])
        finished += box.height * box.width
        if watch:
            watch(finished / (size[0] * size[1]))
    if seam >= 0:
        _remark(_seam_told(model, seam))


def _tried(model: "Model", read: Read, around: Box) -> Tensor | None:
    """The enlarged rectangle, or None if the memory is full."""
    try:
        return model.run(read(around))
    except (RuntimeError, MemoryError) as error:
        if not memory.out_of_memory(error):
            raise
    if model.device.type in ("cuda", "mps"):
        getattr(torch, model.device.type).empty_cache()
    return None


def _halved(model: "Model", box: Box, tiled: bool) -> int:
    """The next smaller side of the tiles, told in a line. Raises MemoryError if there is none."""
    longest = max(box.height, box.width)
    if longest <= tiles.FLOOR:
        raise MemoryError(
            f"{model.device} has no room to enlarge {box.height} x {box.width} pixels by {model.name}"
            f"{f', with {model.overlapping} more on each side' if tiled else ''}: free some memory, or take a smaller "
            "overlap (--overlap), another device or model"
        )
    half = max(longest // 2, tiles.FLOOR)
    _remark(f"{model.device} has no room for {box.height} x {box.width} pixels at once: on with tiles of {half}")
    return half


def _told(model: "Model", parts: list[Box], largest: int, size: tuple[int, int]) -> bool:
    times = tiles.work(parts, model.overlapping, size, model.shrink)
    if times > tiles.DEAR:
        _remark(
            f"tiles of {largest} that overlap by {model.overlapping} pixels, all that {model.name} sees, make "
            f"{times:.1f} times the work of the whole: a larger --tile or a smaller --overlap, with seams, is faster"
        )
    return True


def _edges(box: Box, around: Box, scale: int) -> list[Box]:
    """The HR lines, an LR pixel thick, above and left of a tile: its neighbours made them too."""
    above = [Box(box.top - 1, box.top, box.left, box.right)] if around.top < box.top else []
    left = [Box(box.top, box.bottom, box.left - 1, box.left)] if around.left < box.left else []
    return [edge.times(scale) for edge in (*above, *left)]


def _difference(edge: Box, here: Box, made: Tensor, sheet: Sheet) -> float:
    place = edge.inside(here)
    mine, theirs = made[..., place.rows, place.columns], sheet.get(edge)
    return float((mine.float() - theirs.float().to(mine.device)).abs().max())


def _seam_told(model: "Model", seam: float) -> str:
    why = f"tiles overlap by {model.overlapping} of the {model.halo} pixels that {model.name} sees"
    if not model.exact:
        why = f"{model.name} looks at the whole picture at once, and its tiles cannot"
    more = "" if model.exact else ", and from the whole perhaps by more"
    return f"{why}: at their seams they differ by at most {255 * seam:.2f} of 255{more}"


def _remark(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=2)
