"""Loss functions: a pair of pictures in, one number out."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error, of which PSNR is the logarithm: (B, C, H, W) twice, same range -> scalar."""
    return F.mse_loss(sr, hr)


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error: (B, C, H, W) twice, same range -> scalar."""
    return F.l1_loss(sr, hr)
