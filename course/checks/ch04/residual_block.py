"""04.1 residual_block: what a right answer must satisfy."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Case, Exercise
from course.checks.ch04 import residual_block_mistakes
from course.checks.ch04.shared import (
    Parts,
    compare_gradients,
    compare_parts,
    noted,
    require_order,
    times_factor,
    with_weights,
)
from srlib.models.srresnet import ResidualBlock

ResidualBlockAnswer = Callable[[Tensor, nn.Module, nn.Module, nn.Module, nn.Module, nn.Module], Tensor]
_BLOCK = ("conv1", "norm1", "act", "conv2", "norm2")


def _residual_block(
    x: Tensor, conv1: nn.Module, norm1: nn.Module, act: nn.Module, conv2: nn.Module, norm2: nn.Module
) -> Tensor:
    block = ResidualBlock(1, batch_norm=False)
    for name, part in zip(_BLOCK, (conv1, norm1, act, conv2, norm2), strict=True):
        setattr(block, name, part)
    return cast(Tensor, block(x))


def _block(case: Case, channels: int, *, batch_norm: bool = True) -> Parts:
    block = with_weights(ResidualBlock(channels, batch_norm=batch_norm), case)
    return {name: getattr(block, name) for name in _BLOCK}


def residual_block_worked_example(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """The pixels -2 and 2 become 14 and -2: the branch gives 16 and -4, and the input is added."""
    x = torch.tensor([-2.0, 2.0]).view(1, 1, 1, 2)
    parts = dict(
        zip(_BLOCK, (times_factor(-1), nn.Identity(), nn.PReLU(), times_factor(8), nn.Identity()), strict=True)
    )
    compare_parts(
        residual_block,
        case,
        x,
        parts,
        residual_block_mistakes.blocks,
        _residual_block,
        "14 and -2",
        expected=torch.tensor([14.0, -2.0]).view_as(x),
        public=True,
    )


def residual_block_without_norms(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Without normalisation the block is x + conv2(act(conv1(x))), as computed without any module."""
    x, parts = 2 * case.rand(2, 3, 4, 5) - 1, _block(case, 3, batch_norm=False)
    conv1, act, conv2 = (cast(Any, parts[name]) for name in ("conv1", "act", "conv2"))
    inner = F.conv2d(x, conv1.weight, conv1.bias, padding=1)
    inner = torch.where(inner > 0, inner, act.weight * inner)
    expected = (x + F.conv2d(inner, conv2.weight, conv2.bias, padding=1)).detach()
    what = "a block whose norms do nothing"
    compare_parts(
        residual_block, case, x, parts, residual_block_mistakes.blocks, _residual_block, what, expected=expected
    )


def residual_block_in_both_modes(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """With batch normalisation it is right in training and in evaluation mode, and leaves the mode alone."""
    for training in (False, True):
        parts = _block(case, 4)
        for part in parts.values():
            part.train(training)
        x = 2 * case.rand(2, 4, 5, 3) - 1
        what = f"a block with batch normalisation in {'training' if training else 'evaluation'} mode"
        compare_parts(residual_block, case, x, parts, residual_block_mistakes.blocks, _residual_block, what)


def residual_block_any_values(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Squares, large values and float64 are treated alike."""
    for shape, size in (((1, 2, 5, 5), 1.0), ((2, 2, 4, 4), 1000.0)):
        parts = {name: part.double() for name, part in _block(case, 2, batch_norm=False).items()}
        x = size * (2 * case.rand(*shape).double() - 1)
        what = f"features {shape} with values up to {size:g}, in float64"
        compare_parts(
            residual_block, case, x, parts, residual_block_mistakes.blocks, _residual_block, what, within=1e-10 * size
        )


def residual_block_order(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Each of the five parts is called once, in the order conv1, norm1, act, conv2, norm2."""
    notes: list[str] = []
    case.call(residual_block, case.rand(1, 2, 3, 3), *noted(_block(case, 2), notes).values())
    require_order(notes, _BLOCK)


def residual_block_can_be_trained(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Gradients reach the input and the weights of all parts."""
    compare_gradients(residual_block, case, case.rand(2, 3, 4, 4), _block(case, 3), _residual_block)


EXERCISE = Exercise(
    reference=_residual_block,
    checks=(
        residual_block_worked_example,
        residual_block_without_norms,
        residual_block_in_both_modes,
        residual_block_any_values,
        residual_block_order,
        residual_block_can_be_trained,
    ),
)
