"""`srlib models`, `plane`, `publish` and `fit-niqe`: what comes with the library, and what it measures."""

import argparse
import sys
from pathlib import Path

from srlib.commands.options import Commands, bar, check_out, whole


def add_models(commands: Commands) -> None:
    parser = commands.add_parser("models", help="the shipped models, and what they measured")
    parser.add_argument("--measure", action="store_true", help="measure them anew and write their cards")
    parser.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    from srlib import zoo

    if args.measure:
        from srlib.cards import measure_again

        for path in measure_again():
            print(path, file=sys.stderr)

    print(zoo.table())
    games = {
        f"{name} x{scale}": figures
        for name in zoo.names()
        for scale in zoo.scales(name)
        if zoo.is_game(name, scale)
        and "niqe" in (figures := zoo.card(name, scale)["measured"]["y-of-rgb"].get("Set14", {}))
    }
    print("\nTrained in games, which are not judged by PSNR; Set14, y-of-rgb:\n")
    print(zoo.perceived(games))


def add_plane(commands: Commands) -> None:
    parser = commands.add_parser(
        "plane", help="the perception-distortion plane of the shipped models, as table and picture"
    )
    parser.add_argument("--set", default="Set14", metavar="SET", help="a set or folder (default: Set14)")
    parser.add_argument("--scale", type=whole, default=4, help="default: 4")
    parser.add_argument("--convention", choices=("y-of-rgb", "degraded"), default="y-of-rgb", help="how LR is made")
    parser.add_argument("--out", type=Path, default=Path("plane.png"), metavar="FILE", help="default: plane.png")
    parser.set_defaults(run=_plane)


def _plane(args: argparse.Namespace) -> None:
    from srlib import datasets, perception, plots, zoo
    from srlib.blending import open_interpolated
    from srlib.inference import open_model

    plots.check_suffix(args.out)
    check_out(args.out, datasets.files(args.set))
    models = {name: open_model(name, scale=args.scale) for name in ("bicubic", *zoo.names()) if _has(name, args.scale)}
    path = []
    if args.convention == "y-of-rgb" and {"rrdb-psnr", "esrgan"} <= models.keys():
        steps = {f"alpha {alpha:g}": alpha for alpha in (0.2, 0.4, 0.6, 0.8)}
        models |= {n: open_interpolated("esrgan", "rrdb-psnr", a, scale=args.scale) for n, a in steps.items()}
        path = [["rrdb-psnr", *steps, "esrgan"]]
    eye = perception.judge()
    rows = {}
    for name, model in bar(models.items(), "model"):
        seen = perception.perceive(model, args.set, eye=eye, convention=args.convention)
        rows[name] = {key: value for key, value in seen._asdict().items() if value is not None}
    truth = perception.of_the_truth(args.set, args.scale)
    print(zoo.perceived(rows))
    alpha = "; alpha: the share of esrgan in its interpolation with rrdb-psnr" if path else ""
    print(f"\nNIQE of the true pictures: {truth:.2f}{alpha}")
    points = {name: (row["psnr"], row["niqe"]) for name, row in rows.items()}
    figure = plots.plane(
        points,
        paths=path,
        truth=truth,
        title=f"{args.set}, x{args.scale}" + ", degraded" * (args.convention == "degraded"),
    )
    plots.save(figure, args.out, dpi=120)
    print(args.out)


def _has(name: str, scale: int) -> bool:
    from srlib import zoo

    return name == "bicubic" or scale in zoo.scales(name)


def add_publish(commands: Commands) -> None:
    parser = commands.add_parser("publish", help="measure a finished run and make it a shipped model with a card")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what `srlib train` wrote")
    parser.add_argument("--name", required=True, help="the model's name, as in `srlib evaluate NAME`")
    parser.add_argument("--replace", action="store_true", help="even if a model of that name and scale is shipped")
    parser.set_defaults(run=_publish)


def _publish(args: argparse.Namespace) -> None:
    from srlib.cards import publish

    print(publish(args.folder, args.name, replace=args.replace))


def add_fit_niqe(commands: Commands) -> None:
    parser = commands.add_parser("fit-niqe", help="fit NIQE's model of undistorted photographs")
    parser.add_argument("sets", nargs="+", metavar="SET", help="names of sets, or folders; the shipped: BSDS500/train")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .safetensors to write")
    parser.set_defaults(run=_fit_niqe)


def _fit_niqe(args: argparse.Namespace) -> None:
    from srlib import datasets, image, niqe

    paths = [path for name in args.sets for path in datasets.files(name)]
    check_out(args.out, paths)
    pristine = niqe.fit(image.read(path).rgb for path in bar(paths, "picture"))
    names = [name if datasets.is_known(name) else Path(name).resolve().name for name in args.sets]
    source = f"{' '.join(names)}: {pristine.patches} sharp patches of {len(paths)} pictures"
    niqe.save(pristine, args.out, source=source)
    print(source)
