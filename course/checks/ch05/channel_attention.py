"""05.1 channel_attention: what a right answer must satisfy."""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, compare
from course.checks.ch05 import channel_attention_mistakes
from course.checks.ch05.shared import fixed, gradients_of, linear, unharmed

ChannelAttention = Callable[[Tensor, nn.Linear, nn.Linear], Tensor]


def _channel_attention(x: Tensor, down: nn.Linear, up: nn.Linear) -> Tensor:
    """As convolutions of a picture of one pixel, the way most programs write it."""
    squeezed = F.adaptive_avg_pool2d(x, 1)
    hidden = F.conv2d(squeezed, down.weight[..., None, None], down.bias).clamp(min=0)
    return F.conv2d(hidden, up.weight[..., None, None], up.bias).sigmoid() * x


def _compare_channel(
    answer: ChannelAttention, case: Case, x: Tensor, down: nn.Linear, up: nn.Linear, expected: Tensor, what: str,
    within: float = 1e-5,
) -> None:  # fmt: skip
    before = copy.deepcopy((down, up))
    got = case.call(answer, x, down, up)
    unharmed((down, up), before)
    with torch.no_grad():
        mistakes = channel_attention_mistakes.channel(x, *before)
        compare(got, expected.detach(), within=within, what=what, mistakes=mistakes)


def channel_worked_example(answer: ChannelAttention, case: Case) -> None:
    """Two channels with the means 2 and 1 get the gates 0.5 and 0.75."""
    x = torch.tensor([[1.0, 3.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    down, up = fixed([[1.0, 1.0]], [0.0]), fixed([[0.0], [-1.0]], [0.0, 3 + math.log(3)])
    before = copy.deepcopy((down, up))
    with torch.no_grad():
        compare(
            case.call(answer, x, down, up),
            torch.tensor([0.5, 1.5, 0.75, 0.75]).view(1, 2, 1, 2),
            within=1e-5,
            what="(0.5, 1.5) and (0.75, 0.75)",
            public=True,
            mistakes=channel_attention_mistakes.channel(x, *before),
        )


def channel_each_picture(answer: ChannelAttention, case: Case) -> None:
    """Each picture of a batch has gates of its own, which are the same at all its places."""
    for shape in ((3, 5, 4, 6), (1, 4, 1, 3), (4, 6, 4, 6), (2, 3, 5, 5)):
        x = 3 * case.rand(*shape) * case.rand(shape[0], shape[1], 1, 1) - 0.5
        down, up = linear(case, shape[1], 2), linear(case, 2, shape[1])
        expected = _channel_attention(x, down, up)
        _compare_channel(answer, case, x, down, up, expected, f"x {shape}, each channel times its gate")


def channel_relu_and_sigmoid(answer: ChannelAttention, case: Case) -> None:
    """Negative numbers between the two layers count as 0, and the gates end with a sigmoid."""
    x = 0.5 + case.rand(2, 3, 2, 5)
    down = fixed([[1.0, -1.0, 0.2], [-0.5, -0.5, -0.5], [2.0, 1.0, 0.0]], [0.0, 0.0, -1.0])
    up = linear(case, 3, 3, size=6)
    expected = _channel_attention(x, down, up)
    _compare_channel(answer, case, x, down, up, expected, "x times gates, some hidden numbers below 0")


def channel_any_values(answer: ChannelAttention, case: Case) -> None:
    """Values of any size, in float64."""
    for size in (1.0, 1e5):
        x = size * (2 * case.rand(2, 3, 4, 4).double() - 0.5)
        down, up = linear(case, 3, 4, size=4).double(), linear(case, 4, 3, size=4).double()
        for weight in (down.weight, up.weight[0]):  # so that some numbers before the sigmoid are large
            weight.data.abs_()
        expected, what = _channel_attention(x, down, up), f"x with values up to {1.5 * size:g}, in float64"
        _compare_channel(answer, case, x, down, up, expected, what, within=1e-10 * size)


def channel_gradients(answer: ChannelAttention, case: Case) -> None:
    """Gradients reach x and both layers."""
    x = case.rand(2, 4, 3, 3).requires_grad_()
    down, up = linear(case, 4, 3), linear(case, 3, 4)
    inputs = (x, *down.parameters(), *up.parameters())
    nn.init.constant_(down.bias, 1.5)  # so that no hidden number sits at the kink of the ReLU
    expected = gradients_of(_channel_attention(x, down, up), inputs)
    for own, theirs in zip(gradients_of(case.call(answer, x, down, up), inputs), expected, strict=True):
        compare(own, theirs, within=1e-3, what="the gradient of each input and weight")


EXERCISE = Exercise(
    reference=_channel_attention,
    checks=(
        channel_worked_example,
        channel_each_picture,
        channel_relu_and_sigmoid,
        channel_any_values,
        channel_gradients,
    ),
)
