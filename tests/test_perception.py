"""The two axes on which games are judged: what is measured, how it is averaged, and how it is shown."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from srlib import cli, features, image, metrics, niqe, perception, plots, zoo
from srlib.features import VGG19
from srlib.inference import Model, interpolator
from srlib.perception import Perception


@pytest.fixture(scope="module")
def eye() -> VGG19:
    return VGG19(features.DISTANCE_TAPS, random=True)


@pytest.fixture
def folder(tmp_path: Path, coffee: Tensor) -> Path:
    image.write(tmp_path / "set" / "a.png", coffee[..., :224, :320])
    return tmp_path / "set"


def test_vgg_distance_by_hand(eye: VGG19, rng: torch.Generator) -> None:
    sr, hr = (torch.rand(2, 3, 24, 32, generator=rng) for _ in range(2))
    wanted = np.zeros(2)
    for tap in eye.taps:
        one, two = (eye(x)[tap].double().numpy() for x in (sr, hr))
        one, two = (x / np.sqrt((x**2).sum(1, keepdims=True)) for x in (one, two))
        wanted += (2 - 2 * (one * two).sum(1)).mean((1, 2)) / 3  # the squared distance of two unit vectors
    assert np.allclose(features.vgg_distance(eye, sr, hr), wanted, rtol=1e-4)
    assert features.vgg_distance(eye, sr, sr).abs().max() == 0


def test_vgg_distance_does_not_mind_the_scale_of_a_layer(rng: torch.Generator) -> None:
    sr, hr = (torch.rand(1, 3, 24, 24, generator=rng) for _ in range(2))
    one, other = (VGG19(features.DISTANCE_TAPS, random=True) for _ in range(2))
    for factor, conv in zip((3.0, 0.2, 7.0, 0.5), other.convs.values(), strict=False):
        conv.weight.mul_(factor)  # biases are 0, so that all that follows is scaled alike
    assert torch.allclose(features.vgg_distance(one, sr, hr), features.vgg_distance(other, sr, hr), rtol=1e-4)


def test_the_truth_itself_is_perfect_and_as_natural_as_the_truth(folder: Path, eye: VGG19) -> None:
    truth = image.to_uint8(image.read(folder / "a.png").rgb)
    perfect = Model("perfect", 4, 0, lambda lr: truth)
    seen = perception.perceive(perfect, folder, eye=eye)
    assert seen == Perception(math.inf, 1.0, seen.niqe, 1.0, 0.0)
    assert seen.niqe == perception.of_the_truth(folder, 4) == float(niqe.niqe(image.to_float(truth), border=4))


def test_bicubic_is_blurred(folder: Path, eye: VGG19) -> None:
    seen = perception.perceive(interpolator("bicubic", 4), folder, eye=eye)
    hr = image.to_float(image.to_uint8(image.read(folder / "a.png").rgb))
    lr = torch.nn.functional.avg_pool2d(hr, 4)  # another blur of the same strength has about the same sharpness
    smooth = torch.nn.functional.interpolate(lr, scale_factor=4, mode="bicubic")
    like = metrics.sharpness(smooth, border=4, luma=True) / metrics.sharpness(hr, border=4, luma=True)
    assert seen.sharpness == pytest.approx(float(like), rel=0.1)
    assert seen.niqe > perception.of_the_truth(folder, 4) + 1
    assert seen.vgg is not None and seen.vgg > 0
    assert perception.perceive(interpolator("bicubic", 4), folder, eye=None).vgg is None


@pytest.mark.parametrize(("height", "width"), [(64, 64), (120, 196), (196, 120)])  # less than a patch, and one
def test_pictures_too_small_for_niqe_are_left_out_of_its_mean(
    height: int, width: int, folder: Path, coffee: Tensor
) -> None:
    bicubic = interpolator("bicubic", 4)
    alone = perception.perceive(bicubic, folder, eye=None)
    image.write(folder / "small.png", coffee[..., :height, :width])
    both = perception.perceive(bicubic, folder, eye=None)
    assert both.niqe == alone.niqe and both.psnr != alone.psnr
    (folder / "a.png").unlink()
    small = perception.perceive(bicubic, folder, eye=None)
    assert math.isnan(small.niqe) and both.psnr == pytest.approx((alone.psnr + small.psnr) / 2)


def test_the_table_says_what_is_not_known() -> None:
    rows = {"one": {"niqe": 8.125, "sharpness": 0.5, "vgg": 0.25, "psnr": 28.0, "ssim": 0.77}}
    rows["two"] = {"niqe": 5.0, "sharpness": 1.0, "psnr": 26.0, "ssim": 0.7}
    [_, _, one, two] = zoo.perceived(rows).splitlines()
    assert one == "| one | 8.12 | 0.50 | 0.250 | 28.00 / 0.7700 |"
    assert two == "| two | 5.00 | 1.00 | not run | 26.00 / 0.7000 |"


def test_the_plane_draws_every_point_and_the_way_between() -> None:
    points = {"faithful": (30.0, 8.0), "between": (29.0, 6.5), "natural": (27.0, 5.0)}
    figure = plots.plane(points, paths=[list(points)], truth=5.5, title="a set")
    [axis] = figure.axes
    drawn = [tuple(dots.get_offsets()[0]) for dots in axis.collections]
    assert drawn == list(points.values())
    assert [text.get_text() for text in axis.texts] == list(points)
    way, truth = axis.lines
    assert np.array_equal(way.get_xydata(), list(points.values())) and set(truth.get_ydata()) == {5.5}
    low, high = axis.get_ylim()
    assert low > 8.0 and high < 5.0  # upwards is lower, and nothing is cut off


def test_names_in_the_plane_keep_off_each_other_the_points_and_the_line_of_the_truth() -> None:
    points = {"a network": (28.20, 8.04), "another one": (28.18, 8.15), "a third": (28.0, 8.28), "low": (23.7, 5.6)}
    figure = plots.plane(points, truth=5.42)
    [axis] = figure.axes
    boxes = [text.get_window_extent() for text in axis.texts]
    _, line = axis.transData.transform((0, 5.42))
    assert [text.get_text() for text in axis.texts] == list(points)
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
    for box in boxes:
        assert not box.y0 < line < box.y1
        assert not any(box.contains(*axis.transData.transform(point)) for point in points.values())


def test_the_command_writes_table_and_picture(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "names", lambda: ["srcnn"])
    assert cli.main(["plane", "--set", str(folder), "--out", str(tmp_path / "plane.png")]) == 0
    told = capsys.readouterr().out
    bicubic = perception.perceive(interpolator("bicubic", 4), folder, eye=perception.judge())
    row = {key: value for key, value in bicubic._asdict().items() if value is not None}
    assert zoo.perceived({"bicubic": row}).splitlines()[-1] in told and "| srcnn |" in told
    assert f"NIQE of the true pictures: {perception.of_the_truth(folder, 4):.2f}" in told
    assert (tmp_path / "plane.png").stat().st_size > 10_000


def test_no_eye_without_vgg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SRLIB_VGG19", raising=False)
    monkeypatch.setattr(features, "_cache", lambda: tmp_path)
    assert perception.judge() is None


@pytest.mark.skipif("SRLIB_VGG19" not in os.environ, reason="needs VGG19's weights: SRLIB_VGG19")
def test_through_the_real_vgg_a_blur_is_further_than_as_much_brightness(coffee: Tensor) -> None:
    eye = perception.judge()
    assert eye is not None
    blurred = torch.nn.functional.avg_pool2d(coffee, 5, stride=1, padding=2, count_include_pad=False)
    spread = float((blurred - coffee).square().mean().sqrt())
    blur, brighter = (float(features.vgg_distance(eye, x, coffee)) for x in (blurred, coffee + spread))  # equal PSNR
    assert brighter < blur / 2


GAMES = [(name, scale) for name in zoo.names() for scale in zoo.scales(name) if zoo.is_game(name, scale)]


@pytest.mark.parametrize(("name", "scale"), GAMES, ids=lambda value: str(value))
def test_a_shipped_game_is_sharper_and_more_natural_than_its_start(name: str, scale: int) -> None:
    card = zoo.card(name, scale)
    begins = card["stages"][-1]["recipe"]["begins"]
    convention = "degraded" if name.startswith("real-") else "y-of-rgb"
    game, start = (zoo.card(n, scale)["measured"][convention]["Set14"] for n in (name, begins))
    assert game["niqe"] < start["niqe"] - 1
    assert game["sharpness"] > 1.25 * start["sharpness"]
    assert start["psnr"] - 3.5 < game["psnr"] < start["psnr"]
    assert "relu" in json.dumps(card["stages"][-1]["recipe"]["features"]) or "conv" in json.dumps(card["stages"])
