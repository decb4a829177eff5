"""LR and HR pictures that should show the same: sizes, place, colours, and how LR was made."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from srlib.data_check import kernels
from srlib.data_check.alignment import Shift, shift
from srlib.data_check.report import Row, Severity
from srlib.resize import imresize

Size = tuple[int, int]
MISPLACED = 0.1  # LR pixels from which a shift is told
_SURE = 4  # standard errors that it must exceed
# Correlation below which LR and HR show different things: in 1500 pairs of different photographs one reached it, and
# 200 photographs with noise of 30 levels and JPEG of quality 30 on their LR all did, with 0.79 at least.
SAME = 0.7
_WINDOW, _MARGIN = 160, 4  # LR pixels a side that are compared, and those near its cut that the cut itself changes
_SMALLEST = 8  # LR pixels a side below which pixels tell nothing
_COLOURED = 4.0  # levels by which red and blue differ in a picture with colours


class Seen(NamedTuple):
    """What one pair looks like; psnrs is empty where LR does not show what HR shows."""

    name: str
    place: Shift | None
    psnrs: tuple[float, ...]
    swapped: bool
    colourless: bool


def infer_scale(sizes: Iterable[tuple[Size, Size]]) -> int | None:
    """The commonest HR / LR ratio, rounded; None without pairs."""
    ratios = Counter(max(1, round(hr[0] / lr[0])) for hr, lr in sizes)
    return ratios.most_common(1)[0][0] if ratios else None


def size_rows(sizes: Sequence[tuple[str, Size, Size]], scale: int) -> tuple[list[Row], set[str]]:
    """Rows about (name, HR size, LR size) that do not fit, and the names of the pairs whose pixels can be compared."""
    told: dict[str, list[str]] = {"larger": [], "equal": [], "crop": [], "other": []}
    comparable = set()
    for name, hr, lr in sizes:
        text = f"{name} (HR {hr[1]}x{hr[0]}, LR {lr[1]}x{lr[0]})"
        exact = hr == (scale * lr[0], scale * lr[1])
        crops = (hr[0] // scale, hr[1] // scale) == lr
        if (exact or crops) and scale > 1 and min(lr) >= _SMALLEST:
            comparable.add(name)
        if lr[0] > hr[0] and lr[1] > hr[1]:
            told["larger"].append(text)
        elif lr == hr:
            told["equal"].append(text)
        elif not exact:
            told["crop" if crops else "other"].append(text)
    advice = {
        "larger": ("LR larger than HR", "the two folders are mixed up: exchange FOLDER and --lr"),
        "equal": ("LR as large as HR", "enlarged already: srlib's networks enlarge by themselves, give them small LR"),
        "crop": (
            "HR to crop",
            f"crop HR at the right and bottom to a multiple of {scale} (crop_to_multiple): they fit",
        ),
        "other": ("size ratio", f"HR is not {scale} x LR, nor after cropping: make LR again, or name another --scale"),
    }
    rows = [Row(advice[k][0], "fault", len(v), tuple(v), advice[k][1]) for k, v in told.items() if v]
    return rows, comparable


def look(name: str, hr: Tensor, lr: Tensor, scale: int) -> Seen:
    """Compares one pair, in a window at the corner of LR that has most contrast.

    hr uint8 (3, H, W), lr uint8 (3, h, w) with h = H // scale, w = W // scale.
    """
    (rows, columns), keep = _window(lr)
    lr = lr[None, :, rows, columns]
    hr = hr[None, :, scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop].contiguous()
    small = imresize(hr.float(), scale=1 / scale)
    inner = (..., keep[0], keep[1])
    place = shift(lr[inner].float().mean(1)[0] / 255, small[inner].mean(1)[0] / 255)
    if place and place.correlation < SAME:
        return Seen(name, place, (), False, False)
    swapped, colourless = _colours(lr.float(), small)
    return Seen(name, place, kernels.errors(lr.flip(1) if swapped else lr, hr, scale, keep), swapped, colourless)


def _window(lr: Tensor) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of a window that touches a corner of LR; and those inside it that no cut has changed."""
    _, height, width = lr.shape
    places = [
        (slice(top, top + min(height, _WINDOW)), slice(left, left + min(width, _WINDOW)))
        for top in {0, max(0, height - _WINDOW)}
        for left in {0, max(0, width - _WINDOW)}
    ]
    best = max(places, key=lambda place: float(lr[:, place[0], place[1]].float().var()))
    keep = [
        slice(_MARGIN if part.start else 0, part.stop - part.start - (_MARGIN if part.stop < side else 0))
        for part, side in zip(best, (height, width), strict=True)
    ]
    return best, (keep[0], keep[1])


def _colours(lr: Tensor, small: Tensor) -> tuple[bool, bool]:
    """Whether LR has red and blue exchanged, and whether it is grey where HR is coloured."""
    a, b = (F.adaptive_avg_pool2d(x, 16) for x in (lr, small))  # a shift or noise must not outweigh the colours
    if float((b[:, 0] - b[:, 2]).square().mean().sqrt()) < _COLOURED:
        return False, False
    straight, crossed = (float((x - b).square().mean()) for x in (a, a.flip(1)))
    return 4 * crossed < straight, bool((lr[:, 0] == lr[:, 2]).all() and (lr[:, 0] == lr[:, 1]).all())


def rows(seen: Sequence[Seen]) -> list[Row]:
    """The rows about all pairs whose pixels were compared."""
    other = tuple(pair.name for pair in seen if not pair.psnrs)
    swapped = tuple(pair.name for pair in seen if pair.swapped)
    grey = tuple(pair.name for pair in seen if pair.colourless)
    faults = [
        ("different pictures", other, "LR shows something else than HR: the files are mixed up"),
        ("red and blue exchanged", swapped, "LR is BGR beside HR's RGB, or the other way (cv2): exchange its channels"),
        ("LR without colours", grey, "LR is grey, HR is not: make LR again"),
    ]
    found = [Row(kind, "fault", len(names), names, advice) for kind, names, advice in faults if names]
    same = [pair for pair in seen if pair.psnrs]
    return found + _shift_rows(same) + _kernel_rows(same)


def _shift_rows(seen: Sequence[Seen]) -> list[Row]:
    far = [(pair.name, p) for pair in seen if (p := pair.place) and p.size > max(MISPLACED, _SURE * p.sigma)]
    if not far:
        return []
    right, down = statistics.median(p.dx for _, p in far), statistics.median(p.dy for _, p in far)
    examples = tuple(f"{name} ({_words(p.dx, p.dy)})" for name, p in far)
    where = f"median: {_words(right, down)}, in LR pixels"
    advice = f"where LR shows what HR shows ({where}): the network learns to move pictures; make LR again"
    return [Row("shift", "fault", len(far), examples, advice, {"right, LR pixels": right, "down, LR pixels": down})]


def _words(right: float, down: float) -> str:
    return f"{abs(right):.2f} {'left' if right < 0 else 'right'}, {abs(down):.2f} {'up' if down < 0 else 'down'}"


def _kernel_rows(seen: Sequence[Seen]) -> list[Row]:
    """One row for each way in which LR was made, the commonest first."""
    groups = sorted(kernels.together([pair.psnrs for pair in seen]), key=lambda group: -len(group[1]))
    rows = []
    for number, (fit, which) in enumerate(groups):
        names = tuple(seen[k].name for k in which)
        kind, severity, advice = _made(fit, groups[0][0] if number else None)
        figures = {"PSNR, dB": fit.psnr, "ahead of the next, dB": fit.margin}
        rows.append(Row(kind, severity, len(names), names, advice, figures))
    return rows


def _made(fit: kernels.Fit, usual: kernels.Fit | None) -> tuple[str, Severity, str]:
    """Kind, severity and advice for LR made in one way; usual: how the most others were made."""
    kind = "another LR kernel" if usual else "LR kernel"
    sure = fit.psnr >= kernels.SURE
    names = " = ".join(fit.names)
    how = "exactly" if fit.psnr == kernels.EXACT else f"{fit.psnr:.1f} dB"
    said = f"{'' if sure else 'something near '}{names}: {how}, {fit.margin:.1f} dB ahead of the next"
    if fit.psnr < kernels.UNKNOWN:
        advice = f"real or degraded LR ({fit.names[0]} comes nearest with {how}): right if you meant it"
        return f"{kind}, unknown", "remark", advice
    if set(fit.names) <= set(kernels.ALIASED):
        advice = f"{said}. Not antialiased: networks lose many dB between such LR and the benchmarks'; use imresize"
        return kind, "fault" if sure else "remark", advice
    if usual:
        severity: Severity = "fault" if sure and usual.psnr >= kernels.SURE else "remark"
        return kind, severity, f"{said}. Not as the most: make all LR in one way"
    if kernels.MATLAB in fit.names:
        return kind, "fact", f"{said}. As the benchmarks"
    if kernels.PIL in fit.names:
        return kind, "fact", f"{said}. As the benchmarks but for the border"
    return kind, "remark", f"{said}. The benchmarks' LR is MATLAB's bicubic: measure on LR made like yours"
