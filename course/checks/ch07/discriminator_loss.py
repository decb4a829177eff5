"""07.3 discriminator_loss: what a right answer must satisfy."""

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch07 import discriminator_loss_mistakes
from course.checks.ch07.shared import (
    Loss,
    by_cross_entropy,
    drawn_logits,
    far_apart,
    in_double,
    of_any_logits,
    slopes_of,
    worked,
)
from srlib import losses


def _discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    return losses.RELATIVISTIC.discriminator(real, fake)


def d_worked_example(answer: Loss, case: Case) -> None:
    """Real logits ln 9 and 0, made ones 0 and 0 make 0.68694."""
    worked(answer, case, generator=False)


def d_random(answer: Loss, case: Case) -> None:
    """Each logit against the mean of the others, both halves, each the mean of its logarithms."""
    of_any_logits(answer, case, generator=False)


def d_large(answer: Loss, case: Case) -> None:
    """Large logits make a large loss, not infinity."""
    far_apart(answer, case, generator=False)


def d_double(answer: Loss, case: Case) -> None:
    """All digits of float64."""
    in_double(answer, case, generator=False)


def d_gradients(answer: Loss, case: Case) -> None:
    """Gradients reach every logit, directly and through the inner means."""
    for far in (0.0, 500.0):  # the second where the discriminator is sure, and wrong
        real, fake = drawn_logits(case, 3)
        real, fake = (real - far).requires_grad_(), fake.requires_grad_()
        expected = slopes_of(by_cross_entropy(real, fake), [real, fake])
        got = slopes_of(case.call(answer, real, fake), [real, fake])
        mistakes = discriminator_loss_mistakes.cut_means(real.detach(), fake.detach())
        compare(
            torch.cat(got),
            torch.cat(expected),
            within=1e-5,
            what="the gradient of every logit, the real ones and then the made ones",
            mistakes=mistakes,
        )


EXERCISE = Exercise(_discriminator_loss, (d_worked_example, d_random, d_large, d_gradients, d_double))
