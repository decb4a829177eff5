"""02.5 protocol: what a right answer must satisfy."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch02.shared import eight_bits, figures, noisy_set, right_protocol, too_green, tree_rings

Protocol = Callable[[list[Tensor], list[Tensor], int], float]


def _compare_figures(
    protocol: Protocol, case: Case, srs: list[Tensor], hrs: list[Tensor], scale: int, **how: Any
) -> None:
    what = how.pop("what", f"the mean of the PSNR of {len(srs)} picture(s) at scale {scale}")
    compare(
        case.call(protocol, srs, hrs, scale),
        right_protocol(srs, hrs, scale),
        within=5e-4,
        what=what,
        unit="dB",
        mistakes=figures(srs, hrs, scale),
        **how,
    )


def protocol_worked_example(protocol: Protocol, case: Case) -> None:
    """One picture that is 8/255 too green everywhere has 36.02 dB."""
    sr, hr = too_green()
    _compare_figures(protocol, case, [sr], [hr], 4, public=True, what="20 log10(255 / (8 * 128.553/255))")


def protocol_mean_of_pictures(protocol: Protocol, case: Case) -> None:
    """Pictures of several sizes and difficulties: each has a PSNR, and their mean is the figure."""
    srs, hrs = noisy_set(case, [(16, 22), (30, 17), (12, 13)], [0.4, 0.1, 0.02])
    _compare_figures(protocol, case, list(map(eight_bits, srs)), hrs, 2)


def protocol_border(protocol: Protocol, case: Case) -> None:
    """The outermost `scale` pixels do not count, at every scale."""
    for scale in (1, 2, 3, 4):
        srs, hrs = noisy_set(case, [(19, 23), (24, 18)], [0.1, 0.05])
        for sr in srs:
            tree_rings(sr)
        _compare_figures(protocol, case, list(map(eight_bits, srs)), hrs, scale)


def protocol_clips(protocol: Protocol, case: Case) -> None:
    """What lies outside [0, 1] is clipped, as a file would do it."""
    nearly_black_or_white = (8 * case.rand(1, 3, 14, 18) + 247 * case.rand(1, 3, 14, 18).round()) / 255
    hr = eight_bits(nearly_black_or_white)
    sr = hr + 24 / 255 * (case.rand(*hr.shape) - 0.5)
    _compare_figures(protocol, case, [sr], [hr], 3)


def protocol_rounds(protocol: Protocol, case: Case) -> None:
    """sr is rounded to 8 bits, and a half goes up: 76.5 becomes 77."""
    step = torch.arange(0.0, 250.0)
    value = (step + 0.5) / 255
    half = (value * 255 == step + 0.5) & (value.double() * 255 >= step + 0.5)  # a half, whatever one counts in
    step, value = step[half], value[half]
    picked = torch.randint(len(step), (1, 3, 13, 17), generator=case.rng)
    _compare_figures(protocol, case, [value[picked]], [(step[picked] + 4) / 255], 2)


def protocol_of_luma(protocol: Protocol, case: Case) -> None:
    """Errors in colour that leave the brightness alone hardly count."""
    [hr] = noisy_set(case, [(17, 14)], [0.0])[1]
    hr = eight_bits(0.3 + 0.4 * hr)
    shift = 0.1 * (case.rand(1, 1, 17, 14) - 0.5)
    sr = hr + shift * torch.tensor([128.553, -65.481, 0.0]).view(1, 3, 1, 1) / 128.553
    _compare_figures(protocol, case, [sr + 0.01], [hr], 2)


EXERCISE = Exercise(
    reference=right_protocol,
    checks=(
        protocol_worked_example,
        protocol_mean_of_pictures,
        protocol_border,
        protocol_clips,
        protocol_rounds,
        protocol_of_luma,
    ),
)
