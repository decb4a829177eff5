"""Traces of an HR picture's past: blocks of a strong JPEG compression, and the empty spectrum of an enlargement."""

import torch
from torch import Tensor

# Of the 1010 pictures of T91, BSDS500, ImageNet500, Set5 and Set14 none is blockier and one has fewer fine details.
# Found are about half of those saved as JPEG of quality 20 (four fifths at 10), and nineteen of twenty that were
# enlarged by bicubic to twice their size (a third at 1.5 times): no proof, hence a remark.
BLOCKY = 1.6
ENLARGED = -18.0  # dB
SMALLEST = 64  # pixels a side below which neither can be told
_SIDE = 512  # pixels of the middle that are looked at
_EDGE = 12.0  # levels at which differences are cut off, so that edges of the scene do not outweigh blocks


def middle(pixels: Tensor) -> Tensor:
    """uint8 (3, H, W) -> mean of the colours (h, w) of its middle, floats in 0..255; sides are multiples of 32."""
    _, height, width = pixels.shape
    h, w = (min(_SIDE, side // 32 * 32) for side in (height, width))
    top, left = (height - h) // 2, (width - w) // 2
    return pixels[:, top : top + h, left : left + w].float().mean(0)


def blockiness(x: Tensor) -> float:
    """How much larger the steps between 8 x 8 blocks are than others: near 1 for a picture without blocks.

    x (h, w) in 0..255. The grid may begin anywhere (a crop of a JPEG). The geometric mean of rows and columns.
    """
    ratios = []
    for y in (x, x.T):
        steps = y.diff(dim=1).abs().clamp(max=_EDGE).mean(0)
        steps = steps[: len(steps) // 8 * 8].reshape(-1, 8).mean(0)
        ratios.append(steps.max() / steps.median().clamp(min=0.1))
    return float((ratios[0] * ratios[1]).sqrt())


def fineness(x: Tensor) -> float:
    """The power of the finest details (0.4 to 0.5 cycles a pixel) beside that of medium ones (0.15 to 0.2), in dB.

    x (h, w) in 0..255. Some -10 dB for a sharp photograph; an enlarged one has almost none.
    """
    powers = []
    for y in (x, x.T):
        y = (y - y.mean(1, keepdim=True)) * torch.hann_window(y.shape[1], periodic=False)
        power = torch.fft.rfft(y).abs().square().mean(0)
        f = torch.fft.rfftfreq(y.shape[1])
        fine, medium = power[f >= 0.4].mean(), power[(f >= 0.15) & (f <= 0.2)].mean()
        powers.append(10 * torch.log10((fine + 1e-3) / (medium + 1e-3)))
    return float(torch.stack(powers).max())
