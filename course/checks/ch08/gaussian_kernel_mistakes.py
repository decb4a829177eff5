"""What the usual mistakes in 08.1 give: cause -> formula, computed only when an answer is wrong."""

import math
from typing import Any

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch08.shared import grid


def gaussian(size: int, sigma: tuple[float, float], rotation: float) -> Mistakes:
    def distance(
        turn: float = rotation, widths: tuple[float, float] = sigma, middle: float | None = None, flat: bool = False
    ) -> Tensor:
        x, y = grid(size, middle)
        a = x * math.cos(turn) + y * math.sin(turn)
        b = y if flat else y * math.cos(turn) - x * math.sin(turn)
        return (a / widths[0]) ** 2 + (b / widths[1]) ** 2

    x, y = grid(size)
    cos, sin = math.cos(rotation), math.sin(rotation)

    def of(a: Tensor, b: Tensor) -> Tensor:
        return summed(torch.exp(-((a / sigma[0]) ** 2 + (b / sigma[1]) ** 2) / 2))

    def signed(on_a: float, on_b: float) -> Tensor:
        a, b = (x * cos + y * sin) / sigma[0], (y * cos - x * sin) / sigma[1]
        return summed(torch.exp(on_a * a**2 + on_b * b**2))

    def half_mixed() -> Tensor:
        mixed = cos * sin * (1 / sigma[0] ** 2 - 1 / sigma[1] ** 2) * x * y
        return summed(torch.exp(-(distance() - mixed) / 2))

    def summed(kernel: Tensor) -> Tensor:
        return kernel / kernel.sum()

    def by(**how: Any) -> Tensor:
        return summed(torch.exp(-distance(**how) / 2))

    def sheared() -> Tensor:  # the second line uses the x that the first has overwritten
        a = x * cos + y * sin
        return of(a, y * cos - a * sin)

    right = torch.exp(-distance() / 2)
    return {
        "the values do not sum to 1: divide by their sum": lambda: right,
        "divided by 2 pi sigma sigma: a cut-off kernel does not sum to 1 by that, divide by the sum": lambda: (
            right / (2 * math.pi * sigma[0] * sigma[1])
        ),
        "the rotation has no effect: a and b are sums of x and y": lambda: by(turn=0.0),
        "it turns the other way: from x towards y, which points down": lambda: by(turn=-rotation),
        "the rotation is taken as degrees: it is in radians": lambda: by(turn=math.radians(rotation)),
        "the two sigmas are exchanged: sigma[0] lies along x before the rotation": lambda: by(widths=sigma[::-1]),
        "sigma[0] is used for both axes": lambda: by(widths=(sigma[0], sigma[0])),
        "sigma[1] is used for both axes": lambda: by(widths=(sigma[1], sigma[1])),
        "the half in the exponent is missing": lambda: summed(torch.exp(-distance())),
        "the exponent is not halved but doubled": lambda: summed(torch.exp(-2 * distance())),
        "sigma is not squared: (a / sigma)^2": lambda: by(widths=(sigma[0] ** 0.5, sigma[1] ** 0.5)),
        "sigma multiplies instead of dividing: (a / sigma)^2": lambda: by(widths=(1 / sigma[0], 1 / sigma[1])),
        "the root of the distance stands in the exponent: that is pointed, not a Gaussian": lambda: summed(
            torch.exp(-distance().sqrt() / 2)
        ),
        "the middle is half a pixel off: x = column - size // 2": lambda: by(middle=size / 2),
        "the middle is one pixel off: x = column - size // 2": lambda: by(middle=size // 2 + 1),
        "only the first axis is turned: b = y cos - x sin": lambda: by(flat=True),
        "x was overwritten before b was computed: keep x and y": sheared,
        "the sign in b is wrong: y cos - x sin": lambda: of(x * cos + y * sin, y * cos + x * sin),
        "the sign in a is wrong: x cos + y sin": lambda: of(x * cos - y * sin, y * cos - x * sin),
        "x and y are exchanged (x changes along a row), or sine and cosine (a = x cos + y sin)": lambda: of(
            x * sin + y * cos, y * sin - x * cos
        ),
        "x and y are never negative: they have a sign, left and above it is minus": lambda: of(
            x.abs() * cos + y.abs() * sin, y.abs() * cos - x.abs() * sin
        ),
        "x runs from -1 to 1: it is in pixels": lambda: of(
            (x * cos + y * sin) / (size // 2), (y * cos - x * sin) / (size // 2)
        ),
        "the minus stands before the first square alone: -(... + ...) / 2": lambda: signed(-1, 0.5),
        "the minus stands before the first square alone: both of them": lambda: signed(-0.5, 0.5),
        "the half belongs to both squares: -(... + ...) / 2": lambda: signed(-1, -0.5),
        "the mixed term lacks its 2: 2 x y": half_mixed,
        "each column was divided by its own sum: all by the sum of all": lambda: right / right.sum(0),
        "each row was divided by its own sum: all by the sum of all": lambda: right / right.sum(1, keepdim=True),
        "it is 1 / (1 + distance), a plateau: exp(-distance / 2)": lambda: summed(1 / (1 + distance())),
    }
