"""The training-pair pool: pairs wait in it, so that those of one batch do not come from one batch of the loader.

Where a whole batch is degraded alike, as in the authors' code, this mixes the degradations again. Here every picture
is degraded in a way of its own, and the pool mixes what is mixed already; it is there to train as they did.
Source: 2107.10833, section 4.1.
"""

from typing import Any

import torch
from torch import Tensor


class Pool:
    """`size` pairs, of which each call takes as many at random as it brings.

    While it fills up, what it is brought comes back as it is. Raises ValueError for a size below 1.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        if size < 1:
            raise ValueError(f"a pool of {size} pairs holds nothing: take at least a batch")
        self.size = size
        self.rng = torch.Generator().manual_seed(seed)
        self.lr: Tensor | None = None
        self.hr: Tensor | None = None

    def swap(self, lr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, h, w), (B, 3, H, W) -> as many pairs from the pool, in whose places these stay.

        Raises ValueError if the batch is larger than the pool, or its pairs are of another size than the pool's.
        """
        if len(lr) > self.size:
            raise ValueError(
                f"a batch of {len(lr)} does not fit into a pool of {self.size}: take a smaller batch or a larger pool"
            )
        if self.lr is None or self.hr is None:
            self.lr, self.hr = lr.clone(), hr.clone()
            return lr, hr
        if lr.shape[1:] != self.lr.shape[1:] or hr.shape[1:] != self.hr.shape[1:]:
            raise ValueError(
                f"pairs of {tuple(lr.shape[1:])} and {tuple(hr.shape[1:])} come to a pool of "
                f"{tuple(self.lr.shape[1:])} and {tuple(self.hr.shape[1:])}: one run keeps its sizes"
            )
        if room := self.size - len(self.lr):
            self.lr, self.hr = torch.cat([self.lr, lr[:room]]), torch.cat([self.hr, hr[:room]])
            return lr, hr
        places = torch.randperm(self.size, generator=self.rng)[: len(lr)].to(self.lr.device)
        taken = self.lr[places], self.hr[places]
        self.lr[places], self.hr[places] = lr, hr
        return taken

    def state_dict(self) -> dict[str, Any]:
        """All that it needs to go on from here."""
        return {"lr": self.lr, "hr": self.hr, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts it back where `state_dict` was called."""
        self.lr, self.hr = (None if state[key] is None else state[key].clone() for key in ("lr", "hr"))
        self.rng.set_state(state["rng"].cpu())
