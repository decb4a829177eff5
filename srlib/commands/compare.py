"""`srlib compare`: what models make of one's own pictures, side by side."""

import argparse
import math
import sys
from pathlib import Path

from srlib.commands.options import MODEL, PRECISIONS, Commands, bar, check_out, whole

SOME_FAILED = 1  # the exit code where others were done
SHOWN = 128  # LR pixels a side of what is drawn


def add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare", help="the middle of pictures enlarged by several models, as a picture, and NIQE as a table"
    )
    parser.add_argument("inputs", type=Path, nargs="+", metavar="IN", help="pictures, or folders of them")
    parser.add_argument("--models", nargs="+", default=["bicubic", "real-esrgan"], metavar="MODEL", help=MODEL)
    parser.add_argument("--scale", type=whole, default=4, help="default: 4")
    parser.add_argument("--crop", type=whole, default=256, metavar="N", help="pixels that are enlarged (default: 256)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16 is several times faster")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.add_argument("--out", type=Path, default=Path("compare.png"), metavar="FILE", help="default: compare.png")
    parser.set_defaults(run=_compare)


def _titles(models: list[str]) -> list[str]:
    """What the models are called: their names, of files the last part, or all of it where that is another's too."""
    if doubled := [name for name in models if models.count(name) > 1]:
        raise ValueError(f"{doubled[0]} is named twice: leave one out")
    short = [Path(name).stem for name in models]
    return [stem if short.count(stem) == 1 else name for stem, name in zip(short, models, strict=True)]


def _compare(args: argparse.Namespace) -> int:
    import torch

    from srlib import datasets, image, niqe, plots
    from srlib.formats.opening import ImageError
    from srlib.inference import floats, open_model

    plots.check_suffix(args.out)
    paths = [path for given in args.inputs for path in (datasets.files(given) if given.is_dir() else [given])]
    check_out(args.out, paths)
    options = {"scale": args.scale, "device": args.device, "precision": args.precision}
    models = {title: open_model(name, **options) for title, name in zip(_titles(args.models), args.models, strict=True)}
    rows, table = [], []
    failed: list[Exception] = []
    for path in bar(paths, "picture"):
        try:
            picture = image.middle(image.read(path).rgb, args.crop)
        except (ImageError, OSError) as error:
            failed.append(error)
            continue
        with torch.inference_mode():
            large = {name: floats(model(image.to_uint8(picture))).clamp(0, 1) for name, model in models.items()}
        fits = niqe.fits(*(side * args.scale for side in picture.shape[-2:]))
        figures = [float(niqe.niqe(made, border=0)) if fits else math.nan for made in large.values()]
        table.append([path.name, *(f"{figure:.2f}" for figure in figures)])
        shown = {name: image.middle(made, SHOWN * args.scale) for name, made in large.items()}
        rows.append({f"{path.stem}: {name}": made for name, made in shown.items()})
    if not rows:
        raise failed[0]
    lines = [["NIQE (lower) of", *models], ["---"] * (len(models) + 1), *table]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    first, *others = models
    measured = [line for line in table if not math.isnan(float(line[1]))]  # the others are too small for NIQE
    for k, name in enumerate(others, 2):
        better = sum(float(line[k]) < float(line[1]) for line in measured)
        print(f"\n{name} is lower than {first} in {better} of {len(measured)}")
    plots.save(plots.rows(rows), args.out, dpi=100)
    print(args.out)
    if len(measured) < len(table):
        print(f"srlib: nan: too small for NIQE, which needs two patches of {niqe.PATCH} pixels a side", file=sys.stderr)
    for one in failed:
        why = one.strerror if isinstance(one, OSError) and one.strerror else str(one)
        print(f"srlib: {' '.join(why.split())}", file=sys.stderr)
    if failed:
        print(f"srlib: {len(failed)} of {len(paths)} pictures could not be read", file=sys.stderr)
    return SOME_FAILED if failed else 0
