"""Cutting the exercises' stubs from the solutions, and putting one back into a student's file."""

import ast
import codecs
import re
from datetime import datetime
from pathlib import Path

from course import records, workbook
from course.manifest import Lesson, Task
from srlib.files import atomically, write_text

SOLUTIONS = Path(__file__).parents[1] / "solutions"
PRISTINE = Path(__file__).with_name("pristine")  # the stubs as cut: a class needs no solutions to reset one
REGION = re.compile(r"^( *)# begin (\d\d\.\d+)\n(.*?)^ *# end \2\n", flags=re.M | re.S)


def cut(solution: str) -> str:
    """The stub of a solution's text.

    What stands between ``# begin ID`` and ``# end ID`` becomes ``raise todo("ID")``; lines that begin with ``#| ``
    are given to the student without that mark, inside such a region after the raise.
    """

    def stub(match: re.Match[str]) -> str:
        indent, task, body = match.groups()
        given = [line for line in body.splitlines() if line.lstrip().startswith("#|")]
        return "".join(f"{line}\n" for line in (f'{indent}raise todo("{task}")', *given))

    given = re.sub(r"^( *)#\| ?", r"\1", REGION.sub(stub, solution), flags=re.M)
    return re.sub(r"[ ]+$", "", given, flags=re.M)


def answer(solution: str, task: Task) -> str:
    """The text of one exercise in a file, from its first line to the line before the next definition."""
    begin, end = span(solution, task.name)
    return "".join(solution.splitlines(keepends=True)[begin:end]).rstrip() + "\n"


def span(text: str, name: str) -> tuple[int, int]:
    """First line and the line after the last one of a top-level definition, decorators included.

    A file that Python cannot read is told by its lines alone. Raises ValueError if the name is not defined.
    """
    found: list[tuple[int, int]] = []
    try:
        for node in ast.parse(text.removeprefix("\ufeff")).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
                first = min(part.lineno for part in (node, *node.decorator_list))
                found.append((first - 1, node.end_lineno or node.lineno))
    except (SyntaxError, ValueError, RecursionError):
        found = _span_by_lines(text.removeprefix("\ufeff").splitlines(), name)
    if not found:
        raise ValueError(f"there is no `{name}` in the file: `course reset` with the lesson's number renews all of it")
    return found[-1]


def _span_by_lines(lines: list[str], name: str) -> list[tuple[int, int]]:
    head = re.compile(rf"(async )?(def|class) {re.escape(name)}\b")
    found = []
    for begin in (k for k, line in enumerate(lines) if head.match(line)):
        end = next((k for k in range(begin + 1, len(lines)) if re.match(r"[A-Za-z_@]", lines[k])), len(lines))
        while begin and lines[begin - 1].startswith("@"):
            begin -= 1
        found.append((begin, end))
    return found


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
    pristine = (PRISTINE / str(lesson.file)).read_text(encoding="utf-8")
    path = folder / str(lesson.file)
    if not path.exists():
        atomically(path, lambda part: part.write_bytes(pristine.encode()))
        return None
    old = path.read_bytes()
    ends, mark = (b"\r\n" if b"\r\n" in old else b"\n"), (codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b"")
    new = pristine if task is None else _with_stub(old, pristine, task)
    backup = keep(old, path, folder)
    atomically(path, lambda part: part.write_bytes(mark + new.encode().replace(b"\n", ends)))
    return backup


def _with_stub(old: bytes, pristine: str, task: Task) -> str:
    """A file's text with one stub put back, in plain line ends."""
    try:
        text = old.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError(
            "the file is not UTF-8 text: `course reset` with the lesson's number renews all of it"
        ) from None
    lines = text.splitlines(keepends=True)
    begin, end = span(text, task.name)
    rest = "".join(lines[end:]).lstrip("\n")
    return "".join([*lines[:begin], answer(pristine, task), f"\n\n{rest}" if rest else ""])


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
    """Cuts the stubs anew where they differ from the solutions; gives the files that were written.

    An exercise file follows only if nothing was written in it: it is the earlier stub, or not there.
    """
    written = []
    for lesson in (lesson for lesson in lessons if lesson.file):
        kept, path = PRISTINE / str(lesson.file), folder / str(lesson.file)
        earlier, now = (kept.read_text(encoding="utf-8") if kept.exists() else ""), cut(solution_text(lesson))
        untouched = not path.exists() or path.read_text(encoding="utf-8") == earlier
        for target in (kept, path) if untouched else (kept,):
            if not target.exists() or target.read_text(encoding="utf-8") != now:
                write_text(target, now)
                written.append(target)
    return written
