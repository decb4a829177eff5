"""How much memory is free, and whether an error says that it is full."""

from collections.abc import Callable
from pathlib import Path

import torch

UNKNOWN = 2 << 30  # bytes, where a machine does not tell: less than any that runs torch has
# What torch says on Linux, on Windows, and of an Apple GPU.
_FULL = ("can't allocate memory", "not enough memory: you tried to allocate", "MPS backend out of memory")
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available(device: torch.device) -> int:
    """The bytes that a device, or the machine, can still give; UNKNOWN where it does not tell."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # kept by torch for reuse
        return torch.cuda.mem_get_info(device)[0] + unused
    asks = {"cpu": (_machine, _container), "mps": (_apple,)}.get(device.type, ())
    told = [found for ask in asks if (found := _asked(ask)) is not None]
    return min(told, default=UNKNOWN)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, of torch or of Python, says that a GPU's or the machine's memory is full."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error) for words in _FULL)


def _asked(ask: Callable[[], int]) -> int | None:
    try:
        return max(ask(), 0)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError):  # another system, or no limit
        return None


def _machine() -> int:
    if _MEMINFO.is_file():  # Linux: what is free, and what the cache of files would give back
        lines = (line.split() for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        return {words[0]: int(words[1]) for words in lines if len(words) > 1}["MemAvailable:"] * 1024
    import psutil

    return int(psutil.virtual_memory().available)


def _apple() -> int:
    """What an Apple GPU recommends to take at most, less what torch has taken."""
    return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()


def _container() -> int:
    """What a container's limit leaves; without one the file says "max", which is no number."""
    limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
    lines = (line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    cache = {key: int(value) for key, value in lines}["inactive_file"]
    return limit - int((_CGROUP / "memory.current").read_text(encoding="ascii")) + cache
