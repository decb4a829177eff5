"""`srlib upscale`: a picture, or all pictures of a folder, enlarged file by file."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srlib.commands.enlarge import add_enlarging, opened
from srlib.commands.options import MODEL, Commands, bar, positive, remarks, whole

if TYPE_CHECKING:
    from srlib.inference import Model

FOR_PHOTOGRAPHS, ITS_SCALE = "real-esrgan", 4  # which expects noise and compression
SOME_FAILED = 1  # the exit code where others of a folder were done


def add_upscale(commands: Commands) -> None:
    parser = commands.add_parser("upscale", help="enlarge a picture, or all pictures of a folder")
    parser.add_argument("input", type=Path, metavar="IN", help="a picture or a folder")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture or a folder to write")
    parser.add_argument("--model", help=f"{MODEL} (default: {FOR_PHOTOGRAPHS}, for x2 and x3 shrunk by bicubic)")
    add_enlarging(parser)
    parser.add_argument(
        "--outscale", type=positive, metavar="S", help="the size of the result, any factor: bicubic after the model"
    )
    parser.add_argument(
        "--tile", type=whole, metavar="N", help="enlarge in tiles of N pixels a side (default: as memory allows)"
    )
    parser.add_argument(
        "--overlap",
        type=whole,
        metavar="N",
        help="of the tiles, in pixels (default: as far as the model sees, so that there are no seams)",
    )
    parser.add_argument("--again", action="store_true", help="of a folder: the pictures too that are there already")
    parser.set_defaults(run=_upscale)


def _upscale(args: argparse.Namespace) -> int:
    from srlib import image, zoo
    from srlib.enlarging import enlarge
    from srlib.files import check_writable

    if args.model is None:
        args.model = FOR_PHOTOGRAPHS
        if args.scale in range(1, ITS_SCALE):
            args.scale, args.outscale = None, args.outscale or args.scale
    elif args.scale and args.scale not in (made := zoo.scales(args.model)) and made and args.scale < made[-1]:
        raise ValueError(
            f"{args.model} is shipped for x{', x'.join(map(str, made))}, not x{args.scale}: --outscale {args.scale} "
            "instead of --scale shrinks what it makes"
        )
    told: set[str] = set()
    with remarks(told):
        model = opened(args).tiled(args.tile, args.overlap)
    if args.input.is_dir():
        return _folder(args, model, told)
    if args.again:
        raise ValueError("--again is for folders: a picture that you name is always made")
    target = _result_in(args.output, args.input) if args.output.is_dir() else args.output
    _check_apart([(args.input, target)], args.output)
    image.format_of(target, bits=8, alpha=False)  # a wrong suffix is told before the work
    check_writable(target.parent)
    with remarks(told), _tiles() as watch:
        enlarge(args.input, target, model, outscale=args.outscale, watch=watch)
    return 0


def _folder(args: argparse.Namespace, model: "Model", told: set[str]) -> int:
    """All pictures of a folder; those that cannot be read or made are told at the end. Returns the exit code."""
    from srlib.enlarging import enlarge, is_done
    from srlib.files import check_writable

    pairs = _pairs(args.input, args.output)
    check_writable(args.output)
    left, failed = [], []
    if not args.again:
        left = [pair for pair in pairs if is_done(*pair, model.scale, args.outscale)]
    for source, target in bar([pair for pair in pairs if pair not in left], "picture"):
        try:
            with remarks(told, f"{source.name}: "), _tiles() as watch:
                enlarge(source, target, model, outscale=args.outscale, watch=watch)
        except (ValueError, OSError, MemoryError) as error:
            why = " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
            failed.append(why if any(str(path) in why for path in (source, target)) else f"{source}: {why}")
    if left:
        print(
            f"srlib: {len(left)} of {len(pairs)} pictures were there already; --again makes them anew", file=sys.stderr
        )
    for why in failed:
        print(f"srlib: {why}", file=sys.stderr)
    if failed:
        print(f"srlib: {len(failed)} of {len(pairs)} pictures could not be enlarged", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _pairs(folder: Path, output: Path) -> list[tuple[Path, Path]]:
    """(picture, its result) of a folder's pictures; what is left out is told. Raises ValueError."""
    from srlib import datasets

    if output.is_file():
        raise ValueError(f"{output} is a file, but {folder} is a folder: name a folder for the results")
    sources = datasets.files(folder)
    pairs = [(path, _result_in(output, path)) for path in sources]
    _check_apart(pairs, output)
    beside = (path for path in sorted(folder.iterdir()) if path.resolve() != output.resolve())
    others = [path.name for path in beside if path not in sources and not path.name.startswith(".")]
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        print(f"srlib: {len(others)} sub-folders or other files are left out: {some}", file=sys.stderr)
    return pairs


def _result_in(folder: Path, source: Path) -> Path:
    """Where a picture's result lies in a folder: by its name, as PNG where its format cannot be written."""
    return folder / (f"{source.stem}.png" if source.suffix.lower() == ".webp" else source.name)


def _check_apart(pairs: list[tuple[Path, Path]], output: Path) -> None:
    """Raises ValueError if a result would replace a picture or another result, or lie outside its folder."""
    if {source.resolve() for source, _ in pairs} & {target.resolve() for _, target in pairs}:
        raise ValueError(f"{output} would overwrite the pictures it is made of: name another OUT")
    taken: dict[str, Path] = {}
    for source, target in pairs:
        other = taken.setdefault(target.name.casefold(), source)
        if other != source:
            raise ValueError(f"{other} and {source} would both become {target.name}: rename one of them")
        if target != output and target.is_symlink() and target.resolve().parent != output.resolve():
            raise ValueError(f"{target} is a link that leads out of {output}: remove it")


@contextmanager
def _tiles() -> Iterator[Callable[[float], None]]:
    """A bar of the time left for a picture of several tiles; takes the share that is finished."""
    from tqdm import tqdm

    bars: list[Any] = []

    def watch(share: float) -> None:
        if not bars:
            if share == 1:  # a single tile
                return
            bars.append(tqdm(total=100, leave=False, bar_format="{l_bar}{bar}| {elapsed}<{remaining}"))
        bars[0].update(100 * share - bars[0].n)

    try:
        yield watch
    finally:
        for shown in bars:
            shown.close()
