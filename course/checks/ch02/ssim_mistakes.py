"""What the usual mistakes in 02.4 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course.checking import Mistakes


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
