"""What the usual mistakes in 02.6 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch02.shared import figures, mean_of_mse, pooled, squared_errors, to_decibels, without_border
from srlib import color, image


def _in_integers(dtype: torch.dtype) -> Callable[[list[Tensor], list[Tensor], int], float]:
    """Script c with a difference that is taken in these integers."""

    def figure(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
        pairs = [tuple(image.to_uint8(x).to(dtype) for x in pair) for pair in zip(srs, hrs, strict=True)]
        differences = [(sr - hr).double() / 255 for sr, hr in pairs]
        return to_decibels([without_border(color.luma_difference(d), scale).square() for d in differences])

    return figure


def scripts(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What a script says whose bug is still there, which is not named, or was mended in a wrong way."""

    def left_out(border: int) -> Callable[[], float]:
        return lambda: to_decibels(squared_errors(srs, hrs, border))

    def absolute() -> float:
        pairs = [[image.to_uint8(x).int() for x in pair] for pair in zip(srs, hrs, strict=True)]
        differences = [(sr - hr).abs().double() / 255 for sr, hr in pairs]
        return to_decibels([without_border(color.luma_difference(d), scale).square() for d in differences])

    as_it_came = {
        "a": left_out(4),
        "b": lambda: pooled(squared_errors(srs, hrs, scale)),
        "c": lambda: _in_integers(torch.uint8)(srs, hrs, scale),
    }
    return {
        f'script "{script}" says of these pictures what it said before any repair; the protocol says something else': (
            as_it_came[script]
        ),
        f'script "{script}" throws the pixels of all pictures together before the logarithm: take a mean of dB': (
            as_it_came["b"]
        ),
        f'script "{script}" takes the mean of the MSEs and then one logarithm: each picture has its own PSNR first': (
            lambda: mean_of_mse(squared_errors(srs, hrs, scale))
        ),
        f'script "{script}" subtracts bytes, which know no negative numbers: there 10 - 20 is 246': as_it_came["c"],
        f'script "{script}" subtracts in int8, which ends at 127: bright minus dark does not fit': (
            lambda: _in_integers(torch.int8)(srs, hrs, scale)
        ),
        f'script "{script}" makes the difference positive, but luma needs its sign: red up and green down cancel': (
            absolute
        ),
        **{f'script "{script}": {cause}': make for cause, make in figures(srs, hrs, scale).items()},
        **{
            f'script "{script}" leaves out {border} pixels at scale {scale}: leave out `scale` of them': left_out(
                border
            )
            for border in range(1, 7)
            if border != scale
        },
    }
