"""What is done between the steps of a run in a folder: validation with samples, checkpoints, an orderly stop."""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from srlib import checkpoints, datasets, distributed, evaluation, image, perception, training, zoo
from srlib.inference import network_model
from srlib.recipes import Recipe
from srlib.resize import imresize
from srlib.state import Run
from srlib.training import Hook

BEST, SAMPLES = "best.safetensors", "samples"
SAMPLE_SIDE = 96  # LR pixels of a sample picture
SAMPLES_KEPT = 3  # pictures of the validation set


class Stopped(Exception):
    """The run was interrupted after a whole step; its checkpoint is saved."""


def convention_of(recipe: Recipe) -> str:
    """The protocol that a recipe is watched by: degraded, y-only for a network of luma, else y-of-rgb."""
    return "degraded" if recipe.passes else "y-only" if recipe.luma else "y-of-rgb"


def watched_set() -> str:
    try:
        datasets.files("Set5")
    except datasets.DatasetError:
        return "pictures/held-out"
    return "Set5"


def validate(run: Run, name: str, folder: Path) -> None:
    """A hook: the result on a set; sample pictures.

    PSNR goes into run.terms, and the weights that are best by it are kept; in a game also NIQE (where a picture is
    large enough for it) and sharpness (times the truth's), and nothing is best.
    """
    with training.judging(run.result):
        model = network_model(run.result, name=run.recipe.name, device=run.device)
        if run.opponent is None:
            [result] = evaluation.evaluate(model, [name], convention=convention_of(run.recipe))
            run.terms["psnr"] = result.mean().psnr
        else:  # PSNR is no measure of a game's pictures
            seen = perception.perceive(model, name, eye=None, convention=convention_of(run.recipe))
            run.terms |= {"psnr": seen.psnr, "sharpness": seen.sharpness}
            if not math.isnan(seen.niqe):
                run.terms["niqe"] = seen.niqe
        for path in datasets.files(name)[:SAMPLES_KEPT]:
            picture = image.read(path)
            middle = picture._replace(rgb=image.middle(picture.rgb, SAMPLE_SIDE * model.scale))
            protocol = "degraded" if run.recipe.passes else "y-of-rgb"  # in colour
            lr, hr, _ = evaluation.CONVENTIONS[protocol](middle, model.scale)
            bicubic = image.to_float(imresize(lr, scale=model.scale))
            image.write(folder / SAMPLES / f"{path.stem}-{run.step:09}.png", torch.cat([bicubic, model(lr), hr], 3))
    if run.terms["psnr"] > run.best and run.opponent is None:
        run.best = run.terms["psnr"]
        zoo.save(run.result, folder / BEST, scale=run.recipe.scale)


def saving(folder: Path, *, steps: int, seconds: float) -> Hook:
    """A hook: keeps the run after so many steps, or seconds of training where steps are slow, and at its end."""
    last: float | None = None

    def save(run: Run) -> None:
        nonlocal last
        last = run.seconds if last is None else last
        if run.step % steps == 0 or run.fraction >= 1 or run.seconds - last >= seconds > 0:
            checkpoints.keep(run, folder)
            last = run.seconds

    return save


@contextmanager
def stopping() -> Iterator[Callable[[Path], Hook]]:
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
