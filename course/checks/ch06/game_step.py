"""06.5 game_step: what a right answer must satisfy."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch06 import game_step_mistakes
from course.checks.descent import Descent
from course.checks.player import Player

GameStep = Callable[..., tuple[float, float]]


def _game_step(
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer,
    lr: Tensor,
    hr: Tensor,
    g_loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    d_loss: Callable[[Tensor, Tensor], Tensor],
) -> tuple[float, float]:
    """With backward's `inputs` in the place of a freeze."""
    sr = generator(lr)
    lost = []
    for network, optimizer in ((generator, g_optimizer), (discriminator, d_optimizer)):
        first = network is generator
        loss = g_loss(sr, hr, discriminator(sr)) if first else d_loss(discriminator(hr), discriminator(sr.detach()))
        optimizer.zero_grad()
        loss.backward(inputs=list(network.parameters()))
        optimizer.step()
        lost.append(float(loss.detach()))
    return lost[0], lost[1]


class _Player(Player):
    """It watches how it is called."""

    def forward(self, x: Tensor) -> Tensor:
        require(
            torch.is_grad_enabled(),
            f"the {self.name} runs under torch.no_grad, where no gradient flows through it: freezing its weights "
            "(requires_grad_) and sr.detach() are what is wanted",
            expected=f"a {self.name} that is called with gradients on",
            got=f"a {self.name} under torch.no_grad",
        )
        self.keeps_its_mode()
        self.calls += 1
        if self.name == "discriminator":
            require(
                x.requires_grad or self.weight.requires_grad,
                "the discriminator is frozen in its own half: requires_grad_(True) before it judges there; and in the "
                "generator's half it judges sr alone, not detached, not hr",
                expected="a gradient for sr in the generator's half, for the discriminator's weights in its own",
                got="a call in which nothing can learn",
            )
        require(
            self.name == "discriminator" or self.weight.requires_grad,
            "the generator is frozen: only the discriminator is, and only in the generator's half",
            expected="a generator that learns",
            got="one whose weights get no gradient",
        )
        return self.function(self.weight, x)


def _generate(weight: Tensor, lr: Tensor) -> Tensor:
    return (weight.view(3, 1, 1) * lr).repeat_interleave(2, 2).repeat_interleave(2, 3)


def _judge(weight: Tensor, pictures: Tensor) -> Tensor:
    means, squares = pictures.mean((2, 3)), pictures.square().mean((2, 3))
    return (means @ weight + squares @ weight.square()).unsqueeze(1)


def _g_loss(sr: Tensor, hr: Tensor, fake: Tensor) -> Tensor:
    return (1.1 * sr - hr).square().mean() + 0.4 * F.softplus(-fake).mean()  # not the same with sr and hr exchanged


def _d_loss(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _table(case: Case, **changed: Any) -> game_step_mistakes.Table:
    given: dict[str, Any] = {
        "generate": _generate, "judge": _judge, "g_loss": _g_loss, "d_loss": _d_loss,
        "lr": 1.5 * case.rand(2, 3, 2, 3), "hr": case.rand(2, 3, 4, 6),
        "g": 0.5 + case.rand(3), "d": 0.5 + case.rand(3),
        "g_rate": 0.6, "d_rate": 0.4, "g_old": torch.zeros(3), "d_old": torch.zeros(3),
    }  # fmt: skip
    return game_step_mistakes.Table(**(given | changed))


def _compare_game(
    answer: GameStep, case: Case, table: game_step_mistakes.Table, *, training: bool = True, public: bool = False,
    steps: int = 1, what: str = "both losses, and the weights of both players after the step",
) -> None:  # fmt: skip
    players = (
        _Player("generator", table.g, table.generate, training),
        _Player("discriminator", table.d, table.judge, training),
    )
    notes: list[str] = []
    optimizers = [
        cast(torch.optim.Optimizer, Descent(player, rate, notes))
        for player, rate in zip(players, (table.g_rate, table.d_rate), strict=True)
    ]
    for player, old in zip(players, (table.g_old, table.d_old), strict=True):
        if bool(old.any()):
            player.weight.grad = old.clone()
    for _ in range(steps):
        for player in players:
            player.calls = player.gradients = 0
        got = case.call(answer, *players, *optimizers, table.lr, table.hr, table.g_loss, table.d_loss)
        if not (type(got) in (list, tuple) and len(got) == 2):
            raise Wrong("both losses are wanted: return the generator's and the discriminator's",
                        expected="two floats", got=f"a {type(got).__name__}")  # fmt: skip
        weights = [player.weight.detach().clone() for player in players]
        compare(
            (*got, *weights),
            game_step_mistakes.play(table),
            within=1e-5,
            what=what,
            public=public,
            mistakes=game_step_mistakes.step(table),
        )
        _well_played(players, got)
        g_left, d_left = (
            torch.zeros_like(table.g) if player.weight.grad is None else player.weight.grad.clone()
            for player in players
        )
        table = replace(table, g=weights[0], d=weights[1], g_old=g_left, d_old=d_left)


def _well_played(players: tuple[_Player, _Player], got: Sequence[Any]) -> None:
    """What the weights after a step do not show. Raises Wrong."""
    generator, discriminator = players
    require(
        generator.calls == 1,
        "the generator was called twice: make sr once, and give the discriminator's half the same one, detached",
        expected="one call of the generator",
        got=f"{generator.calls} calls",
    )
    require(
        generator.gradients == 1,
        "the discriminator's loss went back into the generator: sr.detach() in the discriminator's half",
        expected="one gradient for the generator, that of its own loss",
        got=f"{generator.gradients} gradients",
    )
    require(
        discriminator.gradients == 1,
        "the discriminator is not frozen in the generator's half: its weights got a gradient there, which costs time "
        "and must be thrown away",
        expected="one gradient for the discriminator, that of its own loss",
        got=f"{discriminator.gradients} gradients",
    )
    for player in players:
        player.keeps_its_mode()
        require(
            player.weight.requires_grad,
            f"the {player.name} stays frozen after the step: requires_grad_(True) undoes it",
            expected="two players who can learn on",
            got=f"a frozen {player.name}",
        )
    require(
        all(type(loss) is float for loss in got),
        "the losses came back as tensors, which keep the whole step's graph in memory: .item()",
        expected="two floats",
        got=" and ".join(type(loss).__name__ for loss in got),
    )


def game_order_and_detach(answer: GameStep, case: Case) -> None:
    """The generator first, then the discriminator on the same sr; each follows its own loss alone."""
    _compare_game(answer, case, _table(case))


def game_old_gradients(answer: GameStep, case: Case) -> None:
    """Gradients that were left in either player by something else do not count."""
    for g_old, d_old in ((1.0, 0.0), (0.0, 1.0)):
        table = _table(case, g_old=g_old * (0.2 + case.rand(3)), d_old=d_old * (0.2 + case.rand(3)))
        _compare_game(answer, case, table)


def game_repeated(answer: GameStep, case: Case) -> None:
    """Several steps in a row, in training and in evaluation mode."""
    for training in (True, False):
        _compare_game(answer, case, _table(case), training=training, steps=3)


def game_worked_example(answer: GameStep, case: Case) -> None:
    """Two players of one weight each: both losses are -1, both weights go from 1 to 1.1."""
    one = torch.ones(1, 3, 1, 1)

    def scaled(weight: Tensor, x: Tensor) -> Tensor:
        return weight * x

    def judged(weight: Tensor, x: Tensor) -> Tensor:
        return weight * x.mean((1, 2, 3)).unsqueeze(1)

    table = _table(
        case, generate=scaled, judge=judged, lr=one, hr=2 * one, g=torch.ones(()), d=torch.ones(()),
        g_loss=lambda sr, hr, fake: -fake.mean(), d_loss=lambda real, fake: (fake - real).mean(), g_rate=0.1,
        d_rate=0.1, g_old=torch.zeros(()), d_old=torch.zeros(()),
    )  # fmt: skip
    _compare_game(answer, case, table, public=True)


EXERCISE = Exercise(
    reference=_game_step,
    checks=(game_order_and_detach, game_old_gradients, game_repeated, game_worked_example),
)
