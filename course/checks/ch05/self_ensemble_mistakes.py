"""What the usual mistakes in 05.6 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch05.shared import Enlarge


def ensemble(enlarge: Enlarge, lr: Tensor) -> Mistakes:
    def view(k: int) -> Tensor:
        return (lr.flip(-1) if k >= 4 else lr).rot90(k % 4, (2, 3))

    def back(y: Tensor, k: int) -> Tensor:
        y = y.rot90(-(k % 4), (2, 3))
        return y.flip(-1) if k >= 4 else y

    def mean(undo: Callable[[Tensor, int], Tensor]) -> Tensor:
        return torch.stack([undo(enlarge(view(k)), k) for k in range(8)]).mean(0)

    def same_turn(y: Tensor, k: int) -> Tensor:
        return (y.flip(-1) if k >= 4 else y).rot90(k % 4, (2, 3))

    def flip_first(y: Tensor, k: int) -> Tensor:
        return (y.flip(-1) if k >= 4 else y).rot90(-(k % 4), (2, 3))

    def turned_on(y: Tensor, k: int) -> Tensor:
        y = y.rot90(k % 4, (2, 3))
        return y.flip(-1) if k >= 4 else y

    def not_flipped(y: Tensor, k: int) -> Tensor:
        return y.rot90(-(k % 4), (2, 3))

    def eight() -> Tensor:
        return torch.stack([back(enlarge(view(k)), k) for k in range(8)])

    return {
        "the results were not turned back": lambda: mean(lambda y, k: y),
        "the mirror images were not mirrored back": lambda: mean(not_flipped),
        "the results were turned on instead of back: rot90 with minus the quarters": lambda: mean(turned_on),
        "the results were turned a second time instead of back": lambda: mean(same_turn),
        "the mirror images are undone in the wrong order: turned last, so turned back first": lambda: mean(flip_first),
        "the sum instead of the mean: divide by 8": lambda: eight().sum(0),
        "the median instead of the mean": lambda: eight().median(0).values,
        "the largest of the eight values instead of the mean": lambda: eight().amax(0),
        "the result is clipped: leave the clamp out": lambda: eight().mean(0).clamp(0, 1),
        "the eight results are clipped before the mean: leave the clamp out": lambda: eight().clamp(0, 1).mean(0),
        "the result is rounded: leave it as it is": lambda: (255 * eight().mean(0)).round() / 255,
        "the eight results came back: take their mean": eight,
    }
