"""What the usual mistakes in 09.4 give: cause -> formula, computed only when an answer is wrong."""

import torch
from torch import Tensor

from course.checking import Mistakes


def average(mine: Tensor, theirs: Tensor, decay: float) -> Mistakes:
    """Of one parameter after one step."""
    return {
        "decay and 1 - decay are exchanged: that is hardly an average at all": lambda: (
            (1 - decay) * mine + decay * theirs
        ),
        "the parameter was copied: decay of the average is kept": theirs.clone,
        "the parameter stays as it was: every one moves, also one that is frozen, and in place (`mine = ...` gives the "
        "name to something else)": mine.clone,
        "(1 - decay) is missing: it belongs to the network's share": lambda: decay * mine + theirs,
        "the average is not multiplied by decay": lambda: mine + (1 - decay) * theirs,
        "the step goes away from the network: average + (1 - decay) * (network - average)": lambda: (
            mine - (1 - decay) * (theirs - mine)
        ),
        "the step has the length decay, and is added to the whole average": lambda: mine + decay * (theirs - mine),
        "the mean of the two was taken, without decay": lambda: (mine + theirs) / 2,
        "the step was made twice": lambda: decay * (decay * mine + (1 - decay) * theirs) + (1 - decay) * theirs,
        "the network's share is taken away: it is added": lambda: decay * mine - (1 - decay) * theirs,
        "the average is added to itself: the network's share is of `network`": lambda: (
            decay * mine + (1 - decay) * decay * mine
        ),
        "the sum was divided by 1 - decay, as Adam corrects its first steps: the average needs none": lambda: (
            (decay * mine + (1 - decay) * theirs) / (1 - decay)
        ),
        "decay multiplies all of it, the network too": lambda: decay * (mine + (1 - decay) * theirs),
    }


def copied(name: str, mine: Tensor, theirs: Tensor, decay: float) -> Mistakes:
    """Of one buffer after one step."""

    def mixed() -> Tensor:
        return decay * mine.double() + (1 - decay) * theirs.double()

    return {
        f"{name} stays as it was: buffers are copied": mine.clone,
        f"{name} was averaged: buffers are copied, as the network has them": lambda: mixed().to(mine.dtype),
        f"{name} was added to: buffers are copied": lambda: mine + theirs,
        f"{name} was counted on by 1: buffers are copied": lambda: mine + 1,
        f"the larger {name} was taken: buffers are copied": lambda: torch.maximum(mine, theirs),
        f"{name} was averaged with decay exchanged: buffers are copied": lambda: (
            (1 - decay) * mine.double() + decay * theirs.double()
        ).to(mine.dtype),
    }
