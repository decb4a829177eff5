"""Every silent fault of a training folder, planted and found; a clean folder is clean."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms
from torch import Tensor

from srlib import cli, datasets, image
from srlib.data_check import Report, Row, check
from srlib.data_check.alignment import shift
from srlib.datasets import DatasetError
from srlib.pairing import bare, pair
from srlib.resize import imresize

FAULTLESS = {"pictures", "pairs", "LR kernel"}


@pytest.fixture(scope="module")
def photographs() -> dict[str, Tensor]:
    """Five pictures, uint8 (1, 3, 240, 288), with detail everywhere: multiples of 2, 3 and 4."""
    paths = datasets.files("pictures")
    names = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")
    found = {path.stem: image.read_uint8(path) for path in paths if path.stem in names}
    assert sorted(found) == sorted(names)
    return {f"{name}.png": x[None, :, -250:-10, 10:298].contiguous() for name, x in sorted(found.items())}


def pil(x: Tensor) -> Image.Image:
    return Image.fromarray(x[0].permute(1, 2, 0).numpy())


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]


def save(folder: Path, pictures: dict[str, Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, x in pictures.items():
        pil(x).save(folder / name)
    return folder


def matlab(x: Tensor, scale: int = 4) -> Tensor:
    return imresize(x, scale=1 / scale)


def small(pictures: dict[str, Tensor], make: Callable[[Tensor], Tensor] = matlab) -> dict[str, Tensor]:
    return {name: make(x) for name, x in pictures.items()}


def kinds(report: Report) -> set[str]:
    return {row.kind for row in report.rows}


def found(report: Report, kind: str) -> Row:
    row = report.row(kind)
    assert row, f"{kind} is not among {sorted(kinds(report))}"
    assert kind in report.table()
    return row


@pytest.fixture
def folders(tmp_path: Path, photographs: dict[str, Tensor]) -> tuple[Path, Path]:
    """HR and MATLAB's LR of x4, all well."""
    return save(tmp_path / "HR", photographs), save(tmp_path / "LR", small(photographs))


def test_a_clean_pair_of_folders_is_clean(folders: tuple[Path, Path]) -> None:
    report = check(*folders, benchmarks=())
    assert kinds(report) == FAULTLESS
    assert report.is_safe and report.scale == 4
    pictures = found(report, "pictures")
    assert pictures.count == 5 and pictures.figures["pixels"] == 5 * 240 * 288
    assert pictures.examples[:2] == ("0.3 megapixels", "smallest 288x240 (astronaut.png)")
    kernel = found(report, "LR kernel")
    assert kernel.count == 5 and "MATLAB" in kernel.advice and kernel.figures["PSNR, dB"] == 100
    assert kernel.figures["ahead of the next, dB"] > 30
    assert report.table().endswith("nothing wrong")


def interpolated(mode: str, *, antialias: bool = False) -> Callable[[Tensor, int], Tensor]:
    def make(x: Tensor, scale: int) -> Tensor:
        size = (x.shape[2] // scale, x.shape[3] // scale)
        y = F.interpolate(x.float() / 255, size=size, mode=mode, antialias=antialias)
        return y.clamp(0, 1).mul(255).round().to(torch.uint8)

    return make


def by_pil(how: Image.Resampling) -> Callable[[Tensor, int], Tensor]:
    return lambda x, scale: tensor(pil(x).resize((x.shape[3] // scale, x.shape[2] // scale), how))


R = Image.Resampling
MAKERS: dict[str, tuple[Callable[[Tensor, int], Tensor], str, str]] = {
    "matlab": (matlab, "MATLAB", "fact"),
    "matlab in floats": (
        lambda x, scale: imresize(x.double(), scale=1 / scale).clamp(0, 255).round().to(torch.uint8),
        "MATLAB",
        "fact",
    ),
    "PIL bicubic": (by_pil(R.BICUBIC), "PIL", "fact"),
    "torch bicubic": (interpolated("bicubic", antialias=True), "PIL", "fact"),
    "PIL bilinear": (by_pil(R.BILINEAR), "antialiased bilinear", "remark"),
    "PIL box": (by_pil(R.BOX), "area", "remark"),
    "mean": (lambda x, s: F.avg_pool2d(x.float(), s).round().to(torch.uint8), "area", "remark"),
    "PIL Lanczos": (by_pil(R.LANCZOS), "antialiased Lanczos", "remark"),
    "bicubic": (interpolated("bicubic"), "bicubic without antialiasing", "fault"),
    "MATLAB without": (
        lambda x, s: imresize(x, scale=1 / s, antialias=False),
        "bicubic without antialiasing",
        "fault",
    ),
    "bilinear": (interpolated("bilinear"), "bilinear without antialiasing", "fault"),
    "PIL nearest": (by_pil(R.NEAREST), "nearest", "fault"),
    "top left": (lambda x, s: x[..., ::s, ::s], "nearest, top left", "fault"),
}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("maker", MAKERS)
def test_each_way_of_shrinking_is_recognised(
    maker: str, scale: int, tmp_path: Path, photographs: dict[str, Tensor]
) -> None:
    make, name, severity = MAKERS[maker]
    if maker == "bilinear" and scale == 2:  # is then the mean of four pixels
        severity = "remark"
    lr = save(tmp_path / "LR", small(photographs, lambda x: make(x, scale)))
    report = check(save(tmp_path / "HR", photographs), lr, benchmarks=())
    row = found(report, "LR kernel")
    assert report.scale == scale and row.count == 5
    assert row.severity == severity
    fits = row.advice.partition(":")[0].split(" = ")
    assert any(fit.startswith(name) for fit in fits), row.advice
    assert row.figures["PSNR, dB"] > 50 and row.figures["ahead of the next, dB"] > 1
    off = {("PIL nearest", 2): -0.25, ("PIL nearest", 4): -0.125, ("top left", 2): 0.25, ("top left", 3): 1 / 3}
    off[("top left", 4)] = 0.375
    if wanted := off.get((maker, scale)):  # how far the sampled pixel lies from the middle of its block
        place = found(report, "shift")
        assert place.figures == pytest.approx({"right, LR pixels": wanted, "down, LR pixels": wanted}, abs=0.03)
    else:
        assert "shift" not in kinds(report)
    assert report.is_safe == (severity != "fault")


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_large_picture_is_judged_by_its_richest_corner(
    corner: tuple[int, int], tmp_path: Path, photographs: dict[str, Tensor]
) -> None:
    hr = torch.full((1, 3, 480, 600), 90, dtype=torch.uint8)
    top, left = corner[0] * 240, corner[1] * 312
    hr[..., top : top + 240, left : left + 288] = photographs["rocket.png"]
    folders = save(tmp_path / "HR", {"a.png": hr}), save(tmp_path / "LR", {"a.png": matlab(hr, 2)})
    row = found(check(*folders, benchmarks=()), "LR kernel")
    assert row.figures["PSNR, dB"] == 100  # no value is spoilt by the cut
    assert row.figures["ahead of the next, dB"] > 30  # and it is no flat place


def test_compressed_lr_is_near_its_kernel(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    def compressed(x: Tensor) -> Tensor:
        return tensor(Image.open(BytesIO(encoded(matlab(x), "JPEG", quality=98, subsampling=0))))

    lr = save(tmp_path / "LR", small(photographs, compressed))
    row = found(check(save(tmp_path / "HR", photographs), lr, benchmarks=()), "LR kernel")
    assert row.advice.startswith("something near MATLAB") and row.severity == "fact"


def test_what_no_candidate_explains_is_unknown(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    def degraded(x: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(3)
        return (matlab(x) + 15 * torch.randn(x[..., ::4, ::4].shape, generator=rng)).clamp(0, 255).to(torch.uint8)

    lr = save(tmp_path / "LR", small(photographs, degraded))
    report = check(save(tmp_path / "HR", photographs), lr, benchmarks=())
    row = found(report, "LR kernel, unknown")
    assert row.severity == "remark" and row.count == 5 and report.is_safe
    assert row.figures["PSNR, dB"] == pytest.approx(20 * np.log10(255 / 15), abs=1)  # the noise that was added


def test_one_picture_made_in_another_way(folders: tuple[Path, Path], photographs: dict[str, Tensor]) -> None:
    save(folders[1], {"coffee.png": photographs["coffee.png"][..., 1::4, 1::4]})
    report = check(*folders, benchmarks=())
    assert found(report, "LR kernel").count == 4
    other = found(report, "another LR kernel, unknown")  # no program samples there
    assert other.examples == ("coffee.png",)
    save(folders[1], {"coffee.png": photographs["coffee.png"][..., ::4, ::4]})
    other = found(check(*folders, benchmarks=()), "another LR kernel")
    assert other.examples == ("coffee.png",) and other.severity == "fault"


@pytest.mark.parametrize("moved", [(1, 0), (0, -2), (3, 5), (-22, 14)])
def test_a_shift_is_measured(moved: tuple[int, int], tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    def late(x: Tensor) -> Tensor:  # its content lies further down and right
        return matlab(x.roll(moved, (2, 3)))

    lr = save(tmp_path / "LR", small(photographs, late))
    row = found(check(save(tmp_path / "HR", photographs), lr, benchmarks=()), "shift")
    assert row.severity == "fault" and row.count == 5
    wanted = {"right, LR pixels": moved[1] / 4, "down, LR pixels": moved[0] / 4}
    assert row.figures == pytest.approx(wanted, abs=0.03)


def test_shift_of_a_wave_is_exact_and_a_flat_picture_has_none() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")

    def wave(dy: float, dx: float) -> Tensor:
        return 0.5 + 0.1 * torch.sin((x - dx) / 3) + 0.1 * torch.cos((y - dy) / 4) + 0.1 * torch.sin((x + y) / 5)

    def moved(dy: float, dx: float) -> Tensor:
        return wave(dy, dx) - 0.1 * torch.sin((x + y) / 5) + 0.1 * torch.sin((x + y - dx - dy) / 5)

    place = shift(0.8 * moved(0.3, -0.7) + 0.1, wave(0, 0))  # darker and with less contrast, too
    assert place
    assert (place.dy, place.dx) == pytest.approx((0.3, -0.7), abs=1e-3)
    assert place.correlation == pytest.approx(1, abs=1e-4)
    assert shift(torch.full((64, 64), 0.5), wave(0, 0)[:, :64]) is None


def test_red_and_blue_exchanged(folders: tuple[Path, Path], photographs: dict[str, Tensor]) -> None:
    exchanged = {name: matlab(photographs[name]).flip(1) for name in ("coffee.png", "rocket.png")}
    save(folders[1], exchanged)
    report = check(*folders, benchmarks=())
    row = found(report, "red and blue exchanged")
    assert row.examples == ("coffee.png", "rocket.png") and row.severity == "fault"
    assert found(report, "LR kernel").count == 5  # their kernel is still known
    assert kinds(report) == {*FAULTLESS, row.kind}


def test_other_pictures_and_lost_colours(folders: tuple[Path, Path], photographs: dict[str, Tensor]) -> None:
    grey = matlab(photographs["chelsea.png"].float().mean(1, keepdim=True).to(torch.uint8)).expand(1, 3, -1, -1)
    save(folders[1], {"coffee.png": matlab(photographs["rocket.png"]), "chelsea.png": grey})
    report = check(*folders, benchmarks=())
    assert found(report, "different pictures").examples == ("coffee.png",)
    assert found(report, "LR without colours").examples == ("chelsea.png",)


def test_folders_mixed_up(folders: tuple[Path, Path]) -> None:
    row = found(check(folders[1], folders[0], benchmarks=(), hr_crop=48), "LR larger than HR")
    assert row.count == 5 and row.severity == "fault" and "exchange" in row.advice
    assert row.examples[0] == "astronaut.png (HR 72x60, LR 288x240)"


def test_sizes_that_do_not_fit(folders: tuple[Path, Path], photographs: dict[str, Tensor]) -> None:
    rocket = photographs["rocket.png"]
    save(folders[0], {"coffee.png": F.pad(photographs["coffee.png"], (0, 3, 0, 1))})
    save(folders[1], {"chelsea.png": matlab(photographs["chelsea.png"], 3), "rocket.png": rocket})
    report = check(*folders, benchmarks=())
    assert report.scale == 4
    assert found(report, "HR to crop").examples == ("coffee.png (HR 291x241, LR 72x60)",)
    assert found(report, "size ratio").examples == ("chelsea.png (HR 288x240, LR 96x80)",)
    assert found(report, "LR as large as HR").examples == ("rocket.png (HR 288x240, LR 288x240)",)
    assert found(report, "LR kernel").count == 3  # the one to crop among them
    assert found(check(*folders, scale=3, benchmarks=()), "size ratio").count == 3


def test_marks_in_names() -> None:
    alike = (
        "0001x4.png",
        "0001_LR.jpg",
        "0001.PNG",
        "lr_0001.png",
        "0001_LRx4.png",
        "0001_SRF_4_HR.png",
        "0001-x2.5.bmp",
    )
    assert {bare(Path(name)) for name in alike} == {"0001"}
    assert [bare(Path(name)) for name in ("x4.png", "box.png", "flower.png", "IMG_0012.jpg")] == [
        "x4", "box", "flower", "img_0012"]  # fmt: skip


def test_names_that_end_as_marks_do_keep_their_partners() -> None:
    hr, lr = ([Path(side, f"box{k}{mark}.png") for k in (1, 2)] for side, mark in (("hr", ""), ("lr", "x4")))
    pairing = pair(hr, lr)
    assert pairing.pairs == pairing.renamed == tuple(zip(hr, lr, strict=True))
    assert not (pairing.ambiguous or pairing.without_lr or pairing.without_hr)


def test_names(folders: tuple[Path, Path]) -> None:
    hr, lr = folders
    (lr / "astronaut.png").rename(lr / "astronautx4.png")
    (lr / "chelsea.png").unlink()
    (lr / "coffee.png").rename(lr / "coffee_x4.png")
    (lr / "coffee_x4.png").with_name("coffee_LR.png").write_bytes((lr / "coffee_x4.png").read_bytes())
    (hr / "rocket.png").rename(hr / "shuttle.png")
    report = check(hr, lr, benchmarks=())
    assert found(report, "pairs").count == 2
    assert found(report, "paired by mark").examples == ("astronaut.png with astronautx4.png",)
    assert found(report, "without LR").examples == ("chelsea.png", "shuttle.png")
    assert found(report, "without HR").examples == ("rocket.png",)
    assert found(report, "shared names").examples == ("coffee.png, coffee_LR.png, coffee_x4.png",)
    assert found(report, "LR kernel").count == 2


def encoded(x: Tensor, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    pil(x).save(buffer, kind, **options)
    return buffer.getvalue()


def test_files_that_are_broken_or_not_what_they_say(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    png, jpeg = (encoded(photographs["coffee.png"], kind) for kind in ("PNG", "JPEG"))
    contents = {
        "cut.png": png[: len(png) // 2], "cut.jpg": jpeg[: len(jpeg) // 2], "almost.jpg": jpeg[:-12],
        "flipped.png": png[:5000] + bytes([png[5000] ^ 255]) + png[5001:], "empty.png": b"", "text.jpg": b"hello",
        "good.png": png, "really.png": jpeg, "noted.jpg": jpeg + b"written behind it" * 100,
        "photo.jfif": jpeg, "notes.txt": b"notes",
    }  # fmt: skip
    (tmp_path / "sub").mkdir()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    report = check(tmp_path, benchmarks=())
    broken = [text.partition(" ")[0] for text in found(report, "damaged").examples]
    assert broken == ["almost.jpg", "cut.jpg", "cut.png", "empty.png", "flipped.png", "text.jpg"]
    assert "empty.png (is empty (0 bytes))" in found(report, "damaged").examples
    assert found(report, "wrong suffix").examples == ("really.png (JPEG)",)
    assert found(report, "unread suffix").examples == ("photo.jfif",)
    assert found(report, "other files").examples == ("notes.txt", "sub/")
    assert found(report, "pictures").count == 3
    assert [row.kind for row in report.faults] == ["damaged"]


def test_kinds_of_pictures(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    x = photographs["rocket.png"]
    picture, float_x = pil(x), image.to_float(x)
    turned = Image.Exif()
    turned[274] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.convert("L").save(tmp_path / "grey.png")
    image.write(tmp_path / "alpha.png", float_x, alpha=float_x[:, :1])
    image.write(tmp_path / "deep.png", float_x, bits=16)
    image.write(tmp_path / "deep.tif", float_x, bits=16)
    picture.convert("P").save(tmp_path / "palette.png")
    picture.convert("CMYK").save(tmp_path / "print.jpg")
    picture.save(tmp_path / "turned.jpg", exif=turned)
    picture.save(tmp_path / "profile.png", icc_profile=profile)
    picture.save(tmp_path / "moving.webp", save_all=True, append_images=[picture.rotate(180)])
    picture.save(tmp_path / "plain.bmp")
    report = check(tmp_path, benchmarks=())
    wanted = {
        "grey": ("grey.png",), "alpha": ("alpha.png",), "16 bits": ("deep.png", "deep.tif"),
        "palette": ("palette.png",), "CMYK": ("print.jpg",), "EXIF rotation": ("turned.jpg",),
        "colour profile": ("profile.png",), "several frames": ("moving.webp",),
    }  # fmt: skip
    assert {kind: found(report, kind).examples for kind in wanted} == wanted
    assert report.is_safe and found(report, "pictures").count == 10


def test_a_profile_that_is_not_applied_is_told(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    pil(photographs["coffee.png"]).save(tmp_path / "bad.png", icc_profile=b"no profile at all")
    assert found(check(tmp_path, benchmarks=()), "profile not applied").examples == ("bad.png",)


def test_duplicates_and_benchmarks(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    save(tmp_path, photographs)
    coffee = image.read_uint8(next(p for p in datasets.files("pictures") if p.stem == "coffee"))[None]
    astronaut = image.read_uint8(next(p for p in datasets.files("pictures") if p.stem == "astronaut"))[None]
    pil(photographs["rocket.png"]).save(tmp_path / "twin.bmp")
    pil(photographs["chelsea.png"]).save(tmp_path / "xagain.jpg", quality=40)
    pil(photographs["chelsea.png"]).resize((200, 167)).save(tmp_path / "xhalf.png")
    pil(coffee).save(tmp_path / "leak.jpg", quality=90)
    pil(astronaut).resize((300, 300)).save(tmp_path / "leak_small.png")
    report = check(tmp_path, benchmarks=("pictures/held-out",))
    assert found(report, "duplicates").examples == ("twin.bmp = rocket.png",)
    near = {text.partition(" (")[0] for text in found(report, "near duplicates").examples}
    assert near == {"xagain.jpg ~ chelsea.png", "xhalf.png ~ chelsea.png", "xhalf.png ~ xagain.jpg"}
    leak = found(report, "in pictures/held-out")
    assert leak.examples == ("leak.jpg = coffee.png",) and leak.severity == "fault"
    resized = found(report, "in pictures/held-out, resized")
    assert resized.examples == ("leak_small.png = astronaut.png",) and resized.severity == "remark"
    assert "in pictures/held-out" not in kinds(check("pictures/held-out", benchmarks=("pictures/held-out",)))


def test_past_of_a_picture(tmp_path: Path, photographs: dict[str, Tensor]) -> None:
    x = pil(photographs["chelsea.png"])
    x.save(tmp_path / "plain.png")
    x.save(tmp_path / "strong.jpg", quality=8)
    tensor_of = tensor(Image.open(tmp_path / "strong.jpg"))
    pil(photographs["astronaut.png"]).resize((144, 120), R.BICUBIC).resize((288, 240), R.BICUBIC).save(
        tmp_path / "twice.png"
    )
    pil(tensor_of[..., 3:, 5:]).save(tmp_path / "strong_cut.png")  # the blocks begin elsewhere
    report = check(tmp_path, benchmarks=())
    blocky = [text.partition(" ")[0] for text in found(report, "blocky JPEG").examples]
    assert blocky == ["strong.jpg", "strong_cut.png"]
    assert [text.partition(" ")[0] for text in found(report, "enlarged").examples] == ["twice.png"]
    assert report.is_safe


def test_too_small(folders: tuple[Path, Path], photographs: dict[str, Tensor]) -> None:
    save(folders[0], {"coffee.png": photographs["coffee.png"][..., :95, :]})
    row = found(check(folders[0], benchmarks=()), "too small")
    assert row.examples == ("coffee.png (288x95)",) and row.severity == "remark"
    assert "too small" not in kinds(check(folders[0], benchmarks=(), hr_crop=95))
    row = found(check(folders[0], benchmarks=(), hr_crop=241), "too small")
    assert row.count == 5 and row.severity == "fault"


def test_pictures_too_small_or_flat_to_tell_anything_are_no_fault(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    hr, lr = {}, {}
    for name, (h, w) in {"dot": (4, 4), "thin": (4, 800), "little": (36, 48), "flat": (256, 256)}.items():
        x = torch.from_numpy(rng.integers(0, 256, (1, 3, h, w), dtype=np.uint8))
        hr[f"{name}.png"] = x if name != "flat" else torch.full_like(x, 77)
        lr[f"{name}.png"] = matlab(hr[f"{name}.png"])
    report = check(save(tmp_path / "HR", hr), save(tmp_path / "LR", lr), benchmarks=())
    assert kinds(report) == {*FAULTLESS, "too small"} and report.is_safe
    assert found(report, "LR kernel").examples == ("flat.png", "little.png")


def test_a_set_whose_files_are_missing_or_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="5 of 5 files missing"):
        check("Set5", benchmarks=())
    (tmp_path / "Set5").mkdir()
    Image.new("RGB", (100, 100)).save(tmp_path / "Set5" / "baby.png")
    report = check("Set5", benchmarks=())
    assert found(report, "altered").examples == ("baby.png",)
    assert found(report, "missing").examples == ("bird.png", "butterfly.png", "head.png", "woman.png")


def test_command(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hr, lr = map(str, folders)
    file = tmp_path / "out" / "report.json"
    assert cli.main(["data", "check", hr, "--lr", lr, "--json", str(file)]) == 0
    printed = capsys.readouterr()
    assert "MATLAB's bicubic" in printed.out and "Traceback" not in printed.err
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["safe"] and content["scale"] == 4
    assert {row["kind"] for row in content["rows"]} >= FAULTLESS
    (folders[1] / "coffee.png").write_bytes(b"")
    assert cli.main(["data", "check", hr, "--lr", lr]) == 1
    assert "LR/coffee.png (is empty (0 bytes))" in capsys.readouterr().out
    for wrong in (["nowhere"], [hr, "--lr", hr], [hr, "--scale", "4"], [hr, "--lr", "nowhere"]):
        assert cli.main(["data", "check", *wrong]) == 2
        assert capsys.readouterr().err.startswith("srlib: ")


def test_the_benchmarks_own_files() -> None:
    if not (datasets.root() / "Set5_LR_bicubic_x4_matlab").is_dir():
        pytest.skip("needs MATLAB's own LR of Set5 in SRLIB_DATA")
    report = check("Set5", datasets.root() / "Set5_LR_bicubic_x4_matlab")
    row = found(report, "LR kernel")
    assert row.count == 5 and "MATLAB" in row.advice and row.figures["PSNR, dB"] == 100
    assert report.is_safe


@pytest.mark.parametrize("name", ["Set14", "T91", "BSDS500/train"])
def test_no_false_alarm_on_the_usual_sets(name: str) -> None:
    try:
        datasets.files(name)
    except DatasetError:
        pytest.skip(f"{name} is not in SRLIB_DATA")
    report = check(name)
    true = {
        "Set14": {"grey", "in Set5, resized"},  # face is Set5's head
        "T91": {"too small", "duplicates"},  # t65 has the very pixels of t36
        "BSDS500/train": {"in Set5, resized"},  # 302003 is Set5's woman
    }
    assert kinds(report) == {"pictures"} | true[name]
    assert report.is_safe
