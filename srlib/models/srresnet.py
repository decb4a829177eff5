"""SRResNet: a deep residual network that works at LR size and enlarges at its end.

Ledig, Theis, Huszár et al., CVPR 2017 (1609.04802), figure 4. It is also the generator of SRGAN.
"""

import math
import re
from collections.abc import Mapping
from itertools import chain

from torch import Tensor, nn

FACTORS = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}  # scale -> the pixel shuffles that make it


class ResidualBlock(nn.Module):
    """conv, norm, PReLU, conv, norm, plus what came in: (B, channels, h, w) -> the same shape."""

    def __init__(self, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels, batch_norm)
        self.act = nn.PReLU()  # one slope for all channels: 1,549,462 parameters ask for it
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm(channels, batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.act(self.norm1(self.conv1(x)))
        return x + self.norm2(self.conv2(inner))


class SRResNet(nn.Module):
    """9x9 conv; 16 residual blocks and a long skip; a 3x3 conv and a pixel shuffle for each factor; 9x9 conv.

    lr (B, in_channels, h, w) in [0, 1] -> (B, in_channels, h * scale, w * scale), unclipped. scale: 1, 2, 3, 4 or 8.
    batch_norm=False leaves the normalisations out, as EDSR did later. Raises ValueError for another scale.
    """

    shrink = 1  # LR rows to a row of features

    def __init__(
        self, *, scale: int = 4, in_channels: int = 3, channels: int = 64, num_blocks: int = 16, batch_norm: bool = True
    ) -> None:
        super().__init__()
        if scale not in FACTORS:
            raise ValueError(f"scale is {scale}: SRResNet is built for {', '.join(map(str, FACTORS))}")
        self.scale, self.in_channels = scale, in_channels
        self.conv_first = nn.Conv2d(in_channels, channels, 9, padding=4)
        self.act_first = nn.PReLU()
        self.body = nn.Sequential(*(ResidualBlock(channels, batch_norm=batch_norm) for _ in range(num_blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_body = norm(channels, batch_norm)
        self.upsample = nn.Sequential(*chain.from_iterable(enlargement(channels, f) for f in FACTORS[scale]))
        self.conv_last = nn.Conv2d(channels, in_channels, 9, padding=4)

    @property
    def halo(self) -> int:
        """LR pixels on each side that an output pixel depends on: 40 for the paper's network at x4."""
        return 4 + 2 * len(self.body) + 1 + self.tail_halo  # the first layer, the body, its last convolution, the tail

    @property
    def tail_halo(self) -> int:
        """The same of the enlargement alone: rows of features on each side, 3 for the paper's network at x4."""
        reach, size = 0.0, 1
        for factor in FACTORS[self.scale]:
            reach, size = reach + 1 / size, size * factor
        return math.ceil(reach + 4 / size)

    @property
    def alive(self) -> int:
        """Numbers in memory at once for each LR pixel, of `features`."""
        return 4 * self.conv_body.out_channels

    def forward(self, lr: Tensor) -> Tensor:
        return self.tail(lr, self.features(lr))

    def features(self, lr: Tensor) -> Tensor:
        """All that happens before the enlargement: (B, in_channels, h, w) -> (B, channels, h, w)."""
        shallow = self.act_first(self.conv_first(lr))
        return shallow + self.norm_body(self.conv_body(self.body(shallow)))

    def tail(self, lr: Tensor, features: Tensor) -> Tensor:
        """The enlargement of a picture's features, or a strip's: -> (B, in_channels, H, W), unclipped."""
        return self.conv_last(self.upsample(features))


def norm(channels: int, batch_norm: bool) -> nn.Module:
    """Batch normalisation, or nothing."""
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def enlargement(channels: int, factor: int) -> tuple[nn.Module, ...]:
    """factor² times the channels, rearranged into a picture `factor` times as large, and PReLU."""
    return nn.Conv2d(channels, channels * factor**2, 3, padding=1), nn.PixelShuffle(factor), nn.PReLU()


def from_state(state: Mapping[str, Tensor], scale: int | None) -> SRResNet | None:
    """An SRResNet that holds these weights, or None if they are another network's. The file tells its scale.

    Raises ValueError if the file is an SRResNet of another scale than asked for, or not whole.
    """
    if not {"conv_first.weight", "body.0.conv1.weight", "body.0.act.weight", "conv_last.weight"} <= state.keys():
        return None
    channels, in_channels = state["conv_first.weight"].shape[:2]
    factors = tuple(
        round((value.shape[0] / channels) ** 0.5)
        for key, value in sorted(state.items())
        if re.fullmatch(r"upsample\.\d+\.weight", key) and value.ndim == 4
    )
    told = next((s for s, wanted in FACTORS.items() if wanted == factors), None)
    if told is None:
        raise ValueError(f"it is an SRResNet that enlarges by {factors}: known are {', '.join(map(str, FACTORS))}")
    if scale not in (None, told):
        raise ValueError(f"it is an SRResNet for scale {told}, not {scale}: use --scale {told}")
    model = SRResNet(
        scale=told,
        in_channels=in_channels,
        channels=channels,
        num_blocks=len({key.split(".")[1] for key in state if key.startswith("body.")}),
        batch_norm="norm_body.weight" in state,
    )
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ValueError(f"it looks like an SRResNet, but not all of its tensors fit: {error}") from error
    return model
