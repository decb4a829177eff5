"""Exercises of lesson 05: attention. Write here; `check("05.1")` in the notebook, or `pytest`, tells you how it went.

Pictures and features are float tensors (B, C, H, W), float32 or float64, and so are the results. Use torch alone.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.todo import todo


def channel_attention(x: Tensor, down: nn.Linear, up: nn.Linear) -> Tensor:
    """05.1: a weight for each channel of each picture, the same at all places (squeeze and excitation).

    x (B, C, H, W), any floats -> the same shape. down: C numbers -> a few, up: a few -> C. Call them as they are.

        s = mean of x over H and W    g = sigmoid(up(max(0, down(s))))    result = x * g

    s and g are (B, C): every picture has its own. Nothing is added to the product. Gradients must be able to flow.

    Worked: one picture of two channels with the pixels (1, 3) and (1, 1), so s = (2, 1). down has the weights (1, 1)
    and no bias: 3. up has the weights (0, -1) and the bias (0, 3 + ln 3), so g = sigmoid(0, ln 3) = (0.5, 0.75).
    The result is (0.5, 1.5) and (0.75, 0.75).
    """
    raise todo("05.1")


def place_attention(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """05.2: weights that differ from place to place: spatial attention and pixel attention in one function.

    x (B, C, H, W), weight (K, C), bias (K), any floats -> (B, C, H, W). K is 1 or C.

    At each place p of each picture the C numbers x_p are a vector, and K gates come from it; this is a 1 x 1
    convolution and a sigmoid:

        g_p = sigmoid(weight x_p + bias)    result_p = x_p * g_p

    With K = 1 (spatial attention) all channels of a place share its one gate. With K = C (pixel attention) every
    value has a gate of its own. Nothing is added to the product. Gradients must be able to flow.

    Worked: x_p = (1, 2). With weight (1, 0.5) and bias -2 the one gate is sigmoid(0) = 0.5, the result (0.5, 1).
    With weight ((0, 0), (0, -1)) and bias (0, 2 + ln 3) the gates are (0.5, 0.75), the result (0.5, 1.5).
    """
    raise todo("05.2")


def mixed(inner: Tensor, attended: Tensor, plain: Tensor, down: nn.Linear, up: nn.Linear, temperature: float) -> Tensor:
    """05.3: A2N's attention dropout: each picture decides how much of two branches it gets (2104.09497).

    inner (B, C, H, W): what went into the branches. attended, plain (B, C, H, W): what came out of the branch with
    and of the one without attention. down: C numbers -> a few, up: a few -> 2. temperature: above 0, A2N takes 30.

        s = mean of inner over H and W    z = up(max(0, down(s)))    (a, b) = softmax(z / temperature)
        result = a * attended + b * plain

    a and b are one number each for a picture, and a + b = 1. Gradients must be able to flow.

    Worked: a picture with z = (30 ln 3, 0) and temperature 30: e^(ln 3) = 3 and e^0 = 1, so a = 0.75, b = 0.25.
    Where attended is 8 and plain is 4, the result is 7.
    """
    raise todo("05.3")


def charbonnier(sr: Tensor, hr: Tensor, eps: float) -> Tensor:
    """05.4: the Charbonnier loss: like the mean absolute error, but round where the difference is 0.

    sr, hr (B, C, H, W), any floats; eps: above 0 -> a tensor without dimensions, through which sr can be trained.

        loss = mean over all values of sqrt((sr - hr)^2 + eps^2)

    Equal pictures give eps, and the gradient there is 0. In general the gradient with respect to one value of sr is
    d / sqrt(d^2 + eps^2) / N, with d = sr - hr there and N the number of values.

    Worked: differences (0.3, 0) and eps 0.4: the roots are 0.5 and 0.4, the loss 0.45, the gradient (0.3, 0).
    """
    raise todo("05.4")


def take_over(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """05.5: starts a network from the weights of another one, as far as they fit.

    state: name -> tensor, as the other network's `state_dict()` gives it. Returns the names of the network's tensors
    (parameters and buffers, all that its own `state_dict()` has) that stayed as they were, in the network's order.

    A tensor is taken over if one of its very name is in state and has exactly its shape. All else stays: nothing is
    cut, repeated or reshaped to fit. Names in state that the network does not have are passed over. The network's
    parameters stay the same objects, because its optimiser knows them, and share no memory with state. It stays in
    its mode, train or eval.

    Worked: the network has a.weight (3, 2), b.weight (5, 3), b.bias (5); state has a.weight (3, 2), b.weight (4, 3)
    and c.bias (5). a.weight is taken over, and ["b.weight", "b.bias"] comes back.
    """
    raise todo("05.5")


def self_ensemble(enlarge: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
    """05.6: the mean of what a network makes of a picture's eight flips and rotations, each turned back.

    lr (B, C, h, w), any floats; enlarge: (B, C, h, w) -> (B, C, h * scale, w * scale), for any h and w and some scale
    -> (B, C, h * scale, w * scale), neither clipped nor rounded.

    The eight are the picture and its mirror image (left-right), each turned by 0, 1, 2 and 3 quarters. `enlarge` is
    called with each of them once, and what it gives is turned back before the mean is taken. What was done last is
    undone first. (1707.02921, section 3.4)

    Worked: lr is one row of two pixels, (0, 1), and `enlarge` adds 1 to the first column of what it gets. Upright it
    hits the left pixel in two of four cases; in the other four the picture lies on its side, is one column wide, and
    both are hit. So each pixel gains (2 + 4) / 8: the result is (0.75, 1.75).
    """
    raise todo("05.6")
