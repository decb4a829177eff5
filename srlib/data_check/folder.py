"""A folder of pictures, with or without its LR partner, looked at once from end to end."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from torch import Tensor

from srlib import datasets, image
from srlib.data_check import pairs, quality
from srlib.data_check.alike import Album
from srlib.data_check.files import Findings, look, look_beside
from srlib.data_check.report import Report, Row
from srlib.datasets import DatasetError
from srlib.formats.headers import read_size
from srlib.formats.opening import ImageError
from srlib.pairing import Pairing, pair
from srlib.recipes import SRRESNET

BENCHMARKS = ("Set5", "Set14")
HR_CROP = SRRESNET.hr_crop  # which most recipes take

Progress = Callable[[Sequence[Path]], Iterable[Path]]


def check(
    name_or_folder: str | Path,
    lr: str | Path | None = None,
    *,
    scale: int | None = None,
    hr_crop: int = HR_CROP,
    benchmarks: Sequence[str] = BENCHMARKS,
    progress: Progress = iter,
) -> Report:
    """Looks at every picture of a set or folder, and at its LR partner, and says whether training on it is safe.

    One picture (or pair) is in memory at a time; only the top level of a folder is read. scale: HR pixels per LR
    pixel, inferred if not given; hr_crop: the side of training patches, below which a picture is too small;
    benchmarks: the sets that must not be trained on, left out where they are not here; progress: wraps the paths.
    Raises DatasetError for an unknown name or a folder without pictures; ValueError for a scale below 1, a scale
    without lr, or one folder given twice.
    """
    if scale is not None and (scale < 1 or lr is None):
        raise ValueError(f"scale is {scale}: it must be 1 or more, and needs the folder of the LR pictures")
    found = Findings()
    paths = _paths(name_or_folder, found)
    small = _paths(lr, found) if lr is not None else []
    if set(paths) & set(small):
        raise ValueError(f"{lr} is HR and LR at once: give two folders")
    pairing = pair(paths, small)
    partners = dict(pairing.pairs)
    sizes = {hr: size for hr, partner in pairing.pairs if (size := _sizes(hr, partner))}
    scale = scale or pairs.infer_scale(sizes.values())
    table, comparable = pairs.size_rows([(hr.name, *both) for hr, both in sizes.items()], scale or 1)
    counts, album, seen = _Counts(hr_crop), Album(), []
    for path in progress(paths):
        pixels = look(path, path.name, found)
        partner = partners.get(path)
        lr_pixels = look(partner, f"{partner.parent.name}/{partner.name}", found) if partner else None
        if pixels is None:
            continue
        counts.add(path.name, pixels)
        album.add(path.name, pixels)
        _judge(path.name, pixels, found)
        if lr_pixels is not None and path.name in comparable and scale:
            seen.append(pairs.look(path.name, pixels, lr_pixels, scale))
    for path in sorted(set(small) - set(partners.values())):
        look(path, f"{path.parent.name}/{path.name}", found)
    _tell_alike(album, found)
    rows = counts.rows() + found.rows() + _leaks(album, paths, benchmarks)
    if lr is not None:
        rows += _name_rows(pairing) + table + pairs.rows(seen)
    return Report(str(name_or_folder), None if lr is None else str(lr), scale, tuple(rows))


def _paths(name_or_folder: str | Path, found: Findings) -> list[Path]:
    """The files of a set or folder that are there; the rest is filed."""
    stock = datasets.inventory(name_or_folder)
    for path, objection in stock.items():
        if objection:
            found.add("missing" if objection == "missing" else "altered", path.name)
    if not datasets.is_known(name_or_folder):
        look_beside(Path(name_or_folder).expanduser(), stock, found)
    return [path for path, objection in stock.items() if objection != "missing"]


def _sizes(hr: Path, lr: Path) -> tuple[pairs.Size, pairs.Size] | None:
    try:
        return read_size(hr), read_size(lr)
    except (ImageError, OSError):
        return None  # told by `look`


def _judge(name: str, pixels: Tensor, found: Findings) -> None:
    middle = quality.middle(pixels)
    if min(middle.shape) < quality.SMALLEST:
        return
    if (blocks := quality.blockiness(middle)) > quality.BLOCKY:
        found.add("blocky JPEG", f"{name} (steps {blocks:.1f} times as large at blocks)")
    if (fine := quality.fineness(middle)) < quality.ENLARGED:
        found.add("enlarged", f"{name} ({fine:.0f} dB)")


def _tell_alike(album: Album, found: Findings) -> None:
    for later, first in album.twins:
        found.add("duplicates", f"{later} = {first}")
    for later, first, likeness in album.alike():
        found.add("near duplicates", f"{later} ~ {first} ({likeness:.4f})")


def _leaks(album: Album, paths: Sequence[Path], benchmarks: Sequence[str]) -> list[Row]:
    """Pictures that benchmarks measure with. A benchmark itself may be checked: it is not compared with itself."""
    rows = []
    for name in benchmarks:
        try:
            known = datasets.files(name)
        except DatasetError:
            continue
        if {path.resolve() for path in paths} & {path.resolve() for path in known}:
            continue
        other = Album()
        for path in known:
            other.add(path.name, image.read_uint8(path))
        same: list[str] = []
        resized: list[str] = []
        for mine, theirs, _ in album.alike(other):
            (same if album.shapes[mine] == other.shapes[theirs] else resized).append(f"{mine} = {theirs}")
        if same:
            rows.append(Row(f"in {name}", "fault", len(same), tuple(same), f"do not train on what {name} measures"))
        if resized:
            advice = f"pictures of {name} at another size: leave them out of training where {name} measures"
            rows.append(Row(f"in {name}, resized", "remark", len(resized), tuple(resized), advice))
    return rows


def _name_rows(pairing: Pairing) -> list[Row]:
    def only(paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(path.name for path in paths)

    renamed = tuple(f"{hr.name} with {lr.name}" for hr, lr in pairing.renamed)
    shared = tuple(", ".join(only(group)) for group in pairing.ambiguous)
    rows = [
        Row("pairs", "fact", len(pairing.pairs), (), ""),
        Row("paired by mark", "fact", len(renamed), renamed, "names alike but for marks such as x4, _LR, _HR"),
        Row(
            "shared names",
            "fault",
            len(shared),
            shared,
            "several files of one name: it is unknown which belong together",
        ),
        Row("without LR", "fault", len(pairing.without_lr), only(pairing.without_lr), "HR without a partner"),
        Row("without HR", "fault", len(pairing.without_hr), only(pairing.without_hr), "LR without a partner"),
    ]
    if not pairing.pairs:
        rows[0] = Row("pairs", "fault", 0, (), "no name of HR is one of LR: are these the right folders?")
    return [rows[0], *(row for row in rows[1:] if row.count)]


class _Counts:
    """How many pictures, how large, and which are too small."""

    def __init__(self, hr_crop: int) -> None:
        self.hr_crop = hr_crop
        self.sizes: list[tuple[int, int, int, str]] = []

    def add(self, name: str, pixels: Tensor) -> None:
        _, height, width = pixels.shape
        self.sizes.append((height * width, height, width, name))

    def rows(self) -> list[Row]:
        if not self.sizes:
            return [Row("pictures", "fault", 0, (), "none can be read")]
        total = sum(size[0] for size in self.sizes)
        ends = zip(("smallest", "largest"), (min(self.sizes), max(self.sizes)), strict=True)
        words = (f"{total / 1e6:.1f} megapixels", *(f"{word} {w}x{h} ({name})" for word, (_, h, w, name) in ends))
        rows = [Row("pictures", "fact", len(self.sizes), words, "", {"pixels": total})]
        small = tuple(f"{name} ({w}x{h})" for _, h, w, name in sorted(self.sizes) if min(h, w) < self.hr_crop)
        if small:
            none_left = len(small) == len(self.sizes)
            advice = "none is large enough" if none_left else "left out in training"
            advice = f"no patch of {self.hr_crop} fits in: {advice}; take a smaller --hr-crop or larger pictures"
            rows.append(Row("too small", "fault" if none_left else "remark", len(small), small, advice))
        return rows
