"""Picture files <-> tensors: the only door for uint8, PIL, alpha, grey, 16 bit, EXIF and ICC."""

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlib.files import atomically

MAX_PIXELS = 300_000_000  # a larger header is a decompression bomb until proven otherwise

_READABLE = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION, _ICC_PROFILE = 274, 34675  # TIFF and EXIF tags
_SIMPLER = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}  # PIL modes
_JPEG_SIDE = 65_500  # libjpeg's JPEG_MAX_DIMENSION
_SLACK = 1e-6  # beyond [0, 1] by rounding
_open_lock = threading.Lock()


class ImageError(ValueError):
    """A file that is there but is not a whole, readable picture."""


class Picture(NamedTuple):
    """A picture and what its file was.

    rgb (1, 3, H, W) float32 in [0, 1]; alpha (1, 1, H, W) float32 in [0, 1] or None; bits 8 or 16, of the
    file; grey: the file had one colour channel, which rgb repeats.
    """

    rgb: Tensor
    alpha: Tensor | None
    bits: int
    grey: bool


def to_uint8(x: Tensor) -> Tensor:
    """Float to uint8, clamped, halves rounded up, so that k / 255 gives k again.

    x float in [0, 1], any shape -> uint8 in 0..255.
    Raises TypeError if x is not float.
    """
    return _quantise(x, 255).to(torch.uint8)


def to_float(x: Tensor) -> Tensor:
    """Integer samples to float, by dtype and not by their largest value.

    x uint8 in 0..255 or uint16 in 0..65535, any shape -> float32 in [0, 1].
    Raises TypeError for any other dtype.
    """
    if x.dtype not in (torch.uint8, torch.uint16):
        raise TypeError(f"x is {x.dtype}: only uint8 and uint16 say by themselves which value is white")
    return x.to(torch.float32) / (255 if x.dtype == torch.uint8 else 65535)


def read(path: str | Path) -> Picture:
    """A picture file, upright and in sRGB; of several frames the first.

    Raises FileNotFoundError; ImageError if it is damaged, too large or no picture.
    """
    pixels = _decode(Path(path))
    grey = pixels.shape[2] <= 2
    x = to_float(_tensor(pixels))[None]
    colours = 1 if grey else 3
    alpha = x[:, colours:].contiguous() if x.shape[1] > colours else None
    return Picture(x[:, :colours].repeat(1, 3 // colours, 1, 1), alpha, 8 * pixels.itemsize, grey)


def read_uint8(path: str | Path) -> Tensor:
    """The colours of a picture file without alpha, upright and in sRGB, 16 bits rounded to 8.

    -> (3, H, W) uint8 in 0..255.
    Raises FileNotFoundError; ImageError if it is damaged, too large or no picture.
    """
    pixels = _decode(Path(path))
    x = _tensor(pixels[..., :1] if pixels.shape[2] <= 2 else pixels[..., :3])
    return (x if x.dtype == torch.uint8 else to_uint8(to_float(x))).expand(3, -1, -1).contiguous()


def read_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of a picture file as `read` gives it, from the header alone.

    Raises FileNotFoundError; ImageError if the header is damaged, too large or of no picture.
    """
    path = Path(path)
    with _explained(path):
        if _head(path).startswith(_TIFF_MAGIC):
            with _tiff_page(path) as page:
                height, width = page.imagelength, page.imagewidth
                orientation = page.tags.valueof(_ORIENTATION, 1)
        else:
            with _opened(path) as image:
                width, height = image.size
                orientation = _orientation(image)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def write(path: str | Path, rgb: Tensor, *, alpha: Tensor | None = None, bits: int = 8, quality: int = 95) -> None:
    """A picture file, whole or not at all, in the format of its suffix: .png .jpg .jpeg .bmp .tif .tiff.

    rgb (1, 3, H, W) or (3, H, W), grey (1, 1, H, W) or (1, H, W), alpha (1, 1, H, W) or (1, H, W): float in
    [0, 1]; bits 8, or 16 for PNG and TIFF; quality 1..100 is JPEG's, which keeps full colour detail (4:4:4).
    Raises ValueError for what the file cannot hold; TypeError if not float; OSError if the disk refuses.
    """
    path = Path(path)
    kind = format_of(path, bits=bits, alpha=alpha is not None)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}: use 1..100")
    planes = [_plane(rgb, "rgb", (1, 3))]
    if alpha is not None:
        planes.append(_plane(alpha, "alpha", (1,)))
        if planes[0].shape[1:] != planes[1].shape[1:]:
            raise ValueError(f"rgb is {tuple(rgb.shape)}, alpha {tuple(alpha.shape)}: give them one size")
    x = torch.cat(planes)
    if kind == "JPEG" and (side := max(x.shape[1:])) > _JPEG_SIDE:
        raise ValueError(f"{path}: a side of {side} is beyond JPEG's {_JPEG_SIDE}: use .png or .tif")
    steps = _quantise(x, 2**bits - 1).permute(1, 2, 0).contiguous().numpy()
    data = _encode(steps.astype(np.uint8 if bits == 8 else np.uint16), kind, quality)
    atomically(path, lambda part: part.write_bytes(data))


def format_of(path: Path, *, bits: int, alpha: bool) -> str:
    """The format that `write` will use for a path: PNG, JPEG, BMP or TIFF.

    Raises ValueError for an unknown suffix, and for bits or alpha that the format cannot hold.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: unknown suffix {path.suffix!r}: use one of {' '.join(_FORMATS)}")
    if bits not in (8, 16):
        raise ValueError(f"bits is {bits}: use 8 or 16")
    if kind in ("JPEG", "BMP") and (bits == 16 or alpha):
        what = "16 bits" if bits == 16 else "alpha"
        raise ValueError(f"{path}: {kind} cannot hold {what}: use .png or .tif")
    return kind


def _quantise(x: Tensor, white: int) -> Tensor:
    if not x.is_floating_point():
        raise TypeError(f"x is {x.dtype}: only float has the range [0, 1]; use to_float first")
    x = x if x.dtype == torch.float64 else x.float()  # half precision has fewer steps than 8 bits
    return x.clamp(0, 1).mul(white).add_(0.5).floor_()


def _tensor(pixels: NDArray[Any]) -> Tensor:
    """(H, W, C) array -> (C, H, W) tensor of the same dtype."""
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


def _decode(path: Path) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16; C is 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha."""
    with _explained(path):
        head = _head(path)
        if head.startswith(_TIFF_MAGIC):
            return _decode_tiff(path)
        if head.startswith(_PNG_MAGIC):
            with _opened(path) as image:
                image.verify()  # the checksums, which decoding skips
        depth = head[24] if head.startswith(_PNG_MAGIC) else 8
        with _opened(path) as image:
            orientation = _orientation(image)
            pixels = _decode_png16(image, path) if depth == 16 else _decode_8bit(image, path, depth)
            return _upright(pixels, orientation)


def _head(path: Path) -> bytes:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; check the name and the folder")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; give one picture file inside it")
    with path.open("rb") as file:
        head = file.read(26)
    if not head:
        raise ImageError(f"{path}: is empty (0 bytes); fetch or export it again")
    return head


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever a decoder raises becomes an ImageError that names the file."""
    try:
        yield
    except (ImageError, FileNotFoundError, PermissionError, MemoryError, Warning):
        raise
    except Exception as error:
        way_out = "fetch or export it again"
        if "imagecodecs" in str(error):  # tifffile's optional decoders, such as LZW for 16 bits
            way_out = "install imagecodecs, or export it without compression"
        raise ImageError(f"{path}: cannot be decoded ({error}); {way_out}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A PIL image whose header alone has been read, of an acceptable size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _open_lock:  # PIL's own limit is a global and lower than ours
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path, formats=_READABLE)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError as error:
        kinds = ", ".join(_READABLE)
        raise ImageError(f"{path}: is no picture ({kinds}) of 1 pixel or more; export it again") from error
    with image:
        _check_size(path, image.height, image.width)
        yield image


def _check_size(path: Path, height: int, width: int) -> None:
    says = f"{path}: the header says {width} x {height} pixels"
    if height < 1 or width < 1:
        raise ImageError(f"{says}; export it again")
    if height * width > MAX_PIXELS:
        raise ImageError(f"{says}, more than {MAX_PIXELS}; if you trust it, raise srlib.image.MAX_PIXELS")


def _orientation(image: Any) -> int:
    """EXIF orientation 1..8, from the header."""
    from PIL import Image

    # a PNG's own getexif decodes the picture to look for EXIF behind it, which read_size cannot afford
    value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


def _decode_8bit(image: Any, path: Path, depth: int) -> NDArray[Any]:
    opaque = "RGBA" if image.mode == "PA" or image.has_transparency_data else "RGB"
    mode = opaque if image.mode in ("P", "PA") else _SIMPLER.get(image.mode, image.mode)
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageError(f"{path}: has samples of mode {image.mode}; export it as grey or RGB, 8 or 16 bits")
    whole = image if image.mode == mode else image.convert(mode)
    colours = whole.convert(mode.removesuffix("A")) if mode.endswith("A") else whole
    srgb = _in_srgb(colours, image.info.get("icc_profile"), path)
    if mode.endswith("A"):
        return np.dstack([srgb, np.asarray(whole.getchannel("A"))])
    key = image.info.get("transparency")
    if key is None:
        return np.atleast_3d(srgb)
    # PIL widens 2 and 4 bit grey to 8 bits, but not the transparent value
    return np.dstack([srgb, _visible(np.atleast_3d(colours), np.asarray(key) * {2: 85, 4: 17}.get(depth, 1))])


def _in_srgb(colours: Any, profile: bytes | None, path: Path) -> Any:
    """A PIL image of mode L, RGB or CMYK -> L or RGB."""
    transform = _to_srgb(profile, colours.mode, path)
    if transform is None:
        return colours.convert("RGB") if colours.mode == "CMYK" else colours
    srgb = transform.apply(colours.convert(transform.input_mode))
    return srgb.getchannel("G") if colours.mode == "L" else srgb


def _visible(pixels: NDArray[Any], key: Any) -> NDArray[Any]:
    """Alpha of a picture in which one colour means transparent."""
    visible = (pixels != np.asarray(key)).any(-1, keepdims=True)
    return visible * np.array(np.iinfo(pixels.dtype).max, pixels.dtype)


def _decode_png16(image: Any, path: Path) -> NDArray[Any]:
    key, profile, tile = image.info.get("transparency"), image.info.get("icc_profile"), image.tile[0]
    if image.mode.startswith("I"):  # grey
        pixels = np.asarray(image).astype(np.uint16)[..., None]
    elif tile.args == "LA;16B":  # the same four bytes, each as a channel
        image.tile = [tile._replace(args="RGBA")]
        pixels = np.asarray(image).view(">u2").astype(np.uint16)
    else:  # PIL keeps the first byte of each sample; asked for the other byte order, the second
        with _opened(path) as again:
            again.tile = [tile._replace(args=tile.args.replace(";16B", ";16L"))]
            pixels = np.asarray(image).astype(np.uint16) * 256 + np.asarray(again)
    _warn_profile16(profile, pixels, path)
    return pixels if key is None else np.dstack([pixels, _visible(pixels, key)])


@contextmanager
def _tiff_page(path: Path) -> Iterator[Any]:
    """The first page of a TIFF, of an acceptable size and with all its bytes there."""
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        _check_size(path, page.imagelength, page.imagewidth)
        ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > path.stat().st_size:
            raise ImageError(f"{path}: is cut short; fetch or export it again")
        yield page


def _decode_tiff(path: Path) -> NDArray[Any]:
    with _tiff_page(path) as page:
        if page.bitspersample == 16 and page.dtype == np.uint16:
            return _decode_tiff16(page, path)
        if page.dtype not in (np.uint8, np.bool_):
            raise ImageError(f"{path}: its samples are {page.dtype}; export it with unsigned 8 or 16 bits")
    with _opened(path) as image:
        return _decode_8bit(image, path, 8)  # PIL turns a TIFF upright by itself


def _decode_tiff16(page: Any, path: Path) -> NDArray[Any]:
    stored = page.asarray(squeeze=False)  # (planes, depth, H, W, samples); one of planes and samples is 1
    pixels = np.moveaxis(stored[:, 0], 0, -1).reshape(*stored.shape[2:4], -1)
    colours = {0: 1, 1: 1, 2: 3}.get(int(page.photometric), 0)  # white is zero, black is zero, RGB
    extra = pixels.shape[2] - colours
    meaning = int(page.extrasamples[0]) if page.extrasamples else 2  # 0 unknown, 1 premultiplied, 2 plain
    if not colours or extra not in (0, 1) or meaning == 1 or stored.shape[1] != 1:
        raise ImageError(f"{path}: has 16 bits but is not grey or RGB (+ plain alpha); export it as such")
    if page.photometric == 0:
        pixels = np.concatenate([65535 - pixels[..., :1], pixels[..., 1:]], -1)
    _warn_profile16(page.tags.valueof(_ICC_PROFILE), pixels, path)
    pixels = pixels[..., :colours] if meaning == 0 else pixels
    return _upright(pixels, page.tags.valueof(_ORIENTATION, 1))


def _warn_profile16(profile: bytes | None, pixels: NDArray[Any], path: Path) -> None:
    if _to_srgb(profile, "L" if pixels.shape[2] <= 2 else "RGB", path) is not None:
        fact = f"{path}: its colour profile is not applied, since the file has 16 bits"
        warnings.warn(f"{fact}; convert it to sRGB in an editor", stacklevel=2)


def _to_srgb(profile: bytes | None, mode: str, path: Path) -> Any:
    """The PIL transform from an embedded profile to sRGB; None if there is nothing to change."""
    if not profile:
        return None
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            mode = "RGB"
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        if mode == "L":
            flags |= ImageCms.Flags.NOOPTIMIZE  # whose coarse grid is up to 10 levels wrong in dark grey
        transform = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB", intent, flags=flags)
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        warnings.warn(f"{path}: its colour profile is unusable ({error}); taken as sRGB", stacklevel=2)
        return None
    if mode == "CMYK":
        return transform
    steps = np.arange(0, 256, 15, dtype=np.uint8)  # a profile that moves none of these colours is sRGB itself
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, len(steps), 3)
    probe = Image.fromarray(cube if mode == "RGB" else cube[..., 0])
    moved = np.asarray(transform.apply(probe)).astype(int) - np.asarray(probe.convert("RGB"))
    return transform if abs(moved).max() > 1 else None


def _plane(x: Tensor, name: str, channels: tuple[int, ...]) -> Tensor:
    """(1, C, H, W) or (C, H, W) -> (C, H, W) on the CPU, with nothing that a file would cut off."""
    if x.ndim == 4 and x.shape[0] != 1:
        raise ValueError(f"{name} is {tuple(x.shape)}, a batch of {x.shape[0]}: write them one by one")
    if x.ndim not in (3, 4) or x.shape[-3] not in channels:
        wanted = " or ".join(str(c) for c in channels)
        raise ValueError(f"{name} is {tuple(x.shape)}: it must be (1, C, H, W) or (C, H, W), C = {wanted}")
    if x.numel() == 0:
        raise ValueError(f"{name} is {tuple(x.shape)}: it must have at least one pixel")
    if not x.is_floating_point():
        raise TypeError(f"{name} is {x.dtype}: it must be float in [0, 1]; use to_float first")
    low, high = (float(v) for v in x.detach().aminmax())  # NaN if there is one anywhere
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise ValueError(f"{name} goes from {low} to {high}, not 0 to 1: clamp(0, 1) first, and mend any NaN")
    return x.detach().cpu().reshape(x.shape[-3:])


def _encode(steps: NDArray[Any], kind: str, quality: int) -> bytes:
    """(H, W, C) uint8 or uint16 -> the bytes of a file."""
    if kind == "PNG" and steps.dtype == np.uint16:
        return _encode_png16(steps)
    buffer = BytesIO()
    flat = steps[..., 0] if steps.shape[2] == 1 else steps
    if kind == "TIFF":
        from tifffile import imwrite

        photometric = "minisblack" if steps.shape[2] <= 2 else "rgb"
        layout = "contig" if flat.ndim == 3 else None
        extra = ["unassalpha"] if steps.shape[2] in (2, 4) else None
        imwrite(buffer, flat, photometric=photometric, planarconfig=layout, extrasamples=extra,
                compression="zlib", predictor=True, metadata=None)  # fmt: skip
    else:
        from PIL import Image

        options = {"quality": quality, "subsampling": 0} if kind == "JPEG" else {}
        Image.fromarray(flat).save(buffer, format=kind, **options)
    return buffer.getvalue()


def _encode_png16(steps: NDArray[Any]) -> bytes:
    """PNG with 16 bits, which PIL cannot write in colour."""
    height, width, channels = steps.shape
    step = 2 * channels
    rows = steps.astype(">u2").view(np.uint8).reshape(height, width * step)
    filtered = np.ones((height, 1 + rows.shape[1]), np.uint8)  # each row starts with its filter: 1 is Sub
    filtered[:, 1:] = rows
    filtered[:, 1 + step :] -= rows[:, :-step]
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    file = _PNG_MAGIC
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file
