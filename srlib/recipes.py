"""The stages of the course as values: what a paper does is a Recipe, the next paper is `replace(...)` of the last."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from srlib.degradations.passes import FIRST, NAMED, SECOND, Pass
from srlib.losses import RELATIVISTIC, STANDARD, Game, Loss, l1, mse
from srlib.models.a2n import A2N
from srlib.models.discriminators import ESRGANDiscriminator, SRGANDiscriminator
from srlib.models.rrdbnet import RRDBNet
from srlib.models.srcnn import SRCNN, gaussian
from srlib.models.srresnet import SRResNet
from srlib.models.unet import UNetDiscriminator
from srlib.schedules import (
    constant,
    cosine,
    fivefold_halving,
    held_cosine,
    late_halving,
    tenfold_halving,
    tenth_at_half,
    warm_cosine,
)

SHORT_RATE = 8e-4  # of `budgeted`: Adam's peak rate when minutes are to do what the papers did in days
SHORT_EMA = 0.995  # looks back over some 200 steps
ALONE = 50  # steps of a short game in which the discriminator learns alone, so that it has something to say
RAMP = 200  # and over which the generator's rate rises: Adam's first steps, all of full length, would spoil its colours
# The weights of a game's terms where VGG19's file ends before the paper's layer, found here with a rescaled file to
# conv3_4: with the paper's own, SRGAN's colours swung off.
SHALLOW = {
    "srgan": {"pixel_weight": 1.0, "perceptual_weight": 0.03},
    "esrgan": {"pixel_weight": 1.0, "adversarial_weight": 0.01},
}
VGG_RESCALE = 1 / 12.75  # of SRGAN's features. Source: 1609.04802, section 3.2

adam = partial(torch.optim.Adam, fused=True)  # all of a step in one kernel

ParameterGroups = Callable[[nn.Module, float], Iterable[dict[str, Any]]]


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
    optimizer: Callable[..., torch.optim.Optimizer] = adam
    groups: ParameterGroups = one_rate
    start: Callable[[nn.Module], None] = default_start
    begins: str | None = None  # the stage whose weights `srlib train` starts from
    lr_data: str | None = None  # a folder of the pictures' LR partners; None: they are made
    passes: tuple[Pass, ...] = ()  # how pictures are degraded; (): by bicubic alone
    canvas: float = 1.0  # the side of what is degraded, of which a patch is then cut, in patches
    sharpened: bool = False  # whether what is degraded, and all but the discriminator aim at, is sharpened HR
    pool: int = 0  # pairs that wait to be mixed; 0 for no pool
    pixel: Loss = mse
    pixel_weight: float = 1.0
    features: tuple[tuple[str, float], ...] = ()  # VGG19's layers and their weights in the perceptual distance
    feature_distance: Loss = mse
    perceptual_weight: float = 0.0
    random_features: bool = False  # untrained VGG19: for trying the mechanics without its weights
    discriminator: Callable[..., nn.Module] | None = None  # None: the network learns alone
    game: Game = STANDARD
    discriminator_rate: float | None = None  # its learning rate; None: the generator's
    adversarial_weight: float = 0.0
    warm_up: int = 0  # steps in which the discriminator learns alone
    ramp: int = 0  # steps over which the generator's rate then rises
    luma: bool = False  # train on Y alone
    label_margin: int = 0  # HR pixels left out of the loss on every side, where a patch lacks neighbours
    clip: float | None = None  # largest norm of the gradient; None leaves it
    ema: float | None = None  # share of the old average kept at each step; the averaged network is what counts then
    seed: int = 0

    @property
    def perceptual(self) -> bool:
        """Whether it looks through VGG19."""
        return bool(self.features and self.perceptual_weight)


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
    optimizer=adam,
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

# The start of ESRGAN: L1, the rate halved after each of five parts of 200 thousand steps. Source: 1809.00219, 4.1.
RRDB_PSNR = replace(
    SRRESNET,
    name="rrdb-psnr",
    generator=RRDBNet,
    hr_crop=128,
    learning_rate=2e-4,
    schedule=fivefold_halving,
    pixel=l1,
)

# The generator is SRResNet's; no pixel term. Source: 1609.04802, sections 2.2 and 3.2 (SRGAN-VGG54).
SRGAN = replace(
    SRRESNET,
    name="srgan",
    steps=200_000,
    schedule=tenth_at_half,
    begins="srresnet",
    pixel_weight=0.0,
    features=(("relu5_4", 1.0),),
    perceptual_weight=VGG_RESCALE**2,
    discriminator=SRGANDiscriminator,
    adversarial_weight=1e-3,
)

# Source: 1809.00219, sections 3 and 4.1.
ESRGAN = replace(
    SRGAN,
    name="esrgan",
    generator=RRDBNet,
    hr_crop=128,
    steps=400_000,
    schedule=late_halving,
    begins="rrdb-psnr",
    pixel=l1,
    pixel_weight=1e-2,
    features=(("conv5_4", 1.0),),
    feature_distance=l1,
    perceptual_weight=1.0,
    discriminator=ESRGANDiscriminator,
    game=RELATIVISTIC,
    adversarial_weight=5e-3,
)

# The variant for the PIRM challenge: less depth, and bound to the input by the pixel term here and by back-projection
# afterwards. No network of 16 blocks is shipped that it could begin with. Source: 1809.00219, on that challenge.
ESRGAN_PIRM = replace(
    ESRGAN, name="esrgan-pirm", generator=partial(RRDBNet, num_blocks=16), begins=None, pixel_weight=10.0
)

# From bicubic to real pictures: the second stage of RRDB-PSNR with random degradations, sharpened targets and a moving
# average. Source: 2107.10833, sections 3 and 4.1, and the authors' options; 256 of 400 pixels are theirs.
REAL_ESRNET = replace(
    RRDB_PSNR,
    name="real-esrnet",
    hr_crop=256,
    batch=48,
    schedule=constant,
    begins="esrgan",
    passes=(FIRST, SECOND),
    canvas=400 / 256,
    sharpened=True,
    pool=180,
    ema=0.999,
)

# Back to the standard game, before a discriminator that judges every pixel; features of five layers.
# Source: 2107.10833, sections 3.4 and 4.1.
REAL_ESRGAN = replace(
    REAL_ESRNET,
    name="real-esrgan",
    steps=400_000,
    learning_rate=1e-4,
    begins="real-esrnet",
    features=(("conv1_2", 0.1), ("conv2_2", 0.1), ("conv3_4", 1.0), ("conv4_4", 1.0), ("conv5_4", 1.0)),
    feature_distance=l1,
    perceptual_weight=1.0,
    discriminator=UNetDiscriminator,
    adversarial_weight=0.1,
)

_ALL = (SRCNN_FAST, SRCNN_PAPER, SRRESNET, A2N_PAPER, RRDB_PSNR, SRGAN, ESRGAN, ESRGAN_PIRM, REAL_ESRNET, REAL_ESRGAN)
RECIPES = {recipe.name: recipe for recipe in _ALL}


def budgeted(recipe: Recipe, *, minutes: float) -> Recipe:
    """The recipe for a given time instead of its steps: a rate that rises at once and ends at 0, whatever the time.

    A recipe that anneals already keeps its schedule and rate. A game keeps its rate, which falls only in the
    second half, and is given a warm-up and a moving average. A moving average looks back over fewer steps: the papers'
    1000 would hold the start. Raises ValueError for a time that is not above 0.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"minutes is {minutes}: a budget is above 0")
    if recipe.schedule in (cosine, warm_cosine):
        return replace(recipe, steps=None, minutes=minutes)
    if recipe.discriminator:
        return replace(
            recipe,
            steps=None,
            minutes=minutes,
            schedule=held_cosine,
            ema=SHORT_EMA,
            warm_up=ALONE,
            ramp=RAMP,
        )
    ema = recipe.ema and SHORT_EMA
    return replace(recipe, steps=None, minutes=minutes, schedule=warm_cosine, learning_rate=SHORT_RATE, ema=ema)


def with_blocks(recipe: Recipe, blocks: int) -> Recipe:
    """The recipe with so many blocks in its generator's body. Raises ValueError for a network that has none."""
    if "num_blocks" not in inspect.signature(recipe.generator).parameters:
        raise ValueError(f"{recipe.name}'s network has no blocks to count: leave --blocks out")
    return replace(recipe, generator=partial(recipe.generator, num_blocks=blocks))


def check_use(recipe: Recipe, chosen: Mapping[str, Any]) -> None:
    """Raises ValueError if one of the recipe's fields that were chosen is of no use in it, or if no loss is left."""
    for name, used, what in (
        ("adversarial_weight", recipe.discriminator, "plays no game"),
        ("warm_up", recipe.discriminator, "plays no game"),
        ("discriminator_rate", recipe.discriminator, "plays no game"),
        ("perceptual_weight", recipe.features, "looks through no features; name --taps, too"),
        ("features", recipe.perceptual_weight, "gives them no weight; name --perceptual-weight, too"),
        ("random_features", recipe.perceptual, "looks through no features"),
    ):
        if chosen.get(name) and not used:
            option = "taps" if name == "features" else name.replace("_", "-")
            raise ValueError(f"--{option} is of no use: {recipe.name} {what}")
    if not (recipe.pixel_weight or recipe.perceptual or recipe.adversarial_weight):
        raise ValueError(f"{recipe.name} has no loss left: give --pixel-weight or --perceptual-weight a value above 0")


def rescaled(recipe: Recipe, scale: int) -> Recipe:
    """The recipe at another scale, its patches of the same LR size: A2N's 128 HR pixels at x2 are 256 at x4.

    SRCNN works at HR size, so its patches keep their HR size (cut to a multiple of the scale).
    """
    side = recipe.hr_crop if recipe.luma else recipe.hr_crop // recipe.scale * scale
    return replace(recipe, scale=scale, hr_crop=max(side // scale, 1) * scale)


def crop_unit(recipe: Recipe) -> int:
    """HR pixels of which the side of a patch must be a multiple: for the scale, and for the discriminator."""
    return math.lcm(recipe.scale, _of_discriminator(recipe, "shrink"))


def least_crop(recipe: Recipe) -> int:
    """HR pixels that the side of a patch must have at least, for the discriminator."""
    return _of_discriminator(recipe, "least")


def _of_discriminator(recipe: Recipe, name: str) -> int:
    player = recipe.discriminator
    return getattr(player.func if isinstance(player, partial) else player, name, 1)


def describe(recipe: Recipe) -> dict[str, str]:
    """Every field of a recipe as text, functions by name: what a log, a card and `diff` show."""
    return {f.name: _text(getattr(recipe, f.name)) for f in fields(recipe)}


def described_before(saved: Mapping[str, str]) -> dict[str, str]:
    """A description that an earlier version wrote, with the fields that it did not know at what they had been."""
    known = {f.name: _text(f.default) for f in fields(Recipe) if f.default is not MISSING}
    return {**known, **saved}


def diff(old: Recipe, new: Recipe) -> str:
    """What changed from one recipe to the next, a line for each field that differs."""
    before, after = describe(old), describe(new)
    return "\n".join(f"{k}: {before[k]} -> {after[k]}" for k in before if before[k] != after[k])


def _text(value: Any) -> str:
    if isinstance(value, partial):
        return f"{_text(value.func)}({', '.join(f'{k}={_text(v)}' for k, v in value.keywords.items())})"
    if isinstance(value, tuple):
        return f"({', '.join(_text(v) for v in value)})"
    if isinstance(value, Pass):
        return next((name for name, known in NAMED.items() if known == value), repr(value))
    return value.name if isinstance(value, Game) else value.__name__ if callable(value) else str(value)
