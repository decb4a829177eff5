"""Kernels, filtering, sharpening and noise: formulas of their own, SciPy's laws, and values that BasicSR 1.4.2 gave."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from srlib.degradations import kernels, noise
from srlib.degradations.blur import blur, sharpen

SIGMA = torch.tensor([[1.7, 0.6]], dtype=torch.float64)
# The third row's first four weights, by basicsr.data.degradations with size 7, sigma 1.7 and 0.6, rotation 0.7.
BASICSR = {
    "iso": (0.004944028, 0.021703431, 0.052722607, 0.070873906),  # sigma 1.3
    "aniso": (0.005318806, 0.047520512, 0.109490098, 0.065057201),
    "generalized": (0.012225458, 0.045071088, 0.083662891, 0.056004439),  # beta 0.8
    "plateau": (0.008140855, 0.036050338, 0.113703065, 0.052160128),  # beta 1.6
    "sinc": (-0.034693983, -0.027662285, 0.125675057, 0.231822887),  # cutoff 1.9
    "sinc of 21": (0.002131955, -0.00026327, -0.002860122, -0.00408016),  # cutoff 1.1
}


def _made(name: str) -> Tensor:
    if name.startswith("sinc"):
        small = name == "sinc"
        return kernels.sinc(7 if small else 21, torch.tensor([1.9 if small else 1.1], dtype=torch.float64))
    if name == "iso":
        return kernels.gaussian(7, torch.full((1, 2), 1.3, dtype=torch.float64))
    shape = kernels.plateau if name == "plateau" else kernels.gaussian
    return shape(7, SIGMA, rotation=0.7, beta={"aniso": 1.0, "generalized": 0.8, "plateau": 1.6}[name])


@pytest.mark.parametrize("name", BASICSR)
def test_kernels_are_basicsrs(name: str) -> None:
    made = _made(name)[0]
    assert made[2, :4].numpy() == pytest.approx(BASICSR[name], abs=1e-7)
    assert float(made.sum()) == pytest.approx(1, abs=1e-12)


def test_a_batch_has_each_kernel_of_its_own_parameters(rng: torch.Generator) -> None:
    sigma = 0.3 + 3 * torch.rand(6, 2, generator=rng, dtype=torch.float64)
    rotation = 6 * torch.rand(6, generator=rng, dtype=torch.float64) - 3
    beta = 0.5 + 3 * torch.rand(6, generator=rng, dtype=torch.float64)
    for shape, profile in ((kernels.gaussian, lambda q: np.exp(-q / 2)), (kernels.plateau, lambda q: 1 / (1 + q))):
        made = shape(15, sigma, rotation=rotation, beta=beta)
        for k in range(6):
            turn = np.array(
                [[math.cos(rotation[k]), -math.sin(rotation[k])], [math.sin(rotation[k]), math.cos(rotation[k])]]
            )
            inverse = np.linalg.inv(turn @ np.diag(sigma[k].numpy() ** 2) @ turn.T)
            y, x = np.mgrid[-7:8, -7:8].astype(float)
            places = np.stack([x, y], -1)
            wanted = profile(np.einsum("hwi,ij,hwj->hw", places, inverse, places) ** float(beta[k]))
            assert np.abs(made[k].numpy() - wanted / wanted.sum()).max() < 1e-12


def test_a_sinc_passes_slow_waves_and_stops_fast_ones() -> None:
    cutoff = torch.tensor([math.pi / 3, math.pi / 2])
    [slow, fast] = torch.fft.fft(kernels.sinc(101, cutoff).sum(1), n=600).abs()  # along x; 600 is 2 pi
    for response, edge in ((slow, 100), (fast, 150)):
        assert (response[: edge - 15] - 1).abs().max() < 0.1
        assert response[edge + 15 : 300].max() < 0.1
    assert kernels.sinc(21, cutoff).min() < -0.003  # negative lobes: it rings


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: kernels.gaussian(8, SIGMA), "size is 8.*odd"),
        (lambda: kernels.gaussian(7, SIGMA[0]), r"shape \(2,\): give \(B, 2\)"),
        (lambda: kernels.gaussian(7, 0 * SIGMA), "must be above 0"),
        (lambda: kernels.plateau(7, SIGMA, beta=0.0), "must be above 0"),
        (lambda: kernels.sinc(7, torch.tensor([3.5])), "cutoff is .3.5.*at most pi"),
        (lambda: blur(torch.rand(2, 3, 9, 9), torch.ones(1, 3, 3)), r"kernels are \(1, 3, 3\): give \(2, k, k\)"),
        (lambda: blur(torch.rand(1, 3, 9, 9), torch.ones(1, 4, 4)), "k odd"),
    ],
)
def test_bad_kernels_are_told(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


@pytest.mark.parametrize(("height", "width", "size"), [(40, 53, 21), (30, 20, 7), (11, 64, 21)])
def test_blur_is_a_convolution_with_mirrored_borders(height: int, width: int, size: int, rng: torch.Generator) -> None:
    pictures = torch.rand(3, 2, height, width, generator=rng)
    weights = torch.rand(3, size, size, generator=rng)
    weights /= weights.sum((1, 2), keepdim=True)
    spread = F.pad(pictures, [size // 2] * 4, mode="reflect").double()
    wanted = torch.stack(
        [F.conv2d(p[:, None], w[None, None].double())[:, 0] for p, w in zip(spread, weights, strict=True)]
    )
    assert (blur(pictures, weights) - wanted).abs().max() < 2e-6


def test_a_picture_smaller_than_the_kernel_is_mirrored_again_and_again() -> None:
    row = torch.tensor([1.0, 0.0, 0.0])  # mirrored: ... 0 1 0 0 0 1 0 0 0 1 ... with period 4
    comb = torch.zeros(1, 9, 9)
    comb[0, 4, [0, 4, 8]] = torch.tensor([0.5, 0.3, 0.2])
    assert blur(row.view(1, 1, 1, 3), comb)[0, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    one = torch.rand(1, 3, 1, 1)
    assert torch.allclose(blur(one, kernels.gaussian(21, 3 * torch.ones(1, 2))), one, atol=1e-6)
    assert torch.allclose(sharpen(one), one, atol=1e-6)


def test_sharpening_is_the_authors(coffee: Tensor) -> None:
    # basicsr.utils.img_process_util.USMSharp on the same 200 x 210 pixels.
    made = sharpen(coffee[..., :200, :210])
    assert made[0, :, 100, 100].tolist() == pytest.approx([0.5199425, 0.1605901, 0.0527132], abs=2e-5)
    assert float(made.double().mean()) == pytest.approx(0.34760720523886796, abs=1e-6)
    assert float(made.double().std()) == pytest.approx(0.29324756592792633, abs=1e-6)


def test_sharpening_raises_edges_and_leaves_faint_noise() -> None:
    step = torch.zeros(1, 3, 60, 120)
    step[..., 60:] = 0.5
    step += 0.25
    made = sharpen(step)
    assert made[..., 60].min() > 0.84 and made[..., 59].max() < 0.16
    assert (made[..., :20] - 0.25).abs().max() < 5e-3  # far from the edge
    faint = 0.5 + 0.03 * (torch.rand(1, 3, 60, 60) - 0.5)  # always within 10/255 of its own blur
    assert torch.allclose(sharpen(faint), faint, atol=1e-6)


def test_gaussian_noise_has_its_strength_and_colour(rng: torch.Generator) -> None:
    pictures = torch.full((2, 3, 200, 200), 0.5)
    made = noise.add_gaussian(pictures, torch.tensor([10.0, 25.0]), grey=torch.tensor([False, True]), rng=rng) - 0.5
    assert (made.std((1, 2, 3)) * 255).tolist() == pytest.approx([10, 25], rel=0.02)
    assert made.mean((1, 2, 3)).abs().max() < 5e-4
    assert torch.equal(made[1, 0], made[1, 2])  # grey
    assert abs(float(torch.corrcoef(made[0].flatten(1))[0, 1])) < 0.02


def test_gaussian_noise_of_a_gpus_pictures_takes_numbers_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "_check", lambda *_: None)  # it reads values, which such tensors do not have
    with FakeTensorMode(allow_non_fake_inputs=True):  # knows devices that are not here, and does not mix them either
        pictures = torch.empty(1, 3, 8, 8, device="cuda")
        made = noise.add_gaussian(pictures, torch.ones(1), grey=torch.tensor([True]), rng=torch.Generator())
    assert made.device.type == "cuda"


@pytest.mark.parametrize("photons", [2, 32, 256])
def test_counts_follow_poissons_law(photons: int, rng: torch.Generator) -> None:
    for level in (1, 60, 255):
        mean = level * photons / 255
        made = noise.counts(torch.full((400, 500), level, dtype=torch.uint8), photons, rng).flatten()
        edges = np.unique(scipy.stats.poisson.ppf(np.linspace(0.02, 0.98, 9), mean))
        seen = np.histogram(made.numpy(), [-0.5, *(edges + 0.5), 1e9])[0]
        wanted = np.diff([0.0, *scipy.stats.poisson.cdf(edges, mean), 1.0]) * made.numel()
        assert scipy.stats.chisquare(seen, wanted).pvalue > 1e-4
    assert noise.counts(torch.zeros(9, dtype=torch.uint8), photons, rng).tolist() == [0] * 9


def test_poisson_noise_counts_as_many_photons_as_there_are_levels(rng: torch.Generator) -> None:
    # Levels 100 and 200 in all channels: 2 photons for white, so the variance at level l is l / 255 / 2, times scale².
    picture = torch.full((1, 3, 400, 400), 100 / 255)
    picture[..., 200:] = 200 / 255
    scale = 0.05  # small enough that nothing is clipped
    made = noise.add_poisson(picture, torch.tensor([scale]), grey=torch.tensor([False]), rng=rng) - picture
    for half, level in ((made[..., :200], 100), (made[..., 200:], 200)):
        assert float(half.var()) == pytest.approx(scale**2 * level / 255 / 2, rel=0.03)
        assert abs(float(half.mean())) < 3e-4
    grey = noise.add_poisson(picture, torch.tensor([scale]), grey=torch.tensor([True]), rng=rng) - picture
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-6)


def test_bad_noise_is_told(rng: torch.Generator) -> None:
    pictures, grey = torch.rand(2, 3, 4, 4), torch.tensor([True, False])
    with pytest.raises(ValueError, match=r"sigma is \(1,\).*one of each to a picture"):
        noise.add_gaussian(pictures, torch.ones(1), grey=grey, rng=rng)
    with pytest.raises(ValueError, match=r"scale is .-1.0, 1.0.*at least 0"):
        noise.add_poisson(pictures, torch.tensor([-1.0, 1.0]), grey=grey, rng=rng)
