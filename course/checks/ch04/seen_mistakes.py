"""What the usual mistakes in 04.6 give: cause -> formula, computed only when an answer is wrong."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course.checking import Mistakes


def footprints(network: nn.Module, x: Tensor, row: int, column: int) -> Mistakes:
    """Wrong answers to what one output pixel sees."""
    probe = x.detach().clone().requires_grad_(True)
    out = copy.deepcopy(network)(probe)

    def gradient(value: Tensor) -> Tensor:
        return torch.autograd.grad(value, [probe], retain_graph=True)[0][0]

    def box(touched: Tensor) -> tuple[int, int, int, int]:
        rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
        return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())

    def of(touched: Tensor) -> Callable[[], tuple[int, int, int, int]]:
        return lambda: box(touched)

    right = gradient(out[0, :, row, column].sum())
    top, bottom, left, last = box((right != 0).any(0))

    def thresholded(share: float) -> Callable[[], tuple[int, int, int, int]]:
        return of((right.abs() > share * right.abs().max()).any(0))

    def reading_order(places: Tensor) -> tuple[int, int, int, int]:
        return int(places[0, 0]), int(places[-1, 0]), int(places[0, 1]), int(places[-1, 1])

    def at_zeros() -> Tensor:
        other = torch.zeros_like(x).requires_grad_(True)
        [found] = torch.autograd.grad(copy.deepcopy(network)(other)[0, :, row, column].sum(), [other])
        return (found[0] != 0).any(0)

    return {
        "bottom and right are one too large: they are the last row and column that are seen": lambda: (
            top,
            bottom + 1,
            left,
            last + 1,
        ),
        "the order is another: top, bottom, left, right": lambda: (top, left, bottom, last),
        "columns come before rows: top, bottom, left, right": lambda: (left, last, top, bottom),
        "row and column of the output pixel are exchanged": lambda: box(
            (gradient(out[0, :, column, row].sum()) != 0).any(0)
        ),
        "the whole output was asked: take the one pixel at (row, column)": lambda: box(
            (gradient(out.sum()) != 0).any(0)
        ),
        "the gradient is that of the output's square, which is 0 where the output is: sum the output itself": lambda: (
            box((gradient(out[0, :, row, column].square().sum()) != 0).any(0))
        ),
        "only the first channel of the output was asked: sum over its channels": lambda: box(
            (gradient(out[0, 0, row, column]) != 0).any(0)
        ),
        "only the last channel of the output was asked: sum over its channels": lambda: box(
            (gradient(out[0, -1, row, column]) != 0).any(0)
        ),
        "only the first channel of the input was looked at: a pixel is seen if it is in one channel or more": of(
            right[0] != 0
        ),
        "gradients of opposite sign cancel: take abs() before the sum over the input's channels": of(right.sum(0) != 0),
        "a pixel counts only where all channels are seen: one channel is enough": of((right != 0).all(0)),
        "the gradients are squared, which makes the smallest of them 0: compare with != 0, or take abs()": of(
            right.square().sum(0) > 0
        ),
        "the first and the last place in reading order: the columns need their own minimum and maximum": lambda: (
            reading_order((right != 0).any(0).nonzero())
        ),
        "x was replaced by zeros: what is seen may depend on x": lambda: box(at_zeros()),
        "negative gradients are left out: compare with != 0, or take abs() first": of((right > 0).any(0)),
        "a row or column counts only where all of it is seen: any, not all": lambda: (-1, -1, -1, -1),
        "small gradients are left out: every gradient that is not exactly 0 counts": thresholded(1e-3),
        "small gradients are left out: every gradient that is not exactly 0 counts (a threshold of 1e-6)": of(
            (right.abs() > 1e-6).any(0)
        ),
        "the distances from the pixel came back: first and last row and column are wanted": lambda: (
            row - top,
            bottom - row,
            column - left,
            last - column,
        ),
    }
