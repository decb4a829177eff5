"""One loop for every stage: the state is a Run, a step is a function, everything else is a hook."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from srlib import color, distributed
from srlib.image import to_float
from srlib.precision import Precision, autocast, scaler
from srlib.recipes import Recipe

PATIENCE = 20  # steps in a row that may be skipped; float16's scale needs some before it fits
_AGAIN = f", for the {PATIENCE}th time in a row"


@dataclass
class Run:
    """All that changes while a network learns. `fraction` is the share of the budget that is used, in [0, 1]."""

    recipe: Recipe
    generator: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    precision: Precision = "fp32"
    forward: Callable[[Tensor], Tensor] | None = None  # the generator as it is trained: compiled, or with others
    average: nn.Module | None = None  # its moving average, where the recipe wants one
    accumulate: int = 1  # parts in which a batch goes through the network, one after the other
    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these in which the loop waited for data
    fraction: float = 0.0
    skipped: int = 0  # steps that were not taken because the gradient was not finite
    skipped_in_a_row: int = 0
    terms: dict[str, float] = field(default_factory=dict)  # of the last step: loss, learning_rate, psnr if measured
    best: float = float("-inf")  # dB, highest validation PSNR so far
    notes: dict[str, Any] = field(default_factory=dict)  # plain values that the run's owner wants kept with it

    def __post_init__(self) -> None:
        self.scaler = scaler(self.device, self.precision)

    @property
    def result(self) -> nn.Module:
        """The network that is measured and shipped: the moving average if there is one."""
        return self.generator if self.average is None else self.average


Step = Callable[[Run, Tensor, Tensor], dict[str, Tensor]]
Hook = Callable[[Run], None]


def start(
    recipe: Recipe,
    *,
    device: torch.device | str = "cpu",
    precision: Precision = "fp32",
    accumulate: int = 1,
    compiled: bool = False,
) -> Run:
    """A fresh run: the recipe's network, initialised from its seed, its optimiser, and its average if it wants one.

    accumulate: parts of a batch that go through the network one after the other, for less memory; the step is the
    same up to rounding (but for batch norm, which sees a part at a time). compiled: torch.compile the network.
    Raises ValueError if there are more parts than patches.
    """
    share = recipe.batch // distributed.world().size
    if not 1 <= accumulate <= share:
        raise ValueError(f"accumulate is {accumulate}: a process's {share} patches make 1 to {share} parts; take fewer")
    torch.manual_seed(recipe.seed)
    device = torch.device(device)
    generator = recipe.generator(scale=recipe.scale)
    recipe.start(generator)
    generator = generator.to(device).to(memory_format=torch.channels_last)
    groups = list(recipe.groups(generator, recipe.learning_rate))
    optimizer = recipe.optimizer(groups, lr=recipe.learning_rate)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    network = distributed.shared(generator, device)
    average = None if recipe.ema is None else copy.deepcopy(generator).requires_grad_(False)
    return Run(
        recipe,
        generator,
        optimizer,
        device,
        precision,
        torch.compile(network) if compiled else network,
        average,
        accumulate,
    )


def train_step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
    """One step of a network that learns alone, by its recipe's pixel loss.

    lr (B, 3, h, w), hr (B, 3, h * scale, w * scale) in [0, 1] -> the terms of the loss. Updates the generator.
    """
    recipe = run.recipe
    if recipe.luma:
        lr, hr = color.luma(lr), color.luma(hr)
    network = run.generator if run.forward is None else run.forward
    m = recipe.label_margin
    inside = (..., slice(m, hr.shape[-2] - m), slice(m, hr.shape[-1] - m))

    def loss(lr: Tensor, hr: Tensor) -> Tensor:
        with autocast(run.device, run.precision):
            sr = network(lr)
        return recipe.pixel(sr.float()[inside], hr[inside])

    return {"loss": descend(run, loss, lr, hr)}


def descend(run: Run, loss: Callable[[Tensor, Tensor], Tensor], lr: Tensor, hr: Tensor) -> Tensor:
    """One step of the optimiser along the gradient of loss(lr, hr), in `run.accumulate` parts; returns the loss.

    A gradient that is not finite is not followed: weights and batch statistics stay, and the step counts as skipped.
    """
    buffers = list(run.generator.buffers())
    kept = [buffer.clone() for buffer in buffers]
    run.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=run.device)
    parts = list(zip(lr.tensor_split(run.accumulate), hr.tensor_split(run.accumulate), strict=True))
    for number, (some_lr, some_hr) in enumerate(parts):
        with _together(run.forward, last=number == len(parts) - 1):
            part = loss(some_lr, some_hr) * (len(some_lr) / len(lr))
            run.scaler.scale(part).backward()
        total += part.detach()
    run.scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(run.generator.parameters(), run.recipe.clip or math.inf)
    if math.isfinite(float(norm)):
        run.scaler.step(run.optimizer)
        run.skipped_in_a_row = 0
    else:
        for buffer, old in zip(buffers, kept, strict=True):
            buffer.copy_(old)
        run.skipped += 1
        run.skipped_in_a_row += 1
    run.scaler.update()
    return total


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

    batches: (lr, hr) uint8, beginning with batch number run.step. Without a budget the recipe's is taken. The
    learning rate follows the recipe's schedule over the fraction of the budget that is used, so that a schedule that
    anneals does so in any budget. Raises ValueError if there is no budget, FloatingPointError after PATIENCE steps in
    a row whose loss or gradient is not finite.
    """
    if steps is None and minutes is None:
        steps, minutes = run.recipe.steps, run.recipe.minutes
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
        asked = time.perf_counter()
        lr, hr = (to_float(x.to(run.device, non_blocking=True)) for x in next(source))
        run.waited += time.perf_counter() - asked
        terms = step(run, lr, hr)
        if run.average is not None and not run.skipped_in_a_row:
            move_average(run.average, run.generator, keep=run.recipe.ema or 0.0)
        run.step += 1
        run.terms = {name: distributed.mean(float(value), run.device) for name, value in terms.items()}
        run.terms["learning_rate"] = run.recipe.learning_rate * factor
        [run.seconds] = distributed.largest([earlier + time.perf_counter() - begin], run.device)
        run.fraction = used(run, steps, minutes)
        followed = not run.skipped_in_a_row and not all(map(math.isfinite, run.terms.values()))
        if followed or run.skipped_in_a_row >= PATIENCE:
            raise FloatingPointError(
                f"step {run.step}: {run.terms} or its gradient is not finite{'' if followed else _AGAIN}; the last "
                "checkpoint is intact: --resume it in fp32, or --start from it in another --out with a lower "
                "--learning-rate or with --clip"
            )
        for hook in hooks:
            hook(run)
    return run


def used(run: Run, steps: int | None, minutes: float | None) -> float:
    """The share of the budget that is used: of the steps or of the minutes, whichever is larger."""
    by_steps = 0.0 if steps is None else run.step / max(steps, 1)
    by_time = 0.0 if minutes is None else run.seconds / 60 / max(minutes, 1e-9)
    return min(max(by_steps, by_time), 1.0)


@torch.no_grad()
def move_average(old: nn.Module, new: nn.Module, *, keep: float) -> None:
    """Moves an averaged network a little towards the trained one: old = keep * old + (1 - keep) * new.

    Buffers (batch statistics) are copied. With keep = 0.999 the average looks back over some 1000 steps.
    """
    torch._foreach_lerp_(list(old.parameters()), list(new.parameters()), 1 - keep)
    for mine, theirs in zip(old.buffers(), new.buffers(), strict=True):
        mine.copy_(theirs)


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


def _together(network: object, *, last: bool) -> contextlib.AbstractContextManager[object]:
    """Several processes exchange their gradients once, in the last part of a batch."""
    wait = getattr(network, "no_sync", None)
    return contextlib.nullcontext() if last or wait is None else wait()
