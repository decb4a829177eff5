"""pytest's own face of the exercises, run as a student runs it, and the command line's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from answers import LESSONS, ROOT, changed, solution
from course import cli, stubs, workbook
from course.manifest import find

FIRST, SECOND, THIRD = (find(number) for number in ("01", "02", "03"))
WRONG = changed(
    solution(SECOND), "02.1", {"body": "return 10 * torch.log10((sr - hr).square().flatten(1).mean(1))"}, "here"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lesson 01 solved, lesson 02 with one wrong answer, lesson 03 untouched."""
    (tmp_path / str(FIRST.file)).write_text(solution(FIRST), encoding="utf-8")
    (tmp_path / str(SECOND.file)).write_text(WRONG, encoding="utf-8")
    for lesson in LESSONS[2:]:
        (tmp_path / str(lesson.file)).write_text(stubs.cut(solution(lesson)), encoding="utf-8")
    return tmp_path


def _pytest(folder: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "tests/exercises", "-p", "no:cacheprovider", *more]
    environment = {**os.environ, workbook.ENVIRONMENT: str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_pass_fail_and_todo_under_pytest(folder: Path) -> None:
    code, out = _pytest(folder)
    assert code == 1
    later = sum(len(lesson.tasks) for lesson in LESSONS[2:])
    assert f"2 failed, {len(FIRST.tasks) + len(SECOND.tasks) - 2} passed, {later} skipped" in out
    assert "it calls psnr, and 02.1 fails its own checks: mend that first" in out  # of 02.5
    assert "FAIL 02.1 psnr: " in out and "cause     the sign" in out and "Traceback" not in out
    bars = out[out.index(" the course ") :].splitlines()[1:]
    assert "[####################] 6 of 6 exercises, " in bars[0]
    assert "] 4 of 6 exercises, 2 wrong" in bars[1] and "[....................] 0 of 5" in bars[2]


def test_todo_is_not_red(folder: Path) -> None:
    code, out = _pytest(folder, "-k", "03")
    assert code == 0 and f"{len(THIRD.tasks)} skipped" in out and "0 of 5 exercises" in out


def test_the_command_line_says_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(workbook.ENVIRONMENT, str(folder))
    assert cli.main(["check", "2.1", "3.1", "--seed", "4"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL 02.1 psnr: ") and "cause     the sign" in "\n".join(lines)
    assert lines[5] == '  again     check("02.1", seed=4) or `course check 02.1 --seed 4`; help: hint("02.1")'
    assert lines[6].startswith("todo 03.1 assemble: write `assemble` in ")
    assert lines[-2].startswith("02  Measuring") and "0 of 1 exercises, 1 wrong" in lines[-2]
    assert cli.main(["check", "03"]) == 0
    assert cli.main(["check", "00"]) == cli.main(["check", "02.9"]) == 2
    assert "has no exercises" in capsys.readouterr().err
    assert cli.main(["status"]) == 0
    assert cli.main(["hint", "02.1"]) == 0
    assert "hint 1 of 3" in capsys.readouterr().out
