"""What the usual mistakes in 04.4 give: cause -> formula, computed only when an answer is wrong."""

import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes


def kernels(weight: Tensor, factor: int) -> Mistakes:
    """Kernels for a transposed convolution that puts the weights in other places."""
    turned = weight.flip(2, 3).transpose(0, 1)

    def shuffled(y: Tensor) -> Tensor:
        return F.pixel_shuffle(y, factor)

    r = factor
    c = weight.shape[0] // r**2
    return {
        "the weights are not turned: a transposed convolution runs its kernel the other way, flip dimensions 2 and 3": (
            lambda: shuffled(weight.transpose(0, 1))
        ),
        "the weights are turned in one direction only: flip dimensions 2 and 3": lambda: shuffled(
            weight.flip(3).transpose(0, 1)
        ),
        "the weights are turned in one direction only, that of the rows: flip dimensions 2 and 3": lambda: shuffled(
            weight.flip(2).transpose(0, 1)
        ),
        "the cells are turned too: flip the k x k weights first, then shuffle": lambda: shuffled(
            weight.transpose(0, 1)
        ).flip(2, 3),
        "rows and columns are exchanged (a transpose of dimensions 2 and 3): flip them": lambda: shuffled(
            weight.transpose(2, 3).transpose(0, 1)
        ),
        "the first two dimensions are in the convolution's order, (C, D): F.conv_transpose2d wants (D, C)": lambda: (
            shuffled(turned).transpose(0, 1)
        ),
        "the r * r channels of a cell are taken in another order: channel c * r * r + dy * r + dx": lambda: shuffled(
            turned.unflatten(1, (r * r, c)).transpose(1, 2).flatten(1, 2)
        ),
        "dy and dx are exchanged in the kernel: channel c * r * r + dy * r + dx goes to row dy, column dx": lambda: (
            shuffled(turned.unflatten(1, (c, r, r)).transpose(2, 3).flatten(1, 3))
        ),
        "the places (a, dy) are laid out as r tiles of k x k: a cell of r x r stands for each of the k x k weights": (
            lambda: (
                turned.unflatten(1, (c, r, r))
                .permute(0, 1, 2, 4, 3, 5)
                .reshape(weight.shape[1], c, r * weight.shape[2], r * weight.shape[3])
            )
        ),
    }
