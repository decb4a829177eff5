"""SRVGGNetCompact: plain 3x3 convolutions at LR size, the small and fast generator of Real-ESRGAN.

It came with the authors' code of 2107.10833, after the paper (weights realesr-general-x4v3 and realesr-animevideov3).
"""

import re
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SRVGGNetCompact(nn.Module):
    """3x3 convs, a PReLU with a slope for each channel behind each; a last one and a pixel shuffle; plus the input.

    lr (B, in_channels, h, w) in [0, 1] -> (B, in_channels, h * scale, w * scale), unclipped; the input is added as
    its nearest enlargement. num_convs: those between the first and the last; 32 in realesr-general-x4v3, 16 in
    realesr-animevideov3. Raises ValueError for a scale below 1.
    """

    shrink = 1  # LR rows to a row of features
    tail_halo = 1  # rows of features on each side that an output pixel depends on

    def __init__(self, *, scale: int = 4, in_channels: int = 3, channels: int = 64, num_convs: int = 32) -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f"scale is {scale}: SRVGGNetCompact enlarges by a whole number, such as 4")
        self.scale, self.in_channels = scale, in_channels
        layers: list[nn.Module] = []
        for before in (in_channels, *[channels] * num_convs):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers, nn.Conv2d(channels, in_channels * scale**2, 3, padding=1))

    @property
    def halo(self) -> int:
        """LR pixels on each side that an output pixel depends on, one for each convolution: 34 with num_convs=32."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.body)

    @property
    def alive(self) -> int:
        """Numbers in memory at once for each LR pixel, of `features`: what a layer reads and writes, and its copy."""
        return 3 * cast(nn.Conv2d, self.body[-1]).in_channels

    def forward(self, lr: Tensor) -> Tensor:
        return self.tail(lr, self.features(lr))

    def features(self, lr: Tensor) -> Tensor:
        """All but the last convolution: (B, in_channels, h, w) -> (B, channels, h, w)."""
        return self.body[:-1](lr)

    def tail(self, lr: Tensor, features: Tensor) -> Tensor:
        """The enlargement of a picture, or a strip of one, and its features: -> (B, in_channels, H, W), unclipped."""
        large = F.interpolate(lr, scale_factor=self.scale, mode="nearest")
        return F.pixel_shuffle(self.body[-1](features), self.scale) + large


def from_state(state: Mapping[str, Tensor], scale: int | None) -> SRVGGNetCompact | None:
    """An SRVGGNetCompact that holds these weights, or None if they are another network's. The shapes tell its scale.

    Raises ValueError if the file is one of another scale than asked for, of a scale that is no whole number, or not
    whole.
    """
    first, slopes = state.get("body.0.weight"), state.get("body.1.weight")
    if first is None or slopes is None or (first.ndim, slopes.ndim) != (4, 1):
        return None
    channels, in_channels = first.shape[:2]
    end = max(int(match[1]) for key in state if (match := re.fullmatch(r"body\.(\d+)\.(?:weight|bias)", key)))
    last = tuple(state.get(f"body.{end}.weight", torch.empty(0)).shape)
    told = round((last[0] / in_channels) ** 0.5)
    if len(last) != 4 or told**2 * in_channels != last[0]:
        raise ValueError(
            f"it looks like an SRVGGNetCompact, but its last layer, body.{end}, does not make {in_channels} channels "
            f"larger by a whole number: its weights are {last if any(last) else 'missing'}"
        )
    if scale not in (None, told):
        raise ValueError(f"it is an SRVGGNetCompact for scale {told}, not {scale}: use --scale {told}")
    model = SRVGGNetCompact(scale=told, in_channels=in_channels, channels=channels, num_convs=end // 2 - 1)
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ValueError(f"it looks like an SRVGGNetCompact, but not all of its tensors fit: {error}") from error
    return model
