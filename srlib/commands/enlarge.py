"""`srlib evaluate`, and the options by which models enlarge."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from srlib.commands.options import (
    MODEL,
    PRECISIONS,
    SCALES,
    Commands,
    Parser,
    bar,
    json_file,
    whole,
)

if TYPE_CHECKING:
    from srlib.inference import Model
    from srlib.precision import Precision


def add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser("evaluate", help="PSNR and SSIM of a model on benchmark sets")
    parser.add_argument("model", metavar="MODEL", nargs="?", help=MODEL)
    parser.add_argument(
        "--all", action="store_true", help="bicubic and every shipped model, by the papers' conventions, as a table"
    )
    parser.add_argument(
        "--set", nargs="+", metavar="SET", help="names of sets, or folders (default: Set5; with --all Set14 too)"
    )
    parser.add_argument("--convention", metavar="NAME", help="the protocol: y-of-rgb (default), y-only or degraded")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the figures as JSON too")
    add_enlarging(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> None:
    import json

    from srlib import evaluation
    from srlib.files import write_text

    if args.all == bool(args.model):
        raise ValueError("name one MODEL, or --all for every shipped one")
    if args.all:
        unused = {"--json": args.json, "--convention": args.convention, "--ensemble": args.ensemble or None}
        unused |= {"--blend": args.blend, "--alpha": args.alpha, "--back-project": args.back_project}
        if given := [option for option, value in unused.items() if value is not None]:
            raise ValueError(f"--all measures by the papers' conventions, as a table: leave {', '.join(given)} out")
        if args.scale not in (None, *SCALES):
            raise ValueError(f"no model is shipped for scale {args.scale}: choose one of {', '.join(map(str, SCALES))}")
        print(_all_models(args.set or ["Set5", "Set14"], args.scale, args.device, args.precision))
        return
    model = opened(args)
    convention = args.convention or "y-of-rgb"
    results = evaluation.evaluate(
        model, args.set or ["Set5"], convention=convention, watch=lambda files: bar(files, "picture")
    )
    print(f"{model.name}  x{model.scale}  {convention}  {model.parameters:,} parameters\n")
    print(evaluation.as_table(results))
    if args.json:
        figures = evaluation.as_json(results, model=model, convention=convention)
        write_text(args.json, json.dumps(figures, indent=1) + "\n")


def _all_models(sets: Sequence[str], scale: int | None, device: str, precision: "Precision") -> str:
    """Bicubic and every shipped model measured now, as a Markdown table."""
    from srlib import evaluation, zoo
    from srlib.inference import open_model

    rows = []
    shipped = [(name, s) for name in zoo.names() for s in zoo.scales(name) if not zoo.is_game(name, s)]
    wanted = [("bicubic", s) for s in SCALES] + shipped
    for name, s in bar([pair for pair in wanted if scale in (None, pair[1])], "model"):
        model = open_model(name, scale=s, device=device, precision=precision)
        results = {c: evaluation.evaluate(model, sets, convention=c) for c in evaluation.conventions_of(model)}
        rows.append(
            {
                "model": name,
                "scale": s,
                "parameters": model.parameters,
                "measured": {c: {r.name: r.mean()._asdict() for r in made} for c, made in results.items()},
                "seconds": results["y-of-rgb"][0].mean().seconds,
            }
        )
    return zoo.tabulated(rows)


def add_enlarging(parser: Parser) -> None:
    """The options that say how a model enlarges; `opened` reads them."""
    parser.add_argument("--scale", type=whole, help="2, 3 or 4 (default: the file's own, else 4)")
    parser.add_argument(
        "--ensemble",
        "--self-ensemble",
        action="store_true",
        help="the mean over eight flips and rotations: better by a little, eight times the work",
    )
    parser.add_argument(
        "--blend", metavar="PSNR", help="a network between two: the one that MODEL's adversarial training began from"
    )
    parser.add_argument("--alpha", type=float, metavar="SHARE", help="of MODEL's weights in --blend, from 0 to 1")
    parser.add_argument(
        "--back-project", type=whole, metavar="TIMES", help="correct the result until it shrinks to the input again"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16 is several times faster")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")


def opened(args: argparse.Namespace) -> "Model":
    from srlib.blending import back_projected, open_interpolated
    from srlib.inference import open_model, self_ensemble

    if (args.blend is None) != (args.alpha is None):
        raise ValueError("--blend and --alpha belong together: name the PSNR network and the share of MODEL, 0 to 1")
    if args.blend is None:
        model = open_model(args.model, scale=args.scale, device=args.device, precision=args.precision)
    else:
        model = open_interpolated(
            args.model, args.blend, args.alpha, scale=args.scale, device=args.device, precision=args.precision
        )
    if args.ensemble:
        model = self_ensemble(model)
    return back_projected(model, args.back_project) if args.back_project else model
