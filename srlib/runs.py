"""A training run as a folder: checkpoint, log, weights, summary; stopped at any moment, it goes on where it was."""

import csv
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from srlib import datasets, evaluation, training, zoo
from srlib.files import atomically, write_text
from srlib.inference import checked, network_model
from srlib.patches import Patches, batches
from srlib.recipes import Recipe, describe
from srlib.training import Hook, Run, every

CHECKPOINT, LOG, SUMMARY, WEIGHTS = "checkpoint.pt", "log.csv", "run.json", "weights.safetensors"
COLUMNS = ("step", "seconds", "learning_rate", "loss", "psnr")


class Stopped(Exception):
    """The run was interrupted after a whole step; its checkpoint is saved."""


@dataclass(frozen=True)
class Options:
    """What a run's owner chooses and no paper says."""

    steps: int | None = None
    minutes: float | None = None
    device: str = "cpu"
    bf16: bool = False
    workers: int = 0
    log_every: int = 100
    save_every: int = 500
    validate_every: int = 2000
    convention: str = "y-only"
    validation: str | None = None  # a set; None means Set5 where it is there, else pictures/held-out
    weights: str | None = None  # a model to start from instead of the recipe's initialisation


def train(recipe: Recipe, folder: Path, options: Options, *, resume: bool = False, quiet: bool = False) -> Run:
    """Trains a recipe in a folder, with a progress bar, and leaves weights.safetensors, log.csv and run.json there.

    Raises ValueError if the folder holds a run and `resume` is off (or the other way round), or as the parts do;
    Stopped after Ctrl-C or SIGTERM, with the checkpoint of the last whole step saved.
    """
    checkpoint = folder / CHECKPOINT
    _check(recipe, folder, options, resume)
    watched = options.validation or _watched()
    datasets.files(watched)  # a wrong name is told now, not at the first validation
    run = training.start(recipe, device=checked(options.device), bf16=options.bf16)
    if resume:
        training.load_checkpoint(run, checkpoint)
        options = _resumed(options, run)
    elif options.weights:
        _begin_with(run, options.weights)
    run.notes = {"steps": options.steps, "minutes": options.minutes, "weights": options.weights}
    pictures = datasets.load(recipe.data, quiet=quiet)
    patches = Patches(pictures, scale=recipe.scale, hr_crop=recipe.hr_crop, seed=recipe.seed)
    log = Log(folder / LOG, step=run.step, every=options.log_every)
    measure = partial(validate, name=watched, convention=options.convention)
    with _progress(run, quiet) as show, _stopping() as stopping:
        hooks: list[Hook] = [
            every(options.validate_every, measure),
            log,
            every(options.save_every, partial(training.save_checkpoint, path=checkpoint)),
            show,
            stopping(checkpoint),
        ]
        source = batches(patches, batch=recipe.batch, first=run.step, workers=options.workers)
        steps = options.steps or (None if options.minutes else recipe.steps)
        training.fit(run, source, steps=steps, minutes=options.minutes, hooks=hooks)
    if "psnr" not in run.terms:  # a run that was killed after its last step and before its weights
        measure(run)
    zoo.save(run.generator, folder / WEIGHTS, scale=recipe.scale)
    write_text(folder / SUMMARY, json.dumps(summary(run, options, patches, watched), indent=1) + "\n")
    return run


def _check(recipe: Recipe, folder: Path, options: Options, resume: bool) -> None:
    if (folder / CHECKPOINT).exists() != resume:
        raise ValueError(
            f"{folder} holds no run to resume: leave --resume out to begin one"
            if resume
            else f"{folder} already holds a run: --resume goes on with it, or choose another --out"
        )
    if resume and options.weights:
        raise ValueError(f"a resumed run goes on from its own weights, not from {options.weights}: leave --start out")
    if recipe.hr_crop <= 2 * recipe.label_margin:
        raise ValueError(
            f"hr_crop {recipe.hr_crop} leaves nothing between label margins of {recipe.label_margin}: take a larger one"
        )


def _resumed(options: Options, run: Run) -> Options:
    """The options of a run that goes on: its own budget unless a new one is given, its own precision and start."""
    kept = run.notes
    budget = {} if options.steps or options.minutes else {"steps": kept["steps"], "minutes": kept["minutes"]}
    return replace(options, **budget, bf16=run.bf16, weights=kept["weights"])


def _begin_with(run: Run, weights: str) -> None:
    earlier = zoo.load(weights, scale=_scale_of(weights, run.recipe.scale))
    try:
        run.generator.load_state_dict(earlier.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"{weights} is another network than {run.recipe.name}'s: start from one of its kind"
        ) from error


def validate(run: Run, name: str, convention: str) -> None:
    """A hook: PSNR of the generator on a set, into run.terms["psnr"] and run.best."""
    with training.judging(run.generator):
        model = network_model(run.generator, name=run.recipe.name, device=run.device)
        [result] = evaluation.evaluate(model, [name], convention=convention)
    run.terms["psnr"] = result.mean().psnr
    run.best = max(run.best, run.terms["psnr"])


def summary(run: Run, options: Options, patches: Patches, watched: str) -> dict[str, Any]:
    """What a reader of the weights wants to know, as plain values; `start` nests the runs before this one."""
    return {
        "recipe": describe(run.recipe),
        "start": _history(options.weights) if options.weights else "the recipe's initialisation",
        "pictures": len(patches.hr),
        "pictures_too_small": patches.too_small,
        "steps": run.step,
        "minutes": round(run.seconds / 60, 1),
        "device": device_name(run.device),
        "precision": "bf16" if run.bf16 else "fp32",
        "torch": torch.__version__,
        "validation": {"set": watched, "convention": options.convention, "psnr": run.terms.get("psnr")},
    }


def _history(weights: str) -> Any:
    """The summary of the run that made the weights a run started from, else their name."""
    beside = Path(weights).with_name(SUMMARY)
    return json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else Path(weights).name


def publish(folder: Path, name: str, *, sets: Sequence[str] = ("Set5", "Set14"), target: Path = zoo.FOLDER) -> Path:
    """Turns a finished run into shipped weights: file, log and card side by side as NAME_xSCALE.

    The card holds the run's summary and what the weights measure on the sets, by both conventions. Returns its path.
    Raises ValueError if the run is not finished or a set is not here.
    """
    if not (folder / SUMMARY).is_file():
        raise ValueError(f"{folder} holds no finished run: {SUMMARY} is missing")
    network = zoo.load(folder / WEIGHTS)
    model = network_model(network, name=name)
    stem = target / f"{name}_x{model.scale}"
    measured = {
        convention: {r.name: r.mean()._asdict() for r in evaluation.evaluate(model, sets, convention=convention)}
        for convention in evaluation.CONVENTIONS
    }
    told = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    log = stem.with_suffix(".csv")
    stages = list(_stages(told))
    card = {
        "model": name,
        "parameters": model.parameters,
        "data": f"{told['recipe']['data']}, {told['pictures']} pictures",
        "steps": sum(stage["steps"] for stage in stages),
        "minutes": round(sum(stage["minutes"] for stage in stages), 1),
        "device": told["device"],
        "precision": told["precision"],
        "log": log.name,  # of the last stage
        "measured": measured,
        "stages": stages,
    }
    write_text(log, (folder / LOG).read_text(encoding="utf-8"))
    write_text(stem.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    zoo.save(network, stem.with_suffix(".safetensors"), scale=model.scale)  # last: the model is there with its card
    return stem.with_suffix(".json")


def _stages(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs that led to some weights, the first one first."""
    if isinstance(told["start"], dict):
        yield from _stages(told["start"])
    yield {**told, "start": "the stage before" if isinstance(told["start"], dict) else told["start"]}


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the CPU's number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


class Log:
    """A hook that writes a line of COLUMNS every so many steps: the mean loss since the line before, and the rest.

    The file is appended to, so that a killed run keeps its lines; those after the step that a run resumes from
    are cut.
    """

    def __init__(self, path: Path, *, step: int, every: int) -> None:
        kept = [row for row in read_log(path) if row["step"] <= step] if path.exists() and step else []
        self.path, self.every, self.losses = path, every, list[float]()
        atomically(path, lambda part: self._write(part, kept))

    def __call__(self, run: Run) -> None:
        self.losses.append(run.terms["loss"])
        if run.step % self.every and run.fraction < 1:
            return
        row = {"step": run.step, "seconds": run.seconds, **run.terms, "loss": sum(self.losses) / len(self.losses)}
        self.losses.clear()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow({key: _short(row[key]) for key in COLUMNS if key in row})

    @staticmethod
    def _write(part: Path, rows: Sequence[dict[str, float]]) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log.csv, numbers only: what a line lacks (psnr between validations) is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def _short(value: float) -> str:
    return f"{value:.6g}"


def _watched() -> str:
    try:
        datasets.files("Set5")
    except datasets.DatasetError:
        return "pictures/held-out"
    return "Set5"


def _scale_of(model: str, wanted: int) -> int:
    """The scale of weights to start from: a file's own, or that of the shipped ones which is nearest to the wanted."""
    shipped = zoo.scales(model)
    return min(shipped, key=lambda s: abs(s - wanted)) if shipped else zoo.told_scale(Path(model)) or wanted


@contextmanager
def _progress(run: Run, quiet: bool) -> Iterator[Hook]:
    """A bar over the used share of the budget, whether that is steps or minutes."""
    from tqdm import tqdm

    layout = "{desc} {percentage:5.1f}% |{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=1.0, desc=run.recipe.name, bar_format=layout, disable=quiet) as bar:

        def show(run: Run) -> None:
            bar.update(run.fraction - bar.n)
            psnr = f", {run.best:.2f} dB" if run.best > float("-inf") else ""
            bar.set_postfix_str(f"step {run.step}, loss {run.terms['loss']:.2e}{psnr}", refresh=False)

        yield show


@contextmanager
def _stopping() -> Iterator[Callable[[Path], Hook]]:
    """Ctrl-C and SIGTERM end the run after the step under way; a second Ctrl-C ends it at once."""
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    main = threading.current_thread() is threading.main_thread()

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    old = [signal.signal(s, ask) for s in signals] if main else []

    def hook(checkpoint: Path) -> Hook:
        def stop(run: Run) -> None:
            if asked.is_set():
                training.save_checkpoint(run, checkpoint)
                raise Stopped(f"stopped at step {run.step}; --resume goes on from there")

        return stop

    try:
        yield hook
    finally:
        for s, handler in zip(signals, old, strict=False):
            signal.signal(s, handler)
