"""The sampler: aligned, complete, and a pure function of (seed, number)."""

import multiprocessing
import os
import signal

import pytest
import torch
from torch import Tensor

from srlib.patches import Patches, batches, crop_to_multiple, sub_images, turned
from srlib.resize import imresize


def _coordinates(height: int, width: int) -> Tensor:
    """A picture whose pixels say where they are: red the row, green the column."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    return torch.stack([rows, columns, torch.zeros_like(rows)])


def test_lr_is_the_downscale_of_hr_where_hr_is_known(coffee: Tensor) -> None:
    picture = (coffee[0] * 255).round().to(torch.uint8)
    patches = Patches([picture], scale=4, hr_crop=96, seed=3)
    for number in range(40):
        lr, hr = patches[number]
        inside = (..., slice(3, -3), slice(3, -3))  # a patch's own downscale lacks neighbours at its edge
        difference = (imresize(hr[None], scale=0.25)[0].int() - lr.int())[inside].abs()
        assert difference.max() <= 4  # a turned picture is rounded and clipped in the other order
        assert difference.float().mean() < 0.3


def test_patch_is_the_stated_window() -> None:
    patches = Patches([_coordinates(50, 63)], scale=3, hr_crop=12, seed=0)
    for number in range(60):
        _, hr = patches[number]
        top, left = int(hr[0].min()), int(hr[1].min())
        assert top % 3 == left % 3 == 0
        windows = [turned(_coordinates(50, 63)[:, top : top + 12, left : left + 12], turn) for turn in range(8)]
        assert sum(torch.equal(hr, window) for window in windows) == 1


def test_every_position_and_turn_is_equally_likely() -> None:
    # 3 x 2 positions in the first picture, 1 in the second, 8 turns each: 56 cells, 20 expected in each.
    patches = Patches([_coordinates(8, 6), 100 + _coordinates(4, 4)], scale=2, hr_crop=4, seed=1)
    counts: dict[bytes, int] = {}
    for number in range(1120):
        key = patches[number][1].numpy().tobytes()
        counts[key] = counts.get(key, 0) + 1
    chi_square = sum((n - 20) ** 2 / 20 for n in counts.values())
    assert len(counts) == 56
    assert 25 < chi_square < 100  # 55 degrees of freedom: outside by chance once in 10,000


def test_turns_are_the_eight_symmetries() -> None:
    square = torch.arange(9).view(1, 3, 3)
    seen = {tuple(turned(square, turn).flatten().tolist()) for turn in range(8)}
    assert len(seen) == 8
    assert turned(square, 0).flatten().tolist() == list(range(9))
    assert turned(square, 4).flatten().tolist() == [2, 1, 0, 5, 4, 3, 8, 7, 6]


@pytest.mark.parametrize("workers", [0, 2])
def test_same_bytes_for_any_number_of_workers_and_any_start(workers: int) -> None:
    patches = Patches([_coordinates(60, 60)], scale=2, hr_crop=8, seed=5)
    source = batches(patches, batch=4, first=3, workers=workers)
    for number in range(3, 6):
        lr, hr = next(source)
        expected = [patches[number * 4 + k] for k in range(4)]
        assert torch.equal(lr, torch.stack([pair[0] for pair in expected]))
        assert torch.equal(hr, torch.stack([pair[1] for pair in expected]))


@pytest.mark.parametrize("ranks", [2, 4])
def test_processes_share_every_batch_without_repeats(ranks: int) -> None:
    patches = Patches([_coordinates(60, 60)], scale=2, hr_crop=8, seed=5)
    whole = batches(patches, batch=4, first=3)
    parts = [batches(patches, batch=4, first=3, rank=rank, ranks=ranks) for rank in range(ranks)]
    for _ in range(3):
        lr, hr = next(whole)
        shares = [next(part) for part in parts]
        assert torch.equal(torch.cat([share[0] for share in shares]), lr)
        assert torch.equal(torch.cat([share[1] for share in shares]), hr)
    with pytest.raises(ValueError, match="a batch of 4 cannot be shared by 3 processes"):
        batches(patches, batch=4, first=0, rank=0, ranks=3)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signal for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_go_on_after_ctrl_c_and_a_schedulers_signal(number: signal.Signals) -> None:
    patches = Patches([_coordinates(60, 60)], scale=2, hr_crop=8, seed=5)
    source = batches(patches, batch=4, first=0, workers=1)
    next(source)
    for worker in multiprocessing.active_children():
        assert worker.pid is not None
        os.kill(worker.pid, number)
    for number in range(1, 9):
        assert torch.equal(next(source)[1], patches.cut(range(4 * number, 4 * number + 4))[1])


def test_another_seed_draws_other_patches() -> None:
    draws = []
    for seed in (0, 1, 2**20):
        patches = Patches([_coordinates(90, 90)], scale=2, hr_crop=8, seed=seed)
        draws.append(tuple(patches[n][1].numpy().tobytes() for n in range(20)))
    assert len(set(draws)) == 3
    assert all(len(set(draw)) > 15 for draw in draws)


def test_too_small_pictures_are_counted() -> None:
    patches = Patches([_coordinates(8, 8), _coordinates(7, 90)], scale=2, hr_crop=8, seed=0)
    assert patches.too_small == 1
    assert len(patches.hr) == 1


def test_crop_keeps_the_top_left() -> None:
    cropped = crop_to_multiple(_coordinates(11, 14), 3)
    assert torch.equal(cropped, _coordinates(9, 12))


@pytest.mark.parametrize(
    ("sizes", "scale", "hr_crop", "message"),
    [
        ([(40, 40)], 4, 33, "no multiple of scale 4: take 32"),
        ([(40, 20), (9, 9)], 2, 24, "none of the 2 pictures is 24"),
    ],
)
def test_impossible_crops_are_named(sizes: list[tuple[int, int]], scale: int, hr_crop: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Patches([_coordinates(*size) for size in sizes], scale=scale, hr_crop=hr_crop, seed=0)
    with pytest.raises(ValueError, match="too small for scale 9"):
        crop_to_multiple(_coordinates(8, 20), 9)


def test_sub_images_cover_the_picture_and_end_at_its_edge() -> None:
    picture = torch.arange(7 * 10).view(1, 7, 10)
    squares = sub_images(picture, side=4, step=3)
    assert [int(s[0, 0, 0]) for s in squares] == [0, 3, 6, 30, 33, 36]  # rows 0 and 3, columns 0, 3, 6
    assert {int(v) for s in squares for v in s.flatten()} == set(range(70))
    assert [tuple(s.shape) for s in sub_images(picture, side=8, step=8)] == [(1, 7, 8), (1, 7, 8)]
    with pytest.raises(ValueError, match="step is 0"):
        sub_images(picture, side=4, step=0)
