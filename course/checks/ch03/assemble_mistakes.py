"""What the usual mistakes in 03.1 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from srlib.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlib.resize import imresize

Restore = Callable[[Tensor], Tensor]


def assembled(lr: Tensor, restore: Restore, scale: int) -> Tensor:
    ycbcr = rgb_to_ycbcr(imresize(lr, scale=scale))
    return ycbcr_to_rgb(torch.cat([restore(ycbcr[:, :1]), ycbcr[:, 1:]], 1))


def assemblies(lr: Tensor, restore: Restore, scale: int) -> Mistakes:
    large = imresize(lr, scale=scale)
    ycbcr, small = rgb_to_ycbcr(large), rgb_to_ycbcr(lr)

    def joined(y: Tensor, chroma: Tensor) -> Tensor:
        return ycbcr_to_rgb(torch.cat([y, chroma], 1))

    def each(x: Tensor) -> Tensor:
        return torch.cat([restore(channel) for channel in x.split(1, 1)], 1)

    y, chroma = restore(ycbcr[:, :1]), ycbcr[:, 1:]
    cubic = F.interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False)
    nearest = F.interpolate(small[:, 1:], scale_factor=scale, mode="nearest")
    return {
        "the result is clipped: leave the clamp out, values outside [0, 1] are wanted here": lambda: assembled(
            lr, restore, scale
        ).clamp(0, 1),
        "the enlarged picture is clipped before the conversion: leave the clamp out": lambda: joined(
            restore(rgb_to_ycbcr(large.clamp(0, 1))[:, :1]), rgb_to_ycbcr(large.clamp(0, 1))[:, 1:]
        ),
        "the conversion back is missing: the three channels are still Y, Cb, Cr; end with ycbcr_to_rgb": lambda: (
            torch.cat([y, chroma], 1)
        ),
        "restore worked on R, G and B: convert with rgb_to_ycbcr first and give it channel 0": lambda: each(large),
        "restore worked on Cb and Cr too: only Y goes through it, chroma goes past it": lambda: ycbcr_to_rgb(
            each(ycbcr)
        ),
        "Cb and Cr are exchanged: put them back in the order in which they came": lambda: joined(y, chroma.flip(1)),
        "restore worked on the small picture: enlarge first, then restore at full size": lambda: imresize(
            joined(restore(small[:, :1]), small[:, 1:]), scale=scale
        ),
        "restore was not used: its answer is the new Y": lambda: large,
        "the input of restore was added to its answer: its answer alone is the new Y": lambda: joined(
            y + ycbcr[:, :1], chroma
        ),
        "the restored Y is clipped: leave the clamp out, values outside [0, 1] are wanted here": lambda: joined(
            y.clamp(0, 1), chroma
        ),
        "the chroma is enlarged by nearest neighbour: enlarge the whole picture with imresize, then convert": lambda: (
            joined(y, nearest)
        ),
        "the picture is enlarged by F.interpolate, another bicubic (a = -0.75): use imresize": lambda: assembled(
            cubic, restore, 1
        ),
    }
