"""One file at a time: whether it is whole, what kind of picture it is, and how srlib reads it."""

import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from srlib import image
from srlib.data_check.report import Row, Severity
from srlib.datasets import SUFFIXES
from srlib.formats.headers import read_header
from srlib.formats.opening import ImageError

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}  # other suffixes are the format's own name
_TAIL = 65_536  # bytes at the end of a JPEG among which its end mark must be: programs write notes behind it

# What may be found about files -> how bad it is, and what to do; in the order of the table.
KINDS: dict[str, tuple[Severity, str]] = {
    "missing": ("fault", "fetch them: `srlib data get NAME`"),
    "altered": ("fault", "these are not the bytes of the set: `srlib data get NAME` fetches them again"),
    "damaged": ("fault", "fetch or export them again, or take them away"),
    "wrong suffix": ("remark", "srlib goes by the content; rename them, for programs that go by the name"),
    "unread suffix": ("remark", f"pictures, but only {' '.join(SUFFIXES)} are read: rename or convert them"),
    "other files": ("fact", "not read"),
    "grey": ("fact", "read as three equal channels"),
    "alpha": ("remark", "left out in training: colours under transparent places may be anything"),
    "16 bits": ("remark", "rounded to 8 bits in training"),
    "palette": ("remark", "at most 256 colours, read as RGB: look for bands and dots"),
    "CMYK": ("remark", "turned into sRGB, and not all programs do it alike: export them as RGB"),
    "EXIF rotation": ("remark", "read upright; programs that ignore EXIF see them lying: export them upright"),
    "colour profile": ("fact", "turned into sRGB where the profile is another"),
    "several frames": ("remark", "the first alone is read"),
    "profile not applied": ("remark", "read as if they were sRGB: convert them in an editor"),
    "blocky JPEG": ("remark", "a network learns the blocks of a strong compression: take better originals"),
    "enlarged": (
        "remark",
        "hardly any fine detail, as after an enlargement (or a soft lens): shrink or leave them out",
    ),
    "duplicates": ("remark", "the same pixels: drawn twice as often; never split them over training and validation"),
    "near duplicates": ("remark", "encoded or resized again, or frames of one film: never split them over two sets"),
}


class Findings:
    """Names of files by what was found about them."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, name: str) -> None:
        self._names[kind].append(name)

    def rows(self) -> list[Row]:
        return [
            Row(kind, severity, len(names), tuple(names), advice)
            for kind, (severity, advice) in KINDS.items()
            if (names := self._names.get(kind))
        ]


def look(path: Path, name: str, found: Findings) -> Tensor | None:
    """Reads one picture as training does and files what there is to say about it under `name`.

    -> (3, H, W) uint8, or None if it cannot be read.
    """
    try:
        header = read_header(path)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            pixels = image.read_uint8(path)
        if header.format == "JPEG" and not _has_end(path):
            raise ImageError(f"{path}: is cut short")
    except (ImageError, OSError) as error:
        found.add("damaged", f"{name} ({_reason(error, path)})")
        return None
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and header.format != _FORMATS.get(suffix, suffix[1:].upper()):
        found.add("wrong suffix", f"{name} ({header.format})")
    for trait in header.traits:
        found.add(trait, name)
    if any("colour profile" in str(warning.message) for warning in said):
        found.add("profile not applied", name)
    return pixels


def look_beside(folder: Path, paths: Iterable[Path], found: Findings) -> None:
    """Files what else lies in a folder of pictures."""
    for path in sorted(set(folder.iterdir()) - set(paths)):
        try:
            read_header(path)
            found.add("unread suffix", path.name)
        except (ImageError, OSError):
            found.add("other files", f"{path.name}/" if path.is_dir() else path.name)


def _has_end(path: Path) -> bool:
    """Whether a JPEG's end mark is there: a decoder fills a picture that lacks only its end with grey, silently."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return b"\xff\xd9" in file.read()


def _reason(error: Exception, path: Path) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.removeprefix(f"{path}: ").partition(";")[0]
