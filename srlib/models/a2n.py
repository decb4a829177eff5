"""A2N: a small network whose blocks weigh an attention branch against a plain one.

Chen, Gu, Zhang, 2021 (2104.09497). Module names are those of the authors' public weights.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = (2, 3, 4)
TEMPERATURE = 30  # of the softmax between the branches


class PixelAttention(nn.Module):
    """A weight in (0, 1) for every value, from a 1x1 convolution: (B, channels, h, w) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


class AttentionBranch(nn.Module):
    """Pixel attention between two convolutions: (B, channels, h, w) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.k1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.k2 = nn.Conv2d(channels, channels, 1)
        self.k3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.k4 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.k2(leaky(self.k1(x))))
        return self.k4(self.k3(x) * weights)


class A2Block(nn.Module):
    """Attention in attention: the picture itself decides how much of each branch it gets; plus what came in.

    (B, channels, h, w) -> the same shape. The attention dropout module, ADM, looks at the mean of every channel.
    """

    def __init__(self, channels: int, plain_kernel: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(channels, channels, 1, bias=False)
        self.ADM = nn.Sequential(
            nn.Linear(channels, channels // 4, bias=False), nn.ReLU(), nn.Linear(channels // 4, 2, bias=False)
        )
        self.attention = AttentionBranch(channels)
        self.non_attention = nn.Conv2d(channels, channels, plain_kernel, padding=plain_kernel // 2, bias=False)
        self.conv_last = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = leaky(self.conv_first(x))
        share = self.shares(inner)[:, :, None, None, None]
        mixed = share[:, 0] * self.attention(inner) + share[:, 1] * self.non_attention(inner)
        return x + self.conv_last(leaky(mixed))

    def shares(self, inner: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 2): the shares of the attention and the plain branch; they sum to 1."""
        return F.softmax(self.ADM(inner.mean((2, 3))) / TEMPERATURE, 1)


class A2N(nn.Module):
    """conv; 16 A2 blocks and a long skip; nearest enlargement with pixel attention; plus bilinear enlargement.

    lr (B, 3, h, w) in [0, 1] -> (B, 3, h * scale, w * scale), unclipped; the layers work on 0..255. scale: 2, 3 or 4,
    which the paper trains each by itself. plain_kernel=1 is A2N-M. Raises ValueError for another scale.
    """

    in_channels = 3
    shrink = 1  # LR rows to a row of features
    tail_halo = 3  # rows of features on each side that an output pixel depends on; of the picture it sees all

    def __init__(
        self, *, scale: int, channels: int = 40, up_channels: int = 24, num_blocks: int = 16, plain_kernel: int = 3
    ) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"scale is {scale}: A2N is built for {', '.join(map(str, SCALES))}")
        self.scale = scale
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.AAB_trunk = nn.Sequential(*(A2Block(channels, plain_kernel) for _ in range(num_blocks)))
        self.trunk_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.upconv1 = nn.Conv2d(channels, up_channels, 3, padding=1)
        self.att1 = PixelAttention(up_channels)
        self.HRconv1 = nn.Conv2d(up_channels, up_channels, 3, padding=1)
        if scale == 4:
            self.upconv2 = nn.Conv2d(up_channels, up_channels, 3, padding=1)
            self.att2 = PixelAttention(up_channels)
            self.HRconv2 = nn.Conv2d(up_channels, up_channels, 3, padding=1)
        self.conv_last = nn.Conv2d(up_channels, 3, 3, padding=1)

    @property
    def reach(self) -> int:
        """LR pixels on each side that an output pixel sees but for the means of the blocks, which see all of them."""
        return 1 + 2 * len(self.AAB_trunk) + 1 + self.tail_halo

    @property
    def alive(self) -> int:
        """Numbers in memory at once for each LR pixel, of `features`."""
        return 6 * self.trunk_conv.out_channels

    def forward(self, lr: Tensor) -> Tensor:
        return self.tail(lr, self.features(lr))

    def features(self, lr: Tensor) -> Tensor:
        """All that happens before the enlargement: (B, 3, h, w) -> (B, channels, h, w).

        The means of the blocks are over the whole picture, so that no strip of it gives the same.
        """
        shallow = self.conv_first(lr * 255)
        return shallow + self.trunk_conv(self.AAB_trunk(shallow))

    def tail(self, lr: Tensor, features: Tensor) -> Tensor:
        """The enlargement of a picture, or a strip of one, and its features: -> (B, 3, H, W), unclipped."""
        x = features
        if self.scale == 4:
            x = _enlarged(x, 2, self.upconv1, self.att1, self.HRconv1)
            x = _enlarged(x, 2, self.upconv2, self.att2, self.HRconv2)
        else:
            x = _enlarged(x, self.scale, self.upconv1, self.att1, self.HRconv1)
        large = F.interpolate(lr * 255, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return (self.conv_last(x) + large) / 255


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of all of A2N, 0.2."""
    return F.leaky_relu(x, 0.2)


def _enlarged(x: Tensor, factor: int, up: nn.Module, attention: nn.Module, conv: nn.Module) -> Tensor:
    x = up(F.interpolate(x, scale_factor=factor, mode="nearest"))
    return leaky(conv(leaky(attention(x))))


def from_state(state: Mapping[str, Tensor], scale: int | None) -> A2N | None:
    """An A2N or A2N-M that holds these weights, or None if they are another network's.

    x4 has a second enlargement; x2 and x3 have the same shapes. Raises ValueError if the scale is needed or wrong.
    """
    block = ("AAB_trunk.0.ADM.0.weight", "AAB_trunk.0.non_attention.weight")
    if not {"conv_first.weight", *block, "upconv1.weight"} <= state.keys():
        return None
    if "upconv2.weight" in state:
        if scale not in (None, 4):
            raise ValueError(f"it is an A2N for scale 4, not {scale}: use --scale 4")
        scale = 4
    elif scale not in (2, 3):
        raise ValueError("it is an A2N for scale 2 or 3, and the file does not say which: name it, as in --scale 2")
    model = A2N(
        scale=scale,
        channels=state["conv_first.weight"].shape[0],
        up_channels=state["upconv1.weight"].shape[0],
        num_blocks=len({key.split(".")[1] for key in state if key.startswith("AAB_trunk.")}),
        plain_kernel=state["AAB_trunk.0.non_attention.weight"].shape[-1],
    )
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ValueError(f"it looks like an A2N, but not all of its tensors fit: {error}") from error
    return model
