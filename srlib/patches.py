"""Random aligned patches: the training samples, each a pure function of (seed, number)."""

import bisect
import signal
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srlib.degradations.blur import sharpen
from srlib.degradations.passes import Pass, degrade
from srlib.image import to_float, to_uint8
from srlib.resize import imresize


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """Aligned LR and HR patches of pictures that stay decoded in memory as uint8.

    pictures: uint8 (3, H, W) each, H and W free; they are cropped (top left) to a multiple of `scale` and shrunk
    whole by MATLAB's bicubic, so that a patch sees its true neighbours. Sample n is drawn from (seed, n) alone:
    every position of every picture is equally likely, then one of the eight flips and rotations. The same n gives
    the same bytes with any number of workers, in any order, after any resume, on any device.

    lr: the LR partners of the pictures where they are given, in the same order; nothing is shrunk then.
    passes: a degradation instead of bicubic. Then a square of `canvas` HR pixels (of a smaller picture what it has) is
    cut, sharpened first if `sharpened`, and degraded in a way of its own, and the patch is a part of it, so that it
    has true neighbours, too. The HR patch is as it was. On another kind of device the noise is another.

    Item n -> lr (3, hr_crop / scale, hr_crop / scale) and hr (3, hr_crop, hr_crop), uint8. Pictures smaller than
    hr_crop are left out and counted in `too_small`.
    Raises ValueError if hr_crop is no multiple of scale, no picture is large enough, or `lr` are not the partners of
    the pictures or come with passes.
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        *,
        scale: int,
        hr_crop: int,
        seed: int,
        lr: Sequence[Tensor] | None = None,
        passes: Sequence[Pass] = (),
        canvas: int = 0,
        sharpened: bool = False,
    ) -> None:
        checked_crop(hr_crop, scale)
        if lr is not None:
            _check_partners(pictures, lr, scale, passes)
        large = [min(hr.shape[-2:]) >= hr_crop for hr in pictures]
        fitting = list(compress(pictures, large))
        if not fitting:
            raise ValueError(
                f"none of the {len(pictures)} pictures is {hr_crop} pixels high and wide: "
                "take a smaller hr_crop or larger pictures"
            )
        self.scale, self.lr_crop, self.seed = scale, hr_crop // scale, seed
        self.too_small = len(pictures) - len(fitting)
        self.hr = [crop_to_multiple(hr, scale) for hr in fitting]
        self.passes, self.sharpened = tuple(passes), sharpened
        self.canvas = max(canvas // scale, self.lr_crop) if passes else self.lr_crop  # LR pixels
        self.lr = [] if lr is None else list(compress(lr, large))
        if lr is None and not passes:
            self.lr = [imresize(hr[None], scale=1 / scale)[0] for hr in self.hr]
        self.ends = list(accumulate(rows * columns for rows, columns in map(self._places, self.hr)))

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
        top, left = divmod(place, self._places(self.hr[which])[1])
        hr = _cut(self.hr[which], top * self.scale, left * self.scale, self.canvas * self.scale)
        if self.passes:
            return self._degraded(turned(hr, turn), rng)
        return turned(_cut(self.lr[which], top, left, self.lr_crop), turn), turned(hr, turn)

    def _degraded(self, canvas: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """A patch of a square that is degraded as a whole."""
        hr = to_float(canvas[None])
        [lr], _ = degrade(sharpen(hr) if self.sharpened else hr, scale=self.scale, passes=self.passes, rng=rng)
        top, left = (int(torch.randint(s - self.lr_crop + 1, (1,), generator=rng)) for s in lr.shape[-2:])
        patch = _cut(canvas, top * self.scale, left * self.scale, self.lr_crop * self.scale)
        return to_uint8(_cut(lr, top, left, self.lr_crop)), patch

    def cut(self, numbers: Iterable[int]) -> tuple[Tensor, Tensor]:
        """The samples of these numbers as one batch: uint8 (B, 3, h, w) and (B, 3, hr_crop, hr_crop)."""
        lr, hr = zip(*(self[number] for number in numbers), strict=True)
        return torch.stack(lr), torch.stack(hr)

    def _places(self, hr: Tensor) -> tuple[int, int]:
        """The rows and columns of the LR picture at which what is cut may begin."""
        height, width = (max(side // self.scale - self.canvas, 0) + 1 for side in hr.shape[-2:])
        return height, width


def _check_partners(pictures: Sequence[Tensor], lr: Sequence[Tensor], scale: int, passes: Sequence[Pass]) -> None:
    if passes:
        raise ValueError("lr pictures were given, and passes that would make others: leave either out")
    if len(lr) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures have {len(lr)} LR partners: give one each")
    for number, (large, small) in enumerate(zip(pictures, lr, strict=True)):
        if large.shape[-2:] != (small.shape[-2] * scale, small.shape[-1] * scale):
            sizes = " and its LR partner ".join("{} x {}".format(*x.shape[-2:]) for x in (large, small))
            raise ValueError(f"picture {number} is {sizes}: it must be {scale} times as large")


def checked_crop(hr_crop: int, scale: int) -> None:
    """Raises ValueError if the HR side of a patch is no multiple of the scale."""
    if hr_crop % scale or hr_crop < scale:
        raise ValueError(f"hr_crop {hr_crop} is no multiple of scale {scale}: take {max(hr_crop // scale, 1) * scale}")


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
    """Ctrl-C, and SIGTERM from a scheduler, reach every process; the main one ends the run, and needs batches until
    then.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


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
