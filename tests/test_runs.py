"""A training run as a folder, by the command itself: killed, stopped, resumed, logged."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from srlib import (
    cards,
    checkpoints,
    cli,
    datasets,
    evaluation,
    files,
    health,
    hooks,
    image,
    logs,
    runs,
    starts,
    training,
    zoo,
)
from srlib.inference import network_model, open_model
from srlib.models.a2n import A2N
from srlib.patches import Patches, batches
from srlib.recipes import SRCNN_FAST, SRCNN_PAPER
from srlib.state import Run


@pytest.fixture
def pictures(tmp_path: Path, coffee: Tensor) -> Path:
    """Three small training pictures in a folder."""
    for k in range(3):
        image.write(tmp_path / "pictures" / f"{k}.png", coffee[..., 100 * k : 100 * k + 60, 150:230])
    return tmp_path / "pictures"


def _command(pictures: Path, out: Path, *more: str) -> list[str]:
    arguments = ["train", "srcnn", "--data", str(pictures), "--hr-crop", "24", "--batch", "1", "--out", str(out)]
    return [*arguments, "--validation", str(pictures), "--save-every", "2", "--validate-every", "20", *more]


def _weights(folder: Path) -> dict[str, Tensor]:
    return zoo.read_state(folder / runs.WEIGHTS)[0]


def _wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if checkpoints.all_in(folder) or process.poll() is not None:
            return
        time.sleep(0.05)


def test_killed_or_stopped_and_resumed_ends_with_the_same_weights(pictures: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(folder: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "srlib", *_command(pictures, tmp_path / folder, "--steps", "160")]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    signals = {"killed": None}
    if os.name == "posix":  # Windows has no signal to ask a process to stop
        signals |= {"stopped": signal.SIGTERM, "interrupted": signal.SIGINT}
    ended = {}
    for folder, number in signals.items():
        process = start(folder)
        _wait_for_checkpoint(tmp_path / folder, process)
        process.send_signal(number) if number else process.kill()
        ended[folder] = (process.communicate(timeout=60)[1], process.returncode)
        assert not (tmp_path / folder / runs.WEIGHTS).exists(), "it ended before the signal came"
    assert ended.pop("killed")[1] not in (0, 2)
    for errors, code in ended.values():
        assert code == 130
        assert b"--resume goes on from there" in errors
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes
    try:
        for folder in ("whole", *signals):
            resume = [] if folder == "whole" else ["--resume"]
            assert cli.main(_command(pictures, tmp_path / folder, "--steps", "160", *resume)) == 0
    finally:
        torch.set_num_threads(threads)
    whole = _weights(tmp_path / "whole")
    log = logs.read_log(tmp_path / "whole" / runs.LOG)
    assert [row["step"] for row in log] == [*range(20, 161, 20)]
    for folder in signals:
        resumed = _weights(tmp_path / folder)
        assert resumed.keys() == whole.keys()
        assert all(torch.equal(resumed[key], whole[key]) for key in whole)
        again = logs.read_log(tmp_path / folder / runs.LOG)
        for column in ("step", "loss", "psnr"):  # a line that was begun before the signal, too
            assert [row[column] for row in again] == [row[column] for row in log]


def test_what_a_run_leaves(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(_command(pictures, tmp_path / "run", "--steps", "40", "--seed", "3")) == 0
    told = json.loads((tmp_path / "run" / runs.SUMMARY).read_text())
    assert told["steps"] == 40
    assert told["pictures"] == 3
    assert told["recipe"]["seed"] == "3"
    assert told["recipe"]["hr_crop"] == "24"
    _, row = logs.read_log(tmp_path / "run" / runs.LOG)
    assert row["psnr"] == pytest.approx(told["validation"]["psnr"], abs=1e-3)
    assert f"{row['psnr']:.3f} dB" in capsys.readouterr().out
    # The weights are the network that the validation saw.
    assert cli.main(["evaluate", str(tmp_path / "run" / runs.WEIGHTS), "--set", str(pictures), "--convention", "y-only",
                     "--json", str(tmp_path / "e.json")]) == 0  # fmt: skip
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["sets"]["pictures"]["psnr"] == pytest.approx(row["psnr"], abs=1e-3)
    assert figures["scale"] == 3


def test_every_validation_is_in_the_log(pictures: Path, tmp_path: Path) -> None:
    recipe = replace(SRCNN_FAST, data=(str(pictures),), hr_crop=24, batch=1, steps=7)
    options = runs.Options(log_every=3, validate_every=2, validation=str(pictures))
    runs.train(recipe, tmp_path / "run", options, quiet=True)
    rows = logs.read_log(tmp_path / "run" / runs.LOG)
    assert [(row["step"], "psnr" in row) for row in rows] == [(2, True), (3, False), (4, True), (6, True), (7, True)]


def test_training_learns(pictures: Path, tmp_path: Path) -> None:
    recipe = replace(SRCNN_FAST, data=(str(pictures),), hr_crop=24, batch=2, steps=60)
    options = runs.Options(log_every=20, validation=str(pictures))
    runs.train(recipe, tmp_path / "run", options, quiet=True)
    rows = logs.read_log(tmp_path / "run" / runs.LOG)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert rows[-1]["learning_rate"] < 1e-5 < rows[0]["learning_rate"]


def test_start_takes_weights_over(pictures: Path, tmp_path: Path) -> None:
    cli.main(_command(pictures, tmp_path / "x3", "--steps", "5"))
    cli.main(_command(pictures, tmp_path / "x2", "--steps", "1", "--scale", "2", "--learning-rate", "1e-12",
                      "--start", str(tmp_path / "x3" / runs.WEIGHTS)))  # fmt: skip
    before, after = _weights(tmp_path / "x3"), _weights(tmp_path / "x2")
    assert all(torch.allclose(before[key], after[key], atol=1e-9) for key in before)
    assert zoo.told_scale(tmp_path / "x2" / runs.WEIGHTS) == 2
    earlier = json.loads((tmp_path / "x3" / runs.SUMMARY).read_text())
    assert json.loads((tmp_path / "x2" / runs.SUMMARY).read_text())["start"] == earlier


def test_a_resumed_run_is_measured_on_the_same_set(pictures: Path, tmp_path: Path, coffee: Tensor) -> None:
    other, out = tmp_path / "other", tmp_path / "run"
    image.write(other / "0.png", coffee[..., :40, :40])
    train = ["train", "srcnn", "--data", str(pictures), "--hr-crop", "24", "--batch", "1", "--out", str(out)]

    def told(*more: str) -> dict[str, Any]:
        assert cli.main([*train, *more]) == 0
        return json.loads((out / runs.SUMMARY).read_text())["validation"]

    assert told("--steps", "1", "--validation", str(other))["set"] == str(other)
    path, _ = checkpoints.newest(out)
    torch.save({**checkpoints.read(path), "best": 99.0}, path)
    again = told("--steps", "2", "--resume")
    assert (again["set"], again["best"]) == (str(other), 99)
    for steps in ("3", "3"):  # the second time there is nothing left to train
        moved = told("--steps", steps, "--resume", "--validation", str(pictures))
        assert (moved["set"], moved["best"]) == (str(pictures), moved["psnr"])  # not the best of another set
    back = told("--steps", "3", "--resume", "--validation", str(other))
    assert back["set"] == str(other)
    assert back["best"] == back["psnr"] < 99


def test_folders_are_not_mixed_up(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert cli.main(["train", "srcn", "--resume"]) == 2
    assert "recipe 'srcn' is not known: choose one of srcnn," in capsys.readouterr().err
    assert cli.main(_command(pictures, out, "--steps", "5", "--resume")) == 2
    assert "holds no run to resume" in capsys.readouterr().err
    assert cli.main(_command(pictures, out, "--steps", "5")) == 0
    assert cli.main(_command(pictures, out, "--steps", "9")) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert cli.main(_command(pictures, out, "--steps", "9", "--resume", "--batch", "3")) == 2
    assert "batch was 1, is 3" in capsys.readouterr().err


def test_publish_measures_what_it_ships(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no finished run"):
        cards.publish(tmp_path, "mine")
    cli.main(_command(pictures, tmp_path / "run", "--steps", "2"))
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "shipped")
    publish = partial(cards.publish, tmp_path / "run", "mine", sets=[str(pictures)], target=tmp_path / "shipped")
    publish()
    with pytest.raises(ValueError, match="mine x3 is shipped already: choose another --name"):
        publish()
    path = publish(replace=True)
    assert zoo.scales("mine") == [3]
    card = zoo.card("mine", 3)
    assert json.loads(path.read_text()) == card
    [result] = evaluation.evaluate(open_model("mine", scale=3), [pictures], convention="y-of-rgb")
    assert card["measured"]["y-of-rgb"]["pictures"]["psnr"] == result.mean().psnr
    [result] = evaluation.evaluate(open_model("mine", scale=3), [pictures], convention="degraded")
    assert card["measured"]["degraded"]["pictures"]["psnr"] == pytest.approx(result.mean().psnr)
    assert logs.read_log(path.with_name(card["log"]))[-1]["step"] == card["steps"] == 2


def test_a_resumed_run_keeps_its_budget_precision_and_start(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srlib.precision.best_precision", lambda device: "fp32")  # whatever this machine has
    zoo.save(SRCNN_FAST.generator(scale=3), tmp_path / "first.safetensors", scale=3)
    out = tmp_path / "run"
    cli.main(
        _command(pictures, out, "--steps", "4", "--precision", "bf16", "--start", str(tmp_path / "first.safetensors"))
    )
    capsys.readouterr()
    assert cli.main(_command(pictures, out, "--resume")) == 0  # its budget is used up: it ends at once, whole
    assert "on cpu in bf16" in capsys.readouterr().out
    told = json.loads((out / runs.SUMMARY).read_text())
    assert (told["steps"], told["precision"], told["start"]) == (4, "bf16", "first.safetensors")
    assert told["validation"]["psnr"] > 0
    assert cli.main(_command(pictures, out, "--resume", "--steps", "6")) == 0  # or a new one is given
    assert json.loads((out / runs.SUMMARY).read_text())["steps"] == 6


def test_drawing_patches_does_not_touch_the_global_random_numbers(pictures: Path) -> None:
    patches = Patches(datasets.load(pictures), scale=3, hr_crop=24, seed=0)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    next(batches(patches, batch=2, first=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_start_from_another_network_is_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.save(SRCNN_PAPER.generator(scale=3), tmp_path / "small.safetensors", scale=3)
    command = _command(pictures, tmp_path / "run", "--steps", "2", "--start", str(tmp_path / "small.safetensors"))
    assert cli.main(command) == 2
    assert "another network than srcnn's" in capsys.readouterr().err


def test_every_validation_has_its_line_in_the_log(pictures: Path, tmp_path: Path) -> None:
    more = ("--steps", "10", "--log-every", "4", "--validate-every", "3")
    assert cli.main(_command(pictures, tmp_path / "run", *more)) == 0
    lines = logs.read_log(tmp_path / "run" / runs.LOG)
    assert [line["step"] for line in lines] == [3, 4, 6, 8, 9, 10]
    assert [line["step"] for line in lines if "psnr" in line] == [3, 6, 9, 10]


def test_a_resumed_run_keeps_its_options_and_says_when_nothing_is_left(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    first = ("--steps", "4", "--batch", "2", "--accumulate", "2", "--log-every", "2", "--precision", "fp32")
    assert cli.main(_command(pictures, run, *first)) == 0
    again = ["train", "srcnn", "--resume", "--out", str(run)]
    assert cli.main([*again, "--steps", "8"]) == 0
    assert [line["step"] for line in logs.read_log(run / runs.LOG)] == [2, 4, 6, 8]
    kept = checkpoints.newest(run)[1]["notes"]
    assert kept["validation"] == str(pictures) and kept["kept"]["accumulate"] == 2
    assert "in fp32" in capsys.readouterr().out
    assert cli.main(again) == 0
    assert "its budget of 8 steps is used; more --steps goes on" in capsys.readouterr().err
    assert cli.main([*again, "--validation", str(_brighter(pictures, tmp_path))]) == 0  # another set: another best
    told = json.loads((run / runs.SUMMARY).read_text(encoding="utf-8"))["validation"]
    assert told["set"] == str(tmp_path / "brighter") and told["best"] == told["psnr"]
    assert cli.main([*again, "--steps", "9", "--precision", "fp16"]) == 0
    checkpoints.path_of(run, 9).write_text("damaged")
    capsys.readouterr()
    assert cli.main(again) == 0
    assert f"{checkpoints.path_of(run, 9)} cannot be read: going on from" in capsys.readouterr().err


def _brighter(pictures: Path, tmp_path: Path) -> Path:
    for path in datasets.files(pictures):
        image.write(tmp_path / "brighter" / path.name, (image.read(path).rgb * 1.2).clamp(0, 1))
    return tmp_path / "brighter"


@pytest.mark.parametrize(("old", "new"), [(2, 4), (4, 2), (3, 4)])
def test_start_takes_a_file_that_tells_no_scale(old: int, new: int, tmp_path: Path) -> None:
    network = A2N(scale=old)
    torch.save(network.state_dict(), tmp_path / "a2n.pth")
    found = starts.earlier_network(str(tmp_path / "a2n.pth"), new)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in found.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nosuch", "--resume"], "recipe 'nosuch' is not known"),
        (["train", "srcnn", "--data", "pictures/train", "--batch", "2", "--accumulate", "3"], "parts; take fewer"),
        (["evaluate", "--all", "--ensemble", "--json", "f.json"], "leave --json, --ensemble out"),
        (["evaluate", "--all", "--scale", "9"], "no model is shipped for scale 9"),
        (["publish", ".", "--name", "bicubic"], "cannot name a model"),
        (["publish", ".", "--name", "a/b"], "cannot name a model"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1


def test_curves_of_a_run_without_validation_and_of_two_folders_of_one_name(tmp_path: Path) -> None:
    for parent in "ab":
        folder = tmp_path / parent / "run"
        folder.mkdir(parents=True)
        (folder / runs.LOG).write_text("step,loss,psnr\n1,0.5,\n2,0.4,\n", encoding="utf-8")
    folders = [str(tmp_path / parent / "run") for parent in "ab"]
    assert cli.main(["curves", *folders, "--out", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").is_file()


def test_a_picture_too_large_for_the_memory_is_told_so() -> None:
    class Greedy(A2N):
        def features(self, lr: Tensor) -> Tensor:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(MemoryError, match=r"cpu has no room to enlarge 4 x 5 pixels by greedy: free some"):
        network_model(Greedy(scale=2, num_blocks=1), name="greedy")(torch.rand(1, 3, 4, 5))


def test_a_compiler_that_fails_is_told_in_a_sentence(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(lr: Tensor) -> Tensor:
        raise AssertionError("expected size 32==32, stride 1==2304\nError in op")

    monkeypatch.setattr(torch, "compile", lambda network: failing)
    assert cli.main(_command(pictures, tmp_path / "run", "--steps", "1", "--compile")) == 2
    assert "torch.compile cannot train srcnn here (expected size 32==32, stride 1==2304)" in capsys.readouterr().err


def test_slow_steps_are_saved_by_the_clock(tmp_path: Path) -> None:
    run = training.start(SRCNN_FAST)
    save = hooks.saving(tmp_path, steps=500, seconds=300)
    begun = 5000.0  # a resumed run: what it did before is saved
    for step, seconds in ((1, 0.0), (2, 299.0), (3, 301.0), (4, 600.0), (5, 602.0), (500, 603.0)):
        run.step, run.seconds, run.fraction = step, begun + seconds, 0.5
        save(run)
        if step == 3:
            assert [path.name[-7:] for path in checkpoints.all_in(tmp_path)] == ["0003.pt"]
    assert [path.name[-7:] for path in checkpoints.all_in(tmp_path)] == ["0005.pt", "0500.pt"]


def test_a_run_that_has_ended_is_not_replaced(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert cli.main(_command(pictures, out, "--steps", "2")) == 0
    for path in checkpoints.all_in(out):
        path.unlink()  # half a gigabyte each, of a game
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert cli.main(_command(pictures, out, "--steps", "1")) == 2
    assert f"holds the {runs.WEIGHTS} of a run that has ended: choose another --out" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_two_processes_do_not_write_to_one_folder(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    out = tmp_path / "run"
    with files.held(out):  # a lock is that of an open file, so that one process can stand for two
        assert cli.main(_command(pictures, out, "--steps", "2")) == 2
        assert f"{out} is being written by another process" in capsys.readouterr().err
    assert cli.main(_command(pictures, out, "--steps", "2")) == 0
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_shipped_start_has_no_history_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / runs.SUMMARY).write_text('{"steps": 7}')
    assert runs._history("srresnet") == "srresnet"
    (tmp_path / "weights.safetensors").touch()
    assert runs._history("weights.safetensors") == {"steps": 7}


def test_a_checkpoint_for_which_there_is_no_memory_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        checkpoints.path_of(tmp_path, step).touch()

    def full(path: Path, **how: object) -> None:
        raise MemoryError(path.name)

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(MemoryError, match=checkpoints.path_of(tmp_path, 2).name):  # nor is an older one taken
        checkpoints.newest(tmp_path)


def test_an_error_after_a_compiled_step_is_its_own(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(run: Run) -> None:
        raise RuntimeError("a worker is dead")

    monkeypatch.setattr(torch, "compile", lambda network: network)
    monkeypatch.setattr(health, "watch", failing)
    with pytest.raises(RuntimeError, match="a worker is dead"):
        cli.main(_command(pictures, tmp_path / "run", "--steps", "2", "--compile"))
