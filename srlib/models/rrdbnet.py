"""RRDBNet: residual-in-residual dense blocks without batch norm, the generator of ESRGAN and Real-ESRGAN.

Wang et al., ECCV 2018 workshops (1809.00219), figure 4. Attribute names are those of the official checkpoints.
"""

import re
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNSHUFFLE = {4: 1, 2: 2, 1: 4}  # scale -> how far pixel-unshuffle shrinks the input before the x4 network
RESIDUAL_SCALE = 0.2  # section 3.1: between 0 and 1, to keep a deep network from instability
INIT_SCALE = 0.1  # section 3.1, "smaller initialization"; of Kaiming's, as in the authors' code


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each of which sees all that came before it; a fifth of the last one is added.

    (B, channels, h, w) -> the same shape. growth: channels that each of the first four adds.
    """

    def __init__(self, channels: int, growth: int, *, residual_scale: float, init_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.conv1 = nn.Conv2d(channels, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(channels + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(channels + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(channels + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(channels + 4 * growth, channels, 3, padding=1)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            _small_kaiming(conv, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, leaky(conv(seen))], 1)
        return x + self.residual_scale * self.conv5(seen)


class RRDB(nn.Module):
    """Three dense blocks in a row; a fifth of what they make is added: (B, channels, h, w) -> the same shape.

    What they make holds their input too, so that a block that changes nothing still gives 1.2 times its input.
    """

    def __init__(self, channels: int, growth: int, *, residual_scale: float, init_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.rdb1, self.rdb2, self.rdb3 = (
            DenseBlock(channels, growth, residual_scale=residual_scale, init_scale=init_scale) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual_scale * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """3x3 conv; RRDBs and a long skip; twice nearest enlargement by 2 and a 3x3 conv; two 3x3 convs.

    lr (B, in_channels, h, w) in [0, 1] -> (B, in_channels, h * scale, w * scale), unclipped. scale: 4, 2 or 1; below
    4, pixel-unshuffle shrinks the input first, so that all of them are the same network (sides that are no multiple
    of it are continued by their last pixel). num_blocks: 23 in the paper, 16 in its PIRM variant. residual_scale,
    init_scale: the two means against instability; 1 turns each off. Raises ValueError for another scale.
    Source: 1809.00219, section 3.1; the scales below 4: Real-ESRGAN (2107.10833).
    """

    tail_halo = 2  # rows of features on each side that an output pixel depends on: 1/2 + 3/4 row, the cut ones whole

    def __init__(
        self,
        *,
        scale: int = 4,
        in_channels: int = 3,
        channels: int = 64,
        growth: int = 32,
        num_blocks: int = 23,
        residual_scale: float = RESIDUAL_SCALE,
        init_scale: float = INIT_SCALE,
    ) -> None:
        super().__init__()
        if scale not in UNSHUFFLE:
            raise ValueError(f"scale is {scale}: RRDBNet is built for {', '.join(map(str, UNSHUFFLE))}")
        self.scale, self.in_channels, self.shrink = scale, in_channels, UNSHUFFLE[scale]
        blocks = (
            RRDB(channels, growth, residual_scale=residual_scale, init_scale=init_scale) for _ in range(num_blocks)
        )
        self.conv_first = nn.Conv2d(in_channels * self.shrink**2, channels, 3, padding=1)
        self.body = nn.Sequential(*blocks)
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, in_channels, 3, padding=1)

    @property
    def halo(self) -> int:
        """LR pixels on each side that an output pixel depends on: 349 for 23 blocks at x4."""
        return self.shrink * (1 + 15 * len(self.body) + 1 + self.tail_halo)

    @property
    def alive(self) -> int:
        """Numbers in memory at once for each LR pixel, of `features`: two concatenations and an input."""
        conv = cast(RRDB, self.body[0]).rdb1.conv5
        return (conv.out_channels + 2 * conv.in_channels) // self.shrink**2

    def forward(self, lr: Tensor) -> Tensor:
        return self.tail(lr, self.features(lr))

    def features(self, lr: Tensor) -> Tensor:
        """All that happens before the enlargement: (B, in_channels, h, w) -> (B, channels, h / shrink, w / shrink)."""
        height, width = lr.shape[-2:]
        lr = F.pad(lr, (0, -width % self.shrink, 0, -height % self.shrink), mode="replicate")
        shallow = self.conv_first(F.pixel_unshuffle(lr, self.shrink))
        return shallow + self.conv_body(self.body(shallow))

    def tail(self, lr: Tensor, features: Tensor) -> Tensor:
        """The enlargement of a picture's features, or a strip's: -> (B, in_channels, H, W), lr's size times scale."""
        x = leaky(self.conv_up1(F.interpolate(features, scale_factor=2, mode="nearest")))
        x = leaky(self.conv_up2(F.interpolate(x, scale_factor=2, mode="nearest")))
        large = self.conv_last(leaky(self.conv_hr(x)))
        return large[..., : lr.shape[-2] * self.scale, : lr.shape[-1] * self.scale]


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of all of RRDBNet, 0.2."""
    return F.leaky_relu(x, 0.2)


@torch.no_grad()
def _small_kaiming(conv: nn.Conv2d, factor: float) -> None:
    nn.init.kaiming_normal_(conv.weight).mul_(factor)
    nn.init.zeros_(cast(nn.Parameter, conv.bias))


# What the older releases call the parts. ESRGAN's own: RRDB_trunk.0.RDB1.conv1; before it: model.1.sub.0.RDB1.conv1.0.
_ESRGAN_NAMES = {
    "RRDB_trunk": "body",
    "trunk_conv": "conv_body",
    "upconv1": "conv_up1",
    "upconv2": "conv_up2",
    "HRconv": "conv_hr",
}
_OLDEST_NAMES = {"0": "conv_first", "3": "conv_up1", "6": "conv_up2", "8": "conv_hr", "10": "conv_last"}


def official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A state dict in any of the three published layouts under today's names, or None if it is none of them.

    Raises ValueError for a network of the oldest layout that enlarges otherwise than by two steps of 2.
    """
    if "conv_first.weight" in state and "body.0.rdb1.conv1.weight" in state:
        return dict(state)
    if "conv_first.weight" in state and "RRDB_trunk.0.RDB1.conv1.weight" in state:
        renamed = {}
        for key, value in state.items():
            first, _, rest = key.partition(".")
            renamed[f"{_ESRGAN_NAMES.get(first, first)}.{rest}".replace(".RDB", ".rdb")] = value
        return renamed
    if "model.0.weight" in state and "model.1.sub.0.RDB1.conv1.0.weight" in state:
        return {_from_oldest(key): value for key, value in state.items()}
    return None


def _from_oldest(key: str) -> str:
    if match := re.fullmatch(r"model\.1\.sub\.(\d+)\.RDB([123])\.conv([1-5])\.0\.(weight|bias)", key):
        block, dense, conv, kind = match.groups()
        return f"body.{block}.rdb{dense}.conv{conv}.{kind}"
    if match := re.fullmatch(r"model\.1\.sub\.\d+\.(weight|bias)", key):
        return f"conv_body.{match[1]}"
    match = re.fullmatch(r"model\.(\d+)\.(weight|bias)", key)
    if match is None or match[1] not in _OLDEST_NAMES:
        raise ValueError(f"it is an RRDBNet of the oldest layout, but {key} has no place in one for scale 4")
    return f"{_OLDEST_NAMES[match[1]]}.{match[2]}"


def from_state(state: Mapping[str, Tensor], scale: int | None) -> RRDBNet | None:
    """An RRDBNet that holds these weights, or None if they are another network's. The shapes tell its scale.

    What no file tells, the scale of the residuals, is the paper's.
    Raises ValueError if the file is an RRDBNet of another scale than asked for, or not whole.
    """
    renamed = official_names(state)
    if renamed is None:
        return None
    channels, unshuffled = renamed["conv_first.weight"].shape[:2]
    try:
        in_channels = renamed["conv_last.weight"].shape[0]
        told = {shrink**2 * in_channels: s for s, shrink in UNSHUFFLE.items()}.get(unshuffled)
        if told is None:
            raise ValueError(
                f"it is an RRDBNet from {unshuffled} channels to {in_channels}: scales 4, 2 and 1 are known"
            )
        if scale not in (None, told):
            raise ValueError(f"it is an RRDBNet for scale {told}, not {scale}: use --scale {told}")
        model = RRDBNet(
            scale=told,
            in_channels=in_channels,
            channels=channels,
            growth=renamed["body.0.rdb1.conv1.weight"].shape[0],
            num_blocks=len({key.split(".")[1] for key in renamed if key.startswith("body.")}),
        )
        model.load_state_dict(renamed)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"it looks like an RRDBNet, but not all of its tensors fit: {error}") from error
    return model
