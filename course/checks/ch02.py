"""Lesson 02, measuring: what a right answer must satisfy."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn import functional as F

from course.checking import Case, Exercise, compare, require
from srlib import color, image, metrics

Psnr = Callable[[Tensor, Tensor], Tensor]
Luma = Callable[[Tensor], Tensor]
Shave = Callable[[Tensor, int], Tensor]
Ssim = Callable[[Tensor, Tensor], Tensor]
Protocol = Callable[[list[Tensor], list[Tensor], int], float]
Repaired = Callable[[str, list[Tensor], list[Tensor], int], float]
Mistakes = dict[str, Callable[[], Any]]


# ---------------------------------------------------------------------------------------------------------------
# 02.1 psnr


def _psnr(sr: Tensor, hr: Tensor) -> Tensor:
    return metrics.psnr(sr, hr, border=0, luma=False)


def _wrong_psnrs(sr: Tensor, hr: Tensor) -> Mistakes:
    """What the usual mistakes give on this pair."""
    error = (sr - hr).double()
    mse, each = error.square().flatten(1).mean(1), error.square()
    return {
        "one mean over the whole batch: every picture has a mean of its own": lambda: (
            -10 * torch.log10(error.square().mean())
        ).expand(len(sr)),
        "one mean over the whole batch, and one number: a PSNR for each picture is wanted": lambda: (
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
    }


def psnr_worked_example(psnr: Psnr, case: Case) -> None:
    """Two pictures that differ by 0.1 everywhere are 20 dB apart."""
    hr = torch.full((1, 3, 8, 8), 0.5)
    sr = hr + 0.1  # MSE 0.01, and -10 log10(0.01) = 20
    compare(
        case.call(psnr, sr, hr),
        torch.tensor([20.0]),
        within=1e-3,
        what="one number",
        unit="dB",
        public=True,
        mistakes=_wrong_psnrs(sr, hr),
    )


def psnr_of_each(psnr: Psnr, case: Case) -> None:
    """A batch of pictures with different errors has one PSNR for each."""
    hr = case.rand(3, 3, 12, 10)
    sr = hr + torch.tensor([0.01, 0.1, 0.3]).view(3, 1, 1, 1) * (case.rand(3, 3, 12, 10) - hr)
    expected = [peak_signal_noise_ratio(h.numpy(), s.numpy(), data_range=1.0) for s, h in zip(sr, hr, strict=True)]
    compare(
        case.call(psnr, sr, hr),
        torch.tensor(expected),
        within=1e-3,
        what="the PSNR of each of the three pictures, shape (3,)",
        unit="dB",
        mistakes=_wrong_psnrs(sr, hr),
    )


def psnr_of_any_size(psnr: Psnr, case: Case) -> None:
    """Grey and colour pictures of every size, dark ones too, in float64 as in float32."""
    for channels, height, width in ((1, 1, 1), (1, 7, 4), (3, 2, 9), (case.integer(2, 5), case.integer(3, 9), 5)):
        hr = 0.25 * case.rand(2, channels, height, width).double()
        sr = hr + 0.1 + 0.1 * case.rand(*hr.shape)
        compare(
            case.call(psnr, sr, hr),
            _psnr(sr, hr),
            within=1e-3,
            what=f"the PSNR of two dark pictures with {channels} channel(s) of {height} x {width}, float64",
            unit="dB",
            mistakes=_wrong_psnrs(sr, hr),
        )


def psnr_halved_error(psnr: Psnr, case: Case) -> None:
    """Half the error is 20 log10(2) = 6.02 dB more, for a picture of any shape."""
    hr = 0.2 + 0.6 * case.rand(1, case.integer(1, 4), case.integer(5, 20), case.integer(5, 20))
    error = 0.2 * (case.rand(*hr.shape) - 0.5)
    gain = case.call(psnr, hr + error / 2, hr) - case.call(psnr, hr + error, hr)
    compare(gain, torch.tensor([20 * math.log10(2)]), within=1e-3, what="6.0206 dB more", unit="dB", public=True)


def psnr_identical(psnr: Psnr, case: Case) -> None:
    """Identical pictures have no error: their PSNR is infinite."""
    hr = case.rand(2, 3, 6, 6)
    got = case.call(psnr, hr.clone(), hr)
    require(
        not (isinstance(got, Tensor) and bool(got.isfinite().any())),
        "a small number was added to the error (or the error was clamped), so that identical pictures get a finite "
        "PSNR: leave it out",
        expected="infinity for both pictures",
        got=got,
    )
    compare(got, torch.full((2,), torch.inf), within=0, what="infinity for both pictures", public=True)


# ---------------------------------------------------------------------------------------------------------------
# 02.2 luma


def _luma(rgb: Tensor) -> Tensor:
    return color.luma(rgb)


def _mixed(rgb: Tensor, weights: Sequence[float], offset: float = 0.0) -> Tensor:
    """Another weighing of the three channels."""
    return torch.einsum("c,bchw->bhw", torch.tensor(weights, dtype=torch.float64), rgb.double())[:, None] + offset


def _wrong_lumas(rgb: Tensor) -> Mistakes:
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
        "divided by 255 twice: R, G and B are in [0, 1] already": of([w / 255 for w in studio], black),
        "Y was rounded to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).round() / 255,
        "Y was cut down to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).floor() / 255,
        f"{shape}the channel dimension is lost (unsqueeze(1), or slices such as rgb[:, 0:1])": lambda: right[:, 0],
        f"{shape}here Y stands in all three": lambda: right.expand(-1, 3, -1, -1),
    }


def luma_worked_example(luma: Luma, case: Case) -> None:
    """White is 235/255, black is 16/255, pure red (16 + 65.481)/255 and pure blue (16 + 24.966)/255."""
    rgb = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).T[None, :, None]
    compare(
        case.call(luma, rgb),
        torch.tensor([235.0, 16.0, 81.481, 40.966]).view(1, 1, 1, 4) / 255,
        within=1e-5,
        what="a row of four pixels: white, black, red, blue",
        public=True,
        mistakes=_wrong_lumas(rgb),
    )


def luma_of_primaries(luma: Luma, case: Case) -> None:
    """Red, green and blue weigh 65.481, 128.553 and 24.966, in this order."""
    rgb = torch.eye(3).view(1, 3, 3, 1) * (0.2 + 0.8 * case.rand(1, 1, 1, 5))
    compare(
        case.call(luma, rgb),
        color.luma(rgb),
        within=1e-5,
        what="three rows, in red, green and blue",
        mistakes=_wrong_lumas(rgb),
    )


def luma_of_greys(luma: Luma, case: Case) -> None:
    """A grey of value v has Y = (16 + 219 v) / 255: the three weights sum to 219."""
    grey = case.rand(3, 1, 6, 4).sort().values
    rgb = grey.expand(-1, 3, -1, -1).clone()
    compare(
        case.call(luma, rgb),
        (16 + 219 * grey) / 255,
        within=1e-5,
        what="three grey pictures, shape (3, 1, 6, 4)",
        mistakes=_wrong_lumas(rgb),
    )


def luma_as_scikit_image(luma: Luma, case: Case) -> None:
    """A batch of coloured pictures that are not square, as scikit-image's rgb2ycbcr has it."""
    height, width = case.integer(5, 9), case.integer(10, 16)
    ramp = torch.linspace(0, 1, width).expand(height, width)
    fall = torch.linspace(1, 0, height)[:, None].expand(height, width)
    rgb = torch.stack([torch.stack([ramp, fall, ramp * fall]), case.rand(3, height, width)])
    expected = torch.from_numpy(rgb2ycbcr(rgb.numpy(), channel_axis=1)[:, :1]) / 255
    compare(
        case.call(luma, rgb),
        expected,
        within=1e-5,
        what=f"luma of two pictures, shape (2, 1, {height}, {width})",
        mistakes=_wrong_lumas(rgb),
        pictures=True,
    )


def luma_in_float64(luma: Luma, case: Case) -> None:
    """A float64 picture works like a float32 one, down to a single pixel."""
    rgb = case.rand(1, 3, 1, 1).double()
    compare(case.call(luma, rgb), color.luma(rgb), within=1e-5, what="one number", mistakes=_wrong_lumas(rgb))


# ---------------------------------------------------------------------------------------------------------------
# 02.3 shave


def _shave(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]


def _wrong_shaves(x: Tensor, border: int) -> Mistakes:
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
        "half the border went away on every side: `border` pixels on each": lambda: _shave(x, b // 2),
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
            _shave(x, b), (b,) * 4
        ),
    }


def shave_worked_example(shave: Shave, case: Case) -> None:
    """The 4 x 4 picture 0 .. 15 without a border of 1 is [[5, 6], [9, 10]]."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    compare(
        case.call(shave, x, 1),
        torch.tensor([[[[5.0, 6.0], [9.0, 10.0]]]]),
        within=0,
        what="the four numbers in the middle",
        public=True,
        mistakes=_wrong_shaves(x, 1),
    )


def shave_nothing(shave: Shave, case: Case) -> None:
    """With border 0 the whole picture comes back."""
    x = case.rand(2, 3, 4, 6)
    got = case.call(shave, x, 0)
    require(
        not isinstance(got, Tensor) or got.numel() > 0,
        "with border 0 nothing is left, because -0 is 0 and x[0:-0] is empty: count the end from the front, as "
        "height - border",
        expected="the picture as it was, (2, 3, 4, 6)",
        got=got,
    )
    compare(got, x, within=0, what="the picture as it was, (2, 3, 4, 6)", mistakes=_wrong_shaves(x, 0))


def shave_wide_and_high(shave: Shave, case: Case) -> None:
    """Wide pictures and high ones, batches and channels stay in order."""
    for shape in ((2, 3, 9, 15), (3, 1, 16, 11), (1, 4, case.integer(9, 12), case.integer(13, 20))):
        x, border = case.rand(*shape), case.integer(2, 4)
        compare(
            case.call(shave, x, border),
            _shave(x, border),
            within=0,
            what=f"the inside of {shape} without a border of {border}",
            mistakes=_wrong_shaves(x, border),
        )


def shave_to_one_pixel(shave: Shave, case: Case) -> None:
    """A border that leaves one row or one pixel is allowed, in float64 as in float32."""
    for shape, border in (((1, 3, 7, 7), 3), ((2, 1, 5, 12), 2), ((1, 1, 3, 3), 1)):
        x = case.rand(*shape).double()
        compare(
            case.call(shave, x, border),
            _shave(x, border),
            within=0,
            what=f"what is left of {shape} without a border of {border}",
            mistakes=_wrong_shaves(x, border),
        )


# ---------------------------------------------------------------------------------------------------------------
# 02.4 ssim


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    return metrics.ssim(x, y, border=0, luma=False)


def _bell(size: int = 11, power: float = 2 * 1.5**2) -> Tensor:
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


def _wrong_ssims(x: Tensor, y: Tensor) -> Mistakes:
    """What the usual mistakes give on this pair."""
    bell = _bell() / _bell().sum()

    def at(window: Tensor, sample: float = 1.0, padding: str = "") -> Callable[[], Tensor]:
        """Another window, the variances times `sample`, or padded pictures."""

        def answer() -> Tensor:
            mx, my, *spread = _moments(x, y, window, padding)
            return _formula(mx, my, *(sample * s for s in spread)).flatten(1).mean(1)

        return answer

    def by(formula: Callable[..., Tensor]) -> Callable[[], Tensor]:
        """Another formula of the five moments."""
        return lambda: formula(*_moments(x, y, bell)).flatten(1).mean(1)

    def flat(size: int) -> Tensor:
        return torch.full((size, size), size**-2.0, dtype=torch.float64)

    def scaled(power: float, size: int = 11) -> Tensor:
        return _bell(size, power) / _bell(size, power).sum()

    def every_window() -> Tensor:
        return _formula(*_moments(x, y, bell))

    def one_window() -> Tensor:
        a, b = x.double().flatten(1), y.double().flatten(1)
        ma, mb = a.mean(1), b.mean(1)
        return _formula(ma, mb, a.var(1, correction=0), b.var(1, correction=0), (a * b).mean(1) - ma * mb)

    sample = "sample variance (a factor n / (n - 1), as skimage takes by default): Wang's SSIM takes E[x^2] - mx^2"
    seven = "a flat window of 7 x 7 pixels, the default of skimage: Wang's window is a Gaussian of 11 x 11"
    sigma = "the Gaussian is not the right one: its exponent is -(i^2 + j^2) / (2 sigma^2) with sigma = 1.5"
    padded = "the pictures were padded: only windows that lie wholly inside count, (H - 10) x (W - 10) of them"
    means = "subtract the product of the means"
    return {
        seven: at(flat(7)),
        f"{seven}, and {sample}": at(flat(7), sample=49 / 48),
        "a flat window of 8 x 8 pixels: Wang's window is a Gaussian of 11 x 11": at(flat(8)),
        "a flat window of 11 x 11 pixels: the weights fall off like a Gaussian with sigma 1.5": at(flat(11)),
        "a Gaussian of 7 x 7 pixels: the window is 11 x 11": at(scaled(4.5, 7)),
        "a Gaussian of 9 x 9 pixels: the window is 11 x 11": at(scaled(4.5, 9)),
        sample: at(bell, sample=121 / 120),
        f"{padded} (padding=5 adds black)": at(bell, padding="constant"),
        f"{padded} (here by mirroring)": at(bell, padding="reflect"),
        f"{padded} (here by repeating the edge)": at(bell, padding="replicate"),
        sigma: at(scaled(2 * 1.5)),
        f"{sigma}; the 2 is missing": at(scaled(1.5**2)),
        "the window's weights do not sum to 1: divide the Gaussian by its sum": at(_bell()),
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
        "one mean over the whole batch, and one number: an SSIM for each picture is wanted": lambda: (
            every_window().mean()
        ),
        "this is the map of all windows: its mean is wanted, one number for each picture": every_window,
        "the channel dimension is still there: one number for each picture, shape (B,)": lambda: every_window().mean(
            (2, 3)
        ),
        "this is the dissimilarity, 1 - SSIM: identical pictures have 1": lambda: 1 - at(bell)(),
    }


def _like(y: Tensor, case: Case) -> Tensor:
    """A distorted copy: less contrast, a little brighter, and noise."""
    return (0.15 + 0.7 * y + 0.3 * (case.rand(*y.shape) - 0.5)).clamp(0, 1)


def ssim_worked_example(ssim: Ssim, case: Case) -> None:
    """Two checkerboards, 0.2 and 0.4 against 0.3 and 0.7, have an SSIM of 0.7090."""
    row, column = torch.arange(14.0)[:, None], torch.arange(12.0)
    board = (-1) ** (row + column).view(1, 1, 14, 12)
    x, y = 0.3 + 0.1 * board, 0.5 + 0.2 * board
    compare(
        case.call(ssim, x, y),
        torch.tensor([0.3001 / 0.3401 * 0.0409 / 0.0509]),
        within=1e-4,
        what="one number",
        public=True,
        mistakes=_wrong_ssims(x, y),
    )


def ssim_of_one_window(ssim: Ssim, case: Case) -> None:
    """In pictures of 11 x 11 pixels there is one single window."""
    y = case.rand(2, 1, 11, 11)
    x = _like(y, case)
    weight = _bell() / _bell().sum()
    expected = []
    for a, b in zip(x[:, 0].double(), y[:, 0].double(), strict=True):
        ma, mb = (weight * a).sum(), (weight * b).sum()
        va, vb, cov = ((weight * p * q).sum() for p, q in ((a - ma, a - ma), (b - mb, b - mb), (a - ma, b - mb)))
        expected.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    compare(
        case.call(ssim, x, y),
        torch.stack(expected),
        within=1e-4,
        what="SSIM of two pairs of 11 x 11 pixels, shape (2,)",
        mistakes=_wrong_ssims(x, y),
    )


def ssim_as_scikit_image(ssim: Ssim, case: Case) -> None:
    """Three pairs that are not square, as scikit-image has them with Wang's settings."""
    y = case.rand(3, 1, 17, case.integer(21, 25))
    y[1] = F.avg_pool2d(y[1], 3, 1, 1)  # smooth
    y[2] = 0.1 * y[2] + 0.02  # dark and flat: here the constants matter
    x = _like(y, case)
    ramp = torch.linspace(0, 1, y.shape[-1])
    x[0] = (y[0] + ramp * (0.5 - y[0]) + 0.4 * ramp * case.rand(*y.shape[1:])).clamp(0, 1)  # worse to the right
    x[2] = y[2] + 0.02 * case.rand(*y.shape[1:])
    expected = [
        structural_similarity(
            a[0].numpy().astype(float),
            b[0].numpy().astype(float),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(x, y, strict=True)
    ]
    compare(
        case.call(ssim, x, y),
        torch.tensor(expected),
        within=1e-4,
        what="SSIM of each of the three pairs, shape (3,)",
        mistakes=_wrong_ssims(x, y),
    )


def ssim_identical(ssim: Ssim, case: Case) -> None:
    """A picture is as similar as can be to itself: exactly 1."""
    x = case.rand(2, 1, 15, 12)
    compare(
        case.call(ssim, x, x.clone()),
        torch.ones(2),
        within=1e-5,
        what="1 for both",
        public=True,
        mistakes=_wrong_ssims(x, x),
    )


def ssim_of_the_negative(ssim: Ssim, case: Case) -> None:
    """The negative of a picture has an SSIM below 0."""
    y = case.rand(1, 1, 23, 14)
    x = 1 - y
    compare(
        case.call(ssim, x, y),
        _ssim(x, y),
        within=1e-4,
        what="a number below 0",
        mistakes=_wrong_ssims(x, y),
    )


def ssim_both_ways(ssim: Ssim, case: Case) -> None:
    """SSIM of (x, y) is SSIM of (y, x), and float64 pictures work like float32 ones."""
    y = case.rand(2, 1, 12, 19).double()
    x = _like(y, case)
    one, other = case.call(ssim, x, y), case.call(ssim, y, x)
    for got, mistakes in ((one, _wrong_ssims(x, y)), (other, _wrong_ssims(y, x))):
        compare(got, _ssim(x, y), within=1e-4, what="the same two numbers both times", mistakes=mistakes)


# ---------------------------------------------------------------------------------------------------------------
# 02.5 protocol


def _eight_bits(x: Tensor) -> Tensor:
    return image.to_float(image.to_uint8(x))


def _protocol(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    values = [
        metrics.psnr(_eight_bits(sr), hr, border=scale, luma=True).item() for sr, hr in zip(srs, hrs, strict=True)
    ]
    return sum(values) / len(values)


def _errors(
    srs: Sequence[Tensor],
    hrs: Sequence[Tensor],
    scale: int,
    *,
    stored: Luma = _eight_bits,
    y: Luma = color.luma,
    cut: Shave = _shave,
) -> list[Tensor]:
    """The squared errors of every picture, with one step of the protocol done in another way."""
    return [(cut(y(stored(sr)), scale) - cut(y(hr), scale)).double().square() for sr, hr in zip(srs, hrs, strict=True)]


def _decibels(errors: Sequence[Tensor]) -> float:
    return sum(-10 * math.log10(float(e.mean())) for e in errors) / len(errors)


def _pooled(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.sum()) for e in errors) / sum(e.numel() for e in errors))


def _mean_of_mse(errors: Sequence[Tensor]) -> float:
    return -10 * math.log10(sum(float(e.mean()) for e in errors) / len(errors))


def _wrong_figures(srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What the usual mistakes give for this set."""

    def of(**changed: Any) -> Callable[[], float]:
        return lambda: _decibels(_errors(srs, hrs, scale, **changed))

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
        "sr stayed on 0..255 after the rounding: divide by 255 again": of(stored=lambda x: 255 * _eight_bits(x)),
        "PSNR on all three colours: the papers measure luma": of(y=lambda x: x),
        "full-range luma (0.299, 0.587, 0.114): the papers use the studio range": of(
            y=lambda x: _mixed(x, [0.299, 0.587, 0.114])
        ),
        "the plain mean of the three colours was compared: the papers measure luma": of(
            y=lambda x: x.mean(1, keepdim=True)
        ),
        "Y was rounded: it stays as it comes out": of(y=lambda x: _eight_bits(color.luma(x))),
        "the border is still in: leave out `scale` pixels on every side": of(cut=lambda x, b: x),
        "a border of 4 at every scale: leave out `scale` pixels": of(cut=lambda x, b: _shave(x, 4)),
        "twice the border was left out: `scale` pixels on every side": of(cut=lambda x, b: _shave(x, 2 * b)),
        "the border is left out at the top and the left only: it goes on all four sides": of(
            cut=lambda x, b: x[..., b:, b:]
        ),
        "the border of sr and hr was painted black instead of left out": of(
            cut=lambda x, b: F.pad(_shave(x, b), (b,) * 4)
        ),
    }


def _set(case: Case, sizes: Sequence[tuple[int, int]], strength: Sequence[float]) -> tuple[list[Tensor], list[Tensor]]:
    """Pictures of 8 bits, and copies with some noise of another strength in each, a little beyond [0, 1]."""
    hrs = [_eight_bits(case.rand(1, 3, *size)) for size in sizes]
    srs = [hr + s * (case.rand(*hr.shape) - 0.5) for hr, s in zip(hrs, strength, strict=True)]
    return srs, hrs


def _tree_rings(picture: Tensor) -> None:
    """Makes each ring of pixels, from the outermost on, brighter or darker than the one inside it, in place."""
    for inset in range(6):
        _shave(picture, inset).add_(0.06 * (-1) ** inset)


def _too_green() -> tuple[Tensor, Tensor]:
    hr = torch.full((1, 3, 16, 20), 100 / 255)
    return hr + torch.tensor([0.0, 8 / 255, 0.0]).view(1, 3, 1, 1), hr


def _compare_figures(
    protocol: Protocol, case: Case, srs: list[Tensor], hrs: list[Tensor], scale: int, **how: Any
) -> None:
    what = how.pop("what", f"the mean of the PSNR of {len(srs)} picture(s) at scale {scale}")
    compare(
        case.call(protocol, srs, hrs, scale),
        _protocol(srs, hrs, scale),
        within=5e-4,
        what=what,
        unit="dB",
        mistakes=_wrong_figures(srs, hrs, scale),
        **how,
    )


def protocol_worked_example(protocol: Protocol, case: Case) -> None:
    """One picture that is 8/255 too green everywhere has 36.02 dB."""
    sr, hr = _too_green()
    _compare_figures(protocol, case, [sr], [hr], 4, public=True, what="20 log10(255 / (8 * 128.553/255))")


def protocol_mean_of_pictures(protocol: Protocol, case: Case) -> None:
    """Pictures of several sizes and difficulties: each has a PSNR, and their mean is the figure."""
    srs, hrs = _set(case, [(16, 22), (30, 17), (12, 13)], [0.4, 0.1, 0.02])
    _compare_figures(protocol, case, list(map(_eight_bits, srs)), hrs, 2)


def protocol_border(protocol: Protocol, case: Case) -> None:
    """The outermost `scale` pixels do not count, at every scale."""
    for scale in (1, 2, 3, 4):
        srs, hrs = _set(case, [(19, 23), (24, 18)], [0.1, 0.05])
        for sr in srs:
            _tree_rings(sr)
        _compare_figures(protocol, case, list(map(_eight_bits, srs)), hrs, scale)


def protocol_clips(protocol: Protocol, case: Case) -> None:
    """What lies outside [0, 1] is clipped, as a file would do it."""
    nearly_black_or_white = (8 * case.rand(1, 3, 14, 18) + 247 * case.rand(1, 3, 14, 18).round()) / 255
    hr = _eight_bits(nearly_black_or_white)
    sr = hr + 24 / 255 * (case.rand(*hr.shape) - 0.5)
    _compare_figures(protocol, case, [sr], [hr], 3)


def protocol_rounds(protocol: Protocol, case: Case) -> None:
    """sr is rounded to 8 bits, and a half goes up: 76.5 becomes 77."""
    step = torch.arange(0.0, 250.0)
    value = (step + 0.5) / 255
    half = (value * 255 == step + 0.5) & (value.double() * 255 >= step + 0.5)  # a half, whatever one counts in
    step, value = step[half], value[half]
    picked = torch.randint(len(step), (1, 3, 13, 17), generator=case.rng)
    _compare_figures(protocol, case, [value[picked]], [(step[picked] + 4) / 255], 2)


def protocol_of_luma(protocol: Protocol, case: Case) -> None:
    """Errors in colour that leave the brightness alone hardly count."""
    [hr] = _set(case, [(17, 14)], [0.0])[1]
    hr = _eight_bits(0.3 + 0.4 * hr)
    shift = 0.1 * (case.rand(1, 1, 17, 14) - 0.5)
    sr = hr + shift * torch.tensor([128.553, -65.481, 0.0]).view(1, 3, 1, 1) / 128.553
    _compare_figures(protocol, case, [sr + 0.01], [hr], 2)


# ---------------------------------------------------------------------------------------------------------------
# 02.6 repaired


def _repaired(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    return _protocol(srs, hrs, scale)


def _in_integers(dtype: torch.dtype) -> Callable[[list[Tensor], list[Tensor], int], float]:
    """Script c with a difference that is taken in these integers."""

    def figure(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
        pairs = [tuple(image.to_uint8(x).to(dtype) for x in pair) for pair in zip(srs, hrs, strict=True)]
        differences = [(sr - hr).double() / 255 for sr, hr in pairs]
        return _decibels([_shave(color.luma_difference(d), scale).square() for d in differences])

    return figure


def _left_in(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> Mistakes:
    """What a script says whose bug is still there, or was mended by halves."""
    of = _wrong_figures(srs, hrs, scale)

    def bytes_absolute() -> float:
        pairs = [[image.to_uint8(x) for x in pair] for pair in zip(srs, hrs, strict=True)]
        differences = [torch.minimum(sr - hr, hr - sr).double() / 255 for sr, hr in pairs]
        return _decibels([_shave(color.luma_difference(d), scale).square() for d in differences])

    return {
        f'script "{script}" leaves out the same border whatever the scale is: compare what it does at scale 2 and 4': (
            of["a border of 4 at every scale: leave out `scale` pixels"]
        ),
        f'script "{script}" throws the pixels of all pictures together before the logarithm: take a mean of dB': (
            lambda: _pooled(_errors(srs, hrs, scale))
        ),
        f'script "{script}" takes the mean of the MSEs and then one logarithm: each picture has its own PSNR first': (
            lambda: _mean_of_mse(_errors(srs, hrs, scale))
        ),
        f'script "{script}" subtracts bytes, which know no negative numbers: there 10 - 20 is 246': (
            lambda: _in_integers(torch.uint8)(srs, hrs, scale)
        ),
        f'script "{script}" subtracts in int8, which ends at 127: bright minus dark does not fit': (
            lambda: _in_integers(torch.int8)(srs, hrs, scale)
        ),
        f'script "{script}" makes the difference positive, but luma needs its sign: red up and green down cancel': (
            bytes_absolute
        ),
        **{f'script "{script}": {cause}': make for cause, make in of.items()},
    }


def _compare_scripts(
    repaired: Repaired, case: Case, scripts: str, srs: list[Tensor], hrs: list[Tensor], scale: int, **how: Any
) -> None:
    for script in scripts:
        compare(
            case.call(repaired, script, srs, hrs, scale),
            _protocol(srs, hrs, scale),
            within=5e-4,
            what=f'script "{script}" and the protocol agree on {len(srs)} picture(s) at scale {scale}',
            unit="dB",
            mistakes=_left_in(script, srs, hrs, scale),
            **how,
        )


def repaired_worked_example(repaired: Repaired, case: Case) -> None:
    """The three scripts say 36.02 dB of one picture that is 8/255 too green, at scale 4."""
    sr, hr = _too_green()
    _compare_scripts(repaired, case, "abc", [sr], [hr], 4, public=True)


def repaired_at_every_scale(repaired: Repaired, case: Case) -> None:
    """Script "a" agrees with the protocol at scales 2, 3 and 4."""
    for scale in (2, 3, 4):
        srs, hrs = _set(case, [(19, 23), (22, 18)], [0.1, 0.1])
        for sr in srs:
            _tree_rings(sr)
        _compare_scripts(repaired, case, "a", srs, hrs, scale)


def repaired_mean_of_pictures(repaired: Repaired, case: Case) -> None:
    """Script "b" agrees with the protocol on several pictures, easy and hard, small and large."""
    srs, hrs = _set(case, [(16, 22), (28, 31), (12, 13)], [0.4, 0.1, 0.02])
    _compare_scripts(repaired, case, "b", srs, hrs, 2)


def repaired_dark_and_bright(repaired: Repaired, case: Case) -> None:
    """Script "c" agrees with the protocol where sr is darker than hr, and where it is much brighter."""
    srs, hrs = _set(case, [(18, 15)], [0.1])
    _compare_scripts(repaired, case, "c", srs, hrs, 3)
    hrs = [_eight_bits(case.rand(1, 3, 15, 16).round())]
    _compare_scripts(repaired, case, "c", [1 - 0.9 * hrs[0]], hrs, 2)


def repaired_all_together(repaired: Repaired, case: Case) -> None:
    """All three scripts agree with the protocol on a set of four pictures, at any scale."""
    scale = case.integer(2, 4)
    sizes = [(case.integer(12, 25), case.integer(12, 25)) for _ in range(4)]
    srs, hrs = _set(case, sizes, [0.02, 0.4, 0.1, 1.5])
    _compare_scripts(repaired, case, "abc", srs, hrs, scale)


EXERCISES: dict[str, Exercise] = {
    "02.1": Exercise(
        reference=_psnr,
        checks=(psnr_worked_example, psnr_of_each, psnr_of_any_size, psnr_halved_error, psnr_identical),
    ),
    "02.2": Exercise(
        reference=_luma,
        checks=(luma_worked_example, luma_of_primaries, luma_of_greys, luma_as_scikit_image, luma_in_float64),
    ),
    "02.3": Exercise(
        reference=_shave,
        checks=(shave_worked_example, shave_nothing, shave_wide_and_high, shave_to_one_pixel),
    ),
    "02.4": Exercise(
        reference=_ssim,
        checks=(
            ssim_worked_example,
            ssim_identical,
            ssim_as_scikit_image,
            ssim_of_one_window,
            ssim_of_the_negative,
            ssim_both_ways,
        ),
    ),
    "02.5": Exercise(
        reference=_protocol,
        checks=(
            protocol_worked_example,
            protocol_mean_of_pictures,
            protocol_border,
            protocol_clips,
            protocol_rounds,
            protocol_of_luma,
        ),
    ),
    "02.6": Exercise(
        reference=_repaired,
        checks=(
            repaired_worked_example,
            repaired_at_every_scale,
            repaired_mean_of_pictures,
            repaired_dark_and_bright,
            repaired_all_together,
        ),
    ),
}
