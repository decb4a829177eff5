"""03.4 train_step: what a right answer must satisfy."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch03 import train_step_mistakes
from course.checks.descent import Descent
from course.symptoms import describe
from srlib import training
from srlib.recipes import SRCNN_FAST
from srlib.state import Run

TrainStep = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor, int], float]


def _train_step(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, target: Tensor, margin: int) -> float:
    recipe = replace(SRCNN_FAST, luma=False, label_margin=margin)
    run = Run(recipe, network, optimizer, torch.device("cpu"))
    return float(training.train_step(run, x, target)["loss"])


class _Gain(nn.Module):
    """network(x) = w x"""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class _Watched(nn.Module):
    """A network that notes when it is called and when its gradient is computed."""

    def __init__(self, body: nn.Module, notes: list[str], training: bool = True) -> None:
        super().__init__()
        self.body, self.notes = body, notes
        self.train(training)
        self.mode = training

    def keeps_its_mode(self) -> None:
        """Raises Wrong if the network was switched to the other mode."""
        switch, modes = ("eval", ("evaluation", "training")) if self.mode else ("train", ("training", "evaluation"))
        require(
            self.training == self.mode,
            f"the network was switched with network.{switch}(): a training step leaves its mode alone",
            expected=f"a network in {modes[1]} mode, as it came",
            got=f"a network in {modes[0]} mode",
        )

    def forward(self, x: Tensor) -> Tensor:
        require(
            torch.is_grad_enabled(),
            "the network runs under torch.no_grad: then there is nothing to differentiate",
            expected="a network called with gradients on",
            got="a network called under torch.no_grad",
        )
        self.keeps_its_mode()
        self.notes.append("forward")
        y: Tensor = self.body(x)
        y.register_hook(lambda gradient: self.notes.append("backward"))
        return y


class _Soft(Descent):
    """An optimiser that shortens large gradients, as Adam does, and continuous, as Adam's first step is not."""

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient / (0.1 + gradient.abs())


def _optimizer(descent: Descent) -> torch.optim.Optimizer:
    return cast(torch.optim.Optimizer, descent)


def _stood_still(notes: list[str]) -> str:
    """Why the weights did not move, from what network and optimiser noted."""
    if "backward" not in notes:
        return "the weights did not move: loss.backward() is missing"
    if "step" not in notes:
        return "the weights did not move: optimizer.step() is missing"
    if notes.index("step") < notes.index("backward"):
        return "optimizer.step() comes before loss.backward(): it finds no gradient, or the old one"
    if "zero_grad" in notes[notes.index("backward") : notes.index("step")]:
        return "optimizer.zero_grad() between backward and step takes the gradient away: put it before backward"
    return "the weights did not move: does the loss depend on the network?"


def _compare_step(
    train_step: TrainStep,
    case: Case,
    body: nn.Module,
    x: Tensor,
    target: Tensor,
    margin: int,
    *,
    rate: float = 0.5,
    steps: int = 1,
    training: bool = True,
    public: bool = False,
    what: str = "the loss, and the weights after the step",
) -> None:
    """So many steps of plain gradient descent, the loss and the weights compared after each."""
    notes: list[str] = []
    network, optimizer = _Watched(body, notes, training), _optimizer(Descent(body, rate, notes))
    for _ in range(steps):
        mistakes = train_step_mistakes.steps(body, rate, x, target, margin)
        before = train_step_mistakes.flat_weights(body)
        expected = train_step_mistakes.by_hand(
            body, rate, x, target, train_step_mistakes.mean_square, lambda y: train_step_mistakes.cropped(y, margin)
        )
        notes.clear()
        loss = case.call(train_step, network, optimizer, x, target, margin)
        network.keeps_its_mode()
        if torch.equal(train_step_mistakes.flat_weights(body), before) and not (
            isinstance(loss, float) and loss != loss
        ):
            raise Wrong(_stood_still(notes), expected="weights that moved", got="the weights from before")
        compare(
            (loss, train_step_mistakes.flat_weights(body)),
            expected,
            within=1e-5,
            what=what,
            public=public,
            mistakes=mistakes,
        )


def _network(case: Case, scale: int = 2) -> nn.Module:
    """A small network with 2 channels in and 3 out that enlarges."""
    network = nn.Sequential(nn.Conv2d(2, 3 * scale**2, 3, padding=1), nn.Tanh(), nn.PixelShuffle(scale))
    for parameter in network.parameters():
        parameter.data = 0.6 * case.rand(*parameter.shape) - 0.3
    return network


def train_step_worked_example(train_step: TrainStep, case: Case) -> None:
    """One step with one weight: loss 0.1, and the weight goes from 1 to 0.8."""
    x, target = torch.tensor([0.5, 1.0]).view(1, 1, 1, 2), torch.tensor([0.1, 0.8]).view(1, 1, 1, 2)
    _compare_step(
        train_step, case, _Gain(1.0), x, target, 0, public=True, what="the loss and the weight after the step"
    )


def train_step_repeated(train_step: TrainStep, case: Case) -> None:
    """Three steps in a row are three steps of gradient descent, in the mode in which the network came."""
    for mode in (True, False):
        x, target = case.rand(1, 1, 4, 4), case.rand(1, 1, 4, 4)
        _compare_step(train_step, case, _Gain(3.0), x, target, 0, rate=0.1, steps=3, training=mode)


def train_step_old_gradients(train_step: TrainStep, case: Case) -> None:
    """A gradient that was left in the network by something else does not count."""
    body = _network(case)
    for parameter in body.parameters():
        parameter.grad = 0.1 + case.rand(*parameter.shape)
    _compare_step(train_step, case, body, case.rand(2, 2, 4, 5), case.rand(2, 3, 8, 10), 0)


def train_step_margin(train_step: TrainStep, case: Case) -> None:
    """What lies in the margin, on all four sides, has no influence."""
    for margin in (case.integer(1, 3), 0):
        x, target = case.rand(2, 2, case.integer(8, 10), 12), case.rand(2, 3, 10, 12)
        target = target[:, :, : x.shape[2]].contiguous()
        _compare_step(train_step, case, _network(case, 1), x, target, margin, what=f"loss and weights, margin {margin}")


def train_step_enlarging_network(train_step: TrainStep, case: Case) -> None:
    """The margin belongs to the target: a network that enlarges is trained in the same way."""
    for margin in (0, case.integer(1, 4)):
        x, target = case.rand(1, 2, 5, 7), case.rand(1, 3, 10, 14)
        _compare_step(train_step, case, _network(case), x, target, margin, what=f"loss and weights, margin {margin}")


def train_step_uses_the_optimizer(train_step: TrainStep, case: Case) -> None:
    """The weights move as the optimizer wants, whatever its kind."""
    body, notes = _network(case), list[str]()
    x, target = case.rand(1, 2, 4, 4), case.rand(1, 3, 8, 8)
    before, (loss, descended) = (
        train_step_mistakes.flat_weights(body),
        train_step_mistakes.by_hand(
            body, 1.0, x, target, train_step_mistakes.mean_square, lambda y: train_step_mistakes.cropped(y, 1)
        ),
    )
    gradient, optimizer = before - descended, _Soft(body, 0.5, notes)
    answer = case.call(train_step, body, _optimizer(optimizer), x, target, 1)
    compare(
        (answer, train_step_mistakes.flat_weights(body)),
        (loss, before - 0.5 * optimizer.direction(gradient)),
        within=1e-4,
        what="the loss, and the weights where an optimizer that shortens large gradients moves them",
        mistakes={
            "gradient descent written by hand: optimizer.step() moves the weights": lambda: (
                loss,
                before - 0.5 * gradient,
            ),
            "the weights did not move: optimizer.step() after loss.backward()": lambda: (loss, before),
        },
    )


def train_step_returns_a_number(train_step: TrainStep, case: Case) -> None:
    """What comes back is a Python float, from one call of the network."""
    notes: list[str] = []
    body = _Gain(0.7)
    x, target = case.rand(2, 1, 1, 3, 3)
    loss = case.call(train_step, _Watched(body, notes), _optimizer(Descent(body, 0.1, notes)), x, target, 1)
    require(
        not isinstance(loss, Tensor),
        "the loss is a tensor: return loss.item(), or everything that it was computed from stays in memory",
        expected="a Python float",
        got="a tensor",
    )
    require(type(loss) is float, "a Python float is wanted: loss.item()", expected="a float", got=describe(loss))
    calls = notes.count("forward")
    require(
        calls == 1,
        "the network is called more than once: keep its output in a variable",
        expected="one call of the network",
        got=f"{calls} calls",
    )


EXERCISE = Exercise(
    reference=_train_step,
    checks=(
        train_step_worked_example,
        train_step_repeated,
        train_step_old_gradients,
        train_step_margin,
        train_step_enlarging_network,
        train_step_uses_the_optimizer,
        train_step_returns_a_number,
    ),
)
