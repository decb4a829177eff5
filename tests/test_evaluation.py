"""The protocols, step by step by hand on a real picture; tables, JSON, strips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn

from srlib import evaluation, image
from srlib.inference import Model, interpolator, network_model, upscale
from srlib.models import SRCNN
from srlib.resize import imresize


def _picture(rgb: Tensor, *, grey: bool = False) -> image.Picture:
    return image.Picture(rgb, None, 8, grey)


def _half_up(x: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(x + 0.5), 0, 255)


def _y(rgb255: np.ndarray) -> np.ndarray:
    return 16 + (65.481 * rgb255[0] + 128.553 * rgb255[1] + 24.966 * rgb255[2]) / 255


def test_y_of_rgb_by_hand(coffee: Tensor) -> None:
    rgb = coffee[..., :101, :203]
    hr = np.round(rgb[0].numpy() * 255)[:, :100, :200]
    lr = imresize(torch.from_numpy(hr).byte()[None], scale=0.25)
    sr = imresize(lr, scale=4)[0].numpy().astype(float)
    inside = (slice(4, -4), slice(4, -4))
    expected = peak_signal_noise_ratio(_y(hr)[inside], _y(sr)[inside], data_range=255)
    score = evaluation.score(interpolator("bicubic", 4), _picture(rgb), convention="y-of-rgb")
    assert score.psnr == pytest.approx(expected, abs=1e-6)


def test_y_only_by_hand(coffee: Tensor) -> None:
    rgb = coffee[..., :101, :203]
    hr = _half_up(_y(np.round(rgb[0].numpy().astype(np.float64) * 255)))[:99, :201]
    lr = imresize(torch.from_numpy(hr)[None, None], scale=1 / 3)
    sr = _half_up(imresize(lr, scale=3)[0, 0].numpy())
    expected = peak_signal_noise_ratio(hr[3:-3, 3:-3], sr[3:-3, 3:-3], data_range=255)
    score = evaluation.score(interpolator("bicubic", 3), _picture(rgb), convention="y-only")
    assert score.psnr == pytest.approx(expected, abs=1e-5)


def test_a_grey_file_keeps_its_values_in_y_only(coffee: Tensor) -> None:
    grey = coffee[:, :1, :48, :48].repeat(1, 3, 1, 1)
    _, hr, luma = evaluation.y_only(_picture(grey, grey=True), 4)
    assert torch.equal(hr, grey[:, :1])
    assert not luma
    _, hr, _ = evaluation.y_only(_picture(grey), 4)
    assert torch.equal(hr, ((16 + grey[:, :1].double() * 219) + 0.5).floor().float() / 255)


def test_a_perfect_model_has_infinite_psnr(coffee: Tensor) -> None:
    hr = coffee[..., :48, :48]
    perfect = Model("perfect", 4, 0, lambda lr: hr)
    score = evaluation.score(perfect, _picture(hr), convention="y-of-rgb")
    assert (score.psnr, score.ssim) == (float("inf"), 1.0)


def test_mean_is_over_pictures_and_json_is_complete(tmp_path: Path, coffee: Tensor) -> None:
    for name, left in (("a.png", 0), ("b.png", 300)):
        image.write(tmp_path / "mine" / name, coffee[..., :80, left : left + 80])
    model = interpolator("bilinear", 2)
    [result] = evaluation.evaluate(model, [tmp_path / "mine"], convention="y-of-rgb")
    values = [s.psnr for s in result.images.values()]
    assert result.mean().psnr == pytest.approx((values[0] + values[1]) / 2)
    assert values[0] != values[1]
    told = json.loads(json.dumps(evaluation.as_json([result], model=model, convention="y-of-rgb")))
    assert (told["model"], told["scale"], told["convention"]) == ("bilinear", 2, "y-of-rgb")
    assert told["sets"]["mine"]["images"]["b.png"]["psnr"] == values[1]
    assert told["sets"]["mine"]["psnr"] == result.mean().psnr
    table = evaluation.as_table([result])
    assert f"{result.mean().psnr:.4f}" in table
    assert f"{values[0]:.4f}" in table


def test_model_of_another_scale_is_named(coffee: Tensor) -> None:
    wrong = Model("wrong", 4, 0, lambda lr: imresize(lr, scale=2))
    with pytest.raises(ValueError, match="scale 4 asks for"):
        evaluation.score(wrong, _picture(coffee[..., :48, :48]), convention="y-of-rgb")
    with pytest.raises(ValueError, match="'y' is not known: choose one of y-of-rgb, y-only"):
        evaluation.evaluate(wrong, ["pictures"], convention="y")


def test_two_sets_of_one_name_and_small_pictures_are_refused(tmp_path: Path, coffee: Tensor) -> None:
    for folder in ("a/val", "b/val"):
        image.write(tmp_path / folder / "x.png", coffee[..., :9, :9])
    with pytest.raises(ValueError, match="two sets are called val"):
        evaluation.evaluate(interpolator("bicubic", 2), [tmp_path / "a/val", tmp_path / "b/val"], convention="y-only")
    with pytest.raises(ValueError, match=r"x\.png: border 2 leaves less than 11"):
        evaluation.evaluate(interpolator("bicubic", 2), [tmp_path / "a/val"], convention="y-only")


def test_json_of_identical_pictures_is_json() -> None:
    result = evaluation.Result("s", {"a.png": evaluation.Score(float("inf"), 1.0, 0.1)})
    told = evaluation.as_json([result], model=interpolator("bicubic", 2), convention="y-only")
    assert json.loads(json.dumps(told, allow_nan=False))["sets"]["s"]["psnr"] is None


def test_a_result_larger_than_a_file_may_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scale 9000 makes 90000 x 90000 pixels"):
        interpolator("bicubic", 9000)(torch.zeros(1, 3, 10, 10))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_strips_equal_the_whole_picture(coffee: Tensor, monkeypatch: pytest.MonkeyPatch, scale: int) -> None:
    torch.manual_seed(0)
    network = SRCNN(scale=scale)
    lr = coffee[..., :61, :37]
    with torch.no_grad():
        whole = network(lr).clamp(0, 1)
    monkeypatch.setattr("srlib.strips.STRIP_PIXELS", 37 * scale**2 * 5)  # five LR rows at a time
    strips = network_model(network, name="n")(lr)
    assert (strips - whole).abs().max() < 1e-6


def test_strips_reach_as_far_as_the_halo(coffee: Tensor) -> None:
    network = SRCNN(scale=3).double()
    nn.init.constant_(network.extract.weight, 0.1)  # every tap counts
    lr = torch.rand(1, 1, 31, 9, dtype=torch.float64, requires_grad=True)
    network(lr)[0, 0, 3 * 15 : 3 * 16].sum().backward()
    assert lr.grad is not None
    rows = lr.grad[0, 0].abs().sum(1).nonzero().flatten().tolist()
    reach = max(15 - min(rows), max(rows) - 15)
    assert reach <= network.halo <= reach + 1


def test_upscale_keeps_alpha_grey_and_bits(coffee: Tensor) -> None:
    alpha = coffee[:, :1, :20, :30]
    picture = image.Picture(coffee[..., :20, :30], alpha, 16, True)
    done = upscale(picture, interpolator("bicubic", 3))
    assert done.bits == 16
    assert done.grey
    assert done.alpha is not None
    assert torch.equal(done.alpha, imresize(alpha, scale=3).clamp(0, 1))
    assert 0 <= float(done.rgb.min()) <= float(done.rgb.max()) <= 1
    assert torch.equal(done.rgb, done.rgb[:, :1].expand_as(done.rgb))  # a grey one has one colour


def test_a_network_takes_floats_of_any_kind_and_needs_tell_nothing_of_itself(coffee: Tensor) -> None:
    class Plain(torch.nn.Module):
        scale, in_channels = 2, 3

        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 12, 3, padding=1)

        def forward(self, lr: Tensor) -> Tensor:
            return torch.nn.functional.pixel_shuffle(self.conv(lr), 2)

    network, lr = Plain(), coffee[..., :31, :17]
    model = network_model(network, name="plain")
    made = model(lr)
    with torch.no_grad():
        assert torch.allclose(made, network(lr).clamp(0, 1), atol=1e-6)
    assert torch.equal(model(lr.double()), made) and model(lr.half()).dtype == torch.float32
