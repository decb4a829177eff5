"""Where LR lies on HR: the shift between two pictures of one size, to a fraction of a pixel."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_SIGMA, _RADIUS = 1.0, 5  # of the Gaussian before comparing, in pixels: aliasing and noise are mostly beyond it
_ROUNDS = 8  # of Gauss and Newton; the third already changes less than 0.01 pixel
_FLAT = 1 / 255  # standard deviation below which a picture says nothing about its place


class Shift(NamedTuple):
    """How far the first picture's content lies below (dy) and right (dx) of the second's, in pixels.

    sigma: the standard error of either; correlation: of the two pictures, once one is moved onto the other.
    """

    dy: float
    dx: float
    sigma: float
    correlation: float

    @property
    def size(self) -> float:
        return math.hypot(self.dy, self.dx)


def shift(a: Tensor, b: Tensor) -> Shift | None:
    """The shift of picture a against b; None where they are too flat or too small, correlation 0 where none fits.

    a, b (h, w) floats in [0, 1]. Whole pixels (up to a quarter of a side) by phase correlation of the gradients; the
    rest by least squares over shift, gain and offset together, after a Gaussian of 1 pixel.
    Source: Lucas and Kanade 1981, iterated.
    """
    if min(a.shape) < 4 * _RADIUS or min(float(a.std()), float(b.std())) < _FLAT:
        return None
    candidates = {(0, 0), _whole(a, b)}
    found = [fit for dy, dx in candidates if (fit := _fraction(a, b, dy, dx))]
    return max(found, key=lambda fit: fit.correlation) if found else Shift(0.0, 0.0, math.inf, 0.0)


def _whole(a: Tensor, b: Tensor) -> tuple[int, int]:
    window = torch.outer(*(torch.hann_window(side, periodic=False) for side in a.shape))
    first, second = (torch.fft.fft2((x - x.mean()) * window) for x in (a, b))
    cross = first * second.conj()
    frequency = torch.outer(torch.fft.fftfreq(a.shape[0]).square().mul(-8).exp(),
                            torch.fft.fftfreq(a.shape[1]).square().mul(-8).exp())  # fmt: skip
    peaks = torch.fft.ifft2(cross / cross.abs().clamp(min=1e-12) * frequency).real
    rows, columns = (torch.fft.fftfreq(side, 1 / side) for side in a.shape)
    near = (rows.abs() <= a.shape[0] / 4)[:, None] & (columns.abs() <= a.shape[1] / 4)
    place = int(torch.where(near, peaks, -torch.inf).argmax())
    return int(rows[place // a.shape[1]]), int(columns[place % a.shape[1]])


def _fraction(a: Tensor, b: Tensor, dy: int, dx: int) -> Shift | None:
    """The shift near (dy, dx), which is then within a pixel."""
    h, w = a.shape
    a = a[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)]
    b = b[max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)]
    fixed = _smooth(a, 0.0, 0.0)[1:-1, 1:-1].flatten()
    fy = fx = 0.0
    for _ in range(_ROUNDS):
        moved = _smooth(b, fy, fx)
        inner = moved[1:-1, 1:-1]
        # content that lies further down is the picture further up
        down = (moved[:-2, 1:-1] - moved[2:, 1:-1]) / 2
        right = (moved[1:-1, :-2] - moved[1:-1, 2:]) / 2
        table = torch.stack([x.flatten() for x in (down, right, inner, torch.ones_like(inner))], 1).double()
        normal = table.T @ table + 1e-9 * torch.eye(4, dtype=torch.float64)
        gain = torch.linalg.solve(normal, table.T @ fixed.double())
        if gain[2] < 0.1:
            return None  # one is no brighter or darker copy of the other
        step = (gain[:2] / gain[2]).clamp(-0.5, 0.5)
        fy, fx = fy + float(step[0]), fx + float(step[1])
        if max(abs(fy), abs(fx)) > 1.5:
            return None
    rest = fixed.double() - table @ gain
    variance = float(rest.square().mean()) * torch.linalg.inv(normal).diagonal()[:2] / gain[2] ** 2
    # smoothing makes neighbours alike: the independent samples are fewer by the Gaussian's area
    sigma = math.sqrt(float(variance.max()) * 4 * math.pi * _SIGMA**2)
    correlation = float(torch.corrcoef(torch.stack([fixed, inner.flatten()]))[0, 1])
    return Shift(dy + fy, dx + fx, sigma, correlation)


def _smooth(x: Tensor, dy: float, dx: float) -> Tensor:
    """A Gaussian whose centre lies off the pixel, which blurs and moves at once: (h - 2 radius, w - 2 radius)."""
    place = torch.arange(-_RADIUS, _RADIUS + 1, dtype=x.dtype)
    down, right = (torch.exp(-((place + d) ** 2) / (2 * _SIGMA**2)) for d in (dy, dx))
    down, right = down / down.sum(), right / right.sum()
    return F.conv2d(F.conv2d(x[None, None], down[None, None, :, None]), right[None, None, None, :])[0, 0]
