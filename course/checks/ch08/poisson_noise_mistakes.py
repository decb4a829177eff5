"""What the usual mistakes in 08.3 give: cause -> formula, computed only when an answer is wrong."""

import math

import torch
from torch import Tensor

from course.checking import Mistakes


def levels_of(picture: Tensor, grey: bool) -> Tensor:
    """The 8-bit values of the picture, or of its grey."""
    seen = (0.2989 * picture[:1] + 0.587 * picture[1:2] + 0.114 * picture[2:]) if grey else picture
    return (255 * seen).round()


def means(picture: Tensor, grey: bool, scale: float) -> Mistakes:
    levels = levels_of(picture, grey)
    different = int(levels.unique().numel())
    photons = 1 << (different - 1).bit_length()
    seen = (0.2989 * picture[:1] + 0.587 * picture[1:2] + 0.114 * picture[2:]) if grey else picture

    def of(photons: float, values: Tensor = levels) -> Tensor:
        return photons * values / 255

    def power(number: int) -> int:
        return 1 << (number - 1).bit_length()

    def weighted(red: float, green: float, blue: float, more: float = 0) -> Tensor:
        values = (255 * (red * picture[:1] + green * picture[1:2] + blue * picture[2:] + more)).round()
        return of(power(int(values.unique().numel())), values)

    def taken(values: Tensor) -> Tensor:
        return of(power(int(values.unique().numel())), values)

    own = torch.stack([of(power(int(plane.unique().numel())), plane) for plane in levels])
    first = power(int(levels[0].unique().numel()))
    floats = int(seen.unique().numel())
    cut = (255 * seen).floor()
    mistakes: Mistakes = {}
    if grey:
        flat = (255 * picture.mean(0, keepdim=True)).round()
        colour = (255 * picture).round()
        mistakes = {
            "grey is the plain mean of the channels: 0.2989 R + 0.587 G + 0.114 B": lambda: of(
                power(int(flat.unique().numel())), flat
            ),
            "grey has no effect: its noise is that of one grey plane": lambda: of(
                power(int(colour.unique().numel())), colour
            ),
            "the photons are those of the colour picture: of its grey": lambda: of(power(int(colour.unique().numel()))),
            "the weights of R and B are exchanged": lambda: of(photons, levels_of(picture.flip(0), True)),
            "the weight of red is 0.299: 0.2989 here": lambda: weighted(0.299, 0.587, 0.114),
            "the weights are those of another luma (BT.709): 0.2989, 0.587, 0.114": lambda: weighted(
                0.2126, 0.7152, 0.0722
            ),
            "the grey is luma in studio range: 0.2989 R + 0.587 G + 0.114 B": lambda: weighted(
                65.481 / 255, 128.553 / 255, 24.966 / 255, 16 / 255
            ),
        }
    else:
        plain = levels_of(picture, True)
        mistakes["the noise is grey though it should not be"] = lambda: of(power(int(plain.unique().numel())), plain)
    return mistakes | {
        "the different values of one channel were counted: those of all": lambda: of(first),
        "the number of different values is not made a power of 2": lambda: of(different),
        "the power of 2 is rounded: up, 2^ceil(log2(n))": lambda: of(2 ** round(math.log2(different))),
        "the power of 2 is rounded down, or of another logarithm than log2, or n is not how many values": lambda: of(
            2 ** math.floor(math.log2(different))
        ),
        "one power of 2 too many: a number that is a power of 2 itself stays": lambda: of(2 ** different.bit_length()),
        "the exponent came without its power: 2 ** ceil(log2(n))": lambda: of(math.ceil(math.log2(different))),
        "256 photons always: as many as the picture has different values, rounded up to a power of 2": lambda: of(256),
        "the means are the levels, as if there were 255 photons: photons * levels / 255": lambda: levels,
        "no photons are counted for white, or 2 ^ 3 instead of 2 ** 3: means are photons * levels / 255": lambda: (
            levels / 255
        ),
        "the largest level was taken for the number of different values": lambda: of(power(int(levels.max()))),
        "the number of pixels was taken for the number of different values": lambda: of(power(levels.numel())),
        "the means are photons * levels: / 255 is missing": lambda: photons * levels,
        "scale belongs to the noise, not to the means": lambda: of(photons * scale),
        "each channel counts its own photons: one number for the picture": lambda: own,
        "the values were not rounded to 8 bits: means are made of levels": lambda: of(photons, 255 * seen),
        "the values were not rounded to 8 bits before they were counted and taken": lambda: of(
            power(floats), 255 * seen
        ),
        "the different values were counted before rounding to 8 bits": lambda: of(power(floats)),
        "levels are uint8, in which photons * levels runs over at 256: keep them floats": lambda: (
            photons * levels.to(torch.uint8) / 255
        ).to(levels),
        "the values were rounded down: to the nearest of 0..255": lambda: taken(cut),
        "the values were rounded up: to the nearest of 0..255": lambda: taken((255 * seen).ceil()),
        "256 times the values were rounded down: round(255 * seen)": lambda: taken((256 * seen).floor().clamp(max=255)),
    }


def noisy(picture: Tensor, levels: Tensor, counts: Tensor, photons: int, scale: float, all_counts: Tensor) -> Mistakes:
    noise = counts / photons - levels / 255

    def told(result: Tensor) -> Tensor:
        return result.expand_as(picture).clamp(0, 1)

    def planes() -> Tensor:
        return told(picture + scale * (all_counts.view_as(picture) / photons - levels / 255))

    based = "the picture became grey: only the noise is"
    if len(levels) == 3:
        based = "the noise is added to 8-bit values: to the picture as it came"
    return {
        "the result is not clipped to [0, 1]": lambda: picture + scale * noise,
        "the result is not clipped to [0, 1], only at 0": lambda: (picture + scale * noise).clamp(min=0),
        "the result is not clipped to [0, 1], only at 1": lambda: (picture + scale * noise).clamp(max=1),
        "levels were taken away without / 255": lambda: told(picture + scale * (counts / photons - levels)),
        "the first channel alone has the noise: all three": lambda: torch.cat(
            [told(picture + scale * noise)[:1], picture[1:]]
        ),
        "scale is left out": lambda: told(picture + noise),
        "scale multiplies the picture too: picture + scale * noise": lambda: told(scale * (picture + noise)),
        "scale multiplies what was counted: its noise alone": lambda: told(scale * counts / photons),
        based: lambda: told(levels / 255 + scale * noise),
        "the counted picture came back: picture + scale * noise": lambda: told(counts / photons),
        "what was counted is added: take levels / 255 away from it first": lambda: told(
            picture + scale * counts / photons
        ),
        "the picture was taken from what was counted: levels / 255, of which the means were made": lambda: told(
            picture + scale * (counts / photons - (picture if len(levels) == 3 else levels_of(picture, True) / 255))
        ),
        "what was counted is not divided by photons": lambda: told(picture + scale * (counts - levels / 255)),
        "what was counted was divided by 255: by photons": lambda: told(
            picture + scale * (counts / 255 - levels / 255)
        ),
        "the noise was not divided by photons": lambda: told(picture + scale * (counts - photons * levels / 255)),
        "the noise is taken away: added": lambda: told(picture - scale * noise),
        "the noise alone came back": lambda: scale * noise,
        "the noise alone came back, clipped": lambda: (scale * noise).clamp(0, 1),
        "the result was rounded to 8 bits: that comes later": lambda: (
            (255 * told(picture + scale * noise)).round() / 255
        ),
        "the noise was clipped before it was added: the sum is": lambda: told(picture + scale * noise.clamp(0, 1)),
        "each channel has noise of its own: grey noise is the same in all": planes,
    }
