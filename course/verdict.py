"""The verdict on one answer, in the words that the notebook, pytest and the command line all show."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from course import records

LIMIT = 4.0  # seconds of computing for one check; they take milliseconds
STRETCH = 3  # times the limit that a check may take by the clock
State = Literal["pass", "fail", "todo"]


@dataclass
class Verdict:
    """What one exercise came to: `text()` says it in at most six lines."""

    id: str
    name: str
    state: State
    seed: int
    checks: int = 0
    check: str = ""  # what was being checked, in a sentence
    expected: str = ""
    got: str = ""
    cause: str = ""
    where: str = ""
    remarks: list[str] = field(default_factory=list)
    printed: str = ""
    fingerprint: str = ""
    pictures: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def text(self) -> str:
        """The message, the same in the notebook, in pytest and on the command line."""
        head = f"{self.state.upper() if self.state != 'todo' else 'todo'} {self.id} {self.name}"
        if self.state == "todo":
            return f"{head}: {self.cause}"
        if self.state == "pass":
            return "\n  note: ".join([f"{head}: all {self.checks} checks, seed {self.seed}", *self.remarks[:5]])
        lines = [f"{head}: {self.check}"]
        lines += [f"  {label:9} {text}" for label, text in (("expected", self.expected), ("got", self.got)) if text]
        lines += [f"  {'cause':9} {self.cause}", f"  {'where':9} {self.where}"]
        again = f'check("{self.id}", seed={self.seed}) or `course check {self.id} --seed {self.seed}`'
        return "\n".join([*lines, f'  again     {again}; help: hint("{self.id}")'])

    def plain(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON knows it."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "pictures"}


def record(verdict: Verdict, folder: Path) -> str:
    """Keeps a pass or a fail, by the answer's fingerprint, in the other's place; gives "", or why it could not."""
    try:
        for state, kind in _KINDS.items():
            if verdict.state == state:
                records.keep(folder, kind, verdict.id, {"fingerprint": verdict.fingerprint})
            else:
                records.forget(folder, kind, verdict.id)
    except OSError as error:
        return f"  this is not remembered: {error}"
    return ""


_KINDS: dict[State, records.Kind] = {"pass": "passed", "fail": "failed"}
