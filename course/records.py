"""What the course remembers about a student: a small JSON file for each fact, beside the exercises."""

import json
from pathlib import Path
from typing import Any, Literal

from srlib.files import write_text

Kind = Literal["passed", "failed", "hints", "predictions", "started"]
NAME = ".progress"


def place(folder: Path, kind: Kind, key: str) -> Path:
    """The file of one fact."""
    return folder / NAME / kind / f"{key}.json"


def keep(folder: Path, kind: Kind, key: str, value: dict[str, Any]) -> None:
    """Writes one fact, whole or not at all. Raises OSError."""
    write_text(place(folder, kind, key), json.dumps(value))


def recall(folder: Path, kind: Kind, key: str) -> dict[str, Any] | None:
    """Reads one fact; None if it is not there or is damaged (it is then written anew the next time)."""
    try:
        value = json.loads(place(folder, kind, key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def forget(folder: Path, kind: Kind, key: str) -> None:
    """Takes one fact away. Raises OSError."""
    place(folder, kind, key).unlink(missing_ok=True)


def backups(folder: Path) -> Path:
    """Where the texts go that a reset replaces."""
    return folder / NAME / "backups"
