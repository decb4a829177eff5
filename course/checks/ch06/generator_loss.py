"""06.4 generator_loss: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch06 import generator_loss_mistakes
from course.checks.ch06.shared import gradients_of, no_nan
from srlib.losses import STANDARD

GeneratorLoss = Callable[[Tensor, Tensor, float], Tensor]


def _generator_loss(content: Tensor, fake: Tensor, weight: float) -> Tensor:
    return content + weight * STANDARD.generator(fake.new_zeros(()), fake)


def _compare_generator(
    answer: GeneratorLoss, case: Case, content: Tensor, fake: Tensor, weight: float, what: str, public: bool = False
) -> None:
    expected = content + weight * torch.logaddexp(torch.zeros(()), -fake).mean()
    mistakes = generator_loss_mistakes.generator(content, fake, weight)
    size = max(1.0, float(fake.abs().max()))
    got = case.call(answer, content, fake, weight)
    compare(got, expected, within=1e-6 * size, what=what, public=public, mistakes=mistakes)


def generator_both_terms(answer: GeneratorLoss, case: Case) -> None:
    """The content as it is, and the weighted mean of -log D(fake)."""
    for count, weight in ((5, 0.3), (1, 0.7), (4, 5e-3)):
        content, fake = 1 + case.rand(1)[0], 4 * case.rand(count, 1) - 2
        _compare_generator(answer, case, content, fake, weight, f"the loss for {count} pictures, weight {weight:g}")


def generator_worked_example(answer: GeneratorLoss, case: Case) -> None:
    """Content 0.5, fake (0, -ln 3) and weight 0.1 give 0.5 + 0.15 ln 2."""
    fake = torch.tensor([[0.0], [-math.log(3)]])
    _compare_generator(answer, case, torch.tensor(0.5), fake, 0.1, "0.5 + 0.15 ln 2", public=True)


def generator_large_logits(answer: GeneratorLoss, case: Case) -> None:
    """Logits of any size: neither infinity nor a loss that stops growing."""
    for size in (-6.0, -30.0, -60.0, -250.0, 250.0, -2000.0):
        fake = size * (0.9 + 0.2 * case.rand(3, 1))
        what = f"the loss for logits of about {size:g}"
        _compare_generator(answer, case, case.rand(1)[0], fake, 0.5, what)


def generator_gradients(answer: GeneratorLoss, case: Case) -> None:
    """Gradients reach the content and the logits, and do not vanish where the discriminator is sure."""
    for size in (12.0, 400.0):
        content = case.rand(1)[0].requires_grad_()
        fake = torch.cat([-size - case.rand(2, 1), 4 * case.rand(2, 1) - 2]).requires_grad_()
        found = gradients_of(case.call(answer, content, fake, 0.3), (content, fake), ("content", "fake"))
        no_nan(found)
        expected = [torch.ones(()), 0.3 * (torch.sigmoid(fake) - 1).detach() / 4]
        compare(found, expected, within=1e-5, what=f"the gradients at content and fake, logits from -{size:g}")


def generator_double(answer: GeneratorLoss, case: Case) -> None:
    """All digits of float64."""
    content, fake = case.rand(1).double()[0], 4 * case.rand(4, 1).double() - 2
    expected = content + 0.3 * torch.nn.functional.softplus(-fake).mean()
    compare(case.call(answer, content, fake, 0.3), expected, within=1e-12, what="the loss, in float64")


EXERCISE = Exercise(
    reference=_generator_loss,
    checks=(
        generator_both_terms,
        generator_worked_example,
        generator_large_logits,
        generator_gradients,
        generator_double,
    ),
)
