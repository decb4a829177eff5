"""09.5 generator_step: what a right answer must satisfy."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, Mistakes, Wrong, compare, require
from course.checks.ch09 import generator_step_mistakes
from course.checks.ch09.shared import Step, nearest_by
from course.checks.descent import Descent
from course.checks.player import Player

GeneratorStep = Callable[..., tuple[float, float, float]]


def _generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    lr: Tensor,
    hr: Tensor,
    sharpen: Step,
    features: Callable[[Tensor], list[Tensor]],
    weights: Sequence[float],
) -> tuple[float, float, float]:
    """With backward's `inputs` in the place of a freeze; srlib's train_step has both halves, and any recipe's terms."""
    sr = generator(lr)
    aim = sharpen(hr)
    terms = [(sr - aim).abs().mean(), sr.new_zeros(()), -0.1 * F.logsigmoid(discriminator(sr)).mean()]
    for weight, got, wanted in zip(weights, features(sr), features(aim), strict=True):
        terms[1] = terms[1] + weight * (got - wanted.detach()).abs().mean()
    optimizer.zero_grad()
    torch.stack(terms).sum().backward(inputs=list(generator.parameters()))
    optimizer.step()
    pixel, perceptual, adversarial = (float(term.detach()) for term in terms)
    return pixel, perceptual, adversarial


class _Player(Player):
    """It watches how it is called."""

    def forward(self, x: Tensor) -> Tensor:
        self.keeps_its_mode()
        require(
            torch.is_grad_enabled(),
            "the discriminator runs under torch.no_grad, where no gradient flows through it: freeze its weights alone"
            if self.name == "discriminator"
            else "the generator runs under torch.no_grad: it is the one who learns",
            expected=f"a {self.name} that is called with gradients on",
            got=f"a {self.name} under torch.no_grad",
        )
        require(
            self.name == "discriminator" or self.weight.requires_grad,
            "the generator is frozen: only the discriminator is",
            expected="a generator that learns",
            got="one whose weights get no gradient",
        )
        self.calls += 1
        return self.function(self.weight, x)


def _generate(weight: Tensor, lr: Tensor) -> Tensor:
    return nearest_by(weight.view(3, 1, 1) * lr, 2)


def _judge(weight: Tensor, pictures: Tensor) -> Tensor:
    """A logit for each pixel."""
    return ((pictures - pictures.mean((2, 3), keepdim=True) / 2) * weight.view(3, 1, 1)).sum(1, keepdim=True)


def _sharpen(x: Tensor) -> Tensor:
    return (1.4 * x - 0.1).clamp(0, 1) + 0.1 * x


def _seen(x: Tensor) -> list[Tensor]:
    """Three features, of different shapes and sizes."""
    return [(2 * x - 0.7).tanh(), 3 * F.avg_pool2d(x, 2).square(), x.mean(1, keepdim=True) * x[:, :1]]


def _table(case: Case, **changed: Any) -> generator_step_mistakes.Table:
    given: dict[str, Any] = {
        "generate": _generate, "judge": _judge, "sharpen": _sharpen, "features": _seen, "weights": (0.1, 0.5, 2.0),
        "lr": 0.2 + 0.8 * case.rand(2, 3, 2, 3), "hr": case.rand(2, 3, 4, 6), "g": 0.5 + case.rand(3),
        "d": 1 + 2 * case.rand(3), "g_old": torch.zeros(3), "rate": 0.5,
    }  # fmt: skip
    return generator_step_mistakes.Table(**(given | changed))


def _compare_step(
    answer: GeneratorStep, case: Case, table: generator_step_mistakes.Table, *, training: bool = True,
    public: bool = False, within: float = 1e-5, mistakes: Mistakes | None = None,
) -> None:  # fmt: skip
    generator = _Player("generator", table.g, table.generate, training)
    judge = _Player("discriminator", table.d, table.judge, training)
    if bool(table.g_old.any()):
        generator.weight.grad = table.g_old.clone()
    notes: list[str] = []
    optimizer = cast(torch.optim.Optimizer, Descent(generator, table.rate, notes))
    got = case.call(
        answer, generator, judge, optimizer, table.lr, table.hr, table.sharpen, table.features, table.weights
    )
    if not (type(got) in (list, tuple) and len(got) == 3):
        raise Wrong(
            "three numbers are wanted: the pixel, the perceptual and the adversarial term",
            expected="three floats",
            got=f"{len(got)} values" if type(got) in (list, tuple) else f"a {type(got).__name__}",
        )
    if torch.equal(generator.weight.detach(), table.g):
        require(
            "step" in notes,
            "optimizer.step() is never called: nothing was learnt",
            expected="a step of the optimiser after backward",
            got="a generator whose weights stay as they were",
        )
        require(
            generator.gradients > 0 or generator.weight.grad is not None,
            "no gradient reaches the generator, nothing was learnt: the sum of the three terms, then .backward()",
            expected="gradients at the generator's weights",
            got="none",
        )
        require(
            generator.weight.grad is not None,
            "the gradients were cleared between backward and the step: nothing was learnt",
            expected="zero_grad, backward, step",
            got="no gradient left at the generator's weights",
        )
    compare(
        (*got, generator.weight.detach().clone()),
        generator_step_mistakes.play(table),
        within=within,
        what="the three terms, and the generator's weights after the step",
        public=public,
        mistakes=generator_step_mistakes.step(table) if mistakes is None else mistakes,
        otherwise=lambda: _what_of_step(got, generator_step_mistakes.play(table), within),
    )
    require(
        torch.equal(judge.weight.detach(), table.d) and judge.gradients == 0,
        "the discriminator is not frozen: its weights got a gradient, which its own half would have to throw away",
        expected="a discriminator whose weights meet no gradient",
        got="a gradient at its weights",
    )
    require(
        generator.calls == 1,
        "the generator is called more than once: make sr once, for all three terms",
        expected="one call of the generator",
        got=f"{generator.calls} calls",
    )
    for player in (generator, judge):
        player.keeps_its_mode()
        require(
            player.weight.requires_grad,
            f"the {player.name} stays frozen after the step: requires_grad_(True) undoes it",
            expected="two players who can learn on",
            got=f"a frozen {player.name}",
        )
    require(
        all(type(term) is float for term in got),
        "the terms came back as tensors, which keep the whole step's graph in memory: .item()"
        if any(isinstance(term, Tensor) for term in got)
        else "the terms are no Python floats: .item()",
        expected="three floats",
        got=" and ".join(type(term).__name__ for term in got),
    )


def _what_of_step(got: Sequence[Any], right: generator_step_mistakes.Terms, within: float) -> str:
    """Which of the terms is wrong, or the step alone."""
    told, wanted = [float(term) for term in got], right[:3]
    wrong = [k for k in range(3) if abs(told[k] - wanted[k]) > within]
    if not wrong:
        return (
            "the three terms are right, the step is not: along their sum, in which each counts once with its weight, "
            "and the gradients as backward gives them"
        )
    if all(abs(told[k] - wanted[k]) < 6e-4 for k in range(3)):
        return "the terms are right to a few digits only: they come back as they are, not rounded"
    formulas = (
        "the pixel term is another one: mean of |sr - sharpen(hr)|",
        "the perceptual term is another one: for each k, weights[k] times the mean of |features(sr)[k] - "
        "features(sharpen(hr))[k]|, and their sum",
        "the adversarial term is another one: 0.1 * mean of -log sigmoid(logits of sr alone), over all logits",
    )
    if len(wrong) == 1:
        return formulas[wrong[0]]
    if len(wrong) == 2:
        others = " and ".join(("the pixel", "the perceptual", "the adversarial")[k] for k in wrong)
        return f"{others} term are other ones: is it sr and sharpen(hr) that they look at, before the step?"
    return "all three terms are other ones: (pixel, perceptual, adversarial), of the sr from before the step"


def step_terms(answer: GeneratorStep, case: Case) -> None:
    """The pixel and the perceptual term aim at sharpened hr, the third looks at sr as it is, each has its weight."""
    for weights in ((0.1, 0.5, 2.0), (1.0, 0.3, 0.7)):
        _compare_step(answer, case, _table(case, weights=weights))


def step_old_gradients(answer: GeneratorStep, case: Case) -> None:
    """Gradients that were left from before do not count, in training and in evaluation mode."""
    for training in (True, False):
        _compare_step(answer, case, _table(case, g_old=0.3 + case.rand(3)), training=training)


def step_sure(answer: GeneratorStep, case: Case) -> None:
    """A discriminator that is sure makes a large term, not infinity."""
    table = _table(case, d=torch.full((3,), -4000.0), rate=1e-3)
    _compare_step(answer, case, table, within=1e-1, mistakes=generator_step_mistakes.sure_step(table))


def step_worked_example(answer: GeneratorStep, case: Case) -> None:
    """The terms are 3, 1.5 and 0.0313262, and g goes from 1 to 1.15269."""
    one = torch.ones(1, 3, 1, 1)
    table = _table(
        case, generate=lambda g, x: g * x, judge=lambda d, x: d * x.mean(1, keepdim=True), sharpen=lambda x: 2 * x,
        features=lambda x: [x.clone()], weights=(0.5,), lr=one, hr=2 * one, g=torch.ones(()), d=torch.ones(()),
        g_old=torch.zeros(()), rate=0.1,
    )  # fmt: skip
    _compare_step(answer, case, table, public=True)


EXERCISE = Exercise(_generator_step, (step_worked_example, step_terms, step_old_gradients, step_sure))
