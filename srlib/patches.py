"""Random aligned patches: the training samples, each a pure function of (seed, number)."""

import bisect
import signal
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srlib.resize import imresize


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """Aligned LR and HR patches of pictures that stay decoded in memory as uint8.

    pictures: uint8 (3, H, W) each, H and W free; they are cropped (top left) to a multiple of `scale` and shrunk
    whole by MATLAB's bicubic, so that a patch sees its true neighbours. Sample n is drawn from (seed, n) alone:
    every position of every picture is equally likely, then one of the eight flips and rotations. The same n gives
    the same bytes with any number of workers, in any order, after any resume, on any device.

    Item n -> lr (3, hr_crop / scale, hr_crop / scale) and hr (3, hr_crop, hr_crop), uint8. Pictures smaller than
    hr_crop are left out and counted in `too_small`.
    Raises ValueError if hr_crop is no multiple of scale, or no picture is large enough.
    """

    def __init__(self, pictures: Sequence[Tensor], *, scale: int, hr_crop: int, seed: int) -> None:
        if hr_crop % scale or hr_crop < scale:
            raise ValueError(
                f"hr_crop {hr_crop} is no multiple of scale {scale}: take {max(hr_crop // scale, 1) * scale}"
            )
        fitting = [hr for hr in pictures if min(hr.shape[-2:]) >= hr_crop]
        if not fitting:
            raise ValueError(
                f"none of the {len(pictures)} pictures is {hr_crop} pixels high and wide: "
                "take a smaller hr_crop or larger pictures"
            )
        self.scale, self.lr_crop, self.seed = scale, hr_crop // scale, seed
        self.too_small = len(pictures) - len(fitting)
        self.hr = [crop_to_multiple(hr, scale) for hr in fitting]
        self.lr = [imresize(hr[None], scale=1 / scale)[0] for hr in self.hr]
        self.ends = list(accumulate(self._rows(lr) * self._columns(lr) for lr in self.lr))

    @property
    def bytes(self) -> int:
        """What the pictures, large and small, take in memory."""
        return sum(picture.numel() for picture in (*self.hr, *self.lr))

    def to(self, device: torch.device) -> None:
        """Moves all pictures to a device, where patches are cut from then on."""
        self.lr = [picture.to(device) for picture in self.lr]
        self.hr = [picture.to(device) for picture in self.hr]

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(mixed(self.seed, number))
        place = int(torch.randint(self.ends[-1], (1,), generator=rng))
        turn = int(torch.randint(8, (1,), generator=rng))
        which = bisect.bisect_right(self.ends, place)
        place -= self.ends[which - 1] if which else 0
        top, left = divmod(place, self._columns(self.lr[which]))
        lr = _cut(self.lr[which], top, left, self.lr_crop)
        hr = _cut(self.hr[which], top * self.scale, left * self.scale, self.lr_crop * self.scale)
        return turned(lr, turn), turned(hr, turn)

    def cut(self, numbers: Iterable[int]) -> tuple[Tensor, Tensor]:
        """The samples of these numbers as one batch: uint8 (B, 3, h, w) and (B, 3, hr_crop, hr_crop)."""
        lr, hr = zip(*(self[number] for number in numbers), strict=True)
        return torch.stack(lr), torch.stack(hr)

    def _rows(self, lr: Tensor) -> int:
        return lr.shape[-2] - self.lr_crop + 1

    def _columns(self, lr: Tensor) -> int:
        return lr.shape[-1] - self.lr_crop + 1


def share_of(batch: int, ranks: int) -> int:
    """The patches of a batch that each of several processes takes. Raises ValueError if they do not come out even."""
    if batch % ranks:
        raise ValueError(f"a batch of {batch} cannot be shared by {ranks} processes: take a multiple of {ranks}")
    return batch // ranks


def batches(
    patches: Patches, *, batch: int, first: int, workers: int = 0, rank: int = 0, ranks: int = 1
) -> Iterator[Sequence[Tensor]]:
    """Endless batches (lr, hr), uint8 (batch / ranks, 3, h, w): batch k has the samples k * batch to (k+1) * batch - 1.

    first: the number of the first batch, so that a resumed run goes on where the other one stopped. rank of ranks:
    the part of every batch that one of several processes takes. workers: processes that cut patches ahead, for a CPU
    with cores to spare. Raises ValueError if the batch cannot be shared evenly.
    """
    share = share_of(batch, ranks)
    numbers = (range(k * batch + rank * share, k * batch + (rank + 1) * share) for k in range(first, 1 << 32))
    if not workers:
        return map(patches.cut, numbers)
    own = torch.Generator()  # which the loader draws its workers' seeds from, instead of the global one
    # An iterator as sampler: each of its ranges reaches a worker as one item, the numbers of a batch.
    loader = DataLoader(
        _Batches(patches), None, sampler=numbers, num_workers=workers, generator=own, worker_init_fn=_deaf
    )
    return iter(loader)


def _deaf(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the main one ends the run, and needs batches until then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """The whole batch of a range of numbers as one item."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches

    def __getitem__(self, numbers: range) -> tuple[Tensor, Tensor]:
        return self.patches.cut(numbers)


def crop_to_multiple(picture: Tensor, scale: int) -> Tensor:
    """Crops the bottom and the right so that both sides are multiples of scale: (..., H, W) -> (..., H', W').

    Raises ValueError if a side is shorter than scale.
    """
    height, width = picture.shape[-2:]
    if min(height, width) < scale:
        raise ValueError(f"picture is {height} x {width}: too small for scale {scale}")
    return picture[..., : height // scale * scale, : width // scale * scale]


def sub_images(picture: Tensor, *, side: int = 480, step: int = 240) -> list[Tensor]:
    """Cuts a picture into overlapping squares: (..., H, W) -> (..., side, side) each, row by row.

    Squares begin every `step` pixels; the last row and column are moved inwards to end at the picture's edge. A
    picture smaller than `side` in one direction keeps that side whole. Raises ValueError for a step below 1.
    """
    if side < 1 or step < 1:
        raise ValueError(f"side is {side} and step is {step}: both are at least 1")
    height, width = picture.shape[-2:]
    return [
        picture[..., top : top + side, left : left + side]
        for top in _begins(height, side, step)
        for left in _begins(width, side, step)
    ]


def mixed(seed: int, number: int) -> int:
    """A 32-bit seed for sample `number`: torch's CPU generator looks at no more bits than these.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), applied to both in turn.
    """
    state = 0
    for value in (seed, number):
        state = (state + value + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 32


def turned(picture: Tensor, turn: int) -> Tensor:
    """One of the eight flips and rotations: turn 0..3 are quarter turns, 4..7 the same of the mirror image."""
    if turn >= 4:
        picture = picture.flip(-1)
    return picture.rot90(turn % 4, (-2, -1)).contiguous()


def turned_back(picture: Tensor, turn: int) -> Tensor:
    """Undoes `turned` with the same turn."""
    picture = picture.rot90(-(turn % 4), (-2, -1))
    return (picture.flip(-1) if turn >= 4 else picture).contiguous()


def _begins(length: int, side: int, step: int) -> list[int]:
    last = max(length - side, 0)
    return [*range(0, last, step), last]


def _cut(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture[..., top : top + side, left : left + side]
