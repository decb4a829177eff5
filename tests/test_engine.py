"""The training engine's promises: parts, averages, bad steps, kept checkpoints, a full disk, several processes."""

import copy
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from noise_batches import noise_batch, noise_source
from torch import Tensor, nn

from srlib import checkpoints, cli, distributed, hooks, image, logs, runs, starts, tiers, training, zoo
from srlib.commands import options
from srlib.losses import l1
from srlib.models import A2N, SRResNet
from srlib.patches import Patches
from srlib.precision import PRECISIONS, best_precision
from srlib.recipes import A2N_PAPER, RECIPES, SRCNN_FAST, SRRESNET, budgeted, rescaled
from srlib.schedules import warm_cosine
from srlib.state import Run

SMALL = replace(
    SRRESNET, generator=partial(SRResNet, channels=8, num_blocks=2), data=(), scale=2, hr_crop=16, batch=4, steps=8
)
PLAIN = replace(SMALL, generator=partial(SRResNet, channels=8, num_blocks=2, batch_norm=False))


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_batch_in_parts_is_the_same_step() -> None:
    ends = []
    for parts in (1, 2, 3):  # 3: of 4 pictures, parts of 2, 1 and 1
        run = training.start(replace(PLAIN, optimizer=torch.optim.SGD, learning_rate=0.1), accumulate=parts)
        training.fit(run, noise_source(run), steps=3)
        ends.append((_weights(run.generator), run.terms["loss"]))
    assert all(torch.allclose(ends[0][0], weights, atol=1e-6) for weights, _ in ends)
    assert [loss for _, loss in ends] == pytest.approx([ends[0][1]] * 3, rel=1e-5)


def test_more_parts_than_patches_are_refused() -> None:
    for parts in (0, 5):
        with pytest.raises(ValueError, match=rf"accumulate is {parts}: a process's 4 patches make 1 to 4 parts"):
            training.start(PLAIN, accumulate=parts)


def test_a_clipped_gradient_has_the_norm_that_was_asked_for() -> None:
    moves = []
    for clip in (None, 1e-3):
        run = training.start(replace(PLAIN, optimizer=torch.optim.SGD, learning_rate=1.0, clip=clip))
        before = _weights(run.generator)
        training.train_step(run, *(x / 255 for x in noise_batch(0, PLAIN)))
        moves.append(float((_weights(run.generator) - before).norm()))
    assert moves[0] > 0.01
    assert moves[1] == pytest.approx(1e-3, rel=1e-3)


def test_the_average_moves_slowly_towards_the_network() -> None:
    old, new = nn.Linear(1, 1), nn.Linear(1, 1)
    for model, value in ((old, 2.0), (new, 10.0)):
        nn.init.constant_(model.weight, value)
    training.move_average(old, new, keep=0.9)
    assert float(old.weight.detach()) == pytest.approx(0.9 * 2 + 0.1 * 10)  # the wrong way round it would be 9.2
    assert float(new.weight.detach()) == 10


def test_the_average_is_measured_and_shipped() -> None:
    run = training.start(replace(SMALL, ema=0.5, optimizer=torch.optim.SGD, learning_rate=0.1))
    seen = [_weights(run.generator)]
    training.fit(run, noise_source(run), steps=3, hooks=[lambda r: seen.append(_weights(r.generator))])
    expected = seen[0]
    for weights in seen[1:]:
        expected = 0.5 * expected + 0.5 * weights
    assert run.result is run.average
    assert torch.allclose(_weights(run.result), expected, atol=1e-6)
    assert run.average is not None
    assert torch.equal(run.average.norm_body.running_var, run.generator.norm_body.running_var)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_bad_batch_is_skipped_and_counted(precision: Any) -> None:
    run = training.start(SMALL, precision=precision)

    def step(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        return training.train_step(run, lr * float("nan") if run.step == 2 else lr, hr)

    states = []
    training.fit(
        run,
        noise_source(run),
        steps=6,
        step=step,
        hooks=[lambda r: states.append(copy.deepcopy(r.generator.state_dict()))],
    )
    before, after = states[1], states[2]  # of the steps 1 and 2, counted from 0
    assert all(torch.equal(before[key], after[key]) for key in before), "weights or batch statistics have moved"
    assert run.skipped == 1
    assert run.skipped_in_a_row == 0
    assert all(bool(value.isfinite().all()) for value in states[-1].values())
    assert not torch.equal(states[-1]["conv_last.weight"], before["conv_last.weight"])


def test_a_step_of_ones_own_that_follows_a_bad_gradient_is_stopped_at_once() -> None:
    run = training.start(PLAIN)
    with pytest.raises(FloatingPointError, match=r"step 1: .*not finite; the last checkpoint"):
        training.fit(run, noise_source(run), steps=3, step=lambda run, lr, hr: {"loss": torch.tensor(float("nan"))})


def test_fp16_follows_fp32() -> None:
    losses = []
    for precision in ("fp32", "fp16"):
        run = training.start(SMALL, precision=precision)  # type: ignore[arg-type]
        training.fit(run, noise_source(run), steps=6)
        losses.append(run.terms["loss"])
        assert next(run.generator.parameters()).dtype == torch.float32
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != losses[0]


def test_everything_resumes_bit_for_bit(tmp_path: Path) -> None:
    recipe = replace(SMALL, ema=0.9, clip=0.1, schedule=warm_cosine)
    whole = training.start(recipe, precision="fp16")
    training.fit(whole, noise_source(whole), steps=8)
    first = training.start(recipe, precision="fp16")
    training.fit(first, noise_source(first), steps=8, hooks=[lambda r: r.step == 5 and checkpoints.keep(r, tmp_path)])
    second = checkpoints.load_checkpoint(training.start(recipe, precision="fp16"), checkpoints.newest(tmp_path)[0])
    assert second.step == 5
    training.fit(second, noise_source(second), steps=8)
    for name in ("generator", "average"):
        mine, theirs = (getattr(run, name).state_dict() for run in (second, whole))
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert second.scaler.get_scale() == whole.scaler.get_scale()
    assert second.terms == whole.terms


@pytest.mark.parametrize(("saved", "wanted"), [("bf16", "fp16"), ("fp16", "bf16"), ("fp32", "fp16")])
def test_a_run_goes_on_in_another_precision(saved: Any, wanted: Any, tmp_path: Path) -> None:
    first = training.start(SMALL, precision=saved)
    training.fit(first, noise_source(first), steps=2, hooks=[partial(checkpoints.keep, folder=tmp_path)])
    path, state = checkpoints.newest(tmp_path)
    assert state["precision"] == saved
    assert "generator" not in state  # which whoever asks for the plain values would hold while it trains
    second = checkpoints.load_checkpoint(training.start(SMALL, precision=wanted), path)
    assert (second.precision, second.scaler.is_enabled()) == (wanted, wanted == "fp16")
    training.fit(second, noise_source(second), steps=4)
    assert (second.step, second.skipped) == (4, 0)


def test_the_last_checkpoints_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    run = training.start(SMALL)
    training.fit(run, noise_source(run), steps=6, hooks=[training.every(2, partial(checkpoints.keep, folder=tmp_path))])
    assert [path.name for path in checkpoints.all_in(tmp_path)] == [
        "checkpoint-000000004.pt",
        "checkpoint-000000006.pt",
    ]
    assert checkpoints.newest(tmp_path)[1]["step"] == 6
    latest = checkpoints.path_of(tmp_path, 6)
    latest.write_bytes(latest.read_bytes()[:-1000])
    assert checkpoints.newest(tmp_path)[1]["step"] == 4
    whole = checkpoints.path_of(tmp_path, 4).read_bytes()
    for length in (1, 30, 100, 5000, len(whole) // 2, len(whole) - 30):
        latest.write_bytes(whole[:length])
        assert checkpoints.newest(tmp_path)[1]["step"] == 4, length
    torch.save({"step": 7}, checkpoints.path_of(tmp_path, 7))
    assert checkpoints.newest(tmp_path)[1]["step"] == 4
    for path in checkpoints.all_in(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        checkpoints.newest(tmp_path)


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        run = training.start(SMALL)
        training.fit(run, noise_source(run), steps=2)
        checkpoints.keep(run, disk)
        kept = checkpoints.path_of(disk, 2).read_bytes()
        (disk / "filler").write_bytes(b"x" * (240 * 1024 - len(kept)))
        training.fit(run, noise_source(run), steps=4)
        with pytest.raises(OSError, match=r"was not written.*free some space"):
            checkpoints.keep(run, disk)
        assert checkpoints.newest(disk)[1]["step"] == 2
        assert checkpoints.path_of(disk, 2).read_bytes() == kept
        assert not [path for path in disk.iterdir() if path.name.endswith(".part")]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_budgeted_changes_the_schedule_and_nothing_else() -> None:
    short = budgeted(SRRESNET, minutes=5)
    assert (short.steps, short.minutes, short.schedule) == (None, 5, warm_cosine)
    assert (
        replace(short, steps=SRRESNET.steps, minutes=None, schedule=SRRESNET.schedule, learning_rate=1e-4) == SRRESNET
    )
    assert budgeted(SRCNN_FAST, minutes=5) == replace(SRCNN_FAST, steps=None, minutes=5)  # anneals as it is
    with pytest.raises(ValueError, match="minutes is 0"):
        budgeted(SRRESNET, minutes=0)


def test_warm_cosine_rises_over_a_fiftieth_and_ends_at_nought() -> None:
    assert [warm_cosine(f) for f in (0, 0.01, 0.02, 0.51, 1)] == pytest.approx(
        [1e-3, 0.50063, 0.99901, 0.4843, 0], abs=1e-3
    )
    assert all(warm_cosine(f) <= 1 for f in torch.linspace(0, 1, 101).tolist())


def test_the_papers_recipes() -> None:
    assert (SRRESNET.hr_crop, SRRESNET.batch, SRRESNET.learning_rate, SRRESNET.steps) == (96, 16, 1e-4, 1_000_000)
    assert [rescaled(A2N_PAPER, scale).hr_crop for scale in (2, 3, 4)] == [128, 192, 256]
    assert (A2N_PAPER.batch, A2N_PAPER.learning_rate, A2N_PAPER.pixel) == (32, 5e-4, l1)
    assert [A2N_PAPER.schedule(k / 10) for k in (0, 0.99, 1, 1.5, 2, 10)] == [1, 1, 0.5, 0.5, 0.25, 0.5**10]
    for recipe in RECIPES.values():
        assert recipe.generator(scale=recipe.scale).scale == recipe.scale


def test_tiers_take_less_on_a_cpu_and_more_on_a_big_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert tiers.tier(SRRESNET, cpu) == tiers.Tier(8, 96)
    assert tiers.tier(A2N_PAPER, cpu) == tiers.Tier(8, 64)
    assert tiers.tier(SRCNN_FAST, cpu) == tiers.Tier(8, 72)
    for gibibytes, batch in ((8, 16), (80, 32)):
        monkeypatch.setattr(tiers, "memory_of", lambda device, size=gibibytes * 2**30: size)
        assert tiers.tier(SRRESNET, gpu).batch == batch
        assert tiers.fits_on(gpu, gibibytes * 2**28) and not tiers.fits_on(gpu, gibibytes * 2**28 + 1)


def test_running_out_of_memory_names_the_numbers_and_the_steps_down() -> None:
    run = training.start(A2N_PAPER)
    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        with (
            pytest.raises(MemoryError, match=r"32 patches of 128 HR.*--accumulate 2.*--batch 16.*--hr-crop 64"),
            tiers.ladder(run),
        ):
            raise error
    one = training.start(replace(A2N_PAPER, batch=1))
    with pytest.raises(MemoryError, match=r"Lower, in this order: --hr-crop 64$"), tiers.ladder(one):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="something else"), tiers.ladder(run):
        raise RuntimeError("something else")
    with pytest.raises(ValueError, match="on cpu name --batch"):
        tiers.largest_batch(A2N_PAPER, torch.device("cpu"), "fp32")


def test_the_largest_batch_is_the_last_power_of_two_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def full(run: Run, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        asked.append((len(lr), tuple(hr.shape)))
        if len(lr) > 11:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {}

    start = training.start
    monkeypatch.setattr(training, "train_step", full)
    monkeypatch.setattr(training, "start", lambda recipe, device, precision: start(recipe, precision=precision))
    noise = tiers._noise
    monkeypatch.setattr(tiers, "_noise", lambda recipe, batch, device: noise(recipe, batch, torch.device("cpu")))
    assert tiers.largest_batch(PLAIN, torch.device("cuda"), "fp32") == 8
    assert [size for size, _ in asked] == [1, 1, 2, 2, 4, 4, 8, 8, 16]  # two steps each: Adam's moments come with one
    assert asked[-1] == (16, (16, 3, 16, 16))
    assert tiers.largest_batch(replace(PLAIN, pool=5), torch.device("cuda"), "fp32") == 4
    monkeypatch.setattr(tiers, "LARGEST", 4)
    assert tiers.largest_batch(PLAIN, torch.device("cuda"), "fp32") == 4
    monkeypatch.setattr(training, "train_step", lambda run, lr, hr: full(run, lr.repeat(12, 1, 1, 1), hr))
    with pytest.raises(ValueError, match="not even one patch of 16 HR pixels fits on cuda"):
        tiers.largest_batch(PLAIN, torch.device("cuda"), "fp32")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="without torchrun, and name 3 times it"):
        tiers.largest_batch(PLAIN, torch.device("cuda"), "fp32")


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.own_device("cuda") == "cuda"
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert distributed.world() == distributed.World(rank=5, size=8, local=1)
    assert not distributed.world().leads
    assert [distributed.own_device(name) for name in ("cuda", "cpu", "nonsense")] == ["cuda:1", "cpu", "nonsense"]


@pytest.mark.parametrize("wanted", [True, False])
def test_determinism_is_set_for_a_run_and_then_as_before(wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")

    def settings() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark

    before = settings()
    with runs.determined(wanted, torch.device("cuda")):
        assert settings() == (wanted, not wanted)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"  # one's own choice stays
    with runs.determined(wanted, torch.device("cpu")):
        assert settings() == (wanted, False)
    assert settings() == before


def test_the_commands_precisions_are_the_librarys() -> None:
    assert options.PRECISIONS == PRECISIONS  # written twice, so that --help does not import torch


@pytest.fixture
def pictures(tmp_path: Path, coffee: Tensor) -> Path:
    for k in range(2):
        image.write(tmp_path / "pictures" / f"{k}.png", coffee[..., 100 * k : 100 * k + 60, 150:230])
    return tmp_path / "pictures"


def _command(recipe: str, pictures: Path, out: Path, *more: str) -> list[str]:
    arguments = ["train", recipe, "--data", str(pictures), "--out", str(out), "--validation", str(pictures)]
    return [*arguments, "--validate-every", "1000", *more]


def test_a_run_leaves_samples_best_weights_and_shares(pictures: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    more = ("--batch", "2", "--hr-crop", "32", "--steps", "4", "--ema", "0.9", "--precision", "fp32")
    assert cli.main(_command("a2n", pictures, out, *more)) == 0
    assert "a2n x2, 4 steps: batch 2, patches of 32 HR pixels, on cpu in fp32" in capsys.readouterr().out
    sample = image.read(out / hooks.SAMPLES / "0-000000004.png").rgb
    assert sample.shape == (1, 3, 60, 3 * 80)  # bicubic, the network's, HR
    truth = image.read(pictures / "0.png").rgb
    assert torch.equal(sample[..., 160:], truth)
    [row] = logs.read_log(out / runs.LOG)
    assert 0 < row["waited"] < 1
    assert row["skipped"] == 0
    best, last = (zoo.read_state(out / name)[0] for name in (hooks.BEST, runs.WEIGHTS))
    assert all(torch.equal(best[key], last[key]) for key in last)  # one validation only


def test_pictures_stay_where_workers_can_reach_them(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    monkeypatch.setattr(tiers, "fits_on", lambda device, size: True)
    monkeypatch.setattr(Patches, "to", lambda patches, device: moved.append(str(device)))
    for workers, places in ((1, []), (0, ["cpu"])):
        more = ("--batch", "1", "--hr-crop", "24", "--steps", "1", "--workers", str(workers))
        assert cli.main(_command("srcnn", pictures, tmp_path / f"{workers}", *more)) == 0
        assert moved == places


def test_minutes_fit_the_recipe_to_the_machine_and_resume_needs_no_repeating(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ("--hr-crop", "48", "--minutes", "0.05", "--seed", "3", "--learning-rate", "1e-3")
    assert cli.main(_command("a2n", pictures, out, "--scale", "3", *more)) == 0
    told = checkpoints.newest(out)[1]
    assert (told["recipe"]["batch"], told["recipe"]["hr_crop"], told["recipe"]["schedule"]) == (
        "8",
        "48",
        "warm_cosine",
    )
    assert told["notes"]["chosen"]["minutes"] == 0.05
    assert (
        cli.main(["train", "a2n", "--out", str(out), "--resume", "--minutes", "99", "--steps", str(told["step"] + 1)])
        == 0
    )
    again = checkpoints.newest(out)[1]
    assert again["step"] == told["step"] + 1
    assert again["recipe"]["seed"] == "3"


def _torchrun(*arguments: str, ranks: int = 2) -> list[str]:
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={ranks}",
        "-m",
        "srlib",
        *arguments,
    ]


ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_two_processes_are_one_training(pictures: Path, tmp_path: Path) -> None:
    """Adam makes full steps of gradients that are hardly more than rounding, so a few single weights end apart."""
    more = [
        *("--batch", "4", "--hr-crop", "32", "--precision", "fp32"),
        *("--steps", "20", "--log-every", "1", "--learning-rate", "1e-4"),
    ]
    assert cli.main(_command("a2n", pictures, tmp_path / "one", *more)) == 0
    both = subprocess.run(
        _torchrun(*_command("a2n", pictures, tmp_path / "two", *more, "--accumulate", "2")),
        env=ALONE,
        capture_output=True,
    )
    assert both.returncode == 0, both.stderr.decode()
    alone, together = (logs.read_log(tmp_path / name / runs.LOG) for name in ("one", "two"))
    assert len(alone) == 20
    assert [row["loss"] for row in together] == pytest.approx([row["loss"] for row in alone], rel=1e-5, abs=1e-5)
    torch.manual_seed(0)
    network = A2N(scale=2)
    start = _weights(network)
    ends = []
    for name in ("one", "two"):
        network.load_state_dict(zoo.read_state(tmp_path / name / runs.WEIGHTS)[0])
        ends.append(_weights(network))
    moved, apart = (ends[0] - start).norm(), (ends[1] - ends[0]).norm()
    assert 0.01 * start.norm() > moved > 50 * apart  # it began there, and one way is the other
    assert both.stdout.count(b"20 steps in") == 1  # one of them speaks


def test_one_process_ends_all_with_its_message_and_sigterm_saves(pictures: Path, tmp_path: Path) -> None:
    odd = subprocess.run(
        _torchrun(*_command("a2n", pictures, tmp_path / "odd", "--batch", "3", "--steps", "2")),
        env=ALONE,
        capture_output=True,
    )
    assert odd.returncode != 0
    assert b"a batch of 3 cannot be shared by 2 processes" in odd.stderr
    more = ("--batch", "2", "--hr-crop", "32", "--steps", "100000", "--save-every", "5")
    process = subprocess.Popen(
        _torchrun(*_command("a2n", pictures, tmp_path / "run", *more)), env=ALONE, stderr=subprocess.PIPE
    )
    _wait(lambda: bool(checkpoints.all_in(tmp_path / "run")) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=90)[1]
    assert b"--resume goes on from there" in errors
    assert checkpoints.newest(tmp_path / "run")[1]["step"] > 0


def _wait(until: Callable[[], bool], seconds: float = 90) -> None:
    import time

    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.05)


def test_a2n_x4_starts_from_x2(pictures: Path, tmp_path: Path, capsys: Any) -> None:
    zoo.save(A2N(scale=2), tmp_path / "x2.safetensors", scale=2)
    more = ("--scale", "4", "--batch", "1", "--hr-crop", "32", "--steps", "1", "--learning-rate", "1e-12")
    assert cli.main(_command("a2n", pictures, tmp_path / "x4", *more, "--start", str(tmp_path / "x2.safetensors"))) == 0
    assert "newly initialised are upconv2.weight" in capsys.readouterr().err
    before, after = zoo.read_state(tmp_path / "x2.safetensors")[0], zoo.read_state(tmp_path / "x4" / runs.WEIGHTS)[0]
    assert all(torch.allclose(before[key], after[key], atol=1e-9) for key in before)


@pytest.mark.parametrize(
    ("network", "theirs", "mine"),
    [(A2N, 2, 4), (A2N, 4, 2), (A2N, 2, 3), (SRResNet, 2, 4), (SRResNet, 3, 2)],
)
def test_a_start_from_a_file_that_does_not_tell_its_scale(network: Any, theirs: int, mine: int, tmp_path: Path) -> None:
    earlier = network(scale=theirs, num_blocks=2)
    torch.save(earlier.state_dict(), tmp_path / "theirs.pth")
    run = training.start(replace(PLAIN, generator=partial(network, num_blocks=2), scale=mine))
    starts.begin_with(run, str(tmp_path / "theirs.pth"))
    own, state = run.generator.state_dict(), earlier.state_dict()
    assert all(torch.equal(own[name], state[name]) for name in state if name.startswith(("conv", "body", "AAB_trunk")))


def test_a_checkpoint_is_read_as_what_would_be_shipped(tmp_path: Path) -> None:
    for ema, name in ((0.9, "average"), (None, "generator")):
        run = training.start(replace(SMALL, ema=ema))
        training.fit(run, noise_source(run), steps=2)
        checkpoints.save_checkpoint(run, tmp_path / "c.pt")
        loaded, expected = zoo.load(tmp_path / "c.pt").state_dict(), getattr(run, name).state_dict()
        assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_tensorboard_gets_the_same_lines_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert (folder, purge_step) == (str(tmp_path / "tensorboard"), 1)

        def add_scalar(self, key: str, value: float, step: int) -> None:
            told.append((key, value, step))

        def flush(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))  # type: ignore[arg-type]
    run = training.start(PLAIN)
    training.fit(run, noise_source(run), steps=2, hooks=[logs.Log(tmp_path / "log.csv", PLAIN, step=0, every=1)])
    rows = logs.read_log(tmp_path / "log.csv")
    losses = [(value, step) for key, value, step in told if key == "loss"]
    assert losses == [(pytest.approx(row["loss"], rel=1e-5), row["step"]) for row in rows]
    assert {key for key, *_ in told} == {"learning_rate", "loss", "waited", "skipped"}


def test_precision_is_the_best_that_the_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for has, best in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        assert best_precision(cpu) == best
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert best_precision(cpu) == "fp32"
    for bf16, best in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, bf16=bf16: bf16)
        assert best_precision(cuda) == best


def test_a_compiled_network_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # "eager" traces the network and runs what it traced, without a C++ compiler
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    ends = []
    for compiled in (False, True):
        run = training.start(PLAIN, compiled=compiled)
        training.fit(run, noise_source(run), steps=3)
        ends.append(_weights(run.generator))
    assert torch.allclose(*ends, atol=1e-6)
