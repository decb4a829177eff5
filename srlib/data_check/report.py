"""What a look at a folder found: rows of a table, and whether one of them is a fault."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from srlib.files import write_text

Severity = Literal["fact", "remark", "fault"]
SHOWN = 3  # examples of a row that the table prints; the JSON has them all


@dataclass(frozen=True)
class Row:
    """One thing found: how many pictures or pairs have it, their names with details, and what to do.

    figures: what was measured, by name with its unit, such as {"right, LR pixels": 0.375}.
    """

    kind: str
    severity: Severity
    count: int
    examples: tuple[str, ...]
    advice: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All rows about a folder and its LR partner; scale is None where there is no LR or none could be inferred."""

    folder: str
    lr: str | None
    scale: int | None
    rows: tuple[Row, ...]

    @property
    def is_safe(self) -> bool:
        """Whether no row is a fault."""
        return not self.faults

    @property
    def faults(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.severity == "fault")

    def row(self, kind: str) -> Row | None:
        """The row of a kind, or None if nothing of it was found."""
        return next((row for row in self.rows if row.kind == kind), None)

    def table(self) -> str:
        """The rows as text, faults last, each with its examples and what to do below."""
        partner = f", LR in {self.lr}, scale {self.scale or 'unknown'}" if self.lr else ""
        lines = [f"{self.folder}{partner}"]
        width = max(len(row.kind) for row in self.rows)
        for row in sorted(self.rows, key=lambda row: ("fact", "remark", "fault").index(row.severity)):
            severity = row.severity.upper() if row.severity == "fault" else row.severity
            lines.append(f"{severity:6}  {row.kind:{width}}  {row.count:6}  {_shown(row.examples)}".rstrip())
            if row.advice:
                lines.append(f"{'':{width + 18}}{row.advice}")
        faults = len(self.faults)
        found = (
            f"{faults} kind{'s' if faults > 1 else ''} of fault: mend before training" if faults else "nothing wrong"
        )
        return "\n".join([*lines, found])

    def write_json(self, path: Path) -> None:
        """Writes all rows with all their examples. Raises OSError."""
        content = {"safe": self.is_safe, **asdict(self)}
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _shown(examples: tuple[str, ...]) -> str:
    more = f" and {len(examples) - SHOWN} more" if len(examples) > SHOWN else ""
    return ", ".join(examples[:SHOWN]) + more
