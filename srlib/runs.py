"""A training run as a folder: checkpoints, log, samples, weights, summary; stopped at any moment, it goes on."""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from srlib import checkpoints, datasets, distributed, evaluation, image, tiers, training, zoo
from srlib.distributed import World
from srlib.files import write_text
from srlib.inference import checked, network_model
from srlib.logs import Log, progress
from srlib.patches import Patches, batches, crop_to_multiple, share_of
from srlib.precision import Precision, best_precision
from srlib.recipes import RECIPES, Recipe, budgeted, describe, rescaled
from srlib.resize import KernelName, imresize
from srlib.training import Hook, Run, every

LOG, SUMMARY, WEIGHTS, BEST, SAMPLES = "log.csv", "run.json", "weights.safetensors", "best.safetensors", "samples"
SAVE_SECONDS = 300.0  # what a killed run loses at most, whatever --save-every says
SAMPLE_SIDE = 96  # LR pixels of a sample picture
SAMPLES_KEPT = 3  # pictures of the validation set


class Stopped(Exception):
    """The run was interrupted after a whole step; its checkpoint is saved."""


@dataclass(frozen=True)
class Options:
    """What a run's owner chooses and no paper says."""

    device: str = "cpu"
    precision: Precision | None = None  # None: a resumed run's own, else the best that the device has
    workers: int = 0
    accumulate: int = 1
    compiled: bool = False
    deterministic: bool = False
    log_every: int = 100
    save_every: int = 500
    validate_every: int = 2000
    validation: str | None = None  # a set; None: a resumed run's own, else Set5 if it is there, else pictures/held-out
    weights: str | None = None  # a model to start from instead of the recipe's initialisation


def planned(name: str, chosen: dict[str, Any], device: torch.device) -> tuple[Recipe, dict[str, Any]]:
    """A recipe by name with the fields that its owner chose; with a budget in minutes also fitted to the device.

    Returns the recipe, and all that was chosen, which leads to the same recipe on any device. Raises ValueError for
    an unknown name.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe {name!r} is not known: choose one of {', '.join(RECIPES)}")
    recipe = rescaled(RECIPES[name], chosen.get("scale", RECIPES[name].scale))
    if "minutes" in chosen:
        recipe = budgeted(recipe, minutes=chosen["minutes"])
        fitting = tiers.tier(recipe, device)
        chosen = {"batch": fitting.batch, "hr_crop": fitting.hr_crop, **chosen}
    return replace(recipe, **chosen), chosen


def train(
    recipe: Recipe, folder: Path, options: Options, *, resume: bool = False, quiet: bool = False, **notes: Any
) -> Run:
    """Trains a recipe in a folder, with a progress bar, and leaves weights.safetensors, log.csv and run.json there.

    Of several processes (torchrun) the first one measures and writes. notes: plain values that are kept with the run.
    Raises ValueError if the folder holds a run and `resume` is off (or the other way round), or as the parts do;
    MemoryError with what to lower; Stopped after Ctrl-C or SIGTERM, with the checkpoint of the last whole step saved.
    """
    _check(recipe, folder, options, resume)
    device = checked(distributed.own_device(options.device))
    with distributed.joined(device) as here, determined(options.deterministic, device):
        return _train(recipe, folder, options, resume, quiet or not here.leads, notes, device, here)


def _train(
    recipe: Recipe,
    folder: Path,
    options: Options,
    resume: bool,
    quiet: bool,
    notes: dict[str, Any],
    device: torch.device,
    here: World,
) -> Run:
    saved = checkpoints.newest(folder) if resume else None
    earlier = saved[1]["notes"].get("validation") if saved else None
    watched = options.validation or earlier or _watched()
    datasets.files(watched)  # a wrong name is told now, not at the first validation
    precision = options.precision or (saved[1]["precision"] if saved else best_precision(device))
    run = training.start(
        recipe, device=device, precision=precision, accumulate=options.accumulate, compiled=options.compiled
    )
    if saved:
        checkpoints.load_checkpoint(run, saved[0])
        options = replace(options, weights=run.notes["weights"])
    elif options.weights and (new := _begin_with(run, options.weights)) and not quiet:
        print(f"{options.weights} is for another scale; newly initialised are {', '.join(new)}", file=sys.stderr)
    if watched != earlier:
        run.best = float("-inf")  # on another set it is another figure
        run.terms.pop("psnr", None)
        run.notes.pop("last_psnr", None)
    run.notes |= {"weights": options.weights, "validation": watched, **notes}
    try:
        pictures = datasets.load(recipe.data, quiet=quiet)
    except datasets.DatasetError as error:
        raise datasets.DatasetError(f"{error}; --data pictures/train needs no download") from error
    patches = Patches(pictures, scale=recipe.scale, hr_crop=recipe.hr_crop, seed=recipe.seed)
    if not options.workers and tiers.fits_on(device, patches.bytes):  # other processes cannot reach the GPU's memory
        patches.to(device)
    source = batches(
        patches, batch=recipe.batch, first=run.step, workers=options.workers, rank=here.rank, ranks=here.size
    )
    run.fraction = training.used(run, recipe.steps, recipe.minutes)
    with progress(run, quiet=quiet) as show, _stopping() as stopping:
        hooks = [show, stopping(folder)]
        if here.leads:
            log = Log(folder / LOG, step=run.step, every=options.log_every)
            hooks = [
                every(options.validate_every, partial(validate, name=watched, folder=folder)),
                log,
                saving(folder, steps=options.save_every, seconds=SAVE_SECONDS),
                *hooks,
            ]
        try:
            with tiers.ladder(run):
                training.fit(run, source, hooks=hooks)
        except (AssertionError, RuntimeError) as error:
            if not options.compiled:
                raise
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ValueError(
                f"torch.compile cannot train {recipe.name} here ({reason}): leave --compile out"
            ) from error
    if here.leads:
        if "psnr" not in run.terms:  # a run that was killed after its last step and before its weights
            validate(run, watched, folder)
        zoo.save(run.result, folder / WEIGHTS, scale=recipe.scale)
        told = summary(run, options, patches, watched, here)
        write_text(folder / SUMMARY, json.dumps(told, indent=1) + "\n")
    return run


@contextmanager
def determined(wanted: bool, device: torch.device) -> Iterator[None]:
    """The same numbers at every run of a GPU, if wanted, else its fastest kernels; then torch is set as before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS asks for
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = device.type == "cuda" and not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def _check(recipe: Recipe, folder: Path, options: Options, resume: bool) -> None:
    if checkpoints.all_in(folder) and not resume:
        raise ValueError(f"{folder} already holds a run: --resume goes on with it, or choose another --out")
    if resume and options.weights:
        raise ValueError(f"a resumed run goes on from its own weights, not from {options.weights}: leave --start out")
    share_of(recipe.batch, distributed.world().size)
    if recipe.hr_crop <= 2 * recipe.label_margin:
        raise ValueError(
            f"hr_crop {recipe.hr_crop} leaves nothing between label margins of {recipe.label_margin}: take a larger one"
        )


def _begin_with(run: Run, weights: str) -> list[str]:
    """Starts from other weights; those of another scale are taken where they fit. Returns the tensors that stay new."""
    earlier = _earlier(weights, run.recipe.scale)
    try:
        if type(earlier) is not type(run.generator):
            raise zoo.WeightsError(f"it is {type(earlier).__name__}")
        new = zoo.load_matching(run.generator, earlier.state_dict())
        if new and earlier.scale == run.generator.scale:
            raise zoo.WeightsError(f"{', '.join(new)} have other shapes")
    except zoo.WeightsError as error:
        raise ValueError(
            f"{weights} is another network than {run.recipe.name}'s ({error}): start from one of its kind"
        ) from error
    if run.average is not None:
        run.average.load_state_dict(run.generator.state_dict())
    return new


def validate(run: Run, name: str, folder: Path) -> None:
    """A hook: PSNR of the result on a set, into run.terms["psnr"] and run.best; sample pictures; the best weights."""
    with training.judging(run.result):
        model = network_model(run.result, name=run.recipe.name, device=run.device)
        [result] = evaluation.evaluate(model, [name], convention=convention_of(run.recipe))
        for path in datasets.files(name)[:SAMPLES_KEPT]:
            hr = crop_to_multiple(_middle(image.read(path).rgb, SAMPLE_SIDE * model.scale), model.scale)
            lr = imresize(image.to_uint8(hr), scale=1 / model.scale)
            bicubic = image.to_float(imresize(lr, scale=model.scale))
            image.write(folder / SAMPLES / f"{path.stem}-{run.step:09}.png", torch.cat([bicubic, model(lr), hr], 3))
    run.terms["psnr"] = result.mean().psnr
    if run.terms["psnr"] > run.best:
        run.best = run.terms["psnr"]
        zoo.save(run.result, folder / BEST, scale=run.recipe.scale)


def saving(folder: Path, *, steps: int, seconds: float) -> Hook:
    """A hook: keeps the run after so many steps, or seconds of training where steps are slow, and at its end."""
    last = 0.0

    def save(run: Run) -> None:
        nonlocal last
        if run.step % steps == 0 or run.fraction >= 1 or run.seconds - last >= seconds > 0:
            checkpoints.keep(run, folder)
            last = run.seconds

    return save


def convention_of(recipe: Recipe) -> str:
    """The protocol that a recipe is watched by: y-only for a network of luma, else y-of-rgb."""
    return "y-only" if recipe.luma else "y-of-rgb"


def _middle(picture: torch.Tensor, side: int) -> torch.Tensor:
    top, left = (max(length - side, 0) // 2 for length in picture.shape[-2:])
    return picture[..., top : top + side, left : left + side]


def summary(run: Run, options: Options, patches: Patches, watched: str, here: World) -> dict[str, Any]:
    """What a reader of the weights wants to know, as plain values; `start` nests the runs before this one."""
    return {
        "recipe": describe(run.recipe),
        "start": _history(options.weights) if options.weights else "the recipe's initialisation",
        "pictures": len(patches.hr),
        "pictures_too_small": patches.too_small,
        "steps": run.step,
        "minutes": round(run.seconds / 60, 1),
        "skipped_steps": run.skipped,
        "waited_for_data": round(run.waited / max(run.seconds, 1e-9), 4),
        "processes": here.size,
        "device": device_name(run.device),
        "precision": run.precision,
        "torch": torch.__version__,
        "validation": {
            "set": watched,
            "convention": convention_of(run.recipe),
            "psnr": run.terms.get("psnr"),
            "best": run.best,
        },
    }


def _history(weights: str) -> Any:
    """The summary of the run that made the weights a run started from, else their name."""
    beside = Path(weights).with_name(SUMMARY)
    return json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else Path(weights).name


def publish(folder: Path, name: str, *, sets: Sequence[str] = ("Set5", "Set14"), target: Path = zoo.FOLDER) -> Path:
    """Turns a finished run into shipped weights: file (float16), log and card side by side as NAME_xSCALE.

    The card holds the run's summary and what the shipped file measures on the sets, by every convention that its
    network can take. Returns its path. Raises ValueError if the run is not finished or a set is not here.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in get_args(KernelName):
        raise ValueError(f"{name!r} cannot name a model: take lower-case letters, digits, _ and -, no kernel's name")
    if not (folder / SUMMARY).is_file():
        raise ValueError(f"{folder} holds no finished run: {SUMMARY} is missing")
    network = zoo.load(folder / WEIGHTS)
    network.half().float()  # what the shipped file will hold
    model = network_model(network, name=name)
    stem = target / f"{name}_x{model.scale}"
    measured = {
        convention: {r.name: r.mean()._asdict() for r in evaluation.evaluate(model, sets, convention=convention)}
        for convention in evaluation.conventions_of(model)
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
    # Last: the model is there with its card.
    zoo.save(network, stem.with_suffix(".safetensors"), scale=model.scale, half=True)
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


def _watched() -> str:
    try:
        datasets.files("Set5")
    except datasets.DatasetError:
        return "pictures/held-out"
    return "Set5"


def _earlier(weights: str, wanted: int) -> nn.Module:
    """The network to start from: a shipped one of the nearest scale, or a file's, which may tell its scale or not."""
    if shipped := zoo.scales(weights):
        return zoo.load(weights, scale=min(shipped, key=lambda s: abs(s - wanted)))
    if told := zoo.told_scale(Path(weights)):
        return zoo.load(weights, scale=told)
    for scale in (wanted, None, 2):  # by its shapes alone; A2N's are those of x2 and x3 alike
        try:
            return zoo.load(weights, scale=scale)
        except zoo.WeightsError as error:
            reason = error
    raise reason


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

    def hook(folder: Path) -> Hook:
        def stop(run: Run) -> None:
            [anywhere] = distributed.largest([float(asked.is_set())], run.device)
            if anywhere and run.fraction < 1:
                if distributed.world().leads:
                    checkpoints.keep(run, folder)
                raise Stopped(f"stopped at step {run.step}; --resume goes on from there")

        return stop

    try:
        yield hook
    finally:
        for s, handler in zip(signals, old, strict=False):
            signal.signal(s, handler)
