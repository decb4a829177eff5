"""Exercises of lesson 08: degradations. Write here; `check("08.1")` in the notebook, or `pytest`, tells how it went.

What the checks give you are float tensors, float32 or float64, and so are the results. Use torch and math alone.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#| from course.todo import todo

Step = Callable[[Tensor, float, torch.Generator], Tensor]


def gaussian_kernel(size: int, sigma: tuple[float, float], rotation: float) -> Tensor:
    """08.1: a Gaussian blur kernel that is wider along one direction, and turned.

    size: odd; sigma: standard deviations in pixels along the kernel's own two axes; rotation: in radians
    -> (size, size), floats that sum to 1.

    x says how far a column lies to the right of the middle column, y how far a row lies below the middle row (both are
    negative on the other side). With the rotation the first axis turns from the x axis towards the y axis, clockwise on
    the screen:

        a = x cos(rotation) + y sin(rotation)        b = y cos(rotation) - x sin(rotation)
        value = exp(-((a / sigma[0])^2 + (b / sigma[1])^2) / 2), divided by the sum of all values

    (2107.10833, section 3.1)

    Worked: size 3, sigma (1, 0.5), rotation 0. The middle is 1, left and right are e^-0.5, above and below e^-2, the
    corners e^-2.5. They sum to 2.81207, so that the middle becomes 0.35561, left and right 0.21569. With the rotation
    pi / 2 these two stand above and below.
    """
    # begin 08.1
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    x, y = offset[None, :], offset[:, None]
    a = x * math.cos(rotation) + y * math.sin(rotation)
    b = y * math.cos(rotation) - x * math.sin(rotation)
    kernel = torch.exp(-((a / sigma[0]) ** 2 + (b / sigma[1]) ** 2) / 2)
    return kernel / kernel.sum()
    # end 08.1


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """08.2: the filter that lets slow waves pass and stops fast ones, and therefore rings.

    size: odd; cutoff: in radians a pixel, in (0, pi] -> (size, size), floats that sum to 1.

    At the distance r from the middle pixel, with the Bessel function J1 (`torch.special.bessel_j1`):

        value = cutoff * J1(cutoff * r) / (2 * pi * r)        in the middle, its limit: cutoff^2 / (4 * pi)

    divided by the sum of all values. Some values are negative, and stay so. (2107.10833, section 3.4)

    Worked: size 3, cutoff pi. The middle is pi / 4 = 0.785398, its four neighbours are J1(pi) / 2 = 0.142308, the
    corners J1(pi sqrt 2) / (2 sqrt 2) = -0.076097. They sum to 1.050241, so that the middle becomes 0.747827.
    """
    # begin 08.2
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    r = torch.hypot(offset[None, :], offset[:, None])
    middle = r == 0
    r[middle] = 1
    kernel = cutoff * torch.special.bessel_j1(cutoff * r) / (2 * math.pi * r)
    kernel[middle] = cutoff**2 / (4 * math.pi)
    return kernel / kernel.sum()
    # end 08.2


def poisson_noise(picture: Tensor, scale: float, grey: bool, count: Callable[[Tensor], Tensor]) -> Tensor:
    """08.3: adds the noise of counting photons: the brighter a pixel, the stronger.

    picture (3, H, W) in [0, 1] -> the same shape, clipped to [0, 1]. scale: 0 or more; count: gives a Poisson number
    for each mean in a tensor of any shape, as `torch.poisson` does; call it once, with the means of all pixels.

        levels = round(255 * seen)                            seen: the picture, or its grey if `grey`
        photons = 2^ceil(log2(how many different values levels has, in all channels together))
        noise = count(photons * levels / 255) / photons - levels / 255
        result = picture + scale * noise

    The grey is 0.2989 R + 0.587 G + 0.114 B; its one plane of noise is added to all three channels. (the authors' code
    of 2107.10833)

    Worked: six pixels of levels 0, 20, 40, 60, 80 and 100 in all channels have 6 different values, so a white pixel
    would count 8 photons. The means are 0, 0.6275, 1.2549, 1.8824, 2.5098, 3.1373. If 0, 1, 1, 3, 2, 3 are counted, the
    noise is 0, 0.04657, -0.03186, 0.13971, -0.06373, -0.01716.
    """
    # begin 08.3
    seen = picture
    if grey:
        seen = (0.2989 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2])[None]
    levels = (255 * seen).round()
    photons = 2 ** math.ceil(math.log2(len(levels.unique())))
    noise = count(photons * levels / 255) / photons - levels / 255
    return (picture + scale * noise).clamp(0, 1)
    # end 08.3


def quantised(coefficients: Tensor, table: Tensor, quality: int) -> Tensor:
    """08.4: what JPEG leaves of the DCT coefficients of 8 x 8 blocks.

    coefficients (B, 8, 8) floats; table (8, 8) int64: the steps at quality 50; quality: 1 to 100
    -> (B, 8, 8) floats, whole multiples of the steps.

    The steps of a quality, in whole numbers as libjpeg has them (// rounds down):

        percent = 5000 // quality below 50, else 200 - 2 * quality
        step = (table * percent + 50) // 100, at least 1 and at most 255

    Each coefficient becomes the nearest multiple of its step, halves away from zero: 2.5 steps become 3, -2.5 become
    -3. (`torch.round` would make 2 and -2 of them.)

    Worked: quality 25 has 200 percent. A 16 in the table becomes a step of 32, with which 79 becomes 64, 80 and 90
    become 96, and -15 becomes 0.
    """
    # begin 08.4
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = ((table * percent + 50) // 100).clamp(1, 255)
    levels = coefficients / steps
    return levels.sign() * (levels.abs() + 0.5).floor() * steps
    # end 08.4


def plan(blur: Sequence[float], sinc: float, jpeg_last: float, chance: Callable[[float], bool]) -> list[str]:
    """08.5: the steps of a degradation in order, by their names; what may be left out is left to chance.

    blur: for each pass, the probability of its blur; sinc, jpeg_last: two more probabilities; chance(p) is True with
    the probability p -> names.

    - A pass is "blur" (with its probability), "resize", "noise", "jpeg".
    - The last pass, the only one too, has no "jpeg" of its own. The end follows it: "final size", "sinc" (with its
      probability, always right behind "final size") and "jpeg". With the probability jpeg_last "jpeg" is the last of
      these, else the first.
    - Without any pass (blur is empty, a list or a tuple) the result is ["final size"].

    Every decision is its own: ask `chance` anew for each. (2107.10833, section 3, and the authors' code)

    Worked: blur (1, 0.8), sinc 0.7, jpeg_last 0.4, and chance says True each time: blur, resize, noise, jpeg, blur,
    resize, noise, final size, sinc, jpeg.
    """
    # begin 08.5
    if not blur:
        return ["final size"]
    names: list[str] = []
    for number, probability in enumerate(blur, 1):
        names += ["blur"] if chance(probability) else []
        names += ["resize", "noise", "jpeg"] if number < len(blur) else ["resize", "noise"]
    end = ["final size", "sinc"] if chance(sinc) else ["final size"]
    return names + ([*end, "jpeg"] if chance(jpeg_last) else ["jpeg", *end])
    # end 08.5


def degraded(pictures: Tensor, steps: Sequence[tuple[Step, float, float]], rng: torch.Generator) -> Tensor:
    """08.6: degrades every picture of a batch in a way of its own, which follows from rng alone.

    pictures (B, 3, H, W) -> (B, 3, h, w). steps: (step, low, high), in order. step(picture, strength, rng) takes one
    picture (1, 3, H, W) and gives one, perhaps of another size; it draws what it needs from rng.

    - For each picture and each step a strength of its own is drawn, uniform in [low, high], from rng and nothing else.
    - The same seed gives the same pictures, however the batch is split: degrading 5 pictures must give what degrading
      the first 2 and then, with the same rng, the other 3 gives. So one picture is finished before the next one draws.

    Worked: with steps that only add their strength, and these are drawn as 0.2 and 0.1 for the first picture, then 0.4
    and 0.3, pictures of 0 become pictures of 0.3 and 0.7.
    """
    # begin 08.6
    made = []
    for picture in pictures.split(1):
        for step, low, high in steps:
            strength = low + (high - low) * torch.rand((), generator=rng).item()
            picture = step(picture, strength, rng)
        made.append(picture)
    return torch.cat(made)
    # end 08.6
