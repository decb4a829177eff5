"""Several processes, on several GPUs or machines, as one training: started by torchrun, one process for each device."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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

    return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)


def largest(values: Sequence[float], device: torch.device) -> list[float]:
    """Each value's maximum over all processes, so that they decide alike."""
    if world().size == 1:
        return list(values)
    told = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return told.tolist()


def mean(value: float, device: torch.device) -> float:
    """The mean of a value over all processes."""
    here = world()
    if here.size == 1:
        return value
    told = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(told)
    return float(told) / here.size


_VARIABLES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
