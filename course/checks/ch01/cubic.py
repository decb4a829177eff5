"""01.1 cubic: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch01 import cubic_mistakes
from srlib import resize as library

Cubic = Callable[[Tensor], Tensor]


def _cubic(x: Tensor) -> Tensor:
    return library.cubic(x)


def cubic_worked_example(cubic: Cubic, case: Case) -> None:
    """The kernel has the values of the worked example."""
    x = torch.tensor([0.0, 0.5, 1.0, -1.5, 2.5])
    got = case.call(cubic, x)
    compare(
        got,
        torch.tensor([1.0, 0.5625, 0.0, -0.0625, 0.0]),
        within=1e-5,
        what="the weights at 0, 0.5, 1, -1.5, 2.5",
        public=True,
        mistakes=cubic_mistakes.wrong_cubics(x, got),
    )


def cubic_everywhere(cubic: Cubic, case: Case) -> None:
    """The weight is right at every distance, left and right, near and far."""
    x = torch.cat([torch.tensor([-2.0, -1.0, 2.0, 1.001, -40.0]), 7 * case.rand(40) - 3.5])
    got = case.call(cubic, x)
    compare(got, _cubic(x), within=1e-5, what="46 weights", mistakes=cubic_mistakes.wrong_cubics(x, got))


def cubic_any_shape(cubic: Cubic, case: Case) -> None:
    """A tensor of any shape gives weights of that shape, a single number and float64 too."""
    for x in (5 * case.rand(2, 3, 4) - 2.5, torch.tensor(-0.3), case.rand(1, 5).double() + 0.5):
        got, shape = case.call(cubic, x), tuple(x.shape)
        compare(got, _cubic(x), within=1e-5, what=f"shape {shape}", mistakes=cubic_mistakes.wrong_cubics(x, got))


def cubic_partition(cubic: Cubic, case: Case) -> None:
    """The weights of all pixels around a point sum to 1, wherever the point lies."""
    x = case.rand(9, 1) - torch.arange(-3, 5)
    compare(case.call(cubic, x).sum(1), torch.ones(9), within=1e-5, what="1 at nine points", public=True)


def cubic_parabola(cubic: Cubic, case: Case) -> None:
    """With a = -0.5 a parabola is interpolated exactly: the sum of k^2 w(t - k) is t^2."""
    t, k = case.rand(9).double(), torch.arange(-3, 5)
    compare(
        (case.call(cubic, t[:, None] - k) * k**2).sum(1),
        t**2,
        within=1e-4,
        what="t^2 at nine points (only a = -0.5 does this)",
    )


def cubic_of_torch(cubic: Cubic, case: Case) -> None:
    """One bright pixel, enlarged 8 times by F.interpolate with antialias=True, draws the same curve."""
    dot = torch.zeros(1, 1, 1, 13)
    dot[..., 6] = 1
    drawn = F.interpolate(dot, size=(1, 104), mode="bicubic", antialias=True).flatten()[28:76]
    x = (torch.arange(28, 76) + 0.5) / 8 - 0.5 - 6
    got = case.call(cubic, x)
    compare(got, drawn, within=1e-5, what="the curve from -3 to 3", mistakes=cubic_mistakes.wrong_cubics(x, got))


EXERCISE = Exercise(
    reference=_cubic,
    checks=(
        cubic_worked_example,
        cubic_everywhere,
        cubic_any_shape,
        cubic_partition,
        cubic_parabola,
        cubic_of_torch,
    ),
)
