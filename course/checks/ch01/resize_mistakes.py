"""What the usual mistakes in 01.5 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from srlib import resize as library


def resize(x: Tensor, scale: float, antialias: bool = True) -> Tensor:
    return library.imresize(x, scale=scale, antialias=antialias)


def wrong_resizes(x: Tensor, scale: float, antialias: bool) -> Mistakes:
    """What the usual mistakes give for this picture."""
    right = resize(x, scale, antialias)
    sides = x.shape[-2] * scale, x.shape[-1] * scale

    def cropped(rounding: Callable[[float], int]) -> Tensor:
        return right[..., : rounding(sides[0]), : rounding(sides[1])]

    size = right.shape[-2:]
    return {
        "antialias has no effect: hand it on to `matrix`": lambda: resize(x, scale, not antialias),
        "the size is rounded down (int or //): it is math.ceil(H * scale)": lambda: cropped(int),
        "the size is rounded to the nearest: it is math.ceil(H * scale)": lambda: cropped(round),
        "only the height is resized: the width needs its own matrix": lambda: library.imresize(
            x, scale=(scale, 1.0), antialias=antialias
        ),
        "only the width is resized: the height needs its own matrix": lambda: library.imresize(
            x, scale=(1.0, scale), antialias=antialias
        ),
        "height and width of the result are exchanged": lambda: right.mT,
        "the scale was computed anew from the sizes: use the one that is given": lambda: library.imresize(
            x, size=(size[0], size[1]), antialias=antialias
        ),
        "values are clipped to [0, 1]: leave them as they come out": lambda: right.clamp(0, 1),
        "values are clipped at 0: leave them as they come out": lambda: right.clamp(min=0),
        "values are rounded to whole numbers: leave them as they come out": lambda: right.round(),
        "values are rounded to 255 steps: leave them as they come out": lambda: (255 * right).round() / 255,
        "the border is that of F.interpolate, which cuts the kernel off there: MATLAB mirrors the picture": (
            lambda: F.interpolate(x, size=tuple(size), mode="bicubic", antialias=True)
        ),
        "this is F.interpolate without antialias, whose kernel has a = -0.75": lambda: F.interpolate(
            x, size=tuple(size), mode="bicubic"
        ),
        "the pictures of the batch are all like the first one": lambda: right[:1].expand_as(right),
        "the channels are all like the first one": lambda: right[:, :1].expand_as(right),
        "the channels are mixed: each is resized by itself": lambda: right.mean(1, keepdim=True).expand_as(right),
    }
