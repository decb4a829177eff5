"""What the usual mistakes in 06.6 give: cause -> formula, computed only when an answer is wrong."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

Line = Mapping[str, float]
Reading = Callable[[Sequence[Line]], Any]
ALARMS = ("collapse", "drift", "won")


def read(
    lines: Sequence[Line],
    *,
    least: str = "so far",
    worst_error: float = 2.0,
    loose: Sequence[str] = (),
    blind: Sequence[str] = (),
    order: Sequence[str] = ALARMS,
    run: int = 3,
    in_a_row: bool = True,
    early: str = "",
    finite: Callable[[float], bool] = math.isfinite,
    sure: str = "both",
    told: str = "this",
    last: bool = False,
) -> tuple[str, float | None]:
    """A log read by the rules; each argument is a way to get them wrong.

    loose: what counts at its limit already. blind: alarms that nan and infinity do not raise. early: what lines[k - 2]
    is for the first two lines: "short" (left out), "empty" (the whole slice is) or "round" (counted from the end).
    """

    def is_sure(line: Line) -> bool:
        real = line["d_real"] > 0.95 or ("d_real" in loose and line["d_real"] == 0.95)
        fake = line["d_fake"] < 0.05 or ("d_fake" in loose and line["d_fake"] == 0.05)
        return {"both": real and fake, "real": real, "fake": fake, "either": real or fake}[sure]

    found: tuple[str, float | None] = ("healthy", None)
    smallest, count = math.inf, 0
    errors = [line["error"] for line in lines if math.isfinite(line["error"])]
    for k, line in enumerate(lines):
        smallest = min(smallest, line["error"])
        reference = {
            "so far": smallest,
            "all": min(errors, default=math.inf),
            "first": lines[0]["error"],
            "before": lines[max(k - 1, 0)]["error"],
            "mean": math.fsum(x["error"] for x in lines[: k + 1]) / (k + 1),
        }[least]
        count = count + 1 if is_sure(line) else count * (not in_a_row)
        if early == "ahead":
            count = 3 * (k + 2 < len(lines) and all(map(is_sure, lines[k : k + 3])))
        elif early and k < 2:
            seen = {"short": lines[: k + 1], "empty": [], "round": [lines[k - 2], lines[k - 1], line]}[early]
            count = 3 if all(map(is_sure, seen)) else min(count, 2)
        limits = {"collapse": (line["error"], worst_error * reference), "drift": (line["drift"], 0.06)}
        alarms = {
            name: (name not in blind and not finite(value)) or value > limit or (name in loose and value == limit)
            for name, (value, limit) in limits.items()
        } | {"won": count >= run}
        word = next((name for name in order if alarms[name]), None)
        if word is not None:
            step = {
                "this": line["step"],
                "ahead": lines[min(k + 2, len(lines) - 1)]["step"],
                "first": lines[k - run + 1]["step"],
                "index": float(k),
                "one": float(k + 1),
            }
            found = word, line["step"] if told in ("first", "ahead") and word != "won" else step[told]
            if not last:
                return found
    return found


def _one_after_the_other(lines: Sequence[Line]) -> tuple[str, float | None]:
    found = (read(lines, order=(word,)) for word in ALARMS)
    return next((answer for answer in found if answer[1] is not None), ("healthy", None))


def _with_a_step(answer: tuple[str, float | None], step: float) -> tuple[str, float]:
    return answer[0], step if answer[1] is None else answer[1]


# cause -> how a log is read with it
READINGS: dict[str, Reading] = {
    "the index of the line came back: its step is wanted": partial(read, told="index"),
    "the number of the line came back: its step is wanted": partial(read, told="one"),
    "the last alarm came back: the first one ends it": partial(read, last=True),
    "the smallest error of the whole log was taken: a line knows nothing of later ones": partial(read, least="all"),
    "the error was compared with the first line's: with the smallest so far": partial(read, least="first"),
    "the error was compared with the line before: with the smallest so far": partial(read, least="before"),
    "the error was compared with the mean so far: with the smallest so far": partial(read, least="mean"),
    "an error of more than its smallest is no collapse: more than 2 times that": partial(read, worst_error=1.0),
    "the error is overlooked": partial(read, order=("drift", "won")),
    "the drift is overlooked": partial(read, order=("collapse", "won")),
    "a discriminator that has won is overlooked": partial(read, order=("collapse", "drift")),
    "a value just at its limit is in order: more than the limit is wanted": partial(read, loose=("collapse", "drift")),
    "an error just at its limit is in order: more than the limit is wanted": partial(read, loose=("collapse",)),
    "a drift just at its limit is in order: more than the limit is wanted": partial(read, loose=("drift",)),
    "a d_real of just 0.95 does not count for `won`": partial(read, loose=("d_real",)),
    "a d_fake of just 0.05 does not count for `won`": partial(read, loose=("d_fake",)),
    "a d_real of just 0.95 and a d_fake of just 0.05 do not count for `won`": partial(read, loose=("d_real", "d_fake")),
    "infinity is overlooked: math.isnan asks for nan alone, math.isfinite for both": partial(
        read, finite=lambda value: not math.isnan(value)
    ),
    "nan or infinity is overlooked: every comparison with nan is False, so ask math.isfinite": partial(
        read, blind=("collapse", "drift")
    ),
    "an error that is nan is overlooked: every comparison with nan is False, so ask math.isfinite": partial(
        read, blind=("collapse",)
    ),
    "a drift that is nan is overlooked: every comparison with nan is False, so ask math.isfinite": partial(
        read, blind=("drift",)
    ),
    "one such line is not enough for `won`: three in a row": partial(read, run=1),
    "two such lines are not enough for `won`: three in a row": partial(read, run=2),
    "four lines in a row were wanted for `won`: three are enough": partial(read, run=4),
    "the three lines must be in a row: a line that is none begins the count anew": partial(read, in_a_row=False),
    "the first two lines have no two before them: lines[k - 2 : k + 1] is empty there, and all() of nothing is True": (
        partial(read, early="empty")
    ),
    "the first two lines have no two before them: fewer than three lines are not enough for `won`": partial(
        read, early="short"
    ),
    "the first two lines have no two before them: lines[-1] and lines[-2] are the log's last": partial(
        read, early="round"
    ),
    "`won` looks at two lines that are still to come, so an alarm in one of them is overlooked: this line and the two "
    "before it": partial(read, early="ahead", told="ahead"),
    "d_real alone does not tell `won`: d_fake must be below 0.05 as well": partial(read, sure="real"),
    "d_fake alone does not tell `won`: d_real must be above 0.95 as well": partial(read, sure="fake"),
    "both must hold for `won`, d_real above 0.95 and d_fake below 0.05": partial(read, sure="either"),
    "the step of the first of the three lines came back: that of the third is wanted": partial(read, told="first"),
    "the whole log was searched for one alarm after the other: ask all three at each line, first line first": (
        _one_after_the_other
    ),
    "drift was asked before collapse": partial(read, order=("drift", "collapse", "won")),
    "won was asked before drift": partial(read, order=("collapse", "won", "drift")),
    "the three are asked in another order: collapse, drift, won": partial(read, order=ALARMS[::-1]),
    'a healthy log has no step: ("healthy", None)': lambda lines: _with_a_step(read(lines), lines[-1]["step"]),
    'a healthy log has no step, not 0: ("healthy", None)': lambda lines: _with_a_step(read(lines), 0.0),
    "only the word came back: (word, step)": lambda lines: read(lines)[0],
    "the step came first: (word, step)": lambda lines: read(lines)[::-1],
}
