"""NIQE against a plain loop in numpy and scipy, laws with known parameters, and a published implementation's order."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.special import gamma
from scipy.stats import spearmanr
from torch import Tensor

from srlib import cli, color, datasets, image, niqe, zoo
from srlib.patches import crop_to_multiple
from srlib.resize import imresize

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
Array = np.ndarray

# BasicSR 1.4.2 with its own pristine model, border 4, on `_degraded`.
PUBLISHED = {
    "astronaut": (2.991, 4.739, 7.139, 6.611, 4.229, 8.520, 4.925),
    "chelsea": (2.689, 4.788, 8.013, 7.109, 3.788, 8.792, 5.606),
    "coffee": (4.079, 5.476, 7.643, 6.798, 6.513, 10.620, 8.021),
    "motorcycle_left": (2.683, 4.252, 7.244, 6.497, 3.725, 7.612, 4.279),
    "rocket": (6.903, 6.312, 8.558, 8.436, 8.150, 11.164, 10.641),
}  # fmt: skip


def _degraded(picture: Tensor) -> dict[str, Tensor]:
    """8-bit variants, as floats, of a picture in [0, 1]."""
    noise = np.random.default_rng(0).standard_normal(picture.shape).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(image.to_uint8(picture)[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=15)
    jpeg = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None]
    variants = {
        "truth": picture,
        "bicubic 2": imresize(imresize(picture, scale=1 / 2), scale=2),
        "bicubic 4": imresize(imresize(picture, scale=1 / 4), scale=4),
        "blur": torch.from_numpy(gaussian_filter(picture.numpy(), (0, 0, 1.5, 1.5))),
        "noise 5": picture + 5 / 255 * torch.from_numpy(noise),
        "noise 20": picture + 20 / 255 * torch.from_numpy(noise),
        "jpeg 15": image.to_float(jpeg),
    }
    return {name: image.to_float(image.to_uint8(x.clamp(0, 1))) for name, x in variants.items()}


def _photographs() -> dict[str, Tensor]:
    paths = [*datasets.files("pictures/held-out"), *datasets.files("pictures/train")]
    wanted = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket")
    return {path.stem: crop_to_multiple(image.read(path).rgb, 4) for path in paths if path.stem in wanted}


def test_order_is_that_of_a_published_implementation() -> None:
    photographs = _photographs()
    assert set(photographs) == set(PUBLISHED)
    ours = np.array(
        [
            torch.cat([niqe.niqe(x, border=4) for x in _degraded(picture).values()]).numpy()
            for _, picture in sorted(photographs.items())
        ]
    )
    theirs = np.array([values for _, values in sorted(PUBLISHED.items())])
    assert spearmanr(ours.ravel(), theirs.ravel()).statistic > 0.9  # measured: 0.936
    assert spearmanr(ours.mean(0), theirs.mean(0)).statistic > 0.9  # measured: 0.964


ALPHAS = np.arange(0.2, 10.0005, 0.001)
SHARES = gamma(2 / ALPHAS) ** 2 / (gamma(1 / ALPHAS) * gamma(3 / ALPHAS))


def _law(x: Array) -> tuple[float, float, float]:
    left, right = np.sqrt(np.mean(x[x < 0] ** 2)), np.sqrt(np.mean(x[x > 0] ** 2))
    g = left / right
    share = np.mean(np.abs(x)) ** 2 / np.mean(x**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    alpha = ALPHAS[np.argmin((SHARES - share) ** 2)]
    factor = math.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * factor, right * factor


def _by_loops(picture: Tensor) -> tuple[Array, Array]:
    """Features (patches, 36) and sharpness (patches,) of one RGB picture, patch by patch."""
    y = 255 * color.luma(picture.double())[0, 0].numpy()
    rows, columns = y.shape[0] // 96, y.shape[1] // 96
    y = np.rint(y[: 96 * rows, : 96 * columns])
    # Keys' kernel, widened twice, where it falls on 8 pixels: |x| = 0.25, 0.75, 1.25, 1.75 of its own unit.
    taps = np.array([-0.0234375, -0.0703125, 0.2265625, 0.8671875]) / 2
    half = np.pad(y, 4, mode="symmetric")
    for axis in (0, 1):
        half = correlate1d(half, [*taps, *taps[::-1]], axis=axis, origin=-1)
    half = half[4:-4:2, 4:-4:2]
    parts, sharpness = [], []
    for plane, side in ((y, 96), (half, 48)):
        mean, square = (gaussian_filter(x, 7 / 6, mode="nearest", radius=3) for x in (plane, plane**2))
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        # A flat place is neither below nor above its mean, whatever the rounding of the sums.
        mscn, told = np.where(np.abs(plane - mean) < 1e-6, 0, plane - mean) / (deviation + 1), []
        for i in range(rows):
            for j in range(columns):
                here = (slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side))
                alpha, left, right = _law(mscn[here])
                told.append([alpha, (left + right) / 2])
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    alpha, left, right = _law(mscn[here] * np.roll(mscn[here], shift, (0, 1)))
                    told[-1] += [alpha, (right - left) * gamma(2 / alpha) / gamma(1 / alpha), left, right]
                if side == 96:
                    sharpness.append(deviation[here].mean())
        parts.append(np.array(told))
    return np.concatenate(parts, 1), np.array(sharpness)


def test_features_and_distance_are_those_of_loops(coffee: Tensor) -> None:
    picture = coffee[..., 20:225, 30:430]
    told, _ = _by_loops(picture)
    assert niqe.features(picture)[0].numpy() == pytest.approx(told, abs=1e-8)
    told, _ = _by_loops(picture[..., 4:-4, 4:-4])
    model = niqe.load()
    difference = told.mean(0) - model.mean.numpy()
    inverse = np.linalg.pinv((np.cov(told, rowvar=False) + model.covariance.numpy()) / 2)
    assert float(niqe.niqe(picture, border=4)) == pytest.approx(math.sqrt(difference @ inverse @ difference), rel=1e-6)


def test_fit_takes_the_sharp_patches(coffee: Tensor) -> None:
    pictures = [coffee[..., :200, :300], coffee[..., 150:400, 250:]]
    kept = [told[sharp > 0.75 * sharp.max()] for told, sharp in map(_by_loops, pictures)]
    patches = np.concatenate(kept)
    fitted = niqe.fit(pictures)
    assert 2 <= fitted.patches == len(patches) < 6 + 6
    assert fitted.mean.numpy() == pytest.approx(patches.mean(0), abs=1e-8)
    assert fitted.covariance.numpy() == pytest.approx(np.cov(patches, rowvar=False), abs=1e-8)


@pytest.mark.parametrize(("alpha", "left", "right"), [(0.7, 1.0, 1.0), (1, 0.5, 1.0), (2, 3.0, 3.0), (2, 2.0, 0.8)])
def test_estimator_finds_the_law_of_its_samples(alpha: float, left: float, right: float) -> None:
    # |x| / scale to the power alpha is Gamma(1 / alpha); a side's probability is in proportion to its scale.
    rng = np.random.default_rng(5)
    size = rng.gamma(1 / alpha, size=(700, 700)) ** (1 / alpha)
    samples = np.where(rng.random(size.shape) < left / (left + right), -left * size, right * size)
    told = [float(x) for x in niqe.aggd(torch.from_numpy(samples))]
    assert told == pytest.approx([alpha, left, right], rel=0.02)


def test_estimator_on_known_laws() -> None:
    rng = torch.Generator().manual_seed(1)
    normal = 1.5 * torch.randn(700, 700, generator=rng, dtype=torch.float64)
    assert [float(x) for x in niqe.aggd(normal)] == pytest.approx([2, 1.5 * math.sqrt(2), 1.5 * math.sqrt(2)], rel=0.02)
    flat = torch.rand(700, 700, generator=rng, dtype=torch.float64) - 0.5  # the limit of infinite alpha
    assert float(niqe.aggd(flat)[0]) > 9
    # Two samples of a hundred share out 1/50, below Gamma(10)^2 / (Gamma(5) Gamma(15)) = 1/16 of the table's first.
    rare = torch.zeros(10, 10, dtype=torch.float64)
    rare[0, 0], rare[5, 5] = 1, -1
    assert float(niqe.aggd(rare)[0]) == 0.2


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_per_picture_and_a_border_is_left_out(coffee: Tensor, device: str) -> None:
    variants = _degraded(coffee[..., :208, :304])
    batch = torch.cat([variants[name] for name in ("truth", "blur", "noise 20")]).to(device)
    together = niqe.niqe(batch, border=4)
    assert together.dtype == torch.float64
    assert together.device == batch.device
    inside = [float(niqe.niqe(x[None, :, 4:-4, 4:-4], border=0)) for x in batch.cpu()]
    assert together.tolist() == pytest.approx(inside, rel=1e-9)
    assert min(inside) == inside[0]
    assert float(niqe.niqe(color.luma(batch[:1]), border=4)) == pytest.approx(inside[0], rel=1e-9)


def test_flat_patches_are_left_out(coffee: Tensor) -> None:
    half_flat = torch.cat([coffee[..., :192, :288], coffee.new_full((1, 3, 192, 288), 0.3)], 3)
    told = niqe.features(half_flat)[0]
    # The patches beside the edge see it through the window.
    assert told.isfinite().all(1).tolist() == 2 * [True, True, True, False, False, False]
    assert niqe.niqe(torch.cat([half_flat, torch.full_like(half_flat, 0.3)]), border=0).isnan().tolist() == [
        False,
        True,
    ]


def test_command_fits_and_saves(tmp_path: Path, coffee: Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        image.write(
            tmp_path / "in" / f"{name}.png", coffee[..., :200, :300] if name == "a" else coffee[..., 100:, 200:]
        )
    assert cli.main(["fit-niqe", str(tmp_path / "in"), "--out", str(tmp_path / "out.safetensors")]) == 0
    fitted = niqe.fit(image.read(path).rgb for path in datasets.files(tmp_path / "in"))
    loaded = niqe.load(tmp_path / "out.safetensors")
    assert torch.equal(loaded.mean, fitted.mean)
    assert torch.equal(loaded.covariance, fitted.covariance)
    assert capsys.readouterr().out == f"in: {loaded.patches} sharp patches of 2 pictures\n"
    assert float(niqe.niqe(coffee, border=4, pristine=loaded)) != float(niqe.niqe(coffee, border=4))


def test_shipped_model_is_no_network_and_is_refitted_where_its_pictures_are() -> None:
    model = niqe.load()
    assert model.patches == 889
    assert not [name for name in zoo.names() if "niqe" in name]
    assert float(torch.linalg.eigvalsh(model.covariance)[0]) > 1e-6  # of full rank
    try:
        paths = datasets.files("BSDS500/train")
    except datasets.DatasetError:
        pytest.skip("BSDS500 is not here: `srlib data get BSDS500/train` brings it")
    again = niqe.fit(image.read(path).rgb for path in paths)
    assert again.patches == model.patches
    assert torch.allclose(again.mean, model.mean, rtol=0, atol=1e-6)
    assert torch.allclose(again.covariance, model.covariance, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("pictures", "border", "message"),
    [
        (torch.zeros(3, 200, 200), 0, "must be"),
        (torch.zeros(1, 3, 200, 200).byte(), 0, "to_float"),
        (torch.zeros(1, 2, 200, 200), 0, "2 channels"),
        (torch.zeros(1, 3, 95, 400), 0, "less than 96 x 96"),
        (torch.zeros(1, 3, 191, 191), 0, "holds 1 patch"),
        (torch.zeros(1, 3, 200, 200), 5, "190 x 190 holds 1 patch"),
        (torch.zeros(1, 3, 200, 200), -1, "border -1"),
    ],
)  # fmt: skip
def test_bad_input_is_named(pictures: Tensor, border: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        niqe.niqe(pictures, border=border)


def test_patches_without_a_law_make_no_model() -> None:
    y, x = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    board = ((x + y) % 2).float()[None, None]  # sharp, but all its products of neighbours have one sign
    with pytest.raises(ValueError, match="0 sharp patches"):
        niqe.fit([torch.zeros(1, 1, 200, 200), board])
