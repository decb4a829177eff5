"""What the usual mistakes in 08.2 give: cause -> formula, computed only when an answer is wrong."""

import math

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch08.shared import grid


def sinc(size: int, cutoff: float) -> Mistakes:
    x, y = grid(size)
    r = torch.hypot(x, y)
    at = r == 0
    safe = r.masked_fill(at, 1.0)

    def summed(kernel: Tensor) -> Tensor:
        return kernel / kernel.sum()

    inside = cutoff * torch.special.bessel_j1(cutoff * safe) / (2 * math.pi * safe)

    def by(middle: float = cutoff**2 / (4 * math.pi), wave: Tensor = inside) -> Tensor:
        return torch.where(at, middle, wave)

    def other(by_what: float) -> Tensor:
        """Of another cutoff."""
        faster = by_what * cutoff
        wave = faster * torch.special.bessel_j1(faster * safe) / (2 * math.pi * safe)
        return summed(by(faster**2 / (4 * math.pi), wave))

    def row() -> Tensor:
        return summed(by().index_fill(0, torch.tensor([size // 2]), cutoff**2 / (4 * math.pi)))

    def set_late() -> Tensor:
        return by(wave=inside / inside.masked_fill(at, 0.0).sum())

    def square() -> Tensor:
        one = torch.special.sinc(torch.arange(size, dtype=torch.float64).sub(size // 2) * cutoff / math.pi)
        return summed(one * one[:, None])

    def j0() -> Tensor:
        return summed(by(wave=cutoff * torch.special.bessel_j0(cutoff * safe) / (2 * math.pi * safe)))

    def squared_distance() -> Tensor:
        far = safe**2
        return summed(by(wave=cutoff * torch.special.bessel_j1(cutoff * far) / (2 * math.pi * far)))

    def windowed() -> Tensor:
        window = torch.hamming_window(size, periodic=False, dtype=torch.float64)
        return summed(by() * window * window[:, None])

    def blocks_away() -> Tensor:
        far = (x.abs() + y.abs()).masked_fill(at, 1.0)
        return summed(by(wave=cutoff * torch.special.bessel_j1(cutoff * far) / (2 * math.pi * far)))

    def round_sinc() -> Tensor:
        return summed(torch.special.sinc(cutoff * r / math.pi))

    def half_a_pixel() -> Tensor:
        far = torch.hypot(*grid(size, size / 2))
        return summed(cutoff * torch.special.bessel_j1(cutoff * far) / (2 * math.pi * far))

    return {
        "the middle is missing: its limit is cutoff^2 / (4 pi)": lambda: summed(by(0.0)),
        "the middle is 1: its limit is cutoff^2 / (4 pi)": lambda: summed(by(1.0)),
        "the middle is cutoff / (2 pi): its limit is cutoff^2 / (4 pi)": lambda: summed(by(cutoff / (2 * math.pi))),
        "the middle is cutoff / (4 pi): cutoff squared, in the middle and only there": lambda: summed(
            by(cutoff / (4 * math.pi))
        ),
        "the middle is cutoff^2 / (2 pi): the limit of J1(z) / z is a half": lambda: summed(
            by(cutoff**2 / (2 * math.pi))
        ),
        "the middle has the value of distance 1: its limit is cutoff^2 / (4 pi)": lambda: summed(
            by(cutoff * float(torch.special.bessel_j1(torch.tensor(cutoff))) / (2 * math.pi))
        ),
        "the values do not sum to 1: divide by their sum": by,
        "divided by the sum of absolute values: by the sum": lambda: by() / by().abs().sum(),
        "divided by the largest: by the sum": lambda: by() / by().max(),
        "what is negative was cut to 0: it stays, that is what rings": lambda: summed(by().clamp(min=0)),
        "all values are positive: what is negative stays so": lambda: summed(by().abs()),
        "two sincs are multiplied, one for x and one for y: that lets a square of waves pass, J1 a circle": square,
        "it is sin(z) / z of the distance: in two dimensions J1 stands in its place": round_sinc,
        "J0 stands in J1's place": j0,
        "the distance is not rooted: r = sqrt(x^2 + y^2)": squared_distance,
        "r is missing below: cutoff * J1(cutoff * r) / (2 pi r)": lambda: summed(
            by(wave=cutoff * torch.special.bessel_j1(cutoff * safe) / (2 * math.pi))
        ),
        "the cutoff in front is missing: it matters beside the middle": lambda: summed(
            by(wave=torch.special.bessel_j1(cutoff * safe) / (2 * math.pi * safe))
        ),
        "the cutoff inside of J1 is missing": lambda: summed(
            by(wave=cutoff * torch.special.bessel_j1(safe) / (2 * math.pi * safe))
        ),
        "the distance is that of x alone: sqrt(x^2 + y^2)": lambda: summed(
            torch.where(
                x == 0,
                cutoff**2 / (4 * math.pi),
                cutoff * torch.special.bessel_j1(cutoff * x.abs()) / (2 * math.pi * x.abs().masked_fill(x == 0, 1.0)),
            )
        ),
        "2 pi below is missing: it matters beside the middle": lambda: summed(by(wave=2 * math.pi * inside)),
        "pi below is missing: it matters beside the middle": lambda: summed(by(wave=math.pi * inside)),
        "/ 2 * pi * r divides by 2 alone, and multiplies the rest: / (2 * pi * r)": lambda: summed(
            by(wave=inside * (math.pi * safe) ** 2)
        ),
        "/ 4 * pi multiplies by pi: the middle is cutoff^2 / (4 pi)": lambda: summed(by(cutoff**2 / 4 * math.pi)),
        "the cutoff was multiplied by pi: it is in radians a pixel as it comes": lambda: other(math.pi),
        "the cutoff was divided by pi: it is in radians a pixel as it comes": lambda: other(1 / math.pi),
        "a whole row was set to the limit: one pixel, [size // 2, size // 2]": row,
        "the middle was set after the division by the sum: before": set_late,
        "1 was added to every r: only the middle needs another number": lambda: summed(
            cutoff * torch.special.bessel_j1(cutoff * (r + 1)) / (2 * math.pi * (r + 1))
        ),
        "1 was added to every r: it is 0 in the middle alone": lambda: summed(
            by(wave=cutoff * torch.special.bessel_j1(cutoff * (r + 1)) / (2 * math.pi * (r + 1)))
        ),
        "r is |x| + |y|: sqrt(x^2 + y^2)": blocks_away,
        "each column was divided by its own sum: all by the sum of all": lambda: by() / by().sum(0),
        "each row was divided by its own sum: all by the sum of all": lambda: by() / by().sum(1, keepdim=True),
        "a window was laid over it: leave it cut off": windowed,
        "the middle is half a pixel off: x = column - size // 2": half_a_pixel,
    }
