"""How much memory is free, and whether an error says that it is full."""

import os
from collections.abc import Callable
from pathlib import Path

import torch

UNKNOWN = 2 << 30  # bytes, where a machine does not tell: less than any that runs torch has
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available(device: torch.device) -> int:
    """The bytes that a device, or the machine, can still give; UNKNOWN where it does not tell."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # kept by torch for reuse
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu":
        return UNKNOWN
    told = [found for ask in (_machine, _container) if (found := _asked(ask)) is not None]
    return min(told, default=UNKNOWN)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, of torch or of Python, says that a GPU's or the machine's memory is full."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _asked(ask: Callable[[], int]) -> int | None:
    try:
        return max(ask(), 0)
    except (OSError, ValueError, KeyError, AttributeError):  # another system, or no limit set
        return None


def _machine() -> int:
    if _MEMINFO.is_file():  # Linux: what is free, and what the cache of files would give back
        lines = (line.split() for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        return {words[0]: int(words[1]) for words in lines if len(words) > 1}["MemAvailable:"] * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _container() -> int:
    """What a container's limit leaves; without one the file says "max", which is no number."""
    limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
    lines = (line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    cache = {key: int(value) for key, value in lines}["inactive_file"]
    return limit - int((_CGROUP / "memory.current").read_text(encoding="ascii")) + cache
