"""06.6 diagnose: what a right answer must satisfy."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from course.checking import Case, Exercise, Mistakes, compare, require
from course.checks.ch06 import diagnose_mistakes

Diagnose = Callable[[Sequence[diagnose_mistakes.Line]], tuple[str, float | None]]
_WORDS = (*diagnose_mistakes.ALARMS, "healthy")


def _diagnose(lines: Sequence[diagnose_mistakes.Line]) -> tuple[str, float | None]:
    """All alarms of all lines, and then the first."""
    alarms = []
    for k, line in enumerate(lines):
        finite = [x["error"] for x in lines[: k + 1] if math.isfinite(x["error"])]
        if not math.isfinite(line["error"]) or line["error"] / min(finite) > 2:
            alarms.append(("collapse", line["step"]))
        if not -math.inf < line["drift"] <= 0.06:
            alarms.append(("drift", line["step"]))
        if k >= 2 and all(x["d_real"] > 0.95 and x["d_fake"] < 0.05 for x in lines[k - 2 : k + 1]):
            alarms.append(("won", line["step"]))
    return next(iter(alarms), ("healthy", None))


def _log(case: Case, count: int, **changed: dict[int, float]) -> list[dict[str, float]]:
    """A log of a healthy game, with some values of some lines changed: column -> line -> value."""
    steps = case.integer(2, 9)
    lines = [
        {
            "step": float(steps * (k + 1) + 3),
            "error": 0.04 + 0.004 * u,
            "drift": 0.01 * v,
            "d_real": 0.6 + 0.2 * w,
            "d_fake": 0.2 + 0.2 * v,
        }
        for k, (u, v, w) in enumerate(case.rand(count, 3).tolist())
    ]
    for column, values in changed.items():
        for k, value in values.items():
            lines[k][column] = value
    return lines


def _sure(*places: int) -> dict[str, dict[int, float]]:
    """The discriminator has won in these lines."""
    return {"d_real": dict.fromkeys(places, 0.951), "d_fake": dict.fromkeys(places, 0.049)}


def _compare_diagnoses(
    answer: Diagnose, case: Case, what: str, *logs: list[dict[str, float]], public: bool = False
) -> None:
    for lines in logs:
        expected, got = _diagnose(lines), case.call(answer, lines)
        require(
            not (type(got) in (list, tuple) and len(got) == 2 and isinstance(got[0], str) and got[0] not in _WORDS),
            "there are four words: collapse, drift, won and healthy",
            expected=what,
            got=got,
        )
        readings = {} if got == expected else _likely(answer, case, logs)
        mistakes: Mistakes = {cause: partial(how, lines) for cause, how in readings.items()}
        compare(got, expected, within=1e-9, what=what, public=public, mistakes=mistakes)


def _likely(
    answer: Diagnose, case: Case, logs: Sequence[list[dict[str, float]]]
) -> dict[str, diagnose_mistakes.Reading]:
    """The mistakes that explain what the answer says of these logs and of others; all mistakes if none does.

    One wrong word can come of many mistakes, a dozen hardly.
    """
    several = [
        *logs,
        _log(case, 12, error={6: 0.11, 7: 0.3, 9: 0.015}, drift={10: 0.08}),
        _log(case, 12, error={8: 0.2}, drift={6: 0.1}, **_sure(2, 5, 6, 7)),
        _log(case, 8, error={5: 0.2, 6: 0.3}, drift={5: 0.1, 6: 0.1}, **_sure(3, 4, 5)),
        _log(case, 12, error={k: 0.03 + 0.008 * k for k in range(8)}, **_sure(0, 2, 4)),
        _log(case, 9, drift={4: 0.1}, **_sure(2, 3, 4)),
        _log(case, 9, **_sure(4, 5, 6, 7)),
        _log(case, 9, **_sure(0, 1, 7, 8)),
        _log(case, 9, d_real=dict.fromkeys(range(4), 0.97)),
        _log(case, 9, d_fake=dict.fromkeys(range(3, 7), 0.02)),
    ]
    told = [answer(lines) for lines in several]
    all_of_them = diagnose_mistakes.READINGS
    fitting = {cause: how for cause, how in all_of_them.items() if told == [how(lines) for lines in several]}
    return fitting or all_of_them


def diagnose_healthy(answer: Diagnose, case: Case) -> None:
    """A log in order is healthy: an error that doubles nearly, a discriminator that is sure now and then."""
    nearly = _log(case, 9, error={3: 0.074, 4: 0.078}, drift={5: 0.055})
    now_and_then = _log(case, 12, **_sure(2, 3, 5, 6, 8))
    begin_and_end = _log(case, 9, **_sure(0, 1, 7, 8))
    what = "(word, None) for a log in order"
    _compare_diagnoses(answer, case, what, _log(case, 6), nearly, now_and_then, begin_and_end)


def diagnose_collapse(answer: Diagnose, case: Case) -> None:
    """An error of more than 2 times the smallest so far; later lines do not matter."""
    sinking = {k: 0.09 - 0.01 * k for k in range(7)} | {7: 0.07, 8: 0.075, 9: 0.01}
    creeping = {k: 0.03 + 0.008 * k for k in range(8)}
    _compare_diagnoses(
        answer, case, "the word and the step of a collapse",
        _log(case, 10, error={6: 0.11, 7: 0.3, 8: 0.9, 9: 1.0}), _log(case, 10, error=sinking),
        _log(case, 8, error=creeping),
    )  # fmt: skip


def diagnose_drift(answer: Diagnose, case: Case) -> None:
    """Colours that drift by more than 0.06."""
    _compare_diagnoses(
        answer, case, "the word and the step of a drift", _log(case, 9, drift={4: 0.08, 5: 0.2}),
        _log(case, 9, drift={4: 0.061}),
    )  # fmt: skip


def diagnose_won(answer: Diagnose, case: Case) -> None:
    """Three lines in a row in which d_real is more than 0.95 and d_fake less than 0.05."""
    real_alone = _sure(5, 6, 7)
    real_alone["d_real"] |= {1: 0.97, 2: 0.97, 3: 0.97}
    fake_alone = _sure(6, 7, 8)
    fake_alone["d_fake"] |= {1: 0.02, 2: 0.02, 3: 0.02}
    _compare_diagnoses(
        answer, case, "the word and the step at which the discriminator has won",
        _log(case, 12, **_sure(1, 2, 4, 7, 8, 9, 10)), _log(case, 9, **real_alone), _log(case, 10, **fake_alone),
        _log(case, 6, **_sure(3, 4, 5)),
    )  # fmt: skip


def diagnose_which_first(answer: Diagnose, case: Case) -> None:
    """The first line with an alarm ends it; in one line collapse comes before drift, and drift before won."""
    _compare_diagnoses(
        answer, case, "the word and the step of the first alarm",
        _log(case, 10, error={8: 0.2}, drift={6: 0.1}, **_sure(3, 4, 5)), _log(case, 8, error={6: 0.2}, drift={4: 0.1}),
        _log(case, 6, error={4: 0.2}, drift={4: 0.1}), _log(case, 6, drift={4: 0.1}, **_sure(2, 3, 4)),
        _log(case, 6, error={5: 0.2}, **_sure(3, 4, 5)),
    )  # fmt: skip


def diagnose_limits(answer: Diagnose, case: Case) -> None:
    """Values that are just at their limit are in order."""
    errors = dict.fromkeys(range(6), 0.0625) | {3: 0.125}
    sure = {"d_real": dict.fromkeys(range(4), 0.95), "d_fake": dict.fromkeys(range(4), 0.02)}
    made = {"d_real": dict.fromkeys(range(4), 0.97), "d_fake": dict.fromkeys(range(4), 0.05)}
    what = "(word, None): more than the limit, or less, is wanted"
    _compare_diagnoses(
        answer, case, what, _log(case, 6, error=errors), _log(case, 6, drift={2: 0.06}), _log(case, 5, **sure),
        _log(case, 5, **made),
    )  # fmt: skip


def diagnose_not_finite(answer: Diagnose, case: Case) -> None:
    """An error or a drift that is nan or infinite is an alarm."""
    for value in (math.nan, math.inf):
        _compare_diagnoses(
            answer, case, "the word and the step of a value that is not finite",
            _log(case, 6, error={3: value, 4: value}), _log(case, 6, drift={2: value}), _log(case, 3, error={0: value}),
        )  # fmt: skip


def diagnose_worked_example(answer: Diagnose, case: Case) -> None:
    """The errors 0.04, 0.03, 0.05, 0.07 are a collapse at the fourth line."""
    lines = _log(
        case, 4, error=dict(enumerate((0.04, 0.03, 0.05, 0.07))), step=dict(enumerate((10.0, 20.0, 30.0, 40.0)))
    )
    _compare_diagnoses(answer, case, "the verdict", lines, public=True)


EXERCISE = Exercise(
    reference=_diagnose,
    checks=(
        diagnose_healthy,
        diagnose_collapse,
        diagnose_drift,
        diagnose_won,
        diagnose_which_first,
        diagnose_limits,
        diagnose_not_finite,
        diagnose_worked_example,
    ),
)
