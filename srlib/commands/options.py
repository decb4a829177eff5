"""What the commands share: the parser, the kinds of values that options take, the progress bar."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

_T = TypeVar("_T")
PRECISIONS = ("fp32", "bf16", "fp16")  # those of srlib.precision, which would import torch
SCALES = (2, 3, 4)
MODEL = "nearest, bicubic, a shipped name, or a weights file"


class Parser(argparse.ArgumentParser):
    """Errors as one sentence, without the usage block."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return number


def at_least_0(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 on")
    return number


def count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)


def tap(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    return name, positive(weight) if weight else 1.0


def seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to 2**63 - 1")
    return int(text)


def share(text: str) -> float:
    if not 0 < (number := positive(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number between 0 and 1")
    return number


def whole(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def json_file(text: str) -> Path:
    if not text.lower().endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text} is no name of a .json file")
    return Path(text)


def check_out(out: Path, read: Iterable[Path]) -> None:
    """Raises ValueError, before the work, if a file cannot be written or would replace one of those that are read."""
    if out.resolve() in {path.resolve() for path in read}:
        raise ValueError(f"{out} would overwrite a picture that is read: name another --out")
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file in it")
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise ValueError(f"{out.parent} cannot be written to: name another --out")


_BARS: list[Any] = []  # that were begun


def bar(items: Iterable[_T], unit: str) -> Iterable[_T]:
    from tqdm import tqdm

    _BARS.append(tqdm(items, unit=unit, leave=False))
    return _BARS[-1]


def close_bars() -> None:
    """Takes bars away that an error left standing, so that its sentence has a line of its own."""
    while _BARS:
        _BARS.pop().close()


@contextmanager
def remarks(told: set[str], about: str = "") -> Iterator[None]:
    """What the library remarks inside the block is a line each on stderr, once for all blocks that share `told`."""
    from tqdm import tqdm

    def show(message: Warning | str, *_: object) -> None:
        sentence = f"srlib: {about}{' '.join(str(message).split())}"
        if sentence not in told:
            told.add(sentence)
            tqdm.write(sentence, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
