"""The stages of the course as values: what a paper does is a Recipe, the next paper is `replace(...)` of the last."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from srlib.losses import Loss, l1, mse
from srlib.models.a2n import A2N
from srlib.models.srcnn import SRCNN, gaussian
from srlib.models.srresnet import SRResNet

WARM_UP = 0.02  # of the budget, in warm_cosine
SHORT_RATE = 8e-4  # of `budgeted`: Adam's peak rate when minutes are to do what the papers did in days

ParameterGroups = Callable[[nn.Module, float], Iterable[dict[str, Any]]]


def constant(fraction: float) -> float:
    """A learning rate that stays: fraction of the budget in [0, 1] -> factor 1."""
    return 1.0


def cosine(fraction: float) -> float:
    """A learning rate that falls along half a cosine: 1 at the start, 0 at the end of the budget."""
    return 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


def tenfold_halving(fraction: float) -> float:
    """A learning rate that is halved after each tenth of the budget: 1, then 1/2 from 0.1 on, 1/4 from 0.2 on."""
    return 0.5 ** int(10 * min(fraction, 1.0) + 1e-9)


def warm_cosine(fraction: float) -> float:
    """A learning rate that rises in a straight line over the first 2 % of the budget, then falls as `cosine`."""
    return min(fraction / WARM_UP + 1e-3, 1.0) * cosine(fraction)


def one_rate(model: nn.Module, learning_rate: float) -> Iterable[dict[str, Any]]:
    """All parameters learn at the same rate."""
    return [{"params": list(model.parameters()), "lr": learning_rate}]


def last_layer_slower(model: nn.Module, learning_rate: float) -> Iterable[dict[str, Any]]:
    """The last layer learns at a tenth of the rate. Source: SRCNN, 1501.00092, section 3.4."""
    *others, weight, bias = model.parameters()
    return [{"params": others, "lr": learning_rate}, {"params": [weight, bias], "lr": learning_rate / 10}]


def default_start(model: nn.Module) -> None:
    """Keeps torch's own initialisation."""


@dataclass(frozen=True)
class Recipe:
    """One stage of training. Lengths are HR pixels; the budget is `steps` of the optimiser, or `minutes` if given."""

    name: str
    generator: Callable[..., nn.Module]  # called with scale=
    data: tuple[str, ...]  # names of sets, or folders
    hr_crop: int
    batch: int
    steps: int | None
    learning_rate: float
    minutes: float | None = None
    scale: int = 3
    schedule: Callable[[float], float] = constant  # fraction of the budget that is used -> factor
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    groups: ParameterGroups = one_rate
    start: Callable[[nn.Module], None] = default_start
    pixel: Loss = mse
    luma: bool = False  # train on Y alone
    label_margin: int = 0  # HR pixels left out of the loss on every side, where a patch lacks neighbours
    clip: float | None = None  # largest norm of the gradient; None leaves it
    ema: float | None = None  # share of the old average kept at each step; the averaged network is what counts then
    seed: int = 0


# 9-1-5 on 91 pictures, labels of 21 pixels in crops of 33. Source: 1501.00092, sections 3.4 and 4.1.
SRCNN_PAPER = Recipe(
    name="srcnn-paper",
    generator=partial(SRCNN, kernels=(9, 1, 5)),
    data=("T91",),
    hr_crop=33,
    batch=128,
    steps=15_000_000,
    learning_rate=1e-4,
    optimizer=partial(torch.optim.SGD, momentum=0.9),
    groups=last_layer_slower,
    start=gaussian,
    luma=True,
    label_margin=6,
)

# The same network and loss in an hour instead of weeks: Adam at a falling rate, torch's initialisation, the wider
# second layer (9-5-5), and more pictures.
SRCNN_FAST = replace(
    SRCNN_PAPER,
    name="srcnn",
    generator=SRCNN,
    data=("T91", "BSDS500", "ImageNet500"),
    hr_crop=72,
    batch=8,
    steps=30_000,
    learning_rate=1e-3,
    schedule=cosine,
    optimizer=torch.optim.Adam,
    groups=one_rate,
    start=default_start,
    label_margin=8,
)

# Source: 1609.04802, section 3.2; the paper's data were 350 thousand pictures of ImageNet.
SRRESNET = Recipe(
    name="srresnet",
    generator=SRResNet,
    data=("T91", "BSDS500", "ImageNet500"),
    hr_crop=96,
    batch=16,
    steps=1_000_000,
    learning_rate=1e-4,
    scale=4,
)

# 2000 epochs of 1000 steps, the rate halved each 200; patches of 64 LR pixels at every scale, 128 HR pixels at x2.
# Source: 2104.09497, section 4.1.
A2N_PAPER = replace(
    SRRESNET,
    name="a2n",
    generator=A2N,
    hr_crop=128,
    batch=32,
    steps=2_000_000,
    learning_rate=5e-4,
    scale=2,
    schedule=tenfold_halving,
    pixel=l1,
)

RECIPES = {recipe.name: recipe for recipe in (SRCNN_FAST, SRCNN_PAPER, SRRESNET, A2N_PAPER)}


def budgeted(recipe: Recipe, *, minutes: float) -> Recipe:
    """The recipe for a given time instead of its steps: a rate that rises at once and ends at 0, whatever the time.

    A recipe that anneals already keeps its schedule and rate. Raises ValueError for a time that is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"minutes is {minutes}: a budget is above 0")
    if recipe.schedule in (cosine, warm_cosine):
        return replace(recipe, steps=None, minutes=minutes)
    return replace(recipe, steps=None, minutes=minutes, schedule=warm_cosine, learning_rate=SHORT_RATE)


def rescaled(recipe: Recipe, scale: int) -> Recipe:
    """The recipe at another scale, its patches of the same LR size: A2N's 128 HR pixels at x2 are 256 at x4.

    SRCNN works at HR size, so its patches keep their HR size (cut to a multiple of the scale).
    """
    side = recipe.hr_crop if recipe.luma else recipe.hr_crop // recipe.scale * scale
    return replace(recipe, scale=scale, hr_crop=max(side // scale, 1) * scale)


def describe(recipe: Recipe) -> dict[str, str]:
    """Every field of a recipe as text, functions by name: what a log, a card and `diff` show."""
    return {f.name: _text(getattr(recipe, f.name)) for f in fields(recipe)}


def diff(old: Recipe, new: Recipe) -> str:
    """What changed from one recipe to the next, a line for each field that differs."""
    before, after = describe(old), describe(new)
    return "\n".join(f"{k}: {before[k]} -> {after[k]}" for k in before if before[k] != after[k])


def _text(value: Any) -> str:
    if isinstance(value, partial):
        return f"{_text(value.func)}({', '.join(f'{k}={_text(v)}' for k, v in value.keywords.items())})"
    if isinstance(value, tuple):
        return f"({', '.join(_text(v) for v in value)})"
    return value.__name__ if callable(value) else str(value)
