"""What a notebook uses: check, use, hint, predict, outcome, status, and whose code made a figure."""

import contextlib
import os
from collections.abc import Callable
from typing import Any

from course import hints, judge, progress, records, verdict, workbook
from course.checks import EXERCISES
from course.manifest import find_task, lessons
from course.todo import NotSolved

CREDIT = "COURSE_CREDIT"  # set while the course's own pictures are drawn: what stands in them instead of "yours"


class Used:
    """An exercise's function: the student's once it is written, the library's until then.

    `origin` is "yours" (checked and right as it stands), "failed" (checked and wrong), "unchecked" (written, not
    checked since the last change) or "reference" (the library's). Only a `todo` falls back to the library; a mistake
    goes through as it is.
    """

    def __init__(self, task_id: str) -> None:
        lesson, self.task = find_task(task_id)
        self._reference = EXERCISES[self.task.id].reference
        self._own: Callable[..., Any] | None = None
        self.lent: list[str] = []  # the stubs that it builds on, for which the library's stand in
        self.origin = "reference"
        folder = workbook.folder()
        try:
            source = workbook.read(folder / str(lesson.file))
        except workbook.Unreadable as error:
            raise SyntaxError(f"{lesson.file}, line {error.line or 1}: {error.cause}") from None
        node = source.node(self.task.name)
        if node is not None and workbook.is_stub(node):
            return
        self._own = judge.prepared(source, lesson, self.task)
        stubs = [t.name for t in lesson.tasks if (n := source.node(t.name)) is not None and workbook.is_stub(n)]
        below = judge.builds_on(lesson, self.task)
        self.lent = [t.name for t in lesson.tasks if t.id in below and t.name in stubs]
        mark = {"fingerprint": workbook.fingerprint(source, self.task.name)}
        self.origin = "unchecked"
        if records.recall(folder, "passed", self.task.id) == mark:
            self.origin = "yours"
        elif records.recall(folder, "failed", self.task.id) == mark:
            self.origin = "failed"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._own is None:
            return self._reference(*args, **kwargs)
        try:
            return self._own(*args, **kwargs)
        except NotSolved as error:
            if error.exercise != self.task.id:
                raise
            self._own, self.origin = None, "reference"
            return self._reference(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{self.task.name} ({self.origin})"


def use(task_id: str) -> Used:
    """The student's function once it is written, srlib's until then.

    Raises ValueError for an unknown exercise, SyntaxError if the file cannot be read, and whatever running the
    student's file raises.
    """
    return Used(task_id)


def check(task_id: str, *, seed: int | None = None) -> None:
    """Runs the checks of one exercise on the file as it is saved now, prints the verdict, shows pictures.

    seed: of the random inputs; a failing check prints it. Raises ValueError for an unknown exercise.
    """
    folder = workbook.folder()
    result = judge.judge(task_id, folder=folder, seed=seed)
    if result.printed:
        print(result.printed)
        print("(the lines above were printed by your code)")
    print(result.text())
    if not_kept := verdict.record(result, folder):
        print(not_kept)
    if result.pictures:
        from IPython.display import display

        from srlib import plots

        display(plots.row(result.pictures, width=9))
    if result.state == "pass" and (following := progress.following(result.id, folder)):
        print(f"  next: {following}")


def hint(task_id: str) -> None:
    """Prints the next of an exercise's three hints: a question, the idea, a skeleton. Raises ValueError."""
    print(hints.following(task_id, workbook.folder()))


def predict(prediction_id: str, guess: object = ...) -> None:
    """Keeps a guess, a number or words, until `outcome` shows it beside the result.

    Raises ValueError for an unknown id or another kind of value.
    """
    _known(prediction_id)
    if guess is ...:
        print(f"{prediction_id}: put your guess in the place of the three dots, and run the cell again")
        return
    if isinstance(guess, str):
        with contextlib.suppress(ValueError):
            guess = float(guess)  # a number all the same
    if not isinstance(guess, (int, float, str)):
        raise ValueError(f"{prediction_id}: a guess is a number or a string, not a {type(guess).__name__}")
    try:
        records.keep(workbook.folder(), "predictions", prediction_id, {"guess": guess})
    except OSError as error:
        print(f"{prediction_id}: your guess {guess!r} is not remembered: {error}")
        return
    print(f"{prediction_id}: your guess {guess!r} is kept")


def outcome(prediction_id: str, measured: float | str, *, unit: str = "") -> None:
    """Prints what was measured beside the guess. Raises ValueError for an unknown id."""
    _known(prediction_id)
    unit = f" {unit}" if unit else ""
    result = f"{measured}" if isinstance(measured, str) else f"{measured:.4g}{unit}"
    kept = records.recall(workbook.folder(), "predictions", prediction_id)
    if kept is None:
        print(f"{prediction_id}: measured {result}; there was no guess")
        return
    guess = kept["guess"]
    if isinstance(guess, str) or isinstance(measured, str):
        result = f"it is {measured}" if isinstance(measured, str) else f"measured {result} (a bare number is compared)"
        print(f"{prediction_id}: you guessed {guess!r}; {result}")
        return
    difference = measured - guess
    side = "just so" if difference == 0 else f"{abs(difference):.3g}{unit} {'more' if difference > 0 else 'less'}"
    print(f"{prediction_id}: you guessed {guess:g}{unit}; measured {result}, {side}")


def status() -> None:
    """Prints how far each lesson is."""
    print(progress.table(workbook.folder()))


def credit(*used: Used) -> str:
    """Whose code made a result, for the line above a table."""
    if whose := os.environ.get(CREDIT):
        return f"code: {whose}"
    return "code: " + ", ".join(f"{one.task.name} {_WORDS[one.origin]}{_lent(one)}" for one in used)


def _lent(used: Used) -> str:
    return f" (with {', '.join(used.lent)}: reference)" if used.lent and used.origin != "reference" else ""


def sign(figure: Any, *used: Used) -> Any:
    """Writes below a figure whose code made it; gives the figure back."""
    figure.supxlabel(credit(*used), fontsize=8, color="0.4", x=0.01, ha="left")
    return figure


_WORDS = {
    "yours": "yours",
    "unchecked": "yours, unchecked",
    "failed": "yours, which fails its check",
    "reference": "reference",
}


def _known(prediction_id: str) -> None:
    known = [p for lesson in lessons() for p in lesson.predictions]
    if prediction_id not in known:
        raise ValueError(f"prediction {prediction_id!r} is not known: choose one of {', '.join(known)}")
