"""A training run as a folder: checkpoints, log, samples, weights, summary; stopped at any moment, it goes on."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from srlib import checkpoints, datasets, distributed, health, tiers, training, zoo
from srlib.distributed import World
from srlib.features import within_reach
from srlib.files import held, write_text
from srlib.hooks import convention_of, saving, stopping, validate, watched_set
from srlib.inference import checked
from srlib.logs import Log, progress
from srlib.patches import Patches, batches, checked_crop, share_of
from srlib.precision import Precision, best_precision
from srlib.recipes import (
    RECIPES,
    SHALLOW,
    Recipe,
    budgeted,
    check_use,
    crop_unit,
    describe,
    least_crop,
    rescaled,
    with_blocks,
)
from srlib.starts import begin_with
from srlib.state import Run
from srlib.training import every

LOG, SUMMARY, WEIGHTS = "log.csv", "run.json", "weights.safetensors"
GOOD = "good.safetensors"  # of a game that was given up
SAVE_SECONDS = 300.0  # what a killed run loses at most, whatever --save-every says


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
    an unknown name, and for a choice that the recipe has no use for.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe {name!r} is not known: choose one of {', '.join(RECIPES)}")
    recipe = rescaled(RECIPES[name], chosen.get("scale", RECIPES[name].scale))
    if "minutes" in chosen:
        recipe = budgeted(recipe, minutes=chosen["minutes"])
        fitting = tiers.tier(recipe, device)
        chosen = {"batch": fitting.batch, "hr_crop": fitting.hr_crop, **chosen}
        looks = chosen.get("perceptual_weight", recipe.perceptual_weight)
        if recipe.features and looks and not {"features", "random_features"} & chosen.keys():
            chosen["features"] = within_reach(recipe.features)
            if chosen["features"] != recipe.features:
                chosen = {**SHALLOW.get(name, {}), **chosen}
    if "blocks" in chosen:
        recipe = with_blocks(recipe, chosen["blocks"])
    if "lr_data" in chosen:  # pairs come as they are
        if "data" not in chosen:
            raise ValueError("--lr-data names the LR partners of --data: name both")
        recipe = replace(recipe, passes=(), canvas=1.0)
    recipe = replace(recipe, **{name: value for name, value in chosen.items() if name != "blocks"})
    check_use(recipe, chosen)
    return recipe, chosen


def train(
    recipe: Recipe, folder: Path, options: Options, *, resume: bool = False, quiet: bool = False, **notes: Any
) -> Run:
    """Trains a recipe in a folder, with a progress bar, and leaves weights.safetensors, log.csv and run.json there.

    Of several processes (torchrun) the first one measures and writes. notes: plain values that are kept with the run.
    Raises ValueError if the folder holds a run and `resume` is off (or the other way round), or another process writes
    to it, or as the parts do;
    MemoryError with what to lower; Stopped after Ctrl-C or SIGTERM, with the checkpoint of the last whole step saved.
    """
    _check(recipe, folder, options, resume)
    device = checked(distributed.own_device(options.device))
    with (
        distributed.joined(device) as here,
        determined(options.deterministic, device),
        held(folder) if here.leads else nullcontext(),
    ):
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
    watched = options.validation or earlier or watched_set()
    datasets.files(watched)  # a wrong name is told now, not at the first validation
    precision = options.precision or (saved[1]["precision"] if saved else best_precision(device))
    run = training.start(
        recipe, device=device, precision=precision, accumulate=options.accumulate, compiled=options.compiled
    )
    if saved:
        checkpoints.load_checkpoint(run, saved[0])
        options = replace(options, weights=run.notes["weights"])
    elif options.weights and (new := begin_with(run, options.weights)) and not quiet:
        print(f"{options.weights} is for another scale; newly initialised are {', '.join(new)}", file=sys.stderr)
    seen = run.features.source if run.features else None
    if saved and run.notes.get("features") != seen:
        raise ValueError(
            f"the run looked through {run.notes.get('features')}, now it would through {seen}: name the same file by "
            "SRLIB_VGG19"
        )
    if watched != earlier:
        run.best = float("-inf")  # on another set it is another figure
        run.terms.pop("psnr", None)
        run.notes.pop("last_psnr", None)
    run.notes |= {"weights": options.weights, "validation": watched, "features": seen, **notes}
    try:
        pictures, small = _pictures(recipe, quiet)
    except datasets.DatasetError as error:
        if recipe.lr_data is not None:
            raise
        raise datasets.DatasetError(f"{error}; --data pictures/train needs no download") from error
    patches = Patches(
        pictures,
        scale=recipe.scale,
        hr_crop=recipe.hr_crop,
        seed=recipe.seed,
        lr=small,
        passes=recipe.passes,
        canvas=round(recipe.hr_crop * recipe.canvas),
        sharpened=recipe.sharpened,
    )
    if not options.workers and tiers.fits_on(device, patches.bytes):  # other processes cannot reach the GPU's memory
        patches.to(device)
    source = batches(
        patches, batch=recipe.batch, first=run.step, workers=options.workers, rank=here.rank, ranks=here.size
    )
    run.fraction, begun = training.used(run, recipe.steps, recipe.minutes), run.step
    with progress(run, quiet=quiet) as show, stopping() as stop:
        hooks = [show, stop(folder)]
        if here.leads:
            log = Log(folder / LOG, recipe, step=run.step, every=options.log_every)
            hooks = [
                every(options.validate_every, partial(validate, name=watched, folder=folder)),
                log,
                saving(folder, steps=options.save_every, seconds=SAVE_SECONDS),
                *hooks,
            ]
        try:
            with tiers.ladder(run):
                training.fit(run, source, hooks=[health.watch, *hooks])
        except health.Collapsed as error:
            if here.leads:
                zoo.save(run.result, folder / GOOD, scale=recipe.scale)
            raise health.Collapsed(f"{error}; the last good weights are {folder / GOOD}") from error
        except (AssertionError, RuntimeError) as error:
            if not options.compiled or run.step > begun:
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


def _pictures(recipe: Recipe, quiet: bool) -> tuple[list[torch.Tensor], list[torch.Tensor] | None]:
    """The recipe's HR pictures, and their LR partners if they are not made of them."""
    if recipe.lr_data is None:
        return datasets.load(recipe.data, quiet=quiet), None
    return datasets.load_pairs(recipe.data, recipe.lr_data, scale=recipe.scale, quiet=quiet)


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
    if not resume and checkpoints.all_in(folder):
        raise ValueError(f"{folder} already holds a run: --resume goes on with it, or choose another --out")
    if not resume and (ended := [name for name in (WEIGHTS, SUMMARY) if (folder / name).exists()]):
        raise ValueError(
            f"{folder} holds the {ended[0]} of a run that has ended: choose another --out, or move it away"
        )
    if resume and options.weights:
        raise ValueError(f"a resumed run goes on from its own weights, not from {options.weights}: leave --start out")
    share_of(recipe.batch, distributed.world().size)
    if recipe.hr_crop % (unit := crop_unit(recipe)) and unit > recipe.scale:
        nearest = max(recipe.hr_crop // unit, 1) * unit
        raise ValueError(
            f"hr_crop {recipe.hr_crop} is no multiple of {unit}, as {recipe.name}'s scale and discriminator need: "
            f"take {nearest}"
        )
    if recipe.hr_crop < (least := least_crop(recipe)):
        raise ValueError(
            f"hr_crop {recipe.hr_crop} is too small for {recipe.name}'s discriminator: take {least} or more"
        )
    checked_crop(recipe.hr_crop, recipe.scale)
    if recipe.hr_crop <= 2 * recipe.label_margin:
        raise ValueError(
            f"hr_crop {recipe.hr_crop} leaves nothing between label margins of {recipe.label_margin}: take a larger one"
        )


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
        **({"features": run.features.source} if run.features else {}),
        **({"setbacks": run.notes.get("collapses", [])} if run.opponent else {}),
        "waited_for_data": round(run.waited / max(run.seconds, 1e-9), 4),
        "processes": here.size,
        "device": device_name(run.device),
        "precision": run.precision,
        "torch": torch.__version__,
        "validation": {
            "set": watched,
            "convention": convention_of(run.recipe),
            "psnr": run.terms.get("psnr"),
            **({} if run.opponent else {"best": run.best}),
        },
    }


def _history(weights: str) -> Any:
    """The summary of the run that made the weights a run started from, else their name."""
    beside = Path(weights).with_name(SUMMARY)
    found = Path(weights).is_file() and beside.is_file()
    return json.loads(beside.read_text(encoding="utf-8")) if found else Path(weights).name


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the CPU's number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
