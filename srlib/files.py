"""Writing files so that they appear whole or not at all."""

import contextlib
import errno
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

PATIENCE = 6.0  # seconds for which another process may stay in a folder: the workers of a killed one do


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls write(temporary path in the same folder), then moves the finished file to `path`.

    The folder is made if it is not there; a link is followed, not replaced. On any failure the old file stays as it
    was and the temporary one is removed. Raises OSError, which says so and names the way out.
    """
    target = path.resolve()
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        code = error.errno or errno.EIO
        way_out = "free some space" if code == errno.ENOSPC else "check the folder"
        older = ", the older file stands as it was" if os.path.lexists(target) else ""
        reason = f"{path}: was not written ({os.strerror(code)}){older}; {way_out}"
        raise OSError(code, reason) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was begun where the folder itself is wrong
            part.unlink(missing_ok=True)


def lock(file: IO[Any]) -> bool:
    """Whether an open file is from now on this process's alone, until it is closed; always where there are no locks."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes that ask for it out of a folder for the time of a block.

    The folder is made; if nothing is left in it then, it goes again. Raises ValueError if another one is in it and
    stays there.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    mark, until = folder / ".lock", time.monotonic() + PATIENCE
    while (file := _taken(mark)) is None:
        if time.monotonic() > until:
            raise ValueError(f"{folder} is being written by another process: wait for it, or choose another folder")
        time.sleep(0.1)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows: it is open
            mark.unlink()
        file.close()
        with contextlib.suppress(OSError):  # something is in it
            for path in new:
                path.rmdir()


def _taken(mark: Path) -> IO[str] | None:
    """The open file, if it is this process's alone now."""
    file = mark.open("w")
    with contextlib.suppress(FileNotFoundError):  # another one is just leaving
        if lock(file) and os.path.samestat(os.fstat(file.fileno()), mark.stat()):
            return file
    file.close()
    return None


def check_writable(folder: Path) -> None:
    """Raises OSError now where `atomically` would in the end; the folder is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        code = errno.ENOTDIR if isinstance(error, FileExistsError) else error.errno or errno.EIO
        raise OSError(code, f"{folder} cannot be written to ({os.strerror(code)}); check the folder") from error


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all. Raises OSError."""
    atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))
