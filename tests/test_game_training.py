"""The two players' step against one written out by hand; warm-up, health, collapse, resuming, several processes."""

import copy
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from noise_batches import noise_batch, noise_source
from test_engine import ALONE, _wait
from torch import Tensor, nn

from srlib import checkpoints, cli, health, hooks, image, logs, runs, training, zoo
from srlib.losses import l1
from srlib.models.discriminators import SRGANDiscriminator
from srlib.models.srresnet import SRResNet
from srlib.patches import Patches, batches
from srlib.recipes import ESRGAN, RAMP, RECIPES, SRGAN, Recipe
from srlib.schedules import constant
from srlib.state import Player, Run

small_sgd = partial(torch.optim.SGD, momentum=0.9)
SMALL = replace(
    SRGAN,
    generator=partial(SRResNet, channels=8, num_blocks=1),
    discriminator=partial(SRGANDiscriminator, channels=4, grid=2, dense=8),
    features=(("relu2_1", 1.0),),
    random_features=True,
    data=(),
    scale=2,
    hr_crop=16,
    batch=4,
    steps=8,
    schedule=constant,
    begins=None,
)
# The weights of the losses are raised so that each of them moves the networks within a few steps.
BY_HAND = {
    "srgan": replace(SMALL, optimizer=small_sgd, learning_rate=0.01, perceptual_weight=0.2, adversarial_weight=0.5),
    "esrgan": replace(
        SMALL,
        optimizer=small_sgd,
        learning_rate=0.01,
        pixel=l1,
        pixel_weight=0.3,
        features=(("conv1_2", 0.5), ("conv2_1", 1.0)),
        feature_distance=l1,
        perceptual_weight=0.2,
        game=ESRGAN.game,
        adversarial_weight=0.5,
    ),
}
each = pytest.mark.parametrize("recipe", BY_HAND.values(), ids=BY_HAND)


def _floats(number: int, recipe: Recipe) -> list[Tensor]:
    return [x.float() / 255 for x in noise_batch(number, recipe)]


def _judge(run: Run) -> Player:
    assert run.opponent is not None
    return run.opponent


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _same(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


class _Plain(nn.Module):
    """A discriminator without batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, stride=2), nn.Linear(4, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.last(F.leaky_relu(self.conv(pictures), 0.2).mean((2, 3)))


def _certain(logits: Tensor, real: bool) -> Tensor:
    """torch's own cross-entropy of logits that should say real, or made."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def _by_hand(recipe: Recipe, run: Run, steps: int) -> tuple[nn.Module, nn.Module, list[dict[str, float]]]:
    """The same training written out as the papers' codes do, on copies of the networks."""
    own, judge = copy.deepcopy(run.generator), copy.deepcopy(_judge(run).network)
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9) for network in (own, judge)]
    told = []
    for number in range(steps):
        lr, hr = _floats(number, recipe)
        sr = own(lr)
        assert run.features is not None
        got, wanted = run.features(sr), run.features(hr)
        aside = copy.deepcopy(judge)  # so that the judge's statistics stay in the generator's half
        if recipe.name == "srgan" and not recipe.pixel_weight:
            terms = {
                "perceptual": 0.2 * F.mse_loss(got["relu2_1"], wanted["relu2_1"]),
                "adversarial": 0.5 * _certain(aside(sr), True),
            }
        else:
            real, fake = aside(hr).detach(), aside(sr)
            terms = {
                "pixel": 0.3 * F.l1_loss(sr, hr),
                "perceptual": 0.2
                * (0.5 * F.l1_loss(got["conv1_2"], wanted["conv1_2"]) + F.l1_loss(got["conv2_1"], wanted["conv2_1"])),
                "adversarial": 0.5 * (_certain(fake - real.mean(), True) + _certain(real - fake.mean(), False)),
            }
        loss = torch.stack(list(terms.values())).sum()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        real, fake = judge(hr), judge(sr.detach())
        if recipe.game is SRGAN.game:
            d_loss = _certain(real, True) + _certain(fake, False)
        else:
            d_loss = _certain(real - fake.mean(), True) + _certain(fake - real.mean(), False)
        d_loss.backward()
        optimizers[1].step()
        told.append({name: float(value.detach()) for name, value in {"loss": loss, **terms, "d_loss": d_loss}.items()})
    return own, judge, told


@each
def test_a_step_is_the_papers(recipe: Recipe) -> None:
    run = training.start(recipe)
    before = _copy(run.generator), _copy(_judge(run).network)
    own, judge, told = _by_hand(recipe, run, 3)
    for number in range(3):
        terms = training.train_step(run, *_floats(number, recipe))
        assert {name: float(terms[name]) for name in told[number]} == pytest.approx(told[number], rel=1e-5, abs=1e-6)
    for mine, theirs, old in zip((run.generator, _judge(run).network), (own, judge), before, strict=True):
        for name, value in theirs.state_dict().items():
            assert torch.allclose(mine.state_dict()[name].float(), value.float(), atol=1e-6, rtol=1e-5), name
        moved = [float((value - old[name]).detach().abs().max()) for name, value in theirs.named_parameters()]
        assert max(moved) > 1e-4  # a comparison of something


@each
def test_each_half_leaves_the_other_network_alone(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training.start(recipe)
    training.train_step(run, *_floats(0, recipe))
    networks = (run.generator, _judge(run).network)
    halves: list[tuple[bool, bool]] = []
    descend = training.descend

    def watched(run: Run, player: Player, *rest: Any) -> dict[str, Tensor]:
        for network in networks:
            network.zero_grad(set_to_none=True)
        weights = [torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks]
        terms = descend(run, player, *rest)
        moved = [
            not torch.equal(old, torch.cat([p.detach().flatten() for p in network.parameters()]))
            for old, network in zip(weights, networks, strict=True)
        ]
        grads = [any(p.grad is not None for p in network.parameters()) for network in networks]
        assert moved == grads
        halves.append((moved[0], moved[1]))
        return terms

    monkeypatch.setattr(training, "descend", watched)
    statistics = [value.clone() for value in networks[0].buffers()]
    training.train_step(run, *_floats(1, recipe))
    assert halves == [(True, False), (False, True)]
    # Its own half alone counts for its statistics: the real and the made pictures of two steps.
    counted = [value for name, value in networks[1].named_buffers() if name.endswith("num_batches_tracked")]
    assert {int(value) for value in counted} == {4}
    assert {int(v) for n, v in networks[0].named_buffers() if n.endswith("num_batches_tracked")} == {2}
    assert not all(torch.equal(a, b) for a, b in zip(statistics, networks[0].buffers(), strict=True))
    assert all(p.requires_grad for network in networks for p in network.parameters())


def test_the_discriminator_warms_up_alone() -> None:
    recipe = replace(SMALL, warm_up=3, ema=0.9)
    run = training.start(recipe)
    assert run.average is not None
    before = [_copy(network) for network in (run.generator, run.average, _judge(run).network)]
    training.fit(run, noise_source(run), steps=3)
    after = [network.state_dict() for network in (run.generator, run.average, _judge(run).network)]
    assert [_same(*pair) for pair in zip(before, after, strict=True)] == [True, True, False]
    assert int(after[2]["features.3.num_batches_tracked"]) == 6
    assert {"loss", "perceptual", "adversarial", "d_loss", "d_real", "d_fake", "error", "drift"} <= run.terms.keys()
    training.fit(run, noise_source(run), steps=4)
    assert not _same(before[0], run.generator.state_dict())


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-5), ("fp16", 0.05)])
def test_the_terms_gradients_are_autograds(precision: Any, near: float) -> None:
    recipe = replace(BY_HAND["esrgan"], generator=partial(SRResNet, channels=8, num_blocks=1, batch_norm=False))
    run = training.start(recipe, precision=precision)
    if precision == "fp16":
        run.scaler = torch.amp.GradScaler("cpu", init_scale=256.0)  # the first scales are too large, and tried out
    lr, hr = _floats(0, recipe)
    sr = run.generator(lr).detach().requires_grad_(True)
    assert run.features is not None
    got, wanted = run.features(sr), run.features(hr)
    judge = copy.deepcopy(_judge(run).network)
    real, fake = judge(hr).detach(), judge(sr)
    losses = {
        "pixel": 0.3 * (sr - hr).abs().mean(),
        "perceptual": 0.2 * sum(w * (got[tap] - wanted[tap]).abs().mean() for tap, w in recipe.features),
        "adversarial": 0.5 * (_certain(fake - real.mean(), True) + _certain(real - fake.mean(), False)),
    }
    expected = {
        name: float(torch.autograd.grad(loss, sr, retain_graph=True)[0].norm()) for name, loss in losses.items()
    }
    terms = training.train_step(run, lr, hr)
    assert {name: float(terms[f"grad_{name}"]) for name in expected} == pytest.approx(expected, rel=near)
    assert float(terms["error"]) == pytest.approx(float((sr - hr).abs().mean().detach()), rel=near)
    drift = sum(
        abs(float((sr - hr).detach()[k, c].mean())) for k in range(recipe.batch) for c in range(3)
    ) / (3 * recipe.batch)  # fmt: skip
    assert float(terms["drift"]) == pytest.approx(drift, rel=near)


def test_a_batch_in_parts_is_the_same_step_of_both() -> None:
    """Without batch norm, and in a game that does not compare pictures, for each part adds its share."""
    recipe = replace(
        BY_HAND["esrgan"],
        generator=partial(SRResNet, channels=8, num_blocks=1, batch_norm=False),
        discriminator=_Plain,
        game=SRGAN.game,
    )
    ends = []
    for parts in (1, 2, 3):
        run = training.start(recipe, accumulate=parts)
        training.fit(run, noise_source(run), steps=3)
        networks = (run.generator, _judge(run).network)
        ends.append((run.terms, torch.cat([p.detach().flatten() for n in networks for p in n.parameters()])))
    for terms, weights in ends[1:]:
        assert torch.allclose(weights, ends[0][1], atol=1e-6)
        for name in ("loss", "pixel", "perceptual", "adversarial", "d_loss", "d_real", "error", "drift"):
            assert terms[name] == pytest.approx(ends[0][0][name], rel=1e-4), name
    # The gradient of a mean over n values is 0.3 / n at each of them, its norm 0.3 / sqrt(n): of parts of 2 and 2
    # pictures sqrt(2) times that of 4, of one picture twice.
    whole = 0.3 / math.sqrt(4 * 3 * 16 * 16)
    means = [whole, whole * math.sqrt(2), whole * (0.5 * math.sqrt(2) + 0.25 * 2 + 0.25 * 2)]
    assert [terms["grad_pixel"] for terms, _ in ends] == pytest.approx(means, rel=1e-3)


@each
def test_a_bad_batch_moves_neither_network_and_is_no_collapse(recipe: Recipe) -> None:
    run = training.start(replace(recipe, learning_rate=1e-3))

    def step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        return training.train_step(run, lr * float("nan") if run.step == 2 else lr, hr)

    states = []

    def keep(run: Run) -> None:
        states.append([_copy(run.generator), _copy(_judge(run).network)])

    training.fit(run, noise_source(run), steps=50, step=step, hooks=[keep, health.watch])
    assert all(_same(before, after) for before, after in zip(states[1], states[2], strict=True))
    assert (run.skipped, run.skipped_in_a_row, run.setbacks) == (1, 0, 0)
    assert math.isfinite(run.notes["health"]["error"])
    assert not any(_same(before, after) for before, after in zip(states[2], states[3], strict=True))


def test_compiled_networks_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # "eager" traces the networks and runs what it traced, without a C++ compiler
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    ends = []
    for compiled in (False, True):
        run = training.start(replace(BY_HAND["esrgan"], warm_up=1), compiled=compiled)
        training.fit(run, noise_source(run), steps=3)
        assert int(_judge(run).network.state_dict()["features.3.num_batches_tracked"]) == 6
        networks = (run.generator, _judge(run).network)
        ends.append(torch.cat([p.detach().flatten() for network in networks for p in network.parameters()]))
    assert torch.allclose(*ends, atol=1e-6)


def test_the_average_follows_the_generator() -> None:
    run = training.start(replace(BY_HAND["srgan"], ema=0.75))
    seen = [_copy(run.generator)]
    training.fit(run, noise_source(run), steps=3, hooks=[lambda r: seen.append(_copy(r.generator))])
    expected = seen[0]["conv_last.weight"]
    for state in seen[1:]:
        expected = 0.75 * expected + 0.25 * state["conv_last.weight"]
    assert torch.allclose(run.result.state_dict()["conv_last.weight"], expected, atol=1e-6)
    assert torch.equal(run.result.state_dict()["norm_body.running_var"], seen[-1]["norm_body.running_var"])


def test_what_has_no_weight_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SRLIB_VGG19", str(tmp_path / "none.pth"))
    run = training.start(replace(SMALL, random_features=False, perceptual_weight=0.0))
    terms = training.train_step(run, *_floats(0, SMALL))
    assert run.features is None and "perceptual" not in terms
    assert float(terms["loss"]) == float(terms["adversarial"]) > 0


# --- collapse


class _Residual(nn.Module):
    """The nearest pixel, and a convolution that begins at nought: small, and no worse than many from the start."""

    def __init__(self, *, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, lr: Tensor) -> Tensor:
        large = F.interpolate(lr, scale_factor=self.scale, mode="nearest")
        return large + self.last(F.relu(self.first(large)))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health that is judged within a few steps."""
    for name, value in (("KEEP", 0.5), ("SETTLED", 4), ("KEPT_EVERY", 2)):
        monkeypatch.setattr(health, name, value)


CALM = replace(
    SMALL, generator=_Residual, discriminator=_Plain, pixel_weight=1.0, learning_rate=1e-4, adversarial_weight=1e-3
)


def _spoil(run: Run, *, steps: tuple[int, ...], shift: float = 0.8) -> None:
    """A hook: after those steps the generator's colours jump."""
    if run.step in steps:
        with torch.no_grad():
            dict(run.generator.named_parameters())["last.bias"].add_(shift)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_collapse_goes_back_to_the_last_good_weights(ema: float | None, quick: None) -> None:
    run = training.start(replace(CALM, ema=ema, warm_up=2))
    told: list[tuple[int, int]] = []
    good: list[dict[str, Tensor]] = []
    alone: list[tuple[bool, bool]] = []
    rates: dict[int, float] = {}
    own: dict[int, float] = {}
    last: dict[str, dict[str, Tensor]] = {}

    def look(run: Run) -> None:
        rates[run.step] = _judge(run).optimizer.param_groups[0]["lr"]
        own[run.step] = run.optimizer.param_groups[0]["lr"]
        assert run.good is not None
        if run.setbacks > (told[-1][1] if told else 0):
            told.append((run.step, run.setbacks))
            good.append(_copy(run.generator))
            assert _same(_copy(run.result), run.good)
            assert not run.optimizer.state and not _judge(run).optimizer.state
        elif told and run.step <= told[-1][0] + 4:
            alone.append((_same(last["own"], _copy(run.generator)), _same(last["judge"], _copy(_judge(run).network))))
        last.update(own=_copy(run.generator), judge=_copy(_judge(run).network))

    spoil = partial(_spoil, steps=(10,))
    training.fit(run, noise_source(run), steps=24, hooks=[health.watch, look, spoil])
    [(step, setbacks)] = told
    assert (step, setbacks, run.setbacks) == (11, 1, 1)  # the first step after it
    assert float(good[0]["last.bias"].abs().max()) < 0.1  # the spoilt ones are gone
    assert alone == [(True, False)] * 4
    assert rates[11] == 1e-4 and {rates[k] for k in range(12, 25)} == {0.5e-4}
    assert own[11] == 1e-4  # and after the return rises anew, for the optimiser has forgotten its moments
    joined = run.alone_until + 1
    assert [own[k] for k in (joined, joined + 1, 24)] == pytest.approx(
        [0.5e-4 * k / RAMP for k in (1, 2, 24 - run.alone_until)]
    )
    [[when, what]] = run.notes["collapses"]
    assert when == 11 and what.startswith("step 11: the generator collapses (error")
    assert not _same(last["own"], good[0])  # and it learns again


def test_the_fourth_collapse_ends_the_run_with_its_good_weights(quick: None) -> None:
    run = training.start(CALM)
    spoil = partial(_spoil, steps=(10, 20, 30, 40))
    with pytest.raises(health.Collapsed) as error:
        training.fit(run, noise_source(run), steps=99, hooks=[health.watch, spoil])
    assert str(error.value).startswith("step 41: the generator collapses (error ")
    assert "for the 4th time: begin anew in another --out with a lower --learning-rate or" in str(error.value)
    assert (run.step, run.setbacks) == (41, 3)
    assert run.good is not None and _same(_copy(run.generator), run.good)
    assert float(run.good["last.bias"].abs().max()) < 0.1
    assert isinstance(error.value, FloatingPointError)  # which the command tells in one sentence


def test_alarms_by_their_definition(quick: None) -> None:
    """A shift of all colours that hardly changes the error of noise, and an error that does not shift colours."""
    run = training.start(CALM)
    for error, drift, alarm in ((0.25, 0.059, 0), (0.25, 0.061, 1), (0.49, 0.0, 0), (0.51, 0.0, 1)):
        run.setbacks, run.notes = 0, {}
        for step in range(1, 31):
            run.step = step
            run.terms = {"error": 0.25 if step < 10 else error, "drift": 0.001 if step < 10 else drift}
            health.watch(run)
            if run.setbacks:
                break
        assert run.setbacks == alarm, (error, drift)


def test_good_weights_are_those_of_a_small_error(quick: None) -> None:
    run = training.start(CALM)
    kept = []
    for step in range(1, 21):
        with torch.no_grad():
            dict(run.generator.named_parameters())["last.bias"].fill_(step / 100)
        run.step, run.terms = step, {"error": 0.1 if step < 12 else 0.17, "drift": 0.001}
        health.watch(run)
        assert run.good is not None
        kept.append(round(float(run.good["last.bias"][0]) * 100))
    # the first; after 4 steps every second one, until the smoothed error passes 1.6 times its least, in step 14
    # (0.1 + 0.07 * (1 - 1/8) = 0.16125; 0.1575 in step 13)
    assert kept == [1, 1, 1, 4, 4, 6, 6, 8, 8, 10, 10, 12, *[12] * 8]


def test_a_healthy_game_raises_no_alarm(coffee: Tensor) -> None:
    recipe = replace(CALM, learning_rate=1e-3, ema=0.9, warm_up=10)
    run = training.start(recipe)
    pictures = [image.to_uint8(coffee[0])]
    source = batches(Patches(pictures, scale=2, hr_crop=16, seed=0), batch=4, first=0)
    training.fit(run, source, steps=150, hooks=[health.watch])
    assert run.setbacks == 0
    assert run.notes["health"]["seen"] == 150
    assert run.good is not None and _same(run.good, _copy(run.result))  # of step 150


def test_a_new_networks_first_colours_are_no_collapse(coffee: Tensor) -> None:
    """esrgan-pirm and --start none begin with a network that makes dark pictures."""
    recipe = replace(SMALL, pixel=l1, pixel_weight=1.0, learning_rate=1e-4)
    run = training.start(recipe)
    source = batches(Patches([image.to_uint8(coffee[0])], scale=2, hr_crop=16, seed=0), batch=4, first=0)
    drifts = []
    training.fit(run, source, steps=90, hooks=[health.watch, lambda r: drifts.append(r.notes["health"]["drift"])])
    assert drifts[health.SETTLED] > health.WORST_DRIFT
    assert run.setbacks == 0


# --- on disk


def test_a_game_resumes_bit_for_bit(tmp_path: Path, quick: None) -> None:
    """With a collapse behind it, and while the discriminator learns alone."""
    recipe = replace(CALM, ema=0.5, clip=1.0, warm_up=2, discriminator=SMALL.discriminator)
    hooks = [health.watch, partial(_spoil, steps=(10,))]

    def stop(run: Run) -> None:
        if run.step == 13:
            raise KeyboardInterrupt

    whole = training.start(recipe)
    training.fit(whole, noise_source(whole), steps=22, hooks=hooks)
    first = training.start(recipe)
    with pytest.raises(KeyboardInterrupt):
        training.fit(
            first,
            noise_source(first),
            steps=22,
            hooks=[*hooks, training.every(13, partial(checkpoints.keep, folder=tmp_path)), stop],
        )
    assert (first.setbacks, first.step < first.alone_until) == (1, True)
    second = checkpoints.load_checkpoint(training.start(recipe), checkpoints.newest(tmp_path)[0])
    assert (second.step, second.setbacks, second.alone_until) == (13, 1, first.alone_until)
    assert second.good is not None and first.good is not None and _same(second.good, first.good)
    training.fit(second, noise_source(second), steps=22, hooks=hooks)
    assert second.terms == whole.terms
    assert second.notes == whole.notes and second.notes["health"]["seen"] > 0
    for mine, theirs in ((second.player, whole.player), (_judge(second), _judge(whole))):
        assert _same(mine.network.state_dict(), theirs.network.state_dict())
        moments, others = mine.optimizer.state_dict()["state"], theirs.optimizer.state_dict()["state"]
        assert moments.keys() == others.keys()
        assert all(_same(moments[k], others[k]) for k in others) and len(others) > 2
    assert _same(second.result.state_dict(), whole.result.state_dict())
    assert second.good is not None and whole.good is not None and _same(second.good, whole.good)


@pytest.fixture
def pictures(tmp_path: Path, coffee: Tensor) -> Path:
    for k in range(2):
        image.write(tmp_path / "pictures" / f"{k}.png", coffee[..., 100 * k : 100 * k + 40, 150:200])
    return tmp_path / "pictures"


def _options(pictures: Path, **more: Any) -> runs.Options:
    return runs.Options(log_every=1, validate_every=1000, validation=str(pictures), precision="fp32", **more)


def test_a_games_log_tells_its_health(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(BY_HAND["esrgan"], data=(str(pictures),), steps=4, learning_rate=1e-3, warm_up=1)
    runs.train(recipe, tmp_path / "run", _options(pictures))
    rows = logs.read_log(tmp_path / "run" / runs.LOG)
    assert (tmp_path / "run" / runs.LOG).read_text().splitlines()[0] == (
        "step,seconds,learning_rate,loss,psnr,waited,skipped,pixel,perceptual,adversarial,grad_pixel,grad_perceptual,"
        "grad_adversarial,d_loss,d_real,d_fake,error,drift,setbacks,niqe,sharpness"
    )
    for row in rows:
        assert row["loss"] == pytest.approx(row["pixel"] + row["perceptual"] + row["adversarial"], rel=1e-4)
        assert 0 < row["d_real"] < 1 and 0 < row["d_fake"] < 1 and row["setbacks"] == 0
        assert row["pixel"] == pytest.approx(0.3 * row["error"], rel=1e-4)
    assert ["grad_pixel" in row for row in rows] == [False, True, True, True]  # nothing is learned from in warm-up
    # the mean's gradient is 0.3 / n at each of n values, its norm 0.3 / sqrt(n)
    assert rows[-1]["grad_pixel"] == pytest.approx(0.3 / math.sqrt(4 * 3 * 16 * 16), rel=1e-4)
    text = (tmp_path / "run" / runs.SUMMARY).read_text()
    assert '"features": "random (untrained)"' in text and '"setbacks": []' in text
    assert "Infinity" not in text and not (tmp_path / "run" / hooks.BEST).exists()
    assert "best" not in capsys.readouterr().err
    assert cli.main(["curves", str(tmp_path / "run"), "--out", str(tmp_path / "c.png")]) == 0
    assert image.read(tmp_path / "c.png").rgb.std() > 0.01


def test_columns_of_recipes() -> None:
    plain = replace(SMALL, discriminator=None, perceptual_weight=0.0, adversarial_weight=0.0, pixel_weight=1.0)
    assert logs.columns(plain) == logs.COLUMNS
    seen = (*logs.COLUMNS, "pixel", "perceptual", "grad_pixel", "grad_perceptual")
    assert logs.columns(replace(plain, perceptual_weight=1.0)) == seen
    alone = replace(SMALL, perceptual_weight=0.0)  # the judge's word alone: its health is told all the same
    assert logs.columns(alone) == (*logs.COLUMNS, *logs.GAME)


def test_a_log_with_other_columns_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss,mood,psnr\n1,0.5,7,20\n2,0.4,8,\n3,0.3,9,\n")
    logs.Log(path, SMALL, step=2, every=1)
    assert logs.read_log(path) == [{"step": 1, "loss": 0.5, "psnr": 20}, {"step": 2, "loss": 0.4}]
    assert path.read_text().startswith(",".join(logs.columns(SMALL)))


def test_a_step_that_was_not_followed_is_left_out_of_the_means(tmp_path: Path) -> None:
    run = training.start(SMALL)
    log = logs.Log(tmp_path / "log.csv", SMALL, step=0, every=3)
    run.seconds = 1.0
    for run.step, loss in enumerate((1.0, math.inf, 4.0), 1):
        run.unfollowed, run.terms = math.isinf(loss), {"loss": loss, "d_loss": 2 * loss}
        log(run)
    [row] = logs.read_log(tmp_path / "log.csv")
    assert (row["step"], row["loss"], row["d_loss"]) == (3, 2.5, 5)


def test_a_run_that_gives_up_leaves_its_good_weights(
    pictures: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = health.watch
    hooks = (watch, partial(_spoil, steps=(10, 20, 30, 40)))
    monkeypatch.setattr(health, "watch", lambda run: [hook(run) for hook in hooks])
    saved: list[dict[str, Tensor]] = []
    monkeypatch.setattr(zoo, "save", lambda network, path, scale: saved.append(_copy(network)))
    recipe = replace(CALM, data=(str(pictures),), steps=99)
    with pytest.raises(health.Collapsed, match=r"the last good weights are .*good\.safetensors$"):
        runs.train(recipe, tmp_path / "run", _options(pictures), quiet=True)
    [good] = saved
    assert float(good["last.bias"].abs().max()) < 0.1


# --- by the command itself, small

COMMANDED = replace(SMALL, hr_crop=16, batch=2, features=(("conv2_1", 1.0),), random_features=False)
SCRIPT = """
import os, sys
import torch
from srlib import cli, health, recipes
from test_game_training import COMMANDED

recipes.RECIPES["srgan"] = COMMANDED
watch = health.watch

def told(run):  # every process spoils its network, and leaves what it has at the end
    if run.step == 10:
        torch.nn.init.constant_(run.generator.conv_last.bias, 2.0)
    watch(run)
    if run.fraction >= 1:
        state = run.generator.state_dict(), run.opponent.network.state_dict(), run.notes, run.setbacks
        torch.save(state, f"{sys.argv[0]}.{os.environ['RANK']}")

if "RANK" in os.environ:
    health.watch, health.KEEP, health.SETTLED, health.KEPT_EVERY = told, 0.5, 4, 2
sys.exit(cli.main(sys.argv[1:]))
"""
ALONE_HERE = {**ALONE, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}


@pytest.fixture
def command(pictures: Path, tmp_path: Path) -> list[str]:
    """The script of a command whose SRGAN is small, and arguments that both of its tests take."""
    (tmp_path / "small.py").write_text(SCRIPT)
    arguments = ["train", "srgan", "--random-features", "--data", str(pictures), "--precision", "fp32"]
    arguments += ["--log-every", "20", "--save-every", "5", "--validation", str(pictures), "--validate-every", "50"]
    return [str(tmp_path / "small.py"), *arguments]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As ALONE has it: sums in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_killed_game_goes_on_as_if_nothing_had_happened(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setitem(RECIPES, "srgan", COMMANDED)
    more = ["--ema", "0.9", "--warm-up", "3", "--pixel-weight", "0.5", "--taps", "conv1_2=0.5", "relu2_1", "--steps"]
    start = [sys.executable, *command, *more, "99999", "--out", str(tmp_path / "killed")]
    with subprocess.Popen(start, env=ALONE_HERE, stderr=subprocess.DEVNULL) as killed:
        _wait(lambda: bool(checkpoints.all_in(tmp_path / "killed")) or killed.poll() is not None)
        assert killed.poll() is None, "it ended before the signal came"
        killed.kill()
    steps = str(checkpoints.newest(tmp_path / "killed")[1]["step"] + 55)
    assert cli.main([*command[1:], *more, steps, "--out", str(tmp_path / "whole")]) == 0
    # of the killed run all is kept with it but the budget
    assert cli.main(["train", "srgan", "--resume", "--steps", steps, "--out", str(tmp_path / "killed")]) == 0
    again, whole = (checkpoints.read(checkpoints.newest(tmp_path / folder)[0]) for folder in ("killed", "whole"))
    assert again["step"] == whole["step"] == int(steps)
    for name in ("generator", "average", "good"):
        assert _same(again[name], whole[name])
    assert _same(again["opponent"]["network"], whole["opponent"]["network"])
    assert again["notes"]["health"] == whole["notes"]["health"]
    told = [logs.read_log(tmp_path / folder / runs.LOG)[-2:] for folder in ("killed", "whole")]
    for row in (row for rows in told for row in rows):
        del row["seconds"], row["waited"]
    assert told[0] == told[1] and "grad_pixel" in told[0][0]


def test_two_processes_keep_their_networks_alike_through_a_collapse(command: list[str], tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *command]
    more = ("--out", str(tmp_path / "two"), "--steps", "25", "--batch", "8", "--warm-up", "2", "--accumulate", "2")
    done = subprocess.run([*torchrun, *more], env=ALONE_HERE, capture_output=True, timeout=180)
    assert done.returncode == 0, done.stderr.decode()
    one, two = (torch.load(f"{command[0]}.{rank}", weights_only=True) for rank in (0, 1))
    for mine, theirs in zip(one[:2], two[:2], strict=True):
        # but for batch statistics, of which each process has those of its own pictures
        names = [name for name in mine if "running" not in name]
        assert _same({name: mine[name] for name in names}, {name: theirs[name] for name in names})
    assert one[3] == two[3] == 1
    assert one[2]["health"] == two[2]["health"] and one[2]["collapses"] == two[2]["collapses"]
    assert float(one[0]["conv_last.bias"].abs().max()) < 1  # 2 in what was spoilt
