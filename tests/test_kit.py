"""The notebook's face: use, check, hint, predict and outcome, status, and whose code made a figure."""

from pathlib import Path

import pytest
import torch

from answers import changed, solution
from course import kit, records, stubs, workbook
from course.checks import EXERCISES
from course.manifest import chosen, find

LESSON = find("02")
FILE = str(LESSON.file)
HR = torch.full((1, 3, 8, 8), 0.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student's folder with pristine stubs."""
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path))
    (tmp_path / FILE).write_text(stubs.cut(solution(LESSON)), encoding="utf-8")
    return tmp_path


def _write(folder: Path, body: str, **more: str) -> None:
    text = changed(solution(LESSON), "02.1", {"body": body, **more}, "here")
    (folder / FILE).write_text(text, encoding="utf-8")


def test_use_is_the_reference_until_something_is_written(folder: Path) -> None:
    psnr = kit.use("02.1")
    assert psnr.origin == "reference" and "psnr reference" in kit.credit(psnr)
    assert psnr(HR + 0.1, HR).item() == pytest.approx(20, abs=1e-4)


def test_use_is_the_students_own_even_when_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(folder, "return torch.tensor([77.0])")
    psnr = kit.use("02.1")
    assert psnr(HR, HR).item() == 77 and psnr.origin == "unchecked"
    assert kit.credit(psnr) == "code: psnr yours, unchecked"
    kit.check("02.1")
    assert "FAIL 02.1" in capsys.readouterr().out
    assert kit.credit(kit.use("02.1")) == "code: psnr yours, which fails its check"


def test_use_says_yours_after_the_check_and_until_the_next_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / FILE).write_text(solution(LESSON), encoding="utf-8")
    assert kit.use("02.1").origin == "unchecked"
    kit.check("02.1", seed=5)
    out = capsys.readouterr().out
    assert out.startswith("PASS 02.1 psnr: all ") and "seed 5" in out and "next: 02.2 Luma" in out
    assert kit.use("02.1").origin == "yours" and kit.credit(kit.use("02.1")) == "code: psnr yours"
    _write(folder, "return torch.tensor([77.0])")
    assert kit.use("02.1").origin == "unchecked"


def test_what_an_answer_is_lent_is_named(folder: Path) -> None:
    body = solution(LESSON).split("# begin 02.5\n")[1].split("    # end 02.5")[0]
    mine = changed(solution(LESSON), "02.5", {"body": body}, "here")
    (folder / FILE).write_text(stubs.cut(mine), encoding="utf-8")
    assert kit.credit(kit.use("02.5")) == "code: protocol yours, unchecked (with psnr, luma, shave: reference)"


def test_only_a_todo_falls_back_a_bug_never_does(folder: Path) -> None:
    _write(folder, 'raise todo("02.1")', head="from course.todo import todo")
    begun = kit.use("02.1")
    assert begun.origin == "reference"
    _write(folder, 'x = 1\nraise todo("02.1")', head="from course.todo import todo")
    begun = kit.use("02.1")
    assert begun.origin == "unchecked"
    assert begun(HR + 0.1, HR).item() == pytest.approx(20, abs=1e-4) and begun.origin == "reference"
    _write(folder, 'raise NotImplementedError("mine")')
    with pytest.raises(NotImplementedError, match="mine"):
        kit.use("02.1")(HR, HR)
    (folder / FILE).write_text("def psnr(:\n", encoding="utf-8")
    with pytest.raises(SyntaxError, match="line 1"):
        kit.use("02.1")
    (folder / FILE).unlink()
    with pytest.raises(SyntaxError, match="course reset 02"):
        kit.use("02.1")
    with pytest.raises(ValueError, match="choose one of"):
        kit.use("02.9")


def test_check_shows_pictures_where_they_help(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython.display

    shown: list[object] = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    third = find("03")
    zero_padded = """
        layers = (extract, map, reconstruct)
        for layer in layers:
            large = F.conv2d(large, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)
            large = large if layer is reconstruct else F.relu(large)
        return large
    """
    text = changed(solution(third), "03.2", {"body": zero_padded}, "here")
    (folder / str(third.file)).write_text(text, encoding="utf-8")
    kit.check("03.2")
    assert "FAIL 03.2" in capsys.readouterr().out
    [figure] = shown
    titles = [axis.get_title() for axis in figure.axes]  # type: ignore[attr-defined]
    assert titles[:2] == ["target", "yours"] and titles[2].startswith("difference")


def test_check_answers_where_nothing_can_be_remembered(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / FILE).write_text(solution(LESSON), encoding="utf-8")

    def refuse(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(records, "keep", refuse)
    kit.check("02.1")
    out = capsys.readouterr().out
    assert "PASS 02.1" in out and "this is not remembered: read-only" in out


def test_hints_come_one_by_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for start in ("hint 1 of 3 for 02.1, a question:", "hint 2 of 3 for 02.1, the idea:", "hint 3 of 3"):
        kit.hint("02.1")
        assert capsys.readouterr().out.startswith(start)
    kit.hint("02.1")
    assert capsys.readouterr().out.count("of 3 for 02.1") == 3
    with pytest.raises(ValueError, match="not known"):
        kit.hint("9.9")


def test_every_exercise_has_three_hints_that_are_not_the_answer() -> None:
    from course import hints

    for lesson, task in chosen([]):
        texts = hints.of_lesson(lesson.id)[task.id]
        assert set(texts) == set(hints.STEPS) and all(text.strip() for text in texts.values()), task.id
        assert "..." in texts["skeleton"], f"{task.id}: a skeleton has holes"
        assert set(hints.of_lesson(lesson.id)) == {t.id for t in lesson.tasks}


def test_predictions_are_kept_and_shown_beside_the_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = LESSON.predictions[0]
    kit.outcome(name, 1.25, unit="dB")
    assert capsys.readouterr().out == f"{name}: measured 1.25 dB; there was no guess\n"
    kit.predict(name, ...)
    assert "in the place of the three dots" in capsys.readouterr().out
    kit.predict(name, 2)
    kit.outcome(name, 1.25, unit="dB")
    assert capsys.readouterr().out.endswith(f"{name}: you guessed 2 dB; measured 1.25 dB, 0.75 dB less\n")
    kit.predict(name, "the edges")
    kit.outcome(name, "the hair")
    assert capsys.readouterr().out.endswith(f"{name}: you guessed 'the edges'; it is the hair\n")
    with pytest.raises(ValueError, match="a number or a string"):
        kit.predict(name, [1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="choose one of"):
        kit.predict("02-p99", 1)
    records.place(folder, "predictions", name).write_text("{broken", encoding="utf-8")
    kit.outcome(name, 1.25)
    assert "no guess" in capsys.readouterr().out


def test_status_has_a_line_for_each_lesson(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / FILE).write_text(solution(LESSON), encoding="utf-8")
    kit.check("02.1")
    capsys.readouterr()
    kit.status()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert f"1 of {len(LESSON.tasks)} exercises, {LESSON.tasks[0].points} of" in lines[2] and "[###" in lines[2]


def test_a_figure_is_signed(folder: Path) -> None:
    from srlib import plots

    figure = kit.sign(plots.row({"a": HR}), kit.use("02.1"), kit.use("02.2"))
    [text] = [t.get_text() for t in [figure._supxlabel]]
    assert text == "code: psnr reference, luma reference"


def test_kept_pictures_say_whose_code_drew_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).write_text(solution(LESSON), encoding="utf-8")
    monkeypatch.setenv(kit.CREDIT, "the solutions")
    assert kit.credit(kit.use("02.1")) == "code: the solutions"


def test_references_are_the_solutions_signatures() -> None:
    import inspect

    for lesson, task in chosen([]):
        source = workbook.Source(Path(FILE), b"", __import__("ast").parse(solution(lesson)))
        module = workbook.load(source)
        wanted = list(inspect.signature(EXERCISES[task.id].reference).parameters)
        assert list(inspect.signature(module.__dict__[task.name]).parameters) == wanted, task.id
