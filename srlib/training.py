"""One loop for every stage: the state is a Run, a step is a function, everything else is a hook."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from srlib import color, distributed
from srlib.degradations.blur import sharpen
from srlib.degradations.pool import Pool
from srlib.features import VGG19
from srlib.image import to_float
from srlib.precision import Precision, autocast, scaler
from srlib.recipes import RAMP, Recipe, one_rate
from srlib.state import Player, Run
from srlib.terms import game_terms, judging_only, weighted_terms

PATIENCE = 20  # steps in a row that may be skipped; float16's scale needs some before it fits
_AGAIN = f", for the {PATIENCE}th time in a row"


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
    same up to rounding (but for batch norm and a relativistic game, whose means are over a part at a time, and for
    spectral norm, whose estimate each part betters).
    compiled: torch.compile the network.
    Raises ValueError if there are more parts than patches, or more patches than the recipe's pool has places.
    """
    share = recipe.batch // distributed.world().size
    if not 1 <= accumulate <= share:
        raise ValueError(f"accumulate is {accumulate}: a process's {share} patches make 1 to {share} parts; take fewer")
    if 0 < recipe.pool < share:
        raise ValueError(f"a process's {share} patches do not fit into a pool of {recipe.pool}: take a smaller batch")
    torch.manual_seed(recipe.seed)
    device = torch.device(device)
    generator = recipe.generator(scale=recipe.scale)
    recipe.start(generator)
    own = _player(recipe, generator, recipe.groups(generator, recipe.learning_rate), device, precision, compiled)
    opponent = None
    if recipe.discriminator:
        judge = recipe.discriminator()
        rate = recipe.discriminator_rate or recipe.learning_rate
        opponent = _player(recipe, judge, one_rate(judge, rate), device, precision, compiled)
    return Run(
        recipe,
        own.network,
        own.optimizer,
        device,
        precision,
        own.forward,
        average=None if recipe.ema is None else copy.deepcopy(own.network).requires_grad_(False),
        opponent=opponent,
        features=VGG19([tap for tap, _ in recipe.features], random=recipe.random_features).to(device)
        if recipe.perceptual
        else None,
        pool=Pool(recipe.pool, seed=recipe.seed) if recipe.pool else None,
        accumulate=accumulate,
        alone_until=recipe.warm_up if opponent else 0,
    )


def _player(
    recipe: Recipe,
    network: nn.Module,
    groups: Iterable[dict[str, Any]],
    device: torch.device,
    precision: Precision,
    compiled: bool,
) -> Player:
    network = network.to(device).to(memory_format=torch.channels_last)
    optimizer = recipe.optimizer(list(groups), lr=recipe.learning_rate)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    forward = distributed.shared(network, device)
    return Player(network, optimizer, scaler(device, precision), torch.compile(forward) if compiled else forward)


def train_step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
    """One step by the recipe's terms; in a game the generator's half, then the discriminator's on the same pictures.

    lr (B, 3, h, w), hr (B, 3, h * scale, w * scale) in [0, 1] -> the terms of the loss, weighted ("loss" is their
    sum). Updates the networks. Up to step run.alone_until the discriminator learns alone.
    """
    recipe = run.recipe
    if recipe.luma:
        lr, hr = color.luma(lr), color.luma(hr)
    alone = run.step < run.alone_until
    network = run.generator if alone else run.player.forward
    m = recipe.label_margin
    inside = (..., slice(m, hr.shape[-2] - m), slice(m, hr.shape[-1] - m))
    made: list[Tensor] = []

    def enlarged(some_lr: Tensor, some_hr: Tensor) -> dict[str, Tensor]:
        with autocast(run.device, run.precision):
            sr = network(some_lr)
        sr = sr.float()[inside]
        made.append(sr.detach())
        aim = sharpen(some_hr) if recipe.sharpened else some_hr
        return weighted_terms(run, sr, some_hr[inside], aim=aim[inside], share=len(some_lr) / len(lr))

    if run.opponent is None:
        return descend(run, run.player, enlarged, lr, hr)
    if alone:
        with torch.no_grad(), judging_only(run.generator), judging_only(run.opponent.network):
            terms = enlarged(lr, hr)
    else:
        with judging_only(run.opponent.network):
            terms = descend(run, run.player, enlarged, lr, hr)
    judged = descend(run, run.opponent, partial(game_terms, run), torch.cat(made), hr[inside])
    return {**terms, "d_loss": judged.pop("loss"), **judged}


def descend(
    run: Run, player: Player, terms_of: Callable[[Tensor, Tensor], dict[str, Tensor]], x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    """One step of a player's optimiser along the gradient of terms_of(x, y)["loss"], in `run.accumulate` parts.

    Returns the terms. A gradient that is not finite is not followed: weights and batch statistics stay, and the step
    counts as skipped.
    """
    buffers = list(player.network.buffers())
    kept = [buffer.clone() for buffer in buffers]
    player.optimizer.zero_grad(set_to_none=True)
    totals: dict[str, Tensor] = {}
    parts = list(zip(x.tensor_split(run.accumulate), y.tensor_split(run.accumulate), strict=True))
    for number, (some_x, some_y) in enumerate(parts):
        share = len(some_x) / len(x)
        with _together(player.forward, last=number == len(parts) - 1):
            terms = terms_of(some_x, some_y)
            player.scaler.scale(terms["loss"] * share).backward()
        for name, value in terms.items():
            totals[name] = totals.get(name, 0.0) + value.detach() * share
    player.scaler.unscale_(player.optimizer)
    norm = nn.utils.clip_grad_norm_(player.network.parameters(), run.recipe.clip or math.inf)
    if math.isfinite(float(norm)):
        player.scaler.step(player.optimizer)
    else:
        for buffer, old in zip(buffers, kept, strict=True):
            buffer.copy_(old)
        run.unfollowed = True
    player.scaler.update()
    return totals


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
    players = [run.player] if run.opponent is None else [run.player, run.opponent]
    for player in players:
        player.network.train()
    optimizers = [player.optimizer for player in players]
    source = iter(batches)
    earlier, begin = run.seconds, time.perf_counter()
    run.fraction = used(run, steps, minutes)
    while run.fraction < 1:
        factor = run.recipe.schedule(run.fraction) * 0.5**run.setbacks
        joining = ramp(run)
        for optimizer in optimizers:
            slower = joining if optimizer is run.optimizer else 1.0
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor * slower
        asked = time.perf_counter()
        lr, hr = (x.to(run.device, non_blocking=True) for x in next(source))
        if run.pool is not None:
            lr, hr = run.pool.swap(lr, hr)
        lr, hr = to_float(lr), to_float(hr)
        run.waited += time.perf_counter() - asked
        run.unfollowed = False
        terms = step(run, lr, hr)
        run.skipped_in_a_row = run.skipped_in_a_row + 1 if run.unfollowed else 0
        run.skipped += run.unfollowed
        if run.average is not None and not run.unfollowed:
            move_average(run.average, run.generator, keep=run.recipe.ema or 0.0)
        run.step += 1
        means = distributed.means(list(terms.values()), run.device)
        run.terms = dict(zip(terms, means, strict=True))
        run.terms["learning_rate"] = run.recipe.learning_rate * factor * joining
        [run.seconds] = distributed.largest([earlier + time.perf_counter() - begin], run.device)
        run.fraction = used(run, steps, minutes)
        spoilt = not run.unfollowed and not all(map(math.isfinite, run.terms.values()))
        if spoilt or run.skipped_in_a_row >= PATIENCE:
            raise FloatingPointError(
                f"step {run.step}: {run.terms} or its gradient is not finite{'' if spoilt else _AGAIN}; the last "
                "checkpoint is intact: --resume it in fp32, or --start from it in another --out with a lower "
                "--learning-rate or with --clip"
            )
        for hook in hooks:
            hook(run)
    return run


def ramp(run: Run) -> float:
    """The factor on the generator's rate in the first steps of a game, and after a return: it rises to 1."""
    joined = max(run.step - run.alone_until + 1, 0)  # steps
    length = max(run.recipe.ramp, RAMP if run.setbacks else 1)  # Adam's moments begin anew after a return
    return min(joined / length, 1.0) if run.opponent else 1.0


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
