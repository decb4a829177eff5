"""Exercises of lesson 01: resampling. Write here; `check("01.1")` in the notebook, or `pytest`, tells you how it went.

One side of a picture is a line of pixels, numbered 0, 1, 2, ... from its left or upper end. `scale` is outputs per
input pixel: 0.5 halves a side, 3 makes it three times as long. Exercises 01.1 to 01.5 build MATLAB's imresize with the
bicubic kernel, one piece on top of the other. Use torch and math, and nothing of srlib.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#| from course.todo import todo


def cubic(x: Tensor) -> Tensor:
    """01.1: Keys' cubic kernel with a = -0.5, the one that MATLAB calls bicubic.

    x float, any shape: distances from the kernel's middle in pixels, of either sign -> the weights there, same shape.

        w(x) = (a + 2)|x|^3 - (a + 3)|x|^2 + 1          where |x| <= 1
        w(x) = a|x|^3 - 5a|x|^2 + 8a|x| - 4a            where 1 < |x| <= 2
        w(x) = 0                                        farther out             (Keys 1981, eq. 15 is a = -1/2)

    Worked: w(0) = 1, w(0.5) = 0.5625, w(1) = 0, w(-1.5) = -0.0625, w(2.5) = 0.
    """
    # begin 01.1
    a, x = -0.5, x.abs()
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))
    # end 01.1


def contributions(outputs: int, scale: float, antialias: bool) -> tuple[Tensor, Tensor]:
    """01.2: which input pixels make each output pixel of one side, and with what weights.

    outputs: how many output pixels, at least 1; scale: any positive number -> weights (outputs, taps), float, and
    position (outputs, taps), an integer dtype: output i is the sum over k of weights[i, k] * input[position[i, k]].

        centre_i = (i + 0.5) / scale - 0.5                       where output i lies among the input pixels
        stretch  = 1 / scale if antialias and scale < 1, else 1  how much wider than cubic the kernel is
        weights[i, k] ~ cubic((centre_i - position[i, k]) / stretch)     ~: proportional to. Divide each row by its sum

    The row of output i must hold every pixel nearer to centre_i than 2 * stretch. `taps` is up to you: further
    pixels with weight 0 do no harm. Positions are counted from 0 and may lie outside the picture: -1 is the pixel
    before the first. (What stands there is exercise 01.3.) Call `cubic`, above.

    Worked, output 0: at scale 2, centre -0.25, positions -2 .. 1 have the weights -0.0234375, 0.2265625, 0.8671875,
    -0.0703125. At scale 0.5 with antialias, centre 0.5, positions -3 .. 4 have -0.01171875, -0.03515625, 0.11328125,
    0.43359375, and the same four backwards.
    """
    # begin 01.2
    stretch = 1 / min(scale, 1.0) if antialias else 1.0
    centre = (torch.arange(outputs, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - 2 * stretch).long()
    position = first[:, None] + torch.arange(math.ceil(4 * stretch) + 1)
    weights = cubic((centre[:, None] - position) / stretch)
    return weights / weights.sum(1, keepdim=True), position
    # end 01.2


def mirror(position: Tensor, inputs: int) -> Tensor:
    """01.3: the symmetric border: which pixel stands at a position outside the picture.

    position: integers of any sign, size and shape; inputs: pixels of the side, at least 1 -> the pixels that stand
    there, 0 .. inputs - 1, same shape, same dtype.

    The line is continued by its mirror image, again and again; the pixel at the edge stands there twice:
    ... -2 -> 1, -1 -> 0, 0 -> 0, ..., inputs - 1 -> inputs - 1, inputs -> inputs - 1, inputs + 1 -> inputs - 2 ...

    Worked, inputs = 3: positions -4 .. 7 are the pixels 2 2 1 0 0 1 2 2 1 0 0 1.
    """
    # begin 01.3
    position = position % (2 * inputs)
    return torch.minimum(position, 2 * inputs - 1 - position)
    # end 01.3


def matrix(inputs: int, outputs: int, scale: float, antialias: bool) -> Tensor:
    """01.4: resizing one side as one matrix: matrix @ line is the resized line.

    inputs, outputs: pixels before and after; scale: as it is, not outputs / inputs -> (outputs, inputs), float.

    The weights of `contributions`, each in the column of the pixel that `mirror` finds at its position. Near the
    edge one pixel is met at several positions: its weights add up. (weights.new_zeros(...) has the weights' dtype.)

    Worked: matrix(4, 2, 0.5, True) has the row 0.546875, 0.3984375, 0.1015625, -0.046875, and the same backwards.
    """
    # begin 01.4
    weights, position = contributions(outputs, scale, antialias)
    table = weights.new_zeros(outputs, inputs)
    return table.scatter_add(1, mirror(position, inputs), weights)
    # end 01.4


def resize(x: Tensor, scale: float, antialias: bool = True) -> Tensor:
    """01.5: a picture with both sides resized by `scale`, as MATLAB's imresize does it.

    x (B, C, H, W), float, any range -> (B, C, H', W'), float, neither rounded nor clipped.
    H' = math.ceil(H * scale), W' = math.ceil(W * scale), in Python's floats, which are exact enough for 1/2, 1/3 and
    1/4 of a picture: 15 * (1 / 3) is 5.0.

    Every column is multiplied by the `matrix` of the height, every row by that of the width. `matrix` may have
    another dtype than x: matrix(...).to(x) has x's.

    Worked (MATLAB): 0 .. 15 as 4 x 4, row by row, at scale 0.75 is 0.7505518764, 2.1004415011, 3.4503311258;
    6.1501103753, 7.5, 8.8498896247; 11.5496688742, 12.8995584989, 14.2494481236.
    """
    # begin 01.5
    height, width = x.shape[-2:]
    rows = matrix(height, math.ceil(height * scale), scale, antialias).to(x)
    columns = matrix(width, math.ceil(width * scale), scale, antialias).to(x)
    return rows @ x @ columns.T
    # end 01.5


def spot(hr: Tensor, candidates: dict[str, Tensor]) -> str:
    """01.6: the name of the one candidate that was made without antialiasing.

    hr (1, 3, H, W) in [0, 1], with fine texture in most places; candidates: name -> (1, 3, H / s, W / s), three or
    more, made from hr with the same whole s: 2, 3 or 4 -> one of the names.

    What is promised: exactly one was made without antialiasing, by nearest, bilinear or bicubic with the kernel
    left narrow (for s = 2 by nearest alone: a bilinear halving is the mean of 2 x 2, which is antialiased). All others
    were made with kernels as wide as antialiasing asks (area, bilinear, bicubic, Lanczos), by several libraries, some
    rounded to 8 bits, with other borders. You are not told which candidate is which, nor which of the three it is.
    Names and order mean nothing, and no threshold is needed: compare the candidates with each other.

    Worked: hr is white noise, "p" is hr[..., ::2, ::2], "q" is F.avg_pool2d(hr, 2), "r" is F.interpolate(hr,
    scale_factor=0.5, mode="bicubic", antialias=True): the answer is "p".
    """
    # begin 01.6
    smooth = F.adaptive_avg_pool2d(hr, next(iter(candidates.values())).shape[-2:])
    distance = {name: float((lr - smooth).square().mean()) for name, lr in candidates.items()}
    return max(candidates, key=lambda name: distance[name])
    # end 01.6
