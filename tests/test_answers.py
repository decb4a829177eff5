"""The checks are checked: every wrong answer of the catalogue fails with its own cause, every right one passes."""

import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from answers import LESSONS, Answer, catalogue, changed, solution
from course import checking, stubs
from course.checks import EXERCISES
from course.judge import judge
from course.verdict import Verdict

MUTANTS, VARIANTS = catalogue("mutants"), catalogue("variants")
SEEDS = (1, 2)


def _judged(answer: Answer, folder: Path, seed: int) -> Verdict:
    (folder / str(answer.lesson.file)).write_text(answer.text, encoding="utf-8")
    random.seed(seed)  # for answers with dice of their own
    torch.manual_seed(seed)
    return judge(answer.task, folder=folder, seed=seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_wrong_answers_are_told_their_cause_and_no_more(
    mutant: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graded: list[tuple[Any, Any]] = []

    def noting(got: Any, expected: Any, *, public: bool = False, **how: Any) -> None:
        if not public:
            graded.append((got, expected))
        checking.compare(got, expected, public=public, **how)

    for name, module in list(sys.modules.items()):
        if name.startswith(f"course.checks.ch{mutant.lesson.id}.") and hasattr(module, "compare"):
            monkeypatch.setattr(module, "compare", noting)
    for seed in SEEDS:
        verdict = _judged(mutant, tmp_path, seed)
        assert verdict.state == "fail", f"{mutant} was not caught"
        assert mutant.cause in verdict.cause, verdict.text()
        assert len(verdict.text().splitlines()) <= 6
        for got, expected in graded[-1:]:  # the comparison that failed, or the last one before something else did
            _assert_not_printed(got, expected, verdict.text())


def _assert_not_printed(got: Any, expected: Any, message: str) -> None:
    """Only the examples that the exercise's text gives away too show their values."""
    own = {text for number in _numbers(got) for text in _printed(number)}
    for text in {text for number in _numbers(expected) for text in _printed(number)} - own:
        assert not re.search(rf"(?<![\d.]){re.escape(text)}(?!\d)", message), f"{text} in\n{message}"
    if isinstance(expected, str) and got != expected:
        assert repr(expected) not in message


def _numbers(value: Any) -> list[float]:
    """The numbers in an expected value, if they are few enough to be copied."""
    if isinstance(value, torch.Tensor):
        return value.detach().double().flatten().tolist() if value.numel() <= 32 else []
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in _numbers(part)]
    return [float(value)] if isinstance(value, (int, float)) else []


def _printed(number: float) -> Iterable[str]:
    """A number as a message would print it, where it has digits enough to be told from others."""
    texts = {f"{number:.{digits}g}" for digits in range(4, 9)} | {f"{number:.{digits}f}" for digits in range(3, 7)}
    return (text for text in texts if len(text.strip("-0.").replace(".", "")) >= 4)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_other_right_answers_pass(variant: Answer, tmp_path: Path) -> None:
    for seed in SEEDS:
        verdict = _judged(variant, tmp_path, seed)
        assert verdict.state == "pass", verdict.text()


@pytest.mark.parametrize("task", sorted(EXERCISES))
def test_solutions_pass_with_every_seed_and_stubs_are_unsolved(task: str, tmp_path: Path) -> None:
    lesson = next(lesson for lesson in LESSONS if task.startswith(lesson.id))
    path = tmp_path / str(lesson.file)
    path.write_text(solution(lesson), encoding="utf-8")
    for seed in range(20):
        verdict = judge(task, folder=tmp_path, seed=seed)
        assert verdict.state == "pass", verdict.text()
    path.write_text(stubs.cut(solution(lesson)), encoding="utf-8")
    assert judge(task, folder=tmp_path, seed=0).state == "todo"


@pytest.mark.parametrize("task", sorted(EXERCISES))
def test_what_the_notebooks_lend_is_right(task: str) -> None:
    exercise = EXERCISES[task]
    for number, check in enumerate(exercise.checks):
        if check.__name__ != "pixel_shuffle_by_hand":  # the library leaves that to torch
            check(exercise.reference, checking.Case(1, number, exercise.reference))


@pytest.mark.parametrize("task", sorted(EXERCISES))
def test_a_missing_return_is_called_so(task: str, tmp_path: Path) -> None:
    lesson = next(lesson for lesson in LESSONS if task.startswith(lesson.id))
    text = changed(solution(lesson), task, {"body": "answer = 0"}, task)
    verdict = _judged(Answer(lesson, task, 0, text, ""), tmp_path, 1)
    assert verdict.state == "fail" and "is a `return` missing?" in verdict.cause, verdict.text()


def test_catalogue_is_large_enough(capsys: pytest.CaptureFixture[str]) -> None:
    checks = sum(len(exercise.checks) for exercise in EXERCISES.values())
    for task in EXERCISES:
        causes = [m.cause for m in MUTANTS if m.task == task]
        assert len(set(causes)) >= 4 and all(causes), f"{task} has {len(set(causes))} causes"
        assert sum(v.task == task for v in VARIANTS) >= 2, task
    with capsys.disabled():
        print(
            f"\n{len(EXERCISES)} exercises, {checks} checks, {len(MUTANTS)} wrong answers, {len(VARIANTS)} right ones"
        )
    assert len(EXERCISES) >= 16 and checks >= 60 and len(MUTANTS) >= 80
