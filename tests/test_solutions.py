"""Every solution equals the library, and an outside oracle: MATLAB's figures, scikit-image, torch, NumPy, SciPy."""

import copy
import io
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage, special, stats
from skimage import color, metrics, transform, util
from torch import Tensor, nn
from torch.optim import swa_utils

from answers import ROOT
from course import workbook
from course.checks.ch01.resize import MATLAB_4_TO_3, MATLAB_8_TO_2
from course.manifest import find
from srlib import blending, health, image, inference, losses, recipes, training, zoo
from srlib import metrics as own_metrics
from srlib import resize as own_resize
from srlib.color import luma, rgb_to_ycbcr
from srlib.degradations import blur as degradations_blur
from srlib.degradations import jpeg, kernels, noise, passes, pool, steps
from srlib.features import VGG19
from srlib.models import A2N, SRCNN, RRDBNet, SRGANDiscriminator, SRResNet, a2n, rrdbnet, unet
from srlib.models.a2n import A2Block
from srlib.models.rrdbnet import RRDB
from srlib.models.srresnet import ResidualBlock, enlargement


def _solved(number: str) -> ModuleType:
    return workbook.load(workbook.read(Path(ROOT) / "solutions" / str(find(number).file)))


resampling, measuring, srcnn, srresnet, attention = (_solved(number) for number in ("01", "02", "03", "04", "05"))
srgan = _solved("06")
esrgan = _solved("07")
degradations = _solved("08")
real_esrgan = _solved("09")


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


def _awake(network: nn.Module, rng: torch.Generator) -> nn.Module:
    """A network whose normalisations have statistics of their own."""
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight.data, norm.running_mean, norm.running_var, norm.bias.data):
            assert tensor is not None
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
    return network.double()


def test_04_1_residual_block(rng: torch.Generator) -> None:
    x = torch.randn(2, 4, 6, 5, generator=rng, dtype=torch.float64)
    block = _awake(ResidualBlock(4, batch_norm=True), rng).eval()
    parts = block.conv1, block.norm1, block.act, block.conv2, block.norm2
    with torch.no_grad():
        mine = srresnet.residual_block(x, *parts)
        assert torch.equal(mine, block(x))
    inner = x.numpy()
    for conv, norm, slope in ((block.conv1, block.norm1, 0.25), (block.conv2, block.norm2, 1.0)):  # by SciPy
        weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()[:, None, None]
        made = [
            [sum(ndimage.correlate(c, w, mode="constant") for c, w in zip(one, row, strict=True)) for row in weight]
            for one in inner
        ]
        gain, shift, mean, variance = (
            t.detach().numpy()[:, None, None] for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        )
        inner = (np.array(made) + bias - mean) / np.sqrt(variance + norm.eps) * gain + shift
        inner = np.where(inner > 0, inner, slope * inner)
    assert np.allclose(mine.numpy(), x.numpy() + inner)


@pytest.mark.parametrize("training", [True, False])
def test_04_2_batch_norm(training: bool, rng: torch.Generator) -> None:
    x = torch.randn(3, 4, 6, 5, generator=rng, dtype=torch.float64)
    weight, bias, mean, variance = torch.rand(4, 4, generator=rng, dtype=torch.float64)
    layer = nn.BatchNorm2d(4, momentum=0.3, eps=0.8).double().train(training)
    named = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
    layer.load_state_dict({**layer.state_dict(), **named})
    y, new_mean, new_variance = srresnet.batch_norm(x, weight, bias, mean, variance, training, 0.3, 0.8)
    assert torch.allclose(y, layer(x), atol=1e-12)
    assert torch.allclose(new_mean, layer.running_mean, atol=1e-12)
    assert torch.allclose(new_variance, layer.running_var, atol=1e-12)
    values = x.transpose(0, 1).flatten(1).numpy()  # by NumPy
    m, v = (values.mean(1), values.var(1)) if training else (mean.numpy(), variance.numpy())
    theirs = (x.numpy() - m[:, None, None]) / np.sqrt(v + 0.8)[:, None, None]
    assert np.allclose(y.numpy(), theirs * weight.numpy()[:, None, None] + bias.numpy()[:, None, None])
    if training:
        assert np.allclose(new_variance.numpy(), 0.7 * variance.numpy() + 0.3 * values.var(1, ddof=1))


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_04_3_pixel_shuffle(factor: int, rng: torch.Generator) -> None:
    x = torch.rand(2, 3 * factor**2, 4, 5, generator=rng)
    mine = srresnet.pixel_shuffle(x, factor)
    assert torch.equal(mine, F.pixel_shuffle(x, factor)) and torch.equal(F.pixel_unshuffle(mine, factor), x)
    tiled = [[util.montage(x[b, c * factor**2 :][: factor**2, i, j, None, None].numpy(), grid_shape=(factor, factor))
              for c in range(3)] for b in range(2) for i in (2,) for j in (3,)]  # fmt: skip
    cells = mine[:, :, 2 * factor : 3 * factor, 3 * factor : 4 * factor]
    assert np.array_equal(cells.numpy(), np.array(tiled))


@pytest.mark.parametrize(("factor", "size"), [(1, 3), (2, 3), (3, 1), (4, 5)])
def test_04_4_transposed_kernel(factor: int, size: int, rng: torch.Generator) -> None:
    """Against srlib's own enlargement, and against the layer nn.ConvTranspose2d."""
    conv, shuffle, _ = enlargement(4, factor)
    assert isinstance(conv, nn.Conv2d)
    conv.weight = nn.Parameter(torch.randn(4 * factor**2, 4, size, size, generator=rng) / size)
    conv.padding = (size // 2, size // 2)
    layer = nn.ConvTranspose2d(4, 4, factor * size, stride=factor, padding=factor * (size // 2), bias=False)
    layer.weight.data = srresnet.transposed_kernel(conv.weight.detach(), factor)
    conv.bias = None
    x = torch.rand(2, 4, 5, 6, generator=rng)
    with torch.no_grad():
        assert torch.allclose(layer(x), shuffle(conv(x)), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_04_5_forward(scale: int, rng: torch.Generator) -> None:
    network = _awake(SRResNet(scale=scale, channels=6, num_blocks=2), rng).eval()
    lr = torch.rand(2, 3, 7, 5, generator=rng, dtype=torch.float64)
    names = ("conv_first", "act_first", "body", "conv_body", "norm_body", "upsample", "conv_last")
    with torch.no_grad():
        mine = srresnet.forward(lr, *(getattr(network, name) for name in names))
        assert torch.equal(mine, network(lr)) and mine.shape == (2, 3, 7 * scale, 5 * scale)
        # Folded by hand: evaluation mode is one linear map of what conv_body gives, with the skip beside it.
        shallow = network.act_first(network.conv_first(lr))
        norm = network.norm_body
        deep = F.batch_norm(
            network.conv_body(network.body(shallow)),
            norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps,
        )  # fmt: skip
        assert torch.allclose(mine, network.conv_last(network.upsample(shallow + deep)), atol=1e-12)


def test_04_6_seen(rng: torch.Generator) -> None:
    """What may change when a pixel changes: every input pixel is tried, one after the other."""
    network = _awake(SRResNet(scale=2, channels=3, num_blocks=1), rng).eval()
    x = torch.rand(1, 3, 23, 25, generator=rng, dtype=torch.float64)
    row, column = 21, 30
    top, bottom, left, right = srresnet.seen(network, x, row, column)
    changes = torch.zeros(x.shape[-2:], dtype=torch.bool)
    with torch.no_grad():
        before = network(x)[..., row, column]
        for i in range(x.shape[2]):
            batch = x.repeat(x.shape[3], 1, 1, 1)
            batch[range(x.shape[3]), :, i, range(x.shape[3])] += 10
            changes[i] = ((network(batch)[..., row, column] - before).abs() > 0).any(1)
    rows, columns = changes.any(1).nonzero().flatten().tolist(), changes.any(0).nonzero().flatten().tolist()
    assert top <= rows[0] and rows[-1] <= bottom and left <= columns[0] and columns[-1] <= right
    assert bottom - top + 1 <= 2 * network.halo + 1 and row // 2 - top == network.halo
    small = nn.Conv2d(2, 3, (3, 5), padding=(1, 2)).double()
    assert srresnet.seen(small, x[:, :2], 10, 12) == (9, 11, 10, 14)


def test_05_1_channel_attention(rng: torch.Generator) -> None:
    x = torch.rand(3, 4, 5, 6, generator=rng)
    down, up = nn.Linear(4, 2), nn.Linear(2, 4)
    with torch.no_grad():
        mine = attention.channel_attention(x, down, up).numpy()
    w1, b1, w2, b2 = (p.detach().numpy() for layer in (down, up) for p in (layer.weight, layer.bias))
    for picture, result in zip(x.numpy(), mine, strict=True):
        gate = special.expit(w2 @ np.maximum(w1 @ picture.mean((1, 2)) + b1, 0) + b2)
        assert np.allclose(result, picture * gate[:, None, None], atol=1e-6)


def test_05_2_place_attention(rng: torch.Generator) -> None:
    x = torch.rand(2, 24, 5, 6, generator=rng)
    theirs = A2N(scale=2, num_blocks=1).att1
    with torch.no_grad():
        mine = attention.place_attention(x, theirs.conv.weight[:, :, 0, 0], theirs.conv.bias)
        assert torch.allclose(mine, theirs(x), atol=1e-6)
        spatial = attention.place_attention(x, theirs.conv.weight[:1, :, 0, 0], theirs.conv.bias[:1])
    weight, bias = theirs.conv.weight.detach().numpy()[0, :, 0, 0], theirs.conv.bias[0].item()
    gates = special.expit(np.tensordot(weight, x.numpy(), (0, 1)) + bias)
    assert np.allclose(spatial.numpy(), x.numpy() * gates[:, None], atol=1e-6)


def test_05_3_mixed(rng: torch.Generator) -> None:
    inner = 100 * torch.rand(2, 40, 5, 6, generator=rng)
    block = A2Block(40, 3)
    down, _, up = block.ADM
    with torch.no_grad():
        branches = block.attention(inner), block.non_attention(inner)
        mine = attention.mixed(inner, *branches, down, up, a2n.TEMPERATURE)
        share = block.shares(inner)[..., None, None, None]
        assert torch.allclose(mine, share[:, 0] * branches[0] + share[:, 1] * branches[1], atol=1e-4)
        logits = np.maximum(inner.numpy().mean((2, 3)) @ down.weight.numpy().T, 0) @ up.weight.numpy().T
    theirs = special.softmax(logits / 30, axis=1)
    for k in range(2):
        by_hand = theirs[k, 0] * branches[0][k].numpy() + theirs[k, 1] * branches[1][k].numpy()
        assert np.allclose(mine[k].numpy(), by_hand, atol=1e-4)


def test_05_4_charbonnier(rng: torch.Generator) -> None:
    sr, hr = (torch.rand(2, 3, 4, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    mine = attention.charbonnier(sr, hr, 1e-3)
    assert torch.allclose(mine, losses.charbonnier(sr, hr, eps=1e-3))
    assert mine.item() == pytest.approx(np.hypot(sr.numpy() - hr.numpy(), 1e-3).mean(), abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: attention.charbonnier(x, hr, 0.1), sr.requires_grad_())


def test_05_5_take_over() -> None:
    for mine, theirs, given in (
        (A2N(scale=4, num_blocks=1), A2N(scale=4, num_blocks=1), A2N(scale=2, num_blocks=1)),
        (A2N(scale=2, num_blocks=1, plain_kernel=1), A2N(scale=2, num_blocks=1, plain_kernel=1), A2N(scale=2)),
    ):
        before = mine.state_dict()
        theirs.load_state_dict(before)
        before = {name: value.clone() for name, value in before.items()}
        stayed = attention.take_over(mine, given.state_dict())
        assert stayed == zoo.load_matching(theirs, given.state_dict()) and stayed
        for name, value in mine.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name])
            assert torch.equal(value, before[name] if name in stayed else given.state_dict()[name])


def test_05_6_self_ensemble(rng: torch.Generator) -> None:
    lr = torch.rand(1, 3, 6, 9, generator=rng)
    model = inference.interpolator("bicubic", 2)
    with torch.no_grad():
        assert torch.allclose(attention.self_ensemble(model, lr), model(lr), atol=1e-5)
        network = A2N(scale=2, num_blocks=1)
        theirs = inference.self_ensemble(inference.network_model(network, name="a2n"))(lr)
        mine = attention.self_ensemble(lambda x: network(x).clamp(0, 1), lr)
        assert torch.allclose(mine, theirs, atol=1e-6)
        picture = lr[0].numpy()
        views = [np.rot90(m, k, (1, 2)) for m in (picture, picture[..., ::-1]) for k in range(4)]
        made = [network(torch.from_numpy(v.copy())[None])[0].clamp(0, 1).numpy() for v in views]
        back = [np.rot90(y, -(k % 4), (1, 2)) for k, y in enumerate(made)]
        assert np.allclose(mine[0], np.mean([*back[:4], *(y[..., ::-1] for y in back[4:])], axis=0), atol=1e-6)


def _layers(vgg: VGG19) -> list[nn.Module]:
    """VGG19 as torchvision lays it out: a list of convolutions, ReLUs that work in place, and poolings."""
    layers: list[nn.Module] = []
    for name, conv in vgg.convs.items():
        layers += [nn.MaxPool2d(2)] if name.endswith("_1") and layers else []
        layers += [conv, nn.ReLU(inplace=True)]
    return layers


def test_06_1_features_at(rng: torch.Generator) -> None:
    """Against srlib's VGG19, and its first layers against SciPy."""
    taps = ("relu3_1", "conv1_1", "conv2_2", "relu2_2", "relu1_1")
    vgg = VGG19(taps, random=True)
    pictures = torch.rand(2, 3, 16, 12, generator=rng)
    mine = srgan.features_at(pictures, _layers(vgg), (11, 0, 7, 8, 1))
    for tensor, theirs in zip(mine, vgg(pictures).values(), strict=True):
        assert torch.allclose(tensor, theirs, atol=1e-4)
    mean, std = (np.array(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    kernel = vgg.convs["conv1_1"].weight[5].numpy()
    normal = (pictures[0].numpy() - mean) / std
    by_hand = sum(ndimage.correlate(c, k, mode="constant") for c, k in zip(normal, kernel, strict=True))
    assert np.allclose(mine[1][0, 5], by_hand, atol=1e-4) and np.allclose(mine[4][0, 5], by_hand.clip(0), atol=1e-4)


def test_06_2_perceptual(rng: torch.Generator) -> None:
    weighted = (("conv1_2", 0.1), ("relu2_2", 0.7))
    vgg = VGG19([tap for tap, _ in weighted], random=True)
    sr, hr = (torch.rand(2, 3, 16, 12, generator=rng) for _ in range(2))
    mine = srgan.perceptual(sr, hr, lambda x: list(vgg(x).values()), [weight for _, weight in weighted])
    a, b = ({tap: recipes.VGG_RESCALE * x for tap, x in vgg(picture).items()} for picture in (sr, hr))
    assert torch.allclose(mine, losses.feature_distance(a, b, taps=weighted, distance=losses.mse))
    theirs = sum(weight * metrics.mean_squared_error(a[tap].numpy(), b[tap].numpy()) for tap, weight in weighted)
    assert mine.item() == pytest.approx(theirs, rel=1e-4)


def test_06_3_and_06_4_losses(rng: torch.Generator) -> None:
    real, fake = (60 * torch.randn(7, 1, generator=rng, dtype=torch.float64) for _ in range(2))
    mine, theirs = srgan.discriminator_loss(real, fake), losses.STANDARD.discriminator(real, fake)
    assert torch.equal(mine, theirs)
    by_scipy = -special.log_expit(real.numpy()).mean() - special.log_expit(-fake.numpy()).mean()
    assert mine.item() == pytest.approx(by_scipy, rel=1e-12)
    content = torch.tensor(0.25, dtype=torch.float64)
    total = srgan.generator_loss(content, fake, 1e-3)
    assert total.item() == pytest.approx(0.25 - 1e-3 * special.log_expit(fake.numpy()).mean(), rel=1e-12)
    assert torch.equal(total, content + 1e-3 * losses.STANDARD.generator(real, fake))


def test_06_5_game_step(rng: torch.Generator) -> None:
    """Two steps of a small SRGAN, all by the exercises, beside srlib's; plain gradient descent shows any difference."""
    toy = replace(
        recipes.SRGAN,
        generator=partial(SRResNet, channels=4, num_blocks=1),
        discriminator=partial(SRGANDiscriminator, channels=4, grid=1, dense=8),
        optimizer=torch.optim.SGD,
        learning_rate=0.05,
        features=(("relu1_2", 1.0),),
        random_features=True,
        adversarial_weight=0.1,
    )
    run, twin = training.start(toy), training.start(toy)
    assert run.opponent and twin.opponent and twin.features
    layers = _layers(twin.features)

    def g_loss(sr: Tensor, hr: Tensor, fake: Tensor) -> Tensor:
        content = srgan.perceptual(sr, hr, lambda x: srgan.features_at(x, layers, [3]), [1.0])
        return srgan.generator_loss(content, fake, toy.adversarial_weight)

    players = twin.generator, twin.opponent.network, twin.optimizer, twin.opponent.optimizer
    before = copy.deepcopy(twin.generator)
    for _ in range(2):
        lr, hr = torch.rand(2, 3, 4, 4, generator=rng), torch.rand(2, 3, 16, 16, generator=rng)
        theirs = training.train_step(run, lr, hr)
        mine = srgan.game_step(*players, lr, hr, g_loss, srgan.discriminator_loss)
        assert mine == pytest.approx((theirs["loss"].item(), theirs["d_loss"].item()), rel=1e-4)
    for own, other in ((twin.generator, run.generator), (twin.opponent.network, run.opponent.network)):
        for a, b in zip(own.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5) and a.requires_grad
    moved = (torch.equal(a, b) for a, b in zip(before.parameters(), twin.generator.parameters(), strict=True))
    assert not all(moved)


def test_06_6_diagnose() -> None:
    """With srlib's own limits, at both sides of each."""
    fine = {"error": 0.03, "drift": 0.01, "d_real": 0.7, "d_fake": 0.3}

    def after(*changes: dict[str, float]) -> tuple[str, float | None]:
        return srgan.diagnose([{"step": 10.0 * k, **fine, **change} for k, change in enumerate(changes, 1)])

    limit = health.WORST_ERROR * fine["error"]
    assert after({}, {"error": limit * 0.999}) == after({}, {"drift": health.WORST_DRIFT}) == ("healthy", None)
    assert after({}, {"error": limit * 1.001}) == ("collapse", 20.0)
    assert after({}, {}, {"drift": health.WORST_DRIFT * 1.001}) == ("drift", 30.0)
    sure = {"d_real": 0.96, "d_fake": 0.04}
    assert after(sure, sure, {}, sure, sure, sure) == ("won", 60.0) and after(sure, sure, {}, sure)[1] is None
    assert after({"error": math.nan}) == ("collapse", 10.0) and after({"drift": math.inf}) == ("drift", 10.0)


def test_07_1_dense_block_and_07_2_rrdb(rng: torch.Generator) -> None:
    x = torch.randn(2, 4, 5, 6, generator=rng, dtype=torch.float64)
    whole = RRDB(4, 3, residual_scale=0.2, init_scale=1.0).double()
    block = whole.rdb1
    convs = [block.conv1, block.conv2, block.conv3, block.conv4, block.conv5]
    for conv in convs:
        nn.init.normal_(conv.bias, generator=rng)
    with torch.no_grad():
        mine = esrgan.dense_block(x, convs)
        assert torch.equal(mine, block(x))
        assert torch.equal(esrgan.rrdb(x, [whole.rdb1, whole.rdb2, whole.rdb3]), whole(x))
    for picture, result in zip(x.numpy(), mine.numpy(), strict=True):  # by SciPy, channel by channel
        seen = list(picture)
        for number, conv in enumerate(convs):
            weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
            made = [
                sum(ndimage.correlate(c, w, mode="constant") for c, w in zip(seen, row, strict=True)) + b
                for row, b in zip(weight, bias, strict=True)
            ]
            seen += [np.where(c > 0, c, 0.2 * c) if number < 4 else c for c in made]
        assert np.allclose(result, picture + 0.2 * np.array(seen[-4:]))


def test_07_3_and_07_4_relativistic_losses(rng: torch.Generator) -> None:
    real, fake = (3 * torch.randn(4, 1, generator=rng, dtype=torch.float64) for _ in range(2))
    mine = esrgan.discriminator_loss(real, fake), esrgan.generator_loss(real, fake)
    theirs = losses.RELATIVISTIC.discriminator(real, fake), losses.RELATIVISTIC.generator(real, fake)
    assert all(map(torch.equal, mine, theirs))
    of_real, of_fake = (special.expit((x - y.mean()).numpy()) for x, y in ((real, fake), (fake, real)))
    assert mine[0].item() == pytest.approx(-np.log(of_real).mean() - np.log(1 - of_fake).mean())
    assert mine[1].item() == pytest.approx(-np.log(1 - of_real).mean() - np.log(of_fake).mean())
    for loss in (esrgan.discriminator_loss, esrgan.generator_loss):
        assert torch.autograd.gradcheck(loss, (real.clone().requires_grad_(), fake.clone().requires_grad_()))


def test_07_5_interpolated(rng: torch.Generator) -> None:
    psnr, gan = (SRResNet(scale=2, channels=4, num_blocks=1) for _ in range(2))
    gan(torch.rand(2, 3, 6, 6, generator=rng))  # so that the statistics and the counter of the two differ
    for alpha in (0.0, 0.3, 1.0):
        mine = esrgan.interpolated(psnr.state_dict(), gan.state_dict(), alpha)
        theirs = blending.interpolate(psnr, gan, alpha).state_dict()
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in theirs)
        weights = [network.conv_first.weight.detach().numpy() for network in (psnr, gan)]
        assert np.allclose(mine["conv_first.weight"], np.average(weights, axis=0, weights=[1 - alpha, alpha]))


def test_07_6_back_projection(rng: torch.Generator) -> None:
    hr = torch.rand(1, 3, 32, 24, generator=rng, dtype=torch.float64)
    lr = own_resize.imresize(hr, scale=1 / 4)
    sr = (hr + 0.1 * torch.randn(hr.shape, generator=rng, dtype=torch.float64)).clamp(0, 1)
    steps = (lambda x: own_resize.imresize(x, scale=1 / 4)), (lambda x: own_resize.imresize(x, scale=4))
    mine = esrgan.back_projection(sr, lr, *steps, 10)
    assert torch.equal(mine, blending.back_projection(sr, lr, scale=4, iterations=10))
    left = (steps[0](mine) - lr).square().mean() / (steps[0](sr) - lr).square().mean()
    assert left.sqrt() < 0.78**10  # what srlib promises for each iteration
    small, large = F.avg_pool2d, F.interpolate  # of which small undoes large, so that one iteration is enough
    exact = esrgan.back_projection(sr, lr, lambda x: small(x, 4), lambda x: large(x, scale_factor=4), 1)
    assert torch.allclose(small(exact, 4), lr)


def test_07_7_renamed() -> None:
    network = RRDBNet(channels=4, growth=2, num_blocks=11)
    old = {}
    for name, value in network.state_dict().items():  # the other way, by hand
        for new, before in (("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), ("rdb", "RDB"),
                            ("conv_up", "upconv"), ("conv_hr", "HRconv")):  # fmt: skip
            name = name.replace(new, before)
        old[name] = value
    mine, theirs = esrgan.renamed(old), rrdbnet.official_names(old)
    assert theirs is not None and mine.keys() == theirs.keys() == network.state_dict().keys() != old.keys()
    RRDBNet(channels=4, growth=2, num_blocks=11).load_state_dict(mine)
    assert all(mine[name] is value for name, value in theirs.items())


def test_08_1_gaussian_kernel_and_08_2_sinc_kernel() -> None:
    for size, sigma, rotation in ((7, (1.3, 0.7), 0.4), (21, (3.0, 0.2), -2.0), (9, (0.6, 2.1), 1.5)):
        mine = degradations.gaussian_kernel(size, sigma, rotation)
        theirs = kernels.gaussian(size, torch.tensor([sigma], dtype=torch.float64), rotation=rotation)[0]
        assert torch.allclose(mine, theirs, atol=1e-12)
        y, x = np.mgrid[:size, :size] - size // 2
        turn = np.array([[math.cos(rotation), -math.sin(rotation)], [math.sin(rotation), math.cos(rotation)]])
        law = stats.multivariate_normal([0, 0], turn @ np.diag(np.square(sigma)) @ turn.T)
        density = law.pdf(np.stack([x, y], -1))
        assert np.allclose(mine, density / density.sum(), atol=1e-12)
    for size, cutoff in ((7, 2.0), (21, math.pi / 5), (13, math.pi)):
        mine = degradations.sinc_kernel(size, cutoff)
        assert torch.allclose(mine, kernels.sinc(size, torch.tensor([cutoff], dtype=torch.float64))[0], atol=1e-12)
        y, x = np.mgrid[:size, :size] - size // 2
        jinc = special.j1(cutoff * np.hypot(x, y)[0]) / np.hypot(x, y)[0]
        assert np.allclose(mine[0] / mine[0, 0], jinc / jinc[0])


def test_08_3_poisson_noise(rng: torch.Generator) -> None:
    picture = image.to_uint8(torch.rand(3, 20, 30, generator=rng)).double() / 255

    def count(means: Tensor) -> Tensor:
        return torch.from_numpy(np.random.default_rng(3).poisson(means.numpy()).astype(float))

    mine = degradations.poisson_noise(picture, 1.0, False, count)
    assert np.allclose(mine, util.random_noise(picture.numpy(), mode="poisson", rng=3))
    flat = torch.full((3, 200, 200), 0.5)
    flat[:, :, :100] = 0.25
    by_torch = partial(torch.poisson, generator=rng)
    for grey in (False, True):
        mine = degradations.poisson_noise(flat, 0.05, grey, by_torch) - flat
        theirs = noise.add_poisson(flat[None], torch.tensor([0.05]), grey=torch.tensor([grey]), rng=rng)[0] - flat
        for side in (slice(100), slice(100, 200)):
            assert mine[..., side].std() == pytest.approx(float(theirs[..., side].std()), rel=0.05)
        assert torch.allclose(mine[0], mine[2], atol=1e-6) == grey == torch.allclose(theirs[0], theirs[2], atol=1e-6)


def test_08_4_quantised(rng: torch.Generator) -> None:
    standard = jpeg.tables(50)[0, 0]
    levels = torch.randint(-9, 10, (5, 8, 8), generator=rng)
    for quality in (1, 10, 30, 49, 50, 75, 95, 100):
        steps = jpeg.tables(quality)[0, 0]
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        assert Image.open(file).quantization[0] == steps.flatten().tolist()  # type: ignore[attr-defined]
        near = (levels + 0.9 * torch.rand(5, 8, 8, generator=rng) - 0.45) * steps
        assert torch.equal(degradations.quantised(near, standard, quality), (levels * steps).float())


def test_08_5_plan(rng: torch.Generator) -> None:
    def names(one: steps.Degradation) -> tuple[str, ...]:
        found = [type(step).__name__.lower() for step in one.steps]
        last = len(found) - 1 - found[::-1].index("resize")
        found[last] = "final size"
        return tuple("sinc" if k == last + 1 and name == "blur" else name for k, name in enumerate(found))

    def chance(probability: float) -> bool:
        return torch.rand((), generator=rng).item() < probability

    for chosen in ((passes.FIRST,), (passes.FIRST, passes.SECOND)):
        last = chosen[-1]
        blurs = [one.blur for one in chosen]
        mine = [tuple(degradations.plan(blurs, last.final_sinc, last.jpeg_last, chance)) for _ in range(1500)]
        theirs = [names(passes.draw(rng, size=(64, 64), scale=4, passes=chosen)) for _ in range(1500)]
        ways = sorted(set(mine))
        assert ways == sorted(set(theirs)) and len(ways) == 2 ** (len(chosen) + 1)
        table = [[made.count(way) for way in ways] for made in (mine, theirs)]
        assert stats.chi2_contingency(table).pvalue > 1e-4
    assert degradations.plan((), 0.8, 0.5, chance) == list(names(passes.draw(rng, size=(8, 8), scale=4, passes=())))


def test_08_6_degraded(rng: torch.Generator) -> None:
    drawn: list[float] = []

    def noisy(picture: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        drawn.append(strength)
        return noise.add_gaussian(picture, torch.tensor([strength]), grey=torch.tensor([False]), rng=rng)

    def squeezed(picture: Tensor, quality: float, rng: torch.Generator) -> Tensor:
        return jpeg.jpeg(picture, quality)

    chain = [(noisy, 5.0, 20.0), (squeezed, 30.0, 95.0)]
    pictures = torch.full((300, 3, 8, 8), 0.5)
    whole = degradations.degraded(pictures, chain, torch.Generator().manual_seed(9))
    assert stats.kstest(drawn, "uniform", (5, 15)).pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.25
    assert stats.spearmanr(drawn, (whole - pictures).std((1, 2, 3))).statistic > 0.3
    again = torch.Generator().manual_seed(9)
    parts = [degradations.degraded(part, chain, again) for part in pictures[:20].split([1, 12, 7])]
    assert torch.equal(torch.cat(parts), whole[:20])


def test_09_1_sharpened(rng: torch.Generator) -> None:
    """With the authors' 51 taps: srlib's, and SciPy's Gaussian with the border mirrored as OpenCV does it."""
    hr = torch.rand(2, 3, 40, 60, generator=rng).mul(0.2).add(0.4)
    hr[..., 10:30, 20:40] += 0.38
    taps = {"sigma": degradations_blur.SHARPEN_SIGMA, "radius": degradations_blur.SHARPEN_TAPS // 2, "mode": "mirror"}

    def smooth(x: Tensor) -> Tensor:
        return torch.from_numpy(ndimage.gaussian_filter(x.numpy(), axes=(2, 3), **taps))

    mine = real_esrgan.sharpened(hr, smooth)
    assert torch.allclose(mine, degradations_blur.sharpen(hr), atol=1e-5)
    residual = hr.numpy() - smooth(hr).numpy()
    soft = smooth(torch.from_numpy((np.abs(residual) > 10 / 255).astype(np.float32))).numpy()
    expected = soft * np.clip(hr.numpy() + 0.5 * residual, 0, 1) + (1 - soft) * hr.numpy()
    assert np.allclose(mine.numpy(), expected, atol=1e-6) and not torch.allclose(mine, hr, atol=0.05)


def test_09_2_spectral(rng: torch.Generator) -> None:
    torch.manual_seed(0)
    ours = unet.SpectralConv2d(3, 5, kernel=4, stride=2).eval()
    theirs = nn.utils.spectral_norm(nn.Conv2d(3, 5, 4, bias=False), n_power_iterations=3)
    u, weight = theirs.weight_u.clone(), theirs.weight_orig
    mine, new = real_esrgan.spectral(weight, u, 3)
    picture, upstream = torch.rand(1, 3, 9, 9, generator=rng), torch.randn(5, 3, 4, 4, generator=rng)
    theirs(picture)  # three iterations
    assert torch.allclose(mine, theirs.weight, atol=1e-6) and torch.allclose(new, theirs.weight_u, atol=1e-6)
    slopes = [torch.autograd.grad((upstream * w).sum(), weight)[0] for w in (mine, theirs.weight)]
    assert torch.allclose(*slopes, atol=1e-5)
    mine, new = real_esrgan.spectral(ours.weight_orig, ours.weight_u, 200)
    largest = np.linalg.svd(ours.weight_orig.detach().flatten(1).numpy(), compute_uv=False)[0]
    assert np.allclose((ours.weight_orig / mine).detach(), largest, rtol=1e-5)
    assert torch.linalg.matrix_norm(mine.flatten(1), 2).item() == pytest.approx(1, rel=1e-5)
    ours.weight_u.copy_(new)
    ours.train()
    by_library = F.conv2d(picture, mine, stride=2, padding=1)
    assert torch.allclose(ours(picture), by_library, atol=1e-5)


def test_09_3_swap() -> None:
    """The pairs that srlib's pool gives, as a set, while both are full of the same."""
    size, batch = 12, 5
    library, waiting = pool.Pool(size, seed=3), (torch.zeros(0, 1, 1, 1), torch.zeros(0, 1, 2, 2))
    rng, number, out_twice = torch.Generator().manual_seed(3), 0, []
    for _ in range(40):
        new = torch.arange(number, number + batch, dtype=torch.float32).view(-1, 1, 1, 1)
        lr, hr = new, new.expand(-1, 1, 2, 2)
        number += batch
        theirs = library.swap(lr, hr)
        waiting, mine = real_esrgan.swap(waiting, lr, hr, size, rng)
        assert all(map(torch.equal, mine, theirs))
        assert torch.equal(mine[0], mine[1][..., :1, :1]) and library.lr is not None
        assert set(waiting[0].flatten().tolist()) == set(library.lr.flatten().tolist())
        out_twice += mine[0].flatten().tolist()
    counts = np.unique(out_twice, return_counts=True)[1]
    assert counts.max() == 2 and (counts == 2).sum() <= size  # only what came in while it filled up


def test_09_4_averaged(rng: torch.Generator) -> None:
    network = SRResNet(scale=2, channels=4, num_blocks=1)
    average, twin = copy.deepcopy(network).requires_grad_(False), copy.deepcopy(network).requires_grad_(False)
    by_torch = swa_utils.AveragedModel(network, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=False)
    by_torch.update_parameters(network)  # the first call copies
    for _ in range(5):
        network(torch.rand(2, 3, 6, 6, generator=rng))  # new statistics
        for parameter in network.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=rng))
        assert real_esrgan.averaged(average, network, 0.9) is average
        by_torch.update_parameters(network)
        with torch.no_grad():
            training.move_average(twin, network, keep=0.9)
    for mine, theirs, library in zip(average.parameters(), by_torch.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5) and torch.allclose(mine, library, atol=1e-5)
    assert all(map(torch.equal, average.buffers(), network.buffers()))


def test_09_5_generator_step(rng: torch.Generator) -> None:
    """The generator's half of srlib's step, of a small Real-ESRGAN; plain gradient descent shows any difference."""
    toy = replace(
        recipes.REAL_ESRGAN,
        generator=partial(RRDBNet, channels=4, growth=2, num_blocks=1),
        discriminator=partial(unet.UNetDiscriminator, channels=4),
        optimizer=torch.optim.SGD,
        learning_rate=0.05,
        features=(("conv1_2", 0.1), ("conv2_2", 1.0)),
        random_features=True,
    )
    run, twin = training.start(toy), training.start(toy)
    assert run.opponent and twin.opponent and twin.features
    eye = twin.features
    lr, hr = torch.rand(2, 3, 4, 4, generator=rng), torch.rand(2, 3, 16, 16, generator=rng)
    theirs = training.train_step(run, lr, hr)
    mine = real_esrgan.generator_step(
        twin.generator,
        twin.opponent.network,
        twin.optimizer,
        lr,
        hr,
        degradations_blur.sharpen,
        lambda x: list(eye(x).values()),
        [weight for _, weight in toy.features],
    )
    assert mine == pytest.approx([theirs[name].item() for name in ("pixel", "perceptual", "adversarial")], rel=1e-4)
    for a, b in zip(twin.generator.parameters(), run.generator.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_09_6_tiled(rng: torch.Generator) -> None:
    """As the whole picture, for networks of the library that tell how far they see."""
    lr = torch.rand(1, 3, 41, 50, generator=rng, dtype=torch.float64)
    for network in (RRDBNet(channels=4, growth=2, num_blocks=1), SRResNet(channels=4, num_blocks=1)):
        network = network.double().eval()
        with torch.no_grad():
            whole = network(lr)
            mine = real_esrgan.tiled(lr, network, network.scale, 13, network.halo)
            assert torch.allclose(mine, whole, atol=1e-12)
            less = real_esrgan.tiled(lr, network, network.scale, 13, 0)
            assert not torch.allclose(less, whole, atol=1e-6)
    blocks = real_esrgan.tiled(lr, lambda x: x.mean((2, 3), keepdim=True).expand_as(x), 1, 10, 0)
    means = transform.downscale_local_mean(lr[0, 0, :40].numpy(), (10, 10))
    assert np.allclose(blocks[0, 0, :40:10, ::10], means)
