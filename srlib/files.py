"""Writing files so that they appear whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path


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
        reason = f"{path}: was not written ({os.strerror(code)}), an older file stands as it was; {way_out}"
        raise OSError(code, reason) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was begun where the folder itself is wrong
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all. Raises OSError."""
    atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))
