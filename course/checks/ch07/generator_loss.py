"""07.4 generator_loss: what a right answer must satisfy."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
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


def _itself(x: Tensor) -> Tensor:
    return x


def _generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    return losses.RELATIVISTIC.generator(real, fake)


def g_worked_example(answer: Loss, case: Case) -> None:
    """Real logits ln 9 and 0, made ones 0 and 0 make 2.8842."""
    worked(answer, case, generator=True)


def g_random(answer: Loss, case: Case) -> None:
    """Both halves, with the roles exchanged."""
    of_any_logits(answer, case, generator=True)


def g_large(answer: Loss, case: Case) -> None:
    """Large logits make a large loss, not infinity."""
    far_apart(answer, case, generator=True)


def g_double(answer: Loss, case: Case) -> None:
    """All digits of float64."""
    in_double(answer, case, generator=True)


def g_gradients(answer: Loss, case: Case) -> None:
    """The made pictures learn from both halves: from their own logits, and as what the real ones are compared with."""
    for far in (0.0, 500.0):  # the second where the discriminator is sure, and right
        real, fake = drawn_logits(case, 3)
        real, fake = real + far, fake.requires_grad_()
        [expected] = slopes_of(by_cross_entropy(fake, real), [fake])
        [got] = slopes_of(case.call(answer, real, fake), [fake])
        [of_made] = torch.autograd.grad(F.softplus(real.mean() - fake).mean(), fake)
        of_real = expected - of_made
        mistakes = {
            "only the half of the made pictures sends a gradient: leave the mean of fake uncut": partial(
                _itself, of_made
            ),
            "only the half of the real pictures sends a gradient: no detach in the other": partial(_itself, of_real),
        }
        compare(got, expected, within=1e-5, what="the gradient of every made picture's logit", mistakes=mistakes)


EXERCISE = Exercise(_generator_loss, (g_worked_example, g_random, g_large, g_gradients, g_double))
