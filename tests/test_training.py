"""The loop against hand-computed steps; budgets, schedules, hooks, checkpoints."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from noise_batches import noise_source
from torch import Tensor, nn

from srlib import checkpoints, training
from srlib.color import luma
from srlib.precision import PRECISIONS
from srlib.recipes import SRCNN_FAST, SRCNN_PAPER, diff
from srlib.schedules import constant, cosine
from srlib.state import Run

TINY = replace(SRCNN_FAST, data=(), hr_crop=24, batch=2, steps=6)


class _Gain(nn.Module):
    """One number times the enlarged picture."""

    def __init__(self, *, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, lr: Tensor) -> Tensor:
        return self.gain * lr.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def test_a_step_is_gradient_descent_on_the_inner_luma() -> None:
    recipe = replace(
        TINY, generator=_Gain, label_margin=3, learning_rate=0.1, optimizer=torch.optim.SGD, schedule=constant
    )
    run = training.start(recipe)
    lr, hr = (x.float() / 255 for x in next(noise_source(run)))
    x = luma(lr).repeat_interleave(3, 2).repeat_interleave(3, 3)[..., 3:-3, 3:-3]
    y = luma(hr)[..., 3:-3, 3:-3]
    loss = float((0.5 * x - y).square().mean())
    gradient = float((2 * x * (0.5 * x - y)).mean())
    assert float(training.train_step(run, lr, hr)["loss"]) == pytest.approx(loss, rel=1e-5)
    assert float(next(run.generator.parameters()).detach()) == pytest.approx(0.5 - 0.1 * gradient, rel=1e-6)


def test_learning_rate_follows_the_budget() -> None:
    rates = []
    run = training.start(replace(TINY, schedule=cosine, learning_rate=0.01))
    training.fit(run, noise_source(run), steps=4, hooks=[lambda r: rates.append(r.optimizer.param_groups[0]["lr"])])
    # 0.01 * (1 + cos(pi k / 4)) / 2
    assert rates == pytest.approx([0.01, 0.0085355339, 0.005, 0.0014644661])


def test_budget_is_the_first_of_steps_and_minutes() -> None:
    run = training.start(TINY)
    assert training.fit(run, noise_source(run), steps=3, minutes=60).step == 3
    run = training.start(TINY)
    run.seconds = 59.9999
    assert training.fit(run, noise_source(run), steps=10**6, minutes=1).step == 1
    assert training.fit(run, noise_source(run), minutes=1).step == 1  # nothing is left of it
    assert training.fit(training.start(TINY), noise_source(run)).step == 6  # the recipe's own
    with pytest.raises(ValueError, match="needs a budget"):
        training.fit(training.start(replace(TINY, steps=None)), noise_source(run))


def test_every_calls_at_multiples_and_at_the_end() -> None:
    seen: list[int] = []
    run = training.start(TINY)
    training.fit(run, noise_source(run), steps=5, hooks=[training.every(2, lambda r: seen.append(r.step))])
    assert seen == [2, 4, 5]


def test_paper_recipe_gives_the_last_layer_a_tenth() -> None:
    run = training.start(SRCNN_PAPER)
    assert [(g["lr"], g["momentum"], len(g["params"])) for g in run.optimizer.param_groups] == [
        (1e-4, 0.9, 4),
        (1e-5, 0.9, 2),
    ]
    assert SRCNN_PAPER.hr_crop - 2 * SRCNN_PAPER.label_margin == 21
    assert SRCNN_PAPER.generator(scale=3).margin == SRCNN_PAPER.label_margin
    assert SRCNN_FAST.generator(scale=3).margin == SRCNN_FAST.label_margin


def test_diff_shows_what_changed_and_nothing_else() -> None:
    changed = replace(SRCNN_PAPER, batch=7, optimizer=partial(torch.optim.SGD, momentum=0.5))
    assert diff(SRCNN_PAPER, changed).splitlines() == [
        "batch: 128 -> 7",
        "optimizer: SGD(momentum=0.9) -> SGD(momentum=0.5)",
    ]
    assert diff(SRCNN_PAPER, SRCNN_PAPER) == ""


def test_resumed_run_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    whole = training.start(TINY)
    training.fit(whole, noise_source(whole), steps=6)
    first = training.start(TINY)
    save = training.every(3, partial(checkpoints.save_checkpoint, path=tmp_path / "c.pt"))

    def stop(run: Run) -> None:
        if run.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.fit(first, noise_source(first), steps=6, hooks=[save, stop])
    torch.rand(5)  # whatever else drew numbers in between
    second = checkpoints.load_checkpoint(training.start(TINY), tmp_path / "c.pt")
    assert second.step == 3
    training.fit(second, noise_source(second), steps=6)
    for a, b in zip(whole.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    assert whole.terms == second.terms


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    checkpoints.save_checkpoint(training.start(TINY), tmp_path / "c.pt")
    other = training.start(replace(TINY, learning_rate=0.5, scale=2))
    with pytest.raises(ValueError, match=r"learning_rate was 0.001, is 0.5; scale was 3, is 2.*--out"):
        checkpoints.load_checkpoint(other, tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        checkpoints.load_checkpoint(training.start(TINY), tmp_path / "c.pt")


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    run = training.start(TINY)
    nn.init.constant_(next(run.generator.parameters()), float("nan"))
    with pytest.raises(FloatingPointError, match=r"step 20: .*not finite, for the 20th time in a row.*lower"):
        training.fit(run, noise_source(run), steps=30)


def test_judging_puts_the_mode_back() -> None:
    model = nn.BatchNorm2d(3)
    with training.judging(model):
        assert not model.training
    assert model.training
    model.eval()
    with training.judging(model):
        pass
    assert not model.training


def test_bf16_trains_float32_weights_close_to_float32() -> None:
    losses = []
    for precision in PRECISIONS[:2]:
        run = training.start(TINY, precision=precision)
        training.fit(run, noise_source(run), steps=6)
        assert next(run.generator.parameters()).dtype == torch.float32
        losses.append(run.terms["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[0] != losses[1]
