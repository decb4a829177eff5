"""Picture files <-> tensors: the only door for uint8, PIL, alpha, grey, 16 bit, EXIF and ICC."""

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlib.files import atomically
from srlib.formats import png
from srlib.formats.decoding import decode
from srlib.formats.headers import count_frames
from srlib.tiles import Box

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
JPEG_SIDE = 65_500  # libjpeg's JPEG_MAX_DIMENSION
_SLACK = 1e-6  # beyond [0, 1] by rounding


class Picture(NamedTuple):
    """A picture and what its file was.

    rgb (1, 3, H, W) float32 in [0, 1]; alpha (1, 1, H, W) float32 in [0, 1] or None; bits 8 or 16, of the
    file; grey: the file had one colour channel, which rgb repeats.
    """

    rgb: Tensor
    alpha: Tensor | None
    bits: int
    grey: bool


class Stored(NamedTuple):
    """A picture as its file holds it, in memory once.

    samples (H, W, C) uint8 or uint16, upright: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; profile: the ICC profile
    that they are of, None for sRGB; frames: how many pictures the file has, of which this is the first.
    """

    samples: NDArray[Any]
    profile: bytes | None
    frames: int

    @property
    def size(self) -> tuple[int, int]:
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def bits(self) -> int:
        return 8 * self.samples.itemsize

    @property
    def colours(self) -> int:
        return 1 if self.samples.shape[2] <= 2 else 3

    @property
    def alpha(self) -> bool:
        return self.samples.shape[2] > self.colours

    def rgb(self, box: Box) -> Tensor:
        """The colours of a rectangle, grey repeated: (1, 3, h, w) float32 in [0, 1]."""
        return self._cut(box, slice(self.colours)).repeat(1, 3 // self.colours, 1, 1)

    def opacity(self, box: Box) -> Tensor:
        """The alpha of a rectangle, where there is one: (1, 1, h, w) float32 in [0, 1]."""
        return self._cut(box, slice(self.colours, None))

    def _cut(self, box: Box, channels: slice) -> Tensor:
        return to_float(_tensor(self.samples[box.rows, box.columns, channels]))[None]


def to_uint8(x: Tensor) -> Tensor:
    """Float to uint8, clamped, halves rounded up, so that k / 255 gives k again.

    x float in [0, 1], any shape -> uint8 in 0..255.
    Raises TypeError if x is not float.
    """
    return quantise(x, 255).to(torch.uint8)


def to_float(x: Tensor) -> Tensor:
    """Integer samples to float, by dtype and not by their largest value.

    x uint8 in 0..255 or uint16 in 0..65535, any shape -> float32 in [0, 1].
    Raises TypeError for any other dtype.
    """
    if x.dtype not in (torch.uint8, torch.uint16):
        raise TypeError(f"x is {x.dtype}: only uint8 and uint16 say by themselves which value is white")
    return x.to(torch.float32) / (255 if x.dtype == torch.uint8 else 65535)


def middle(x: Tensor, side: int) -> Tensor:
    """The middle of a picture, at most `side` pixels high and wide: (..., H, W) -> (..., h, w)."""
    top, left = (max(length - side, 0) // 2 for length in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


def read(path: str | Path) -> Picture:
    """A picture file, upright and in sRGB; of several frames the first.

    Raises FileNotFoundError; ImageError if it is damaged, too large or no picture.
    """
    pixels, _ = decode(Path(path))
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
    pixels, _ = decode(Path(path))
    x = _tensor(pixels[..., :1] if pixels.shape[2] <= 2 else pixels[..., :3])
    return (x if x.dtype == torch.uint8 else to_uint8(to_float(x))).expand(3, -1, -1).contiguous()


def read_stored(path: str | Path, *, keep_profile: bool) -> Stored:
    """A picture file, upright, to be cut into rectangles; with keep_profile in its own colours, else in sRGB as `read`.

    Raises as `read`.
    """
    path = Path(path)
    samples, profile = decode(path, keep_profile=keep_profile)
    return Stored(samples, profile, count_frames(path))


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
    if kind == "JPEG" and (side := max(x.shape[1:])) > JPEG_SIDE:
        raise ValueError(f"{path}: a side of {side} is beyond JPEG's {JPEG_SIDE}: use .png or .tif")
    steps = quantise(x, 2**bits - 1).permute(1, 2, 0).contiguous().numpy()
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


def quantise(x: Tensor, white: int) -> Tensor:
    """Floats in [0, 1] to whole steps in 0..white, still float; clamped, halves rounded up. Raises TypeError."""
    if not x.is_floating_point():
        raise TypeError(f"x is {x.dtype}: only float has the range [0, 1]; use to_float first")
    x = x if x.dtype == torch.float64 else x.float()  # half precision has fewer steps than 8 bits
    return x.clamp(0, 1).mul(white).add_(0.5).floor_()


def _tensor(pixels: NDArray[Any]) -> Tensor:
    """(H, W, C) array -> (C, H, W) tensor of the same dtype."""
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


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
    buffer = BytesIO()
    if kind == "PNG" and steps.dtype == np.uint16:  # which PIL cannot write in colour
        png.write(buffer, [steps], size=steps.shape[:2], channels=steps.shape[2], bits=16)
        return buffer.getvalue()
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
