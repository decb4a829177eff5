"""04.6 seen: what a right answer must satisfy."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, compare, require
from course.checks.ch04 import seen_mistakes
from srlib.models.srresnet import SRResNet

Seen = Callable[[nn.Module, Tensor, int, int], tuple[int, int, int, int]]


def _seen(network: nn.Module, x: Tensor, row: int, column: int) -> tuple[int, int, int, int]:
    probe = x.detach().clone().requires_grad_(True)
    [gradient] = torch.autograd.grad(network(probe)[0, :, row, column].sum(), [probe])
    places = gradient[0].abs().amax(0).nonzero()
    (top, left), (bottom, right) = places.amin(0).tolist(), places.amax(0).tolist()
    return top, bottom, left, right


def _conv(weight: Tensor, padding: tuple[int, int]) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], cast(Any, tuple(weight.shape[2:])), padding=padding)
    conv.weight.data = weight
    return conv


def _compare_seen(
    seen: Seen,
    case: Case,
    network: nn.Module,
    x: Tensor,
    place: tuple[int, int],
    expected: tuple[int, int, int, int],
    what: str,
    public: bool = False,
) -> None:
    before = copy.deepcopy(network)
    answer = case.call(seen, network, x, *place)
    require(
        answer is None or not isinstance(answer, (list, tuple)) or all(type(value) is int for value in answer),
        "the numbers are no Python ints: wrap each in int(...)",
        expected="four ints",
        got=f"{', '.join(type(value).__name__ for value in answer or ())}",
    )
    compare(
        tuple(answer) if isinstance(answer, list) else answer,
        expected,
        within=0,
        what=f"{what}, output pixel {place}",
        public=public,
        mistakes=seen_mistakes.footprints(before, x, *place),
    )


def seen_worked_example(seen: Seen, case: Case) -> None:
    """A 3 x 3 convolution sees one pixel on each side, and nothing outside the picture."""
    conv, x = _conv(torch.ones(1, 1, 3, 3), (1, 1)), case.rand(1, 1, 8, 8)
    for place, expected in (((4, 6), (3, 5, 5, 7)), ((0, 0), (0, 1, 0, 1))):
        _compare_seen(seen, case, conv, x, place, expected, f"{expected} for {place}", public=True)


def seen_adds_up(seen: Seen, case: Case) -> None:
    """Two convolutions see as far as both together, and rows and columns are told apart."""
    weights = 0.5 + case.rand(2, 1, 3, 1), 0.5 + case.rand(1, 2, 3, 7)
    network = nn.Sequential(_conv(weights[0], (1, 0)), _conv(weights[1], (1, 3)))
    x = case.rand(1, 1, 12, 15)
    row, column = case.integer(3, 5), case.integer(6, 8)
    expected = row - 2, row + 2, column - 3, column + 3
    _compare_seen(seen, case, network, x, (row, column), expected, "5 rows and 7 columns")


def seen_small_gradients(seen: Seen, case: Case) -> None:
    """Gradients as small as 1e-30 count, and negative ones; exactly 0 does not."""
    weight = torch.zeros(1, 1, 5, 5)
    weight[0, 0, 2, 2], weight[0, 0, 0, 2], weight[0, 0, 2, 4], weight[0, 0, 2, 1] = 1.0, 1e-12, 1e-5, -1.0
    weight[0, 0, 4, 2] = 1e-30
    x, (row, column) = case.rand(1, 1, 9, 9), (case.integer(2, 6), case.integer(2, 6))
    expected = row - 2, row + 2, column - 1, column + 2
    _compare_seen(seen, case, _conv(weight, (2, 2)), x, (row, column), expected, "weights from 1 to 1e-30")


def seen_channels(seen: Seen, case: Case) -> None:
    """All channels count, of the input and of the output."""
    x, place = case.rand(1, 3, 7, 8), (3, 4)
    opposite = torch.zeros(1, 3, 3, 3)
    opposite[0, 0], opposite[0, 1], opposite[0, 2, 1, 1] = 1, -1, 1
    opposite[0, 1, 0, 1] = -2  # the sum over the channels is 0 but for here and the middle
    _compare_seen(seen, case, _conv(opposite, (1, 1)), x, place, (2, 4, 3, 5), "channels of opposite sign")
    for first, last in ((3, 1), (1, 3)):  # the size that the first and the last output channel look at
        weight = torch.zeros(2, 3, 3, 3)
        weight[0, 0, 1, :2] = weight[1, 0, 1, 1:] = 1.0
        for k, size in enumerate((first, last)):
            margin = (3 - size) // 2
            weight[k, 1, margin : 3 - margin, margin : 3 - margin] = 1.0
        _compare_seen(seen, case, _conv(weight, (1, 1)), x, place, (2, 4, 3, 5), "two output channels")


def seen_enlarging_network(seen: Seen, case: Case) -> None:
    """Row and column count output pixels, also where the output is larger than the input."""
    network = nn.Sequential(_conv(torch.ones(4, 1, 3, 3), (1, 1)), nn.PixelShuffle(2))
    x, row, column = case.rand(1, 1, 9, 10), case.integer(6, 9), case.integer(10, 13)
    i, j = row // 2, column // 2
    _compare_seen(seen, case, network, x, (row, column), (i - 1, i + 1, j - 1, j + 1), "convolution and pixel shuffle")
    small = SRResNet(scale=2, channels=2, num_blocks=1).double().eval()
    x = case.rand(1, 3, 11, 12).double()
    _compare_seen(seen, case, small, x, (5, 16), _seen(copy.deepcopy(small), x, 5, 16), "a small SRResNet")


def seen_depends_on_x(seen: Seen, case: Case) -> None:
    """What is seen may depend on x: a maximum over 3 x 3 pixels sees the largest of them alone, be it 0 or not."""
    row, column = case.integer(2, 4), case.integer(2, 5)
    x = -0.1 - case.rand(1, 2, 7, 8)
    x[0, 0, row, column + 1], x[0, 1, row + 1, column] = 0.0, -0.05
    expected = row, row + 1, column, column + 1
    _compare_seen(seen, case, nn.MaxPool2d(3, 1, 1), x, (row, column), expected, "the largest of 3 x 3")


def seen_mode(seen: Seen, case: Case) -> None:
    """The network is left in its mode: batch normalisation sees the whole picture in training, one pixel else."""
    x = case.rand(1, 2, 5, 6)
    for training, expected in ((False, (2, 2, 3, 3)), (True, (0, 4, 0, 5))):
        norm = nn.BatchNorm2d(2).train(training)
        answer = case.call(seen, norm, x, 2, 3)
        name = "training" if training else "evaluation"
        require(
            norm.training == training,
            "your code switches the network's mode: leave train and eval alone",
            expected=f"a network in {name} mode",
            got="the other mode",
        )
        cause = "the network was run in the other mode: leave train and eval alone"
        mistakes = {cause: lambda training=training: (0, 4, 0, 5) if not training else (2, 2, 3, 3)}
        got = tuple(answer) if isinstance(answer, list) else answer
        compare(got, expected, within=0, what=f"batch normalisation in {name} mode", mistakes=mistakes)
        if training:
            require(
                int(cast(Tensor, norm.num_batches_tracked)) == 1,
                "the network is called more than once: keep what it gives in a variable",
                expected="one call",
                got=f"{int(cast(Tensor, norm.num_batches_tracked))} calls",
            )


def seen_leaves_no_trace(seen: Seen, case: Case) -> None:
    """Weights, their gradients and x are as before."""
    conv, x = _conv(0.5 + case.rand(1, 1, 3, 3), (1, 1)), case.rand(1, 1, 5, 5)
    kept = 1 + case.rand(1, 1, 3, 3)
    conv.weight.grad = kept.clone()
    case.call(seen, conv, x, 2, 2)
    require(
        conv.weight.grad is not None and torch.equal(conv.weight.grad, kept) and conv.weight.requires_grad,
        "the gradients of the weights are changed: torch.autograd.grad leaves them alone, backward() does not",
        expected="the gradients that were there before",
        got="others",
    )
    require(
        not x.requires_grad and x.grad is None,
        "x itself was made to require gradients: take a copy, x.detach().clone().requires_grad_(True)",
        expected="x as it was",
        got="x with requires_grad, or with a gradient",
    )


EXERCISE = Exercise(
    reference=_seen,
    checks=(
        seen_adds_up,
        seen_worked_example,
        seen_small_gradients,
        seen_channels,
        seen_enlarging_network,
        seen_depends_on_x,
        seen_mode,
        seen_leaves_no_trace,
    ),
)
