"""What several exercises of lesson 08 take."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course.checking import Mistakes


def grid(size: int, middle: float | None = None) -> tuple[Tensor, Tensor]:
    """x of the columns and y of the rows."""
    offset = torch.arange(size, dtype=torch.float64) - (size // 2 if middle is None else middle)
    return offset.expand(size, size), offset[:, None].expand(size, size)


def that_fit_elsewhere(here: Mistakes, there: Mistakes, got: Callable[[], Tensor]) -> Mistakes:
    """The causes that explain another call too: on a small kernel, or at a cutoff of pi, several look alike."""

    def given(cause: str) -> Tensor:
        wrong, made = there[cause](), got()
        if (
            not isinstance(made, Tensor)
            or made.shape != wrong.shape
            or not torch.allclose(made.double(), wrong.double(), rtol=0, atol=1e-6)
        ):
            raise ValueError("it explains one of the calls alone")
        return here[cause]()

    return {cause: partial(given, cause) for cause in here}


def how_far(got: object, expected: Tensor) -> float:
    return float((got - expected).abs().max()) if isinstance(got, Tensor) and got.shape == expected.shape else 0.0
