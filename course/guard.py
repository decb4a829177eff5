"""Running a student's code with care: a time limit, a lid on its prints, torch's global settings put back."""

import contextlib
import ctypes
import io
import threading
import time
from collections.abc import Callable, Iterator

import torch

from course.verdict import STRETCH

PRINTED_LINES = 1000  # more than that from one exercise is a print left in a loop
PRINTED_SHOWN = 20


class TimedOut(BaseException):
    """The time limit was reached. Not an Exception, so that `except Exception` in a loop does not swallow it."""


class Spam(BaseException):
    """More lines were printed than anybody reads."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimedOut inside the block once it has run for so long, at the next Python instruction of this thread.

    What counts is the thread's own computing, so that a busy machine makes nobody's answer too slow; an answer that
    waits is stopped after STRETCH times as long by the clock.
    """
    thread, over, lock = threading.get_ident(), threading.Event(), threading.Lock()
    computed = _computing(thread)

    def left() -> float:
        return min(seconds - computed(), STRETCH * seconds - (time.monotonic() - begin))

    def watch() -> None:
        while (wait := left()) > 0:
            if over.wait(max(wait, 0.01)):
                return
        wait = 0.0
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimedOut))
            wait = 0.5  # once more, for code that caught it

    begin = time.monotonic()
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()


def _computing(thread: int) -> Callable[[], float]:
    """Seconds that this thread computes from now on; by the clock where the system does not count them (Windows)."""
    clock = getattr(time, "pthread_getcpuclockid", None)
    if clock is None:
        begin = time.monotonic()
        return lambda: time.monotonic() - begin
    number = clock(thread)
    earlier = time.clock_gettime(number)
    return lambda: time.clock_gettime(number) - earlier


class Printed(io.TextIOBase):
    """Takes what is printed: keeps the first lines, counts all, raises Spam when there are too many."""

    def __init__(self) -> None:
        self.lines = 0
        self.kept = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.lines < PRINTED_SHOWN and len(self.kept) < 4000:
            self.kept += text[:4000]
        self.lines += text.count("\n")
        if self.lines > PRINTED_LINES:
            raise Spam
        return len(text)

    def shown(self) -> str:
        """The first lines, and how many there were in all."""
        first = self.kept.splitlines()[:PRINTED_SHOWN]
        return "\n".join([*first, f"... {self.lines} lines in all"] if self.lines > len(first) else first)


@contextlib.contextmanager
def undisturbed() -> Iterator[Printed]:
    """Collects prints; puts torch's random state, its modes and settings back afterwards.

    Inside there is one thread: the pictures of checks are so small that a second one costs more than it gives. New
    tensors lie on the CPU, whatever the notebook chose, and those of `torch.empty` are NaN: what is never written must
    not be right because the right numbers lay in that memory before.
    """
    grad, dtype, threads, random, determinism = (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_rng_state(),
        torch.get_deterministic_debug_mode(),
    )
    printed, device = Printed(), torch.get_default_device()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("warn")  # torch fills new memory in this mode
    _put_new_tensors_on(torch.device("cpu"))
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield printed
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        _put_new_tensors_on(device)
        torch.set_rng_state(random)
        torch.set_deterministic_debug_mode(determinism)
        torch.set_num_threads(threads)


def _put_new_tensors_on(device: torch.device) -> None:
    """Sets torch's default device if it is another one; for the CPU without a mode, which would slow every call."""
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)
