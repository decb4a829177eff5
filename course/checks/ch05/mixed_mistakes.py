"""What the usual mistakes in 05.3 give: cause -> formula, computed only when an answer is wrong."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Mistakes
from course.checks.ch05.shared import Enlarge


def mix(inner: Tensor, attended: Tensor, plain: Tensor, down: nn.Linear, up: nn.Linear, temperature: float) -> Mistakes:
    means = inner.mean((2, 3))

    def logits(squeezed: Tensor = means, first: Enlarge = F.relu) -> Tensor:
        return up(first(down(squeezed)))

    def blend(share: Tensor) -> Tensor:
        a, b = (share[:, k, None, None, None] for k in (0, 1))
        return a * attended + b * plain

    def soft(z: Tensor) -> Tensor:
        return blend(F.softmax(z / temperature, 1))

    share = F.softmax(logits() / temperature, 1)
    return {
        "the layers' biases are left out: call down and up as they are": lambda: soft(
            F.relu(means @ down.weight.T) @ up.weight.T
        ),
        "the temperature is left out: z is divided by it before the softmax": lambda: blend(F.softmax(logits(), 1)),
        "z is multiplied by the temperature: divide": lambda: blend(F.softmax(logits() * temperature, 1)),
        "the temperature divides the shares: divide z, before the softmax": lambda: blend(
            F.softmax(logits(), 1) / temperature
        ),
        "the temperature is 30 whatever is asked for: use the argument": lambda: blend(F.softmax(logits() / 30, 1)),
        "the softmax runs over the pictures of the batch: over the two shares, dim=1": lambda: blend(
            F.softmax(logits() / temperature, 0)
        ),
        "a sigmoid stands in the softmax's place: the two shares sum to 1": lambda: blend(
            torch.sigmoid(logits() / temperature)
        ),
        "the exponentials were not divided by their sum: the two shares sum to 1": lambda: blend(
            torch.exp(logits() / temperature)
        ),
        "z itself was used for the shares: softmax makes them sum to 1": lambda: blend(logits() / temperature),
        "the branch with the larger z was taken whole: both are mixed": lambda: blend(
            F.one_hot(logits().argmax(1), 2).to(attended)
        ),
        "the two shares are exchanged: the first belongs to attended, the second to plain": lambda: blend(
            share.flip(1)
        ),
        "share[0] is the first picture's shares: share[:, 0, None, None, None] is the first share of each": lambda: (
            share[0] * attended + share[1] * plain
        ),
        "the shares lie along the wrong dimension: share[:, 0, None, None, None] is one for each picture": lambda: (
            share[:, 0] * attended + share[:, 1] * plain
        ),
        "the shares lie along the channels: share[:, 0, None, None, None] is one for each picture": lambda: (
            share[:, 0, None, None] * attended + share[:, 1, None, None] * plain
        ),
        "the ReLU between the two layers is missing": lambda: soft(logits(first=lambda h: h)),
        "a LeakyReLU stands between the two layers: here it is max(0, ...)": lambda: soft(
            logits(first=lambda h: F.leaky_relu(h, 0.2))
        ),
        "the largest value of each channel was taken instead of its mean": lambda: soft(logits(inner.amax((2, 3)))),
        "the sum over the places was taken instead of the mean": lambda: soft(logits(inner.sum((2, 3)))),
        "the mean runs over the batch too: every picture has its own shares": lambda: soft(
            logits(means.mean(0, keepdim=True).expand_as(means))
        ),
        "the means are those of attended: the shares look at inner": lambda: soft(logits(attended.mean((2, 3)))),
        "the means are those of plain: the shares look at inner": lambda: soft(logits(plain.mean((2, 3)))),
        "inner was added: that happens outside, after one more layer": lambda: inner + soft(logits()),
        "the branches were added without shares": lambda: attended + plain,
        "the branches were averaged without shares": lambda: (attended + plain) / 2,
    }
