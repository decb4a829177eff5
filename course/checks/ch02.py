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
from course.checks import mistakes02 as wrong
from course.checks.mistakes02 import Luma, Shave, bell, eight_bits, without_border
from srlib import color, metrics

Psnr = Callable[[Tensor, Tensor], Tensor]
Ssim = Callable[[Tensor, Tensor], Tensor]
Protocol = Callable[[list[Tensor], list[Tensor], int], float]
Repaired = Callable[[str, list[Tensor], list[Tensor], int], float]


# ---------------------------------------------------------------------------------------------------------------
# 02.1 psnr


def _psnr(sr: Tensor, hr: Tensor) -> Tensor:
    return metrics.psnr(sr, hr, border=0, luma=False)


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
        mistakes=wrong.psnrs(sr, hr),
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
        mistakes=wrong.psnrs(sr, hr),
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
            mistakes=wrong.psnrs(sr, hr),
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


def luma_worked_example(luma: Luma, case: Case) -> None:
    """White is 235/255, black is 16/255, pure red (16 + 65.481)/255 and pure blue (16 + 24.966)/255."""
    rgb = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).T[None, :, None]
    compare(
        case.call(luma, rgb),
        torch.tensor([235.0, 16.0, 81.481, 40.966]).view(1, 1, 1, 4) / 255,
        within=1e-5,
        what="a row of four pixels: white, black, red, blue",
        public=True,
        mistakes=wrong.lumas(rgb),
    )


def luma_of_primaries(luma: Luma, case: Case) -> None:
    """Red, green and blue weigh 65.481, 128.553 and 24.966, in this order."""
    rgb = torch.eye(3).view(1, 3, 3, 1) * (0.2 + 0.8 * case.rand(1, 1, 1, 5))
    compare(
        case.call(luma, rgb),
        color.luma(rgb),
        within=1e-5,
        what="three rows, in red, green and blue",
        mistakes=wrong.lumas(rgb),
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
        mistakes=wrong.lumas(rgb),
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
        mistakes=wrong.lumas(rgb),
        pictures=True,
    )


def luma_in_float64(luma: Luma, case: Case) -> None:
    """A float64 picture works like a float32 one, down to a single pixel."""
    rgb = case.rand(1, 3, 1, 1).double()
    compare(case.call(luma, rgb), color.luma(rgb), within=1e-5, what="one number", mistakes=wrong.lumas(rgb))


# ---------------------------------------------------------------------------------------------------------------
# 02.3 shave


def shave_worked_example(shave: Shave, case: Case) -> None:
    """The 4 x 4 picture 0 .. 15 without a border of 1 is [[5, 6], [9, 10]]."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    compare(
        case.call(shave, x, 1),
        torch.tensor([[[[5.0, 6.0], [9.0, 10.0]]]]),
        within=0,
        what="the four numbers in the middle",
        public=True,
        mistakes=wrong.shaves(x, 1),
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
    compare(got, x, within=0, what="the picture as it was, (2, 3, 4, 6)", mistakes=wrong.shaves(x, 0))


def shave_wide_and_high(shave: Shave, case: Case) -> None:
    """Wide pictures and high ones, batches and channels stay in order."""
    for shape in ((2, 3, 9, 15), (3, 1, 16, 11), (1, 4, case.integer(9, 12), case.integer(13, 20))):
        x, border = case.rand(*shape), case.integer(2, 4)
        compare(
            case.call(shave, x, border),
            without_border(x, border),
            within=0,
            what=f"the inside of {shape} without a border of {border}",
            mistakes=wrong.shaves(x, border),
        )


def shave_to_one_pixel(shave: Shave, case: Case) -> None:
    """A border that leaves one row or one pixel is allowed, in float64 as in float32."""
    for shape, border in (((1, 3, 7, 7), 3), ((2, 1, 5, 12), 2), ((1, 1, 3, 3), 1)):
        x = case.rand(*shape).double()
        compare(
            case.call(shave, x, border),
            without_border(x, border),
            within=0,
            what=f"what is left of {shape} without a border of {border}",
            mistakes=wrong.shaves(x, border),
        )


# ---------------------------------------------------------------------------------------------------------------
# 02.4 ssim


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    return metrics.ssim(x, y, border=0, luma=False)


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
        mistakes=wrong.ssims(x, y),
    )


def ssim_of_one_window(ssim: Ssim, case: Case) -> None:
    """In pictures of 11 x 11 pixels there is one single window."""
    y = case.rand(2, 1, 11, 11)
    x = _like(y, case)
    weight = bell() / bell().sum()
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
        mistakes=wrong.ssims(x, y),
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
        mistakes=wrong.ssims(x, y),
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
        mistakes=wrong.ssims(x, x),
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
        mistakes=wrong.ssims(x, y),
    )


def ssim_both_ways(ssim: Ssim, case: Case) -> None:
    """SSIM of (x, y) is SSIM of (y, x), and float64 pictures work like float32 ones."""
    y = case.rand(2, 1, 12, 19).double()
    x = _like(y, case)
    one, other = case.call(ssim, x, y), case.call(ssim, y, x)
    for got, mistakes in ((one, wrong.ssims(x, y)), (other, wrong.ssims(y, x))):
        compare(got, _ssim(x, y), within=1e-4, what="the same two numbers both times", mistakes=mistakes)


# ---------------------------------------------------------------------------------------------------------------
# 02.5 protocol


def _protocol(srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    values = [metrics.psnr(eight_bits(sr), hr, border=scale, luma=True).item() for sr, hr in zip(srs, hrs, strict=True)]
    return sum(values) / len(values)


def _set(case: Case, sizes: Sequence[tuple[int, int]], strength: Sequence[float]) -> tuple[list[Tensor], list[Tensor]]:
    """Pictures of 8 bits, and copies with some noise of another strength in each, a little beyond [0, 1]."""
    hrs = [eight_bits(case.rand(1, 3, *size)) for size in sizes]
    srs = [hr + s * (case.rand(*hr.shape) - 0.5) for hr, s in zip(hrs, strength, strict=True)]
    return srs, hrs


def _tree_rings(picture: Tensor) -> None:
    """Makes each ring of pixels, from the outermost on, brighter or darker than the one inside it, in place."""
    for inset in range(6):
        without_border(picture, inset).add_(0.06 * (-1) ** inset)


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
        mistakes=wrong.figures(srs, hrs, scale),
        **how,
    )


def protocol_worked_example(protocol: Protocol, case: Case) -> None:
    """One picture that is 8/255 too green everywhere has 36.02 dB."""
    sr, hr = _too_green()
    _compare_figures(protocol, case, [sr], [hr], 4, public=True, what="20 log10(255 / (8 * 128.553/255))")


def protocol_mean_of_pictures(protocol: Protocol, case: Case) -> None:
    """Pictures of several sizes and difficulties: each has a PSNR, and their mean is the figure."""
    srs, hrs = _set(case, [(16, 22), (30, 17), (12, 13)], [0.4, 0.1, 0.02])
    _compare_figures(protocol, case, list(map(eight_bits, srs)), hrs, 2)


def protocol_border(protocol: Protocol, case: Case) -> None:
    """The outermost `scale` pixels do not count, at every scale."""
    for scale in (1, 2, 3, 4):
        srs, hrs = _set(case, [(19, 23), (24, 18)], [0.1, 0.05])
        for sr in srs:
            _tree_rings(sr)
        _compare_figures(protocol, case, list(map(eight_bits, srs)), hrs, scale)


def protocol_clips(protocol: Protocol, case: Case) -> None:
    """What lies outside [0, 1] is clipped, as a file would do it."""
    nearly_black_or_white = (8 * case.rand(1, 3, 14, 18) + 247 * case.rand(1, 3, 14, 18).round()) / 255
    hr = eight_bits(nearly_black_or_white)
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
    hr = eight_bits(0.3 + 0.4 * hr)
    shift = 0.1 * (case.rand(1, 1, 17, 14) - 0.5)
    sr = hr + shift * torch.tensor([128.553, -65.481, 0.0]).view(1, 3, 1, 1) / 128.553
    _compare_figures(protocol, case, [sr + 0.01], [hr], 2)


# ---------------------------------------------------------------------------------------------------------------
# 02.6 repaired


def _repaired(script: str, srs: list[Tensor], hrs: list[Tensor], scale: int) -> float:
    return _protocol(srs, hrs, scale)


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
            mistakes=wrong.scripts(script, srs, hrs, scale),
            **how,
        )


def repaired_worked_example(repaired: Repaired, case: Case) -> None:
    """The three scripts say 36.02 dB of one picture that is 8/255 too green, at scale 4."""
    sr, hr = _too_green()
    _compare_scripts(repaired, case, "abc", [sr], [hr], 4, public=True)


def repaired_at_every_scale(repaired: Repaired, case: Case) -> None:
    """Script "a" agrees with the protocol at scales 2, 3 and 4."""
    for scale in (3, 2, 4):
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
    hrs = [eight_bits(case.rand(1, 3, 15, 16).round())]
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
        reference=without_border,
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
