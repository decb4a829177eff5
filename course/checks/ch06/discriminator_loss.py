"""06.3 discriminator_loss: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch06 import discriminator_loss_mistakes
from course.checks.ch06.shared import gradients_of, no_nan
from srlib.losses import STANDARD

DiscriminatorLoss = Callable[[Tensor, Tensor], Tensor]


def _discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    return STANDARD.discriminator(real, fake)


def _compare_discriminator(answer: DiscriminatorLoss, case: Case, real: Tensor, fake: Tensor, what: str) -> None:
    expected = torch.stack([torch.logaddexp(torch.zeros(()), x).mean() for x in (-real, fake)]).sum()
    mistakes = discriminator_loss_mistakes.discriminator(real, fake)
    compare(case.call(answer, real, fake), expected, within=1e-5, what=what, mistakes=mistakes)


def discriminator_both_halves(answer: DiscriminatorLoss, case: Case) -> None:
    """Both halves, for a few pictures and for one."""
    for count in (5, 1):
        real, fake = 4 * case.rand(count, 1) - 1, 4 * case.rand(count, 1) - 3
        _compare_discriminator(answer, case, real, fake, f"the loss for {count} real and {count} made pictures")


def discriminator_worked_example(answer: DiscriminatorLoss, case: Case) -> None:
    """real (0, ln 3) and fake (0, -ln 3) give ln 2 + ln 4/3."""
    real = torch.tensor([[0.0], [math.log(3)]])
    expected = torch.tensor(math.log(2) + math.log(4 / 3))
    mistakes = discriminator_loss_mistakes.discriminator(real, -real)
    got = case.call(answer, real, -real)
    compare(got, expected, within=1e-5, what="ln 2 + ln 4/3", public=True, mistakes=mistakes)


def discriminator_large_logits(answer: DiscriminatorLoss, case: Case) -> None:
    """Logits of any size: neither infinity nor a loss that stops growing."""
    for size in (6.0, 30.0, 60.0, 250.0, 2000.0):
        real, fake = size * (0.9 + 0.2 * case.rand(3, 1)), size * (0.9 + 0.2 * case.rand(3, 1))
        for a, b, told in ((-real, fake, "wrong"), (real, -fake, "right")):
            expected = F.softplus(-a).mean() + F.softplus(b).mean()
            compare(
                case.call(answer, a, b),
                expected,
                within=1e-5 * size,
                what=f"the loss where the discriminator is {told} and sure, logits of about {size:g}",
                mistakes=discriminator_loss_mistakes.discriminator(a, b),
            )


def discriminator_gradients(answer: DiscriminatorLoss, case: Case) -> None:
    """Gradients reach the logits of both kinds, of any size."""
    for size in (3.0, 400.0):
        real, fake = (size * (2 * case.rand(4, 1) - 1) for _ in range(2))
        real[0], fake[0] = -size, size  # the discriminator is sure, and wrong
        found = gradients_of(
            case.call(answer, real.requires_grad_(), fake.requires_grad_()), (real, fake), ("real", "fake")
        )
        no_nan(found)
        expected = [(torch.sigmoid(real) - 1).detach() / 4, torch.sigmoid(fake).detach() / 4]
        compare(found, expected, within=1e-5, what=f"the gradients at real and fake, logits of up to {size:g}")


def discriminator_double(answer: DiscriminatorLoss, case: Case) -> None:
    """Any floats: all digits of float64."""
    real, fake = (4 * case.rand(4, 1).double() - 2 for _ in range(2))
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    compare(case.call(answer, real, fake), expected, within=1e-12, what="the loss, in float64")


EXERCISE = Exercise(
    reference=_discriminator_loss,
    checks=(
        discriminator_both_halves,
        discriminator_worked_example,
        discriminator_large_logits,
        discriminator_gradients,
        discriminator_double,
    ),
)
