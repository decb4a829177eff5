"""What the usual mistakes in 05.4 give: cause -> formula, computed only when an answer is wrong."""

from torch import Tensor

from course.checking import Mistakes


def charbonnier(sr: Tensor, hr: Tensor, eps: float) -> Mistakes:
    d = sr - hr
    roots = (d**2 + eps**2).sqrt()
    return {
        "the root of the mean: take the root of every value, and then the mean": lambda: (d**2 + eps**2).mean().sqrt(),
        "the root of the mean squared error, with eps added inside: roots first, then their mean": lambda: (
            (d**2).mean() + eps**2
        ).sqrt(),
        "eps is not squared: inside the root stands eps^2": lambda: (d**2 + eps).sqrt().mean(),
        "eps is outside the root": lambda: d.abs().mean() + eps,
        "eps^2 is outside the root": lambda: d.abs().mean() + eps**2,
        "eps is added to the difference before it is squared": lambda: (d + eps).abs().mean(),
        "the root is missing": lambda: (d**2 + eps**2).mean(),
        "the difference is not squared": lambda: (d + eps**2).clamp(min=0).sqrt().mean(),
        "the absolute difference is not squared": lambda: (d.abs() + eps**2).sqrt().mean(),
        "that is L1: eps is missing": lambda: d.abs().mean(),
        "that is L2: the mean of squares": lambda: (d**2).mean(),
        "the sum instead of the mean": lambda: roots.sum(),
        "the sum over each picture, then the mean over the batch: one mean over everything": lambda: roots.sum(
            (1, 2, 3)
        ).mean(),
        "every value came back: take the mean": lambda: roots,
        "one loss for each picture came back: one mean over everything": lambda: roots.mean((1, 2, 3)),
        "eps was taken away again: equal pictures give eps": lambda: roots.mean() - eps,
        "eps is always 0.001: use the argument": lambda: (d**2 + 1e-6).sqrt().mean(),
        "half of it: leave the half out": lambda: roots.mean() / 2,
    }
