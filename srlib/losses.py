"""Loss functions: a pair of pictures in, one number out."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error, of which PSNR is the logarithm: (B, C, H, W) twice, same range -> scalar."""
    return F.mse_loss(sr, hr)


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error: (B, C, H, W) twice, same range -> scalar."""
    return F.l1_loss(sr, hr)


def charbonnier(sr: Tensor, hr: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(difference² + eps²), an L1 that is round at 0: (B, C, H, W) twice, same range -> scalar.

    Source: Charbonnier et al., ICIP 1994; for super-resolution LapSRN (1704.03915), with eps = 1e-3 on [0, 1].
    """
    return torch.sqrt((sr - hr).square() + eps**2).mean()
