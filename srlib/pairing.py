"""Which LR file belongs to which HR file, by name."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# What the usual sets add to the name of a picture: 0001x4 (DIV2K), baby_x4, 0001_LR, img_001_SRF_4_HR (Urban100).
_MARK = re.compile(r"([-_. ]?x\d+(\.\d+)?|[-_. ](srf[-_]?\d+|lr|hr|lq|hq|gt|low|high|bicubic|small|large))$", re.I)
_FRONT = re.compile(r"^(lr|hr|lq|hq|gt|low|high)[-_. ]", re.I)


@dataclass(frozen=True)
class Pairing:
    """HR and LR files that belong together, and what is left over.

    renamed: those of the pairs whose names differ by a mark such as x4; ambiguous: names that several files share.
    """

    pairs: tuple[tuple[Path, Path], ...]
    renamed: tuple[tuple[Path, Path], ...]
    without_lr: tuple[Path, ...]
    without_hr: tuple[Path, ...]
    ambiguous: tuple[tuple[Path, ...], ...]


def pair(hr: Iterable[Path], lr: Iterable[Path]) -> Pairing:
    """Pairs files of equal names (suffixes aside), then HR files with LR ones of one mark more (a name may end as a
    mark does: box1, box1x4), then those whose names are equal without all their marks.
    """
    same, first, hr, lr = _matched(hr, lr, _stem, _stem)
    marked, second, hr, lr = _matched(hr, lr, _stem, lambda path: _MARK.sub("", path.stem))
    others, third, hr, lr = _matched(hr, lr, bare, bare)
    renamed = sorted(marked + others)
    ambiguous = first + second + third
    return Pairing(tuple(sorted(same + renamed)), tuple(renamed), tuple(hr), tuple(lr), tuple(ambiguous))


def _stem(path: Path) -> str:
    return path.stem


def bare(path: Path) -> str:
    """The name of a picture without suffix and marks, in small letters."""
    name = _FRONT.sub("", path.stem)
    while len(shorter := _MARK.sub("", name)) not in (0, len(name)):
        name = shorter
    return name.lower()


_Pairs = list[tuple[Path, Path]]


def _matched(
    hr: Iterable[Path], lr: Iterable[Path], of_hr: Callable[[Path], str], of_lr: Callable[[Path], str]
) -> tuple[_Pairs, list[tuple[Path, ...]], list[Path], list[Path]]:
    """The pairs that a key for each side makes, the names it makes ambiguous, and the rest of either side."""
    sides: tuple[dict[str, list[Path]], dict[str, list[Path]]] = (defaultdict(list), defaultdict(list))
    for side, paths, key in zip(sides, (hr, lr), (of_hr, of_lr), strict=True):
        for path in paths:
            side[key(path)].append(path)
    pairs, ambiguous = [], []
    for name in sorted(sides[0].keys() & sides[1].keys()):
        large, small = (side.pop(name) for side in sides)
        if len(large) == len(small) == 1:
            pairs.append((large[0], small[0]))
        else:
            ambiguous.append((*large, *small))
    left, right = (sorted(path for paths in side.values() for path in paths) for side in sides)
    return pairs, ambiguous, left, right
