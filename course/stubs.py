"""Cutting the exercises' stubs from the solutions, and putting one back into a student's file."""

import re
from datetime import datetime
from pathlib import Path

from course import records, workbook
from course.manifest import Lesson, Task
from srlib.files import atomically

SOLUTIONS = Path(__file__).parents[1] / "solutions"
_REGION = re.compile(r"^( *)# begin (\d\d\.\d+)\n(.*?)^ *# end \2\n", flags=re.M | re.S)


def cut(solution: str) -> str:
    """The stub of a solution's text.

    What stands between ``# begin ID`` and ``# end ID`` becomes ``raise todo("ID")``; lines that begin with ``#| ``
    are given to the student without that mark, inside such a region after the raise.
    """

    def stub(match: re.Match[str]) -> str:
        indent, task, body = match.groups()
        given = [line for line in body.splitlines() if line.lstrip().startswith("#|")]
        return "".join(f"{line}\n" for line in (f'{indent}raise todo("{task}")', *given))

    given = re.sub(r"^( *)#\| ?", r"\1", _REGION.sub(stub, solution), flags=re.M)
    return re.sub(r"[ ]+$", "", given, flags=re.M)


def answer(solution: str, task: Task) -> str:
    """The text of one exercise in a file, from its first line to the line before the next definition."""
    begin, end = span(solution, task.name)
    return "".join(solution.splitlines(keepends=True)[begin:end]).rstrip() + "\n"


def span(text: str, name: str) -> tuple[int, int]:
    """First line and the line after the last one of a top-level definition, told by its text alone.

    So a file is found its way in even if Python cannot read it. Raises ValueError if the name is not defined.
    """
    lines = text.splitlines()
    head = re.compile(rf"(async )?(def|class) {re.escape(name)}\b")
    found = [k for k, line in enumerate(lines) if head.match(line.removeprefix("\ufeff"))]
    if not found:
        raise ValueError(f"there is no `{name}` in the file: `course reset` with the lesson's number renews all of it")
    begin = found[-1]
    after = (k for k in range(begin + 1, len(lines)) if re.match(r"[A-Za-z_@]", lines[k]))
    end = next(after, len(lines))
    while begin and lines[begin - 1].startswith("@"):
        begin -= 1
    return begin, end


def solution_text(lesson: Lesson) -> str:
    """The lesson's solutions. Raises ValueError where the kit came without them."""
    path = SOLUTIONS / str(lesson.file)
    if not path.is_file():
        raise ValueError(f"{workbook.shown(path)} is not here: this copy of the course came without its solutions")
    return path.read_text(encoding="utf-8")


def reset(lesson: Lesson, task: Task | None, folder: Path) -> Path | None:
    """Puts the stub of one exercise, or of the whole lesson, back; gives the backup of the text that stood there.

    Line ends and a byte order mark stay as they were. Raises ValueError, OSError; the student's file is then as before.
    """
    pristine = cut(solution_text(lesson))
    path = folder / str(lesson.file)
    if not path.exists():
        atomically(path, lambda part: part.write_bytes(pristine.encode()))
        return None
    old = path.read_bytes()
    new = pristine.encode() if task is None else _with_stub(old, pristine, task)
    backup = keep(old, path, folder)
    atomically(path, lambda part: part.write_bytes(new))
    return backup


def _with_stub(old: bytes, pristine: str, task: Task) -> bytes:
    try:
        text = old.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            "the file is not UTF-8 text: `course reset` with the lesson's number renews all of it"
        ) from None
    ends = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    begin, end = span(text, task.name)
    stub = answer(pristine, task).replace("\n", ends)
    bom = "\ufeff" if begin == 0 and text.startswith("\ufeff") else ""
    rest = "".join(lines[end:])
    return "".join([bom, *lines[:begin], stub, f"{ends}{ends}{rest}" if rest else ""]).encode()


def keep(data: bytes, path: Path, folder: Path) -> Path:
    """Writes a backup that replaces no earlier one, and gives its path."""
    place = records.backups(folder)
    place.mkdir(parents=True, exist_ok=True)
    stem = f"{path.stem}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1000):
        backup = place / f"{stem}{f'-{number}' if number else ''}{path.suffix}"
        try:
            with backup.open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return backup
    raise OSError(f"{place} is full of backups of this second: try again")


def make(lessons: list[Lesson], folder: Path) -> list[Path]:
    """Cuts every lesson's file anew where it differs; what stood there is kept. Gives the files that were written."""
    written = []
    for lesson in lessons:
        path = folder / str(lesson.file)
        if lesson.file and (not path.exists() or path.read_text(encoding="utf-8") != cut(solution_text(lesson))):
            reset(lesson, None, folder)
            written.append(path)
    return written
