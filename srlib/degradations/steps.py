"""The steps of a degradation as values with their numbers filled in: what was done to one picture, to be done again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.degradations import kernels
from srlib.degradations.blur import blur
from srlib.degradations.jpeg import jpeg
from srlib.degradations.noise import add_gaussian, add_poisson
from srlib.image import to_float, to_uint8
from srlib.resize import imresize

Filter = Literal["gaussian", "plateau", "sinc"]
Mode = Literal["area", "bilinear", "bicubic", "matlab"]
Law = Literal["gaussian", "poisson"]


def check_word(name: str, word: str, words: Any) -> None:
    """Raises ValueError for a word that is none of a Literal's."""
    if word not in get_args(words):
        raise ValueError(f"{name} {word!r} is not known: it is one of {', '.join(get_args(words))}")


@dataclass(frozen=True)
class Blur:
    """A filter. `cutoff` in radians a pixel belongs to the sinc; the other numbers to Gaussians and plateaus."""

    kind: Filter
    size: int
    sigma: tuple[float, float] = (1.0, 1.0)  # pixels, along the kernel's two axes
    rotation: float = 0.0  # radians
    beta: float = 1.0
    cutoff: float = 0.0

    def __post_init__(self) -> None:
        check_word("filter", self.kind, Filter)

    def kernel(self, device: torch.device | str = "cpu") -> Tensor:
        """(1, size, size) float32."""
        if self.kind == "sinc":
            made = kernels.sinc(self.size, torch.tensor([self.cutoff], dtype=torch.float64))
        else:
            shape = kernels.gaussian if self.kind == "gaussian" else kernels.plateau
            sigma = torch.tensor([self.sigma], dtype=torch.float64)
            made = shape(self.size, sigma, rotation=self.rotation, beta=self.beta)
        return made.float().to(device)

    def __call__(self, picture: Tensor) -> Tensor:
        return blur(picture, self.kernel(picture.device))


@dataclass(frozen=True)
class Resize:
    """A change of size, as torch's interpolation does it (without antialiasing), or as MATLAB's rounded bicubic."""

    height: int
    width: int
    mode: Mode

    def __post_init__(self) -> None:
        check_word("mode", self.mode, Mode)
        for side in (self.height, self.width):
            if not isinstance(side, int) or side < 1:
                raise ValueError(f"a resize to {self.height} x {self.width}: sides are whole numbers from 1 on")

    def __call__(self, picture: Tensor) -> Tensor:
        size = (self.height, self.width)
        if self.mode == "matlab":
            return to_float(imresize(to_uint8(picture), size=size))
        return picture if picture.shape[-2:] == size else F.interpolate(picture, size=size, mode=self.mode)


@dataclass(frozen=True)
class Noise:
    """Noise whose every value follows from its seed (on one kind of device)."""

    law: Law
    strength: float  # standard deviation in 1/255; factor on the counting noise
    grey: bool
    seed: int

    def __post_init__(self) -> None:
        check_word("law", self.law, Law)

    def __call__(self, picture: Tensor) -> Tensor:
        if picture.device.type == "mps":  # which has no float64, by which photons are counted
            return self(picture.cpu()).to(picture.device)
        rng = torch.Generator(picture.device).manual_seed(self.seed)
        add = add_gaussian if self.law == "gaussian" else add_poisson
        return add(picture, torch.tensor([self.strength]), grey=torch.tensor([self.grey]), rng=rng)


@dataclass(frozen=True)
class Jpeg:
    """Compression, and decompression."""

    quality: int

    def __post_init__(self) -> None:
        if not isinstance(self.quality, int) or not 1 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality!r}: it is a whole number from 1 to 100")

    def __call__(self, picture: Tensor) -> Tensor:
        return jpeg(picture.clamp(0, 1), self.quality)


Step = Blur | Resize | Noise | Jpeg
STEPS: dict[str, type[Step]] = {"blur": Blur, "resize": Resize, "noise": Noise, "jpeg": Jpeg}


@dataclass(frozen=True)
class Degradation:
    """All that happens to one picture, in order; the same picture gives the same bytes again."""

    steps: tuple[Step, ...]

    def __call__(self, picture: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1] -> (1, 3, h, w) in [0, 1], whole multiples of 1/255."""
        for step in self.steps:
            picture = step(picture)
        return picture.mul(255).round_().clamp_(0, 255).div_(255)

    def to_json(self) -> str:
        """One line of JSON: a list of steps, each with its name and numbers."""
        named = {kind: name for name, kind in STEPS.items()}
        return json.dumps([{"step": named[type(step)], **asdict(step)} for step in self.steps])

    @classmethod
    def from_json(cls, text: str) -> "Degradation":
        """The degradation that `to_json` wrote. Raises ValueError if the text is none, and says what is wrong."""
        try:
            if not isinstance(entries := json.loads(text), list):
                raise ValueError("it is no list")
            return cls(tuple(_step(entry) for entry in entries))
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no degradation written by to_json: {error}") from error


def _step(entry: Mapping[str, Any]) -> Step:
    numbers = dict(entry)
    kind = STEPS.get(name := numbers.pop("step", None))
    if kind is None:
        raise ValueError(f"step {name!r} is not known: it is one of {', '.join(STEPS)}")
    if unknown := numbers.keys() - {f.name for f in fields(kind)}:
        raise ValueError(f"a step {name!r} has no {', '.join(sorted(unknown))}")
    if "sigma" in numbers:
        numbers["sigma"] = tuple(numbers["sigma"])
    return kind(**numbers)
