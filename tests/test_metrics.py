"""PSNR, SSIM and sharpness against scikit-image, hand arithmetic and closed forms."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from srlib import color, metrics

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _noisy(picture: Tensor, rng: torch.Generator, sigma: float = 0.05) -> Tensor:
    return (picture + sigma * torch.randn(picture.shape, generator=rng)).clamp(0, 1)


def _reference(sr: Tensor, hr: Tensor, border: int, luma: bool) -> tuple[float, float]:
    """scikit-image on one pair, in float64 on 0..255."""
    x, y = sr.double(), hr.double()
    if luma:
        x, y = color.luma(x), color.luma(y)
    inside = (0, slice(None), slice(border, sr.shape[2] - border), slice(border, sr.shape[3] - border))
    x, y = (255 * t[inside].permute(1, 2, 0).numpy() for t in (x, y))
    ssims = []
    for channel in range(x.shape[2]):
        _, full = structural_similarity(
            y[..., channel], x[..., channel], data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        ssims.append(full[5:-5, 5:-5].mean())
    return peak_signal_noise_ratio(y, x, data_range=255), sum(ssims) / len(ssims)


@pytest.mark.parametrize(("border", "luma"), [(0, False), (4, True), (3, False)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_scikit_image(coffee: Tensor, rng: torch.Generator, border: int, luma: bool, dtype: torch.dtype) -> None:
    flat_and_bright = 0.9 + 0.02 * torch.rand(1, 3, 60, 80, generator=rng)
    for hr, sigma in ((coffee, 0.05), (torch.rand(1, 3, 33, 47, generator=rng), 0.2), (flat_and_bright, 0.01)):
        sr = _noisy(hr, rng, sigma)
        psnr, ssim = _reference(sr, hr, border, luma)
        tolerance = 1e-6 if dtype == torch.float32 else 1e-10
        assert float(metrics.psnr(sr.to(dtype), hr.to(dtype), border=border, luma=luma)) == pytest.approx(
            psnr, abs=1e-6
        )
        assert float(metrics.ssim(sr.to(dtype), hr.to(dtype), border=border, luma=luma)) == pytest.approx(
            ssim, abs=tolerance
        )


def test_batch_is_per_picture(coffee: Tensor, rng: torch.Generator) -> None:
    hr = coffee[..., :64, :64].repeat(3, 1, 1, 1)
    sr = torch.stack([_noisy(hr[0], rng, s) for s in (0.01, 0.05, 0.2)])
    for metric in (metrics.psnr, metrics.ssim):
        together = metric(sr, hr, border=2, luma=True)
        one_by_one = [float(metric(sr[i : i + 1], hr[:1], border=2, luma=True)) for i in range(3)]
        assert together.shape == (3,)
        assert together.dtype == torch.float64
        assert together.tolist() == pytest.approx(one_by_one, abs=1e-7)
        assert one_by_one == sorted(one_by_one, reverse=True)


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_after_use_without_them_on_every_device(rng: torch.Generator, device: str) -> None:
    hr = torch.rand(1, 3, 31, 37, generator=rng).to(device)
    sr = (hr + 0.1).clamp(0, 1)
    with torch.inference_mode():
        before = [metric(sr, hr, border=1, luma=True) for metric in (metrics.psnr, metrics.ssim)]
    sr.requires_grad_()
    for metric, value in zip((metrics.psnr, metrics.ssim), before, strict=True):
        again = metric(sr, hr, border=1, luma=True)
        assert torch.equal(again, value)
        [gradient] = torch.autograd.grad(again.sum(), sr)
        assert float(gradient.abs().sum()) > 0
        assert float(gradient[..., 0, :].abs().sum()) == 0  # the border


def test_identical_pictures(coffee: Tensor) -> None:
    assert metrics.psnr(coffee, coffee, border=4, luma=True).tolist() == [math.inf]
    assert metrics.ssim(coffee, coffee, border=4, luma=True).tolist() == [1.0]


def test_psnr_by_hand() -> None:
    hr = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    sr = torch.tensor([[0.1, 0.0], [0.0, 0.3]], dtype=torch.float64).view(1, 1, 2, 2)
    assert float(metrics.psnr(sr, hr, border=0, luma=False)) == pytest.approx(-10 * math.log10(0.1 / 4))


def test_psnr_of_luma_by_hand() -> None:
    # A grey step of 0.1 is one of 0.1 * 219 / 255 on Y: studio range costs exactly -20 log10(255 / 219) dB.
    hr, sr = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)
    both = [float(metrics.psnr(sr, hr, border=0, luma=luma)) for luma in (True, False)]
    assert both == pytest.approx([20 - 20 * math.log10(219 / 255), 20], abs=1e-6)


def test_ssim_of_flat_pictures_in_closed_form() -> None:
    a, b = 0.25, 0.75
    x, y = (torch.full((1, 1, 16, 16), v, dtype=torch.float64) for v in (a, b))
    c1 = 0.01**2
    assert float(metrics.ssim(x, y, border=0, luma=False)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1))


def test_border_is_left_out_on_every_side(rng: torch.Generator) -> None:
    hr = torch.rand(1, 3, 40, 50, generator=rng)
    sr = hr.clone()
    sr[..., :3, :] = sr[..., -3:, :] = 0
    sr[..., :, :3] = sr[..., :, -3:] = 0
    assert float(metrics.psnr(sr, hr, border=3, luma=False)) == math.inf
    assert float(metrics.psnr(sr, hr, border=2, luma=False)) < 40
    assert float(metrics.ssim(sr, hr, border=3, luma=True)) == 1
    assert float(metrics.ssim(sr, hr, border=2, luma=True)) < 0.9999


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sharpness_in_closed_form(dtype: torch.dtype) -> None:
    y, x = torch.meshgrid(torch.arange(20, dtype=dtype), torch.arange(31, dtype=dtype), indexing="ij")
    ramp = ((3 * x + 4 * y) / 200).expand(1, 3, -1, -1)
    step = (0.6 * (x >= 11).to(dtype)).expand(1, 3, -1, -1)
    grey = 219 / 255  # what a grey step of 1 is on Y
    for luma, unit in ((False, 1), (True, grey)):
        for border in (0, 4):
            told = metrics.sharpness(torch.cat([ramp, step]), border=border, luma=luma)
            # A step is one of the columns that have a right neighbour inside.
            expected = [unit * 5 / 200, unit * 0.6 / (31 - 2 * border - 1)]
            assert told.tolist() == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 1e-10)
            assert told.dtype == torch.float64
    assert float(metrics.sharpness(ramp.rot90(1, (2, 3)), border=1, luma=False)) == pytest.approx(5 / 200, rel=1e-5)
    one = torch.cat([ramp[:, :1], torch.zeros(1, 2, 20, 31, dtype=dtype)], 1)
    assert float(metrics.sharpness(one, border=0, luma=False)) == pytest.approx(5 / 200 / 3, rel=1e-5)


def test_sharpness_knows_blur_and_noise_and_no_direction(coffee: Tensor, rng: torch.Generator) -> None:
    told = float(metrics.sharpness(coffee, border=2, luma=True))
    assert float(metrics.sharpness(coffee.mT, border=2, luma=True)) == pytest.approx(told, rel=1e-7)
    blurred = torch.nn.functional.avg_pool2d(coffee, 3, 1, 1)
    for picture, low, high in ((blurred, 0.2, 0.9), (_noisy(coffee, rng), 1.2, 9)):
        assert low < float(metrics.sharpness(picture, border=2, luma=True)) / told < high


def test_sharpness_has_a_gradient_in_flat_places() -> None:
    picture = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    picture[..., 2, 2] = 1
    [gradient] = torch.autograd.grad(metrics.sharpness(picture.requires_grad_(), border=0, luma=False), picture)
    # Of 16 magnitudes, three read the peak: 1 from the left, 1 from above, sqrt(2) at itself.
    assert float(gradient[0, 0, 2, 2]) == pytest.approx((2 + math.sqrt(2)) / 16)
    assert float(gradient[0, 0, 0, 0]) == 0


@pytest.mark.parametrize(
    ("pictures", "border", "luma", "message"),
    [
        (torch.zeros(3, 32, 32), 0, False, "must be"),
        (torch.zeros(1, 3, 32, 32).byte(), 0, False, "to_float"),
        (torch.zeros(1, 1, 32, 32), 0, True, "luma=False"),
        (torch.zeros(1, 3, 32, 32), 16, True, "less than 2 x 2"),
        (torch.zeros(1, 3, 32, 32), -1, True, "border -1"),
    ],
)  # fmt: skip
def test_bad_input_of_sharpness_is_named(pictures: Tensor, border: int, luma: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.sharpness(pictures, border=border, luma=luma)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
@pytest.mark.parametrize(
    ("sr", "hr", "border", "luma", "message"),
    [
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 33), 0, False, "same size"),
        (torch.zeros(3, 32, 32), torch.zeros(3, 32, 32), 0, False, "must be"),
        (torch.zeros(1, 3, 32, 32).byte(), torch.zeros(1, 3, 32, 32).byte(), 0, False, "wrap around"),
        (torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32), 0, True, "luma=False"),
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32), 16, True, "border 16"),
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32), -1, True, "border -1"),
    ],
)  # fmt: skip
def test_bad_input_is_named(metric, sr: Tensor, hr: Tensor, border: int, luma: bool, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        metric(sr, hr, border=border, luma=luma)
