"""course.toml as values."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One exercise: `name` is the function to write, `level` 1 to 3, `uses` the exercises that it builds on."""

    id: str
    name: str
    title: str
    minutes: int
    level: int
    points: int
    uses: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """One lesson; `minutes` from a quick to a thorough reader, `notebook` and `file` are None while unwritten.

    `needs`: lessons to have done before; `predictions`: the ids under which guesses are kept; `imports`: what of
    srlib an answer may use.
    """

    id: str
    title: str
    minutes: tuple[int, int]
    needs: tuple[str, ...]
    notebook: str | None
    file: str | None
    tasks: tuple[Task, ...]
    predictions: tuple[str, ...]
    imports: tuple[str, ...]


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons, in the order of the course."""
    text = Path(__file__).with_name("course.toml").read_text(encoding="utf-8")
    return tuple(
        Lesson(
            id=entry["id"],
            title=entry["title"],
            minutes=(entry["minutes"][0], entry["minutes"][1]),
            needs=tuple(entry["needs"]),
            notebook=entry.get("notebook"),
            file=entry.get("file"),
            tasks=tuple(Task(**{**task, "uses": tuple(task["uses"])}) for task in entry.get("exercise", ())),
            predictions=tuple(entry.get("predictions", ())),
            imports=tuple(entry.get("imports", ())),
        )
        for entry in tomllib.loads(text)["lesson"]
    )


def find(lesson_id: str) -> Lesson:
    """The lesson with this number. Raises ValueError naming the known ones."""
    for lesson in lessons():
        if lesson.id == lesson_id.zfill(2):
            return lesson
    raise ValueError(f"lesson {lesson_id!r} is not known: choose one of {', '.join(x.id for x in lessons())}")


def find_task(task_id: str) -> tuple[Lesson, Task]:
    """The exercise with this number ("2.1" is 02.1), and its lesson. Raises ValueError naming the known ones."""
    number, _, rest = task_id.partition(".")
    wanted = f"{number.zfill(2)}.{rest}"
    for lesson in lessons():
        for task in lesson.tasks:
            if task.id == wanted:
                return lesson, task
    known = ", ".join(task.id for lesson in lessons() for task in lesson.tasks)
    raise ValueError(f"exercise {task_id!r} is not known: choose one of {known}")


def chosen(numbers: list[str]) -> list[tuple[Lesson, Task]]:
    """The exercises of lessons ("02") and single ones ("02.1"), all for an empty list. Raises ValueError."""
    if not numbers:
        return [(lesson, task) for lesson in lessons() for task in lesson.tasks]
    found: list[tuple[Lesson, Task]] = []
    for number in numbers:
        if "." in number:
            found.append(find_task(number))
            continue
        lesson = find(number)
        if not lesson.tasks:
            raise ValueError(f"lesson {lesson.id} has no exercises")
        found += [(lesson, task) for task in lesson.tasks]
    return found
