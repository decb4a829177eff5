"""What the usual mistakes in 06.2 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch06.shared import RESCALE

Features = Callable[[Tensor], Sequence[Tensor]]


def perceptual(sr: Tensor, hr: Tensor, features: Features, weights: Sequence[float]) -> Mistakes:
    got, target = (features(x.detach()) for x in (sr, hr))
    pairs = list(zip(got, target, strict=True))

    def summed(distance: Callable[[Tensor, Tensor], Tensor], weights: Sequence[float] = weights) -> Tensor:
        return torch.stack([w * distance(x, y) for w, (x, y) in zip(weights, pairs, strict=True)]).sum()

    plain = summed(F.mse_loss)
    right = RESCALE**2 * plain
    every = torch.cat([(w**0.5 * (x - y)).flatten() for w, (x, y) in zip(weights, pairs, strict=True)])
    return {
        "the features were not rescaled: RESCALE belongs to them": lambda: plain,
        "RESCALE stands before the square: it is on the features, so it counts squared": lambda: RESCALE * plain,
        "it was divided by RESCALE: RESCALE is 1 / 12.75 already": lambda: plain / RESCALE**2,
        "RESCALE counts twice": lambda: RESCALE**2 * right,
        "0.006 is rounded: RESCALE**2 is what it stands for": lambda: 0.006 * plain,
        "the absolute difference: SRGAN squares it": lambda: RESCALE * summed(F.l1_loss),
        "the sum over the values: the mean is wanted": lambda: RESCALE**2 * summed(lambda x, y: (x - y).square().sum()),
        "the sum over each picture's values, then the mean over the batch: one mean over all values": lambda: (
            RESCALE**2 * summed(lambda x, y: (x - y).square().sum((1, 2, 3)).mean())
        ),
        "the root was taken: the mean of squares, as it is": lambda: (
            RESCALE * summed(lambda x, y: F.mse_loss(x, y).sqrt())
        ),
        "the weights are left out": lambda: RESCALE**2 * summed(F.mse_loss, [1.0] * len(pairs)),
        "the weights were multiplied on the features, so they count squared: they belong outside the square": lambda: (
            RESCALE**2 * summed(F.mse_loss, [w * w for w in weights])
        ),
        "the weights are in the opposite order": lambda: RESCALE**2 * summed(F.mse_loss, list(weights)[::-1]),
        "the mean over the layers: their sum is wanted": lambda: right / len(pairs),
        "it was divided by the sum of the weights: the sum is wanted as it is": lambda: right / sum(weights),
        "the values of all layers went into one mean: one mean for each layer": lambda: (
            RESCALE**2 * every.square().mean()
        ),
        "only the last layer counts: add up all of them": lambda: (
            RESCALE**2 * weights[-1] * F.mse_loss(got[-1], target[-1])
        ),
        "only the first layer counts: add up all of them": lambda: (
            RESCALE**2 * weights[0] * F.mse_loss(got[0], target[0])
        ),
        "the first weight counts for every layer: each layer has its own": lambda: (
            RESCALE**2 * summed(F.mse_loss, [weights[0]] * len(pairs))
        ),
        "RESCALE is on one of the two only: both have it": lambda: summed(lambda x, y: F.mse_loss(RESCALE * x, y)),
        "RESCALE is on the other of the two only: both have it": lambda: summed(
            lambda x, y: F.mse_loss(x, RESCALE * y)
        ),
        "RESCALE is on the pictures: it is on their features": lambda: torch.stack(
            [
                w * F.mse_loss(x, y)
                for w, x, y in zip(
                    weights, features(RESCALE * sr.detach()), features(RESCALE * hr.detach()), strict=True
                )
            ]
        ).sum(),
        "the mean was taken before the square: square each difference": lambda: (
            RESCALE**2 * summed(lambda x, y: (x - y).mean().square())
        ),
        "nothing was squared": lambda: RESCALE * summed(lambda x, y: (x - y).mean()),
        "the squares were subtracted: the square of the difference": lambda: (
            RESCALE**2 * summed(lambda x, y: (x.square() - y.square()).mean())
        ),
        "each channel's mean was compared: compare value with value": lambda: (
            RESCALE**2 * summed(lambda x, y: F.mse_loss(x.mean((2, 3)), y.mean((2, 3))))
        ),
        "the sum over the channels: one mean over all values": lambda: (
            RESCALE**2 * summed(lambda x, y: (x - y).square().sum(1).mean())
        ),
        "the pictures were compared, not their features": lambda: RESCALE**2 * F.mse_loss(sr, hr),
        "nothing is left: no layer counts, or the features were compared with themselves, not sr's with hr's": lambda: (
            torch.zeros(())
        ),
        "half of it: leave the half out": lambda: right / 2,
        "the sign is wrong: a distance is not negative": lambda: -right,
        "the loss has a dimension: add up the layers' losses, and begin, if you do, with torch.zeros(())": lambda: (
            torch.stack([RESCALE**2 * w * F.mse_loss(x, y) for w, (x, y) in zip(weights, pairs, strict=True)])
        ),
    }
