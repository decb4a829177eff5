"""What the usual mistakes in 05.1 give: cause -> formula, computed only when an answer is wrong."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Mistakes
from course.checks.ch05.shared import Enlarge


def channel(x: Tensor, down: nn.Linear, up: nn.Linear) -> Mistakes:
    means = x.mean((2, 3))

    def gate(squeezed: Tensor = means, first: Enlarge = F.relu, second: Enlarge = torch.sigmoid) -> Tensor:
        return second(up(first(down(squeezed))))[:, :, None, None]

    def relued(z: Tensor) -> Tensor:
        return torch.sigmoid(F.relu(z))

    return {
        "the gates came back without x: multiply x by them": lambda: gate(),
        "the gates came back without x, and without their places: x * gate[:, :, None, None]": lambda: gate()[
            ..., 0, 0
        ],
        "the gates lie along the wrong dimensions: x * gate[:, :, None, None] gives each channel its own": lambda: (
            x * gate()[..., 0, 0]
        ),
        "the sigmoid is missing: gates lie between 0 and 1": lambda: x * gate(second=lambda z: z),
        "the ReLU between the two layers is missing": lambda: x * gate(first=lambda h: h),
        "a sigmoid stands between the two layers: there it is max(0, ...)": lambda: x * gate(first=torch.sigmoid),
        "a LeakyReLU stands between the two layers: here it is max(0, ...)": lambda: (
            x * gate(first=lambda h: F.leaky_relu(h, 0.2))
        ),
        "a ReLU stands before the sigmoid: only between the two layers": lambda: x * gate(second=relued),
        "softmax makes the channels compete: every gate has a sigmoid of its own": lambda: (
            x * gate(second=lambda z: F.softmax(z, 1))
        ),
        "the largest value of each channel was taken instead of its mean": lambda: x * gate(x.amax((2, 3))),
        "the sum over the places was taken instead of the mean": lambda: x * gate(x.sum((2, 3))),
        "the mean runs over the batch too: every picture has its own": lambda: (
            x * gate(means.mean(0, keepdim=True).expand_as(means))
        ),
        "x was added to the product: the result is x * g alone": lambda: x + x * gate(),
        "x was added, not multiplied by the gates": lambda: x + gate(),
        "the means were scaled, not x: multiply x itself by the gates": lambda: (gate()[..., 0, 0] * means)[
            :, :, None, None
        ].expand_as(x),
        "the gates are turned round (1 - g)": lambda: x * (1 - gate()),
        "exp(z) / (1 + exp(z)) is infinity / infinity for large z: torch.sigmoid(z) is not": lambda: (
            x * gate(second=lambda z: z.exp() / (1 + z.exp()))
        ),
    }
