"""Named picture sets and folders of pictures: where they lie, whether they are whole, and their pixels.

A set lies in ``root()/<name>``. A folder that already holds a set is used as it is and never written to.
BSDS500 has no `val` part here: those hundred pictures are the benchmark BSD100 and must not be trained on.
"""

import difflib
import hashlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from torch import Tensor

from srlib.download import Job, extract, fetch_all, is_whole
from srlib.image import read_uint8
from srlib.pairing import pair

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
PARTS = {
    "Set5": ("Set5",),
    "Set14": ("Set14",),
    "T91": ("T91",),
    "BSDS500": ("BSDS500/train", "BSDS500/test"),
    "ImageNet500": ("ImageNet500",),
    "DIV2K": ("DIV2K/train", "DIV2K/valid"),
    "pictures": ("pictures/train", "pictures/held-out"),
}
NAMES = tuple(PARTS)

# Colour pictures inside the scikit-image wheel. The held-out ones are the faces and textures people look at.
_PICTURES = {
    "pictures/train": ("hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "motorcycle_right.png",
                       "retina.jpg", "rocket.jpg"),
    "pictures/held-out": ("astronaut.png", "chelsea.png", "coffee.png"),
}  # fmt: skip
# The folder inside each archive of DIV2K, and the numbers of its pictures.
_DIV2K = {
    "DIV2K/train": ("DIV2K_train_HR", range(1, 801)),
    "DIV2K/valid": ("DIV2K_valid_HR", range(801, 901)),
}


class DatasetError(ValueError):
    """A set or folder that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Remote:
    """One file that can be downloaded."""

    url: str
    sha256: str
    bytes: int


@cache
def manifest() -> dict[str, dict[str, Remote]]:
    """For each downloadable part (for DIV2K: the set), its files by name."""
    text = Path(__file__).with_name("manifest.json").read_text(encoding="utf-8")
    return {
        part: {name: Remote(entry["base_url"] + quote(name), **known) for name, known in entry["files"].items()}
        for part, entry in json.loads(text).items()
    }


def root() -> Path:
    """The folder of all sets: the environment variable SRLIB_DATA, else the user's cache folder."""
    if folder := os.environ.get("SRLIB_DATA"):
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("srlib") / "datasets"


def files(name_or_folder: str | Path, *, download: bool = False) -> list[Path]:
    """The picture files of a named set, of a part such as "BSDS500/train", or of a folder, sorted.

    A `str` that is a known name means the set; a `Path` always means a folder, of which only the top level
    is read, and nothing hidden. With `download`, what a named set lacks is fetched first.

    Raises:
        DatasetError: unknown name, set not complete, or folder without pictures.
    """
    parts = _parts(name_or_folder)
    if not parts:
        return _folder_files(Path(name_or_folder).expanduser(), str(name_or_folder))
    if download and any(_missing(part) for part in parts):
        get(str(name_or_folder))
    for part in parts:
        if missing := _missing(part):
            raise DatasetError(_absent(str(name_or_folder), part, missing))
    return sorted(path for part in parts for path in _wanted(part))


def load(names: str | Path | Sequence[str | Path], *, quiet: bool = True) -> list[Tensor]:
    """All pictures of one or several sets or folders, decoded once: uint8 (3, H, W) each, in [0, 255]."""
    return _decoded(_all_files(names), quiet)


def load_pairs(
    names: str | Path | Sequence[str | Path], lr: str | Path, *, scale: int, quiet: bool = True
) -> tuple[list[Tensor], list[Tensor]]:
    """HR pictures of one or several sets or folders and their LR partners in a folder, as `load` gives them.

    They are matched by name, marks such as x4 and _LR aside. Raises DatasetError for a picture without a partner or
    with several, and for a pair whose sizes are not `scale` to 1.
    """
    pairing = pair(_all_files(names), files(lr))
    if pairing.ambiguous:
        several = ", ".join(map(str, pairing.ambiguous[0]))
        raise DatasetError(f"{several} share a name, so it is unknown which belong together: rename them")
    if alone := pairing.without_lr or pairing.without_hr:
        raise DatasetError(f"{alone[0]} has no partner, and so {len(alone)} in all: see `srlib data check HR --lr LR`")
    hr_paths, lr_paths = zip(*pairing.pairs, strict=True)
    large, small = _decoded(hr_paths, quiet), _decoded(lr_paths, quiet)
    for path, a, b in zip(lr_paths, large, small, strict=True):
        if tuple(a.shape[1:]) != (b.shape[1] * scale, b.shape[2] * scale):
            raise DatasetError(
                f"{path} is {b.shape[1]} x {b.shape[2]} and its HR {a.shape[1]} x {a.shape[2]}: that is not 1 to "
                f"{scale}; see `srlib data check HR --lr LR`"
            )
    return large, small


def _all_files(names: str | Path | Sequence[str | Path]) -> list[Path]:
    several = [names] if isinstance(names, (str, Path)) else names
    return [path for name in several for path in files(name)]


def _decoded(paths: Sequence[Path], quiet: bool) -> list[Tensor]:
    from tqdm import tqdm

    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(pool.map(read_uint8, paths), total=len(paths), unit="picture", disable=quiet) as pictures,
    ):
        return list(pictures)


def get(*names: str, quiet: bool = False) -> None:
    """Download into `root()` what is missing or damaged of some named sets or parts.

    Raises:
        DatasetError: unknown name, or `root()` cannot be written to.
        DownloadError: a file could not be had.
    """
    jobs: list[Job] = []
    archives: list[Job] = []
    for part in dict.fromkeys(part for name in names for part in _parts(name) or _unknown(name)):
        if part in _DIV2K:
            name = f"{_DIV2K[part][0]}.zip"
            remote = manifest()["DIV2K"][name]
            if _missing(part):
                archives.append(Job(remote.url, root() / "DIV2K" / name, remote.sha256, remote.bytes))
        elif part not in _PICTURES:
            place = root() / part
            jobs += [Job(r.url, place / name, r.sha256, r.bytes) for name, r in manifest()[part].items()]
    pending = [job for job in jobs if not is_whole(job)]
    if pending or archives:
        _check_writable(root())
    fetch_all(pending, quiet=quiet)
    for archive in archives:  # one after the other: each needs its size twice on the disk
        fetch_all([archive], quiet=quiet)
        extract(archive.path, archive.path.parent)
        archive.path.unlink()


@dataclass(frozen=True)
class SetStatus:
    """One line of `srlib data list`; `bytes` are those of the download, or of the files when built in."""

    name: str
    images: int
    bytes: int
    state: str
    folder: Path


def status() -> list[SetStatus]:
    """How much of each named set is there: "complete", "12 of 91", "absent" or "built in"."""
    rows = []
    for name, parts in PARTS.items():
        wanted = [path for part in parts for path in _wanted(part)]
        lacking = sum(len(_missing(part)) for part in parts)
        if name == "pictures" and not lacking:
            state, size = "built in", sum(path.stat().st_size for path in wanted)
        else:
            remotes = [r for key in {name, *parts} for r in manifest().get(key, {}).values()]
            size = sum(remote.bytes for remote in remotes)
            state = "complete" if not lacking else f"{len(wanted) - lacking} of {len(wanted)}"
            state = "absent" if lacking == len(wanted) else state
        folder = wanted[0].parent if name == "pictures" else root() / name
        rows.append(SetStatus(name, len(wanted), size, state, folder))
    return rows


def inventory(name_or_folder: str | Path) -> dict[Path, str]:
    """Every file of a named set or part, or picture file of a folder, sorted, and what the manifest has against it.

    That is "" (nothing, or a file that the manifest does not know), "missing", or that its bytes are others.
    Raises DatasetError: unknown name, set of which nothing is there, or folder without pictures.
    """
    parts = _parts(name_or_folder)
    if not parts:
        return dict.fromkeys(files(name_or_folder), "")
    known = {_place(part) / name: remote.sha256 for part in parts for name, remote in manifest().get(part, {}).items()}
    wanted = sorted(path for part in parts for path in _wanted(part))
    if not any(path.is_file() for path in wanted):
        raise DatasetError(_absent(str(name_or_folder), parts[0], _missing(parts[0])))
    return {path: _objection(path, known.get(path)) for path in wanted}


def _objection(path: Path, sha256: str | None) -> str:
    if not path.is_file():
        return "missing"
    altered = sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256
    return "not the file of the set (SHA-256 differs)" if altered else ""


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be written to ({error.strerror}): set SRLIB_DATA to a folder of your own"
        ) from error


def is_known(name: str | Path) -> bool:
    """Whether this is the name of a set or of a part of one, and not a folder's."""
    return bool(_parts(name))


def _parts(name: str | Path) -> tuple[str, ...]:
    """The parts of a named set, or nothing when `name` is not one."""
    if not isinstance(name, str):
        return ()
    return PARTS.get(name) or tuple(part for parts in PARTS.values() for part in parts if part == name)


def _place(part: str) -> Path:
    """The folder in which the pictures of a part lie."""
    if part in _PICTURES:
        spec = importlib.util.find_spec("skimage")
        places = spec.submodule_search_locations if spec else None
        if not places:
            raise DatasetError(f"{part} lies inside scikit-image, which is not installed: install it with pip")
        return Path(places[0]) / "data"
    if part in _DIV2K:
        return root() / "DIV2K" / _DIV2K[part][0]
    return root() / part


def _wanted(part: str) -> dict[Path, int | None]:
    """The files that make a part whole, with their bytes where the manifest knows them."""
    place = _place(part)
    if part in _PICTURES:
        return {place / name: None for name in _PICTURES[part]}
    if part in _DIV2K:
        return {place / f"{number:04}.png": None for number in _DIV2K[part][1]}
    return {place / name: remote.bytes for name, remote in manifest()[part].items()}


def _missing(part: str) -> list[Path]:
    """The files of a part that are not there or do not have their size."""

    def is_there(path: Path, size: int | None) -> bool:
        try:
            found = path.stat().st_size
        except OSError:
            return False
        return found > 0 if size is None else found == size

    return [path for path, size in _wanted(part).items() if not is_there(path, size)]


def _absent(name: str, part: str, missing: list[Path]) -> str:
    found = f"{part} is not in {_place(part)} ({len(missing)} of {len(_wanted(part))} files missing, "
    found += f"e.g. {missing[0].name}): "
    if part in _PICTURES:
        return found + "install scikit-image 0.26 or later, whose wheel holds them"
    return found + f"`srlib data get {name}` downloads it, or set SRLIB_DATA to a folder that holds it"


def _unknown(asked: str) -> NoReturn:
    known = [*NAMES, *(part for parts in PARTS.values() for part in parts if part not in NAMES)]
    lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(asked.lower(), lower, n=1)
    hint = f" (did you mean {lower[near[0]]}?)" if near else ""
    raise DatasetError(f"{asked!r} is neither a known set nor a folder{hint}; known are {', '.join(known)}")


def _folder_files(folder: Path, asked: str) -> list[Path]:
    if not folder.is_dir():
        _unknown(asked)
    found = sorted(
        path
        for path in folder.iterdir()  # hidden ones, such as macOS's ._photo.jpg, are not what their suffix says
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        kinds = " ".join(SUFFIXES)
        raise DatasetError(f"{folder} holds no pictures ({kinds}); only its top level is read")
    return found
