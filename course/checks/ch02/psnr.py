"""02.1 psnr: what a right answer must satisfy."""

import math
from collections.abc import Callable

import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch02 import psnr_mistakes
from srlib import metrics

Psnr = Callable[[Tensor, Tensor], Tensor]


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
        mistakes=psnr_mistakes.psnrs(sr, hr),
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
        mistakes=psnr_mistakes.psnrs(sr, hr),
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
            mistakes=psnr_mistakes.psnrs(sr, hr),
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


EXERCISE = Exercise(
    reference=_psnr,
    checks=(psnr_worked_example, psnr_of_each, psnr_of_any_size, psnr_halved_error, psnr_identical),
)
