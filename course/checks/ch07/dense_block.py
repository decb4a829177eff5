"""07.1 dense_block: what a right answer must satisfy."""

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise, compare, require
from course.checks.ch07 import dense_block_mistakes
from course.checks.ch07.shared import flows
from srlib.models.rrdbnet import RESIDUAL_SCALE, DenseBlock

DenseForward = Callable[[Tensor, Sequence[nn.Module]], Tensor]


def _dense_block(x: Tensor, convs: Sequence[nn.Module]) -> Tensor:
    block = DenseBlock(1, 1, residual_scale=RESIDUAL_SCALE, init_scale=1.0)
    for number, conv in enumerate(convs, 1):
        setattr(block, f"conv{number}", conv)
    return block(x)


def _without_joining(x: Tensor, convs: Sequence[nn.Conv2d]) -> Tensor:
    """A convolution of joined features is the sum of the convolutions of each of them with its part of the weights."""
    parts = [x]
    for number, conv in enumerate(convs):
        assert conv.bias is not None
        total = conv.bias[:, None, None]
        for part, weight in zip(parts, conv.weight.split([p.shape[1] for p in parts], 1), strict=True):
            total = total + F.conv2d(part, weight, padding=conv.padding)
        parts.append(total if number == 4 else total.clamp(min=0) + total.clamp(max=0) / 5)
    return x + parts[5] / 5


def _convs(case: Case, channels: int, growth: int, side: int = 3, size: float = 1.0) -> list[nn.Conv2d]:
    made = []
    for number in range(5):
        inputs, outputs = channels + number * growth, channels if number == 4 else growth
        conv = nn.Conv2d(inputs, outputs, side, padding=side // 2)
        for parameter in conv.parameters():
            parameter.data = size * (case.rand(*parameter.shape) - 0.5)
        made.append(conv)
    return made


def _compare_dense(
    answer: DenseForward, case: Case, x: Tensor, convs: list[nn.Conv2d], what: str, within: float = 1e-4,
    public: bool = False,
) -> None:  # fmt: skip
    before = copy.deepcopy(convs)
    called: list[nn.Module] = []
    hooks = [conv.register_forward_hook(lambda conv, *_: called.append(conv)) for conv in convs]
    try:
        got = case.call(answer, x, convs)
    finally:
        for hook in hooks:
            hook.remove()
    require(
        len(convs) == 5 and all(map(_same_weights, convs, before)),
        "your code changes the convolutions: call them, and leave them as they are",
        expected="the five convolutions as they were",
        got="others",
    )
    with torch.no_grad():
        mistakes = dense_block_mistakes.dense(x, before)
        expected = _without_joining(x, before)
        compare(got, expected, within=within, what=what, public=public, mistakes=mistakes)
    require(
        all(conv in called for conv in convs),
        "the weights were taken out of a convolution: call it as it is, conv(x), whatever it has besides weights",
        expected="a call of each of the five convolutions",
        got=f"calls of {len(set(map(id, called)))} of them",
    )


def _same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def dense_worked_example(answer: DenseForward, case: Case) -> None:
    """x = 1 and convolutions that sum and take 2 away make 0.58528."""
    convs = _convs(case, 1, 1, side=1)
    for conv in convs:
        nn.init.ones_(conv.weight)
        nn.init.constant_(conv.bias, -2.0)  # type: ignore[arg-type]
    _compare_dense(answer, case, torch.ones(1, 1, 1, 1), convs, "the pixel", within=1e-5, public=True)


def dense_random(answer: DenseForward, case: Case) -> None:
    """Each convolution sees x and all that came before it, oldest first, for any number of channels and any growth."""
    for batch, channels, growth, height, width in ((2, 3, 2, 4, 5), (1, 4, 4, 3, 3), (3, 2, 3, 2, 6)):
        x = 3 * case.rand(batch, channels, height, width) - 1.5
        what = f"features of {channels} channels, growth {growth}"
        _compare_dense(answer, case, x, _convs(case, channels, growth, size=2), what)


def dense_any_values(answer: DenseForward, case: Case) -> None:
    """Convolutions of other sizes, values of any size, in float64."""
    for side, size in ((1, 1.0), (5, 100.0)):
        x = size * (2 * case.rand(1, 3, 4, 4).double() - 1)
        convs = [conv.double() for conv in _convs(case, 3, 2, side)]
        what = f"features with values up to {size:g}, in float64"
        _compare_dense(answer, case, x, convs, what, within=1e-9 * size)


def dense_gradients(answer: DenseForward, case: Case) -> None:
    """Gradients reach x and all five convolutions."""
    x = (2 * case.rand(1, 2, 3, 3) - 1).requires_grad_()
    convs = _convs(case, 2, 2)
    inputs = [x, *(parameter for conv in convs for parameter in conv.parameters())]
    expected = flows(_without_joining(x, convs), inputs)
    for own, theirs in zip(flows(case.call(answer, x, convs), inputs), expected, strict=True):
        compare(own, theirs, within=1e-3, what="the gradient of each input and weight")


EXERCISE = Exercise(_dense_block, (dense_worked_example, dense_random, dense_any_values, dense_gradients))
