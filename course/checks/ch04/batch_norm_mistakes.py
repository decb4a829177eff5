"""What the usual mistakes in 04.2 give: cause -> formula, computed only when an answer is wrong."""

import torch
from torch import Tensor

from course.checking import Mistakes


def batch_norms(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Mistakes:
    """Batch normalisations with another formula, as (y, running mean, running variance)."""
    every = (0, 2, 3)
    x, mean, variance = x.detach(), mean.detach(), variance.detach()
    n = x.numel() / x.shape[1]
    m, v = x.mean(every), x.var(every, correction=0)
    unbiased = v * n / (n - 1)
    used_m, used_v = (m, v) if training else (mean, variance)

    def old_and_new(rate: float, new_v: Tensor = unbiased) -> tuple[Tensor, Tensor]:
        if not training:
            return mean, variance
        return (1 - rate) * mean + rate * m, (1 - rate) * variance + rate * new_v

    running = old_and_new(momentum)

    def scaled(y: Tensor) -> Tensor:
        return y * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)

    def y(m: Tensor = used_m, v: Tensor = used_v, eps: float = eps) -> Tensor:
        m, v = (s.view(-1, 1, 1) if s.ndim == 1 else s for s in (m, v))
        return scaled((x - m) / torch.sqrt(v + eps))

    def over(dims: tuple[int, ...]) -> Tensor:
        """Statistics over other dimensions."""
        return y(x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True))

    def divided(by: Tensor) -> Tensor:
        return scaled((x - used_m.view(-1, 1, 1)) / by.view(-1, 1, 1))

    own = {
        "y is normalised with the running statistics: in training the batch's own are used": lambda: (
            y(mean, variance),
            *running,
        ),
        "y is normalised with the updated running statistics: in training the batch's own are used": lambda: (
            y(*running),
            *running,
        ),
        "the variance inside y is the unbiased one: there it is the mean of (x - m)^2, correction=0": lambda: (
            y(m, unbiased),
            *running,
        ),
        "the running variance takes in the biased one: multiply v by n / (n - 1) there": lambda: (
            y(),
            *old_and_new(momentum, v),
        ),
        "unbiased inside y and biased in the running variance: it is the other way round": lambda: (
            y(m, unbiased),
            *old_and_new(momentum, v),
        ),
        "momentum is the share of the new, not of the old: (1 - momentum) * old + momentum * batch": lambda: (
            y(),
            *old_and_new(1 - momentum),
        ),
        "the running statistics are not updated: in training they move towards the batch's": lambda: (
            y(),
            mean,
            variance,
        ),
        "the batch's statistics came back alone: mix them into the running ones": lambda: (y(), m, unbiased),
        "the batch's statistics are added to all of the old ones: those count (1 - momentum) times": lambda: (
            y(),
            mean + momentum * m,
            variance + momentum * unbiased,
        ),
        "momentum is 0.1 whatever is asked for: use the argument": lambda: (y(), *old_and_new(0.1)),
        "the running variance took in a standard deviation: leave the root out there": lambda: (
            y(),
            *old_and_new(momentum, unbiased.sqrt()),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not the pictures": lambda: (
            y(),
            *old_and_new(momentum, v * len(x) / (len(x) - 1)),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not of all of them": lambda: (
            y(),
            *old_and_new(momentum, v * x.numel() / (x.numel() - 1)),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not pictures and channels": lambda: (
            y(),
            *old_and_new(momentum, v * x[:, :, 0, 0].numel() / (x[:, :, 0, 0].numel() - 1)),
        ),
        "each picture has statistics of its own (instance norm): take them over the batch too": lambda: (
            over((2, 3)),
            *running,
        ),
        "each pixel has statistics of its own: take them over rows and columns too, dimensions 0, 2 and 3": lambda: (
            over((0,)),
            *running,
        ),
        "all channels share one mean and variance: each channel has its own, dimensions 0, 2 and 3": lambda: (
            over((0, 1, 2, 3)),
            *running,
        ),
        "the statistics are over the channels (layer norm): take dimensions 0, 2 and 3": lambda: (over((1,)), *running),
    }
    judging = {
        "the batch's statistics are used although training is False: then the running ones are": lambda: (
            y(m, v),
            mean,
            variance,
        ),
        "the batch's statistics are used and taken in although training is False": lambda: (
            y(m, v),
            (1 - momentum) * mean + momentum * m,
            (1 - momentum) * variance + momentum * unbiased,
        ),
        "the running statistics move although training is False: then they come back as they were": lambda: (
            y(),
            (1 - momentum) * mean + momentum * m,
            (1 - momentum) * variance + momentum * unbiased,
        ),
    }
    return {
        **(own if training else judging),
        "the deviation is that of x.std, over n - 1, and eps is added to it: v is over n, eps below the root": (
            lambda: (divided((unbiased if training else variance).sqrt() + eps), *running)
        ),
        "momentum and eps are exchanged (eps is added to the variance)": lambda: (y(eps=momentum), *old_and_new(eps)),
        "eps is left out, or another one is used: it is added to the variance, below the root": lambda: (
            y(eps=0.0),
            *running,
        ),
        "eps is added to the standard deviation: it belongs below the root": lambda: (
            divided(used_v.sqrt() + eps),
            *running,
        ),
        "x is divided by the variance: by its root, the standard deviation": lambda: (divided(used_v + eps), *running),
        "weight and bias are left out": lambda: ((y() - bias.view(-1, 1, 1)) / weight.view(-1, 1, 1), *running),
        "the bias is left out": lambda: (y() - bias.view(-1, 1, 1), *running),
        "weight and bias are exchanged": lambda: (
            (y() - bias.view(-1, 1, 1)) / weight.view(-1, 1, 1) * bias.view(-1, 1, 1) + weight.view(-1, 1, 1),
            *running,
        ),
        "the mean is not subtracted: (x - m) first": lambda: (
            scaled(x / torch.sqrt(used_v + eps).view(-1, 1, 1)),
            *running,
        ),
        "the running variance comes before the running mean: return y, mean, variance": lambda: (y(), *running[::-1]),
        "y came back alone: return it with the two running statistics": lambda: y(),
    }
