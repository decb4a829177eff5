"""course.toml as values."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Lesson:
    """One lesson; `minutes` from a quick to a thorough reader, `notebook` a file name or None while unwritten."""

    id: str
    title: str
    minutes: tuple[int, int]
    notebook: str | None


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons, in the order of the course."""
    text = Path(__file__).with_name("course.toml").read_text(encoding="utf-8")
    return tuple(
        Lesson(entry["id"], entry["title"], (entry["minutes"][0], entry["minutes"][1]), entry.get("notebook"))
        for entry in tomllib.loads(text)["lesson"]
    )


def find(lesson_id: str) -> Lesson:
    """The lesson with this number. Raises ValueError naming the known ones."""
    for lesson in lessons():
        if lesson.id == lesson_id.zfill(2):
            return lesson
    raise ValueError(f"lesson {lesson_id!r} is not known: choose one of {', '.join(x.id for x in lessons())}")
