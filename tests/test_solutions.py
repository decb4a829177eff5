"""Every solution equals the library, and an outside oracle: MATLAB's figures, scikit-image, torch, NumPy, SciPy."""

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage, special
from skimage import color, metrics, util
from torch import Tensor, nn

from answers import ROOT
from course import workbook
from course.checks.ch01 import MATLAB_4_TO_3, MATLAB_8_TO_2
from course.manifest import find
from srlib import image, inference, losses, recipes, training, zoo
from srlib import metrics as own_metrics
from srlib import resize as own_resize
from srlib.color import luma, rgb_to_ycbcr
from srlib.models import A2N, SRCNN, SRResNet, a2n
from srlib.models.a2n import A2Block
from srlib.models.srresnet import ResidualBlock, enlargement


def _solved(number: str) -> ModuleType:
    return workbook.load(workbook.read(Path(ROOT) / "solutions" / str(find(number).file)))


resampling, measuring, srcnn, srresnet, attention = (_solved(number) for number in ("01", "02", "03", "04", "05"))


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
