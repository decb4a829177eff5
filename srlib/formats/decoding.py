"""The samples of a picture file as it holds them: grey or RGB, with or without alpha, 8 or 16 bits, upright."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlib.formats import png, profiles
from srlib.formats.opening import (
    ICC_PROFILE,
    ORIENTATION,
    TIFF_MAGIC,
    ImageError,
    explained,
    head_of,
    opened,
    orientation_of,
    tiff_page,
)

_SIMPLER = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}  # PIL modes


def decode(path: Path, *, keep_profile: bool = False) -> tuple[NDArray[Any], bytes | None]:
    """(H, W, C) uint8 or uint16; C is 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; and the profile it is still of."""
    with explained(path):
        head = head_of(path)
        if head.startswith(TIFF_MAGIC):
            return _decode_tiff(path, keep_profile)
        if head.startswith(png.MAGIC):
            with opened(path) as image:
                image.verify()  # the checksums, which decoding skips
        depth = head[24] if head.startswith(png.MAGIC) else 8
        with opened(path) as image:
            orientation, deep = orientation_of(image), depth == 16
            kept = profiles.kept(image.info.get("icc_profile"), _colours_of(image)) if keep_profile else None
            pixels = _decode_png16(image, path, kept) if deep else _decode_8bit(image, path, depth, kept)
            return _upright(pixels, orientation), kept


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


def _decode_8bit(image: Any, path: Path, depth: int, kept: bytes | None) -> NDArray[Any]:
    opaque = "RGBA" if image.mode == "PA" or image.has_transparency_data else "RGB"
    mode = opaque if image.mode in ("P", "PA") else _SIMPLER.get(image.mode, image.mode)
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageError(f"{path}: has samples of mode {image.mode}; export it as grey or RGB, 8 or 16 bits")
    whole = image if image.mode == mode else image.convert(mode)
    colours = whole.convert(mode.removesuffix("A")) if mode.endswith("A") else whole
    srgb = _in_srgb(colours, None if kept else image.info.get("icc_profile"), path)
    if mode.endswith("A"):
        return np.dstack([srgb, np.asarray(whole.getchannel("A"))])
    key = image.info.get("transparency")
    if key is None:
        return np.atleast_3d(srgb)
    # PIL widens 2 and 4 bit grey to 8 bits, but not the transparent value
    return np.dstack([srgb, _visible(np.atleast_3d(colours), np.asarray(key) * {2: 85, 4: 17}.get(depth, 1))])


def _in_srgb(colours: Any, profile: bytes | None, path: Path) -> Any:
    """A PIL image of mode L, RGB or CMYK -> L or RGB."""
    transform = profiles.to_srgb(profile, colours.mode, path)
    if transform is None:
        return colours.convert("RGB") if colours.mode == "CMYK" else colours
    srgb = transform.apply(colours.convert(transform.input_mode))
    return srgb.getchannel("G") if colours.mode == "L" else srgb


def _visible(pixels: NDArray[Any], key: Any) -> NDArray[Any]:
    """Alpha of a picture in which one colour means transparent."""
    visible = (pixels != np.asarray(key)).any(-1, keepdims=True)
    return visible * np.array(np.iinfo(pixels.dtype).max, pixels.dtype)


def _decode_png16(image: Any, path: Path, kept: bytes | None) -> NDArray[Any]:
    key, profile, tile = image.info.get("transparency"), image.info.get("icc_profile"), image.tile[0]
    if image.mode.startswith("I"):  # grey
        pixels = np.asarray(image).astype(np.uint16)[..., None]
    elif tile.args == "LA;16B":  # the same four bytes, each as a channel
        image.tile = [tile._replace(args="RGBA")]
        pixels = np.asarray(image).view(">u2").astype(np.uint16)
    else:  # PIL keeps the first byte of each sample; asked for the other byte order, the second
        with opened(path) as again:
            again.tile = [tile._replace(args=tile.args.replace(";16B", ";16L"))]
            pixels = np.asarray(image).astype(np.uint16) * 256 + np.asarray(again)
    profiles.warn_unapplied(None if kept else profile, pixels.shape[2], path)
    return pixels if key is None else np.dstack([pixels, _visible(pixels, key)])


def _decode_tiff(path: Path, keep_profile: bool) -> tuple[NDArray[Any], bytes | None]:
    with tiff_page(path) as page:
        if page.bitspersample == 16 and page.dtype == np.uint16:
            mode = "L" if page.photometric in (0, 1) else "RGB"
            kept = profiles.kept(page.tags.valueof(ICC_PROFILE), mode) if keep_profile else None
            return _decode_tiff16(page, path, kept), kept
        if page.dtype not in (np.uint8, np.bool_):
            raise ImageError(f"{path}: its samples are {page.dtype}; export it with unsigned 8 or 16 bits")
    with opened(path) as image:
        kept = profiles.kept(image.info.get("icc_profile"), _colours_of(image)) if keep_profile else None
        return _decode_8bit(image, path, 8, kept), kept  # PIL turns a TIFF upright by itself


def _decode_tiff16(page: Any, path: Path, kept: bytes | None) -> NDArray[Any]:
    stored = page.asarray(squeeze=False)  # (planes, depth, H, W, samples); one of planes and samples is 1
    pixels = np.moveaxis(stored[:, 0], 0, -1).reshape(*stored.shape[2:4], -1)
    colours = {0: 1, 1: 1, 2: 3}.get(int(page.photometric), 0)  # white is zero, black is zero, RGB
    extra = pixels.shape[2] - colours
    meaning = int(page.extrasamples[0]) if page.extrasamples else 2  # 0 unknown, 1 premultiplied, 2 plain
    if not colours or extra not in (0, 1) or meaning == 1 or stored.shape[1] != 1:
        raise ImageError(f"{path}: has 16 bits but is not grey or RGB (+ plain alpha); export it as such")
    if page.photometric == 0:
        pixels = np.concatenate([65535 - pixels[..., :1], pixels[..., 1:]], -1)
    profiles.warn_unapplied(None if kept else page.tags.valueof(ICC_PROFILE), pixels.shape[2], path)
    pixels = pixels[..., :colours] if meaning == 0 else pixels
    return _upright(pixels, page.tags.valueof(ORIENTATION, 1))


def _colours_of(image: Any) -> str:
    """L, RGB or CMYK: the mode in which a PIL image's profile is meant, palettes widened."""
    mode = "RGB" if image.mode in ("P", "PA") else _SIMPLER.get(image.mode, image.mode).removesuffix("A")
    return "L" if mode.startswith("I") else mode
