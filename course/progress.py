"""How far a student is: a bar for each lesson, and what comes next."""

from collections.abc import Mapping
from pathlib import Path

from course import records, workbook
from course.manifest import Lesson, Task, lessons

WIDTH = 20


def passed(lesson: Lesson, folder: Path) -> set[str]:
    """The exercises of a lesson that passed their checks as they stand now."""
    try:
        source = workbook.read(folder / str(lesson.file))
    except workbook.Unreadable:
        return set()
    done = set()
    for task in lesson.tasks:
        kept = records.recall(folder, "passed", task.id) or {}
        if kept.get("fingerprint") == workbook.fingerprint(source, task.name):
            done.add(task.id)
    return done


def table(folder: Path) -> str:
    """A line for each lesson."""
    lines = []
    for lesson in lessons():
        if lesson.tasks:
            done = passed(lesson, folder)
            states = {task.id: "pass" if task.id in done else "todo" for task in lesson.tasks}
            lines.append(bar(lesson, states))
        else:
            lines.append(f"{lesson.id}  {lesson.title:34} {'no exercises' if lesson.notebook else 'not written yet'}")
    return "\n".join(lines)


def bar(lesson: Lesson, states: Mapping[str, str]) -> str:
    """One lesson's exercises as a bar: states of some or all of them, by exercise."""
    done, wrong = (sum(state == wanted for state in states.values()) for wanted in ("pass", "fail"))
    filled = round(WIDTH * done / len(states))
    points = sum(task.points for task in lesson.tasks if states.get(task.id) == "pass")
    most = sum(task.points for task in lesson.tasks if task.id in states)
    more = f", {wrong} wrong" if wrong else ""
    return (
        f"{lesson.id}  {lesson.title:34} [{'#' * filled}{'.' * (WIDTH - filled)}] "
        f"{done} of {len(states)} exercises{more}, {points} of {most} points"
    )


def following(task_id: str, folder: Path) -> str:
    """The exercise of the same lesson to take up after this one, in words; "" if all of them are done."""
    lesson = next(lesson for lesson in lessons() if any(task.id == task_id for task in lesson.tasks))
    done = passed(lesson, folder) | {task_id}
    left: list[Task] = [task for task in lesson.tasks if task.id not in done]
    later = [task for task in left if task.id > task_id] or left
    return f"{later[0].id} {later[0].title}, about {later[0].minutes} minutes" if later else ""


def next_lesson(folder: Path) -> Lesson:
    """The lesson to open: the first written one that is not finished (without exercises: not opened before)."""
    written = [lesson for lesson in lessons() if lesson.notebook]
    for lesson in written:
        if lesson.tasks:
            finished = len(passed(lesson, folder)) == len(lesson.tasks)
        else:
            finished = records.recall(folder, "started", lesson.id) is not None
        if not finished:
            return lesson
    return written[-1]
