"""What changes while a network learns: a Run, and in a game its two players."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from srlib.degradations.pool import Pool
from srlib.features import VGG19
from srlib.precision import Precision, scaler
from srlib.recipes import Recipe


@dataclass
class Player:
    """One network that learns: forward is the network as it is trained (compiled, or together with others)."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    forward: Callable[[Tensor], Tensor]


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
    opponent: Player | None = None  # the discriminator, where the recipe plays a game
    features: VGG19 | None = None  # what the perceptual distance looks through
    pool: Pool | None = None  # pairs that wait, where the recipe wants them
    accumulate: int = 1  # parts in which a batch goes through the network, one after the other
    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these in which the loop waited for data
    fraction: float = 0.0
    unfollowed: bool = False  # whether a gradient of the present step was not finite
    skipped: int = 0  # steps of which one was not
    skipped_in_a_row: int = 0
    alone_until: int = 0  # the step up to which the discriminator learns alone
    setbacks: int = 0  # returns to the last good weights after a collapse; each halves the learning rates
    good: dict[str, Tensor] | None = None  # these weights
    terms: dict[str, float] = field(default_factory=dict)  # of the last step: loss, learning_rate, psnr if measured
    best: float = float("-inf")  # dB, highest validation PSNR so far
    notes: dict[str, Any] = field(default_factory=dict)  # plain values that the run's owner wants kept with it

    def __post_init__(self) -> None:
        self.scaler = scaler(self.device, self.precision)

    @property
    def player(self) -> Player:
        """The generator as one that learns."""
        forward = self.generator if self.forward is None else self.forward
        return Player(self.generator, self.optimizer, self.scaler, forward)

    @property
    def result(self) -> nn.Module:
        """The network that is measured and shipped: the moving average if there is one."""
        return self.generator if self.average is None else self.average
