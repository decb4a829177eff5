"""What the usual mistakes in 04.5 give: cause -> formula, computed only when an answer is wrong."""

import copy

import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch04.shared import Parts


def networks(lr: Tensor, parts: Parts) -> Mistakes:
    """SRResNets put together wrongly. parts: those of `forward`, by name."""
    first, act, body, conv, norm, up, last = copy.deepcopy(dict(parts)).values()

    def shallow() -> Tensor:
        return act(first(lr))

    def deep() -> Tensor:
        return norm(conv(body(shallow())))

    def whole() -> Tensor:
        return last(up(shallow() + deep()))

    return {
        "the long skip is missing: add shallow to deep before upsample": lambda: last(up(deep())),
        "the long skip begins before act_first: shallow is what act_first gives": lambda: last(up(first(lr) + deep())),
        "the long skip begins after the body: it goes past the body, conv_body and norm_body": lambda: last(
            up(body(shallow()) + norm(conv(body(shallow()))))
        ),
        "the long skip ends before conv_body: it goes past conv_body and norm_body too": lambda: last(
            up(norm(conv(shallow() + body(shallow()))))
        ),
        "the long skip ends before norm_body: it goes past norm_body too": lambda: last(
            up(norm(shallow() + conv(body(shallow()))))
        ),
        "the long skip is added after upsample: add it at the size of lr": lambda: last(up(shallow()) + up(deep())),
        "lr itself is added to the body's result: the long skip begins after act_first": lambda: last(up(lr + deep())),
        "the enlarged lr is added to the end: SRResNet's skip is inside, before upsample": lambda: (
            whole() + F.interpolate(lr, size=whole().shape[-2:], mode="bicubic")
        ),
        "the enlarged lr is added to the end: SRResNet's skip is inside, before upsample (nearest)": lambda: (
            whole() + F.interpolate(lr, size=whole().shape[-2:], mode="nearest")
        ),
        "act_first is left out": lambda: last(up(first(lr) + norm(conv(body(first(lr)))))),
        "the body is left out": lambda: last(up(shallow() + norm(conv(shallow())))),
        "conv_body is left out": lambda: last(up(shallow() + norm(body(shallow())))),
        "norm_body is left out": lambda: last(up(shallow() + conv(body(shallow())))),
        "norm_body comes before conv_body: the convolution is first": lambda: last(
            up(shallow() + conv(norm(body(shallow()))))
        ),
        "upsample is left out: the result has the size of lr": lambda: last(shallow() + deep()),
        "conv_last is left out": lambda: up(shallow() + deep()),
        "conv_last comes before upsample: enlarge first": lambda: up(last(shallow() + deep())),
        "the result goes through tanh, as in some SRGAN code: nothing comes after conv_last": lambda: whole().tanh(),
        "the result goes through a sigmoid: nothing comes after conv_last": lambda: whole().sigmoid(),
        "the result is clipped: leave the clamp out": lambda: whole().clamp(0, 1),
        "an activation after the long skip: its sum goes straight into upsample": lambda: last(
            up(F.relu(shallow() + deep()))
        ),
        "act_first is used again after the long skip: its sum goes straight into upsample": lambda: last(
            up(act(shallow() + deep()))
        ),
    }
