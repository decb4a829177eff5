"""Stubs are cut from the solutions, agree with them, and are put back without losing a student's text."""

import ast
import os
from pathlib import Path

import pytest

from answers import LESSONS, ROOT, changed, solution
from course import cli, stubs, workbook
from course.manifest import Lesson, find, find_task

LESSON = find("02")
FILE = str(LESSON.file)

SOLUTION = '''"""Head."""

import torch
#| from course.todo import todo

GIVEN = 1


def first(x: int) -> int:
    """Doc."""
    # begin 02.1
    #| y = x - 1  # the broken line
    y = x + 1
    return y
    # end 02.1


def second(x: int) -> int:
    # begin 02.2
    return x
    # end 02.2
'''
STUB = '''"""Head."""

import torch
from course.todo import todo

GIVEN = 1


def first(x: int) -> int:
    """Doc."""
    raise todo("02.1")
    y = x - 1  # the broken line


def second(x: int) -> int:
    raise todo("02.2")
'''


def test_cut() -> None:
    assert stubs.cut(SOLUTION) == STUB


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_stubs_agree_with_the_solutions(lesson: Lesson) -> None:
    kept = (stubs.PRISTINE / str(lesson.file)).read_text(encoding="utf-8")
    assert kept == stubs.cut(solution(lesson)), "`course make stubs` cuts them anew"
    path = ROOT / "course" / "exercises" / str(lesson.file)
    if os.environ.get("CI"):  # elsewhere a student may have written in it
        assert path.read_text(encoding="utf-8") == kept
    assert path.is_file()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_stubs_say_what_to_do(lesson: Lesson) -> None:
    tree = ast.parse(stubs.cut(solution(lesson)))
    defined = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for task in lesson.tasks:
        node = defined[task.name]
        assert workbook.is_stub(node), task.id
        text = ast.get_docstring(node) or ""
        assert text.startswith(f"{task.id}: ") and "->" in text, f"{task.id}: goal and shapes belong in the docstring"
        assert isinstance(node, ast.ClassDef) or (node.returns and all(a.annotation for a in node.args.args)), task.id
        written = solution(lesson).split(f"# begin {task.id}\n")[1].split(f"# end {task.id}")[0]
        lines = [line for line in written.splitlines() if line.strip()]
        given = [line for line in lines if line.lstrip().startswith("#|")]
        assert len(lines) - 2 * len(given) <= 16, f"{task.id} asks for {len(lines)} lines"


def _backups(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.glob(".progress/backups/*"))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reset_puts_one_stub_back_and_keeps_the_rest(tmp_path: Path, ends: str, mark: str) -> None:
    mine = mark + solution(LESSON).replace("# begin 02.2", "# mine 02.2").replace("\n", ends)
    (tmp_path / FILE).write_bytes(mine.encode())
    _, task = find_task("02.1")
    backup = stubs.reset(LESSON, task, tmp_path)
    assert backup is not None and backup.read_bytes() == mine.encode()
    after = (tmp_path / FILE).read_bytes().decode()
    assert after.startswith(mark) and after.count("\n") == after.count(ends)
    before, rest = mine[: mine.index("def psnr")], mine[mine.index("def luma") :]
    assert after.startswith(before) and after.endswith(rest)
    node = workbook.read(tmp_path / FILE).node("psnr")
    assert node is not None and workbook.is_stub(node)


def test_reset_helps_a_file_that_python_cannot_read(tmp_path: Path) -> None:
    broken = stubs.cut(solution(LESSON)).replace('    raise todo("02.1")', "    return 10 * (((")
    (tmp_path / FILE).write_text(broken, encoding="utf-8")
    stubs.reset(LESSON, find_task("02.1")[1], tmp_path)
    assert (tmp_path / FILE).read_text(encoding="utf-8") == stubs.cut(solution(LESSON))


def test_reset_of_an_answer_with_text_at_the_left_edge(tmp_path: Path) -> None:
    text = changed(solution(LESSON), "02.1", {"body": "pass"}, "here").replace(
        "    pass\n", '    note = """\nat the edge\n"""\n'
    )
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    stubs.reset(LESSON, find_task("2.1")[1], tmp_path)
    after = workbook.read(tmp_path / FILE)
    assert b"at the edge" not in after.data and (node := after.node("psnr")) is not None and workbook.is_stub(node)


def test_made_stubs_leave_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stubs, "PRISTINE", tmp_path / "pristine")
    first, second = LESSONS[:2]
    (tmp_path / str(second.file)).write_text("mine", encoding="utf-8")
    assert len(stubs.make([first, second], tmp_path)) == 3
    assert (tmp_path / str(second.file)).read_text(encoding="utf-8") == "mine"
    assert (tmp_path / str(first.file)).read_text(encoding="utf-8") == stubs.cut(solution(first))
    assert stubs.make([first, second], tmp_path) == []


def test_reset_of_a_lesson_and_of_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stubs.reset(LESSON, None, tmp_path) is None  # nothing to keep
    (tmp_path / FILE).write_text("mine", encoding="utf-8")
    for _ in range(3):  # in the same second: three backups
        stubs.reset(LESSON, None, tmp_path)
    assert len(_backups(tmp_path)) == 3 and b"mine" in _backups(tmp_path)
    assert (tmp_path / FILE).read_text(encoding="utf-8") == stubs.cut(solution(LESSON))


def test_reset_refuses_without_touching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path))
    (tmp_path / FILE).write_text("def other(): ...\n", encoding="utf-8")
    assert cli.main(["reset", "02.1"]) == 2
    assert "no `psnr` in the file" in capsys.readouterr().err
    assert cli.main(["reset", "02.77"]) == cli.main(["reset", "00"]) == cli.main(["reset", "x"]) == 2
    assert (tmp_path / FILE).read_text(encoding="utf-8") == "def other(): ...\n" and not _backups(tmp_path)


def test_solution_after_the_pass_or_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path))
    (tmp_path / FILE).write_text(stubs.cut(solution(LESSON)), encoding="utf-8")
    assert cli.main(["solution", "02.1"]) == 2
    said = capsys.readouterr()
    assert "does not pass yet" in said.err and "--anyway" in said.err and not said.out
    assert cli.main(["solution", "02.1", "--anyway"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("def psnr(") and shown in solution(LESSON) + "\n"
    (tmp_path / FILE).write_text(solution(LESSON), encoding="utf-8")
    assert cli.main(["check", "02.1"]) == 0
    assert cli.main(["solution", "02.1"]) == 0
    assert capsys.readouterr().out.endswith(shown)
