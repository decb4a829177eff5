"""Exercises of lesson 03: SRCNN. Write here; `check("03.1")` in the notebook, or `pytest`, tells you how it went.

Pictures are float tensors (B, C, H, W) with values in [0, 1]. Use torch, and of srlib only what is imported below.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#| from course.todo import todo
from srlib.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlib.resize import imresize


def assemble(lr: Tensor, restore: Callable[[Tensor], Tensor], scale: int) -> Tensor:
    """03.1: a colour picture of which only the luma goes through the network.

    lr (B, 3, h, w) RGB in [0, 1] -> sr (B, 3, h * scale, w * scale) RGB. restore: luma of the enlarged picture,
    (B, 1, h * scale, w * scale) -> the same shape.

    In this order: `imresize` enlarges lr (bicubic), `rgb_to_ycbcr` (Y is channel 0), `restore` gives the new Y,
    Cb and Cr stay as they are, `ycbcr_to_rgb`. Nothing is clipped or rounded on the way, nor at the end.

    Worked: a flat picture (0.8, 0.4, 0.2) and a restore that adds 0.1 to its input. Y spans 219 of 255 steps, so
    R, G and B rise by 0.1 * 255 / 219 = 0.1164 each: (0.9164, 0.5164, 0.3164).
    """
    # begin 03.1
    y, cb, cr = rgb_to_ycbcr(imresize(lr, scale=scale)).split(1, dim=1)
    return ycbcr_to_rgb(torch.cat([restore(y), cb, cr], dim=1))
    # end 03.1


def forward(large: Tensor, extract: nn.Conv2d, map: nn.Conv2d, reconstruct: nn.Conv2d) -> Tensor:
    """03.2: SRCNN's three layers on a picture that is already enlarged.

    large (B, 1, H, W) -> (B, 1, H, W). The layers are `nn.Conv2d` with padding 0 and a square kernel of any odd
    size k; they may have any number of filters. Do not change them.

        F1 = max(0, extract(large))    F2 = max(0, map(F1))    sr = reconstruct(F2)    (1501.00092, eqs. 1 to 3)

    Before each of the three, its input gets k // 2 pixels more on every side, copies of the nearest pixel at the
    edge (`F.pad` calls it "replicate"), so that the size stays. A layer with k = 1 gets none. The picture may be
    smaller than a kernel. Gradients must be able to flow through.

    Worked: large is 1 everywhere, one filter in each layer: 3 x 3 of ones; 1 x 1 with weight 2; 3 x 3 of 1/9 with
    bias -20. F1 = 9, F2 = 18, sr = 18 - 20 = -2 everywhere, at the edge too.
    """
    # begin 03.2
    first, second, third = ((conv.kernel_size[0] // 2,) * 4 for conv in (extract, map, reconstruct))
    features = F.relu(extract(F.pad(large, first, mode="replicate")))
    features = F.relu(map(F.pad(features, second, mode="replicate")))
    return reconstruct(F.pad(features, third, mode="replicate"))
    # end 03.2


def aligned_patch(lr: Tensor, hr: Tensor, scale: int, side: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """03.3: a random patch of lr, and exactly the part of hr that it was made from.

    lr (3, h, w), hr (3, h * scale, w * scale), both of any dtype -> (3, side, side) and (3, side * scale,
    side * scale), the values as they are. side is at most h and w, in LR pixels.

    Every place where the LR patch fits inside lr is equally likely, the last row and column of places too; row and
    column are drawn apart. Then, with probability 1/2, both patches are mirrored left-right, together.
    All randomness comes from `rng`: from the same state of it come the same patches.

    Worked: lr is 8 x 10, side 4, scale 3. The patch's top row is one of 0..4, its left column one of 0..6. At row 4,
    column 6 of lr, the HR patch begins at row 12, column 18, and is 12 x 12. A 4 x 4 lr has one place only.
    """
    # begin 03.3
    height, width = lr.shape[-2:]
    top = int(torch.randint(height - side + 1, (1,), generator=rng))
    left = int(torch.randint(width - side + 1, (1,), generator=rng))
    small = lr[:, top : top + side, left : left + side]
    large = hr[:, top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    if torch.rand(1, generator=rng) < 0.5:
        small, large = small.flip(-1), large.flip(-1)
    return small, large
    # end 03.3


def train_step(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, target: Tensor, margin: int) -> float:
    """03.4: one step of gradient descent; returns the loss before it, as a Python float.

    x, target: network(x) and target are (B, C, H, W). margin: pixels left out of the loss on every side, 0 for none,
    less than half of H and W -> the loss; the network has learnt.

        loss = mean over the batch, the channels and the pixels inside the margin of (network(x) - target)^2

    Gradients that were left in the network before do not count. The network is called once, in the mode (train or
    eval) that it is in, and is changed by `optimizer` alone.

    Worked: network(x) = w x with w = 1; x = (0.5, 1), target = (0.1, 0.8), margin 0, SGD with learning rate 0.5.
    The loss is (0.4^2 + 0.2^2) / 2 = 0.1, its gradient 2 (0.5 * 0.4 + 1 * 0.2) / 2 = 0.4, and w becomes 0.8.
    """
    # begin 03.4
    height, width = target.shape[-2:]
    inside = (..., slice(margin, height - margin), slice(margin, width - margin))
    loss = (network(x)[inside] - target[inside]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    # end 03.4


def filter_picture(weights: Tensor, columns: int) -> Tensor:
    """03.5: all filters of a layer as one grey picture.

    weights (N, h, w), any floats, N at least 1 -> (1, 1, H, W) in [0, 1] with `columns` tiles in a row and as many
    rows as N filters need: H = rows * h + rows - 1, W = columns * w + columns - 1.

    Every filter is scaled on its own: weight 0 becomes 0.5, and its largest absolute weight m becomes 0 (if negative)
    or 1 (if positive): 0.5 + weight / (2 m). A filter of zeros is 0.5 everywhere. Tiles lie in reading order, row by
    row. Between neighbouring tiles is a gap of one pixel, value 1; around the whole there is none. Places of the last
    row that have no filter are 1 too.

    Worked: two filters of 1 x 2, (-2, 1) and (0, 3), columns 2 -> the picture 0, 0.75, 1 (the gap), 0.5, 1.
    """
    # begin 03.5
    count, height, width = weights.shape
    rows = -(-count // columns)
    largest = weights.abs().amax((1, 2), keepdim=True)
    tiles = weights.new_ones(rows * columns, height + 1, width + 1)  # each with a gap at its right and bottom
    tiles[:count, :-1, :-1] = 0.5 + 0.5 * weights / torch.where(largest > 0, largest, 1)
    grid = tiles.view(rows, columns, height + 1, width + 1).transpose(1, 2)
    return grid.reshape(1, 1, rows * (height + 1), columns * (width + 1))[..., :-1, :-1]
    # end 03.5
