"""RGB <-> YCbCr, ITU-R BT.601 studio range, as MATLAB's rgb2ycbcr and ycbcr2rgb."""

import torch
from torch import Tensor

# MATLAB's rgb2ycbcr for RGB in [0, 1]; Y in 16..235, Cb and Cr in 16..240. Source: ITU-R BT.601-7,
# section 3.5, in the decimals that MATLAB's documentation prints.
_MATRIX = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_OFFSET = (16.0, 128.0, 128.0)


def luma(rgb: Tensor) -> Tensor:
    """Luma Y of an RGB picture.

    rgb (B, 3, H, W) in [0, 1] -> (B, 1, H, W) in [16/255, 235/255].
    Raises ValueError if there are not 3 channels.
    """
    _need_three(rgb, "luma")
    return luma_difference(rgb) + _OFFSET[0] / 255


def luma_difference(difference: Tensor) -> Tensor:
    """Luma of the difference of two RGB pictures: the linear part of Y, without the offset of 16.

    difference (B, 3, H, W) in [-1, 1] -> (B, 1, H, W) in [-219/255, 219/255].
    """
    red, green, blue = (weight / 255 for weight in _MATRIX[0])
    y = difference[:, 0:1] * red
    return y.add_(difference[:, 1:2], alpha=green).add_(difference[:, 2:3], alpha=blue)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """RGB to YCbCr.

    rgb (B, 3, H, W) in [0, 1] -> (B, 3, H, W): Y in [16/255, 235/255], Cb and Cr in [16/255, 240/255].
    Raises ValueError if there are not 3 channels.
    """
    _need_three(rgb, "rgb_to_ycbcr")
    matrix, offset = _constants()
    return torch.einsum("ij,bjhw->bihw", matrix.to(rgb), rgb) + offset.to(rgb)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """YCbCr to RGB, the inverse of rgb_to_ycbcr (values that no RGB in [0, 1] gives are not clipped).

    ycbcr (B, 3, H, W), ranges as in rgb_to_ycbcr -> (B, 3, H, W).
    Raises ValueError if there are not 3 channels.
    """
    _need_three(ycbcr, "ycbcr_to_rgb")
    matrix, offset = _constants()
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(matrix).to(ycbcr), ycbcr - offset.to(ycbcr))


def _constants() -> tuple[Tensor, Tensor]:
    matrix = torch.tensor(_MATRIX, dtype=torch.float64) / 255
    offset = torch.tensor(_OFFSET, dtype=torch.float64).view(1, 3, 1, 1) / 255
    return matrix, offset


def _need_three(x: Tensor, name: str) -> None:
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"{name} needs (B, 3, H, W), got {tuple(x.shape)}: repeat a grey picture to 3 channels")
