"""Training on degraded pictures: the samples, the sharpened aims, the pool in a run, pairs of one's own."""

import copy
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from noise_batches import noise_batch, noise_source
from torch import Tensor

from srlib import checkpoints, cli, evaluation, hooks, image, runs, tiers, training, zoo
from srlib.datasets import DatasetError, load_pairs
from srlib.degradations.blur import sharpen
from srlib.degradations.passes import FIRST, SECOND, Pass, degrade
from srlib.inference import interpolator
from srlib.models import RRDBNet, UNetDiscriminator
from srlib.patches import Patches, batches
from srlib.recipes import ESRGAN, REAL_ESRGAN, REAL_ESRNET, RECIPES, RRDB_PSNR, budgeted, describe, diff
from srlib.schedules import cosine

# Neither blur nor noise to speak of, the size through one resize by area: LR is known but for the compression.
PLAIN: Pass = replace(
    FIRST, blur=0.0, up_down_keep=(0, 0, 1), gaussian=1.0, gaussian_sigma=(0, 0), quality=(100, 100), final_sinc=0.0
)
SMALL = replace(
    REAL_ESRGAN,
    generator=partial(RRDBNet, channels=8, growth=4, num_blocks=1),
    discriminator=partial(UNetDiscriminator, channels=4),
    features=(("conv1_2", 0.5), ("conv2_1", 1.0)),
    random_features=True,
    data=(),
    scale=2,
    hr_crop=16,
    batch=2,
    steps=8,
    optimizer=partial(torch.optim.SGD, momentum=0.9),
    learning_rate=0.01,
    begins=None,
    ema=0.5,
    pool=5,
)


def test_recipes_are_the_papers() -> None:
    assert diff(RRDB_PSNR, REAL_ESRNET).splitlines() == [
        "name: rrdb-psnr -> real-esrnet",
        "hr_crop: 128 -> 256",
        "batch: 16 -> 48",
        "schedule: fivefold_halving -> constant",
        "begins: None -> esrgan",
        "passes: () -> (FIRST, SECOND)",
        "canvas: 1.0 -> 1.5625",
        "sharpened: False -> True",
        "pool: 0 -> 180",
        "ema: None -> 0.999",
    ]
    assert (REAL_ESRNET.steps, REAL_ESRNET.learning_rate) == (1_000_000, 2e-4)
    assert (REAL_ESRGAN.steps, REAL_ESRGAN.learning_rate, REAL_ESRGAN.batch) == (400_000, 1e-4, 48)
    assert (REAL_ESRGAN.pixel_weight, REAL_ESRGAN.perceptual_weight, REAL_ESRGAN.adversarial_weight) == (1, 1, 0.1)
    assert "game: relativistic -> standard" in diff(ESRGAN, REAL_ESRGAN)
    short = budgeted(REAL_ESRNET, minutes=10)  # some hundred steps, of which an average over 1000 would see few
    assert (short.ema, budgeted(RRDB_PSNR, minutes=10).ema, budgeted(REAL_ESRGAN, minutes=10).ema) == (
        0.995,
        None,
        0.995,
    )
    own = replace(FIRST, blur=0.3)  # a pass that has no name is told whole
    assert "blur=0.3" in describe(replace(REAL_ESRNET, passes=(own, SECOND)))["passes"]


# --- samples


def _pixels(coffee: Tensor) -> Tensor:
    return image.to_uint8(coffee[0])


def test_a_degraded_patch_lies_where_its_hr_does(coffee: Tensor) -> None:
    patches = Patches([_pixels(coffee)], scale=4, hr_crop=64, seed=2, passes=(PLAIN,), canvas=100)
    here = elsewhere = 0.0
    for number in range(12):
        lr, hr = patches[number]
        assert lr.shape == (3, 16, 16) and hr.shape == (3, 64, 64)
        small = F.avg_pool2d(image.to_float(hr)[None], 4)[0]  # as far as area, bilinear and bicubic agree
        near, off = ((image.to_float(lr) - x).abs().mean() for x in (small, small.roll(1, -1)))
        assert near < 0.03 and near < off
        here, elsewhere = here + float(near), elsewhere + float(off)
    assert here < 0.4 * elsewhere


def test_sharpened_pictures_are_what_is_degraded_and_hr_stays(coffee: Tensor) -> None:
    same = {"scale": 4, "hr_crop": 64, "seed": 2, "passes": (FIRST, SECOND), "canvas": 100}
    plain, sharp = (Patches([_pixels(coffee)], **same, sharpened=value) for value in (False, True))
    assert all(torch.equal(plain[k][1], sharp[k][1]) for k in range(6))
    assert sum(not torch.equal(plain[k][0], sharp[k][0]) for k in range(6)) >= 5


@pytest.mark.parametrize("workers", [0, 2])
def test_degraded_samples_are_functions_of_seed_and_number(coffee: Tensor, workers: int) -> None:
    pictures = [_pixels(coffee), _pixels(coffee)[:, :70, :90]]  # the second is smaller than the canvas
    patches = Patches(pictures, scale=4, hr_crop=64, seed=9, passes=(FIRST, SECOND), canvas=100, sharpened=True)
    source = batches(patches, batch=3, first=2, workers=workers)
    for number in range(2, 4):
        lr, hr = next(source)
        wanted = [patches[number * 3 + k] for k in range(3)]
        assert torch.equal(lr, torch.stack([w[0] for w in wanted])) and torch.equal(
            hr, torch.stack([w[1] for w in wanted])
        )


# --- steps


def test_the_generator_aims_at_sharpened_pictures_and_the_discriminator_sees_real_ones() -> None:
    run = training.start(SMALL)
    assert run.opponent is not None and run.features is not None
    own, judge = copy.deepcopy(run.generator), copy.deepcopy(run.opponent.network)
    lr, hr = (x.float() / 255 for x in noise_batch(0, SMALL))
    sr, aim = own(lr), sharpen(hr)
    assert float((aim - hr).abs().mean()) > 0.01
    got, wanted = run.features(sr), run.features(aim)
    aside = copy.deepcopy(judge)
    certain = F.binary_cross_entropy_with_logits
    fooled = aside(sr)
    terms = {
        "pixel": F.l1_loss(sr, aim),
        "perceptual": 0.5 * F.l1_loss(got["conv1_2"], wanted["conv1_2"]) + F.l1_loss(got["conv2_1"], wanted["conv2_1"]),
        "adversarial": 0.1 * certain(fooled, torch.ones_like(fooled)),
    }
    of_real, of_made = judge(hr), judge(sr.detach())
    judged = certain(of_real, torch.ones_like(of_real)) + certain(of_made, torch.zeros_like(of_made))
    told = training.train_step(run, lr, hr)
    for name, value in (terms | {"d_loss": judged}).items():
        assert float(told[name]) == pytest.approx(float(value.detach()), rel=1e-4), name


def test_the_discriminator_may_learn_at_a_rate_of_its_own() -> None:
    run = training.start(replace(SMALL, discriminator_rate=0.03, schedule=cosine))
    assert run.opponent is not None
    training.fit(run, noise_source(run), steps=2)  # the second half way down
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(0.005)
    assert run.opponent.optimizer.param_groups[0]["lr"] == pytest.approx(0.015)
    short, _ = runs.planned("real-esrgan", {"minutes": 5, "discriminator_rate": 1e-3}, torch.device("cpu"))
    assert (short.learning_rate, short.discriminator_rate, short.hr_crop % 8) == (1e-4, 1e-3, 0)


def test_the_first_stage_learns_from_sharpened_pictures_too() -> None:
    run = training.start(replace(SMALL, discriminator=None, features=(), perceptual_weight=0.0, adversarial_weight=0.0))
    lr, hr = (x.float() / 255 for x in noise_batch(0, SMALL))
    wanted = F.l1_loss(copy.deepcopy(run.generator)(lr), sharpen(hr))
    assert float(training.train_step(run, lr, hr)["loss"]) == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_a_batch_that_the_pool_cannot_hold_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="6 patches do not fit into a pool of 5: take a smaller batch"):
        training.start(replace(SMALL, batch=6))
    assert training.start(replace(SMALL, batch=5)).pool is not None


@pytest.mark.parametrize(
    ("scale", "crop", "unit", "near"), [(4, 60, 8, 56), (4, 62, 8, 56), (3, 64, 24, 48), (4, 4, 8, 8)]
)
def test_a_patch_that_the_discriminator_cannot_judge_is_told_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: int, crop: int, unit: int, near: int
) -> None:
    monkeypatch.setattr("srlib.datasets.load", lambda *_, **__: pytest.fail("data were read"))
    recipe = replace(SMALL, scale=scale, hr_crop=crop, data=("nowhere",))
    with pytest.raises(ValueError, match=f"hr_crop {crop} is no multiple of {unit}, .*: take {near}$"):
        runs.train(recipe, tmp_path / "run", runs.Options())
    with pytest.raises(ValueError, match="hr_crop 28 is too small for esrgan's discriminator: take 32"):
        runs.train(replace(ESRGAN, hr_crop=28, data=("nowhere",)), tmp_path / "run", runs.Options())
    assert not (tmp_path / "run").exists()


def test_less_memory_is_asked_for_in_patches_that_can_be_judged() -> None:
    run = training.start(replace(SMALL, hr_crop=56, scale=4, batch=1))
    with pytest.raises(MemoryError, match="--hr-crop 24"), tiers.ladder(run):  # half of it is 28
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_run_with_a_pool_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = training.start(SMALL)
    training.fit(whole, noise_source(whole), steps=9)
    first = training.start(SMALL)
    training.fit(
        first, noise_source(first), steps=5, hooks=[training.every(5, partial(checkpoints.keep, folder=tmp_path))]
    )
    second = checkpoints.load_checkpoint(training.start(SMALL), checkpoints.newest(tmp_path)[0])
    assert second.pool is not None and first.pool is not None and whole.pool is not None
    assert second.pool.lr is not None and len(second.pool.lr) == 5
    training.fit(second, noise_source(second), steps=9)
    assert second.terms == whole.terms
    for name, value in whole.result.state_dict().items():
        assert torch.equal(second.result.state_dict()[name], value)
    other = training.start(SMALL)  # another process must not train on the first one's pairs, too
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    checkpoints.load_checkpoint(other, checkpoints.newest(tmp_path)[0])
    assert other.step == 5 and other.pool is not None and other.pool.lr is None
    monkeypatch.undo()
    fresh = training.start(replace(SMALL, pool=0))  # without its pool the steps would be others
    training.fit(fresh, noise_source(fresh), steps=9)
    assert fresh.terms["loss"] != whole.terms["loss"]


def test_a_checkpoint_of_before_there_were_pools_goes_on(tmp_path: Path) -> None:
    recipe = replace(SMALL, pool=0)
    checkpoints.keep(training.start(recipe), tmp_path)
    [path] = checkpoints.all_in(tmp_path)
    state = torch.load(path, weights_only=True)
    for name in ("pool", "lr_data", "discriminator_rate"):
        state["recipe"].pop(name)
    torch.save({key: value for key, value in state.items() if key != "pool"}, path)
    assert checkpoints.load_checkpoint(training.start(recipe), checkpoints.newest(tmp_path)[0]).pool is None
    with pytest.raises(ValueError, match=r"belongs to another recipe .pool was 0, is 5"):
        checkpoints.load_checkpoint(training.start(SMALL), path)


# --- by the command


@pytest.fixture
def pictures(tmp_path: Path, coffee: Tensor) -> Path:
    for k in range(2):
        image.write(tmp_path / "pictures" / f"{k}.png", coffee[..., 100 * k : 100 * k + 72, 150:230])
    return tmp_path / "pictures"


def test_both_stages_by_the_command(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("real-esrnet", "real-esrgan"):
        small = {"generator": SMALL.generator, "begins": None, "random_features": "gan" in name, "hr_crop": 64}
        if "gan" in name:
            small |= {"discriminator": SMALL.discriminator, "features": SMALL.features}
        monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], **small, batch=2, pool=4))
    data = ["--data", str(pictures), "--validation", str(pictures), "--precision", "fp32"]
    assert cli.main(["train", "real-esrnet", *data, "--steps", "3", "--out", str(tmp_path / "net")]) == 0
    start = ["--start", str(tmp_path / "net" / runs.WEIGHTS), "--out", str(tmp_path / "gan")]
    assert cli.main(["train", "real-esrgan", *data, "--steps", "2", *start]) == 0
    assert cli.main(["train", "real-esrgan", "--resume", "--steps", "3", "--out", str(tmp_path / "gan")]) == 0
    assert "3 steps" in capsys.readouterr().out
    assert cli.main(["train", "real-esrnet", "--resume", "--out", str(tmp_path / "gan")]) == 2
    assert "gan holds a run of real-esrgan: `srlib train real-esrgan --resume`" in capsys.readouterr().err
    assert zoo.load(tmp_path / "gan" / runs.WEIGHTS).scale == 4
    sample = image.read(sorted((tmp_path / "net" / hooks.SAMPLES).iterdir())[0]).rgb
    bicubic, _, truth = sample.chunk(3, -1)
    assert float((bicubic - truth).square().mean()) > 1e-3  # a degraded picture, enlarged


def test_pairs_of_ones_own(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(2):
        hr = image.read(pictures / f"{k}.png").rgb
        image.write(tmp_path / "small" / f"{k}x4.png", F.avg_pool2d(hr, 4))
    large, small = load_pairs(pictures, tmp_path / "small", scale=4)
    patches = Patches(large, lr=small, scale=4, hr_crop=32, seed=0)
    for number in range(8):
        lr, hr = (image.to_float(x) for x in patches[number])
        assert (F.avg_pool2d(hr[None], 4)[0] - lr).abs().max() < 1.01 / 255  # rounded, not imresize's
    more = [
        "--data",
        str(pictures),
        "--validation",
        str(pictures),
        "--start",
        "none",
        "--blocks",
        "1",
        "--hr-crop",
        "32",
    ]
    more += ["--steps", "1", "--batch", "1", "--lr-data", str(tmp_path / "small")]
    assert cli.main(["train", "real-esrnet", *more, "--out", str(tmp_path / "run")]) == 0
    saved = checkpoints.read(checkpoints.newest(tmp_path / "run")[0])
    assert (saved["recipe"]["passes"], saved["recipe"]["sharpened"]) == ("()", "True")
    capsys.readouterr()
    assert cli.main(["train", "real-esrnet", *more, "--scale", "2", "--out", str(tmp_path / "other")]) == 2
    told = capsys.readouterr().err
    assert "that is not 1 to 2" in told and "needs no download" not in told
    with pytest.raises(ValueError, match="leave either out"):
        Patches(large, lr=small, scale=4, hr_crop=32, seed=0, passes=(FIRST,))
    with pytest.raises(ValueError, match="2 pictures have 1 LR partners"):
        Patches(large, lr=small[:1], scale=4, hr_crop=32, seed=0)
    with pytest.raises(ValueError, match="picture 1 is 72 x 80 and its LR partner 17 x 20: it must be 4 times"):
        Patches(large, lr=[small[0], small[1][:, :17]], scale=4, hr_crop=32, seed=0)
    image.write(tmp_path / "small" / "1_LR.png", torch.rand(1, 3, 18, 20))
    with pytest.raises(DatasetError, match=r"1\.png, .*1_LR\.png, .*1x4\.png share a name"):
        load_pairs(pictures, tmp_path / "small", scale=4)
    (tmp_path / "small" / "1_LR.png").unlink()
    (tmp_path / "small" / "1x4.png").unlink()
    with pytest.raises(DatasetError, match=r"1.png has no partner"):
        load_pairs(pictures, tmp_path / "small", scale=4)


# --- measured


def test_the_degraded_protocol_is_the_same_at_every_call(pictures: Path) -> None:
    picture = image.read(pictures / "0.png")
    lr, hr, luma = evaluation.degraded(picture, 4)
    assert luma and torch.equal(evaluation.degraded(picture, 4)[0], lr)
    rng = torch.Generator().manual_seed(zlib.crc32(image.to_uint8(hr).numpy().tobytes()))
    assert torch.equal(lr, image.to_uint8(degrade(hr, scale=4, passes=(FIRST, SECOND), rng=rng)[0]))
    bicubic = interpolator("bicubic", 4)
    [clean], [bad] = (
        evaluation.evaluate(bicubic, [pictures], convention=convention) for convention in ("y-of-rgb", "degraded")
    )
    assert bad.mean().psnr < clean.mean().psnr - 1


def test_pairs_need_both_folders() -> None:
    with pytest.raises(ValueError, match="--lr-data names the LR partners of --data: name both"):
        runs.planned("real-esrnet", {"lr_data": "somewhere"}, torch.device("cpu"))
