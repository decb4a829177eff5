"""The command, as a person types it: what it prints, writes, and says when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from srlib import cli, evaluation, image, niqe, plots, zoo
from srlib.formats.headers import read_size
from srlib.inference import open_model
from srlib.models import SRCNN, RRDBNet, SRResNet
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
    sizes = {p.name: read_size(p) for p in (tmp_path / "out").iterdir()}
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
    monkeypatch.setattr("srlib.piecewise.fill", lambda *_: pytest.fail("it was enlarged"))
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
        (["compare", "{photo}", "--out", "{folder}/c.xyz"], "unknown suffix '.xyz'; take one of"),
        (["compare", "{photo}", "--out", "{photo}"], "photo.png would overwrite a picture that is read"),
        (["compare", "{folder}", "--out", "{folder}/../in/photo.png"], "would overwrite a picture that is read"),
        (["plane", "--set", "{folder}", "--out", "{photo}"], "would overwrite a picture that is read"),
        (["fit-niqe", "{folder}", "--out", "{photo}"], "would overwrite a picture that is read"),
        (["data", "check", "{folder}", "--json", "{photo}"], "is no name of a .json file"),
        (["evaluate", "bicubic", "--set", "{folder}", "--json", "{photo}"], "is no name of a .json file"),
        (["plane", "--out", "{folder}/plane"], "unknown suffix ''"),
        (["curves", "{folder}", "--out", "c.xyz"], "unknown suffix '.xyz'"),
        (["upscale", "none.png", "o.png", "--model", "bicubic"], "none.png"),
        (["upscale", "{photo}", "{photo}", "--model", "bicubic"], "would overwrite"),
        (["upscale", "{photo}", "o.png", "--model", "srnn"], "srnn is neither a shipped model"),
        (["upscale", "{photo}", "o.gif", "--model", "bicubic"], "unknown suffix '.gif'"),
        (["upscale", "{photo}", "o.png", "--model", "bicubic", "--scale", "0"], "0 is no whole number above 0"),
        (["upscale", "{folder}", "{photo}", "--model", "bicubic"], "name a folder"),
        (["upscale", "{photo}", "o.png", "--tile", "0"], "0 is no whole number above 0"),
        (["upscale", "{photo}", "o.png", "--overlap", "-1"], "-1 is no whole number above 0"),
        (["upscale", "{photo}", "o.png", "--outscale", "0"], "0 is no number above 0"),
        (
            ["upscale", "{photo}", "o.png", "--model", "srcnn", "--outscale", "1e9"],
            "take a smaller one, or a smaller --scale or --outscale",
        ),
        (["evaluate", "bicubic", "--set", "Set6"], "Set5, Set14, T91"),
        (["evaluate", "bicubic", "--convention", "rgb"], "'rgb' is not known: choose one of y-of-rgb, y-only"),
        (["evaluate", "bicubic", "--set", "pictures", "--device", "cuda:99"], "device cuda:99 is not here"),
        (
            [
                "upscale",
                "{photo}",
                "o.png",
                "--model",
                "srcnn",
                "--blend",
                "srcnn",
                "--alpha",
                "1",
                "--scale",
                "2",
                "--device",
                "cuda:99",
            ],
            "device cuda:99 is not here",
        ),
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
        (["upscale", "{photo}", "o.png", "--blend", "srresnet"], "--blend and --alpha belong together"),
        (["evaluate", "srresnet", "--alpha", "0.5"], "--blend and --alpha belong together"),
        (["upscale", "{photo}", "o.png", "--model", "srcnn", "--blend", "srcnn", "--alpha", "1.2"], "alpha is 1.2"),
        (
            ["upscale", "{photo}", "o.png", "--model", "srcnn", "--blend", "srcnn", "--alpha", "half"],
            "invalid float value: 'half'",
        ),
        (
            ["upscale", "{photo}", "o.png", "--model", "srcnn", "--blend", "srresnet", "--alpha", "1"],
            "SRResNet for scale 4, the second",
        ),
        (
            ["upscale", "{photo}", "o.png", "--model", "srcnn", "--blend", "bicubic", "--alpha", "1"],
            "bicubic is neither a shipped model",
        ),
        (["upscale", "{photo}", "o.png", "--back-project", "0"], "0 is no whole number above 0"),
        (["bench", "--device", "cuda"], "metrics is measured on the CPU"),
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
    assert "broken.png (cannot be decoded" in printed
    assert "photo.png (44x30)" in printed  # too small for a patch


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
    for name, card in (("tiny", "{}"), ("game", '{"game": "standard"}')):  # the latter's PSNR is not its merit
        zoo.save(small, tmp_path / "weights" / f"{name}_x2.safetensors", scale=2, half=True)
        (tmp_path / "weights" / f"{name}_x2.json").write_text(card)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "weights")
    assert cli.main(["evaluate", "--all", "--set", str(photo.parent), "--scale", "2"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    name = photo.parent.name
    figures = [f"{name} {convention}" for convention in ("y-of-rgb", "y-only")]
    assert cells[0] == ["model", "scale", "parameters", *figures, "seconds"]
    assert [row[0] for row in cells[2:]] == ["bicubic", "tiny"]
    assert cells[3][2] == f"{sum(p.numel() for p in small.parameters()):,}"
    assert cells[3][4] == "not run"  # a network of RGB is not handed luma alone
    [result] = evaluation.evaluate(open_model("bicubic", scale=2), [photo.parent], convention="y-of-rgb")
    assert cells[2][3] == f"{result.mean().psnr:.2f} / {result.mean().ssim:.4f}"
    unused = ("--json all.json", "--convention y-only", "--ensemble", "--alpha 0", "--blend a2n", "--back-project 1")
    for more in map(str.split, unused):
        assert cli.main(["evaluate", "--all", *more]) == 2
        assert "measures by the papers' conventions" in capsys.readouterr().err
    tiny = str(tmp_path / "weights" / "tiny_x2.safetensors")
    assert cli.main(["evaluate", tiny, "--set", str(photo.parent), "--convention", "y-only"]) == 2
    assert "takes RGB: use y-of-rgb" in capsys.readouterr().err
    assert cli.main(["evaluate", tiny, "--set", str(photo.parent), "--ensemble"]) == 0
    assert "tiny_x2.safetensors+" in capsys.readouterr().out


@pytest.mark.parametrize("scale", [4, 2])
def test_a_network_between_two_and_its_correction(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], scale: int
) -> None:
    networks = {}
    for seed, name in enumerate(("psnr", "gan")):
        torch.manual_seed(seed)
        networks[name] = RRDBNet(scale=scale, channels=8, growth=4, num_blocks=1, init_scale=1)
        torch.nn.init.constant_(networks[name].conv_last.bias, 0.2 + 0.5 * seed)
        zoo.save(networks[name], tmp_path / f"{name}.safetensors", scale=scale)
    psnr, gan, out = (str(tmp_path / name) for name in ("psnr.safetensors", "gan.safetensors", "out.png"))
    ends = {name: state.state_dict() for name, state in networks.items()}
    middle = RRDBNet(scale=scale, channels=8, growth=4, num_blocks=1)
    middle.load_state_dict({key: 0.2 * ends["psnr"][key] + 0.8 * ends["gan"][key] for key in ends["gan"]})
    lr = image.read(photo).rgb
    command = ["upscale", str(photo), out, "--model", gan, "--blend", psnr]
    for alpha, network in (("0.8", middle), ("0", networks["psnr"]), ("1", networks["gan"])):
        assert cli.main([*command, "--alpha", alpha]) == 0
        made = image.read(tmp_path / "out.png").rgb
        with torch.no_grad():
            assert (made - network(lr).clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-5
    far = (imresize(made, scale=1 / scale) - lr).square().mean().sqrt()
    assert cli.main([*command, "--alpha", "0.8", "--back-project", "10"]) == 0
    near = (imresize(image.read(tmp_path / "out.png").rgb, scale=1 / scale) - lr).square().mean().sqrt()
    assert near < 2 / 255 < far
    assert cli.main(["evaluate", gan, "--blend", psnr, "--alpha", "0.8", "--set", str(photo.parent)]) == 0
    assert f"0.2 {psnr} + 0.8 {gan}  x{scale}  y-of-rgb" in capsys.readouterr().out
    zoo.save(RRDBNet(scale=1, channels=8, growth=4, num_blocks=1), tmp_path / "one.safetensors", scale=1)
    assert cli.main([*command[:-1], str(tmp_path / "one.safetensors"), "--alpha", "1"]) == 2
    assert f"RRDBNet for scale 1, the second RRDBNet for scale {scale}" in capsys.readouterr().err


def test_curves_draws_the_logs_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("step,loss,psnr\n1,0.5,20\n2,0.25,23\n")
    assert cli.main(["curves", str(tmp_path / "run"), "--out", str(tmp_path / "new" / "c.png")]) == 0
    assert image.read(tmp_path / "new" / "c.png").rgb.std() > 0.01
    assert cli.main(["curves", str(tmp_path)]) == 2
    assert "holds no training run" in capsys.readouterr().err


def test_compare_draws_and_counts(
    coffee: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Tensor]] = []
    draw = plots.rows
    monkeypatch.setattr(plots, "rows", lambda rows: drawn.extend(rows) or draw(rows))
    image.write(tmp_path / "photos" / "a.png", coffee[..., :60, :70])
    image.write(tmp_path / "photos" / "b.png", coffee[..., 100:110, :20])  # too small for NIQE
    out = tmp_path / "new" / "strips.png"
    models = ["--models", "bicubic", "nearest", "--out", str(out), "--crop", "50"]
    assert cli.main(["compare", str(tmp_path / "photos"), *models]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| NIQE (lower) of | bicubic | nearest |"
    large = imresize(image.to_uint8(coffee[..., 5:55, 10:60]), scale=4)
    wanted = float(niqe.niqe(image.to_float(large), border=0))
    assert lines[2].startswith(f"| a.png | {wanted:.2f} | ") and lines[3] == "| b.png | nan | nan |"
    better = int(float(lines[2].split("|")[3]) < float(lines[2].split("|")[2]))
    assert lines[5] == f"nearest is lower than bicubic in {better} of 1"  # one is too small to tell
    assert [list(row) for row in drawn] == [["a: bicubic", "a: nearest"], ["b: bicubic", "b: nearest"]]
    assert torch.equal(drawn[0]["a: bicubic"], image.to_float(large))
    assert read_size(out)[0] > 600
    for folder, seed in (("one", 0), ("two", 1)):  # every run calls its weights alike
        torch.manual_seed(seed)
        zoo.save(SRCNN(scale=4), tmp_path / folder / "weights.safetensors", scale=4)
    runs = [str(tmp_path / folder / "weights.safetensors") for folder in ("one", "two")]
    assert cli.main(["compare", str(tmp_path / "photos" / "a.png"), *models[3:], "--models", *runs]) == 0
    assert capsys.readouterr().out.startswith(f"| NIQE (lower) of | {runs[0]} | {runs[1]} |")
    assert cli.main(["compare", str(tmp_path / "photos"), "--models", "bicubic", "bicubic"]) == 2
    assert "bicubic is named twice" in capsys.readouterr().err
    assert cli.main(["compare", str(tmp_path / "photos" / "c.png"), *models]) == 2
    assert "c.png" in capsys.readouterr().err


def test_compare_names_what_it_cannot_read_and_draws_the_others(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo.parent / "text.png").write_text("hello")
    out = tmp_path / "c.png"
    command = ["compare", str(photo.parent), "--models", "bicubic", "--crop", "20", "--out", str(out)]
    assert cli.main(command) == 1
    told = capsys.readouterr().err
    assert "text.png: is no picture" in told and "1 of 2 pictures could not be read" in told
    assert "nan: too small for NIQE, which needs two patches of 96 pixels" in told
    before = out.read_bytes()

    def half(figure: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half)
    assert cli.main(command) == 2
    assert "the older file stands as it was" in capsys.readouterr().err
    assert out.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["c.png", "in"]


def test_photographs_go_through_the_network_that_expects_noise(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = RRDBNet(scale=4, channels=8, growth=4, num_blocks=1)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "weights")
    zoo.save(network, tmp_path / "weights" / "real-esrgan_x4.safetensors", scale=4)
    height, width = image.read(photo).rgb.shape[-2:]
    command = ["upscale", str(photo)]
    assert cli.main([*command, str(tmp_path / "four.png")]) == 0
    assert read_size(tmp_path / "four.png") == (4 * height, 4 * width)
    assert cli.main([*command, str(tmp_path / "two.png"), "--scale", "2"]) == 0
    assert cli.main([*command, str(tmp_path / "same.png"), "--outscale", "2"]) == 0
    two, same = (image.read(tmp_path / f"{name}.png").rgb for name in ("two", "same"))
    assert two.shape[-2:] == (2 * height, 2 * width) and torch.equal(two, same)
    large = image.to_float(image.to_uint8(network.eval()(image.read(photo).rgb).detach().clamp(0, 1)))
    assert (image.read(tmp_path / "four.png").rgb - large).abs().max() < 1.5 / 255
    assert cli.main([*command, str(tmp_path / "eight.png"), "--scale", "8"]) == 2
    assert "real-esrgan is shipped for scales 4, not 8" in capsys.readouterr().err
    assert cli.main([*command, str(tmp_path / "x.png"), "--model", "real-esrgan", "--scale", "2"]) == 2
    assert "real-esrgan is shipped for x4, not x2: --outscale 2 instead of --scale shrinks" in capsys.readouterr().err
