"""Random degradations: a Pass says what may happen to a picture and how often, and twice means two passes.

`()` is bicubic shrinking, `(FIRST,)` the classic blur, shrinking, noise and compression, `(FIRST, SECOND)` what
Real-ESRGAN learns from.
Source: 2107.10833, section 3; numbers of the authors' training options.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from srlib.degradations.steps import Blur, Degradation, Jpeg, Law, Mode, Noise, Resize, Step, check_word

T = TypeVar("T")
Range = tuple[float, float]
Name = Literal["blur", "resize", "noise", "jpeg"]
Base = Literal["input", "lr"]
Kind = Literal["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"]
MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic")
TINY = sys.float_info.min  # the least number above 0
SMALL_SINC = 13  # the size from which a sinc kernel has room for slow waves


@dataclass(frozen=True)
class Pass:
    """What may happen in one pass, with its chances and ranges, all of which are drawn uniformly for every picture.

    The last pass, or the only one, also brings the picture to its final size, with one more filter, and keeps one of
    its compressions for before or after that. Raises ValueError for a word that is not known, a chance
    outside 0 to 1, and a range that is the wrong way round or goes beyond what can be.
    """

    steps: tuple[Name, ...] = ("blur", "resize", "noise", "jpeg")
    shuffled: bool = False  # the steps come in any order
    blur: float = 1.0  # the chance of one
    kernel_sizes: tuple[int, ...] = (7, 9, 11, 13, 15, 17, 19, 21)
    kinds: tuple[tuple[Kind, float], ...] = (
        ("iso", 0.45),
        ("aniso", 0.25),
        ("generalized_iso", 0.12),
        ("generalized_aniso", 0.03),
        ("plateau_iso", 0.12),
        ("plateau_aniso", 0.03),
    )
    sigma: Range = (0.2, 3.0)  # pixels
    generalized_beta: Range = (0.5, 4.0)  # half of the draws below 1, half above
    plateau_beta: Range = (1.0, 2.0)
    sinc: float = 0.1  # the chance that a blur is a sinc instead
    up_down_keep: tuple[float, float, float] = (0.2, 0.7, 0.1)
    factor: Range = (0.15, 1.5)  # of a resize: up from 1, down to 1
    of: Base = "input"  # what the factor multiplies: the size as it is, or the final one
    gaussian: float = 0.5  # the chance that noise is Gaussian, else Poisson
    gaussian_sigma: Range = (1.0, 30.0)  # 1/255
    poisson_scale: Range = (0.05, 3.0)
    grey: float = 0.4  # the chance that noise is grey
    quality: tuple[int, int] = (30, 95)
    final_sinc: float = 0.8  # the chance of that filter in the end
    jpeg_last: float = 0.5  # the chance that the last compression follows the final size

    def __post_init__(self) -> None:
        for step in self.steps:
            check_word("step", step, Name)
        for kind, _ in self.kinds:
            check_word("kind", kind, Kind)
        check_word("of", self.of, Base)
        for name in ("blur", "sinc", "gaussian", "grey", "final_sinc", "jpeg_last"):
            if not 0 <= (chance := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {chance}: a chance lies between 0 and 1")
        for name, least, most in (
            ("sigma", TINY, math.inf),
            ("generalized_beta", TINY, math.inf),
            ("plateau_beta", TINY, math.inf),
            ("factor", TINY, math.inf),
            ("gaussian_sigma", 0, math.inf),
            ("poisson_scale", 0, math.inf),
            ("quality", 1, 100),
        ):
            _check_range(name, getattr(self, name), least, most)
        for name in ("generalized_beta", "plateau_beta", "factor"):
            low, high = getattr(self, name)
            if not low <= 1 <= high:
                raise ValueError(f"{name} is {(low, high)}: 1 must lie between its ends, for one is drawn on each side")
        if not all(isinstance(end, int) for end in self.quality):
            raise ValueError(f"quality is {self.quality}: JPEG's are whole numbers")
        _check_shares("up_down_keep", self.up_down_keep)
        _check_shares("kinds", [share for _, share in self.kinds])
        if len(self.up_down_keep) != 3:
            raise ValueError(f"up_down_keep is {self.up_down_keep}: it has three shares")
        if not self.kernel_sizes or any(size < 1 or size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes is {self.kernel_sizes}: a kernel has a middle pixel, so name odd sizes")


def _check_range(name: str, values: Range, least: float, most: float) -> None:
    try:
        low, high = values
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {values}: give (lowest, highest)") from error
    if low > high:
        raise ValueError(f"{name} is {values}, the wrong way round: give (lowest, highest)")
    if not least <= low <= high <= most or math.isinf(high):
        bounds = "above 0" if least == TINY else f"from {least} on" if math.isinf(most) else f"from {least} to {most}"
        raise ValueError(f"{name} is {values}: it takes numbers {bounds}")


def _check_shares(name: str, shares: Sequence[float]) -> None:
    if not all(0 <= share < math.inf for share in shares) or sum(shares) <= 0:
        raise ValueError(f"{name} has the shares {tuple(shares)}: none may be negative, and one must be above 0")


FIRST = Pass()
SECOND = replace(
    FIRST,
    blur=0.8,
    sigma=(0.2, 1.5),
    up_down_keep=(0.3, 0.4, 0.3),
    factor=(0.3, 1.2),
    of="lr",
    gaussian_sigma=(1.0, 25.0),
    poisson_scale=(0.05, 2.5),
)
# BSRGAN's idea in the same words: two blurs, a resize, noise and compression in any order, compression once more at
# the end. Its camera's processing and its noise that is correlated between channels are left out.
# Source: 2103.14006, section 3.2 and 3.3, and the authors' code for x4.
SHUFFLED = replace(
    FIRST,
    steps=("blur", "blur", "resize", "noise", "jpeg", "jpeg"),
    shuffled=True,
    kernel_sizes=(7, 9, 11, 13, 15, 17, 19, 21, 23, 25),
    kinds=(("iso", 0.5), ("aniso", 0.5)),
    sigma=(0.1, 2.8),
    sinc=0.0,
    factor=(0.125, 2.0),
    gaussian=1.0,
    gaussian_sigma=(2.0, 25.0),
    final_sinc=0.0,
    jpeg_last=1.0,
)
NAMED = {"FIRST": FIRST, "SECOND": SECOND, "SHUFFLED": SHUFFLED}


def degrade(
    hr: Tensor, *, scale: int, passes: Sequence[Pass], rng: torch.Generator
) -> tuple[Tensor, list[Degradation]]:
    """Degrades each picture in a way of its own: (LR pictures, what was done to each).

    hr (B, 3, H, W) in [0, 1], sides multiples of scale -> (B, 3, H / scale, W / scale), 8-bit values in [0, 1]. rng:
    of the CPU, from which the pictures take what they need one after the other, so that a batch in parts gives the
    same. Raises ValueError as `draw`, for another shape, no picture, integers, NaN or values outside [0, 1].
    """
    if hr.ndim != 4 or hr.shape[1] != 3 or not len(hr) or not hr.is_floating_point():
        raise ValueError(
            f"hr is {tuple(hr.shape)} of {hr.dtype}: it must be (B, 3, H, W) floats in [0, 1]; use srlib.image.to_float"
        )
    low, high = (float(end) for end in hr.aminmax())  # NaN if there is one
    if not (low >= 0 and high <= 1):
        raise ValueError(f"hr goes from {low:g} to {high:g}, not 0 to 1: divide by 255 or clamp(0, 1), mend any NaN")
    drawn = [draw(rng, size=(hr.shape[-2], hr.shape[-1]), scale=scale, passes=passes) for _ in hr]
    return torch.cat([one(picture[None]) for one, picture in zip(drawn, hr, strict=True)]), drawn


def draw(rng: torch.Generator, *, size: tuple[int, int], scale: int, passes: Sequence[Pass]) -> Degradation:
    """What will happen to one picture of `size` (height, width).

    Raises ValueError if scale is below 1, a side is no multiple of it, or the last pass has no compression.
    """
    height, width = size
    if scale < 1:
        raise ValueError(f"scale is {scale}: it is a whole number from 1 on")
    if height % scale or width % scale or not min(size):
        raise ValueError(f"hr is {height} x {width}: take sides that are multiples of scale {scale}, crop_to_multiple")
    final = (height // scale, width // scale)
    if not passes:
        return Degradation((Resize(*final, "matlab"),))
    dice = _Dice(rng)
    steps: list[Step] = []
    for number, one in enumerate(passes):
        names = list(one.steps)
        if last := number == len(passes) - 1:
            if "jpeg" not in names:
                raise ValueError(f"the last pass has the steps {', '.join(names)}: it needs jpeg, with which it ends")
            names.remove("jpeg")
        if one.shuffled:
            names = [names[k] for k in torch.randperm(len(names), generator=rng).tolist()]
        for name in names:
            if name == "blur" and dice.chance(one.blur):
                steps.append(_blur(one, dice))
            elif name == "resize":
                of = final if one.of == "lr" else size
                factor = _factor(one, dice)
                size = (max(int(of[0] * factor), 1), max(int(of[1] * factor), 1))
                steps.append(Resize(*size, dice.choice(MODES)))
            elif name == "noise":
                steps.append(_noise(one, dice))
            elif name == "jpeg":
                steps.append(_jpeg(one, dice))
        if last:
            steps += _end(one, final, dice)
    return Degradation(tuple(steps))


def _end(last: Pass, final: tuple[int, int], dice: "_Dice") -> list[Step]:
    """The final size and filter, and the compression before or after them."""
    sized: list[Step] = [Resize(*final, dice.choice(MODES))]
    if dice.chance(last.final_sinc):
        sized.append(Blur("sinc", dice.choice(last.kernel_sizes), cutoff=dice.uniform(math.pi / 3, math.pi)))
    squeezed = _jpeg(last, dice)
    return [*sized, squeezed] if dice.chance(last.jpeg_last) else [squeezed, *sized]


def _blur(one: Pass, dice: "_Dice") -> Blur:
    size = dice.choice(one.kernel_sizes)
    if dice.chance(one.sinc):
        slowest = math.pi / 3 if size < SMALL_SINC else math.pi / 5
        return Blur("sinc", size, cutoff=dice.uniform(slowest, math.pi))
    names, chances = zip(*one.kinds, strict=True)
    kind = dice.choice(names, chances)
    along = dice.uniform(*one.sigma)
    sigma, rotation = (along, along), 0.0
    if kind.endswith("aniso"):
        sigma, rotation = (along, dice.uniform(*one.sigma)), dice.uniform(-math.pi, math.pi)
    if kind.startswith("plateau"):
        return Blur("plateau", size, sigma, rotation, _beta(one.plateau_beta, dice))
    return Blur("gaussian", size, sigma, rotation, _beta(one.generalized_beta, dice) if "general" in kind else 1.0)


def _beta(whole: Range, dice: "_Dice") -> float:
    return dice.uniform(whole[0], 1.0) if dice.chance(0.5) else dice.uniform(1.0, whole[1])


def _factor(one: Pass, dice: "_Dice") -> float:
    low, high = one.factor
    return dice.uniform(*dice.choice(((1.0, high), (low, 1.0), (1.0, 1.0)), one.up_down_keep))


def _noise(one: Pass, dice: "_Dice") -> Noise:
    law: Law = "gaussian" if dice.chance(one.gaussian) else "poisson"
    strength = dice.uniform(*(one.gaussian_sigma if law == "gaussian" else one.poisson_scale))
    return Noise(law, strength, dice.chance(one.grey), dice.whole(0, 2**31 - 1))


def _jpeg(one: Pass, dice: "_Dice") -> Jpeg:
    return Jpeg(dice.whole(*one.quality))


class _Dice:
    """Single numbers from a generator."""

    def __init__(self, rng: torch.Generator) -> None:
        self.rng = rng

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.rng, dtype=torch.float64))

    def whole(self, low: int, high: int) -> int:
        """One of low, ..., high."""
        return int(torch.randint(low, high + 1, (), generator=self.rng))

    def chance(self, probability: float) -> bool:
        return self.uniform(0, 1) < probability

    def choice(self, values: Sequence[T], chances: Sequence[float] | None = None) -> T:
        if chances is None:
            return values[self.whole(0, len(values) - 1)]
        at, left = 0, self.uniform(0, sum(chances))
        while left >= chances[at] and at < len(values) - 1:
            left -= chances[at]
            at += 1
        return values[at]
