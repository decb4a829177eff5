"""04.4 transposed_kernel: what a right answer must satisfy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch04 import transposed_kernel_mistakes
from course.checks.ch04.shared import PixelShuffle, numbered


def _transposed_kernel(weight: Tensor, factor: int) -> Tensor:
    return F.pixel_shuffle(weight.flip(2, 3).transpose(0, 1), factor)


def _compare_kernel(
    transposed_kernel: PixelShuffle, case: Case, weight: Tensor, factor: int, expected: Tensor, what: str, public: bool
) -> None:
    kernel = case.call(transposed_kernel, weight, factor)
    compare(
        kernel,
        expected,
        within=0,
        what=what,
        public=public,
        mistakes=transposed_kernel_mistakes.kernels(weight, factor),
    )


def transposed_kernel_worked_example(transposed_kernel: PixelShuffle, case: Case) -> None:
    """Four 1 x 1 filters with weights 1, 2, 3, 4 become one kernel of 2 x 2."""
    weight = 1 + numbered(4, 1, 1, 1)
    expected = torch.tensor([[[[1.0, 2], [3, 4]]]])
    _compare_kernel(transposed_kernel, case, weight, 2, expected, "the rows 1, 2 and 3, 4", True)


def transposed_kernel_factor_one(transposed_kernel: PixelShuffle, case: Case) -> None:
    """At factor 1 the kernel is the weight, turned by 180 degrees, with (C, D) exchanged."""
    weight = numbered(2, 3, 3, 3)
    expected = weight.rot90(2, (2, 3)).permute(1, 0, 2, 3)
    _compare_kernel(transposed_kernel, case, weight, 1, expected, "the weight turned, (D, C, 3, 3)", False)


def transposed_kernel_places(transposed_kernel: PixelShuffle, case: Case) -> None:
    """Every weight stands in the kernel once, where the formula says."""
    c, d, k, r = 2, 3, 3, 2
    weight = numbered(c * r * r, d, k, k)
    expected = torch.empty(d, c, r * k, r * k)
    for dy in range(r):
        for dx in range(r):
            for a in range(k):
                for b in range(k):
                    place = r * (k - 1 - a) + dy, r * (k - 1 - b) + dx
                    expected[:, :, place[0], place[1]] = weight[dy * r + dx :: r * r, :, a, b].T
    _compare_kernel(transposed_kernel, case, weight, r, expected, f"a kernel ({d}, {c}, {r * k}, {r * k})", False)


def transposed_kernel_is_the_convolution(transposed_kernel: PixelShuffle, case: Case) -> None:
    """The transposed convolution gives what convolution and pixel shuffle give, for any sizes."""
    for r, k, dtype in ((2, 3, torch.float32), (3, 1, torch.float64), (2, 5, torch.float64), (4, 3, torch.float32)):
        c, d = case.integer(2, 3), case.integer(1, 4)
        weight = (2 * case.rand(c * r * r, d, k, k) - 1).to(dtype)
        x = case.rand(2, d, case.integer(3, 4), case.integer(5, 6)).to(dtype)

        def enlarged(kernel: Tensor, x: Tensor = x, r: int = r, k: int = k) -> Tensor:
            return F.conv_transpose2d(x, kernel, stride=r, padding=r * (k // 2))

        kernel = case.call(transposed_kernel, weight, r)
        wanted = (d, c, r * k, r * k)
        got = tuple(kernel.shape) if isinstance(kernel, Tensor) else kernel
        require(got == wanted, "the kernel has another shape", expected=f"shape {wanted}", got=f"{got}")
        wrong = transposed_kernel_mistakes.kernels(weight, r)
        compare(
            enlarged(kernel),
            F.pixel_shuffle(F.conv2d(x, weight, padding=k // 2), r),
            within=1e-4,
            what=f"{c * r * r} filters of {k} x {k} and factor {r}, as one transposed convolution",
            mistakes={
                cause: lambda make=make, enlarged=enlarged: enlarged(make())  # type: ignore[misc]
                for cause, make in wrong.items()
            },
        )


EXERCISE = Exercise(
    reference=_transposed_kernel,
    checks=(
        transposed_kernel_worked_example,
        transposed_kernel_factor_one,
        transposed_kernel_places,
        transposed_kernel_is_the_convolution,
    ),
)
