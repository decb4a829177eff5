"""The manifest and its command agree with what is in the tree."""

from pathlib import Path

import pytest

from course import cli, manifest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_twelve_lessons_in_order() -> None:
    assert [lesson.id for lesson in manifest.lessons()] == [f"{k:02}" for k in range(12)]
    assert all(0 < lesson.minutes[0] <= lesson.minutes[1] for lesson in manifest.lessons())


def test_notebooks_are_those_of_the_manifest() -> None:
    named = {lesson.notebook for lesson in manifest.lessons() if lesson.notebook}
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} == named
    assert all(lesson.notebook.startswith(lesson.id) for lesson in manifest.lessons() if lesson.notebook)


def test_list_says_what_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert sum("not written yet" in line for line in lines) == sum(x.notebook is None for x in manifest.lessons())


@pytest.mark.parametrize(("lesson", "says"), [("77", "choose one of 00, 01"), ("6", "06 is not written yet")])
def test_start_refuses_in_a_sentence(lesson: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", lesson]) == 2
    assert says in capsys.readouterr().err


def test_start_opens_the_notebook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(cli.subprocess, "call", lambda command: called.append(command) or 0)
    monkeypatch.chdir(NOTEBOOKS.parent)
    assert cli.main(["start", "3"]) == 0
    assert called[0][1:] == ["-m", "jupyter", "lab", "notebooks/03_srcnn.ipynb"]
    monkeypatch.chdir(NOTEBOOKS)
    assert cli.main(["start"]) == 2
    assert "run this in the folder" in capsys.readouterr().err
