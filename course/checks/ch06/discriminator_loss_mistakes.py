"""What the usual mistakes in 06.3 give: cause -> formula, computed only when an answer is wrong."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch06.shared import CUTS, OVERFLOW


def discriminator(real: Tensor, fake: Tensor) -> Mistakes:
    of_real, of_fake = F.softplus(-real), F.softplus(fake)
    right = of_real.mean() + of_fake.mean()
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)

    def entropy(made: Tensor, label: float) -> Tensor:
        return F.binary_cross_entropy(made, torch.full_like(made, label))

    def padded(least: float) -> Tensor:
        return -(d_real + least).log().mean() - (1 - d_fake + least).log().mean()

    mistakes: Mistakes = {}
    for most in (4.0, 5.0):
        mistakes[
            f"above {most:g} softplus was cut short to z, which is too small there: F.softplus's own limit is 20"
        ] = partial(
            lambda most: F.softplus(-real, threshold=most).mean() + F.softplus(fake, threshold=most).mean(), most
        )
    mistakes |= {
        OVERFLOW: lambda: -d_real.log().mean() - (1 - d_fake).log().mean(),
        "only the half of the real pictures counts: the made ones are missing": lambda: of_real.mean(),
        "only the half of the made pictures counts: the real ones are missing": lambda: of_fake.mean(),
        "the two kinds are exchanged: 1 is for real, 0 for made": lambda: (
            F.softplus(real).mean() + F.softplus(-fake).mean()
        ),
        "both halves want 1: the made pictures' half is -log(1 - D(fake))": lambda: (
            of_real.mean() + F.softplus(-fake).mean()
        ),
        "1 - log D(fake) stands where -log(1 - D(fake)) belongs: the 1 is inside the logarithm": lambda: (
            of_real.mean() + (1 + F.softplus(-fake)).mean()
        ),
        "1 - log D(fake) with a minus stands where -log(1 - D(fake)) belongs: the 1 is inside the logarithm": lambda: (
            of_real.mean() - (1 + F.softplus(-fake)).mean()
        ),
        "1 - fake went into softplus: -log(1 - D(fake)) = softplus(fake)": lambda: (
            of_real.mean() + F.softplus(1 - fake).mean()
        ),
        "the sign is wrong: this is what the discriminator wants large": lambda: -right,
        "the signs of the two halves differ: both are losses": lambda: of_real.mean() - of_fake.mean(),
        "the mean of the two halves: their sum is wanted": lambda: right / 2,
        "the sum over the batch: the mean is wanted": lambda: of_real.sum() + of_fake.sum(),
        "the sigmoid was taken twice: binary_cross_entropy_with_logits and softplus take the logits": lambda: (
            F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
        ),
        "the logarithm was taken of the logits: D = sigmoid(logit)": lambda: (
            -real.log().mean() - (1 - fake).log().mean()
        ),
        "the mean was taken before the logarithm: of D": lambda: -d_real.mean().log() - (1 - d_fake.mean()).log(),
        "the mean was taken before the logarithm: of the logits": lambda: (
            F.softplus(-real.mean()) + F.softplus(fake.mean())
        ),
        "the logarithms are missing: 1 - D(real) + D(fake), as a much copied SRGAN has it, has no gradient where the "
        "discriminator is sure and wrong": lambda: 1 - d_real.mean() + d_fake.mean(),
        "that is the least squares game: here it is -log": lambda: (
            (d_real - 1).square().mean() + d_fake.square().mean()
        ),
        "that is the least squares game, on the logits: here it is -log": lambda: (
            (real - 1).square().mean() + fake.square().mean()
        ),
        "that is the hinge loss: here it is -log D": lambda: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        "that is the Wasserstein game: here it is -log D": lambda: fake.mean() - real.mean(),
        "that is the relativistic game of ESRGAN: here each picture is judged alone": lambda: (
            F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()
        ),
        "the label of the real pictures is 0.9: the paper's is 1": lambda: entropy(d_real, 0.9) + of_fake.mean(),
        "the labels are 0.9 and 0.1: the paper's are 1 and 0": lambda: entropy(d_real, 0.9) + entropy(d_fake, 0.1),
        "the logarithm to the base 10: torch.log is the natural one": lambda: right / math.log(10),
        "1 - D(fake) has few digits left where D is nearly 1: F.softplus is exact": lambda: (
            -real.double().sigmoid().log().mean() - (1 - fake.double().sigmoid()).log().mean()
        ),
        "a loss for each picture came back: take the means": lambda: of_real + of_fake,
    }
    for least in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5):
        mistakes[f"the {least:g} in the logarithm makes the loss of a large logit too small: F.softplus is exact"] = (
            partial(padded, least)
        )
    mistakes["F.binary_cross_entropy stops at 100: softplus, or binary_cross_entropy_with_logits, is exact"] = lambda: (
        entropy(d_real, 1.0) + entropy(d_fake, 0.0)
    )
    for most in CUTS:
        mistakes[f"the logits were cut off at {most:g}, which makes the loss too small: F.softplus takes any"] = (
            partial(
                lambda most: F.softplus(-real.clamp(-most, most)).mean() + F.softplus(fake.clamp(-most, most)).mean(),
                most,
            )
        )
    for least in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        told = (
            f"D was kept away from 0 and 1 by a clamp at {least:g}, which makes the loss too small: F.softplus is exact"
        )
        mistakes[told] = partial(
            lambda least: entropy(d_real.clamp(least, 1 - least), 1.0) + entropy(d_fake.clamp(least, 1 - least), 0.0),
            least,
        )
    return mistakes
