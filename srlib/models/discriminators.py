"""The second player: networks that tell real pictures from made ones, as one logit for each picture.

Both are VGG-style: convolutions that halve the picture and double the channels, then two dense layers.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class SRGANDiscriminator(nn.Module):
    """SRGAN's: pairs of 3x3 convolutions, of which the second strides, to 512 channels; dense 1024, dense 1.

    pictures (B, 3, H, W) in [0, 1] -> logits (B, 1), above 0 for "real". Of any size: what the convolutions give is
    averaged to `grid` x `grid` places, for a picture of 16 x grid (96 in the paper) without any change.
    Source: 1609.04802, figure 4.
    """

    def __init__(self, *, in_channels: int = 3, channels: int = 64, grid: int = 6, dense: int = 1024) -> None:
        super().__init__()
        layers = [nn.Conv2d(in_channels, channels, 3, padding=1), _leaky()]
        before = channels
        for number in range(1, 8):  # the second layer strides, the third doubles, ...
            after = channels * min(2 ** (number // 2), 8)
            layers += _conv_norm(before, after, kernel=3, stride=2 if number % 2 else 1, bias=True)
            before = after
        self.features = nn.Sequential(*layers)
        self.judge = _judge(before, grid, dense)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.judge(self.features(pictures))


class ESRGANDiscriminator(nn.Module):
    """ESRGAN's: pairs of a 3x3 convolution and a 4x4 one that strides, to 512 channels; dense 100, dense 1.

    pictures (B, 3, H, W) in [0, 1] -> logits (B, 1). Of any size from 32 on, as SRGANDiscriminator; 32 x grid, 128 in
    the paper, is taken as it is. Raises ValueError for smaller pictures.
    Source: the authors' code of 1809.00219, its VGG-style discriminator for patches of 128.
    """

    least = 32  # pixels a side: it halves them five times

    def __init__(self, *, in_channels: int = 3, channels: int = 64, grid: int = 4, dense: int = 100) -> None:
        super().__init__()
        layers = [nn.Conv2d(in_channels, channels, 3, padding=1), _leaky()]
        layers += _conv_norm(channels, channels, kernel=4, stride=2, bias=False)
        before = channels
        for factor in (2, 4, 8, 8):
            after = channels * factor
            layers += _conv_norm(before, after, kernel=3, stride=1, bias=False)
            layers += _conv_norm(after, after, kernel=4, stride=2, bias=False)
            before = after
        self.features = nn.Sequential(*layers)
        self.judge = _judge(before, grid, dense)

    def forward(self, pictures: Tensor) -> Tensor:
        if min(pictures.shape[-2:]) < self.least:
            raise ValueError(
                f"pictures are {pictures.shape[-2]} x {pictures.shape[-1]}: ESRGAN's discriminator needs {self.least} "
                "pixels on each side; take larger ones"
            )
        return self.judge(self.features(pictures))


def _conv_norm(before: int, after: int, *, kernel: int, stride: int, bias: bool) -> Sequence[nn.Module]:
    return nn.Conv2d(before, after, kernel, stride, padding=1, bias=bias), nn.BatchNorm2d(after), _leaky()


def _judge(channels: int, grid: int, dense: int) -> nn.Sequential:
    return nn.Sequential(
        _Grid(grid),
        nn.Flatten(),
        nn.Linear(channels * grid**2, dense),
        _leaky(),
        nn.Linear(dense, 1),
    )


class _Grid(nn.Module):
    """The means over grid x grid places; features of that size pass as they are: CUDA's pool is not deterministic."""

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, features: Tensor) -> Tensor:
        if features.shape[-2:] == (self.grid, self.grid):
            return features
        return F.adaptive_avg_pool2d(features, self.grid)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
