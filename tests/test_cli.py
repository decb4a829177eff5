"""The command, as a person types it: what it prints, writes, and says when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from srlib import cli, evaluation, image, zoo
from srlib.inference import open_model
from srlib.models import SRResNet
from srlib.resize import imresize


@pytest.fixture
def photo(tmp_path: Path, coffee: Tensor) -> Path:
    image.write(tmp_path / "in" / "photo.png", coffee[..., :30, :44])
    return tmp_path / "in" / "photo.png"


def test_upscale_a_file_and_a_folder(photo: Path, tmp_path: Path, coffee: Tensor) -> None:
    image.write(photo.with_name("grey.jpg"), coffee[:, :1, :20, :20])
    image.write(photo.with_name("deep.png"), coffee[..., :9, :8], alpha=coffee[:, :1, :9, :8], bits=16)
    assert cli.main(["upscale", str(photo), str(tmp_path / "big.tif"), "--model", "bicubic", "--scale", "3"]) == 0
    expected = imresize(coffee[..., :30, :44], scale=3).clamp(0, 1)
    assert (image.read(tmp_path / "big.tif").rgb - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert cli.main(["upscale", str(photo.parent), str(tmp_path / "out"), "--model", "lanczos3", "--scale", "2"]) == 0
    sizes = {p.name: image.read_size(p) for p in (tmp_path / "out").iterdir()}
    assert sizes == {"photo.png": (60, 88), "grey.jpg": (40, 40), "deep.png": (18, 16)}
    deep, grey = image.read(tmp_path / "out" / "deep.png"), image.read(tmp_path / "out" / "grey.jpg")
    assert deep.bits == 16
    assert deep.alpha is not None
    assert grey.grey


def test_a_folder_with_a_webp_becomes_png(photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), (200, 100, 0)).save(photo.with_name("web.webp"), lossless=True)
    assert cli.main(["upscale", str(photo.parent), str(tmp_path / "out"), "--model", "nearest", "--scale", "2"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["photo.png", "web.png"]


def test_what_a_format_cannot_hold_is_told_before_the_work(
    photo: Path, tmp_path: Path, coffee: Tensor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image.write(tmp_path / "clear.png", coffee[..., :9, :8], alpha=coffee[:, :1, :9, :8])
    monkeypatch.setattr("srlib.inference.upscale", lambda *_: pytest.fail("it was enlarged"))
    for source, target, why in (("clear.png", "o.jpg", "cannot hold alpha"), ("in/photo.png", "o", "unknown suffix")):
        assert cli.main(["upscale", str(tmp_path / source), str(tmp_path / target), "--model", "bicubic"]) == 2
        assert why in capsys.readouterr().err


def test_evaluate_prints_and_writes_the_same_figures(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "bicubic", "--set", str(photo.parent), "--scale", "2", "--convention", "y-only"]
    assert cli.main([*command, "--json", str(tmp_path / "f.json")]) == 0
    told = json.loads((tmp_path / "f.json").read_text())
    printed = capsys.readouterr().out
    assert list(told) == ["model", "scale", "convention", "sets"]
    assert list(told["sets"]) == ["in"]
    assert f"{told['sets']['in']['psnr']:.4f}" in printed
    assert "bicubic  x2  y-only  0 parameters" in printed


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["upscale", "none.png", "o.png", "--model", "bicubic"], "none.png"),
        (["upscale", "{photo}", "{photo}", "--model", "bicubic"], "would overwrite"),
        (["upscale", "{photo}", "o.png", "--model", "srnn"], "srnn is neither a shipped model"),
        (["upscale", "{photo}", "o.gif", "--model", "bicubic"], "unknown suffix '.gif'"),
        (["upscale", "{photo}", "o.png", "--model", "bicubic", "--scale", "0"], "0 is no whole number above 0"),
        (["upscale", "{folder}", "{photo}", "--model", "bicubic"], "name a folder"),
        (["evaluate", "bicubic", "--set", "Set6"], "Set5, Set14, T91"),
        (["evaluate", "bicubic", "--convention", "rgb"], "'rgb' is not known: choose one of y-of-rgb, y-only"),
        (["evaluate", "bicubic", "--set", "pictures", "--device", "cuda:99"], "device cuda:99 is not here"),
        (["train", "srgan9"], "choose one of srcnn, srcnn-paper"),
        (["train", "srcnn", "--minutes", "-1"], "-1 is no number above 0"),
        (["train", "srcnn", "--data", "{folder}", "--out", "{folder}/r", "--hr-crop", "48"], "none of the 1 pictures"),
        (["train", "srcnn", "--data", "{folder}", "--out", "{folder}/run", "--hr-crop", "32"], "take 30"),
        (["train", "srcnn", "--seed", "-3"], "-3 is no whole number"),
        (["train", "srcnn", "--minutes", "ten"], "ten is no number above 0"),
        (
            ["train", "srcnn", "--data", "{folder}", "--out", "{folder}/r", "--hr-crop", "12"],
            "hr_crop 12 leaves nothing",
        ),
        (["train", "srcnn", "--device", "cuda:99"], "device cuda:99 is not here"),
        (["train", "srcnn", "--validation", "Set6", "--data", "{folder}"], "Set5, Set14, T91"),
        (["upscale", "{photo}", "o.png", "--model", "bicubic", "--scale", "900000"], "take a smaller one"),
        (["data", "get", "Set9"], "Set5, Set14, T91"),
        (["data", "check", "nowhere"], "nowhere"),
        (["paint"], "invalid choice: 'paint'"),
        (["evaluate"], "MODEL"),
        (["bench", "--device", "cuda"], "metrics are measured on the CPU"),
    ],
)
def test_every_error_is_one_sentence(
    command: list[str], says: str, photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    arguments = [a.format(photo=photo, folder=photo.parent) for a in command]
    try:
        code = cli.main(arguments)
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    errors = capsys.readouterr().err.strip().splitlines()
    said = [
        line for line in errors if line.strip() and not line.startswith(("\r", " 0%")) and "picture/s" not in line
    ]  # no bars
    assert code == 2
    assert len(said) == 1
    assert says in said[0]
    assert [p.name for p in photo.parent.iterdir()] == ["photo.png"]


def test_data_list_and_check(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("Set5", "Set14", "T91", "BSDS500", "ImageNet500", "DIV2K", "built in"))
    (photo.parent / "broken.png").write_bytes(photo.read_bytes()[:200])
    assert cli.main(["data", "check", str(photo.parent)]) == 1
    printed = capsys.readouterr().out
    assert "broken.png: corrupt" in printed
    assert "2 pictures, 2 with problems" in printed  # the other one is smaller than 48 pixels


def test_it_runs_as_a_module_and_a_script() -> None:
    for start in ([sys.executable, "-m", "srlib"], [str(Path(sys.executable).with_name("srlib"))]):
        done = subprocess.run([*start, "evaluate", "nothing.pth"], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "nothing.pth" in done.stderr


def test_evaluate_all_is_a_table_of_every_shipped_model(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = SRResNet(scale=2, channels=4, num_blocks=1)
    zoo.save(small, tmp_path / "weights" / "tiny_x2.safetensors", scale=2, half=True)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "weights")
    assert cli.main(["evaluate", "--all", "--set", str(photo.parent), "--scale", "2"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    name = photo.parent.name
    assert cells[0] == ["model", "scale", "parameters", f"{name} y-of-rgb", f"{name} y-only", "seconds"]
    assert [row[0] for row in cells[2:]] == ["bicubic", "tiny"]
    assert cells[3][2] == f"{sum(p.numel() for p in small.parameters()):,}"
    assert cells[3][4] == "not run"  # a network of RGB is not handed luma alone
    [result] = evaluation.evaluate(open_model("bicubic", scale=2), [photo.parent], convention="y-of-rgb")
    assert cells[2][3] == f"{result.mean().psnr:.2f} / {result.mean().ssim:.4f}"
    for more in (["--json", str(tmp_path / "all.json")], ["--convention", "y-only"], ["--ensemble"]):
        assert cli.main(["evaluate", "--all", *more]) == 2
        assert "measures by every convention" in capsys.readouterr().err
    tiny = str(tmp_path / "weights" / "tiny_x2.safetensors")
    assert cli.main(["evaluate", tiny, "--set", str(photo.parent), "--convention", "y-only"]) == 2
    assert "takes RGB: use y-of-rgb" in capsys.readouterr().err
    assert cli.main(["evaluate", tiny, "--set", str(photo.parent), "--ensemble"]) == 0
    assert "tiny_x2.safetensors+" in capsys.readouterr().out


def test_curves_draws_the_logs_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("step,loss,psnr\n1,0.5,20\n2,0.25,23\n")
    assert cli.main(["curves", str(tmp_path / "run"), "--out", str(tmp_path / "new" / "c.png")]) == 0
    assert image.read(tmp_path / "new" / "c.png").rgb.std() > 0.01
    assert cli.main(["curves", str(tmp_path)]) == 2
    assert "holds no training run" in capsys.readouterr().err
