"""Exercises of lesson 07: ESRGAN. Write here; `check("07.1")` in the notebook, or `pytest`, tells you how it went.

Pictures and features are float tensors (B, C, H, W), float32 or float64, and so are the results. Use torch alone.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.todo import todo


def dense_block(x: Tensor, convs: Sequence[nn.Module]) -> Tensor:
    """07.1: a dense block: every convolution sees all that came before it.

    x (B, C, H, W), any floats -> the same shape. convs: five convolutions; with growth g the first takes C channels,
    the second C + g, ..., the fifth C + 4g, and they give g, g, g, g and C. Call them as they are.

        f1 = lrelu(conv1(x))    f2 = lrelu(conv2([x, f1]))    ...    f4 = lrelu(conv4([x, f1, f2, f3]))
        result = x + 0.2 * conv5([x, f1, f2, f3, f4])

    [a, b] puts channels behind one another, oldest first. lrelu has the slope 0.2 below 0; after the fifth
    convolution there is none. Gradients must be able to flow. (1809.00219, figure 4)

    Worked: one pixel, x = 1, growth 1, and every convolution sums its channels and takes 2 away. f1 = lrelu(-1) =
    -0.2; f2 = lrelu(0.8 - 2) = -0.24; f3 = lrelu(0.56 - 2) = -0.288; f4 = lrelu(0.272 - 2) = -0.3456. The fifth gives
    -0.0736 - 2 = -2.0736, so the result is 1 - 0.41472 = 0.58528.
    """
    raise todo("07.1")


def rrdb(x: Tensor, blocks: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    """07.2: residual in residual: three dense blocks one after the other, and a fifth of what they make is added.

    x (B, C, H, W), any floats -> the same shape. blocks: three functions from features to features of the same shape.

        result = x + 0.2 * block3(block2(block1(x)))

    Nothing is taken away from x: with blocks that give back what they get the result is 1.2 times x, as in the
    authors' code. Gradients must be able to flow.

    Worked: the first block adds 1, the second doubles, the third takes 3 away. x = 5 becomes 6, 12, 9, and the result
    is 5 + 0.2 * 9 = 6.8.
    """
    raise todo("07.2")


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """07.3: what ESRGAN's discriminator loses: the real ones should look more real than the made ones on average.

    real, fake (B, 1): its logits C(x) of real and of made pictures, any floats -> a tensor without dimensions.

        D(x_r, x_f) = sigmoid(C(x_r) - mean of C(x_f))    D(x_f, x_r) = sigmoid(C(x_f) - mean of C(x_r))
        loss = - mean of log D(x_r, x_f) - mean of log(1 - D(x_f, x_r))

    The inner means run over the batch. The two halves are added, not averaged. Logits of 1000 must give no infinity:
    -log sigmoid(z) = softplus(-z), -log(1 - sigmoid(z)) = softplus(z). Gradients reach real and fake, through the
    inner means too. (1809.00219, equation 1)

    Worked: real (ln 9, 0), fake (0, 0); the means are ln 3 and 0. D(x_r, x_f) = sigmoid(ln 9, 0) = (0.9, 0.5), and
    D(x_f, x_r) = sigmoid(-ln 3) = 0.25 twice. The loss is -(ln 0.9 + ln 0.5) / 2 - ln 0.75 = 0.68694.
    """
    raise todo("07.3")


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """07.4: what ESRGAN's generator loses: the same game with the roles exchanged, and both halves of it.

    real, fake (B, 1): the discriminator's logits, any floats -> a tensor without dimensions. D as in 07.3:

        loss = - mean of log(1 - D(x_r, x_f)) - mean of log D(x_f, x_r)

    The first half looks at the real pictures, and still teaches the generator: the mean of C(x_f) stands in it. Logits
    of 1000 must give no infinity. Gradients reach fake through both halves. (1809.00219, equation 2)

    Worked: real (ln 9, 0), fake (0, 0). D(x_r, x_f) = (0.9, 0.5) and D(x_f, x_r) = 0.25 twice, as in 07.3, so the loss
    is -(ln 0.1 + ln 0.5) / 2 - ln 0.25 = 2.8842. Each of the two made pictures gets the gradient -0.725: 0.35 of it
    comes from the first half, 0.375 from the second.
    """
    raise todo("07.4")


def interpolated(psnr: Mapping[str, Tensor], gan: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """07.5: network interpolation: the weights between those of two networks.

    psnr, gan: name -> tensor, as `state_dict()` gives it; alpha: 0 to 1 -> name -> tensor, ready for
    `load_state_dict`.

        theta = (1 - alpha) * theta_psnr + alpha * theta_gan    for every tensor of floats

    Tensors of whole numbers (a BatchNorm's num_batches_tracked) cannot be mixed: they are gan's, and stay whole.
    Raises ValueError if a name is in one of the two only (in any order), or a shape differs. psnr and gan stay as they
    are, and the result shares no memory with them. (1809.00219, section 3.4)

    Worked: psnr has w = (1, 2) and n = 8, gan has w = (3, 6) and n = 20. alpha 0.25 gives w = (1.5, 3) and n = 20.
    """
    raise todo("07.5")


def back_projection(
    sr: Tensor, lr: Tensor, shrink: Callable[[Tensor], Tensor], enlarge: Callable[[Tensor], Tensor], iterations: int
) -> Tensor:
    """07.6: corrects an enlarged picture until it, made small again, gives the picture it was made of.

    sr (B, C, H, W), lr (B, C, h, w), any floats; shrink: (B, C, H, W) -> (B, C, h, w), enlarge: the other way;
    iterations: 0 or more -> (B, C, H, W), neither clipped nor rounded. So many times:

        error = lr - shrink(sr)    sr = sr + enlarge(error)

    Each time the error is that of the picture as it is by then. (Irani and Peleg, 1991)

    Worked: shrink takes the mean of two pixels, enlarge repeats half of each pixel. lr = 0.8, sr = (0.1, 0.5). The mean
    is 0.3, the error 0.5, sr becomes (0.35, 0.75); then the error is 0.25 and sr (0.475, 0.875); after the third
    iteration it is (0.5375, 0.9375).
    """
    raise todo("07.6")


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """07.7: the weights of an older ESRGAN file under the names that its networks have today.

    state: name -> tensor -> the same tensors, each under its new name:

        RRDB_trunk.N.RDBM.convK  ->  body.N.rdbM.convK      (N from 0, as many digits as it has; M 1 to 3; K 1 to 5)
        trunk_conv -> conv_body    upconv1 -> conv_up1    upconv2 -> conv_up2    HRconv -> conv_hr

    What follows, .weight or .bias, stays. conv_first and conv_last keep their names, and so does a name that is one
    of today's already. state itself stays as it is.

    Worked: RRDB_trunk.12.RDB1.conv5.bias becomes body.12.rdb1.conv5.bias, HRconv.weight becomes conv_hr.weight.
    """
    raise todo("07.7")
