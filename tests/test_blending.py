"""Between two networks, between two models' pictures, and back to the picture that was enlarged."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srlib import zoo
from srlib.blending import back_projected, back_projection, blend, interpolate, open_interpolated
from srlib.inference import interpolator, network_model
from srlib.models import A2N, RRDBNet, SRResNet
from srlib.resize import imresize


def _two(make: type[nn.Module], **options: object) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return make(**options).eval(), make(**options).eval()


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def test_weights_and_moving_statistics_are_mixed_and_the_ends_exact() -> None:
    psnr, gan = _two(SRResNet, scale=2, channels=4, num_blocks=1)
    for network in (psnr, gan):
        network.train()(torch.rand(2, 3, 6, 6))  # so that the statistics of the two differ
    gan.train()(torch.rand(2, 3, 6, 6))
    before = _state(psnr), _state(gan)
    mixed = interpolate(psnr, gan, 0.25).state_dict()
    for key, first in before[0].items():
        second = before[1][key]
        if key.endswith("num_batches_tracked"):
            assert (int(first), int(second), int(mixed[key])) == (1, 2, 2)
        else:
            assert torch.allclose(mixed[key], 0.75 * first + 0.25 * second)
    assert not torch.equal(before[0]["norm_body.running_var"], before[1]["norm_body.running_var"])
    for network, kept, alpha in ((psnr, before[0], 0), (gan, before[1], 1)):
        end = interpolate(psnr, gan, alpha)
        assert all(torch.equal(end.state_dict()[k], v) for k, v in kept.items() if "tracked" not in k)
        assert all(torch.equal(network.state_dict()[k], v) for k, v in kept.items())
        assert not {p.data_ptr() for p in end.parameters()} & {p.data_ptr() for p in network.parameters()}


def test_only_networks_of_a_kind_are_mixed() -> None:
    small, large = RRDBNet(channels=4, growth=2, num_blocks=1), RRDBNet(channels=4, growth=2, num_blocks=2)
    for first, second, why in (
        (SRResNet(), RRDBNet(num_blocks=1), "first network is SRResNet for scale 4, the second RRDBNet for scale 4"),
        (A2N(scale=2), A2N(scale=3), "A2N for scale 2, the second A2N for scale 3"),  # all shapes agree
        (small, large, r"at body\.1\.rdb1\.conv1\.bias: missing and \(2,\)"),
        (large, RRDBNet(channels=4, growth=3, num_blocks=2), r"at body\.0\.rdb1\.conv1\.bias: \(2,\) and \(3,\)"),
    ):
        with pytest.raises(ValueError, match=why):
            interpolate(first, second, 0.5)
    for alpha in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"alpha is {alpha}: it must lie between 0"):
            interpolate(small, small, alpha)
        with pytest.raises(ValueError, match=f"alpha is {alpha}"):
            blend(interpolator("bicubic", 2), interpolator("nearest", 2), alpha)


def test_shipped_names_take_the_scale_of_the_other(tmp_path: Path) -> None:
    network = zoo.load("srcnn", scale=3)
    zoo.save(network, tmp_path / "mine.safetensors", scale=3)
    model, x = open_interpolated(tmp_path / "mine.safetensors", "srcnn", 0.5), torch.rand(1, 3, 9, 8)
    assert model.name == f"0.5 srcnn + 0.5 {tmp_path / 'mine.safetensors'}"
    assert torch.allclose(model(x), network_model(network, name="it")(x), atol=1e-6)
    with pytest.raises(ValueError, match="for scale 3, the second SRCNN for scale 4"):
        open_interpolated("srcnn", tmp_path / "mine.safetensors", 0.5)


def test_pictures_are_mixed_and_scales_must_agree(rng: torch.Generator) -> None:
    nearest, bicubic = interpolator("nearest", 2), interpolator("bicubic", 2)
    x = torch.randint(0, 256, (1, 3, 5, 6), generator=rng, dtype=torch.uint8)
    by_hand = 0.3 * bicubic(x).float() / 255 + 0.7 * nearest(x).float() / 255
    assert torch.allclose(blend(nearest, bicubic, 0.3)(x), by_hand, atol=1e-6)
    assert torch.equal(blend(nearest, bicubic, 0)(x / 255), nearest(x / 255))
    assert torch.equal(blend(nearest, bicubic, 1)(x / 255), bicubic(x / 255))
    with pytest.raises(ValueError, match="nearest has scale 2, bicubic 3: take two of one scale"):
        blend(nearest, interpolator("bicubic", 3), 0.5)


def test_mixed_weights_are_not_mixed_pictures() -> None:
    psnr, gan = _two(RRDBNet, channels=8, growth=4, num_blocks=1, init_scale=1)
    for network in (psnr, gan):
        nn.init.constant_(network.conv_last.bias, 0.5)  # so that nothing is clipped
    ends = [network_model(network, name="end") for network in (psnr, gan)]
    x = torch.rand(1, 3, 8, 8)
    pictures = blend(ends[0], ends[1], 0.5)(x)
    weights = network_model(interpolate(psnr, gan, 0.5), name="mixed")(x)
    assert (pictures - weights).abs().max() > 0.001
    assert torch.allclose(blend(ends[0], ends[1], 0.5)(x), (psnr(x) + gan(x)) / 2, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_back_projection_takes_a_fifth_of_any_error_each_time(scale: int, rng: torch.Generator) -> None:
    lr = torch.rand(1, 3, 21, 17, generator=rng, dtype=torch.float64)
    sr = torch.rand(1, 3, 21 * scale, 17 * scale, generator=rng, dtype=torch.float64)
    before = (lr - imresize(sr, scale=1 / scale)).norm()
    for _ in range(5):
        sr = back_projection(sr, lr, scale=scale, iterations=1)
        after = (lr - imresize(sr, scale=1 / scale)).norm()
        assert after < 0.78 * before  # the largest singular value of I - DU is 0.77
        before = after


def test_back_projection_by_hand(coffee: Tensor) -> None:
    hr = coffee[..., :120, :120].double()
    lr = imresize(hr, scale=1 / 4)
    assert torch.equal(back_projection(hr, lr, scale=4, iterations=3), hr)  # nothing to correct
    sr = imresize(lr, scale=4)
    for _ in range(10):
        sr = sr + imresize(lr - imresize(sr, scale=1 / 4), scale=4)
    made = back_projection(imresize(lr, scale=4), lr, scale=4, iterations=10)
    assert torch.allclose(made, sr, atol=1e-12)
    # a constant error is gone at once: both resamplings keep constants
    assert torch.allclose(back_projection(hr + 0.1, lr, scale=4, iterations=1), hr, atol=1e-12)
    assert (imresize(made, scale=1 / 4) - lr).square().mean().sqrt() < 0.1 / 255


def test_back_projection_says_what_does_not_fit() -> None:
    lr = torch.zeros(1, 3, 4, 5)
    with pytest.raises(ValueError, match=r"sr is \(1, 3, 8, 8\), lr \(1, 3, 4, 5\): .* scale=2"):
        back_projection(torch.zeros(1, 3, 8, 8), lr, scale=2, iterations=1)
    with pytest.raises(ValueError, match="iterations is 0: at least 1"):
        back_projection(torch.zeros(1, 3, 8, 10), lr, scale=2, iterations=0)
    with pytest.raises(ValueError, match="iterations is -1"):
        back_projected(interpolator("bicubic", 2), -1)


def test_a_corrected_model_shrinks_to_its_input(coffee: Tensor) -> None:
    model = interpolator("nearest", 3)
    corrected = back_projected(model, 20)
    assert (corrected.name, corrected.scale, corrected.luma) == ("nearest, back-projected 20x", 3, True)
    for lr in (coffee[..., :40, :50], (coffee[..., :40, :50] * 255).round().to(torch.uint8)):
        floats = lr / 255 if lr.dtype == torch.uint8 else lr
        made = corrected(lr)
        assert made.min() >= 0
        assert made.max() <= 1
        errors = [imresize(sr, scale=1 / 3) - floats for sr in (imresize(floats, scale=3, kernel="nearest"), made)]
        assert errors[1].norm() < 0.05 * errors[0].norm()
