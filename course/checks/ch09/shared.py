"""What several exercises of lesson 09 take."""

from collections.abc import Callable

from torch import Tensor

Step = Callable[[Tensor], Tensor]


def mean_over(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True).expand_as(x)


def nearest_by(x: Tensor, scale: int) -> Tensor:
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
