"""SRCNN: three convolutions on a bicubic enlargement. Dong, Loy, He, Tang, ECCV 2014 and TPAMI 2016 (1501.00092)."""

from collections.abc import Mapping
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlib.resize import imresize


class SRCNN(nn.Module):
    """Patch extraction, non-linear mapping, reconstruction; works on luma, chroma is enlarged by bicubic.

    lr (B, 3, h, w) RGB in [0, 1], or (B, 1, h, w) luma in [0, 1] taken as it is -> (B, same C, h * scale,
    w * scale), unclipped. kernels: the three sizes, (9, 1, 5), (9, 3, 5) or (9, 5, 5) in the paper.
    in_channels=3 works on RGB directly. Raises ValueError for other channel counts.
    """

    def __init__(
        self,
        *,
        scale: int,
        kernels: tuple[int, int, int] = (9, 5, 5),
        channels: tuple[int, int] = (64, 32),
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f"scale is {scale}: SRCNN enlarges by a whole number, 2, 3 or 4")
        if in_channels not in (1, 3):
            raise ValueError(f"in_channels is {in_channels}: 1 (luma) or 3 (RGB)")
        self.scale, self.in_channels = scale, in_channels
        self.extract = nn.Conv2d(in_channels, channels[0], kernels[0])
        self.map = nn.Conv2d(channels[0], channels[1], kernels[1])
        self.reconstruct = nn.Conv2d(channels[1], in_channels, kernels[2])

    @property
    def margin(self) -> int:
        """HR pixels on each side of an output pixel that it depends on: 6 for 9-1-5, 8 for 9-5-5."""
        return sum(conv.kernel_size[0] // 2 for conv in (self.extract, self.map, self.reconstruct))

    @property
    def halo(self) -> int:
        """LR pixels on each side that an output pixel depends on; 2 are the bicubic enlargement's."""
        return -(-self.margin // self.scale) + 2

    alive = 0  # numbers in memory for each LR pixel, beside its strips, which are of one size whatever the picture's

    def forward(self, lr: Tensor) -> Tensor:
        large = imresize(lr, scale=self.scale)
        if large.shape[1] == self.in_channels:
            return self.restore(large)
        if large.shape[1] != 3:
            raise ValueError(
                f"SRCNN needs RGB (3 channels) or the {self.in_channels} it was built for, got {lr.shape[1]}"
            )
        ycbcr = rgb_to_ycbcr(large)
        return ycbcr_to_rgb(torch.cat([self.restore(ycbcr[:, :1]), ycbcr[:, 1:]], 1))

    def restore(self, large: Tensor) -> Tensor:
        """The three layers, on a picture already enlarged: (B, in_channels, H, W) -> the same shape."""
        x = F.relu(_same(self.extract, large))
        x = F.relu(_same(self.map, x))
        return _same(self.reconstruct, x)


def gaussian(model: nn.Module) -> None:
    """The paper's initialisation: weights from N(0, 0.001), biases 0. Source: 1501.00092, section 3.4."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=1e-3)


def from_state(state: Mapping[str, Tensor], scale: int | None) -> SRCNN | None:
    """An SRCNN that holds these weights, whatever its layers are called, or None if the shapes are another network's.

    Recognised by three convolutions that feed each other, the first of size 9; the file cannot tell the scale.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        prefix, _, kind = key.rpartition(".")
        layers.setdefault(prefix, {})[kind] = value
    if len(layers) != 3 or any({k: v.ndim for k, v in p.items()} != {"weight": 4, "bias": 1} for p in layers.values()):
        return None
    chain = next((order for order in permutations(layers.values()) if _feed_each_other(*order)), None)
    if chain is None:
        return None
    if scale is None:
        raise ValueError("an SRCNN file does not say its scale: name it, as in --scale 3")
    first, second, third = (layer["weight"] for layer in chain)
    model = SRCNN(
        scale=scale,
        kernels=(first.shape[-1], second.shape[-1], third.shape[-1]),
        channels=(first.shape[0], second.shape[0]),
        in_channels=first.shape[1],
    )
    for conv, layer in zip((model.extract, model.map, model.reconstruct), chain, strict=True):
        conv.load_state_dict(layer)
    return model


def _feed_each_other(first: Mapping[str, Tensor], second: Mapping[str, Tensor], third: Mapping[str, Tensor]) -> bool:
    a, b, c = (layer["weight"].shape for layer in (first, second, third))
    if any(shape[2] != shape[3] or shape[2] % 2 == 0 for shape in (a, b, c)):
        return False
    return a[0] == b[1] and b[0] == c[1] and a[1] == c[0] and a[1] in (1, 3) and a[-1] == 9


def _same(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Convolution that keeps the size, the edge pixels repeated outwards as in the authors' test code."""
    return conv(F.pad(x, (conv.kernel_size[0] // 2,) * 4, mode="replicate"))
