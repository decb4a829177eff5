"""03.5 filter_picture: what a right answer must satisfy."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Case, Exercise, compare
from course.checks.ch03 import filter_picture_mistakes

FilterPicture = Callable[[Tensor, int], Tensor]


def _filter_picture(weights: Tensor, columns: int) -> Tensor:
    return filter_picture_mistakes.sheet(filter_picture_mistakes.greys(weights), columns)[..., 1:-1, 1:-1]


def _compare_filters(filter_picture: FilterPicture, case: Case, weights: Tensor, columns: int, what: str) -> None:
    compare(
        case.call(filter_picture, weights, columns),
        _filter_picture(weights, columns),
        within=1e-5,
        what=what,
        mistakes=filter_picture_mistakes.filter_pictures(weights, columns),
        pictures=True,
    )


def _filters(case: Case, count: int, height: int, width: int) -> Tensor:
    """Filters of very different sizes, not balanced round zero."""
    size = 10 ** (3 * case.rand(count, 1, 1) - 2)
    return size * (case.rand(count, height, width) - 0.3 - 0.4 * case.rand(count, 1, 1))


def filter_picture_worked_example(filter_picture: FilterPicture, case: Case) -> None:
    """Two filters of 1 x 2 side by side: 0, 0.75, a gap of 1, 0.5, 1."""
    weights = torch.tensor([[[-2.0, 1.0]], [[0.0, 3.0]]])
    compare(
        case.call(filter_picture, weights, 2),
        torch.tensor([0.0, 0.75, 1.0, 0.5, 1.0]).view(1, 1, 1, 5),
        within=1e-5,
        what="one row of five pixels",
        public=True,
        mistakes=filter_picture_mistakes.filter_pictures(weights, 2),
    )


def filter_picture_one_filter(filter_picture: FilterPicture, case: Case) -> None:
    """One filter is one tile without a gap: zero is 0.5, the largest absolute weight is 0 or 1."""
    for sign in (1, -1):
        weights = sign * torch.tensor([[[0.0, 1.0, -0.5], [0.25, -0.125, 0.5]]]) * (0.01 + 10 * case.rand(1))
        _compare_filters(filter_picture, case, weights, 1, "the weights at their places, 0.5 + weight / (2 m)")


def filter_picture_layout(filter_picture: FilterPicture, case: Case) -> None:
    """Filters that are not square lie in reading order, with gaps of one pixel between them."""
    for count, columns in ((6, 3), (8, 2), (4, 4), (3, 1)):
        _compare_filters(
            filter_picture, case, _filters(case, count, 2, 4), columns, f"{count} filters of 2 x 4, {columns} in a row"
        )


def filter_picture_square(filter_picture: FilterPicture, case: Case) -> None:
    """Sixteen square filters stand upright, each on its own scale; single weights are black or white."""
    side = 2 * case.integer(1, 4) + 1
    _compare_filters(
        filter_picture, case, _filters(case, 16, side, side), 4, f"16 filters of {side} x {side}, 4 in a row"
    )
    _compare_filters(filter_picture, case, _filters(case, 6, 1, 1), 3, "6 filters of 1 x 1, 3 in a row")


def filter_picture_missing_tiles(filter_picture: FilterPicture, case: Case) -> None:
    """Where the last row has no filter the picture is 1, also if there is less than one row."""
    for count, columns in ((7, 3), (2, 4), (5, 4), (1, 3)):
        _compare_filters(
            filter_picture, case, _filters(case, count, 3, 2), columns, f"{count} filters of 3 x 2, {columns} in a row"
        )


def filter_picture_of_zeros(filter_picture: FilterPicture, case: Case) -> None:
    """A filter of zeros is 0.5 everywhere, and its neighbours are as ever."""
    weights = _filters(case, 4, 3, 3).double()
    weights[case.integer(0, 3)] = 0
    _compare_filters(filter_picture, case, weights, 2, "four filters, one of zeros")
    _compare_filters(filter_picture, case, torch.zeros(1, 2, 2), 1, "one filter of zeros")


EXERCISE = Exercise(
    reference=_filter_picture,
    checks=(
        filter_picture_worked_example,
        filter_picture_one_filter,
        filter_picture_layout,
        filter_picture_square,
        filter_picture_missing_tiles,
        filter_picture_of_zeros,
    ),
)
