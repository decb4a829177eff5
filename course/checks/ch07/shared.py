"""What several exercises of lesson 07 take."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Mistakes, Wrong, compare, require, that_fit_elsewhere

Step = Callable[[Tensor], Tensor]
State = Mapping[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def game(real: Tensor, fake: Tensor, *, generator: bool) -> Mistakes:
    """Of both losses: winner is the one that should look more real."""
    winner, loser = (fake, real) if generator else (real, fake)
    first, second = winner - loser.mean(), loser - winner.mean()
    halves = {"real": F.softplus(-first), "fake": F.softplus(second)}
    if generator:
        halves = {"real": halves["fake"], "fake": halves["real"]}
    right = halves["real"].mean() + halves["fake"].mean()

    def logs(x: Tensor, eps: float = 0.0) -> Tensor:
        return torch.log(x + eps)

    def by_logs(eps: float = 0.0) -> Tensor:
        return -logs(first.sigmoid(), eps).mean() - logs(1 - second.sigmoid(), eps).mean()

    def entropy(stay: Step = lambda d: d) -> Tensor:
        real_ones, made_ones = stay(first.sigmoid()), stay(second.sigmoid())
        return F.binary_cross_entropy(real_ones, torch.ones_like(first)) + F.binary_cross_entropy(
            made_ones, torch.zeros_like(second)
        )

    middle = torch.cat([real, fake]).mean()
    name = "generator" if generator else "discriminator"
    exchanged = F.softplus(loser.mean() - winner) if generator else F.softplus(winner - loser.mean())
    other = F.softplus(real.mean() - fake).mean() + F.softplus(real - fake.mean()).mean()
    own = F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()
    wrong = own if generator else other
    both_logs = F.softplus(-first).mean() + F.softplus(-second).mean()
    added = F.softplus(-winner - loser.mean()).mean() + F.softplus(loser + winner.mean()).mean()
    mistakes: Mistakes = {}
    for most in (4.0, 5.0):
        told = f"above {most:g} softplus was cut short to z, which is too small there: F.softplus's own limit is 20"
        mistakes[told] = partial(
            lambda most: F.softplus(-first, threshold=most).mean() + F.softplus(second, threshold=most).mean(), most
        )
    mistakes |= {
        "sigmoid is 0 or 1 here, and its logarithm infinite: F.softplus knows both at once": by_logs,
        "only the half of the made pictures: the real ones have a half too": lambda: halves["fake"].mean(),
        "only the half of the real pictures: the made ones have a half too": lambda: halves["real"].mean(),
        "the roles are not exchanged: that is the discriminator's loss"
        if generator
        else "the roles are exchanged: that is the generator's loss": lambda: wrong,
        f"the standard {name}'s loss: here each logit is compared with the mean of the others": lambda: (
            F.softplus(-fake).mean() if generator else F.softplus(-real).mean() + F.softplus(fake).mean()
        ),
        "the standard game with both halves: here each logit is compared with the mean of the others": lambda: (
            F.softplus(-winner).mean() + F.softplus(loser).mean()
        ),
        "the two halves are averaged, as the authors' code does: the paper adds them": lambda: right / 2,
        "the logarithm of a mean: take the logarithm of each, and then the mean": lambda: (
            -first.sigmoid().mean().log() - (1 - second.sigmoid()).mean().log()
        ),
        "1 - log D was written for -log(1 - D)": lambda: F.softplus(-first).mean() + (1 + F.softplus(-second)).mean(),
        "log D was written in both halves: one is log(1 - D)": lambda: both_logs,
        "the means are added: they are taken away": lambda: added,
        "the logarithm is that to base 2: torch.log, or softplus": lambda: right / math.log(2),
        "the logarithm is that to base 10: torch.log, or softplus": lambda: right / math.log(10),
        "the hinge loss: here it is the logarithm of a chance": lambda: (
            F.relu(1 - first).mean() + F.relu(1 + second).mean()
        ),
        "each logit is compared with the mean of its own side: with that of the others": lambda: (
            F.softplus(winner.mean() - winner).mean() + F.softplus(loser - loser.mean()).mean()
        ),
        "logits are compared one by one, in the order of the batch: each with the mean of the others": lambda: (
            F.softplus(loser - winner).mean() + F.softplus(loser - winner).mean()
        ),
        "logits are compared one by one, each with each: each with the mean of the others": lambda: (
            2 * F.softplus(loser - winner.mT).mean()
        ),
        "the mean is taken of the chances, after the sigmoid: of the logits, before it": lambda: (
            -logs(winner.sigmoid() - loser.sigmoid().mean()).mean()
            - logs(1 - (loser.sigmoid() - winner.sigmoid().mean())).mean()
        ),
        "the sum over the batch: the mean": lambda: halves["real"].sum() + halves["fake"].sum(),
        "a loss for each picture came back: take the means": lambda: halves["real"] + halves["fake"],
        "the minus is missing: the loss is - mean of log": lambda: -right,
        "the logarithm is missing": lambda: -first.sigmoid().mean() - (1 - second.sigmoid()).mean(),
        "the logarithm is missing, 1 - D and D were added": lambda: (
            (1 - first.sigmoid()).mean() + second.sigmoid().mean()
        ),
        "a small number inside the logarithm cuts the loss off: F.softplus needs none": lambda: by_logs(1e-8),
        "that small number inside the logarithm cuts the loss off: F.softplus needs none": lambda: by_logs(1e-12),
    }
    mistakes["F.binary_cross_entropy stops at 100: softplus, or binary_cross_entropy_with_logits, is exact"] = entropy
    for least in (1e-4, 1e-5, 1e-6, 1e-7):
        told = (
            f"D was kept away from 0 and 1 by a clamp at {least:g}, which makes the loss too small: F.softplus is exact"
        )
        mistakes[told] = partial(lambda least: entropy(lambda d: d.clamp(least, 1 - least)), least)
    mistakes["the sigmoid was taken twice: softplus and binary_cross_entropy_with_logits take the logits"] = lambda: (
        F.softplus(-first.sigmoid()).mean() + F.softplus(second.sigmoid()).mean()
    )
    mistakes["the half of the real pictures is the standard one: compare with the mean of the made ones"] = lambda: (
        F.softplus(real if generator else -real).mean() + halves["fake"].mean()
    )
    mistakes["the half of the made pictures is the standard one: compare with the mean of the real ones"] = lambda: (
        halves["real"].mean() + F.softplus(-fake if generator else fake).mean()
    )
    mistakes["the mean of all logits was taken: that of the others"] = lambda: (
        F.softplus(middle - winner).mean() + F.softplus(loser - middle).mean()
    )
    mistakes["the label of the real pictures is 0.9: the paper's is 1"] = lambda: right + 0.1 * first.mean()
    if generator:
        mistakes["the discriminator's loss with a minus: exchange the roles instead"] = lambda: -own
        mistakes["the relativistic loss that saturates, log(1 - D) with a plus: - log D"] = lambda: -exchanged.mean()
    return mistakes


def flows(answer: object, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of an answer's sum of squares. Raises Wrong if one of the inputs does not get any."""
    if not (isinstance(answer, Tensor) and answer.requires_grad):
        raise Wrong(
            "no gradient can flow: leave out torch.no_grad, detach, .data, .item() and numpy",
            expected="a result that training can go through",
            got="a result without a gradient",
        )
    found = torch.autograd.grad(answer.square().sum(), inputs, allow_unused=True)
    kept = [gradient for gradient in found if gradient is not None]
    if len(kept) < len(found):
        raise Wrong(
            "the gradient is cut off on its way: leave out detach, .data and torch.no_grad",
            expected="a gradient for every input and every weight",
            got="an input or a weight without one",
        )
    return kept


def by_cross_entropy(winner: Tensor, loser: Tensor) -> Tensor:
    """The same game as torch's cross entropy with the labels 1 and 0."""
    first, second = winner - loser.mean(), loser - winner.mean()
    return F.binary_cross_entropy_with_logits(first, torch.ones_like(first)) + F.binary_cross_entropy_with_logits(
        second, torch.zeros_like(second)
    )


def compare_loss(
    answer: Loss, case: Case, real: Tensor, fake: Tensor, what: str, *, generator: bool, within: float = 1e-5,
    public: bool = False,
) -> None:  # fmt: skip
    compare(
        case.call(answer, real, fake),
        by_cross_entropy(*((fake, real) if generator else (real, fake))),
        within=within,
        what=what,
        public=public,
        mistakes=game(real, fake, generator=generator),
    )


def drawn_logits(case: Case, batch: int, size: float = 4.0) -> tuple[Tensor, Tensor]:
    return size * (case.rand(batch, 1) - 0.3), size * (case.rand(batch, 1) - 0.7)


def worked(answer: Loss, case: Case, *, generator: bool) -> None:
    real, fake = torch.tensor([[math.log(9)], [0.0]]), torch.zeros(2, 1)
    others = torch.tensor([[1.5], [-0.3], [0.4]]), torch.tensor([[-1.1], [0.2], [-2.0]])
    here, there = game(real, fake, generator=generator), game(*others, generator=generator)
    compare(
        case.call(answer, real, fake),
        by_cross_entropy(*((fake, real) if generator else (real, fake))),
        within=1e-5,
        what="the loss",
        public=True,
        mistakes=that_fit_elsewhere(here, there, lambda: case.call(answer, *others)),
    )


def of_any_logits(answer: Loss, case: Case, *, generator: bool) -> None:
    for batch in (3, 1, 5):
        real, fake = drawn_logits(case, batch)
        compare_loss(answer, case, real, fake, f"the loss of {batch} and {batch} logits", generator=generator)


def far_apart(answer: Loss, case: Case, *, generator: bool) -> None:
    for size in (6.0, -6.0):
        real, fake = size + 0.2 * case.rand(2, 1), 0.2 * case.rand(2, 1)
        what = f"the loss of real logits near {size:g}, made ones near 0"
        compare_loss(answer, case, real, fake, what, generator=generator, within=1e-4)
    for size in (1000.0, -1000.0):
        real, fake = size + case.rand(2, 1), case.rand(2, 1)
        what = f"the loss of real logits near {size:g}, made ones near 0"
        compare_loss(answer, case, real, fake, what, generator=generator, within=1e-2)


def in_double(answer: Loss, case: Case, *, generator: bool) -> None:
    real, fake = (x.double() for x in drawn_logits(case, 4))
    compare_loss(answer, case, real, fake, "the loss, in float64", generator=generator, within=1e-12)


def slopes_of(loss: object, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of a loss with respect to these inputs, 0 for one that it does not reach."""
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise Wrong(
            "no gradient can flow: return the tensor itself, without .item(), detach, torch.no_grad or numpy",
            expected="a loss that a network can be trained through",
            got="a number without a gradient",
        )
    found = list(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))
    require(
        not any(bool(gradient.isnan().any()) for gradient in found),
        "the gradient of a large logit is nan: e^z is infinite, and torch.where sends 0 times infinity back from the "
        "branch that it does not take; F.softplus is right in both",
        expected="gradients that are numbers, logits of any size",
        got="nan",
    )
    return found
