"""02.6 repaired: what a right answer must satisfy."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch02 import repaired_mistakes
from course.checks.ch02.shared import eight_bits, noisy_set, right_protocol, too_green, tree_rings

Repaired = Callable[[str, list[Tensor], list[Tensor], int], float]


def _repaired(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    return right_protocol(srs, hrs, scale)


def _compare_scripts(
    repaired: Repaired, case: Case, scripts: str, srs: list[Tensor], hrs: list[Tensor], scale: int, **how: Any
) -> None:
    for script in scripts:
        compare(
            case.call(repaired, script, srs, hrs, scale),
            right_protocol(srs, hrs, scale),
            within=5e-4,
            what=f'script "{script}" and the protocol agree on {len(srs)} picture(s) at scale {scale}',
            unit="dB",
            mistakes=repaired_mistakes.scripts(script, srs, hrs, scale),
            **how,
        )


def repaired_worked_example(repaired: Repaired, case: Case) -> None:
    """The three scripts say 36.02 dB of one picture that is 8/255 too green, at scale 4."""
    sr, hr = too_green()
    _compare_scripts(repaired, case, "abc", [sr], [hr], 4, public=True)


def repaired_at_every_scale(repaired: Repaired, case: Case) -> None:
    """Script "a" agrees with the protocol at scales 2, 3 and 4."""
    for scale in (3, 2, 4):
        srs, hrs = noisy_set(case, [(19, 23), (22, 18)], [0.1, 0.1])
        for sr in srs:
            tree_rings(sr)
        _compare_scripts(repaired, case, "a", srs, hrs, scale)


def repaired_mean_of_pictures(repaired: Repaired, case: Case) -> None:
    """Script "b" agrees with the protocol on several pictures, easy and hard, small and large."""
    srs, hrs = noisy_set(case, [(16, 22), (28, 31), (12, 13)], [0.4, 0.1, 0.02])
    _compare_scripts(repaired, case, "b", srs, hrs, 2)


def repaired_dark_and_bright(repaired: Repaired, case: Case) -> None:
    """Script "c" agrees with the protocol where sr is darker than hr, and where it is much brighter."""
    srs, hrs = noisy_set(case, [(18, 15)], [0.1])
    _compare_scripts(repaired, case, "c", srs, hrs, 3)
    hrs = [eight_bits(case.rand(1, 3, 15, 16).round())]
    _compare_scripts(repaired, case, "c", [1 - 0.9 * hrs[0]], hrs, 2)


def repaired_all_together(repaired: Repaired, case: Case) -> None:
    """All three scripts agree with the protocol on a set of four pictures, at any scale."""
    scale = case.integer(2, 4)
    sizes = [(case.integer(12, 25), case.integer(12, 25)) for _ in range(4)]
    srs, hrs = noisy_set(case, sizes, [0.02, 0.4, 0.1, 1.5])
    _compare_scripts(repaired, case, "abc", srs, hrs, scale)


EXERCISE = Exercise(
    reference=_repaired,
    checks=(
        repaired_worked_example,
        repaired_at_every_scale,
        repaired_mean_of_pictures,
        repaired_dark_and_bright,
        repaired_all_together,
    ),
)
