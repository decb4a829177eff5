"""course/README.md, written from the manifest: the syllabus, a timetable, the weights of a grade, how to work."""

from pathlib import Path

from course.manifest import Lesson, lessons
from srlib.files import write_text

PATH = Path(__file__).with_name("README.md")
MEETING = 90  # minutes, in the timetable

_HEAD = """# The course

Twelve lessons climb the ladder of super-resolution: SRCNN, SRResNet, A2N, SRGAN, ESRGAN, Real-ESRGAN. A lesson
is a notebook to read and run, and from 01 on a file of exercises to write. (This page is made from `course.toml` by
`course make syllabus`.)

## How to work

1. `course start` opens JupyterLab at your next lesson; `course doctor` says whether this machine is ready for it.
2. Read the notebook from the top. Where it says *Exercise*, open the lesson's file in `course/exercises`, write the
   function in the place of `raise todo(...)`, and save.
3. Run the cell `check("02.1")`. It reads your file anew, and says what was expected, what came, and the likely
   cause. In a terminal `course check 02.1`, `course check 02` or `pytest tests/exercises -k 02` say the same words.
4. Stuck? `hint("02.1")` asks a question, then gives the idea, then a skeleton. `course solution 02.1` shows the
   course's answer once yours passes, or with `--anyway`.
5. Lost? `course reset 02.1` puts the stub back and keeps your text in `course/exercises/.progress/backups`.

Every notebook runs before anything is solved: `use("02.1")` is your function as soon as it is written and the
library's until then, and each figure says whose code made it. What the course remembers of you (passes, guesses,
hints seen) lies in `course/exercises/.progress` and nowhere else.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, _table(), _timetable(), _weights(), _exercises()])


def make() -> list[Path]:
    """Writes the page. Raises OSError."""
    write_text(PATH, text())
    return [PATH]


def _table() -> str:
    lines = [
        "## Lessons",
        "",
        "| lesson | title | minutes | needs | exercises | points | notebook |",
        "|---|---|---|---|---|---|---|",
    ]
    for x in lessons():
        notebook = f"[{x.notebook}](../notebooks/{x.notebook})" if x.notebook else "not written yet"
        exercises, points = (len(x.tasks), _points(x)) if x.tasks else ("", "")
        needs = ", ".join(x.needs)
        lines.append(f"| {x.id} | {x.title} | {_span(x)} | {needs} | {exercises} | {points} | {notebook} |")
    low, high = (sum(x.minutes[k] for x in lessons()) for k in (0, 1))
    lines += ["", f"In all {low / 60:.0f} to {high / 60:.0f} hours.", ""]
    return "\n".join(lines)


def _timetable() -> str:
    """Lessons laid into meetings by the middle of their minutes; one begins where it fits, or where half is left."""
    lines = ["## Timetable", "", f"In meetings of {MEETING} minutes, by the middle of each lesson's minutes:", ""]
    lines += ["| meeting | lessons |", "|---|---|"]
    meetings: list[list[str]] = [[]]
    left = MEETING
    for lesson in lessons():
        need = sum(lesson.minutes) // 2
        while need > 0:
            if need > left and left < MEETING / 2:
                meetings.append([])
                left = MEETING
            part = min(need, left)
            meetings[-1].append(f"{lesson.id} {lesson.title} ({part} minutes)")
            need, left = need - part, left - part
    lines += [f"| {k} | {'; '.join(meeting)} |" for k, meeting in enumerate(meetings, 1)]
    return "\n".join([*lines, ""])


def _weights() -> str:
    written = [lesson for lesson in lessons() if lesson.tasks]
    total = sum(_points(lesson) for lesson in written)
    lines = ["## Weights of a grade", "", f"Of the {total} points of the exercises written so far:", ""]
    lines += ["| lesson | points | share |", "|---|---|---|"]
    lines += [f"| {x.id} {x.title} | {_points(x)} | {100 * _points(x) / total:.1f} % |" for x in written]
    return "\n".join([*lines, ""])


def _exercises() -> str:
    lines = ["## Exercises", "", "Level 1 is a formula to write down, 2 needs a thought, 3 a sheet of paper.", ""]
    lines += ["| exercise | function | title | minutes | level | points | builds on |", "|---|---|---|---|---|---|---|"]
    for lesson in lessons():
        for t in lesson.tasks:
            uses = ", ".join(t.uses)
            lines.append(f"| {t.id} | `{t.name}` | {t.title} | {t.minutes} | {t.level} | {t.points} | {uses} |")
    return "\n".join([*lines, ""])


def _span(lesson: Lesson) -> str:
    return f"{lesson.minutes[0]}-{lesson.minutes[1]}"


def _points(lesson: Lesson) -> int:
    return sum(task.points for task in lesson.tasks)
