"""08.5 plan: what a right answer must satisfy."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

from course.checking import Case, Exercise, compare, require
from course.checks.ch08 import plan_mistakes

Plan = Callable[[Sequence[float], float, float, plan_mistakes.Chance], list[str]]


def _plan(blur: Sequence[float], sinc: float, jpeg_last: float, chance: plan_mistakes.Chance) -> list[str]:
    """srlib's `draw` makes steps with all their numbers; this gives the names alone."""
    if not blur:
        return ["final size"]
    *before, last = [[*["blur"] * chance(probability), "resize", "noise"] for probability in blur]
    names = [name for one in before for name in (*one, "jpeg")] + last
    end = ["final size", *["sinc"] * chance(sinc)]
    return names + ([*end, "jpeg"] if chance(jpeg_last) else ["jpeg", *end])


NAMES = ("blur", "resize", "noise", "jpeg", "final size", "sinc")
EVERY_WAY = list(itertools.product((True, False), repeat=4))
TWO = ((0.9, 0.8), 0.7, 0.4)  # probabilities that can be told from one another, and from their opposites


def _asked(answer: Plan, case: Case, blur: tuple[float, ...], sinc: float, jpeg_last: float,
           says: Sequence[bool]) -> tuple[list[str], plan_mistakes.Decisions]:  # fmt: skip
    """The names; says: what chance says to each blur, to the sinc and to jpeg_last."""
    decisions = plan_mistakes.Decisions(dict(zip((*blur, sinc, jpeg_last), says, strict=True)))
    got = case.call(answer, blur, sinc, jpeg_last, decisions)
    require(
        type(got) in (list, tuple) and all(type(name) is str for name in got),
        "a list of names is wanted, each a string of its own",
        expected="a list of strings",
        got=got,
    )
    unknown = [name for name in got if name not in NAMES]
    require(
        not unknown,
        f"{unknown[:1]} is none of the names: they are {', '.join(NAMES)}",
        expected="names as the text has them",
        got=", ".join(got),
    )
    return list(got), decisions


def _cause(answer: Plan, case: Case) -> str | None:
    """The mistake that explains what the answer makes of two passes, whatever chance says."""
    runs = [_asked(answer, case, *TWO, says) for says in EVERY_WAY]
    made = [names for names, _ in runs]
    if not any(decisions.asked for _, decisions in runs):
        return "chance is never asked: it decides, not the probabilities themselves, nor random numbers of your own"
    decided = [decisions.decided for _, decisions in runs]
    if made == [_plan(*TWO, plan_mistakes.Decisions(each)) for each in decided]:
        return None
    catalogues = [plan_mistakes.plans(*TWO, each) for each in decided]
    alike = (c for c in catalogues[0] if all(wrong[c]() == m for wrong, m in zip(catalogues, made, strict=True)))
    return next(alike, None)


def _compare_plan(
    answer: Plan, case: Case, blur: tuple[float, ...], sinc: float, jpeg_last: float, says: Sequence[bool],
    public: bool = False,
) -> plan_mistakes.Decisions:  # fmt: skip
    got, decisions = _asked(answer, case, blur, sinc, jpeg_last, says)
    expected = _plan(blur, sinc, jpeg_last, plan_mistakes.Decisions(decisions.decided))
    mistakes = {}
    if got != expected:
        known = _cause(answer, case)
        if known:
            mistakes = {known: lambda: ", ".join(got)}
        else:
            catalogue = plan_mistakes.plans(blur, sinc, jpeg_last, decisions.decided)
            mistakes = {cause: partial(_joined, make) for cause, make in catalogue.items()}
    what = "the names"
    if not public:
        said = ", ".join(str(each) for each in says)
        what = f"the names for blur {blur}, sinc {sinc}, jpeg_last {jpeg_last}, where chance says {said} to these"
    compare(", ".join(got), ", ".join(expected), within=0, what=what, public=public, mistakes=mistakes)
    return decisions


def _joined(make: Callable[[], list[str]]) -> str:
    return ", ".join(make())


def plan_worked_example(answer: Plan, case: Case) -> None:
    """Two passes, and chance says True to everything."""
    _compare_plan(answer, case, (1, 0.8), 0.7, 0.4, (True,) * 4, public=True)


def plan_every_way(answer: Plan, case: Case) -> None:
    """Each decision of two passes both ways, the end in both orders; chance is asked once for each."""
    for decisions in [_compare_plan(answer, case, *TWO, says) for says in EVERY_WAY]:
        for probability in (*TWO[0], *TWO[1:]):
            require(
                decisions.asked.count(probability) == 1,
                f"chance was asked {decisions.asked.count(probability)} times with one of the probabilities: "
                "once, and what it says is kept",
                expected="one question for each decision",
                got=f"the questions {', '.join(f'{p:g}' for p in decisions.asked)}",
            )


def plan_passes(answer: Plan, case: Case) -> None:
    """One pass, three passes, and none at all."""
    for says in itertools.product((True, False), repeat=3):
        _compare_plan(answer, case, (0.85,), 0.6, 0.3, says)
    for says in ((True, False, True, True, False), (False, True, True, False, True), (True, True, False, True, True)):
        _compare_plan(answer, case, (0.95, 0.75, 0.65), 0.55, 0.15, says)
    _compare_plan(answer, case, (0.9, 0.9), 0.7, 0.4, (True, True, False, True))
    nothing: tuple[Sequence[float], ...] = ((), [])
    for none in nothing:
        got = case.call(answer, none, 0.8, 0.4, plan_mistakes.Decisions({0.8: True, 0.4: True}))
        what = f"no pass, blur {none}"
        compare(got, ["final size"], within=0, what=what, mistakes=plan_mistakes.without_a_pass())
    decisions = plan_mistakes.Decisions({0.85: True, 0.65: False, 0.6: True, 0.3: False})
    expected = _plan((0.85, 0.65), 0.6, 0.3, decisions)
    got = case.call(answer, [0.85, 0.65], 0.6, 0.3, decisions)
    compare(", ".join(got), ", ".join(expected), within=0, what="the names for a list, blur [0.85, 0.65]")


def plan_own_decisions(answer: Plan, case: Case) -> None:
    """With real chances, all the ways come up: each decision is its own, even if two have the same probability."""
    dice = iter(case.rand(20_000).tolist())
    seen = {tuple(case.call(answer, (0.5, 0.5), 0.5, 0.5, lambda p: next(dice) < p)) for _ in range(400)}
    wanted = {
        tuple(_plan(*TWO, plan_mistakes.Decisions(dict(zip((*TWO[0], *TWO[1:]), says, strict=True)))))
        for says in EVERY_WAY
    }
    require(
        seen == wanted,
        "one answer of chance decides two things: ask it anew for each",
        expected=f"{len(wanted)} different plans, all probabilities being 0.5",
        got=f"{len(seen & wanted)} of them" + (", and others" if seen - wanted else ""),
    )


EXERCISE = Exercise(_plan, (plan_worked_example, plan_every_way, plan_passes, plan_own_decisions))
