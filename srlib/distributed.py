"""Several processes, on several GPUs or machines, as one training: started by torchrun, one process for each device."""

import inspect
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class World:
    """The process's place: number `rank` of `size`, number `local` on its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the one process that prints, measures and writes."""
        return self.rank == 0


def world() -> World:
    """The place that torchrun gave this process, or a world of one."""
    return World(*(int(os.environ.get(name, default)) for name, default in _VARIABLES))


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The processes of torchrun meet here (NCCL between GPUs, gloo between CPUs) and part at the end."""
    here = world()
    if here.size == 1:
        yield here
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield here
    finally:
        dist.destroy_process_group()


def own_device(name: str) -> str:
    """The name of the process's own GPU where several are asked for as "cuda"; any other device's as it is."""
    here = world()
    return f"cuda:{here.local}" if name == "cuda" and here.size > 1 else name


def shared(network: nn.Module, device: torch.device) -> nn.Module:
    """The network as all processes train it: gradients are averaged over them in the backward pass."""
    if world().size == 1:
        return network
    if device.type == "cuda":  # elsewhere each process has the batch statistics of its own part
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    from torch.nn.parallel import DistributedDataParallel

    devices = [device.index] if device.type == "cuda" else None
    # A discriminator looks twice before it learns once; buffers must not be sent around in between.
    named = inspect.signature(DistributedDataParallel).parameters
    newer = "forward_sync_buffers" in named  # of which the other one is the older name
    apart: dict[str, Any] = {"forward_sync_buffers" if newer else "broadcast_buffers": False}
    return DistributedDataParallel(network, device_ids=devices, **apart)


def largest(values: Sequence[float], device: torch.device) -> list[float]:
    """Each value's maximum over all processes, so that they decide alike."""
    if world().size == 1:
        return list(values)
    told = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return told.tolist()


def means(values: Sequence[torch.Tensor | float], device: torch.device) -> list[float]:
    """Each value's mean over all processes; a GPU is waited for once."""
    dtype = torch.float32 if device.type == "mps" else torch.float64  # which MPS does not have
    told = torch.stack([torch.as_tensor(value, device=device).to(dtype) for value in values])
    if (size := world().size) > 1:
        dist.all_reduce(told)
        told /= size
    return told.tolist()


_VARIABLES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
