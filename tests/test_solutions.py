"""Every solution equals the library, and an outside oracle: MATLAB's figures, scikit-image, torch, NumPy, SciPy."""

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage import color, metrics, util
from torch import Tensor, nn

from answers import ROOT
from course import workbook
from course.checks.ch01 import MATLAB_4_TO_3, MATLAB_8_TO_2
from course.manifest import find
from srlib import image, recipes, training
from srlib import metrics as own_metrics
from srlib import resize as own_resize
from srlib.color import luma, rgb_to_ycbcr
from srlib.models import SRCNN


def _solved(number: str) -> ModuleType:
    return workbook.load(workbook.read(Path(ROOT) / "solutions" / str(find(number).file)))


resampling, measuring, srcnn = (_solved(number) for number in ("01", "02", "03"))


def _pair(rng: torch.Generator, height: int = 40, width: int = 33) -> tuple[Tensor, Tensor]:
    hr = image.to_float(image.to_uint8(torch.rand(1, 3, height, width, generator=rng)))
    return (hr + 0.1 * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


def test_01_1_cubic() -> None:
    x = torch.linspace(-3, 3, 121, dtype=torch.float64)
    assert torch.equal(resampling.cubic(x), own_resize.cubic(x))
    # torch's antialiased bicubic, enlarging one bright pixel by 8, draws the same kernel.
    impulse = torch.zeros(1, 1, 1, 9, dtype=torch.float64)
    impulse[..., 4] = 1
    drawn = F.interpolate(impulse, scale_factor=(1, 8), mode="bicubic", antialias=True, align_corners=False)[0, 0, 0]
    place = (torch.arange(72, dtype=torch.float64) + 0.5) / 8 - 0.5 - 4
    assert torch.allclose(resampling.cubic(place)[16:-16], drawn[16:-16], atol=1e-6)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 0.7, 2, 3])
def test_01_2_to_01_5_resizing(scale: float, antialias: bool, rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 24, 31, dtype=torch.float64, generator=rng)
    mine = resampling.resize(x, scale, antialias)
    assert torch.allclose(mine, own_resize.imresize(x, scale=scale, antialias=antialias), atol=1e-12)
    if antialias and scale * 24 == round(scale * 24):  # torch agrees where no border is in reach
        size = mine.shape[-2:]
        theirs = F.interpolate(x[..., :24, :24], scale_factor=scale, mode="bicubic", antialias=True)
        inside = (..., slice(size[0] // 3, size[0] // 2), slice(size[0] // 3, size[0] // 2))
        assert torch.allclose(mine[inside], theirs[inside], atol=1e-12)


def test_01_3_mirror() -> None:
    for inputs in (1, 2, 5):
        position = torch.arange(-12, inputs + 12)
        assert resampling.mirror(position, inputs).tolist() == np.pad(np.arange(inputs), 12, mode="symmetric").tolist()


def test_01_4_and_01_5_are_matlabs() -> None:
    rows = torch.arange(64, dtype=torch.float64).view(8, 8)
    matrix = resampling.matrix(8, 2, 0.25, True).double()
    assert torch.allclose(matrix @ rows @ matrix.T, torch.tensor(MATLAB_8_TO_2, dtype=torch.float64), atol=1e-9)
    small = resampling.resize(torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4), 0.75)
    assert torch.allclose(small[0, 0], torch.tensor(MATLAB_4_TO_3, dtype=torch.float64), atol=1e-9)


def test_01_6_spot(coffee: Tensor) -> None:
    hr = coffee[..., :240, :240]
    lr = {str(on): own_resize.imresize(hr, scale=1 / 3, antialias=on) for on in (True, False)}
    lr["torch"] = F.interpolate(hr, scale_factor=1 / 3, mode="bicubic", antialias=True)
    assert resampling.spot(hr, lr) == "False"


def test_02_1_psnr(rng: torch.Generator) -> None:
    sr, hr = _pair(rng)
    expected = metrics.peak_signal_noise_ratio(hr.numpy(), sr.numpy(), data_range=1)
    assert measuring.psnr(sr, hr).item() == pytest.approx(expected, abs=1e-4)
    assert measuring.psnr(sr, hr).item() == pytest.approx(
        own_metrics.psnr(sr, hr, border=0, luma=False).item(), abs=1e-4
    )


def test_02_2_luma(rng: torch.Generator) -> None:
    _, hr = _pair(rng)
    expected = color.rgb2ycbcr(hr[0].permute(1, 2, 0).double().numpy())[..., 0] / 255
    assert np.allclose(measuring.luma(hr)[0, 0].numpy(), expected, atol=1e-6)
    assert torch.allclose(measuring.luma(hr), luma(hr), atol=1e-6)


def test_02_3_shave(rng: torch.Generator) -> None:
    _, hr = _pair(rng)
    for border in (0, 1, 4):
        expected = util.crop(hr.numpy(), ((0, 0), (0, 0), (border, border), (border, border)))
        assert np.array_equal(measuring.shave(hr, border).numpy(), expected)


def test_02_4_ssim(rng: torch.Generator) -> None:
    sr, hr = (luma(x.double()) for x in _pair(rng))
    _, every = metrics.structural_similarity(
        hr[0, 0].numpy(),
        sr[0, 0].numpy(),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert measuring.ssim(sr, hr).item() == pytest.approx(every[5:-5, 5:-5].mean(), abs=1e-6)
    assert measuring.ssim(sr, hr).item() == pytest.approx(
        own_metrics.ssim(sr, hr, border=0, luma=False).item(), abs=1e-6
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_02_5_and_02_6_protocol(scale: int, rng: torch.Generator) -> None:
    pairs = [_pair(rng), _pair(rng, 25, 60)]
    srs, hrs = [sr for sr, _ in pairs], [hr for _, hr in pairs]
    theirs, ours = [], []
    for sr, hr in pairs:
        bytes_of = [np.floor(255 * x[0].permute(1, 2, 0).numpy() + 0.5).astype(np.uint8) for x in (sr, hr)]
        y = [color.rgb2ycbcr(x)[scale:-scale, scale:-scale, 0] for x in bytes_of]
        theirs.append(metrics.peak_signal_noise_ratio(y[1], y[0], data_range=255))
        ours.append(own_metrics.psnr(image.to_float(image.to_uint8(sr)), hr, border=scale, luma=True).item())
    assert measuring.protocol(srs, hrs, scale) == pytest.approx(np.mean(theirs), abs=1e-4)
    assert measuring.protocol(srs, hrs, scale) == pytest.approx(np.mean(ours), abs=1e-4)
    for script in "abc":
        assert measuring.repaired(script, srs, hrs, scale) == pytest.approx(np.mean(theirs), abs=1e-4)


def test_03_1_assemble(rng: torch.Generator) -> None:
    lr = torch.rand(2, 3, 9, 7, generator=rng)
    network = SRCNN(scale=3)
    with torch.no_grad():
        assert torch.allclose(srcnn.assemble(lr, network.restore, 3), network(lr), atol=1e-6)
        brighter = srcnn.assemble(lr, lambda y: y + 0.1, 3)
    large = own_resize.imresize(lr, scale=3)
    ycbcr = color.rgb2ycbcr(large.double().numpy(), channel_axis=1)
    ycbcr[:, 0] += 25.5
    assert np.allclose(brighter.numpy(), color.ycbcr2rgb(ycbcr, channel_axis=1), atol=1e-4)
    assert torch.allclose(rgb_to_ycbcr(brighter)[:, 1:], rgb_to_ycbcr(large)[:, 1:], atol=1e-5)


def test_03_2_forward(rng: torch.Generator) -> None:
    large = torch.rand(1, 1, 14, 11, generator=rng)
    network = SRCNN(scale=2, kernels=(9, 3, 5), channels=(3, 2))
    layers = (network.extract, network.map, network.reconstruct)
    with torch.no_grad():
        mine = srcnn.forward(large, *layers)
        assert torch.allclose(mine, network.restore(large), atol=1e-6)
    features = [large[0, 0].double().numpy()]
    for k, layer in enumerate(layers):  # a convolution with the edge repeated, by SciPy
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        features = [
            sum(ndimage.correlate(x, w, mode="nearest") for x, w in zip(features, row, strict=True)) + b
            for row, b in zip(weight, bias, strict=True)
        ]
        features = [np.maximum(x, 0) for x in features] if k < 2 else features
    assert np.allclose(mine[0, 0].numpy(), features[0], atol=1e-5)


def test_03_3_aligned_patch(coffee: Tensor, rng: torch.Generator) -> None:
    """Inside, the LR patch is what shrinking the HR patch gives: by this library, and by torch."""
    hr = coffee[0, :, :240, :240].double()
    lr = own_resize.imresize(hr[None], scale=1 / 3)[0]
    for _ in range(4):
        small, large = srcnn.aligned_patch(lr, hr, 3, 16, rng)
        inside = (..., slice(3, -3), slice(3, -3))
        assert torch.allclose(own_resize.imresize(large[None], scale=1 / 3)[0][inside], small[inside], atol=1e-9)
        theirs = F.interpolate(large[None], size=(16, 16), mode="bicubic", antialias=True)[0]
        assert torch.allclose(theirs[inside], small[inside], atol=1e-9)


def test_03_4_train_step(rng: torch.Generator) -> None:
    lr, hr = torch.rand(2, 3, 12, 12, generator=rng), torch.rand(2, 3, 36, 36, generator=rng)
    run = training.start(recipes.SRCNN_FAST)
    twin = training.start(recipes.SRCNN_FAST)
    for _ in range(2):
        theirs = training.train_step(run, lr, hr)["loss"].item()
        mine = srcnn.train_step(twin.generator, twin.optimizer, luma(lr), luma(hr), run.recipe.label_margin)
        assert mine == pytest.approx(theirs, rel=1e-5)
    for a, b in zip(run.generator.parameters(), twin.generator.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)
    # w x against 0 with w = 2, x = 3: loss 36, gradient 2 * 6 * 3 = 36, and w - 0.01 * 36 = 1.64.
    line = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(line.weight, 2.0)
    step = torch.optim.SGD(line.parameters(), lr=0.01)
    assert srcnn.train_step(line, step, torch.full((1, 1, 1, 1), 3.0), torch.zeros(1, 1, 1, 1), 0) == 36
    assert math.isclose(line.weight.item(), 1.64, abs_tol=1e-6)


def test_03_5_filter_picture(rng: torch.Generator) -> None:
    weights = torch.randn(7, 3, 5, generator=rng, dtype=torch.float64)
    largest = weights.abs().amax((1, 2), keepdim=True)
    tiles = (0.5 + weights / (2 * largest)).numpy()
    theirs = util.montage(tiles, fill=1.0, grid_shape=(2, 4), padding_width=1)  # which has a gap all around
    assert np.allclose(srcnn.filter_picture(weights, 4)[0, 0].numpy(), theirs[1:-1, 1:-1])
