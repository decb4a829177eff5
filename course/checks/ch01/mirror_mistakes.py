"""What the usual mistakes in 01.3 give: cause -> formula, computed only when an answer is wrong."""

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch01.shared import reflected, right_mirror


def wrong_mirrors(position: Tensor, inputs: int) -> Mistakes:
    """What the usual mistakes give at these positions."""
    p, n = position, inputs
    folded, signed = p % (2 * n), torch.fmod(p, 2 * n)
    return {
        "the edge pixel stands there only once (as ReflectionPad2d does it): -1 is pixel 0, not 1": lambda: reflected(
            p, n
        ),
        "the edge pixel is repeated for ever (clamp): the picture goes back from there, -2 is pixel 1": lambda: p.clamp(
            0, n - 1
        ),
        "the line begins anew (p % inputs): at the edge it turns round": lambda: p % n,
        "one reflection is too few for positions far outside: take them modulo 2 * inputs first": lambda: torch.where(
            p < 0, -1 - p, torch.where(p >= n, 2 * n - 1 - p, p)
        ),
        "one reflection on the left, then one on the right, is too few: modulo 2 * inputs first": lambda: torch.minimum(
            torch.where(p < 0, -1 - p, p), 2 * n - 1 - torch.where(p < 0, -1 - p, p)
        ),
        "the right end is one off: position inputs is pixel inputs - 1": lambda: torch.where(
            folded < n, folded, 2 * n - folded
        ),
        "the right end is one off the other way: position inputs is pixel inputs - 1, not inputs - 2": (
            lambda: torch.where(folded < n, folded, 2 * n - 2 - folded)
        ),
        "the left end is one off (abs): position -1 is pixel 0": lambda: right_mirror(p.abs(), n),
        "fmod keeps the sign of a negative position: use % (torch.remainder), which gives 0 .. 2 * inputs - 1": (
            lambda: torch.minimum(signed, 2 * n - 1 - signed)
        ),
        "the modulo is missing: bring every position into 0 .. 2 * inputs - 1 first, by position % (2 * inputs)": (
            lambda: torch.minimum(p, 2 * n - 1 - p)
        ),
    }
