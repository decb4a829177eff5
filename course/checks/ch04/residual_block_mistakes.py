"""What the usual mistakes in 04.1 give: cause -> formula, computed only when an answer is wrong."""

import copy

import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch04.shared import Parts


def blocks(x: Tensor, parts: Parts) -> Mistakes:
    """Residual blocks put together wrongly. parts: conv1, norm1, act, conv2, norm2."""
    parts = copy.deepcopy(dict(parts))
    conv1, norm1, act, conv2, norm2 = parts.values()

    def branch(x: Tensor) -> Tensor:
        return norm2(conv2(act(norm1(conv1(x)))))

    def inner(x: Tensor) -> Tensor:
        return act(norm1(conv1(x)))

    return {
        "the skip is missing: add x, as it came in, to what norm2 gives": lambda: branch(x),
        "there is an activation after the sum: nothing comes after it": lambda: act(x + branch(x)),
        "there is a ReLU after the sum (as in ResNet): nothing comes after it here": lambda: F.relu(x + branch(x)),
        "there is an activation before the sum: the branch ends with norm2": lambda: x + act(branch(x)),
        "the skip begins inside the branch: what is added is x as it came in": lambda: (
            inner(x) + norm2(conv2(inner(x)))
        ),
        "the skip is added before norm2: it goes past all five parts": lambda: norm2(x + conv2(inner(x))),
        "the activation comes before the convolution (pre-activation): the order is conv1, norm1, act, conv2, norm2": (
            lambda: x + conv2(act(norm2(conv1(act(norm1(x))))))
        ),
        "the norms come before the convolutions: the order is conv1, norm1, act, conv2, norm2": lambda: (
            x + conv2(norm2(act(conv1(norm1(x)))))
        ),
        "norm1 comes after the activation: the order is conv1, norm1, act": lambda: (
            x + norm2(conv2(norm1(act(conv1(x)))))
        ),
        "a plain ReLU stands in the place of act: call the activation that you are given": lambda: (
            x + norm2(conv2(F.relu(norm1(conv1(x)))))
        ),
        "act is left out: it comes between norm1 and conv2": lambda: x + norm2(conv2(norm1(conv1(x)))),
        "norm1 is used twice: norm2 comes after conv2": lambda: x + norm1(conv2(inner(x))),
        "conv1 is used twice: conv2 comes after act": lambda: x + norm2(conv1(inner(x))),
        "norm1 is left out: it comes between conv1 and act": lambda: x + norm2(conv2(act(conv1(x)))),
        "norm2 is left out: it comes after conv2": lambda: x + conv2(inner(x)),
        "the branch is scaled by 0.2, as ESRGAN does: here it is added as it is": lambda: x + 0.2 * branch(x),
        "x is multiplied by the branch: add it": lambda: x * branch(x),
        "the branch is subtracted: add it": lambda: x - branch(x),
        "x is added twice": lambda: 2 * x + branch(x),
        "the mean of x and the branch: their sum is wanted": lambda: (x + branch(x)) / 2,
    }
