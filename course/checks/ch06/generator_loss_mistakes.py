"""What the usual mistakes in 06.4 give: cause -> formula, computed only when an answer is wrong."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch06.shared import CUTS, OVERFLOW


def generator(content: Tensor, fake: Tensor, weight: float) -> Mistakes:
    lost = F.softplus(-fake).mean()
    d_fake = torch.sigmoid(fake)

    def padded(least: float) -> Tensor:
        return content - weight * (d_fake + least).log().mean()

    mistakes: Mistakes = {}
    for most in (4.0, 5.0):
        mistakes[
            f"above {most:g} softplus was cut short to z, which is too small there: F.softplus's own limit is 20"
        ] = partial(lambda most: content + weight * F.softplus(-fake, threshold=most).mean(), most)
    mistakes |= {
        OVERFLOW: lambda: content - weight * d_fake.log().mean(),
        "that is log(1 - D(fake)), which saturates: -log D(fake) is wanted": lambda: (
            content - weight * F.softplus(fake).mean()
        ),
        "that is -log(1 - D(fake)), the discriminator's half: the generator wants 1": lambda: (
            content + weight * F.softplus(fake).mean()
        ),
        "the sign of the adversarial term is wrong": lambda: content - weight * lost,
        "1 - log D(fake): the 1 is not there": lambda: content + weight * (1 + lost),
        "1 - D(fake), as a much copied SRGAN has it: the logarithm is missing": lambda: (
            content + weight * (1 - d_fake.mean())
        ),
        "the weight stands before the content: it belongs to the adversarial term": lambda: weight * content + lost,
        "the weight stands before both: it belongs to the adversarial term alone": lambda: weight * (content + lost),
        "the content counts (1 - weight) times: it counts once": lambda: (1 - weight) * content + weight * lost,
        "the weight is left out": lambda: content + lost,
        "the weight counts twice": lambda: content + weight * weight * lost,
        "half of the adversarial term: leave the half out": lambda: content + weight * lost / 2,
        "D(fake) was added: the generator wants it large, and the logarithm is missing": lambda: (
            content + weight * d_fake.mean()
        ),
        "D(fake) was taken away: the logarithm is missing": lambda: content - weight * d_fake.mean(),
        "1 - fake went in: -log D(fake) = softplus(-fake)": lambda: content + weight * F.softplus(fake - 1).mean(),
        "the label is 0.9: the generator wants 1": lambda: (
            content + weight * F.binary_cross_entropy(d_fake, torch.full_like(d_fake, 0.9))
        ),
        "the weight is always 0.001: use the argument": lambda: content + 1e-3 * lost,
        "the content is left out": lambda: weight * lost,
        "the adversarial term is left out": lambda: content.clone(),
        "the sum over the batch: the mean is wanted": lambda: content + weight * F.softplus(-fake).sum(),
        "the sigmoid was taken twice: binary_cross_entropy_with_logits and softplus take the logits": lambda: (
            content + weight * F.softplus(-d_fake).mean()
        ),
        "the mean was taken before the logarithm: of D": lambda: content - weight * d_fake.mean().log(),
        "the mean was taken before the logarithm: of the logits": lambda: content + weight * F.softplus(-fake.mean()),
        "the logarithm was taken of the logits: D = sigmoid(logit)": lambda: content - weight * fake.log().mean(),
        "that is the Wasserstein or hinge game: here it is -log D": lambda: content - weight * fake.mean(),
        "that is the least squares game: here it is -log D": lambda: content + weight * (d_fake - 1).square().mean(),
        "a loss for each picture came back: take the mean": lambda: content + weight * F.softplus(-fake),
    }
    for least in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5):
        mistakes[f"the {least:g} in the logarithm makes the loss of a large logit too small: F.softplus is exact"] = (
            partial(padded, least)
        )
    mistakes["F.binary_cross_entropy stops at 100: softplus, or binary_cross_entropy_with_logits, is exact"] = lambda: (
        content + weight * F.binary_cross_entropy(d_fake, torch.ones_like(d_fake))
    )
    for most in CUTS:
        mistakes[f"the logits were cut off at {most:g}, which makes the loss too small: F.softplus takes any"] = (
            partial(lambda most: content + weight * F.softplus(-fake.clamp(-most, most)).mean(), most)
        )
    return mistakes
