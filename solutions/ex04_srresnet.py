"""Exercises of lesson 04: SRResNet. Write here; `check("04.1")` in the notebook, or `pytest`, tells you how it went.

Features are float tensors (B, C, h, w) of any values, float32 or float64, and so is what comes out of them; pictures
have values in [0, 1]. Use torch alone. In the texts, F is `torch.nn.functional`.
"""

import torch
from torch import Tensor, nn

#| from course.todo import todo


def residual_block(
    x: Tensor, conv1: nn.Module, norm1: nn.Module, act: nn.Module, conv2: nn.Module, norm2: nn.Module
) -> Tensor:
    """04.1: the block of which SRResNet has sixteen.

    x (B, C, h, w) -> the same shape. The five parts keep the shape; a norm may be `nn.Identity()`.

        x --+-- conv1 -- norm1 -- act -- conv2 -- norm2 -- (+) -- out    (1609.04802, figure 4)
            |_______________________________________________|

    Nothing comes after the sum. Each part is called once, in the mode (train or eval) that it is in. x is not
    changed: what came in is needed again at the end. Gradients must be able to flow through.

    Worked: x has the pixels -2 and 2, conv1 changes the sign, the norms do nothing, act is a PReLU of slope 0.25,
    conv2 multiplies by 8. The branch goes 2, -2, then 2, -0.5, then 16, -4; the block gives -2 + 16 = 14 and
    2 - 4 = -2.
    """
    # begin 04.1
    inner = act(norm1(conv1(x)))
    return x + norm2(conv2(inner))
    # end 04.1


def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """04.2: what `nn.BatchNorm2d` does, in both of its modes.

    x (B, C, h, w); weight, bias, mean and variance (C,), the last two being the running statistics -> the normalised
    x, the new running mean, the new running variance. B * h * w is at least 2. No input is changed.

        y = (x - m) / sqrt(v + eps) * weight + bias    (1502.03167, algorithm 1), for each channel on its own

    training: m and v are the batch's own, over its pictures, rows and columns: v is the mean of (x - m)^2 (biased).
    The running statistics move towards them, new = (1 - momentum) * old + momentum * batch; the variance that goes in
    there is the unbiased one, n / (n - 1) times v, with n = B * h * w values in a channel.
    Not training: m and v are the running statistics, which come back as they were.
    Gradients flow through y to x, m and v included, and to weight and bias.

    Worked: one channel with the values 1, 2, 3, 6; weight 1, bias 0, running mean 0 and variance 3.5, momentum 0.1,
    eps 0.5. Training: m = 3, v = 3.5, y = (-1, -0.5, 0, 1.5), the new mean is 0.3, the new variance
    0.9 * 3.5 + 0.1 * 14 / 3 = 3.6167. Not training: y = (0.5, 1, 1.5, 3), the statistics stay 0 and 3.5.
    """
    # begin 04.2
    m, v = mean, variance
    if training:
        m, v = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        n = x.numel() / x.shape[1]
        mean = (1 - momentum) * mean + momentum * m
        variance = (1 - momentum) * variance + momentum * v * n / (n - 1)
    y = (x - m[:, None, None]) / torch.sqrt(v[:, None, None] + eps)
    return y * weight[:, None, None] + bias[:, None, None], mean, variance
    # end 04.2


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """04.3: channels become pixels, by hand (`F.pixel_shuffle` is what this is to equal, so do without it).

    x (B, C * r * r, h, w), of any dtype, with r = factor, 1 or more -> (B, C, h * r, w * r): no value is changed, all
    are moved.

        out[b, c, i * r + dy, j * r + dx] = x[b, c * r * r + dy * r + dx, i, j]

    with dy and dx from 0 to r - 1: each pixel becomes a cell of r x r pixels, filled row by row from r * r channels
    that lie next to each other. (1609.05158's idea in torch's order; TensorFlow takes channels C apart.)

    Worked: four channels of one pixel each, 10, 11, 12, 13, and factor 2: the rows 10, 11 and 12, 13.
    """
    # begin 04.3
    b, channels, h, w = x.shape
    cells = x.reshape(b, channels // factor**2, factor, factor, h, w)
    return cells.permute(0, 1, 4, 2, 5, 3).reshape(b, -1, h * factor, w * factor)
    # end 04.3


def transposed_kernel(weight: Tensor, factor: int) -> Tensor:
    """04.4: convolution and pixel shuffle as one transposed convolution: its kernel.

    weight (C * r * r, D, k, k) of a `nn.Conv2d` that makes C * r * r channels of D; r = factor, k is odd
    -> (D, C, r * k, r * k), in the layout of F.conv_transpose2d, such that for every x (B, D, h, w)

        F.conv_transpose2d(x, kernel, stride=r, padding=r * (k // 2))

    is pixel_shuffle(F.conv2d(x, weight, padding=k // 2), r). Every weight stands in the kernel once:

        kernel[d, c, r * (k - 1 - a) + dy, r * (k - 1 - b) + dx] = weight[c * r * r + dy * r + dx, d, a, b]

    Worked: r = 2, k = 1, C = D = 1, weights 1, 2, 3, 4: the kernel has the rows 1, 2 and 3, 4. And r = 1, k = 3: the
    kernel is the weight turned by 180 degrees, with the first two dimensions exchanged.
    """
    # begin 04.4
    return pixel_shuffle(weight.flip(2, 3).transpose(0, 1), factor)
    # end 04.4


def forward(
    lr: Tensor,
    conv_first: nn.Module,
    act_first: nn.Module,
    body: nn.Module,
    conv_body: nn.Module,
    norm_body: nn.Module,
    upsample: nn.Module,
    conv_last: nn.Module,
) -> Tensor:
    """04.5: the whole of SRResNet, out of its parts.

    lr (B, 3, h, w) -> (B, 3, h * scale, w * scale), not clipped. body: all residual blocks in a row; upsample: the
    pixel shuffles with their convolutions and activations. Each part is called once.

        lr -- conv_first -- act_first --+-- body -- conv_body -- norm_body -- (+) -- upsample -- conv_last -- sr
                                        |______________________________________|

    What leaves act_first is called shallow, what leaves norm_body deep. Their sum is the long skip: it is made at the
    size of lr. Nothing comes after conv_last. (1609.04802, figure 4)

    Worked: lr is 0.5 everywhere. conv_first doubles, act_first is a PReLU, body adds 7, conv_body divides by 4,
    norm_body does nothing, upsample repeats each pixel, conv_last multiplies by -3: shallow 1, deep 2, sr -9.
    """
    # begin 04.5
    shallow = act_first(conv_first(lr))
    deep = norm_body(conv_body(body(shallow)))
    return conv_last(upsample(shallow + deep))
    # end 04.5


def seen(network: nn.Module, x: Tensor, row: int, column: int) -> tuple[int, int, int, int]:
    """04.6: which input pixels one output pixel depends on, measured by gradients.

    x (1, C, h, w); network(x) is (1, D, H, W); 0 <= row < H, 0 <= column < W -> (top, bottom, left, right): the first
    and the last input row, the first and the last input column that are seen, as Python ints, counted from 0.

    Take the output at (row, column), summed over its channels, and its gradient with respect to x. An input pixel is
    seen if the gradient is not exactly 0 there, however small, in one of its channels or more. (At least one is.)

    The network is called once, in the mode that it is in. It stays as it was, gradients included, and so does x.

    Worked: a 3 x 3 convolution of ones, padding 1, x is 8 x 8. The output at (4, 6) sees (3, 5, 5, 7); the output at
    (0, 0) sees (0, 1, 0, 1), because outside the picture nothing is.
    """
    # begin 04.6
    probe = x.detach().clone().requires_grad_(True)
    value = network(probe)[0, :, row, column].sum()
    [gradient] = torch.autograd.grad(value, [probe])
    touched = (gradient[0] != 0).any(0)
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())
    # end 04.6
