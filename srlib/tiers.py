"""How much of a recipe a device can take: batch and patches for a laptop's CPU, a classroom GPU, a big one."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from srlib import distributed, training
from srlib.inference import out_of_memory
from srlib.precision import Precision
from srlib.recipes import Recipe, crop_unit
from srlib.state import Run

CPU_BATCH, CPU_SIDE = 8, 32  # patches, and their LR pixels a side: 0.2 to 0.4 s a step of SRResNet and A2N on two cores
CPU_GAME_SIDE = 24  # of a game, whose step is that of three networks: 0.8 s of SRGAN on one core
BIG_GPU = 20 * 2**30  # bytes from which a GPU waits for its CPU with the papers' small batches
LARGEST = 4096  # patches that `largest_batch` tries


@dataclass(frozen=True)
class Tier:
    """What one device takes in a step: patches, and their HR pixels a side."""

    batch: int
    hr_crop: int


def tier(recipe: Recipe, device: torch.device) -> Tier:
    """The tier of a device for a recipe that is bound by time: the CPU takes less than the paper, a big GPU more."""
    if device.type == "cpu":
        side = recipe.hr_crop // recipe.scale
        most = CPU_GAME_SIDE if recipe.discriminator else CPU_SIDE
        crop = recipe.hr_crop if recipe.luma else min(side, most) * recipe.scale
        return Tier(min(recipe.batch, CPU_BATCH), crop)
    big = memory_of(device) >= BIG_GPU
    return Tier(2 * recipe.batch if big else recipe.batch, recipe.hr_crop)


def memory_of(device: torch.device) -> int:
    """The bytes of a CUDA device, 0 where they cannot be known."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0


def fits_on(device: torch.device, size: int) -> bool:
    """Whether the decoded pictures may lie on the device itself: a quarter of its memory at most."""
    return size <= memory_of(device) // 4


def largest_batch(recipe: Recipe, device: torch.device, precision: Precision) -> int:
    """The largest power of two of patches for which two training steps fit into the device's memory,
    and which the recipe's pool holds.

    Raises ValueError on a CPU, whose memory ends by the system's ending the process, for one of several processes,
    and if not even one patch fits.
    """
    if (size := distributed.world().size) > 1:
        raise ValueError(f"--auto-batch tries one GPU: find its batch without torchrun, and name {size} times it here")
    if device.type != "cuda":
        raise ValueError(f"--auto-batch tries until the memory of a GPU is full; on {device.type} name --batch")

    def fits(batch: int) -> bool:
        try:
            run = training.start(replace(recipe, warm_up=0), device=device, precision=precision)  # both players learn
            lr, hr = _noise(recipe, batch, device)
            for _ in range(2):
                training.train_step(run, lr, hr)
            return True
        except torch.OutOfMemoryError:
            return False
        finally:
            gc.collect()
            torch.cuda.empty_cache()

    if not (found := _last_that(fits, min(LARGEST, recipe.pool or LARGEST))):
        raise ValueError(f"not even one patch of {recipe.hr_crop} HR pixels fits on {device}: take a smaller --hr-crop")
    return found


def _last_that(fits: Callable[[int], bool], most: int) -> int:
    """The largest power of two, up to most, for which this and all smaller ones hold; 0 for none."""
    size = 1
    while size <= most and fits(size):
        size *= 2
    return size // 2


def _noise(recipe: Recipe, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    large = recipe.hr_crop
    small = large // recipe.scale
    return torch.rand(batch, 3, small, small, device=device), torch.rand(batch, 3, large, large, device=device)


@contextmanager
def ladder(run: Run) -> Iterator[None]:
    """Running out of memory inside the block raises MemoryError with the numbers, and what to lower first."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryError(_steps_down(run)) from error


def _steps_down(run: Run) -> str:
    recipe = run.recipe
    size = memory_of(run.device)
    where = f"{run.device} ({size / 2**30:.1f} GiB)" if size else f"{run.device}"
    lower = []
    if 2 * run.accumulate <= recipe.batch // distributed.world().size:
        lower.append(f"--accumulate {2 * run.accumulate} (the same batch in smaller parts)")
    if run.precision == "fp32" and run.device.type == "cuda":
        lower.append("--precision bf16 (half the memory)")
    if recipe.batch > 1:
        lower.append(f"--batch {recipe.batch // 2}")
    if recipe.hr_crop > 2 * (unit := crop_unit(recipe)):
        lower.append(f"--hr-crop {recipe.hr_crop // 2 // unit * unit}")
    steps = "; ".join(lower) or "a smaller network is what is left"
    return (
        f"{where} has no room for a step of {recipe.batch} patches of {recipe.hr_crop} HR pixels in {run.precision}, "
        f"in {run.accumulate} part(s); what is saved is intact. Lower, in this order: {steps}"
    )
