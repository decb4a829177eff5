"""`srlib train` and `srlib curves`: runs and their logs."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from srlib.commands.options import (
    PRECISIONS,
    Commands,
    at_least_0,
    count,
    positive,
    seed,
    share,
    tap,
    whole,
)

if TYPE_CHECKING:
    from srlib.state import Run


def add_train(commands: Commands) -> None:
    parser = commands.add_parser("train", help="train a network by a recipe")
    parser.add_argument("recipe", metavar="RECIPE", help="such as srresnet; a wrong name lists them")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/RECIPE_xSCALE")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out by its own options")
    parser.add_argument(
        "--start",
        "--begin",  # torchrun takes --start for a part of its own --start-method
        metavar="MODEL",
        help="a shipped name or weights file, any scale, to start from (under torchrun: --begin); none: the recipe's "
        "initialisation (default: the stage before, if any)",
    )
    budget = parser.add_argument_group("budget (default: the paper's steps)")
    budget.add_argument(
        "--minutes", type=positive, help="train for a time: the rate ends annealed, patches and batch fit the device"
    )
    budget.add_argument("--steps", type=whole, help="train for so many steps")
    recipe = parser.add_argument_group("what to change in the recipe")
    recipe.add_argument("--scale", type=whole, help="2, 3 or 4 (patches keep their size in LR pixels)")
    recipe.add_argument("--data", nargs="+", metavar="SET", help="names of sets, or folders")
    recipe.add_argument("--lr-data", metavar="FOLDER", help="the data's LR partners, by name; else they are made")
    recipe.add_argument("--batch", type=whole, help="patches a step, over all processes")
    recipe.add_argument("--hr-crop", type=whole, help="HR pixels a side of a patch")
    recipe.add_argument("--learning-rate", type=positive)
    recipe.add_argument("--clip", type=positive, metavar="NORM", help="largest norm of the gradient")
    recipe.add_argument("--ema", type=share, metavar="KEEP", help="ship the moving average, such as 0.999")
    recipe.add_argument("--seed", type=seed)
    recipe.add_argument("--blocks", type=whole, help="of the body (default: those of --start, else the paper's)")
    game = parser.add_argument_group("perceptual distance and game")
    game.add_argument("--pixel-weight", type=at_least_0)
    game.add_argument("--perceptual-weight", type=at_least_0)
    game.add_argument("--adversarial-weight", type=positive)
    game.add_argument(
        "--taps", nargs="+", type=tap, metavar="LAYER[=WEIGHT]", help="of VGG19, such as relu3_4 or conv3_4=0.5"
    )
    game.add_argument("--random-features", action="store_true", help="untrained VGG19: to try the mechanics only")
    game.add_argument("--discriminator-rate", type=positive, help="its learning rate (default: the generator's)")
    game.add_argument("--warm-up", type=count, metavar="STEPS", help="in which the discriminator learns alone")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    machine.add_argument("--precision", choices=PRECISIONS, help="default: the best that the device has")
    machine.add_argument("--accumulate", type=whole, metavar="PARTS", help="a batch in parts: less memory")
    machine.add_argument("--auto-batch", action="store_true", help="the largest batch that fits on the GPU")
    machine.add_argument("--compile", action="store_true", help="torch.compile the network; see `srlib bench train`")
    machine.add_argument("--deterministic", action="store_true", help="the same numbers at every run of a GPU; slower")
    machine.add_argument("--workers", type=int, default=0, help="processes that cut patches ahead")
    parser.add_argument("--log-every", type=whole, metavar="STEPS", help="default: 100")
    parser.add_argument("--save-every", type=whole, metavar="STEPS", help="default: 500")
    parser.add_argument("--validate-every", type=whole, metavar="STEPS", help="default: 2000")
    parser.add_argument("--validation", metavar="SET", help="default: as begun, else Set5 or pictures/held-out")
    parser.set_defaults(run=_train)


_WEIGHTS = ("pixel_weight", "perceptual_weight", "adversarial_weight")
_BUDGET = ("steps", "minutes", "learning_rate", "clip", "ema", "seed")
_CHOICES = (*_BUDGET, *_WEIGHTS, "scale", "batch", "hr_crop", "blocks", "warm_up", "lr_data", "discriminator_rate")
_KEPT = ("accumulate", "log_every", "save_every", "validate_every", "validation")  # options that a resumed run keeps


def _train(args: argparse.Namespace) -> None:
    from srlib import checkpoints, distributed, tiers
    from srlib.inference import checked
    from srlib.precision import best_precision
    from srlib.recipes import RECIPES
    from srlib.runs import Options, planned, train
    from srlib.starts import begun_with

    device = checked(distributed.own_device(args.device))
    if args.recipe not in RECIPES:
        planned(args.recipe, {}, device)  # raises, and tells which there are
    given = {name: value for name in _CHOICES if (value := getattr(args, name)) is not None}
    kept = {name: value for name in _KEPT if (value := getattr(args, name)) is not None}
    if args.data:
        given["data"] = tuple(args.data)
    if args.taps:
        given["features"] = tuple(args.taps)
    if args.random_features:
        given["random_features"] = True
    folder = args.out or Path("runs") / f"{args.recipe}_x{given.get('scale', RECIPES[args.recipe].scale)}"
    leads, begun, precision = distributed.world().leads, 0, args.precision or best_precision(device)
    if args.resume:
        path, saved = checkpoints.newest(folder)
        if leads and path != checkpoints.all_in(folder)[-1]:
            print(f"{checkpoints.all_in(folder)[-1]} cannot be read: going on from {path.name}", file=sys.stderr)
        if args.recipe != (held := saved["recipe"]["name"]):
            raise ValueError(f"{folder} holds a run of {held}: `srlib train {held} --resume`, or another --out")
        given = {**saved["notes"].get("chosen", {}), **given}
        kept = {**saved["notes"].get("kept", {}), **kept}
        begun, precision = saved["step"], args.precision or saved["precision"]
    recipe, chosen = planned(args.recipe, given, device)
    start = args.start
    if not args.resume:
        start, blocks = begun_with(recipe, args.start)
        if blocks and "blocks" not in given:
            recipe, chosen = planned(args.recipe, given | {"blocks": blocks}, device)
    if args.auto_batch and not args.resume:
        batch = tiers.largest_batch(recipe, device, precision)
        recipe, chosen = replace(recipe, batch=batch), {**chosen, "batch": batch}
    options = Options(
        device=args.device,
        precision=precision,
        workers=args.workers,
        compiled=args.compile,
        deterministic=args.deterministic,
        weights=start,
        **kept,
    )
    budgets = {"--minutes": recipe.minutes, "--steps": recipe.steps}
    budget = " or ".join(f"{value:,.10g} {name[2:]}" for name, value in budgets.items() if value)
    if leads:
        print(
            f"{recipe.name} x{recipe.scale}, {budget}: batch {recipe.batch}, patches of {recipe.hr_crop} HR pixels, "
            f"on {device} in {precision}; {folder}"
        )
        if start:
            print(f"starting from {start}" + (f", {chosen['blocks']} blocks" if "blocks" in chosen else ""))
        if recipe.perceptual:
            eye, papers = "RANDOM features" if recipe.random_features else "VGG19", RECIPES[args.recipe].features
            told = f" (the paper's: {_layers(papers)})" if papers not in ((), recipe.features) else ""
            print(f"perceptual distance through {eye}: {_layers(recipe.features)}{told}")
    run = train(recipe, folder, options, resume=args.resume, chosen=chosen, kept=kept)
    if leads:
        print(
            f"{folder}: {run.step} steps in {run.seconds / 60:.1f} minutes, {_measured(run)}; "
            f"{run.waited / max(run.seconds, 1e-9):.1%} of the time waited for data, {run.skipped} steps skipped"
        )
        if run.opponent is not None and run.step <= run.recipe.warm_up:
            print(
                f"the generator has not begun to learn: for {run.recipe.warm_up} steps its discriminator learns "
                "alone; give more --minutes, or a smaller --warm-up",
                file=sys.stderr,
            )
        if args.resume and run.step == begun:
            more = " and ".join(name for name, value in budgets.items() if value)
            print(f"nothing was left to do: its budget of {budget} is used; more {more} goes on", file=sys.stderr)


def _layers(taps: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{weight:g} x {name}" for name, weight in taps)


def _measured(run: "Run") -> str:
    if run.opponent is None:
        return f"{run.terms['psnr']:.3f} dB"
    natural = f"NIQE {run.terms['niqe']:.2f}, " if "niqe" in run.terms else ""
    return f"{natural}sharpness {run.terms['sharpness']:.2f} of the truth's, at {run.terms['psnr']:.2f} dB"


def add_curves(commands: Commands) -> None:
    parser = commands.add_parser("curves", help="draw loss and PSNR of one or several training runs")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="what `srlib train` writes")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), metavar="FILE", help="default: curves.png")
    parser.set_defaults(run=_curves)


def _curves(args: argparse.Namespace) -> None:
    from srlib.logs import read_log
    from srlib.plots import check_suffix, curves, save
    from srlib.runs import LOG

    check_suffix(args.out)
    if missing := [folder for folder in args.folders if not (folder / LOG).is_file()]:
        raise ValueError(f"{missing[0]} holds no training run: {LOG} is missing")
    same = len({folder.resolve().name for folder in args.folders}) < len(args.folders)
    logs = {str(folder) if same else folder.resolve().name: read_log(folder / LOG) for folder in args.folders}
    columns = [key for key in ("loss", "psnr") if any(key in line for lines in logs.values() for line in lines)]
    if not columns:
        raise ValueError(f"{args.folders[0] / LOG} has no line yet: a run writes one every --log-every steps")
    figure = curves(logs, columns=columns)
    save(figure, args.out, dpi=120)
    print(args.out)
