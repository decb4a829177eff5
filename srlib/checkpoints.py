"""A run on disk: everything that it needs to go on, as plain tensors and values, the last few of them."""

import errno
import io
from pathlib import Path
from typing import Any

import torch

from srlib import distributed
from srlib.files import atomically
from srlib.recipes import describe, described_before
from srlib.state import Player, Run

KEPT = 2  # the last so many; the older one is for a newest one that cannot be read
_COUNTS = ("step", "seconds", "waited", "skipped", "skipped_in_a_row", "alone_until", "setbacks")
_PLAIN = (*_COUNTS, "best", "terms", "notes")
_OTHERS = ("recipe", "generator", "average", "optimizer", "scaler", "opponent", "good", "pool", "rng", "precision")
_BUDGET = ("steps", "minutes")  # which a run that goes on may change


def save_checkpoint(run: Run, path: Path) -> None:
    """Writes all that a resumed run needs, as one file that appears whole or not at all. Raises OSError."""
    state = {
        "recipe": describe(run.recipe),
        "generator": run.generator.state_dict(),
        "average": None if run.average is None else run.average.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
        "opponent": None if run.opponent is None else _opponent(run.opponent),
        "good": run.good,
        "pool": None if run.pool is None else run.pool.state_dict(),
        "rng": torch.get_rng_state(),
        "precision": run.precision,
        **{name: getattr(run, name) for name in _PLAIN},
    }
    data = io.BytesIO()  # torch.save to a full disk raises RuntimeErrors without a reason
    torch.save(state, data)
    atomically(path, lambda part: part.write_bytes(data.getbuffer()))


def load_checkpoint(run: Run, path: Path) -> Run:
    """Puts a run back where `save_checkpoint` was called; on the CPU its further steps are bit for bit the same.

    The run keeps the precision that it was started with; only in the saved one are its steps the same.
    Raises ValueError if the file is not a checkpoint of this recipe, and says what differs.
    """
    state = read(path, run.device)
    mine = describe(run.recipe)
    saved = described_before(state["recipe"])
    changed = [
        f"{key} was {saved.get(key)}, is {mine[key]}"
        for key in mine
        if key not in _BUDGET and saved.get(key) != mine[key]
    ]
    if changed:
        way_out = "leave the option out, or use another --out folder"
        raise ValueError(f"{path} belongs to another recipe ({'; '.join(changed)}): {way_out}")
    run.generator.load_state_dict(state["generator"])
    if run.average is not None:
        run.average.load_state_dict(state["average"])
    run.optimizer.load_state_dict(state["optimizer"])
    if state["scaler"]:  # that of another precision than fp16 has no state
        run.scaler.load_state_dict(state["scaler"])
    if run.opponent is not None:
        run.opponent.network.load_state_dict(state["opponent"]["network"])
        run.opponent.optimizer.load_state_dict(state["opponent"]["optimizer"])
        if state["opponent"]["scaler"]:
            run.opponent.scaler.load_state_dict(state["opponent"]["scaler"])
    run.good = state["good"]
    if run.pool is not None and distributed.world().leads:  # the others' pools were not saved, and fill up anew
        run.pool.load_state_dict(state["pool"])
    torch.set_rng_state(state["rng"].cpu())
    for name in _PLAIN:
        setattr(run, name, state[name])
    return run


def _opponent(player: Player) -> dict[str, Any]:
    return {
        "network": player.network.state_dict(),
        "optimizer": player.optimizer.state_dict(),
        "scaler": player.scaler.state_dict(),
    }


def read(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The contents of a checkpoint; nothing in the file is executed.

    Raises ValueError if it is none, OSError or MemoryError if it cannot be read now.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        state.setdefault("pool", None)  # there were runs before there was one
        if missing := {*_OTHERS, *_PLAIN} - state.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except Exception as error:
        if _of_the_machine(error):  # the file may be whole all the same
            raise
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is no checkpoint that can be read ({reason}): start anew in another --out") from error
    return state


def _of_the_machine(error: Exception) -> bool:
    """Whether an error of reading says nothing of the file (in some cut short ones torch seeks before their start)."""
    full = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return full or (isinstance(error, OSError) and error.errno != errno.EINVAL)


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"checkpoint-{step:09}.pt"


def all_in(folder: Path) -> list[Path]:
    """The checkpoints of a run's folder, the oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def newest(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The latest checkpoint that can be read, and its plain values; its tensors, of a game half a gigabyte, are let go.

    Raises ValueError if there is none, OSError or MemoryError if one cannot be read now.
    """
    reasons = []
    for path in reversed(all_in(folder)):
        try:
            state = read(path)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return path, {name: state[name] for name in ("recipe", "precision", *_PLAIN)}
    raise ValueError("; ".join(reasons) or f"{folder} holds no run to resume: leave --resume out to begin one")


def keep(run: Run, folder: Path) -> None:
    """A hook: saves the run, and only then removes all but the last KEPT checkpoints."""
    save_checkpoint(run, path_of(folder, run.step))
    for old in all_in(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
