"""What the usual mistakes in 07.1 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking import Mistakes
from course.checks.ch07.shared import Step, lrelu


def dense(x: Tensor, convs: Sequence[nn.Module]) -> Mistakes:
    def joined(act: Step = lrelu, newest_first: bool = False, act_all: bool = False) -> Tensor:
        seen = x
        for conv in convs[:4]:
            new = conv(seen) if act_all else act(conv(seen))
            seen = torch.cat([new, seen] if newest_first else [seen, new], 1)
            seen = act(seen) if act_all else seen
        return seen

    def last(**how: Any) -> Tensor:
        return convs[4](joined(**how))

    def newest_behind_x() -> Tensor:
        parts = [x]
        for conv in convs[:4]:
            parts.insert(1, lrelu(conv(torch.cat(parts, 1))))
        return convs[4](torch.cat(parts, 1))

    def bent_before() -> Tensor:
        seen = x
        for conv in convs[:4]:
            seen = torch.cat([seen, conv(lrelu(seen))], 1)
        return convs[4](lrelu(seen))

    return {
        "LeakyReLU has torch's own slope, 0.01: it is 0.2 here": lambda: (
            x + 0.2 * last(act=lambda y: F.leaky_relu(y, 0.01))
        ),
        "a ReLU stands in the LeakyReLU's place": lambda: x + 0.2 * last(act=F.relu),
        "nothing stands between the convolutions: LeakyReLU with slope 0.2": lambda: x + 0.2 * last(act=lambda y: y),
        "a LeakyReLU stands behind the fifth convolution too: there is none": lambda: x + 0.2 * lrelu(last()),
        "a LeakyReLU stands behind the sum: there is none": lambda: lrelu(x + 0.2 * last()),
        "what comes in goes through the LeakyReLU as well: only what a convolution gives": lambda: (
            x + 0.2 * last(act_all=True)
        ),
        "the newest features stand first: oldest first, as the weights expect them": lambda: (
            x + 0.2 * last(newest_first=True)
        ),
        "the features are newest first behind x: oldest first, as the weights expect them": lambda: (
            x + 0.2 * newest_behind_x()
        ),
        "LeakyReLU stands before the convolutions: behind each of the first four": lambda: x + 0.2 * bent_before(),
        "the slope is 0.02: it is 0.2": lambda: x + 0.2 * last(act=lambda y: F.leaky_relu(y, 0.02)),
        "the residual is not scaled: 0.2 times the fifth convolution": lambda: x + last(),
        "the residual is scaled by 0.1, as EDSR does: here by 0.2": lambda: x + 0.1 * last(),
        "x is missing: it is added to 0.2 times the fifth convolution": lambda: 0.2 * last(),
        "x and 0.2 are missing: x + 0.2 * the fifth convolution": lambda: last(),
        "x is scaled instead of the residual": lambda: 0.2 * x + last(),
        "the sum is scaled: only the residual": lambda: 0.2 * (x + last()),
        "that is an interpolation, 0.8 x + 0.2 f(x): residual scaling takes nothing away from x": lambda: (
            0.8 * x + 0.2 * last()
        ),
        "0.2 is applied to every convolution: only to the fifth": lambda: x + 0.2 * last(act=lambda y: 0.2 * lrelu(y)),
        "x was taken away, not added": lambda: 0.2 * last() - x,
        "the joined features came back": lambda: joined(),
    }
