"""The catalogues of wrong and right answers (tests/mutants, tests/variants) as texts of exercise files."""

import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

from course import stubs
from course.manifest import Lesson, lessons

ROOT = Path(__file__).parents[1]
LESSONS = [lesson for lesson in lessons() if lesson.file]


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise: the whole file with it, and for a wrong one the cause that it must be told."""

    lesson: Lesson
    task: str
    number: int
    text: str
    cause: str

    def __str__(self) -> str:
        return f"{self.task}-{self.number}"


def solution(lesson: Lesson) -> str:
    return (ROOT / "solutions" / str(lesson.file)).read_text(encoding="utf-8")


def catalogue(folder: str) -> list[Answer]:
    """All answers of tests/mutants or tests/variants."""
    found = []
    for lesson in LESSONS:
        path = ROOT / "tests" / folder / f"ex{lesson.id}.toml"
        for task, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
            for number, entry in enumerate(entries, 1):
                text = changed(solution(lesson), task, entry, f"{path.name} {task} number {number}")
                found.append(Answer(lesson, task, number, text, entry.get("cause", "")))
    return found


def changed(text: str, task: str, entry: dict[str, str], where: str) -> str:
    """The solution's text with one exercise answered as the entry says."""
    unknown = entry.keys() - {"cause", "old", "new", "body", "head"}
    assert not unknown, f"{where}: unknown keys {unknown}"
    match = next((found for found in stubs.REGION.finditer(text) if found[2] == task), None)
    assert match, f"{where}: no such exercise"
    if "body" in entry:
        body = textwrap.indent(textwrap.dedent(entry["body"]).strip("\n"), match[1]) + "\n"
    else:
        assert match[3].count(entry["old"]) == 1, f"{where}: `old` stands there {match[3].count(entry['old'])} times"
        body = match[3].replace(entry["old"], entry["new"])
    changed = text[: match.start()] + body + text[match.end() :]
    return (
        changed.replace("import torch\n", f"{entry['head'].strip()}\nimport torch\n", 1) if "head" in entry else changed
    )
