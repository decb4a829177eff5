"""How a run with features and a game is planned and begun, and what the command says of one that cannot be."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models.vgg import cfgs, make_layers

from srlib import checkpoints, cli, features, image, logs, runs, tiers, training, zoo
from srlib.models import A2N, SRCNN, RRDBNet, SRResNet
from srlib.recipes import (
    A2N_PAPER,
    ESRGAN,
    ESRGAN_PIRM,
    RECIPES,
    SHORT_EMA,
    SRCNN_FAST,
    SRGAN,
    SRRESNET,
    budgeted,
    check_use,
    describe,
    diff,
    rescaled,
    with_blocks,
)
from srlib.runs import planned
from srlib.schedules import held_cosine
from srlib.starts import begun_with
from srlib.state import Run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained weights of VGG19's first eight convolutions, up to conv3_4, as what is here."""
    path = tmp_path / "cut.pth"
    state = make_layers(cfgs["E"][:10]).state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, path)
    monkeypatch.setenv("SRLIB_VGG19", str(path))
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three networks as if they were shipped: SRResNet and RRDBNet of 2 blocks at x4, A2N of 1 block at x2."""
    folder = tmp_path / "shipped"
    zoo.save(SRResNet(scale=4, num_blocks=2), folder / "srresnet_x4.safetensors", scale=4)
    zoo.save(RRDBNet(scale=4, num_blocks=2), folder / "rrdb-psnr_x4.safetensors", scale=4)
    zoo.save(A2N(scale=2, num_blocks=1), folder / "a2n_x2.safetensors", scale=2)
    zoo.save(SRCNN(scale=3), folder / "srcnn_x3.safetensors", scale=3)
    monkeypatch.setattr(zoo, "FOLDER", folder)
    return folder


# --- planned


def test_with_a_budget_in_minutes_features_are_those_that_are_here() -> None:
    assert features.reach() == 8
    recipe, chosen = planned("esrgan", {"minutes": 5}, CPU)
    assert recipe.features == chosen["features"] == (("conv3_4", 1.0),)
    assert planned("srgan", {"minutes": 5}, CPU)[0].features == (("relu3_4", 1.0),)
    shipped = zoo.card("srgan", 4)["stages"][-1]["recipe"]  # which was trained by these weights
    srgan = describe(planned("srgan", {"minutes": 5}, CPU)[0])
    assert all(srgan[f"{term}_weight"] == shipped[f"{term}_weight"] for term in ("pixel", "perceptual", "adversarial"))
    assert planned("srgan", {"minutes": 5, "pixel_weight": 0.5}, CPU)[0].pixel_weight == 0.5  # one's own choice counts
    assert planned("esrgan", chosen, torch.device("meta"))[0] == recipe  # what was chosen leads to the same anywhere
    # not where the paper's steps are asked for, nor where one's own taps or no weights at all are
    assert planned("esrgan", {"steps": 5}, CPU)[0].features == ESRGAN.features
    own = (("conv2_2", 0.5),)
    assert planned("esrgan", {"minutes": 5, "features": own}, CPU)[0].features == own
    assert planned("esrgan", {"minutes": 5, "random_features": True}, CPU)[0].features == ESRGAN.features
    assert "features" not in planned("esrgan", {"minutes": 5, "perceptual_weight": 0.0}, CPU)[1]


def test_a_short_game() -> None:
    short = budgeted(ESRGAN, minutes=5)
    assert {line.partition(":")[0] for line in diff(ESRGAN, short).splitlines()} == {
        *("steps", "minutes", "schedule", "warm_up", "ramp", "ema")
    }
    assert (short.ema, short.warm_up, short.ramp, short.steps) == (SHORT_EMA, 50, 200, None)
    assert [held_cosine(f) for f in (0, 0.3, 0.5, 0.75, 1)] == pytest.approx([1, 1, 1, 0.5, 0])
    recipe, _ = planned("srgan", {"minutes": 5, "warm_up": 7, "ema": 0.9, "learning_rate": 1e-5}, CPU)
    assert (recipe.warm_up, recipe.ema, recipe.learning_rate, recipe.batch) == (7, 0.9, 1e-5, 8)


def test_blocks_are_the_generators() -> None:
    recipe, chosen = planned("esrgan", {"blocks": 6}, CPU)
    with torch.device("meta"):
        assert sum(p.numel() for p in recipe.generator(scale=4).parameters()) == 4_467_779
        assert len(with_blocks(ESRGAN_PIRM, 3).generator(scale=4).body) == 3
        assert len(with_blocks(A2N_PAPER, 3).generator(scale=2).AAB_trunk) == 3
    assert chosen == {"blocks": 6}


def test_what_a_recipe_has_no_use_for_is_refused() -> None:
    for name in ("adversarial_weight", "warm_up", "discriminator_rate"):
        with pytest.raises(ValueError, match=rf"--{name.replace('_', '-')} is of no use: srresnet plays no game"):
            check_use(SRRESNET, {name: 1})
    taps = (("conv1_1", 1.0),)
    with pytest.raises(ValueError, match=r"srresnet gives them no weight; name --perceptual-weight, too"):
        planned("srresnet", {"features": taps}, CPU)
    seeing, _ = planned("srresnet", {"features": taps, "perceptual_weight": 0.1, "random_features": True}, CPU)
    assert (seeing.features, seeing.perceptual_weight, seeing.pixel_weight) == (taps, 0.1, 1)
    with pytest.raises(ValueError, match="srgan has no loss left"):
        check_use(replace(SRGAN, adversarial_weight=0.0, perceptual_weight=0.0), {})
    for recipe in RECIPES.values():
        check_use(recipe, {})
    check_use(SRRESNET, {"warm_up": 0, "perceptual_weight": 0.0})  # as it is


def test_the_largest_batch_is_tried_with_both_players(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, int]] = []
    start, noise = training.start, tiers._noise

    def step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        assert run.opponent is not None and run.features is not None
        tried.append((len(lr), run.alone_until))
        return {}

    monkeypatch.setattr(tiers, "LARGEST", 2)
    monkeypatch.setattr(training, "train_step", step)
    monkeypatch.setattr(training, "start", lambda recipe, device, precision: start(recipe, precision=precision))
    monkeypatch.setattr(tiers, "_noise", lambda recipe, batch, device: noise(recipe, batch, CPU))
    recipe, _ = planned("srgan", {"minutes": 5, "features": (("conv1_1", 1.0),)}, CPU)
    assert recipe.warm_up == 50
    assert tiers.largest_batch(recipe, torch.device("cuda"), "fp32") == 2
    assert tried == [(1, 0), (1, 0), (2, 0), (2, 0)]


# --- begun_with


def test_a_stage_begins_with_the_one_before(shipped: Path) -> None:
    assert begun_with(SRGAN, None) == ("srresnet", 2)
    assert begun_with(ESRGAN, None) == ("rrdb-psnr", 2)
    assert begun_with(with_blocks(ESRGAN, 2), None) == ("rrdb-psnr", None)  # they are as many
    assert begun_with(ESRGAN, "none") == begun_with(SRRESNET, None) == begun_with(ESRGAN_PIRM, None) == (None, None)
    with pytest.raises(ValueError) as error:
        begun_with(rescaled(ESRGAN, 2), None)
    assert str(error.value) == (
        "esrgan begins with rrdb-psnr's weights, and none are shipped for x2: train `srlib train rrdb-psnr --scale 2` "
        "first and name its weights by --start, or --start none"
    )


def test_blocks_are_counted_in_every_network(shipped: Path, tmp_path: Path) -> None:
    assert begun_with(A2N_PAPER, "a2n") == ("a2n", 1)
    assert begun_with(SRCNN_FAST, "srcnn") == ("srcnn", None)
    named = tmp_path / "three.pth"
    torch.save(RRDBNet(scale=4, num_blocks=3).state_dict(), named)
    assert begun_with(ESRGAN_PIRM, str(named)) == (str(named), 3)
    with pytest.raises(zoo.WeightsError, match="neither a shipped model"):
        begun_with(SRGAN, "nothing.pth")


# --- the command


@pytest.fixture
def pictures(tmp_path: Path, coffee: Tensor) -> Path:
    for k in range(2):
        image.write(tmp_path / "pictures" / f"{k}.png", coffee[..., 100 * k : 100 * k + 40, 150:200])
    return tmp_path / "pictures"


def _command(recipe: str, pictures: Path, out: Path, *more: str) -> list[str]:
    arguments = ["train", recipe, "--data", str(pictures), "--validation", str(pictures), "--out", str(out)]
    return [*arguments, "--batch", "1", "--hr-crop", "16", "--precision", "fp32", "--log-every", "1", *more]


def test_blocks_come_from_the_start_and_stay_with_a_resumed_run(
    shipped: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    start = ("--start", str(shipped / "rrdb-psnr_x4.safetensors"))
    assert cli.main(_command("rrdb-psnr", pictures, out, *start, "--steps", "1", "--learning-rate", "1e-12")) == 0
    assert f"starting from {start[1]}, 2 blocks" in capsys.readouterr().out
    before, after = (zoo.read_state(path)[0] for path in (Path(start[1]), out / runs.WEIGHTS))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in before)
    assert cli.main(["train", "rrdb-psnr", "--resume", "--steps", "2", "--out", str(out)]) == 0
    told = checkpoints.newest(out)[1]
    assert (told["step"], told["notes"]["chosen"]["blocks"]) == (2, 2)
    assert len(zoo.load(out / runs.WEIGHTS, scale=4).body) == 2
    out = tmp_path / "again"
    assert cli.main(_command("rrdb-psnr", pictures, out, "--begin", "rrdb-psnr", "--steps", "1")) == 0
    assert "starting from rrdb-psnr, 2 blocks" in capsys.readouterr().out
    for blocks in ("1", "3"):
        other = _command("rrdb-psnr", pictures, tmp_path / blocks, *start, "--steps", "1", "--blocks", blocks)
        assert cli.main(other) == 2
        assert f"its body has 2 blocks, and {blocks} are asked for" in capsys.readouterr().err


def test_a_game_by_the_command(
    shipped: Path,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    discriminator = partial(SRGAN.discriminator, channels=4, dense=8)
    monkeypatch.setitem(RECIPES, "srgan", replace(SRGAN, discriminator=discriminator, steps=2))
    command = _command("srgan", pictures, tmp_path / "run", "--batch", "2", "--taps", "conv1_2=0.5", "relu2_1")
    assert cli.main([*command, "--pixel-weight", "0.1"]) == 0
    told = capsys.readouterr().out
    assert "starting from srresnet, 2 blocks" in told
    assert "perceptual distance through VGG19: 0.5 x conv1_2, 1 x relu2_1 (the paper's: 1 x relu5_4)" in told
    assert "minutes, sharpness " in told and "nan" not in told  # too small for NIQE
    assert [row["step"] for row in logs.read_log(tmp_path / "run" / runs.LOG)] == [1, 2]
    assert '"features": "cut.pth"' in (tmp_path / "run" / runs.SUMMARY).read_text()


def test_perceptual_training_without_a_game(pictures: Path, tmp_path: Path) -> None:
    more = ("--taps", "conv1_1", "--perceptual-weight", "0.5", "--blocks", "1", "--steps", "1")
    assert cli.main(_command("srresnet", pictures, tmp_path / "run", *more)) == 0
    [row] = logs.read_log(tmp_path / "run" / runs.LOG)
    assert row["loss"] == pytest.approx(row["pixel"] + row["perceptual"], rel=1e-4) and row["grad_perceptual"] > 0
    assert "d_loss" not in row and "setbacks" not in row


def test_torchrun_leaves_the_commands_options_alone() -> None:
    from torch.distributed.run import get_args_parser

    [commands] = [action for action in cli._parser()._actions if action.dest == "command"]
    assert isinstance(commands.choices, dict)
    options = {name for action in commands.choices["train"]._actions for name in action.option_strings} - {"-h"}
    assert {"--begin", "--taps", "--warm-up"} <= options
    for option in options - {"--start", "--help"}:
        taken = get_args_parser().parse_args(["--standalone", "-m", "srlib", "train", "a2n", option, "1"])
        assert taken.training_script_args == ["train", "a2n", option, "1"]


@pytest.mark.parametrize(
    ("recipe", "more", "says"),
    [
        ("srgan", "--start none --taps conv3_5", "conv3_5 is no layer of VGG19: choose of conv1_1, "),
        ("srgan", "--start none --taps conv3_5 --random-features", "conv3_5 is no layer of VGG19"),
        ("srgan", "--start none", "holds conv1_1 to conv3_4, but conv5_4 is asked for: name shallower --taps"),
        ("srgan", "--taps conv3_4=much", "much is no number above 0"),
        ("srgan", "--taps conv3_4=0", "0 is no number above 0"),
        ("esrgan", "--scale 2", "none are shipped for x2: train `srlib train rrdb-psnr --scale 2` first"),
        ("esrgan", "--scale 3", "scale is 3: RRDBNet is built for 4, 2, 1"),
        (
            "esrgan",
            "--random-features --hr-crop 32 --start {shipped}/srresnet_x4.safetensors",
            "another network than esrgan's (it is SRResNet)",
        ),
        ("esrgan", "--start none --random-features", "hr_crop 16 is too small for esrgan's discriminator: take 32"),
        ("srcnn", "--blocks 3", "srcnn's network has no blocks to count: leave --blocks out"),
        ("srresnet", "--blocks 0", "0 is no whole number above 0"),
        ("srresnet", "--taps conv1_1", "--taps is of no use: srresnet gives them no weight"),
        ("srresnet", "--random-features", "--random-features is of no use: srresnet looks through no features"),
        ("srresnet", "--perceptual-weight 1", "--perceptual-weight is of no use: srresnet looks through no features"),
        ("srresnet", "--adversarial-weight 1", "--adversarial-weight is of no use: srresnet plays no game"),
        ("srresnet", "--warm-up 5", "--warm-up is of no use: srresnet plays no game"),
        ("srresnet", "--pixel-weight 0", "srresnet has no loss left"),
        ("srgan", "--warm-up -1", "-1 is no whole number from 0 on"),
        ("srgan", "--warm-up 1.5", "1.5 is no whole number from 0 on"),
        ("srgan", "--pixel-weight -1", "-1 is no number from 0 on"),
        ("srgan", "--pixel-weight .", ". is no number from 0 on"),
        ("srgan", "--pixel-weight nan", "nan is no number from 0 on"),
        ("srgan", "--adversarial-weight 0", "0 is no number above 0"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    recipe: str,
    more: str,
    says: str,
    shipped: Path,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = more.format(shipped=shipped).split()
    try:
        code = cli.main(_command(recipe, pictures, tmp_path / "run", "--steps", "1", *arguments))
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("srlib")]
    assert code == 2
    assert len(errors) == 1 and says in errors[0]
    assert not (tmp_path / "run" / runs.WEIGHTS).exists()
