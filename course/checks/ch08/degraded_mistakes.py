"""What the usual mistakes in 08.6 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[[Tensor, float, torch.Generator], Tensor]


def out_of_range(u: Tensor, low: float, high: float) -> str:
    """Why strengths lie outside of [low, high]; u: how far from low, in widths of the range."""
    strength = low + (high - low) * u

    def between(least: float, most: float) -> bool:
        return bool((strength >= least - 1e-6).all() and (strength <= most + 1e-6).all())

    if between(0, 1):
        return "a number in [0, 1) is the strength: low + (high - low) times it"
    if between(0, high - low):
        return "low is not added: low + (high - low) * u"
    if between(low, low + high):
        return "high is taken for the width of the range: low + (high - low) * u"
    if between(0, high):
        return "strengths begin at 0: low + (high - low) * u"
    return "strengths lie outside of [low, high]: low + (high - low) * torch.rand, not randn"


def not_uniform(u: Tensor) -> str:
    """Why strengths inside of their range are not uniform."""
    if float(u.max() - u.min()) < 1e-6:
        return "strengths are always the same"
    return "strengths are inside of [low, high], and not uniform: low + (high - low) * torch.rand"


def of_the_split(calls: Sequence[tuple[int, bytes, bytes]], start: bytes) -> str:
    """Why the batch's split changes the pictures; calls: the step's number, rng's state before it and behind it."""
    numbers = [number for number, _, _ in calls]
    if [before for _, before, _ in calls] == [start, *(behind for _, _, behind in calls[:-1])]:
        return "strengths are not drawn from rng, but from a generator of your own that begins anew with each batch"
    if numbers == sorted(numbers):
        return "the loop over the steps is outside: all pictures take step one before any takes step two. Turn it round"
    borders = [k for k in range(1, len(calls)) if numbers[k] == 0]
    if all(calls[k - 1][2] == calls[k][1] for k in borders):
        return (
            "all strengths are drawn before the first picture is done, or from a generator of your own: draw from rng "
            "for one, finish it, draw for the next"
        )
    return (
        "the pictures take from rng in another order than they come, or numbers are drawn that depend on how many they "
        "are: one for each step, from the first picture to the last"
    )
