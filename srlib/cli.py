"""The command `srlib`: upscale, evaluate, train, data, bench. One sentence and exit code 2 for every error."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from srlib.precision import Precision

_T = TypeVar("_T")
PRECISIONS = ("fp32", "bf16", "fp16")  # those of srlib.precision, which would import torch
SIGNAL_EXIT = 130  # what a shell reports after Ctrl-C


class _Parser(argparse.ArgumentParser):
    """Errors as one sentence, without the usage block."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = _parser().parse_args(argv)
    from srlib.download import DownloadError
    from srlib.runs import Stopped

    try:
        return args.run(args) or 0
    except (Stopped, KeyboardInterrupt) as stop:
        print(f"srlib: {str(stop) or 'interrupted'}", file=sys.stderr)
        return SIGNAL_EXIT
    except BrokenPipeError:
        return 0
    except (ValueError, FloatingPointError, DownloadError, OSError, MemoryError) as error:
        print(f"srlib: {_sentence(error)}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="srlib", description="Image super-resolution: enlarge, measure, train.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for add in (_add_upscale, _add_evaluate, _add_train, _add_curves, _add_models, _add_publish, _add_data, _add_bench):
        add(commands)
    return parser


_ENSEMBLE = "the mean over eight flips and rotations: better by a little, eight times the work"
_SCALES = (2, 3, 4)
_MODEL = "nearest, bicubic, a shipped name, or a weights file"


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return number


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to 2**63 - 1")
    return int(text)


def _share(text: str) -> float:
    if not 0 < (number := _positive(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number between 0 and 1")
    return number


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _add_upscale(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("upscale", help="enlarge a picture, or all pictures of a folder")
    parser.add_argument("input", type=Path, metavar="IN", help="a picture or a folder")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture or a folder to write")
    parser.add_argument("--model", default="srcnn", help=_MODEL)
    parser.add_argument("--scale", type=_whole, help="2, 3 or 4 (default: the file's own, else 4)")
    parser.add_argument("--ensemble", action="store_true", help=_ENSEMBLE)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16 is several times faster")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.set_defaults(run=_upscale)


def _upscale(args: argparse.Namespace) -> None:
    from srlib import datasets, image
    from srlib.inference import open_model, self_ensemble, upscale

    model = open_model(args.model, scale=args.scale, device=args.device, precision=args.precision)
    if args.ensemble:
        model = self_ensemble(model)
    if not args.input.is_dir():
        pairs = [(args.input, args.output / args.input.name if args.output.is_dir() else args.output)]
    else:
        if args.output.is_file():
            raise ValueError(f"{args.output} is a file, but {args.input} is a folder: name a folder for the results")
        pairs = [(path, args.output / path.name) for path in datasets.files(args.input)]
        pairs = [
            (source, target.with_suffix(".png") if target.suffix.lower() == ".webp" else target)
            for source, target in pairs
        ]
    if any(source.resolve() == target.resolve() for source, target in pairs):
        raise ValueError(f"{args.output} would overwrite the pictures it is made of: name another OUT")
    for _, target in pairs:
        image.format_of(target, bits=8, alpha=False)  # a wrong suffix is told before the work
    for source, target in _bar(pairs, "picture"):
        picture = image.read(source)
        image.format_of(target, bits=picture.bits, alpha=picture.alpha is not None)
        done = upscale(picture, model)
        rgb = done.rgb[:, :1] if done.grey else done.rgb
        image.write(target, rgb, alpha=done.alpha, bits=done.bits)


def _add_evaluate(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("evaluate", help="PSNR and SSIM of a model on benchmark sets")
    parser.add_argument("model", metavar="MODEL", nargs="?", help=_MODEL)
    parser.add_argument(
        "--all", action="store_true", help="bicubic and every shipped model, by every convention, as a table"
    )
    parser.add_argument(
        "--set", nargs="+", metavar="SET", help="names of sets, or folders (default: Set5; with --all Set14 too)"
    )
    parser.add_argument("--scale", type=_whole, help="2, 3 or 4 (default: the file's own, else 4)")
    parser.add_argument("--convention", metavar="NAME", help="the protocol: y-of-rgb (default) or y-only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--ensemble", action="store_true", help=_ENSEMBLE)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16 is several times faster")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> None:
    import json

    from srlib import evaluation
    from srlib.files import write_text
    from srlib.inference import open_model, self_ensemble

    if args.all == bool(args.model):
        raise ValueError("name one MODEL, or --all for every shipped one")
    if args.all:
        unused = {"--json": args.json, "--ensemble": args.ensemble, "--convention": args.convention}
        if given := [option for option, value in unused.items() if value]:
            raise ValueError(f"--all measures by every convention, as a table: leave {', '.join(given)} out")
        if args.scale not in (None, *_SCALES):
            raise ValueError(
                f"no model is shipped for scale {args.scale}: choose one of {', '.join(map(str, _SCALES))}"
            )
        print(_all_models(args.set or ["Set5", "Set14"], args.scale, args.device, args.precision))
        return
    model = open_model(args.model, scale=args.scale, device=args.device, precision=args.precision)
    if args.ensemble:
        model = self_ensemble(model)
    convention = args.convention or "y-of-rgb"
    results = evaluation.evaluate(
        model, args.set or ["Set5"], convention=convention, watch=lambda files: _bar(files, "picture")
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
    wanted = [("bicubic", s) for s in _SCALES] + [(name, s) for name in zoo.names() for s in zoo.scales(name)]
    for name, s in _bar([pair for pair in wanted if scale in (None, pair[1])], "model"):
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


def _add_train(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("train", help="train a network by a recipe")
    parser.add_argument("recipe", metavar="RECIPE", help="such as srresnet; a wrong name lists them")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/RECIPE_xSCALE")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out by its own options")
    parser.add_argument("--start", metavar="MODEL", help="a shipped name or weights file to start from; any scale")
    budget = parser.add_argument_group("budget (default: the paper's steps)")
    budget.add_argument(
        "--minutes", type=_positive, help="train for a time: the rate ends annealed, patches and batch fit the device"
    )
    budget.add_argument("--steps", type=_whole, help="train for so many steps")
    recipe = parser.add_argument_group("what to change in the recipe")
    recipe.add_argument("--scale", type=_whole, help="2, 3 or 4 (patches keep their size in LR pixels)")
    recipe.add_argument("--data", nargs="+", metavar="SET", help="names of sets, or folders")
    recipe.add_argument("--batch", type=_whole, help="patches a step, over all processes")
    recipe.add_argument("--hr-crop", type=_whole, help="HR pixels a side of a patch")
    recipe.add_argument("--learning-rate", type=_positive)
    recipe.add_argument("--clip", type=_positive, metavar="NORM", help="largest norm of the gradient")
    recipe.add_argument("--ema", type=_share, metavar="KEEP", help="ship the moving average, such as 0.999")
    recipe.add_argument("--seed", type=_seed)
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    machine.add_argument("--precision", choices=PRECISIONS, help="default: the best that the device has")
    machine.add_argument("--accumulate", type=_whole, metavar="PARTS", help="a batch in parts: less memory")
    machine.add_argument("--auto-batch", action="store_true", help="the largest batch that fits on the GPU")
    machine.add_argument("--compile", action="store_true", help="torch.compile the network; see `srlib bench train`")
    machine.add_argument("--deterministic", action="store_true", help="the same numbers at every run of a GPU; slower")
    machine.add_argument("--workers", type=int, default=0, help="processes that cut patches ahead")
    parser.add_argument("--log-every", type=_whole, metavar="STEPS", help="default: 100")
    parser.add_argument("--save-every", type=_whole, metavar="STEPS", help="default: 500")
    parser.add_argument("--validate-every", type=_whole, metavar="STEPS", help="default: 2000")
    parser.add_argument("--validation", metavar="SET", help="default: as begun, else Set5 or pictures/held-out")
    parser.set_defaults(run=_train)


_CHOICES = ("scale", "batch", "hr_crop", "learning_rate", "clip", "ema", "seed", "steps", "minutes")
_KEPT = ("accumulate", "log_every", "save_every", "validate_every", "validation")  # options that a resumed run keeps


def _train(args: argparse.Namespace) -> None:
    from srlib import checkpoints, distributed, tiers
    from srlib.inference import checked
    from srlib.precision import best_precision
    from srlib.recipes import RECIPES
    from srlib.runs import Options, planned, train

    device = checked(distributed.own_device(args.device))
    if args.recipe not in RECIPES:
        planned(args.recipe, {}, device)  # raises, and tells which there are
    given = {name: value for name in _CHOICES if (value := getattr(args, name)) is not None}
    kept = {name: value for name in _KEPT if (value := getattr(args, name)) is not None}
    if args.data:
        given["data"] = tuple(args.data)
    folder = args.out or Path("runs") / f"{args.recipe}_x{given.get('scale', RECIPES[args.recipe].scale)}"
    leads, begun, precision = distributed.world().leads, 0, args.precision or best_precision(device)
    if args.resume:
        path, saved = checkpoints.newest(folder)
        if leads and path != checkpoints.all_in(folder)[-1]:
            print(f"{checkpoints.all_in(folder)[-1]} cannot be read: going on from {path.name}", file=sys.stderr)
        given = {**saved["notes"].get("chosen", {}), **given}
        kept = {**saved["notes"].get("kept", {}), **kept}
        begun, precision = saved["step"], args.precision or saved["precision"]
    recipe, chosen = planned(args.recipe, given, device)
    if args.auto_batch and not args.resume:
        batch = tiers.largest_batch(recipe, device, precision)
        recipe, chosen = replace(recipe, batch=batch), {**chosen, "batch": batch}
    options = Options(
        device=args.device,
        precision=precision,
        workers=args.workers,
        compiled=args.compile,
        deterministic=args.deterministic,
        weights=args.start,
        **kept,
    )
    budgets = {"--minutes": recipe.minutes, "--steps": recipe.steps}
    budget = " or ".join(f"{value:,.10g} {name[2:]}" for name, value in budgets.items() if value)
    if leads:
        print(
            f"{recipe.name} x{recipe.scale}, {budget}: batch {recipe.batch}, patches of {recipe.hr_crop} HR pixels, "
            f"on {device} in {precision}; {folder}"
        )
    run = train(recipe, folder, options, resume=args.resume, chosen=chosen, kept=kept)
    if leads:
        print(
            f"{folder}: {run.step} steps in {run.seconds / 60:.1f} minutes, {run.terms['psnr']:.3f} dB; "
            f"{run.waited / max(run.seconds, 1e-9):.1%} of the time waited for data, {run.skipped} steps skipped"
        )
        if args.resume and run.step == begun:
            more = " and ".join(name for name, value in budgets.items() if value)
            print(f"nothing was left to do: its budget of {budget} is used; more {more} goes on", file=sys.stderr)


def _add_curves(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("curves", help="draw loss and PSNR of one or several training runs")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="what `srlib train` writes")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), metavar="FILE", help="default: curves.png")
    parser.set_defaults(run=_curves)


def _curves(args: argparse.Namespace) -> None:
    from srlib.logs import read_log
    from srlib.plots import curves
    from srlib.runs import LOG

    if missing := [folder for folder in args.folders if not (folder / LOG).is_file()]:
        raise ValueError(f"{missing[0]} holds no training run: {LOG} is missing")
    same = len({folder.resolve().name for folder in args.folders}) < len(args.folders)
    logs = {str(folder) if same else folder.resolve().name: read_log(folder / LOG) for folder in args.folders}
    columns = [key for key in ("loss", "psnr") if any(key in line for lines in logs.values() for line in lines)]
    if not columns:
        raise ValueError(f"{args.folders[0] / LOG} has no line yet: a run writes one every --log-every steps")
    figure = curves(logs, columns=columns)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120)
    print(args.out)


def _add_models(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("models", help="the shipped models, and what they measured")
    parser.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    from srlib import zoo

    print(zoo.table())


def _add_publish(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("publish", help="measure a finished run and make it a shipped model with a card")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what `srlib train` wrote")
    parser.add_argument("--name", required=True, help="the model's name, as in `srlib evaluate NAME`")
    parser.set_defaults(run=_publish)


def _publish(args: argparse.Namespace) -> None:
    from srlib.runs import publish

    print(publish(args.folder, args.name))


def _add_data(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("data", help="list, download and check sets of pictures")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    actions.add_parser("list", help="the sets, and which are here").set_defaults(run=_data_list)
    get = actions.add_parser("get", help="download sets, with hashes; resumes where it stopped")
    get.add_argument("names", nargs="+", metavar="NAME")
    get.set_defaults(run=_data_get)
    check = actions.add_parser("check", help="look for damaged, doubled and too small pictures")
    check.add_argument("folder", metavar="FOLDER")
    check.set_defaults(run=_data_check)


def _data_list(args: argparse.Namespace) -> None:
    from srlib import datasets

    for row in datasets.status():
        print(f"{row.name:12} {row.images:5} pictures {row.bytes / 1e6:9.1f} MB  {row.state:12} {row.folder}")


def _data_get(args: argparse.Namespace) -> None:
    from srlib import datasets

    datasets.get(*args.names)
    _data_list(args)


def _data_check(args: argparse.Namespace) -> int:
    from srlib import datasets

    rows = datasets.check(args.folder)
    bad = [row for row in rows if row.problems]
    for row in bad:
        print(f"{row.path.name}: {'; '.join(row.problems)}")
    print(f"{len(rows)} pictures, {len(bad)} with problems")
    return 1 if bad else 0


def _add_bench(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("bench", help="speed and exactness beside other libraries, as ratios")
    parser.add_argument(
        "what",
        nargs="?",
        choices=("metrics", "train"),
        default="metrics",
        help="metrics: resizing, PSNR, SSIM, start-up (default); train: steps a second, waiting, memory",
    )
    parser.add_argument("--threads", type=int, default=1, help="one thread is the fairest comparison")
    parser.add_argument("--device", default="cpu", help="where `train` is measured: cpu, cuda, mps")
    parser.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> None:
    from srlib import bench, bench_train
    from srlib.inference import checked

    if args.what == "metrics" and args.device != "cpu":
        raise ValueError(f"metrics are measured on the CPU: leave --device {args.device} out, or name `train`")
    if args.what == "train":
        print(bench_train.report(device=checked(args.device), threads=args.threads))
    else:
        print(bench.report(threads=args.threads))


def _bar(items: Iterable[_T], unit: str) -> Iterable[_T]:
    from tqdm import tqdm

    return tqdm(items, unit=unit, leave=False)
