"""Enlarging a picture file into another one, in bounded memory whatever its size."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from srlib import image, piecewise
from srlib.canvas import Canvas
from srlib.formats import opening
from srlib.formats.headers import has_its_end, read_size
from srlib.inference import Model, interpolator
from srlib.piecewise import Watch
from srlib.tiles import Box, grown

MOST = 1 << 30  # pixels of a file: 24,000 x 16,000, a large photograph x4, is a third of it
_FROM_MEMORY = ("JPEG", "BMP")  # formats that are encoded whole


def result_size(size: tuple[int, int], scale: int, outscale: float | None = None) -> tuple[int, int]:
    """(height, width) of what a picture becomes: times the scale, or times outscale and rounded half up."""
    factor = scale if outscale is None else outscale
    height, width = (max(int(side * factor + 0.5), 1) for side in size)
    return height, width


def enlarge(
    source: Path, target: Path, model: Model, *, outscale: float | None = None, watch: Watch | None = None
) -> None:
    """Enlarges the picture in one file into another, whole or not at all.

    What the source was, the target is: 8 or 16 bits, grey or RGB, with alpha (enlarged by bicubic), in the colours of
    its profile. It is upright. outscale: the factor of the result, made by bicubic from what the model makes at its own
    scale. watch: called with the share that is finished. Besides the source's samples only tiles are in memory; the
    result lies on disk beside the target while it grows, and only JPEG and BMP are encoded from memory.
    Raises ValueError for what the target cannot hold, OSError, MemoryError.
    """
    picture = image.read_stored(source, keep_profile=target.suffix.lower() != ".bmp")
    kind = image.format_of(target, bits=picture.bits, alpha=picture.alpha)
    made, wanted = result_size(picture.size, model.scale), result_size(picture.size, model.scale, outscale)
    for size in (made, wanted):
        _check(size, kind, target)
    if picture.frames > 1:
        _remark(f"{source}: holds {picture.frames} pictures; only the first is enlarged")
    channels = picture.samples.shape[2]
    bits = picture.bits if made == wanted else 16  # so that nothing is rounded twice
    with Canvas(made, channels, bits, target.parent) as canvas:
        sheet = _WithAlpha(canvas, picture, model.scale)
        piecewise.fill(model, picture.size, picture.rgb, sheet, watch=watch)
        if made == wanted:
            canvas.save(target, kind, profile=picture.profile)
        else:
            with canvas.resized(wanted, picture.bits) as other:
                other.save(target, kind, profile=picture.profile)


def is_done(source: Path, target: Path, scale: int, outscale: float | None = None) -> bool:
    """Whether the target is there whole, not older than its source, and of the size that it would have."""
    try:
        wanted = result_size(read_size(source), scale, outscale)
        newer = target.stat().st_mtime_ns >= source.stat().st_mtime_ns
        return newer and read_size(target, most=MOST) == wanted and has_its_end(target)
    except (OSError, opening.ImageError):
        return False


class _WithAlpha:
    """A canvas on which coloured tiles are laid: of a grey picture one colour, with alpha where there is one."""

    def __init__(self, canvas: Canvas, picture: image.Stored, scale: int) -> None:
        self.canvas, self.picture, self.scale = canvas, picture, scale

    def put(self, box: Box, part: Tensor) -> None:
        part = (part if self.picture.colours == 3 else part.mean(1, keepdim=True)).cpu()
        self.canvas.put(box, torch.cat([part, self._alpha(box)], 1) if self.picture.alpha else part)

    def get(self, box: Box) -> Tensor:
        colours = self.canvas.get(box)[:, : self.picture.colours]
        return colours.repeat(1, 3 // self.picture.colours, 1, 1)

    def _alpha(self, box: Box) -> Tensor:
        model = interpolator("bicubic", self.scale)
        small = Box(*(side // self.scale for side in (box.top, box.bottom, box.left, box.right)))
        around = grown(small, model.halo, self.picture.size)
        inside = box.inside(around.times(self.scale))
        return model.run(self.picture.opacity(around))[..., inside.rows, inside.columns].clamp(0, 1)


def _check(size: tuple[int, int], kind: str, target: Path) -> None:
    pixels = size[0] * size[1]
    makes = f"{target}: the result has {size[0]} x {size[1]} pixels, more than"
    if pixels > MOST:
        raise ValueError(f"{makes} the {MOST} of a file: take a smaller one, or a smaller --scale or --outscale")
    if kind in _FROM_MEMORY and pixels > opening.MAX_PIXELS:
        raise ValueError(f"{makes} the {opening.MAX_PIXELS} that {kind} is encoded of: use .png or .tif")
    if kind == "JPEG" and max(size) > image.JPEG_SIDE:
        raise ValueError(f"{target}: a side of {max(size)} is beyond JPEG's {image.JPEG_SIDE}: use .png or .tif")


def _remark(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)
