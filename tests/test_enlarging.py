"""`srlib upscale` from file to file: what a source was, its result is; whatever its size; what is told."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from srlib import canvas, cli, enlarging, image, piecewise, zoo
from srlib.formats.headers import has_its_end, read_size
from srlib.models import A2N, SRResNet
from srlib.resize import imresize

STEP = 0.5 / 255 + 1e-6
NOISE = np.random.default_rng(3).integers(0, 256, (20, 30, 4), np.uint8)


def _upscale(*arguments: object) -> int:
    return cli.main(["upscale", *map(str, arguments), "--model", "bicubic", "--scale", "2"])


def _enlarged(samples: np.ndarray, white: int = 255) -> Tensor:
    """(H, W, C) samples -> (1, C, 2H, 2W) in [0, 1]: what the command must give."""
    x = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1)[None] / white
    return imresize(x, scale=2).clamp(0, 1)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_bits_grey_and_alpha_stay(suffix: str, channels: int, bits: int, tmp_path: Path) -> None:
    samples = NOISE[..., :channels].astype(np.uint16) * (1 if bits == 8 else 257)
    colours = 1 if channels <= 2 else 3
    white = 2**bits - 1
    x = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1)[None] / white
    image.write(
        tmp_path / f"in.{suffix}", x[:, :colours], alpha=x[:, colours:] if channels > colours else None, bits=bits
    )
    assert _upscale(tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}", "--tile", "8") == 0
    picture = image.read(tmp_path / f"out.{suffix}")
    assert (picture.bits, picture.grey) == (bits, colours == 1)
    wanted = _enlarged(samples, white)
    assert (picture.rgb[:, :colours] - wanted[:, :colours]).abs().max() <= 0.5 / white + 1e-6
    assert (picture.alpha is not None) == (channels > colours)
    if picture.alpha is not None:
        assert (picture.alpha - wanted[:, colours:]).abs().max() <= 0.5 / white + 1e-6


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_another_decoder_reads_what_is_written(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(NOISE[..., :3]).save(tmp_path / "in.png")
    assert _upscale(tmp_path / "in.png", tmp_path / f"out.{suffix}") == 0
    with Image.open(tmp_path / f"out.{suffix}") as opened:
        opened.load()
        made = np.asarray(opened.convert("RGB")).astype(float)
    wanted = (_enlarged(NOISE[..., :3])[0].permute(1, 2, 0) * 255).numpy()
    assert np.abs(made - wanted).max() <= (40 if suffix == "jpg" else 0.51)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_profile_is_embedded_again_and_not_applied(suffix: str, tmp_path: Path) -> None:
    linear = _profile()
    Image.fromarray(NOISE[..., :3]).save(tmp_path / "in.png", icc_profile=linear)
    assert _upscale(tmp_path / "in.png", tmp_path / f"out.{suffix}") == 0
    with Image.open(tmp_path / f"out.{suffix}") as opened:
        assert opened.info["icc_profile"] == linear
        made = np.asarray(opened).astype(float)
    wanted = (_enlarged(NOISE[..., :3])[0].permute(1, 2, 0) * 255).numpy()
    assert np.abs(made - wanted).mean() < 5  # its own numbers; in sRGB they would be much brighter
    assert _upscale(tmp_path / "in.png", tmp_path / "out.bmp") == 0  # which holds no profile
    bright = _enlarged((image.read(tmp_path / "in.png").rgb[0].permute(1, 2, 0) * 255).numpy())
    assert (image.read(tmp_path / "out.bmp").rgb - bright).abs().max() <= STEP
    assert bright.mean() > _enlarged(NOISE[..., :3]).mean() + 0.1


def _profile() -> bytes:
    """sRGB's colours with a linear curve."""
    from test_image import SWAPPED, profile

    return profile(b"RGB ", SWAPPED[:, ::-1])


def test_a_profile_of_16_bits_and_of_grey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = NOISE[..., :3].astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "in.tif", deep, photometric="rgb", iccprofile=_profile())
    assert _upscale(tmp_path / "in.tif", tmp_path / "out.png") == 0
    assert capsys.readouterr().err == ""
    made = image.read_stored(tmp_path / "out.png", keep_profile=True)
    assert (made.bits, made.profile) == (16, _profile())
    Image.fromarray(NOISE[..., 0]).save(tmp_path / "grey.png", icc_profile=_profile())  # one of RGB, so of no use
    assert _upscale(tmp_path / "grey.png", tmp_path / "out.png") == 0
    made = image.read_stored(tmp_path / "out.png", keep_profile=True)
    assert (made.samples.shape[2], made.profile) == (1, None)
    Image.fromarray(NOISE[..., :3]).save(tmp_path / "bad.png", icc_profile=b"no profile")
    assert _upscale(tmp_path / "bad.png", tmp_path / "out.png") == 0
    assert "its colour profile is unusable" in capsys.readouterr().err
    assert image.read_stored(tmp_path / "out.png", keep_profile=True).profile is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_turned_picture_is_upright_once(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(NOISE[..., :3]).save(tmp_path / f"in.{suffix}", exif=exif)
    stored = NOISE[..., :3] if suffix != "jpg" else np.asarray(Image.open(tmp_path / "in.jpg"))
    assert _upscale(tmp_path / f"in.{suffix}", tmp_path / "out.png") == 0
    with Image.open(tmp_path / "out.png") as opened:
        assert opened.getexif().get(274, 1) == 1
        assert opened.size == (40, 60)
    wanted = _enlarged(np.rot90(stored, -1).copy())
    assert (image.read(tmp_path / "out.png").rgb - wanted).abs().max() <= STEP


def test_ink_palettes_and_transparent_palettes(tmp_path: Path) -> None:
    Image.fromarray(NOISE, "CMYK").save(tmp_path / "ink.tif")
    Image.fromarray(NOISE[..., 0], "P").save(tmp_path / "palette.png")
    see_through = Image.fromarray(NOISE[..., 0], "P")
    see_through.putpalette(bytes(range(256)) * 3)
    see_through.save(tmp_path / "clear.png", transparency=bytes([0] * 128 + [255] * 128))
    for name, alpha in (("ink.tif", False), ("palette.png", False), ("clear.png", True)):
        assert _upscale(tmp_path / name, tmp_path / "out.png") == 0
        made, small = image.read(tmp_path / "out.png"), image.read(tmp_path / name)
        assert (made.rgb - imresize(small.rgb, scale=2).clamp(0, 1)).abs().max() <= STEP
        assert (made.alpha is not None, made.grey) == (alpha, False)


@pytest.mark.parametrize(("name", "kind"), [("a.gif", "GIF"), ("a.png", "PNG"), ("a.jpg", "MPO"), ("a.tif", "TIFF")])
def test_of_several_pictures_the_first_with_a_remark(
    name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (Image.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (200, 20))
    first.save(tmp_path / name, kind, save_all=True, append_images=[second])
    assert _upscale(tmp_path / name, tmp_path / "out.png") == 0
    assert capsys.readouterr().err == f"srlib: {tmp_path / name}: holds 2 pictures; only the first is enlarged\n"
    assert (image.read(tmp_path / "out.png").rgb - 200 / 255).abs().max() < 3 / 255


def test_what_is_cut_short_is_told_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    for kind in ("png", "jpg", "tif", "gif", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(NOISE[..., :3]).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind))
        (tmp_path / f"cut.{kind}").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) * 2 // 3])
        assert _upscale(tmp_path / f"cut.{kind}", tmp_path / "out" / "out.png") == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"cut.{kind}" in said
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("factor", ["3.5", "1", "0.3", "2"])
@pytest.mark.parametrize("tile", [(), ("--tile", "7")])
def test_any_factor_by_bicubic_from_the_models_own(factor: str, tile: tuple[str, ...], tmp_path: Path) -> None:
    samples = NOISE[:19, :23]
    Image.fromarray(samples).save(tmp_path / "in.png")
    assert _upscale(tmp_path / "in.png", tmp_path / "out.png", "--outscale", factor, *tile) == 0
    size = (int(19 * float(factor) + 0.5), int(23 * float(factor) + 0.5))
    wanted = imresize(_enlarged(samples), size=size).clamp(0, 1)
    made = image.read(tmp_path / "out.png")
    assert made.alpha is not None
    assert (torch.cat([made.rgb, made.alpha], 1) - wanted).abs().max() <= STEP + 1 / 65535


def test_a_canvas_on_disk_is_the_same_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(NOISE).save(tmp_path / "in.png")
    for name in ("memory.png", "disk.png"):
        assert _upscale(tmp_path / "in.png", tmp_path / name, "--tile", "8", "--outscale", "1.7") == 0
        monkeypatch.setattr(canvas, "IN_MEMORY", 100)
        monkeypatch.setattr(canvas, "_BAND", 1000)
    assert (tmp_path / "memory.png").stat().st_size and torch.equal(
        image.read(tmp_path / "memory.png").rgb, image.read(tmp_path / "disk.png").rgb
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.png", "in.png", "memory.png"]
    for suffix in ("tif", "jpg", "bmp"):
        Image.fromarray(NOISE[..., :3]).save(tmp_path / "in.png")
        assert _upscale(tmp_path / "in.png", tmp_path / f"out.{suffix}") == 0
        error = (image.read(tmp_path / f"out.{suffix}").rgb - _enlarged(NOISE[..., :3])).abs().mean()
        assert error < (0.03 if suffix == "jpg" else STEP)


def test_a_full_disk_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(NOISE).save(tmp_path / "in.png")
    monkeypatch.setattr(canvas, "IN_MEMORY", 100)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 50})())
    monkeypatch.setattr(piecewise, "fill", lambda *_, **__: pytest.fail("it was enlarged"))
    assert _upscale(tmp_path / "in.png", tmp_path / "out.png") == 2
    assert "9,600 bytes are needed while the picture is made, 50 are free; free some space" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_folder_that_cannot_be_written_to_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = _folder(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(piecewise, "fill", lambda *_, **__: pytest.fail("it was enlarged"))
    for source, target in ((folder / "a.png", "out.png"), (folder, "out")):
        assert _upscale(source, tmp_path / "file" / target) == 2
        assert "cannot be written to (Not a directory); check the folder" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_picture(tmp_path: Path) -> None:
    peaks = []
    code = (
        "import resource, sys; from srlib import canvas, cli; canvas.IN_MEMORY = 1 << 20;"
        "assert not cli.main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024))"
    )
    pytest.importorskip("resource")  # not on Windows
    for side in (500, 1500):  # both larger than the band of rows that is written at once
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / "in.png")
        arguments = ["upscale", tmp_path / "in.png", tmp_path / "out.png", "--model", "bicubic", "--tile", "128"]
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        assert read_size(tmp_path / "out.png") == (4 * side, 4 * side)
    assert peaks[1] - peaks[0] < 60e6  # the results have 12 and 108 MB, as floats 48 and 432; the sources 1 and 7


def test_limits_are_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(NOISE).convert("RGB").save(tmp_path / "in.png")
    monkeypatch.setattr(piecewise, "fill", lambda *_, **__: pytest.fail("it was enlarged"))
    for most, name, says in (
        (("enlarging", "MOST", 2399), "o.png", "has 40 x 60 pixels, more than the 2399 of a file"),
        (("formats.opening", "MAX_PIXELS", 2399), "o.jpg", "more than the 2399 that JPEG is encoded of: use .png"),
        (("image", "JPEG_SIDE", 59), "o.jpg", "a side of 60 is beyond JPEG's 59"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"srlib.{most[0]}.{most[1]}", most[2])
            assert _upscale(tmp_path / "in.png", tmp_path / name) == 2
            assert says in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def _folder(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "in"
    folder.mkdir()
    for k, name in enumerate(("a.png", "b.jpg", "c.webp")):
        Image.fromarray(NOISE[k:, :, :3]).save(folder / name)
    return folder, tmp_path / "out"


def test_a_folder_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = _folder(tmp_path)
    assert _upscale(folder, out) == 0
    first = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert sorted(first) == ["a.png", "b.jpg", "c.png"]
    capsys.readouterr()
    whole = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(whole[:-30])  # cut short
    assert _upscale(folder, out) == 0
    assert "2 of 3 pictures were there already; --again makes them anew" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == whole
    assert all((out / name).stat().st_mtime_ns == first[name] for name in ("b.jpg", "c.png"))
    os.utime(folder / "b.jpg")  # the source is newer
    assert _upscale(folder, out, "--outscale", "2") == 0
    assert "2 of 3 pictures were there" in capsys.readouterr().err
    assert (out / "b.jpg").stat().st_mtime_ns > first["b.jpg"]
    assert _upscale(folder, out, "--outscale", "1.5") == 0  # of another size: all anew
    assert "were there" not in capsys.readouterr().err
    assert read_size(out / "a.png") == (30, 45)
    before = (out / "c.png").stat().st_mtime_ns
    assert _upscale(folder, out, "--outscale", "1.5", "--again") == 0
    assert (out / "c.png").stat().st_mtime_ns > before
    for name, cut in (("a.tif", 40), ("a.bmp", 40), ("a.jpg", 2)):
        Image.fromarray(NOISE[..., :3]).save(folder / name)
        assert has_its_end(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-cut])
        assert not enlarging.is_done(folder / "a.png", folder / name, 1)


def test_files_that_cannot_be_read_do_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = _folder(tmp_path)
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "bad.tif").write_bytes(b"II*\0nothing")
    (folder / "note.txt").write_text("no picture")
    (folder / "._b.jpg").write_text("what macOS lays beside b.jpg")
    (folder / "deeper").mkdir()
    assert _upscale(folder, out) == 1
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("srlib: ")]
    assert said[0] == "srlib: 2 sub-folders or other files are left out: deeper, note.txt"
    assert "a.png: cannot be decoded" in said[1]
    assert "bad.tif: cannot be decoded" in said[2]
    assert said[3] == "srlib: 2 of 4 pictures could not be enlarged"
    assert sorted(path.name for path in out.iterdir()) == ["b.jpg", "c.png"]


def test_every_failure_names_its_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = _folder(tmp_path)
    locked, full = PermissionError(13, "Permission denied", str(folder / "a.png")), MemoryError("cpu has no room")
    reasons = {"a.png": locked, "b.jpg": full}
    read = image.read_stored

    def guarded(path: Path, *, keep_profile: bool) -> image.Stored:
        if path.name in reasons:
            raise reasons[path.name]
        return read(path, keep_profile=keep_profile)

    monkeypatch.setattr(image, "read_stored", guarded)
    assert _upscale(folder, out) == 1
    told = capsys.readouterr().err
    assert f"srlib: {folder / 'a.png'}: Permission denied" in told
    assert f"srlib: {folder / 'b.jpg'}: cpu has no room" in told


def test_names_that_meet_or_lead_away_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = _folder(tmp_path)
    out.mkdir()
    (tmp_path / "precious.png").write_bytes(b"mine")
    (out / "a.png").symlink_to(tmp_path / "precious.png")
    assert _upscale(folder, out) == 2
    assert f"{out / 'a.png'} is a link that leads out of {out}: remove it" in capsys.readouterr().err
    (out / "a.png").unlink()
    Image.fromarray(NOISE).save(folder / "a.webp")
    assert _upscale(folder, out) == 2
    assert "would both become a.png: rename one of them" in capsys.readouterr().err
    assert not list(out.iterdir())
    assert _upscale(folder, folder) == 2
    assert "would overwrite the pictures" in capsys.readouterr().err
    assert (tmp_path / "precious.png").read_bytes() == b"mine"
    assert _upscale(folder / "a.png", out / "x.png", "--again") == 2
    assert "--again is for folders" in capsys.readouterr().err


def _weights(tmp_path: Path, make: Callable[[], torch.nn.Module]) -> Path:
    torch.manual_seed(0)
    network = make()
    torch.nn.init.constant_(network.conv_last.bias, 0.4)
    zoo.save(network, tmp_path / "net.safetensors", scale=2)
    return tmp_path / "net.safetensors"


def test_remarks_are_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(NOISE[..., :3]).save(tmp_path / "in.png")
    arguments = ["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--model"]
    net = _weights(tmp_path, lambda: A2N(scale=2, num_blocks=1))
    assert cli.main([*arguments, str(net), "--scale", "2", "--tile", "16"]) == 0
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("srlib: ")]
    assert len(said) == 1
    assert "looks at the whole picture at once, and its tiles cannot: at their seams they differ by at most" in said[0]
    net = _weights(tmp_path, lambda: SRResNet(scale=2, channels=4, num_blocks=1))
    assert cli.main([*arguments, str(net), "--tile", "16", "--overlap", "2"]) == 0
    assert "overlap by 2 of the 10 pixels" in capsys.readouterr().err
    assert cli.main([*arguments, str(net), "--tile", "16", "--self-ensemble", "--back-project", "2"]) == 0
    tiled = image.read(tmp_path / "out.png").rgb
    assert cli.main([*arguments, str(net), "--self-ensemble", "--back-project", "2"]) == 0
    assert (tiled - image.read(tmp_path / "out.png").rgb).abs().max() <= 1 / 255 + 1e-6


def test_memory_that_runs_out_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(NOISE.repeat(4, 0).repeat(4, 1)[..., :3]).save(tmp_path / "in.png")
    net = _weights(tmp_path, lambda: SRResNet(scale=2, channels=4, num_blocks=1))
    features = SRResNet.features
    most = [50 * 50]

    def full(self: SRResNet, lr: Tensor) -> Tensor:
        if lr.shape[2] * lr.shape[3] > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return features(self, lr)

    command = ["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--model", str(net)]
    assert cli.main(command) == 0
    whole = image.read(tmp_path / "out.png").rgb
    (tmp_path / "out.png").unlink()
    capsys.readouterr()
    monkeypatch.setattr(SRResNet, "features", full)
    assert cli.main(command) == 0
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("srlib: cpu")]
    assert said == [
        "srlib: cpu has no room for 80 x 120 pixels at once: on with tiles of 60",
        "srlib: cpu has no room for 40 x 60 pixels at once: on with tiles of 32",  # 50 x 70 with the halo of 10
    ]
    assert (image.read(tmp_path / "out.png").rgb - whole).abs().max() <= 1 / 255 + 1e-6
    (tmp_path / "out.png").unlink()
    most[0] = 10
    assert cli.main(command) == 2
    assert "cpu has no room to enlarge" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "net.safetensors"]
