"""Named sets and folders: found, refused with the way out, checked, loaded; archives that want out."""

import hashlib
import io
import os
import random
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import datasets
from srlib.datasets import DatasetError, Remote, files, load
from srlib.download import DownloadError, Job, extract

BODY = random.Random(2).randbytes(300_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def picture(seed: int, side: int = 50) -> bytes:
    """A PNG of noise, as bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 10, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def remote(content: bytes) -> Remote:
    return Remote("http://localhost/x", hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a manifest of small sets, all of them whole."""
    bodies = {
        "Set5": {"b.png": picture(1), "a.png": picture(2), "c.png": picture(3)},
        "BSDS500/train": {"t.png": picture(4)},
        "BSDS500/test": {"s.png": picture(5)},
    }
    for part, contents in bodies.items():
        (tmp_path / "data" / part).mkdir(parents=True)
        for name, content in contents.items():
            (tmp_path / "data" / part / name).write_bytes(content)
    known = {part: {n: remote(c) for n, c in contents.items()} for part, contents in bodies.items()}
    known |= {name: {"x.png": remote(picture(9))} for name in ("Set14", "T91", "ImageNet500")}
    known["DIV2K"] = {name: remote(b"zip") for name in ("DIV2K_train_HR.zip", "DIV2K_valid_HR.zip")}
    monkeypatch.setattr(datasets, "manifest", lambda: known)
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_manifest_counts_and_bytes() -> None:
    manifest = datasets.manifest()
    counts = {part: len(known) for part, known in manifest.items()}
    assert counts == {
        "Set5": 5, "Set14": 14, "T91": 91, "BSDS500/train": 200, "BSDS500/test": 200,
        "ImageNet500": 500, "DIV2K": 2,
    }  # fmt: skip
    assert manifest["DIV2K"]["DIV2K_train_HR.zip"].bytes == 3_530_603_713
    assert manifest["Set5"]["baby.png"].sha256.startswith("cb85956d") and manifest["Set5"]["baby.png"].bytes == 371264
    every = [known for part in manifest.values() for known in part.values()]
    assert all(len(known.sha256) == 64 and known.url.startswith("https://") for known in every)
    assert len({known.url for known in every}) == 1012
    lantern = manifest["ImageNet500"]["n03590841_jack-o'-lantern.JPEG"]
    assert lantern.url.endswith("/n03590841_jack-o%27-lantern.JPEG")
    for known in (path for path in (datasets.root() / "Set5").glob("*.png") if path.name in manifest["Set5"]):
        assert hashlib.sha256(known.read_bytes()).hexdigest() == manifest["Set5"][known.name].sha256


def test_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLIB_DATA", "~/elsewhere")
    assert datasets.root() == Path.home() / "elsewhere"
    monkeypatch.delenv("SRLIB_DATA")
    assert datasets.root().parts[-2:] == ("srlib", "datasets") or os.name == "nt"


def test_whole_set_is_used_as_it_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "fetch_all", lambda jobs, quiet: pytest.fail("asked the net") if jobs else None)
    before = snapshot(data)
    assert [path.name for path in files("Set5", download=True)] == ["a.png", "b.png", "c.png"]
    assert files("BSDS500") == [data / "BSDS500/test/s.png", data / "BSDS500/train/t.png"]
    assert files("BSDS500/train") == [data / "BSDS500/train/t.png"]
    datasets.get("Set5", "BSDS500", "pictures")
    load("Set5")
    datasets.inventory("Set5")
    datasets.status()
    assert snapshot(data) == before


def test_half_a_set(data: Path) -> None:
    (data / "Set5" / "a.png").unlink()
    (data / "Set5" / "b.png").write_bytes(b"short")
    with pytest.raises(DatasetError) as caught:
        files("Set5")
    assert f"Set5 is not in {data / 'Set5'} (2 of 3 files missing, e.g. b.png)" in str(caught.value)
    assert "`srlib data get Set5`" in str(caught.value) and "SRLIB_DATA" in str(caught.value)
    with pytest.raises(DatasetError, match=r"800 of 800 .*e\.g\. 0001\.png.*data get DIV2K`"):
        files("DIV2K")
    rows = {row.name: (row.images, row.state) for row in datasets.status()}
    assert rows == {
        "Set5": (3, "1 of 3"), "Set14": (1, "absent"), "T91": (1, "absent"), "BSDS500": (2, "complete"),
        "ImageNet500": (1, "absent"), "DIV2K": (900, "absent"), "pictures": (9, "built in"),
    }  # fmt: skip
    assert next(row.bytes for row in datasets.status() if row.name == "DIV2K") == 6


def test_get_fetches_what_is_missing_or_damaged(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "Set5" / "a.png").unlink()
    (data / "Set5" / "b.png").write_bytes(bytes(len(picture(1))))  # right size, wrong content
    asked: list[Job] = []

    def fake(jobs: list[Job], quiet: bool) -> None:
        asked.extend(jobs)
        for job in jobs:
            job.path.write_bytes({"a.png": picture(2), "b.png": picture(1)}[job.path.name])

    monkeypatch.setattr(datasets, "fetch_all", fake)
    assert len(files("Set5", download=True)) == 3
    assert [job.path.name for job in asked] == ["b.png", "a.png"]
    assert names(data) == ["BSDS500", "Set5"]  # nothing is left of the look whether it can be written
    assert all(job.sha256 == hashlib.sha256(job.path.read_bytes()).hexdigest() for job in asked)
    with pytest.raises(DatasetError, match="did you mean Set14"):
        datasets.get("set14")


def test_get_div2k_unpacks_and_removes_the_archive(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(jobs: list[Job], quiet: bool) -> None:
        for job in jobs:
            job.path.parent.mkdir(exist_ok=True)
            archive(job.path, {f"DIV2K_valid_HR/{i:04}.png": b"picture" for i in range(801, 901)})

    monkeypatch.setattr(datasets, "fetch_all", fake)
    found = files("DIV2K/valid", download=True)
    assert [path.name for path in (found[0], found[-1])] == ["0801.png", "0900.png"] and len(found) == 100
    assert names(data / "DIV2K") == ["DIV2K_valid_HR"]


def test_root_that_cannot_be_written(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(DatasetError, match=r"file.data cannot be written to .*set SRLIB_DATA"):
        datasets.get("Set5")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("set5", r"did you mean Set5\?\)"),
        ("BSDS500/val", "did you mean BSDS500"),
        ("nonsense", "ImageNet500, DIV2K"),
    ],
)
def test_unknown_names(data: Path, name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=f"'{name}' is neither a known set nor a folder.*{message}"):
        files(name)


def test_a_path_is_always_a_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "here" / "Set5"
    (mine / "deeper").mkdir(parents=True)
    for name in ("B.JPG", "a.tiff", "c.webp", "notes.txt", "deeper/d.png"):
        (mine / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "here")
    assert [path.name for path in files(Path("Set5"))] == ["B.JPG", "a.tiff", "c.webp"]
    assert files("./Set5") == files(Path("Set5")) and len(files("Set5")) == 3 and files("Set5")[0].parent != mine
    (tmp_path / "bare").mkdir()
    with pytest.raises(DatasetError, match="bare holds no pictures"):
        files(tmp_path / "bare")


def test_pictures_of_scikit_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))  # they do not lie there
    train, held = files("pictures/train"), files("pictures/held-out")
    assert not set(train) & set(held) and files("pictures") == sorted(train + held)
    sizes = {
        path.stem: tuple(pixels.shape[1:]) for path, pixels in zip(files("pictures"), load("pictures"), strict=True)
    }
    assert {path.stem: sizes[path.stem] for path in held} == {
        "astronaut": (512, 512), "chelsea": (300, 451), "coffee": (400, 600),
    }  # fmt: skip
    assert {path.stem: sizes[path.stem] for path in train} == {
        "hubble_deep_field": (872, 1000), "ihc": (512, 512), "motorcycle_left": (500, 741),
        "motorcycle_right": (500, 741), "retina": (1411, 1411), "rocket": (427, 640),
    }  # fmt: skip


def test_load_gives_the_pixels_of_pillow(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load(["Set5", data / "BSDS500" / "test"], quiet=False)
    for pixels, path in zip(loaded, [*files("Set5"), data / "BSDS500/test/s.png"], strict=True):
        expected = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
        assert pixels.dtype == torch.uint8 and torch.equal(pixels, expected)
    assert "4/4" in capsys.readouterr().err
    load("Set5")
    assert capsys.readouterr().err == ""


def test_inventory_says_what_is_missing_and_what_has_changed(data: Path, tmp_path: Path) -> None:
    assert datasets.inventory("Set5") == {data / "Set5" / name: "" for name in ("a.png", "b.png", "c.png")}
    (data / "Set5" / "a.png").unlink()
    (data / "Set5" / "b.png").write_bytes(picture(7))
    found = {path.name: objection for path, objection in datasets.inventory("Set5").items()}
    assert found == {"a.png": "missing", "b.png": "not the file of the set (SHA-256 differs)", "c.png": ""}
    assert datasets.inventory(data / "Set5") == {data / "Set5" / name: "" for name in ("b.png", "c.png")}
    with pytest.raises(DatasetError, match="1 of 1 files missing"):
        datasets.inventory("T91")


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((stat.S_IFLNK if name == "link" else stat.S_IFREG) | 0o644) << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def test_extract_and_resume(tmp_path: Path) -> None:
    entries = {"set/1.png": BODY[:1000], "set/2.png": BODY[1000:2000], "set/3.png": BODY[:500]}
    packed, out = archive(tmp_path / "a.zip", entries), tmp_path / "out"
    extract(packed, out)
    before = (out / "set/1.png").stat().st_mtime_ns
    (out / "set/2.png").write_bytes(b"x" * 1000)
    (out / "set/3.png").unlink()
    extract(packed, out)
    assert {f"set/{name}": (out / "set" / name).read_bytes() for name in names(out / "set")} == entries
    assert (out / "set/1.png").stat().st_mtime_ns == before  # kept, not written again


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:/evil", "link"])
def test_extract_refuses_what_leaves_the_folder(tmp_path: Path, name: str) -> None:
    packed = archive(tmp_path / "a.zip", {"good.png": b"1", name: b"../../evil"})
    out = tmp_path / "deep" / "out"
    with pytest.raises(DownloadError, match=r"a\.zip holds .*nothing was unpacked"):
        extract(packed, out)
    assert names(tmp_path) == ["a.zip"] and not out.exists()


def test_extract_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "set").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DownloadError, match="outside of"):
        extract(archive(tmp_path / "a.zip", {"set/evil": b"1"}), tmp_path / "out")
    assert names(tmp_path) == ["a.zip", "out"]


def test_extract_corrupt_and_bomb(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.zip", {"1.png": BODY, "2.png": BODY})
    content = bytearray(packed.read_bytes())
    content[400_000] ^= 255  # inside the second picture
    packed.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DownloadError, match=r"a\.zip is corrupt"):
            extract(packed, tmp_path / "out")
        assert names(tmp_path / "out") == ["1.png"]
        packed.write_bytes(content[:1000])
    bomb = archive(tmp_path / "b.zip", {"1.png": bytes(17 << 20)})
    with pytest.raises(DownloadError, match="far too many"):
        extract(bomb, tmp_path / "bomb")
    assert not (tmp_path / "bomb").exists()
