"""One loop for every stage: the state is a Run, a step is a function, everything else is a hook."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlib import color
from srlib.files import atomically
from srlib.image import to_float
from srlib.recipes import Recipe, describe


@dataclass
class Run:
    """All that changes while a network learns. `fraction` is the share of the budget that is used, in [0, 1]."""

    recipe: Recipe
    generator: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    bf16: bool = False
    step: int = 0
    seconds: float = 0.0
    fraction: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)  # of the last step: loss, learning_rate, psnr if measured
    best: float = float("-inf")  # dB, highest validation PSNR so far
    notes: dict[str, Any] = field(default_factory=dict)  # plain values that the run's owner wants kept with it


Step = Callable[[Run, Tensor, Tensor], dict[str, Tensor]]
Hook = Callable[[Run], None]


def start(recipe: Recipe, *, device: torch.device | str = "cpu", bf16: bool = False) -> Run:
    """A fresh run: the recipe's network, initialised from its seed, and its optimiser."""
    torch.manual_seed(recipe.seed)
    generator = recipe.generator(scale=recipe.scale)
    recipe.start(generator)
    generator = generator.to(device).to(memory_format=torch.channels_last)
    groups = list(recipe.groups(generator, recipe.learning_rate))
    optimizer = recipe.optimizer(groups, lr=recipe.learning_rate)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return Run(recipe, generator, optimizer, torch.device(device), bf16)


def train_step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
    """One step of a network that learns alone, by its recipe's pixel loss.

    lr (B, 3, h, w), hr (B, 3, h * scale, w * scale) in [0, 1] -> the terms of the loss. Updates the generator.
    """
    recipe = run.recipe
    if recipe.luma:
        lr, hr = color.luma(lr), color.luma(hr)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bf16):
        sr = run.generator(lr)
    m = recipe.label_margin
    inside = (..., slice(m, hr.shape[-2] - m), slice(m, hr.shape[-1] - m))
    loss = recipe.pixel(sr.float()[inside], hr[inside])
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    run.optimizer.step()
    return {"loss": loss.detach()}


def fit(
    run: Run,
    batches: Iterable[Sequence[Tensor]],
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hooks: Sequence[Hook] = (),
    step: Step = train_step,
) -> Run:
    """Trains until the budget is used: `steps` in all, or `minutes` in all, whichever ends first.

    batches: (lr, hr) uint8, beginning with batch number run.step. The learning rate follows the recipe's schedule
    over the fraction of the budget that is used, so that any budget ends annealed. A loss that is not finite
    stops the run. Raises ValueError without a budget, FloatingPointError for such a loss.
    """
    if steps is None and minutes is None:
        raise ValueError("fit needs a budget: steps=, minutes=, or both")
    run.generator.train()
    source = iter(batches)
    earlier, begin = run.seconds, time.perf_counter()
    run.fraction = used(run, steps, minutes)
    while run.fraction < 1:
        factor = run.recipe.schedule(run.fraction)
        for group in run.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        lr, hr = (to_float(x.to(run.device)) for x in next(source))
        terms = step(run, lr, hr)
        run.step += 1
        run.seconds = earlier + time.perf_counter() - begin
        run.fraction = used(run, steps, minutes)
        run.terms = {name: float(value) for name, value in terms.items()}
        run.terms["learning_rate"] = run.recipe.learning_rate * factor
        if not all(abs(value) < float("inf") for value in run.terms.values()):
            raise FloatingPointError(
                f"step {run.step}: {run.terms} is not finite; the last checkpoint is intact: "
                "go on from it with a lower learning rate"
            )
        for hook in hooks:
            hook(run)
    return run


def used(run: Run, steps: int | None, minutes: float | None) -> float:
    """The share of the budget that is used: of the steps or of the minutes, whichever is larger."""
    by_steps = 0.0 if steps is None else run.step / max(steps, 1)
    by_time = 0.0 if minutes is None else run.seconds / 60 / max(minutes, 1e-9)
    return min(max(by_steps, by_time), 1.0)


def every(steps: int, hook: Hook) -> Hook:
    """Calls the hook after each `steps` steps and at the end of the budget."""

    def now(run: Run) -> None:
        if run.step % steps == 0 or run.fraction >= 1:
            hook(run)

    return now


@contextlib.contextmanager
def judging(model: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode for the time of a block."""
    was = model.training
    model.eval()
    try:
        yield model
    finally:
        model.train(was)


def save_checkpoint(run: Run, path: Path) -> None:
    """Writes all that a resumed run needs, as one file that appears whole or not at all. Raises OSError."""
    state = {
        "recipe": describe(run.recipe),
        "generator": run.generator.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        **{name: getattr(run, name) for name in _KEPT},
    }
    atomically(path, lambda part: torch.save(state, part))


def load_checkpoint(run: Run, path: Path) -> Run:
    """Puts a run back where `save_checkpoint` was called; on the CPU its further steps are bit for bit the same.

    Raises ValueError if the file is not a checkpoint of this recipe, and says what differs.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=run.device, weights_only=True)
        saved = state["recipe"]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint that can be read ({error}): start anew or take another") from error
    mine = describe(run.recipe)
    changed = [f"{key} was {saved.get(key)}, is {mine[key]}" for key in mine if saved.get(key) != mine[key]]
    if changed:
        raise ValueError(f"{path} belongs to another recipe ({'; '.join(changed)}): use another --out folder")
    run.generator.load_state_dict(state["generator"])
    run.optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"].cpu())
    for name in _KEPT:
        setattr(run, name, state[name])
    return run


_KEPT = ("step", "seconds", "best", "terms", "bf16", "notes")
