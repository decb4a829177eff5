"""Pictures that are there twice: the same pixels, or the same picture encoded or enlarged again."""

import hashlib
import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Correlation of two thumbnails from which they show the same picture. Among the 1000 pictures of T91, BSDS500,
# ImageNet500 and scikit-image no two different ones of like shape come to 0.9; halved by bicubic or saved as JPEG of
# quality 30, none falls below 0.991.
ALIKE = 0.985
_SIDE = 16  # of the thumbnails
_SAMPLES = 512  # pixels of the shorter side that a thumbnail is made of, at least
_FLAT = 3.0  # levels of standard deviation below which a thumbnail is too flat to know its picture by
_ASPECT = 0.03  # by how much the logarithms of two pictures' width / height may differ
_BLOCK = 2048  # thumbnails compared at once


class Album:
    """Fingerprints of pictures, 1 kB each: their pixels' hash and a small luma thumbnail."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.shapes: dict[str, tuple[int, int]] = {}  # (height, width)
        self._digests: dict[str, str] = {}
        self._thumbs: list[Tensor] = []
        self._aspects: list[float] = []
        self.twins: list[tuple[str, str]] = []

    def add(self, name: str, pixels: Tensor) -> None:
        """pixels uint8 (3, H, W); a picture whose very pixels are already here joins `twins` instead."""
        digest = hashlib.blake2b(pixels.contiguous().numpy().data, person=str(pixels.shape[2]).encode()).hexdigest()
        if (first := self._digests.setdefault(digest, name)) != name:
            self.twins.append((name, first))
            return
        step = max(1, min(pixels.shape[1:]) // _SAMPLES)
        thumb = F.adaptive_avg_pool2d(pixels[:, ::step, ::step].float().mean(0)[None], _SIDE).flatten()
        thumb = thumb - thumb.mean()
        known = float(thumb.std()) > _FLAT
        self.names.append(name)
        self.shapes[name] = (pixels.shape[1], pixels.shape[2])
        self._thumbs.append(F.normalize(thumb, dim=0) if known else torch.zeros_like(thumb))
        self._aspects.append(math.log(pixels.shape[2] / pixels.shape[1]))

    def alike(self, other: "Album | None" = None) -> list[tuple[str, str, float]]:
        """Pairs of pictures that show the same, with their correlation: within this album, or of this and another."""
        others = other or self
        if not self.names or not others.names:
            return []
        mine, theirs = torch.stack(self._thumbs), torch.stack(others._thumbs)
        my_aspects, their_aspects = torch.tensor(self._aspects), torch.tensor(others._aspects)
        found = []
        for begin in range(0, len(mine), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            likeness = mine[rows] @ theirs.T
            fits = (likeness >= ALIKE) & ((my_aspects[rows, None] - their_aspects).abs() < _ASPECT)
            if other is None:  # each pair once, the later picture first
                fits &= torch.arange(len(theirs)) < torch.arange(begin, begin + len(likeness))[:, None]
            for i, j in fits.nonzero().tolist():
                found.append((self.names[begin + i], others.names[j], float(likeness[i, j])))
        return found
