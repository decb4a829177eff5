"""Opening picture files of all formats: what is no picture, cut short or too large is told by its name."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_PIXELS = 300_000_000  # a larger header is a decompression bomb until proven otherwise
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, ICC_PROFILE = 274, 34675  # TIFF and EXIF tags

_READABLE = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
_open_lock = threading.Lock()


class ImageError(ValueError):
    """A file that is there but is not a whole, readable picture."""


def head_of(path: Path) -> bytes:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; check the name and the folder")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; give one picture file inside it")
    with path.open("rb") as file:
        head = file.read(26)
    if not head:
        raise ImageError(f"{path}: is empty (0 bytes); fetch or export it again")
    return head


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Whatever a decoder raises becomes an ImageError that names the file."""
    try:
        yield
    except (ImageError, FileNotFoundError, PermissionError, MemoryError, Warning):
        raise
    except Exception as error:
        way_out = "fetch or export it again"
        if "imagecodecs" in str(error):  # tifffile's optional decoders, such as LZW for 16 bits
            way_out = "install imagecodecs, or export it without compression"
        raise ImageError(f"{path}: cannot be decoded ({error}); {way_out}") from error


@contextmanager
def opened(path: Path, most: int | None = None) -> Iterator[Any]:
    """A PIL image whose header alone has been read, of an acceptable size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _open_lock:  # PIL's own limit is a global and lower than ours
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path, formats=_READABLE)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError as error:
        kinds = ", ".join(_READABLE)
        raise ImageError(f"{path}: is no picture ({kinds}) of 1 pixel or more; export it again") from error
    with image:
        _check_size(path, image.height, image.width, most)
        yield image


def _check_size(path: Path, height: int, width: int, most: int | None) -> None:
    says = f"{path}: the header says {width} x {height} pixels"
    if height < 1 or width < 1:
        raise ImageError(f"{says}; export it again")
    if height * width > (most or MAX_PIXELS):
        raise ImageError(
            f"{says}, more than {most or MAX_PIXELS}; if you trust it, raise srlib.formats.opening.MAX_PIXELS"
        )


def orientation_of(image: Any) -> int:
    """EXIF orientation 1..8, from the header."""
    from PIL import Image

    # a PNG's own getexif decodes the picture to look for EXIF behind it, which read_size cannot afford
    value = Image.Image.getexif(image).get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


@contextmanager
def tiff_page(path: Path, most: int | None = None) -> Iterator[Any]:
    """The first page of a TIFF, of an acceptable size and with all its bytes there."""
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        _check_size(path, page.imagelength, page.imagewidth, most)
        ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > path.stat().st_size:
            raise ImageError(f"{path}: is cut short; fetch or export it again")
        yield page
