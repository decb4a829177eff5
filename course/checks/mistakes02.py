"""Lesson 02: what the usual mistakes make of a check's input, by their cause."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from srlib import color, image

Luma = Callable[[Tensor], Tensor]
Shave = Callable[[Tensor, int], Tensor]
Mistakes = dict[str, Callable[[], Any]]


def psnrs(sr: Tensor, hr: Tensor) -> Mistakes:
    """What the usual mistakes give on this pair."""
    error = (sr - hr).double()
    mse, each = error.square().flatten(1).mean(1), error.square()
    return {
        "one mean over the whole batch: every picture has a mean of its own": lambda: (
            -10 * torch.log10(error.square().mean())
        ).expand(len(sr)),
        "one mean over the whole batch, and one number (or a squeeze): a PSNR for each is wanted": lambda: (
            -10 * torch.log10(error.square().mean())
        ),
        "log of each pixel's error, then the mean: the mean comes first, then the logarithm": lambda: (
            (-10 * torch.log10(each)).flatten(1).mean(1)
        ),
        "20 log10 of the MSE: 20 belongs to the root of it (RMSE), 10 to the MSE": lambda: -20 * torch.log10(mse),
        "10 log10 of an error that is not squared (`abs`, or the root of the MSE): 10 belongs to the MSE": lambda: (
            -5 * torch.log10(mse)
        ),
        "the natural logarithm: decibels are base 10 (torch.log10)": lambda: -10 * torch.log(mse),
        "the sign: a larger error must give fewer decibels": lambda: 10 * torch.log10(mse),
        "a peak of 255: pictures in [0, 1] have peak 1": lambda: 10 * torch.log10(255**2 / mse),
        "the picture's own largest value was taken as the peak: the peak is 1, however dark the picture": lambda: (
            10 * torch.log10(hr.double().flatten(1).amax(1) ** 2 / mse)
        ),
        "the largest value of the batch was taken as the peak: the peak is 1, however dark the pictures": lambda: (
            10 * torch.log10(hr.double().max() ** 2 / mse)
        ),
        "the absolute error instead of the squared one": lambda: -10 * torch.log10(error.abs().flatten(1).mean(1)),
        "the sum instead of the mean of the squared errors": lambda: -10 * torch.log10(each.flatten(1).sum(1)),
        "a mean over the height and width only: the channels belong to the picture too": lambda: (
            -10 * torch.log10(each.mean((2, 3)))
        ),
        "PSNR of each channel, then their mean: the mean over channels comes before the logarithm": lambda: (
            -10 * torch.log10(each.mean((2, 3)))
        ).mean(1),
        **{
            f"a small number was added before the logarithm ({10.0**-k:g} to the {name}, say): leave it out": partial(
                lambda power, size: -10 * power * torch.log10(mse ** (1 / power) + size), power, 10.0**-k
            )
            for power, name in ((1, "MSE"), (2, "root of it"))
            for k in range(2, 13)
        },
    }


def _mixed(rgb: Tensor, weights: Sequence[float], offset: float = 0.0) -> Tensor:
    """Another weighing of the three channels."""
    return torch.einsum("c,bchw->bhw", torch.tensor(weights, dtype=torch.float64), rgb.double())[:, None] + offset


def lumas(rgb: Tensor) -> Mistakes:
    """What the usual mistakes give for this picture."""
    right, black = color.luma(rgb.double()), 16 / 255
    studio = [weight / 255 for weight in (65.481, 128.553, 24.966)]
    typo = [weight / 256 for weight in (64.738, 129.057, 25.064)]
    full, hd = [0.299, 0.587, 0.114], [0.2126, 0.7152, 0.0722]
    shape = "one channel is wanted, (B, 1, H, W): "

    def of(weights: Sequence[float], offset: float = 0.0) -> Callable[[], Tensor]:
        return lambda: _mixed(rgb, weights, offset)

    return {
        "the offset of 16 is forgotten: black is 16/255, not 0": of(studio),
        "full range (0.299, 0.587, 0.114): the papers use the studio range, 16 to 235 of 255": of(full),
        "full-range weights with the offset of 16: white would be 271 of 255": of(full, black),
        "BGR order: red comes first here (OpenCV has it the other way round)": of(studio[::-1], black),
        "64.738 is a typing error that went round the world: in steps of 1/256 red weighs 65.738": of(typo, black),
        "the plain mean of the three channels: the eye sees green far brighter than blue": of([1 / 3] * 3),
        "the weights of BT.709 (HD television): MATLAB and the papers use BT.601": of(hd),
        "the weights of BT.709 (HD television) in studio range: MATLAB and the papers use BT.601": of(
            [w * 219 / 255 for w in hd], black
        ),
        "the result is on 0..255: it belongs to [0, 1], so divide all of it by 255": lambda: 255 * right,
        "16 was added without dividing it by 255 too": of(studio, 16.0),
        "divided by 256: white is 235/255": lambda: right * 255 / 256,
        "R, G and B were multiplied by 255: the formula's weights are for values in [0, 1]": of(
            [255 * w for w in studio], black
        ),
        "R, G and B were multiplied by 255, and Y is not divided by it: the formula is for values in [0, 1]": of(
            [255**2 * w for w in studio], 16.0
        ),
        "divided by 255 twice: R, G and B are in [0, 1] already": of([w / 255 for w in studio], black),
        "Y was rounded to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).round() / 255,
        "Y was cut down to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).floor() / 255,
        f"{shape}the channel dimension is lost (unsqueeze(1), or slices such as rgb[:, 0:1])": lambda: right[:, 0],
        f"{shape}here Y stands in all three": lambda: right.expand(-1, 3, -1, -1),
    }


def without_border(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]


def shaves(x: Tensor, border: int) -> Mistakes:
    """What the usual mistakes give on this picture."""
    b, height, width = border, x.shape[-2], x.shape[-1]

    def rows(first: int, end: int, left: int, right: int) -> Callable[[], Tensor]:
        return lambda: x[..., first:end, left:right]

    return {
        "only the top and the left are left out: the border goes away on all four sides": rows(b, height, b, width),
        "only the bottom and the right are left out: the border goes away on all four sides": rows(
            0, height - b, 0, width - b
        ),
        "only the columns are shaved: rows at the top and the bottom go too": rows(0, height, b, width - b),
        "only the rows are shaved: columns at the left and the right go too": rows(b, height - b, 0, width),
        "the border went away twice on every side: `border` pixels on each": rows(
            2 * b, height - 2 * b, 2 * b, width - 2 * b
        ),
        "half the border went away on every side: `border` pixels on each": lambda: without_border(x, b // 2),
        "twice the border went away at one end, and nothing at the other": rows(2 * b, height, 2 * b, width),
        "one pixel too many went away at the bottom and the right: a slice ends before its second number": rows(
            b, height - b - 1, b, width - b - 1
        ),
        "height and width are mixed up: rows end at height - border, columns at width - border": rows(
            b, width - b, b, height - b
        ),
        "the slices stand at the wrong dimensions: height and width come last in (B, C, H, W), so begin with `...`": (
            lambda: x[b : len(x) - b, b : x.shape[1] - b]
        ),
        "the border was painted black: it must be cut away, so that the picture gets smaller": lambda: F.pad(
            without_border(x, b), (b,) * 4
        ),
    }


def bell(size: int = 11, power: float = 2 * 1.5**2) -> Tensor:
    """The two-dimensional Gaussian, not normalised."""
    offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-(offset[:, None] ** 2 + offset**2) / power)


C1, C2 = 0.01**2, 0.03**2


def _brightness(mx: Tensor, my: Tensor) -> Tensor:
    return (2 * mx * my + C1) / (mx**2 + my**2 + C1)


def _structure(vx: Tensor, vy: Tensor, cov: Tensor) -> Tensor:
    return (2 * cov + C2) / (vx + vy + C2)


def _moments(x: Tensor, y: Tensor, window: Tensor, padding: str = "") -> tuple[Tensor, ...]:
    """Means, variances and covariance in every window."""
    x, y = x.double(), y.double()
    if padding:
        x, y = (F.pad(v, (window.shape[-1] // 2,) * 4, mode=padding) for v in (x, y))
    mx, my, xx, yy, xy = (F.conv2d(v, window[None, None]) for v in (x, y, x * x, y * y, x * y))
    return mx, my, xx - mx * mx, yy - my * my, xy - mx * my


def _formula(mx: Tensor, my: Tensor, vx: Tensor, vy: Tensor, cov: Tensor, *, c1: float = C1, c2: float = C2) -> Tensor:
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def ssims(x: Tensor, y: Tensor) -> Mistakes:
    """What the usual mistakes give on this pair."""
    gaussian = bell() / bell().sum()

    def at(window: Tensor, sample: float = 1.0, padding: str = "") -> Callable[[], Tensor]:
        """Another window, the variances times `sample`, or padded pictures."""

        def answer() -> Tensor:
            mx, my, *spread = _moments(x, y, window, padding)
            return _formula(mx, my, *(sample * s for s in spread)).flatten(1).mean(1)

        return answer

    def by(formula: Callable[..., Tensor]) -> Callable[[], Tensor]:
        """Another formula of the five moments."""
        return lambda: formula(*_moments(x, y, gaussian)).flatten(1).mean(1)

    def flat(size: int) -> Tensor:
        return torch.full((size, size), size**-2.0, dtype=torch.float64)

    def scaled(power: float, size: int = 11) -> Tensor:
        return bell(size, power) / bell(size, power).sum()

    def every_window() -> Tensor:
        return _formula(*_moments(x, y, gaussian))

    def one_window() -> Tensor:
        a, b = x.double().flatten(1), y.double().flatten(1)
        ma, mb = a.mean(1), b.mean(1)
        return _formula(ma, mb, a.var(1, correction=0), b.var(1, correction=0), (a * b).mean(1) - ma * mb)

    sample = "sample variance (a factor n / (n - 1), as skimage takes by default): Wang's SSIM takes E[x^2] - mx^2"

    def beside(middle: float, size: int = 11) -> Tensor:
        """A Gaussian whose middle lies elsewhere."""
        row = torch.exp(-((torch.arange(size, dtype=torch.float64) - middle) ** 2) / 4.5)
        return torch.outer(row, row) / row.sum() ** 2

    def side_by_side(stride: int) -> Callable[[], Tensor]:
        return lambda: every_window()[..., ::stride, ::stride].flatten(1).mean(1)

    def unbracketed(brightness: bool, structure: bool) -> Callable[[], Tensor]:
        """a + c / b + c in the place of (a + c) / (b + c), or (a + c) / b + c, in one of the fractions or in both."""

        def formula(mx: Tensor, my: Tensor, vx: Tensor, vy: Tensor, cov: Tensor) -> Tensor:
            first = (2 * mx * my + C1) / mx**2 + my**2 + C1 if brightness else _brightness(mx, my)
            second = (2 * cov + C2) / vx + vy + C2 if structure else _structure(vx, vy, cov)
            return first * second

        return by(formula)

    seven = "a flat window of 7 x 7 pixels, the default of skimage: Wang's window is a Gaussian of 11 x 11"
    sigma = "the Gaussian is not the right one: its exponent is -(i^2 + j^2) / (2 sigma^2) with sigma = 1.5"
    padded = "the pictures were padded: only windows that lie wholly inside count, (H - 10) x (W - 10) of them"
    beyond = "the window's middle lies beside its middle pixel: 11 positions from -5 to 5 have it at 0"
    brackets = "brackets are missing round a denominator: a / b + c is (a / b) + c"
    means = "subtract the product of the means"
    return {
        seven: at(flat(7)),
        f"{seven}, and {sample}": at(flat(7), sample=49 / 48),
        "a flat window of 8 x 8 pixels: Wang's window is a Gaussian of 11 x 11": at(flat(8)),
        "a flat window of 11 x 11 pixels: the weights fall off like a Gaussian with sigma 1.5": at(flat(11)),
        "a Gaussian of 7 x 7 pixels: the window is 11 x 11": at(scaled(4.5, 7)),
        "a Gaussian of 9 x 9 pixels: the window is 11 x 11": at(scaled(4.5, 9)),
        sample: at(gaussian, sample=121 / 120),
        f"{padded} (padding=5 adds black)": at(gaussian, padding="constant"),
        f"{padded} (here by mirroring)": at(gaussian, padding="reflect"),
        f"{padded} (here by repeating the edge)": at(gaussian, padding="replicate"),
        sigma: at(scaled(2 * 1.5)),
        f"{sigma}; the 2 is missing": at(scaled(1.5**2)),
        "the window's weights do not sum to 1: divide the Gaussian by its sum": at(bell()),
        **{f"{beyond} (here at {5 - m:g})": at(beside(m)) for m in (4.0, 4.5, 5.5, 6.0)},
        "a Gaussian of 10 x 10 pixels: torch.arange(-5, 5) ends at 4, and the window is 11 x 11": at(beside(5.0, 10)),
        **{
            f"the windows stand {k} pixels apart (stride={k}): they slide by one pixel": side_by_side(k)
            for k in (11, 10, 8, 5, 4, 2)
        },
        "brackets are missing round the denominator: a / b * c is (a / b) * c": by(
            lambda mx, my, vx, vy, cov: (2 * mx * my + C1) * (2 * cov + C2) / (mx**2 + my**2 + C1) * (vx + vy + C2)
        ),
        f"{brackets} (here of the means)": unbracketed(True, False),
        f"{brackets} (here of the variances)": unbracketed(False, True),
        f"{brackets} (here in both fractions)": unbracketed(True, True),
        "the whole picture was taken as one window: SSIM is a mean over small windows": one_window,
        "constants for pictures in 0..255: with pictures in [0, 1] c1 = 0.01^2 and c2 = 0.03^2": by(
            lambda *m: _formula(*m, c1=2.55**2, c2=7.65**2)
        ),
        "constants for a range of 2: pictures in [0, 1] have a range of 1, so c1 = 0.01^2 and c2 = 0.03^2": by(
            lambda *m: _formula(*m, c1=0.02**2, c2=0.06**2)
        ),
        "the constants are not squared: c1 = 0.01^2 and c2 = 0.03^2": by(lambda *m: _formula(*m, c1=0.01, c2=0.03)),
        "c1 and c2 are exchanged: 0.01 goes with the means, 0.03 with the variances": by(
            lambda *m: _formula(*m, c1=C2, c2=C1)
        ),
        "the constants c1 and c2 are left out": by(lambda *m: _formula(*m, c1=0.0, c2=0.0)),
        "the first factor, of the means, is missing": by(lambda mx, my, vx, vy, cov: _structure(vx, vy, cov)),
        "the second factor, of the variances, is missing": by(lambda mx, my, vx, vy, cov: _brightness(mx, my)),
        "the two factors were added: they are multiplied": by(
            lambda mx, my, vx, vy, cov: _brightness(mx, my) + _structure(vx, vy, cov)
        ),
        "each factor was averaged by itself: they are multiplied in every window, then comes the mean": lambda: (
            by(lambda mx, my, vx, vy, cov: _brightness(mx, my))()
            * by(lambda mx, my, vx, vy, cov: _structure(vx, vy, cov))()
        ),
        "E[x^2] was taken for the variance: subtract the square of the mean": by(
            lambda mx, my, vx, vy, cov: _formula(mx, my, vx + mx**2, vy + my**2, cov)
        ),
        f"E[x y] was taken for the covariance: {means}": by(
            lambda mx, my, vx, vy, cov: _formula(mx, my, vx, vy, cov + mx * my)
        ),
        f"neither the variances nor the covariance are those around the means: {means}": by(
            lambda mx, my, vx, vy, cov: _formula(mx, my, vx + mx**2, vy + my**2, cov + mx * my)
        ),
        "the product of the standard deviations stands where the covariance belongs": by(
            lambda mx, my, vx, vy, cov: _formula(mx, my, vx, vy, (vx.clamp(min=0) * vy.clamp(min=0)).sqrt())
        ),
        "standard deviations stand where the variances belong: no root is taken": by(
            lambda mx, my, vx, vy, cov: _formula(mx, my, vx.clamp(min=0).sqrt(), vy.clamp(min=0).sqrt(), cov)
        ),
        "the 2 before the covariance is missing": by(lambda mx, my, vx, vy, cov: _formula(mx, my, vx, vy, cov / 2)),
        "the 2 before the product of the means is missing": by(
            lambda mx, my, vx, vy, cov: (mx * my + C1) / (mx**2 + my**2 + C1) * _structure(vx, vy, cov)
        ),
        "the absolute value was taken: SSIM is negative where one picture is the negative of the other": lambda: (
            every_window().abs().flatten(1).mean(1)
        ),
        "one mean over the whole batch: every picture has an SSIM of its own": lambda: (
            every_window().mean().expand(len(x))
        ),
        "one mean over the whole batch, and one number (or a squeeze): an SSIM for each is wanted": lambda: (
            every_window().mean()
        ),
        "this is the map of all windows: its mean is wanted, one number for each picture": every_window,
        "the channel dimension is still there: one number for each picture, shape (B,)": lambda: every_window().mean(
            (2, 3)
        ),
        "this is the dissimilarity, 1 - SSIM: identical pictures have 1": lambda: 1 - at(gaussian)(),
    }


def eight_bits(x: Tensor) -> Tensor:
    return image.to_float(image.to_uint8(x))


def _errors(
    srs: Sequence[Tensor],
    hrs: Sequence[Tensor],
    scale: int,
    *,
    stored: Luma = eight_bits,
    y: Luma = color.luma,
    y_hr: Luma | None = None,
    cut: Shave = without_border,
) -> list[Tensor]:
    """The squared errors of every picture, with one step of the protocol done in another way."""
    pairs = [(y(stored(sr)), (y_hr or y)(hr)) for sr, hr in zip(srs, hrs, strict=True)]
    return [(cut(sr, scale) - cut(hr, scale)).double().square() for sr, hr in pairs]


def _decibels(errors: Sequence[Tensor]) -> float:
    return sum(-10 * math.log10(float(e.mean())) for e in errors) / len(errors)


def _pooled(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.sum()) for e in errors) / sum(e.numel() for e in errors))


def _mean_of_mse(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.mean()) for e in errors) / len(errors))


def figures(srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What the usual mistakes give for this set."""

    def of(**changed: Any) -> Callable[[], float]:
        return lambda: _decibels(_errors(srs, hrs, scale, **changed))

    in_place = "Y was rounded in the place of sr: round sr to whole steps of 1/255, and leave Y as it comes out"

    def weighted() -> float:
        errors = _errors(srs, hrs, scale)
        return sum(_decibels([e]) * e.numel() for e in errors) / sum(e.numel() for e in errors)

    return {
        "all errors went into one pot: the papers take the PSNR of each picture, and the mean of these dB": lambda: (
            _pooled(_errors(srs, hrs, scale))
        ),
        "the mean of the MSEs, then the logarithm: the papers take the PSNR of each picture, then the mean": lambda: (
            _mean_of_mse(_errors(srs, hrs, scale))
        ),
        "large pictures count for more: every picture counts alike": weighted,
        "the sum of the dB: their mean is wanted": lambda: len(srs) * _decibels(_errors(srs, hrs, scale)),
        "only the first picture counts: is there a `return` inside the loop?": lambda: _decibels(
            _errors(srs[:1], hrs[:1], scale)
        ),
        "only the last picture counts: collect the dB of all of them": lambda: _decibels(
            _errors(srs[-1:], hrs[-1:], scale)
        ),
        "sr is neither clipped nor rounded: as a file it would have whole steps of 1/255, from 0 to 1": of(
            stored=lambda x: x
        ),
        "sr is not rounded to 8 bits": of(stored=lambda x: x.clamp(0, 1)),
        "sr is not clipped to [0, 1]": of(stored=lambda x: (255 * x + 0.5).floor() / 255),
        "half goes down: 76.5 becomes 76, and 77 is wanted": of(
            stored=lambda x: (255 * x.clamp(0, 1) - 0.5).ceil() / 255
        ),
        "sr is cut down to 8 bits instead of rounded: 76.9 must become 77": of(
            stored=lambda x: (255 * x.clamp(0, 1)).floor() / 255
        ),
        "half to even: torch.round makes 76 of 76.5, and 77 is wanted": of(
            stored=lambda x: (255 * x.clamp(0, 1)).round() / 255
        ),
        "sr was rounded to whole numbers in [0, 1], black and white: round 255 * sr": of(
            stored=lambda x: x.clamp(0, 1).round()
        ),
        "sr stayed on 0..255 after the rounding: divide by 255 again": of(stored=lambda x: 255 * eight_bits(x)),
        "PSNR on all three colours: the papers measure luma": of(y=lambda x: x),
        "full-range luma (0.299, 0.587, 0.114): the papers use the studio range": of(
            y=lambda x: _mixed(x, [0.299, 0.587, 0.114])
        ),
        "the plain mean of the three colours was compared: the papers measure luma": of(
            y=lambda x: x.mean(1, keepdim=True)
        ),
        "Y was rounded: it stays as it comes out": of(y=lambda x: eight_bits(color.luma(x))),
        f"{in_place} (Y of both)": of(stored=lambda x: x, y=lambda x: eight_bits(color.luma(x))),
        f"{in_place} (Y of both, after clipping sr)": of(
            stored=lambda x: x.clamp(0, 1), y=lambda x: eight_bits(color.luma(x))
        ),
        f"{in_place} (Y of sr)": of(stored=lambda x: x, y=lambda x: eight_bits(color.luma(x)), y_hr=color.luma),
        f"{in_place} (Y of sr, after clipping it)": of(
            stored=lambda x: x.clamp(0, 1), y=lambda x: eight_bits(color.luma(x)), y_hr=color.luma
        ),
        "Y is on 0..255, where psnr takes a peak of 1: divide by 255 again": of(y=lambda x: 255 * color.luma(x)),
        "Y was rounded and is on 0..255: it stays as luma gives it": of(y=lambda x: 255 * eight_bits(color.luma(x))),
        "the border is still in: leave out `scale` pixels on every side": of(cut=lambda x, b: x),
        "a border of 4 at every scale: leave out `scale` pixels": of(cut=lambda x, b: without_border(x, 4)),
        "twice the border was left out: `scale` pixels on every side": of(cut=lambda x, b: without_border(x, 2 * b)),
        "the border is left out at the top and the left only: it goes on all four sides": of(
            cut=lambda x, b: x[..., b:, b:]
        ),
        "the border of sr and hr was painted black instead of left out": of(
            cut=lambda x, b: F.pad(without_border(x, b), (b,) * 4)
        ),
    }


def _in_integers(dtype: torch.dtype) -> Callable[[list[Tensor], list[Tensor], int], float]:
    """Script c with a difference that is taken in these integers."""

    def figure(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
        pairs = [tuple(image.to_uint8(x).to(dtype) for x in pair) for pair in zip(srs, hrs, strict=True)]
        differences = [(sr - hr).double() / 255 for sr, hr in pairs]
        return _decibels([without_border(color.luma_difference(d), scale).square() for d in differences])

    return figure


def scripts(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What a script says whose bug is still there, which is not named, or was mended in a wrong way."""

    def left_out(border: int) -> Callable[[], float]:
        return lambda: _decibels(_errors(srs, hrs, border))

    def absolute() -> float:
        pairs = [[image.to_uint8(x).int() for x in pair] for pair in zip(srs, hrs, strict=True)]
        differences = [(sr - hr).abs().double() / 255 for sr, hr in pairs]
        return _decibels([without_border(color.luma_difference(d), scale).square() for d in differences])

    as_it_came = {
        "a": left_out(4),
        "b": lambda: _pooled(_errors(srs, hrs, scale)),
        "c": lambda: _in_integers(torch.uint8)(srs, hrs, scale),
    }
    return {
        f'script "{script}" says of these pictures what it said before any repair; the protocol says something else': (
            as_it_came[script]
        ),
        f'script "{script}" throws the pixels of all pictures together before the logarithm: take a mean of dB': (
            as_it_came["b"]
        ),
        f'script "{script}" takes the mean of the MSEs and then one logarithm: each picture has its own PSNR first': (
            lambda: _mean_of_mse(_errors(srs, hrs, scale))
        ),
        f'script "{script}" subtracts bytes, which know no negative numbers: there 10 - 20 is 246': as_it_came["c"],
        f'script "{script}" subtracts in int8, which ends at 127: bright minus dark does not fit': (
            lambda: _in_integers(torch.int8)(srs, hrs, scale)
        ),
        f'script "{script}" makes the difference positive, but luma needs its sign: red up and green down cancel': (
            absolute
        ),
        **{f'script "{script}": {cause}': make for cause, make in figures(srs, hrs, scale).items()},
        **{
            f'script "{script}" leaves out {border} pixels at scale {scale}: leave out `scale` of them': left_out(
                border
            )
            for border in range(1, 7)
            if border != scale
        },
    }
