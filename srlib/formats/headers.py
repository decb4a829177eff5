"""What the head of a picture file says, without decoding it."""

import os
from pathlib import Path
from typing import NamedTuple

from srlib.formats import png
from srlib.formats.opening import (
    ICC_PROFILE,
    ORIENTATION,
    TIFF_MAGIC,
    explained,
    head_of,
    opened,
    orientation_of,
    tiff_page,
)


class Header(NamedTuple):
    """What the head of a picture file says.

    format "PNG", "JPEG", "BMP", "TIFF", "WEBP" or "GIF"; size (height, width) as `image.read` gives it; traits: those
    of TRAITS that the file has.
    """

    format: str
    size: tuple[int, int]
    traits: tuple[str, ...]


TRAITS = ("grey", "alpha", "16 bits", "palette", "CMYK", "EXIF rotation", "colour profile", "several frames")


def read_size(path: str | Path, *, most: int | None = None) -> tuple[int, int]:
    """(height, width) of a picture file as `image.read` gives it, from the header alone.

    most: the pixels that it may have, MAX_PIXELS if not given.

    Raises FileNotFoundError; ImageError if the header is damaged, too large or of no picture.
    """
    path = Path(path)
    with explained(path):
        if head_of(path).startswith(TIFF_MAGIC):
            with tiff_page(path, most) as page:
                height, width = page.imagelength, page.imagewidth
                orientation = page.tags.valueof(ORIENTATION, 1)
        else:
            with opened(path, most) as image:
                width, height = image.size
                orientation = orientation_of(image)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def read_header(path: str | Path) -> Header:
    """The format, size and traits of a picture file, from its head alone.

    Raises FileNotFoundError; ImageError if the head is damaged, too large or of no picture.
    """
    path = Path(path)
    size = read_size(path)
    with explained(path):
        head = head_of(path)
        kind, has = ("TIFF", _tiff_traits(path)) if head.startswith(TIFF_MAGIC) else _traits(path, head)
    return Header(kind, size, tuple(trait for trait in TRAITS if has[trait]))


def _traits(path: Path, head: bytes) -> tuple[str, dict[str, bool]]:
    with opened(path) as image:
        kind = "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture behind
        return kind, {
            "grey": image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"),
            "alpha": image.mode == "PA" or image.has_transparency_data,
            "16 bits": head.startswith(png.MAGIC) and head[24] == 16,
            "palette": image.mode in ("P", "PA"),
            "CMYK": image.mode == "CMYK",
            "EXIF rotation": orientation_of(image) != 1,
            "colour profile": bool(image.info.get("icc_profile")),
            "several frames": kind != "JPEG" and getattr(image, "n_frames", 1) > 1,
        }


def _tiff_traits(path: Path) -> dict[str, bool]:
    with tiff_page(path) as page:
        photometric = int(page.photometric)
        return {
            "grey": photometric in (0, 1),
            "alpha": bool(page.extrasamples),
            "16 bits": page.bitspersample == 16,
            "palette": photometric == 3,
            "CMYK": photometric == 5,
            "EXIF rotation": page.tags.valueof(ORIENTATION, 1) != 1,
            "colour profile": bool(page.tags.valueof(ICC_PROFILE)),
            "several frames": len(page.parent.pages) > 1,
        }


def count_frames(path: Path) -> int:
    """How many pictures a file has, a GIF's for example. Raises as `read_size`."""
    with explained(path):
        if head_of(path).startswith(TIFF_MAGIC):
            with tiff_page(path) as page:
                return len(page.parent.pages)
        with opened(path) as image:
            return getattr(image, "n_frames", 1)


def has_its_end(path: Path) -> bool:
    """Whether a file of a format that `image.write` makes was not cut short, without decoding it.

    Raises as `read_size`.
    """
    head = head_of(path)
    with explained(path):
        if head.startswith(TIFF_MAGIC):
            with tiff_page(path, path.stat().st_size << 10):
                return True
        if head.startswith(png.MAGIC):
            with opened(path, path.stat().st_size << 10) as image:
                image.verify()
                return True
    if head.startswith(b"BM"):
        return path.stat().st_size >= int.from_bytes(head[2:6], "little")
    with path.open("rb") as file:
        file.seek(-2, os.SEEK_END)
        return file.read() == b"\xff\xd9"  # JPEG's last marker
