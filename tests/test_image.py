"""Picture files: every number comes from an array made by hand, or from PIL, tifffile or torchvision."""

import ast
import errno
import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, JpegImagePlugin
from torchvision.io import ImageReadMode, decode_image

from srlib import image
from srlib.formats import opening
from srlib.formats.headers import read_size
from srlib.formats.opening import ImageError
from srlib.image import read, read_uint8, to_float, to_uint8, write

HEIGHT, WIDTH = 5, 7
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")  # the oracle's


def samples(channels: int, bits: int, seed: int = 0) -> np.ndarray:
    """(H, W, C) random samples with both ends of the range."""
    white = 2**bits - 1
    steps = np.random.default_rng(seed).integers(0, white + 1, (HEIGHT, WIDTH, channels))
    steps[0, 0], steps[0, 1] = 0, white
    return steps.astype(np.uint8 if bits == 8 else np.uint16)


def tensor(steps: np.ndarray) -> torch.Tensor:
    """(H, W, C) samples -> (1, C, H, W) float32 in [0, 1]."""
    white = np.float32(np.iinfo(steps.dtype).max)
    return torch.from_numpy(np.ascontiguousarray(steps.astype(np.float32).transpose(2, 0, 1)))[None] / float(white)


def png(lines: Any, *extra: tuple[bytes, bytes], size: tuple[int, int], depth: int, colour: int) -> bytes:
    """A PNG by hand: each row without a filter, extra chunks before the pixels; size (height, width)."""
    rows = b"".join(b"\0" + bytes(row) for row in lines)
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )


def tiff16(height: int, width: int) -> bytes:
    """A grey 16 bit TIFF header by hand that promises height x width samples and has 2 bytes of them."""
    entries = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: 4, 277: 1, 278: height, 279: 2}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + fields + bytes(4)


def profile(space: bytes, columns: np.ndarray) -> bytes:
    """A minimal ICC v2 profile with linear curves; columns: the D50 XYZ of each primary."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    linear, white = b"curv" + struct.pack(">III", 0, 0, 0), (0.9642, 1.0, 0.8249)
    tags = [(b"wtpt", b"XYZ \0\0\0\0" + fixed(*white))]
    if space == b"GRAY":
        tags.append((b"kTRC", linear))
    else:
        for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
            tags += [(name + b"XYZ", b"XYZ \0\0\0\0" + fixed(*column)), (name + b"TRC", linear)]
    table, data, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags:
        table += struct.pack(">4sII", name, start + len(data), len(body))
        data += body
    size = start + len(data)
    head = struct.pack(">I4xI4s4s4s12x4s28x", size, 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    return (head + fixed(*white)).ljust(128, b"\0") + table + data


# D50 colorants of sRGB, red and blue exchanged
SWAPPED = np.array(
    [[0.1430804, 0.3850649, 0.4360747], [0.0606169, 0.7168786, 0.2225045], [0.7141733, 0.0971045, 0.0139322]]
)


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".bmp"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_formats_return_the_same_samples(suffix: str, bits: int, channels: int, tmp_path: Path) -> None:
    steps, path = samples(channels, bits), tmp_path / f"a{suffix}"
    colours = 1 if channels <= 2 else 3
    x = tensor(steps)
    rgb, alpha = x[:, :colours], x[:, colours:] if channels > colours else None
    if suffix == ".bmp" and (bits == 16 or alpha is not None):
        with pytest.raises(ValueError, match=r"use \.png or \.tif"):
            write(path, rgb, alpha=alpha, bits=bits)
        return
    write(path, rgb, alpha=alpha, bits=bits)
    if suffix.lower().startswith(".tif"):
        oracle = tifffile.imread(path)
    elif bits == 16:
        oracle = decode_image(str(path), ImageReadMode.UNCHANGED).numpy().transpose(1, 2, 0)
    else:
        oracle = np.asarray(Image.open(path))
    assert np.array_equal(oracle.reshape(steps.shape), steps)
    picture = read(path)
    assert torch.equal(picture.rgb, rgb.expand(-1, 3, -1, -1))
    assert (picture.bits, picture.grey) == (bits, colours == 1)
    assert (picture.alpha is None) if alpha is None else torch.equal(picture.alpha, alpha)  # type: ignore[arg-type]
    eight = steps[..., :colours] if bits == 8 else np.rint(steps[..., :colours] / 257)
    assert np.array_equal(read_uint8(path).numpy().transpose(1, 2, 0), eight.repeat(3 // colours, axis=2))
    assert read_size(path) == (HEIGHT, WIDTH)


def test_sixteen_bits_go_by_the_dtype_and_not_by_the_largest_value(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "dark.tif", np.full((2, 3), 200, np.uint16))
    picture = read(tmp_path / "dark.tif")
    assert picture.bits == 16
    assert torch.equal(picture.rgb, torch.full((1, 3, 2, 3), 200 / 65535))


def test_jpeg_is_close_and_keeps_colour_detail(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 48, 64)
    rgb = torch.cat([ramp, ramp.flip(3), ramp * 0.5], 1)
    write(tmp_path / "a.jpg", rgb, quality=95)
    assert (read(tmp_path / "a.jpg").rgb - rgb).abs().max() < 4 / 255
    with Image.open(tmp_path / "a.jpg") as opened:
        assert JpegImagePlugin.get_sampling(opened) == 0  # 4:4:4
    write(tmp_path / "b.jpeg", rgb, quality=20)
    assert (tmp_path / "b.jpeg").stat().st_size < (tmp_path / "a.jpg").stat().st_size
    write(tmp_path / "grey.jpg", ramp)
    assert read(tmp_path / "grey.jpg").grey


def test_transparent_colours_and_palettes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    # 16 bit grey + alpha
    path.write_bytes(png([struct.pack(">4H", 0, 65535, 300, 7)], size=(1, 2), depth=16, colour=4))
    picture = read(path)
    assert picture.grey and picture.rgb[0, 1, 0].mul(65535).tolist() == [0, 300]
    assert picture.alpha is not None and picture.alpha.mul(65535).round().flatten().tolist() == [65535, 7]
    # 2 bit grey, 1 bit grey, 16 bit grey, 8 bit RGB and 16 bit RGB with one transparent colour
    key2, rgb_key = (b"tRNS", struct.pack(">H", 1)), (b"tRNS", struct.pack(">3H", 1, 2, 3))
    for rows, key, depth, colour, want, clear in (
        ([[0b00011011]], key2, 2, 0, [0, 85, 170, 255], [1, 0, 1, 1]),
        ([[0b01100000]], key2, 1, 0, [0, 255, 255, 0], [1, 0, 0, 1]),
        ([struct.pack(">4H", 1, 0, 257, 1)], key2, 16, 0, [1 / 257, 0, 1, 1 / 257], [0, 1, 1, 0]),
        ([[1, 2, 3, 1, 2, 4, 9, 2, 3, 1, 2, 3]], rgb_key, 8, 2, [1, 1, 9, 1], [0, 1, 1, 0]),
        ([struct.pack(">12H", 1, 2, 3, 1, 2, 3, 1, 2, 259, 257, 2, 3)], rgb_key, 16, 2, None, [0, 0, 1, 1]),
    ):
        path.write_bytes(png(rows, key, size=(1, 4), depth=depth, colour=colour))
        picture = read(path)
        assert picture.alpha is not None and picture.alpha.flatten().tolist() == clear
        if want is not None:
            assert torch.allclose(picture.rgb[0, 0, 0] * 255, torch.tensor(want, dtype=torch.float32), atol=1e-4)
    # a palette whose entries 0 and 1 are half and fully transparent
    palette = (b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90])), (b"tRNS", bytes([128, 0]))
    path.write_bytes(png([[0, 1, 2]], *palette, size=(1, 3), depth=8, colour=3))
    picture = read(path)
    assert not picture.grey and picture.alpha is not None
    assert picture.alpha.mul(255).round().flatten().tolist() == [128, 0, 255]
    assert read_uint8(path)[:, 0].tolist() == [[10, 40, 70], [20, 50, 80], [30, 60, 90]]


def test_other_modes(tmp_path: Path) -> None:
    black = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.5
    for suffix in ("png", "tif", "bmp"):
        Image.fromarray(~black).save(tmp_path / f"bit.{suffix}")
        assert np.array_equal(read(tmp_path / f"bit.{suffix}").rgb[0, 0].numpy(), np.where(black, 0.0, 1.0))
    inks = np.empty((16, 16, 4), np.uint8)
    inks[:] = (200, 100, 30, 60)
    for suffix in ("tif", "jpg"):  # PIL writes the JPEG inverted, as Adobe does
        Image.fromarray(inks, "CMYK").save(tmp_path / f"inks.{suffix}", quality=100)
        paper = [(255 - ink) * (255 - 60) / 255 for ink in (200, 100, 30)]
        assert np.abs(read_uint8(tmp_path / f"inks.{suffix}")[:, 8, 8].numpy() - paper).max() < 2.5
    steps = samples(3, 16)
    tifffile.imwrite(tmp_path / "white.tif", steps[..., 0], photometric="miniswhite")
    assert torch.equal(read(tmp_path / "white.tif").rgb[:, :1], tensor(65535 - steps[..., :1]))
    planes: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "extratags": [(274, "H", 1, 6, True)]}
    tifffile.imwrite(tmp_path / "planes.tif", steps.transpose(2, 0, 1), **planes)
    assert torch.equal(read(tmp_path / "planes.tif").rgb, tensor(np.rot90(steps, -1)))
    for dtype in ("float32", "int8", "uint32"):
        tifffile.imwrite(tmp_path / "other.tif", np.zeros((4, 4), dtype))
        with pytest.raises(ImageError, match=f"its samples are {dtype}; export"):
            read(tmp_path / "other.tif")


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_orientation(orientation: int, suffix: str, tmp_path: Path) -> None:
    steps, path = samples(3, 8), tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(steps).save(path, exif=exif, lossless=True)
    upright = TURNS[orientation](steps)
    assert np.array_equal(read_uint8(path).numpy().transpose(1, 2, 0), upright)
    assert read_size(path) == upright.shape[:2]


def test_icc_profiles(tmp_path: Path) -> None:
    path, steps = tmp_path / "a.png", samples(3, 8)
    picture = Image.fromarray(steps)
    picture.save(path, icc_profile=profile(b"RGB ", SWAPPED))
    want = srgb_curve(steps[..., ::-1] / 255)
    assert np.abs(read(path).rgb[0].numpy().transpose(1, 2, 0) - want).max() <= 2 / 255
    Image.fromarray(steps[..., 0]).save(path, icc_profile=profile(b"GRAY", SWAPPED))
    assert np.abs(read(path).rgb[0, 2].numpy() - srgb_curve(steps[..., 0] / 255)).max() <= 2 / 255
    assert read(path).grey
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(path, icc_profile=srgb)
    assert torch.equal(read(path).rgb, tensor(steps))
    picture.save(path, icc_profile=b"no profile")
    with pytest.warns(UserWarning, match=r"a\.png: its colour profile is unusable"):
        assert torch.equal(read(path).rgb, tensor(steps))
    deep = samples(3, 16)
    for embedded, warned in ((profile(b"RGB ", SWAPPED), 1), (srgb, 0)):
        tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", iccprofile=embedded)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert torch.equal(read(tmp_path / "deep.tif").rgb, tensor(deep))
        assert [("not applied" in str(w.message)) for w in caught] == [True] * warned


def bad_files() -> dict[str, bytes]:
    """Name -> bytes of files that must be refused."""
    flat = Image.fromarray(samples(3, 8).repeat(9, 0).repeat(9, 1))
    files = {"empty.png": b"", "text.png": b"this is a text\n" * 20, "text.tif": b"II*\0 no TIFF at all"}
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"):
        buffer = io.BytesIO()
        flat.save(buffer, kind)
        files[f"half.{kind.lower()}"] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    deep = io.BytesIO()
    tifffile.imwrite(deep, np.zeros((30, 30, 3), np.uint16), photometric="rgb")
    files["half16.tif"] = deep.getvalue()[: len(deep.getvalue()) // 2]
    whole = bytearray(png([bytes(30)] * 10, size=(10, 10), depth=8, colour=2))
    files["half16.png"] = png(np.arange(600, dtype=np.uint8).reshape(10, 60), size=(10, 10), depth=16, colour=2)[:150]
    whole[45] ^= 1  # one bit among the pixels
    files["flipped.png"] = bytes(whole)
    for name, size in (("bomb", (60_000, 60_000)), ("nothing", (0, 8))):
        files[f"{name}.png"] = png([b"\0"], size=size, depth=8, colour=2)
        files[f"{name}.tif"] = tiff16(*size)
    return files


@pytest.mark.parametrize("name", bad_files())
@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_refuses_what_is_no_whole_picture(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(bad_files()[name])
    why = {"empty": "0 bytes", "text": "no picture|cannot be", "bomb": "60000 x 60000"}.get(name.split(".")[0], "; ")
    for reader in (read, read_uint8):
        with pytest.raises(ImageError, match=why) as caught:
            reader(path)
        assert str(path) in str(caught.value)
    if name.startswith(("empty", "text", "bomb", "nothing")):
        with pytest.raises(ImageError, match=why):
            read_size(path)


def test_refuses_folders_and_missing_files(tmp_path: Path) -> None:
    for reader in (read, read_uint8, read_size):
        with pytest.raises(ImageError, match="is a folder"):
            reader(tmp_path)
        with pytest.raises(FileNotFoundError, match="no such file; check"):
            reader(tmp_path / "missing.png")


def test_the_pixel_limit_is_ours_and_pil_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, path = samples(3, 8), tmp_path / "a.png"
    Image.fromarray(steps).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert torch.equal(read(path).rgb, tensor(steps))
    assert Image.MAX_IMAGE_PIXELS == 10
    monkeypatch.setattr(opening, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    with pytest.raises(ImageError, match="more than 34"):
        read(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_changes_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write(path, torch.zeros(3, 2, 2))
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match=r"a\.png: was not written .* free some space") as caught:
            write(path, torch.ones(3, 2, 2))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == before
    write(path, torch.ones(3, 2, 2))
    assert path.read_bytes() != before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="check the folder"):
        write(path / "b.png", torch.ones(3, 2, 2))
    write(tmp_path / "new" / "a.png", torch.ones(3, 2, 2))
    assert float(read(tmp_path / "new" / "a.png").rgb.min()) == 1


GOOD = torch.full((1, 3, 2, 2), 0.5)


@pytest.mark.parametrize(
    ("rgb", "options", "why"),
    [
        (GOOD + 0.501, {}, r"1\.00\d* .*clamp\(0, 1\)"),
        (GOOD - 0.50001, {}, r"clamp\(0, 1\)"),
        (GOOD * torch.nan, {}, "NaN"),
        (GOOD / 0, {}, "inf"),
        (GOOD.expand(2, -1, -1, -1), {}, "batch of 2"),
        (GOOD[:, :2], {}, "C = 1 or 3"),
        (GOOD[0, 0], {}, r"\(2, 2\)"),
        (GOOD[..., :0], {}, "at least one pixel"),
        (GOOD, {"bits": 12}, "bits is 12"),
        (GOOD, {"quality": 0}, "quality is 0"),
        (GOOD, {"alpha": GOOD[:, :1, :1]}, "one size"),
        (GOOD, {"alpha": GOOD}, "alpha is"),
        (GOOD, {"alpha": GOOD[:, :1] * 3}, "alpha goes from 1.5"),
        (GOOD, {"suffix": ".jpg", "bits": 16}, r"16 bits: use \.png or \.tif"),
        (GOOD, {"suffix": ".bmp", "alpha": GOOD[:, :1]}, r"alpha: use \.png or \.tif"),
        (GOOD, {"suffix": ".jp2"}, r"unknown suffix '\.jp2'"),
        (torch.zeros(1, 1, 70_000), {"suffix": ".jpg"}, "70000 is beyond JPEG's 65500"),
    ],
)
def test_write_refuses_what_a_file_would_cut_off(
    rgb: torch.Tensor, options: dict[str, Any], why: str, tmp_path: Path
) -> None:
    options = dict(options)
    with pytest.raises(ValueError, match=why):
        write(tmp_path / f"a{options.pop('suffix', '.png')}", rgb, **options)
    assert not list(tmp_path.iterdir())


def test_conversions() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(every)), every)
    halves = torch.tensor([0.5 / 255, 0.3, 0.5, -1, 2], dtype=torch.float64)  # 0.3 * 255 = 76.5
    assert to_uint8(halves).tolist() == [1, 77, 128, 0, 255]
    assert to_float(torch.tensor([257, 65535]).to(torch.uint16)).tolist() == [torch.tensor(1 / 255).item(), 1]
    for function, wrong in ((to_uint8, every), (to_float, every.int()), (to_float, every.float())):
        with pytest.raises(TypeError, match=str(wrong.dtype)):
            function(wrong)
    with pytest.raises(TypeError, match="use to_float"):
        write("never.png", every.view(1, 16, 16))


def test_import_stays_light() -> None:
    imports = [node for node in ast.parse(Path(image.__file__).read_text()).body if "Import" in type(node).__name__]
    names = " ".join(ast.unparse(node) for node in imports)
    assert "import torch" in names and not {"PIL", "tifffile", "torchvision"} & set(names.replace(".", " ").split())
