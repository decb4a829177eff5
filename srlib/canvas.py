"""A large picture on disk while it is made: tiles are laid on it in any order, a file is written from its rows."""

import errno
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlib import resize
from srlib.files import atomically
from srlib.formats import png
from srlib.image import quantise, to_float
from srlib.tiles import Box

IN_MEMORY = 1 << 27  # bytes: a larger canvas lies on disk
_BAND = 1 << 23  # bytes of rows that are written at once


class Canvas:
    """Samples (H, W, C) of 8 or 16 bits in a file without a name, which is gone when it is closed.

    size (height, width); channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; folder: where the file lies, if it
    does not fit into IN_MEMORY bytes. Raises OSError if the disk has no room.
    """

    def __init__(self, size: tuple[int, int], channels: int, bits: int, folder: Path) -> None:
        self.size, self.channels, self.bits, self.folder = size, channels, bits, folder
        self.dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
        self._pixel = channels * self.dtype.itemsize
        self.bytes = size[0] * size[1] * self._pixel
        self._file: BinaryIO = BytesIO() if self.bytes <= IN_MEMORY else self._on_disk()

    def __enter__(self) -> "Canvas":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _on_disk(self) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self.folder).free) < self.bytes:
            needs = f"{self.folder}: {self.bytes:,} bytes are needed while the picture is made, {free:,} are free"
            raise OSError(errno.ENOSPC, f"{needs}; free some space, or take a smaller scale")
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self.folder))

    def put(self, box: Box, part: Tensor) -> None:
        """Lays a part (1, C, h, w) of floats on a rectangle; what is outside [0, 1] is clipped."""
        steps = quantise(part[0].cpu(), 2**self.bits - 1).permute(1, 2, 0).contiguous().numpy().astype(self.dtype)
        for rows, data in zip(self._runs(box), self._rows_of(steps, box), strict=True):
            self._file.seek(rows)
            self._file.write(data)

    def get(self, box: Box) -> Tensor:
        """A rectangle as floats in [0, 1], (1, C, h, w)."""
        length = self._pixel * box.width * (box.height if self._whole_rows(box) else 1)
        parts = []
        for start in self._runs(box):
            self._file.seek(start)
            parts.append(self._file.read(length))
        steps = np.frombuffer(b"".join(parts), self.dtype).reshape(box.height, box.width, self.channels)
        return to_float(torch.from_numpy(steps.transpose(2, 0, 1).copy()))[None]

    def resized(self, size: tuple[int, int], bits: int) -> "Canvas":
        """Another canvas with the same picture at another size, by MATLAB's antialiased bicubic."""
        other = Canvas(size, self.channels, bits, self.folder)
        try:
            for top, rows in resize.resized_rows(
                lambda begin, end: self.get(Box(begin, end, 0, self.size[1])), self.size, size
            ):
                other.put(Box(top, top + rows.shape[2], 0, size[1]), rows)
        except BaseException:
            other.__exit__(None, None, None)
            raise
        return other

    def save(self, path: Path, kind: str, *, profile: bytes | None = None, quality: int = 95) -> None:
        """Writes a file, whole or not at all. kind: PNG, TIFF, or JPEG or BMP, from memory. Raises OSError."""
        atomically(path, lambda part: self._write(part, kind, profile, quality))

    def _write(self, part: Path, kind: str, profile: bytes | None, quality: int) -> None:
        if kind == "PNG":
            with part.open("wb") as file:
                png.write(file, self._bands(), size=self.size, channels=self.channels, bits=self.bits, profile=profile)
        elif kind == "TIFF":
            self._write_tiff(part, profile)
        else:
            from PIL import Image

            self._file.seek(0)
            flat = np.frombuffer(self._file.read(self.bytes), self.dtype).reshape(*self.size, self.channels)
            options: dict[str, Any] = {"quality": quality, "subsampling": 0} if kind == "JPEG" else {}
            if profile and kind == "JPEG":
                options["icc_profile"] = profile
            Image.fromarray(flat[..., 0] if self.channels == 1 else flat).save(part, format=kind, **options)

    def _write_tiff(self, part: Path, profile: bytes | None) -> None:
        from tifffile import imwrite

        grey = self.channels <= 2
        shape = self.size if self.channels == 1 else (*self.size, self.channels)
        imwrite(
            part,
            self._strips(),
            byteorder="<",
            shape=shape,
            dtype=self.dtype,
            rowsperstrip=self._band_rows,
            photometric="minisblack" if grey else "rgb",
            planarconfig=None if self.channels == 1 else "contig",
            extrasamples=["unassalpha"] if self.channels in (2, 4) else None,
            compression="zlib",
            predictor=True,
            metadata=None,
            iccprofile=profile,
            bigtiff=self.bytes > 1 << 31,
        )

    @property
    def _band_rows(self) -> int:
        return max(_BAND // (self.size[1] * self._pixel), 1)

    def _bands(self) -> Iterator[NDArray[Any]]:
        """The rows from top to bottom, (n, W, C)."""
        row = self.size[1] * self._pixel
        for top in range(0, self.size[0], self._band_rows):
            count = min(self._band_rows, self.size[0] - top)
            self._file.seek(top * row)
            yield np.frombuffer(self._file.read(count * row), self.dtype).reshape(count, self.size[1], self.channels)

    def _strips(self) -> Iterator[bytes]:
        """The same as TIFF packs them: differences from the left neighbour, compressed."""
        for band in self._bands():
            steps = band.copy()
            steps[:, 1:] -= band[:, :-1]
            yield zlib.compress(steps.astype(self.dtype.newbyteorder("<")).tobytes())

    def _whole_rows(self, box: Box) -> bool:
        return box.width == self.size[1]

    def _runs(self, box: Box) -> list[int]:
        """Where in the file the rows of a rectangle begin; those that follow each other are one."""
        starts = [(row * self.size[1] + box.left) * self._pixel for row in range(box.top, box.bottom)]
        return starts[:1] if self._whole_rows(box) else starts

    def _rows_of(self, steps: NDArray[Any], box: Box) -> list[bytes]:
        return [steps.tobytes()] if self._whole_rows(box) else [row.tobytes() for row in steps]
