"""Three hints for every exercise: a question, the idea, a skeleton."""

import contextlib
import tomllib
from functools import cache
from pathlib import Path

from course import records
from course.manifest import find_task

STEPS = ("question", "idea", "skeleton")


@cache
def of_lesson(lesson_id: str) -> dict[str, dict[str, str]]:
    """The hints of a lesson: exercise -> step -> text."""
    text = Path(__file__).with_name(f"ch{lesson_id}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def following(task_id: str, folder: Path) -> str:
    """The next hint, which is then remembered as seen; after the last one, all three. Raises ValueError."""
    lesson, task = find_task(task_id)
    texts = of_lesson(lesson.id)[task.id]
    seen = (records.recall(folder, "hints", task.id) or {}).get("seen", 0)
    with contextlib.suppress(OSError):  # on a read-only disk the first hint comes again and again
        records.keep(folder, "hints", task.id, {"seen": min(seen + 1, len(STEPS))})
    if seen < len(STEPS):
        return _one(task.id, seen, texts)
    return "\n\n".join(_one(task.id, k, texts) for k in range(len(STEPS)))


def _one(task_id: str, number: int, texts: dict[str, str]) -> str:
    step = STEPS[number]
    text = texts[step].strip()
    between = "\n" if "\n" in text or step == "skeleton" else " "
    return f"hint {number + 1} of {len(STEPS)} for {task_id}, {'the ' if number else 'a '}{step}:{between}{text}"
