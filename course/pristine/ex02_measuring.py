"""Exercises of lesson 02: measuring. Write here; `check("02.1")` in the notebook, or `pytest`, tells you how it went.

Pictures are float tensors (B, C, H, W) in [0, 1], float32 or float64. Use torch and math, and nothing of srlib.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course.todo import todo


def psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """02.1: the peak signal-to-noise ratio of each picture of a batch.

    sr, hr (B, C, H, W) in [0, 1] -> (B,), in dB; infinite where the two are identical.

        MSE = mean over channels and pixels of (sr - hr)^2        PSNR = 10 log10(peak^2 / MSE), peak = 1

    Each picture has its own mean, and the mean comes before the logarithm. The peak is 1, the largest value that a
    picture may have, however dark this one is. Nothing is added to the error.
    Worked: sr - hr = 0.1 everywhere: MSE = 0.01, PSNR = 20 dB.
    """
    raise todo("02.1")


def luma(rgb: Tensor) -> Tensor:
    """02.2: luma Y, the brightness of each pixel, as MATLAB's rgb2ycbcr gives it.

    rgb (B, 3, H, W) in [0, 1], channels in the order red, green, blue -> (B, 1, H, W) in [16/255, 235/255].

        Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255

    This is ITU-R BT.601 in "studio range": black is 16 and white is 235 of 255. Y is not rounded. The channel
    dimension stays, with one channel in it.
    Worked: white is 235/255 = 0.9216, black is 16/255 = 0.0627, pure red is (16 + 65.481)/255 = 0.3195, pure blue is
    (16 + 24.966)/255 = 0.1607.
    """
    raise todo("02.2")


def shave(x: Tensor, border: int) -> Tensor:
    """02.3: a picture without its outermost pixels.

    x (B, C, H, W), border in pixels, 0 or more -> (B, C, H - 2 border, W - 2 border).

    `border` rows go at the top and at the bottom, `border` columns at the left and at the right. With border 0 the
    whole picture comes back. At least one pixel is always left.
    Worked: the 4 x 4 picture 0, 1, ... 15 (row by row) without a border of 1 is [[5, 6], [9, 10]].
    """
    raise todo("02.3")


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """02.4: the structural similarity of each pair of grey pictures (Wang et al. 2004, equation 13).

    x, y (B, 1, H, W) in [0, 1], H and W at least 11 -> (B,) in [-1, 1]; 1 where the two are identical.

    A window of 11 x 11 pixels slides over both pictures, over all (H - 10) x (W - 10) places where it lies wholly
    inside (no padding). Its weight at (i, j) from the middle, both -5 .. 5, is exp(-(i^2 + j^2) / (2 * 1.5^2)),
    divided by the sum of all 121, so that the weights sum to 1. In each window, with E = the weighted mean:

        mx = E[x], my = E[y]        vx = E[x^2] - mx^2, vy = E[y^2] - my^2, cov = E[x y] - mx my

                (2 mx my + c1) (2 cov + c2)
        SSIM = -------------------------------------        c1 = 0.01^2, c2 = 0.03^2  (for pictures in [0, 1])
                (mx^2 + my^2 + c1) (vx + vy + c2)

    The answer is the mean of SSIM over the windows of each picture.
    Worked: x a checkerboard of 0.2 and 0.4, y the same of 0.3 and 0.7. In every window mx = 0.3, my = 0.5, vx = 0.01,
    vy = 0.04 and cov = 0.02 (very nearly), so SSIM = 0.3001 / 0.3401 * 0.0409 / 0.0509 = 0.7090.
    """
    raise todo("02.4")


def protocol(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    """02.5: the figure that the papers print for a set of pictures, in dB (convention `y-of-rgb`).

    srs: what a model made, each (1, 3, H, W), values may lie a little outside [0, 1]; hrs: the truth, from 8-bit
    files (every value is k / 255); as many, of the same sizes, which differ from picture to picture -> one number.

    For each picture, in this order:
    1. sr is clipped to [0, 1] and rounded to 8 bits, half away from zero, as if it went through a file: k / 255 again
       (`torch.round` rounds half to even: 76.5 becomes 76, and 77 is wanted);
    2. luma of both, not rounded;
    3. `scale` pixels are left out on every side;
    4. PSNR.
    The answer is the mean of these dB over the pictures: every picture counts alike, large or small.
    Call your own psnr, luma and shave (while one of them is not written, the checks lend you theirs).
    Worked: one picture, green 8/255 too large everywhere: Y differs by 8 * 128.553/255 = 4.03 of 255, so 36.02 dB.
    """
    raise todo("02.5")


def repaired(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    """02.6: three evaluation scripts, each with exactly one bug that public code really has. Find it, mend it.

    script: "a", "b" or "c"; srs, hrs, scale (2, 3 or 4) as in 02.5 -> the same number as 02.5, in dB.

    Take out the line that raises `todo`, read each script, and change as little as you can. All three take luma of
    the difference: the offset of 16 falls out of it, so that is no bug. Rounding half up is no bug either.
    Worked: one picture, green 8/255 too large everywhere, scale 4: all three say 36.02 dB, before the repair and after
    it. That is how such bugs live on.
    """
    raise todo("02.6")
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1) / 255
    # ------------------------------------------------------------------ script a
    if script == "a":
        values = []
        for sr, hr in zip(srs, hrs, strict=True):
            sr = (sr.clamp(0, 1) * 255 + 0.5).floor() / 255
            error = ((sr - hr) * weights).sum(1)
            error = error[:, 4:-4, 4:-4]
            values.append(-10 * math.log10(error.square().mean().item()))
        return sum(values) / len(values)
    # ------------------------------------------------------------------ script b
    if script == "b":
        squares, pixels = 0.0, 0
        for sr, hr in zip(srs, hrs, strict=True):
            sr = (sr.clamp(0, 1) * 255 + 0.5).floor() / 255
            error = ((sr - hr) * weights).sum(1)
            error = error[:, scale:-scale, scale:-scale]
            squares += error.square().sum().item()
            pixels += error.numel()
        return -10 * math.log10(squares / pixels)
    # ------------------------------------------------------------------ script c, with bytes as they lie in a file
    total = 0.0
    for sr, hr in zip(srs, hrs, strict=True):
        sr_bytes = (sr.clamp(0, 1) * 255 + 0.5).to(torch.uint8)
        hr_bytes = (hr * 255 + 0.5).to(torch.uint8)
        difference = sr_bytes - hr_bytes
        error = (difference * weights).sum(1)[:, scale:-scale, scale:-scale]
        total += 10 * math.log10(255**2 / error.square().mean().item())
    return total / len(srs)
