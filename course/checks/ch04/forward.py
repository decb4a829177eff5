"""04.5 forward: what a right answer must satisfy."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise
from course.checks.ch04 import forward_mistakes
from course.checks.ch04.shared import (
    Parts,
    compare_gradients,
    compare_parts,
    noted,
    require_order,
    times_factor,
    with_weights,
)
from srlib.models.srresnet import SRResNet

Forward = Callable[..., Tensor]


class _Plus(nn.Module):
    """x + value"""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value


_NETWORK = ("conv_first", "act_first", "body", "conv_body", "norm_body", "upsample", "conv_last")


def _forward(
    lr: Tensor,
    conv_first: nn.Module,
    act_first: nn.Module,
    body: nn.Module,
    conv_body: nn.Module,
    norm_body: nn.Module,
    upsample: nn.Module,
    conv_last: nn.Module,
) -> Tensor:
    network = SRResNet(scale=1, channels=1, num_blocks=0)
    parts = conv_first, act_first, body, conv_body, norm_body, upsample, conv_last
    for name, part in zip(_NETWORK, parts, strict=True):
        setattr(network, name, part)
    return cast(Tensor, network(lr))


def _network(case: Case, *, scale: int, channels: int, training: bool = False, batch_norm: bool = True) -> Parts:
    network = SRResNet(scale=scale, channels=channels, num_blocks=1, batch_norm=batch_norm)
    with_weights(network, case).train(training)
    return {name: getattr(network, name) for name in _NETWORK}


def forward_worked_example(forward: Forward, case: Case) -> None:
    """0.5 everywhere becomes -9, twice as large: shallow 1, deep 2, their sum times -3."""
    lr = torch.full((1, 1, 2, 3), 0.5)
    parts = (
        times_factor(2),
        nn.PReLU(),
        _Plus(7),
        times_factor(0.25),
        nn.Identity(),
        nn.Upsample(scale_factor=2),
        times_factor(-3),
    )
    expected = torch.full((1, 1, 4, 6), -9.0)
    compare_parts(
        forward,
        case,
        lr,
        dict(zip(_NETWORK, parts, strict=True)),
        forward_mistakes.networks,
        _forward,
        "-9 everywhere, 4 x 6 pixels",
        expected=expected,
        public=True,
    )


def forward_tells_the_parts_apart(forward: Forward, case: Case) -> None:
    """The long skip goes from act_first to upsample, past all that lies between; nothing follows conv_last."""
    lr = torch.tensor([-1.0, 0.25, 0.5, 2.0]).view(1, 1, 2, 2)
    parts = (
        times_factor(2),
        nn.PReLU(),
        _Plus(3),
        times_factor(-0.5),
        _Plus(0.125),
        nn.Upsample(scale_factor=3),
        times_factor(7),
    )
    shallow = torch.tensor([-0.5, 0.5, 1.0, 4.0]).view(1, 1, 2, 2)
    total = 7 * (shallow - 0.5 * (shallow + 3) + 0.125)
    compare_parts(
        forward,
        case,
        lr,
        dict(zip(_NETWORK, parts, strict=True)),
        forward_mistakes.networks,
        _forward,
        "parts that multiply and add",
        expected=total.repeat_interleave(3, 2).repeat_interleave(3, 3),
    )


def forward_is_srresnet(forward: Forward, case: Case) -> None:
    """A small SRResNet gives the same picture, at every scale, with and without batch normalisation."""
    for scale, batch_norm, training in ((2, True, False), (3, False, False), (4, True, True)):
        parts = _network(case, scale=scale, channels=3, training=training, batch_norm=batch_norm)
        lr = case.rand(2, 3, case.integer(3, 4), case.integer(5, 6))
        what = f"an SRResNet for scale {scale} in {'training' if training else 'evaluation'} mode"
        compare_parts(forward, case, lr, parts, forward_mistakes.networks, _forward, what)


def forward_any_values(forward: Forward, case: Case) -> None:
    """Squares, large values and float64 are treated alike."""
    for shape, size in (((1, 3, 5, 5), 1.0), ((2, 3, 4, 4), 1000.0)):
        parts = {name: part.double() for name, part in _network(case, scale=2, channels=2, batch_norm=False).items()}
        lr = size * (2 * case.rand(*shape).double() - 1)
        what = f"lr {shape} with values up to {size:g}, in float64"
        compare_parts(forward, case, lr, parts, forward_mistakes.networks, _forward, what, within=1e-10 * size)


def forward_order(forward: Forward, case: Case) -> None:
    """Each of the seven parts is called once, in the order of the drawing."""
    notes: list[str] = []
    parts = noted(_network(case, scale=2, channels=2), notes)
    case.call(forward, case.rand(1, 3, 3, 4), *parts.values())
    require_order(notes, _NETWORK)


def forward_can_be_trained(forward: Forward, case: Case) -> None:
    """Gradients reach the input and the weights of all parts."""
    parts = _network(case, scale=2, channels=2, training=True)
    compare_gradients(forward, case, case.rand(2, 3, 4, 4), parts, _forward)


EXERCISE = Exercise(
    reference=_forward,
    checks=(
        forward_worked_example,
        forward_tells_the_parts_apart,
        forward_is_srresnet,
        forward_any_values,
        forward_order,
        forward_can_be_trained,
    ),
)
