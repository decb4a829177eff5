"""The figures of the papers, on the papers' pictures: skipped as a whole where Set5 and Set14 are not."""

import hashlib

import pytest

from srlib import datasets, evaluation, image, zoo
from srlib.inference import interpolator, open_model
from srlib.patches import crop_to_multiple
from srlib.resize import imresize

try:
    datasets.files("Set5"), datasets.files("Set14")
except datasets.DatasetError:
    pytest.skip("Set5 and Set14 are not here: `srlib data get Set5 Set14` brings them", allow_module_level=True)

# Bicubic, computed from these very files by an independent program; the papers print the same to two digits.
BICUBIC = {
    ("Set5", 2): ((33.6734, 0.93029), (33.6614, 0.92988)),
    ("Set5", 3): ((30.4033, 0.86891), (30.3922, 0.86821)),
    ("Set5", 4): ((28.4290, 0.81114), (28.4207, 0.81037)),
    ("Set14", 2): ((30.3246, 0.86985), (30.2318, 0.86865)),
    ("Set14", 3): ((27.6311, 0.77588), (27.5405, 0.77361)),
    ("Set14", 4): ((26.0884, 0.70480), (26.0001, 0.70186)),
}


@pytest.mark.parametrize(("name", "scale"), BICUBIC)
def test_bicubic_rows(name: str, scale: int) -> None:
    for convention, expected in zip(("y-of-rgb", "y-only"), BICUBIC[name, scale], strict=True):
        [result] = evaluation.evaluate(interpolator("bicubic", scale), [name], convention=convention)
        assert result.mean().psnr == pytest.approx(expected[0], abs=1e-4)
        assert result.mean().ssim == pytest.approx(expected[1], abs=1e-5)


@pytest.mark.parametrize(("scale", "at_least"), [(2, 36.3), (3, 32.39), (4, 30.1)])
def test_shipped_srcnn_reaches_the_paper(scale: int, at_least: float) -> None:
    # 32.39 dB is what 1501.00092 prints for 9-1-5 trained on 91 pictures.
    [result] = evaluation.evaluate(open_model("srcnn", scale=scale), ["Set5"], convention="y-only")
    assert result.mean().psnr >= at_least


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for name in zoo.names() for scale in zoo.scales(name)])
def test_shipped_weights_measure_what_their_card_says(name: str, scale: int) -> None:
    convention = "degraded" if name.startswith("real-") else "y-of-rgb"  # of a card's, that which it is shipped for
    told = zoo.card(name, scale)["measured"][convention]["Set5"]
    [result] = evaluation.evaluate(open_model(name, scale=scale), ["Set5"], convention=convention)
    assert result.mean().psnr == pytest.approx(told["psnr"], abs=2e-3)
    assert result.mean().ssim == pytest.approx(told["ssim"], abs=1e-4)


# SHA-256 of the 106,398 values (3, h, w) of Set5's x4 LR as MATLAB itself wrote them.
MATLAB = {
    "baby.png": "bfbbde9790a8891b6db6254266771cd21748bb7637e75f782c627cccc608e19f",
    "bird.png": "f3c6d7096b615abfb0a382ca88ad45426c3f0b2ae7c23858aae20c3ced7cc2ef",
    "butterfly.png": "6e4afde3f6b7fdbf7a88567a95f9d912f00c287eddf0601583caada50463e447",
    "head.png": "2098520da406ed7da9a22612e2821865a7bd82389af66c66fe2a6b6203676ecf",
    "woman.png": "2fc7dc1e6e3415803e04f896fa46a5446dc4cc6b268915e98855166fb5daf234",
}


def test_matlabs_own_lr_bit_for_bit() -> None:
    lr = {p.name: imresize(crop_to_multiple(image.read_uint8(p), 4)[None], scale=0.25) for p in datasets.files("Set5")}
    assert sum(picture.numel() for picture in lr.values()) == 106_398
    assert {name: hashlib.sha256(picture.numpy().tobytes()).hexdigest() for name, picture in lr.items()} == MATLAB
