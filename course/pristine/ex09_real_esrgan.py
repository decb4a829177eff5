"""Exercises of lesson 09: Real-ESRGAN. Write here; `check("09.1")` in the notebook, or `pytest`, tells you how it went.

Pictures are float tensors (B, C, H, W) in [0, 1], float32 or float64. Use torch alone.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.todo import todo

Pairs = tuple[Tensor, Tensor]  # (n, C, h, w) small pictures, and (n, C, H, W) large ones, in the same order


def sharpened(hr: Tensor, blur: Callable[[Tensor], Tensor]) -> Tensor:
    """09.1: unsharp masking as Real-ESRGAN does it to its targets: edges are raised, flat parts stay.

    hr (B, C, H, W) in [0, 1]; blur: a function that is given a tensor of hr's shape and dtype (not bool) and smooths it
    -> the sharpened pictures, of hr's shape, in [0, 1].

        residual = hr - blur(hr)                         what a wide blur takes away
        mask = 1 where |residual| * 255 > 10, else 0     for each value on its own: the channels may differ
        soft = blur(mask)                                so that the border of what is sharpened is not seen
        sharp = hr + 0.5 * residual, clamped to [0, 1]
        result = soft * sharp + (1 - soft) * hr

    (2107.10833, section 3.3; the numbers are those of the authors' code)

    Worked: blur makes every pixel the mean of all. hr = (0.28, 0.3, 0.05, 0.02, 0.85), the mean is 0.3, the residual
    (-0.02, 0, -0.25, -0.28, 0.55), the mask (0, 0, 1, 1, 1), so soft is 0.6 everywhere. sharp = (0.27, 0.3, 0, 0, 1)
    after the clamp, and the result (0.274, 0.3, 0.02, 0.008, 0.94).
    """
    raise todo("09.1")


def spectral(weight: Tensor, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """09.2: spectral normalisation: weights divided by an estimate of their largest singular value.

    weight (out, ...): of a convolution (out, in, k, k), or of a linear layer (out, in); u (out,): what the last call
    left; iterations: 1 or more -> weight / sigma, as weight; and the new u (out,), for the next call. W is the weight
    as a matrix with a row for each output channel, (out, the rest). So many times:

        v = W^T u / |W^T u|        u = W v / |W v|

    and then sigma = u^T W v, with the last u and v. Both are found without gradients, as if they were constants; the
    gradient flows through both places of the weight in weight / sigma. The u that came stays as it is. (1802.05957,
    algorithm 1)

    Worked: the rows of W are (3, 1) and (0, 1), u = (1, 1) / sqrt(2), one iteration. v = (3, 2) / sqrt(13), W v is
    (11, 2) / sqrt(13) and the new u (11, 2) / sqrt(125), so sigma = sqrt(125 / 13) = 3.10087 (the largest singular
    value is 3.17960). The 3 becomes 0.967471, each 1 becomes 0.322490.
    """
    raise todo("09.2")


def swap(pool: Pairs, lr: Tensor, hr: Tensor, size: int, rng: torch.Generator) -> tuple[Pairs, Pairs]:
    """09.3: the training-pair pool: pairs that were made together are trained with at different times.

    pool: the pairs that wait, none at first; lr (B, C, h, w), hr (B, C, H, W): new pairs, B at most size; size: how
    many pairs the pool holds -> (the pool afterwards, the pairs to train with).

    - While fewer than size wait, the new pairs are put into the pool, as many as there is room for, and the new pairs
      themselves, all of them, are what is trained with.
    - From then on B different places are drawn, every place with the same chance. The pairs that wait there are what is
      trained with, and the new pairs take their places.

    A small picture and its large one stay together. The order does not matter, neither in the pool nor in what comes
    back. What is drawn follows from rng alone. The tensors that came stay as they are. (2107.10833, section 4.1)

    Worked: size 4, batches of 3. a, b, c come into the empty pool, and come back. Then d, e, f come: d is put into the
    pool, and d, e, f come back. Then g, h, i come, and the places 2, 0, 3 are drawn: c, a, d come back, and the pool
    holds h, b, g, i.
    """
    raise todo("09.3")


def averaged(average: nn.Module, network: nn.Module, decay: float) -> nn.Module:
    """09.4: moves the average of a network's weights (EMA) one step on.

    average: a network of the same kind, which is changed in place; network: as training has left it, which stays as it
    is; decay: the share that is kept, such as 0.999 -> average itself.

        average = decay * average + (1 - decay) * network    for every parameter
        average = network                                    for every buffer (a BatchNorm's statistics and counter)

    The parameters of average remain the same tensors, without gradients and without a graph: whether they require
    gradients is as before. Names and order of the two networks agree.

    Worked: average has the weight (1, 2), network (3, 6), decay 0.75: the weight becomes (1.5, 3). A counter that is 8
    in average and 20 in network becomes 20.
    """
    raise todo("09.4")


def generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    lr: Tensor,
    hr: Tensor,
    sharpen: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], list[Tensor]],
    weights: Sequence[float],
) -> tuple[float, float, float]:
    """09.5: one step of Real-ESRGAN's generator: three terms, two of which aim at sharpened pictures.

    lr (B, 3, h, w); hr, and sr, which the generator makes of lr, (B, 3, H, W); sharpen: a function that makes pictures
    of pictures; features: one that makes a list of tensors, one for each of `weights`; the discriminator makes a logit
    for each pixel; optimizer: knows the generator's weights -> the three terms as floats, each with its weight, in this
    order:

        pixel = mean of |sr - sharpen(hr)|
        perceptual = sum over k of weights[k] * mean of |features(sr)[k] - features(sharpen(hr))[k]|
        adversarial = 0.1 * mean of -log D(sr), D = sigmoid(logit), the mean over all logits

    One step of the optimiser lowers their sum. sr itself is not sharpened, and it is what the discriminator judges.
    The discriminator is frozen meanwhile: its weights get no gradient, but the gradient flows through it; afterwards it
    can learn again. Gradients left from earlier steps do not count, the networks stay in their mode, and logits of
    -1000 must give no infinity: -log sigmoid(z) = softplus(-z). (2107.10833, sections 3.4 and 4.1)

    Worked: the generator multiplies by g = 1, lr is 1, hr is 2, sharpen doubles, features gives back the picture alone,
    its weight is 0.5, and the discriminator's logit of a pixel is the pixel: pixel |1 - 4| = 3, perceptual 1.5,
    adversarial 0.1 softplus(-1) = 0.0313262. The gradient of g is -1 - 0.5 - 0.0268941; at a rate of 0.1 g becomes
    1.15269.
    """
    raise todo("09.5")


def tiled(lr: Tensor, network: Callable[[Tensor], Tensor], scale: int, tile: int, overlap: int) -> Tensor:
    """09.6: a picture enlarged piece by piece.

    lr (B, C, h, w); network: enlarges (B, C, a, b) to (B, C, a * scale, b * scale); tile, overlap: in pixels of lr
    -> (B, C, h * scale, w * scale), of lr's dtype.

    The picture is cut into tiles of tile x tile, from the top left; the last ones of a row or column may be smaller.
    For each tile the network is given the tile with `overlap` more pixels on every side, fewer where the picture ends
    (nothing is invented there), and of what it makes only the part over the tile itself is kept. One call for a tile.
    If the network raises an error, so does this function: no tile stands in for another.

    Where overlap is at least as far as an output pixel sees, the result is the whole picture's.

    Worked: two rows, (1, 2, 3, 4) and (3, 4, 5, 6), scale 1, tile 1, overlap 1; the network makes every pixel the mean
    of what it is given. The first tile is given (1, 2) and (3, 4), the next (1, 2, 3) and (3, 4, 5), and so on; the
    tiles of the second row are given both rows too: both become (2.5, 3, 4, 4.5).
    """
    raise todo("09.6")
