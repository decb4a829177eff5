"""The second player of Real-ESRGAN: a U-Net that judges every pixel, held in check by spectral normalisation.

Wang, Xie, Dong, Shan, ICCV workshops 2021 (2107.10833), figure 6. Names are those of the authors' weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHRINK = 8  # three layers halve the picture
SETTLED = 15  # power iterations before the first picture; the vectors begin at random


class SpectralConv2d(nn.Module):
    """A convolution without bias whose weights are divided by their spectral norm, so that it can hardly exaggerate.

    (B, before, H, W) -> (B, after, H, W), or H / 2, W / 2 with kernel 4 and stride 2. The norm is the largest
    singular value of the weights as a matrix with a row for each output channel, estimated by its two vectors; in
    training mode each call brings them one power iteration nearer. The estimate is float32 under autocast, too.
    Names and results are those of torch.nn.utils.spectral_norm, which a network cannot be copied with once it has
    learned, and whose estimate is of half precision under a GPU's autocast.
    Source: 1802.05957, algorithm 1.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight_orig = nn.Conv2d(before, after, kernel, bias=False).weight
        self.register_buffer("weight_u", F.normalize(torch.randn(after), dim=0))
        self.register_buffer("weight_v", torch.zeros(before * kernel**2))
        for _ in range(SETTLED):
            self._iterate()

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            if self.training:
                self._iterate()
            # copies, for the next call changes the vectors before this one's gradient has gone back
            u, v = self.weight_u.clone(), self.weight_v.clone()
            weight = self.weight_orig / (u @ (self.weight_orig.flatten(1) @ v))
        return F.conv2d(x, weight, stride=self.stride, padding=1)

    @torch.no_grad()
    def _iterate(self) -> None:
        rows = self.weight_orig.flatten(1)
        self.weight_v.copy_(F.normalize(rows.t() @ self.weight_u, dim=0))
        self.weight_u.copy_(F.normalize(rows @ self.weight_v, dim=0))


class UNetDiscriminator(nn.Module):
    """Real-ESRGAN's: three 4x4 convolutions that halve, three times bilinear enlargement and a 3x3 one, three more.

    pictures (B, in_channels, H, W) in [0, 1] -> logits (B, 1, H, W), one for each pixel, above 0 for "real". What
    comes down is added where the way up has the same size. Raises ValueError for sides that are no multiples of 8.
    Source: 2107.10833, figure 6; the authors' file of it loads.
    """

    shrink = SHRINK

    def __init__(self, *, in_channels: int = 3, channels: int = 64) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.conv1 = SpectralConv2d(channels, 2 * channels, kernel=4, stride=2)
        self.conv2 = SpectralConv2d(2 * channels, 4 * channels, kernel=4, stride=2)
        self.conv3 = SpectralConv2d(4 * channels, 8 * channels, kernel=4, stride=2)
        self.conv4 = SpectralConv2d(8 * channels, 4 * channels)
        self.conv5 = SpectralConv2d(4 * channels, 2 * channels)
        self.conv6 = SpectralConv2d(2 * channels, channels)
        self.conv7 = SpectralConv2d(channels, channels)
        self.conv8 = SpectralConv2d(channels, channels)
        self.conv9 = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[-2:]
        if height % SHRINK or width % SHRINK:
            raise ValueError(
                f"pictures are {height} x {width}: the U-Net judges sides that are multiples of {SHRINK}; cut them "
                "with patches.crop_to_multiple, or train with an --hr-crop that is one"
            )
        whole = _leaky(self.conv0(pictures))
        half = _leaky(self.conv1(whole))
        quarter = _leaky(self.conv2(half))
        eighth = _leaky(self.conv3(quarter))
        up = _leaky(self.conv4(_doubled(eighth))) + quarter
        up = _leaky(self.conv5(_doubled(up))) + half
        up = _leaky(self.conv6(_doubled(up))) + whole
        return self.conv9(_leaky(self.conv8(_leaky(self.conv7(up)))))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)  # of what a convolution made: nothing else needs it, half the memory
