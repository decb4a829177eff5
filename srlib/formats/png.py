"""Writing PNG row by row, 8 or 16 bits, so that a picture never has to be in memory whole."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x89PNG\r\n\x1a\n"
_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type
_LEVEL = 6  # of zlib: its own default, and PIL's


def write(
    file: BinaryIO,
    bands: Iterable[NDArray[Any]],
    *,
    size: tuple[int, int],
    channels: int,
    bits: int,
    profile: bytes | None = None,
) -> None:
    """A PNG of some bands of rows: each (n, W, channels) uint8 or uint16, together size = (H, W).

    channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha. profile: an ICC profile. Each row is stored as differences
    from its left or its upper neighbours, whichever are smaller. Source: PNG specification, sections 9 and 11.
    """
    file.write(MAGIC)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], bits, _COLOUR[channels], 0, 0, 0))
    if profile:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    packer, step = zlib.compressobj(_LEVEL), channels * bits // 8
    above = np.zeros((1, size[1] * step), np.uint8)
    for band in bands:
        rows = band.astype(">u2").view(np.uint8) if bits == 16 else band
        rows = rows.reshape(len(band), -1)
        _chunk(file, b"IDAT", packer.compress(_filtered(rows, above, step).data))
        above = rows[-1:].copy()
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Each row behind the number of its filter: 1, differences from the left, or 2, from above."""
    left, up = rows.copy(), rows.copy()
    left[:, step:] -= rows[:, :-step]
    up[:1] -= above
    up[1:] -= rows[:-1]
    size = [np.abs(kind.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64) for kind in (left, up)]
    choice = (size[1] < size[0])[:, None]
    return np.concatenate([1 + choice.astype(np.uint8), np.where(choice, up, left)], 1)


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    if data or kind == b"IEND":  # zlib keeps small bands to itself for a while
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
