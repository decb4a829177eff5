"""Learning rates over a budget: the share of it that is used, in [0, 1] -> a factor on the rate."""

import math

WARM_UP = 0.02  # of the budget, in warm_cosine


def constant(fraction: float) -> float:
    """A learning rate that stays: fraction of the budget in [0, 1] -> factor 1."""
    return 1.0


def cosine(fraction: float) -> float:
    """A learning rate that falls along half a cosine: 1 at the start, 0 at the end of the budget."""
    return 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


def tenfold_halving(fraction: float) -> float:
    """A learning rate that is halved after each tenth of the budget: 1, then 1/2 from 0.1 on, 1/4 from 0.2 on."""
    return 0.5 ** int(10 * min(fraction, 1.0) + 1e-9)


def fivefold_halving(fraction: float) -> float:
    """A learning rate that is halved after each fifth of the budget: 1, then 1/2 from 0.2 on, 1/4 from 0.4 on."""
    return 0.5 ** int(5 * min(fraction, 1.0) + 1e-9)


def warm_cosine(fraction: float) -> float:
    """A learning rate that rises in a straight line over the first 2 % of the budget, then falls as `cosine`."""
    return min(fraction / WARM_UP + 1e-3, 1.0) * cosine(fraction)


def tenth_at_half(fraction: float) -> float:
    """A learning rate that is divided by 10 after half of the budget."""
    return 1.0 if fraction < 0.5 else 0.1


def late_halving(fraction: float) -> float:
    """A learning rate that is halved at 1/8, 1/4, 1/2 and 3/4 of the budget."""
    return 0.5 ** sum(fraction >= part for part in (1 / 8, 1 / 4, 1 / 2, 3 / 4))


def held_cosine(fraction: float) -> float:
    """A learning rate that stays for half of the budget and falls along half a cosine in the other half."""
    return cosine(max(2 * fraction - 1, 0.0))
