"""JPEG against libjpeg itself, through PIL, in every bit; its parts against scipy, PIL's files and hand arithmetic."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, features
from scipy.fft import dctn
from torch import Tensor

from srlib import datasets, image, metrics
from srlib.degradations.jpeg import CPU_PIXELS, dct_matrix, jpeg, tables

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BOTH = ("4:2:0", "4:4:4")
libjpeg = pytest.mark.skipif(not features.check_feature("libjpeg_turbo"), reason="other libjpegs round elsewhere")


def _file(picture: Tensor, quality: int, subsampling: str) -> BytesIO:
    file = BytesIO()
    whole = Image.fromarray(image.to_uint8(picture).permute(1, 2, 0).numpy())
    whole.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file


def _by_pil(pictures: Tensor, quality: int, subsampling: str) -> Tensor:
    """uint8, one picture after the other."""
    read = [np.array(Image.open(_file(picture, quality, subsampling))) for picture in pictures]
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2)


def _different(pictures: Tensor, quality: int, subsampling: str, device: str = "cpu") -> int:
    ours = jpeg(pictures.to(device), quality, subsampling=subsampling).cpu()
    return int((image.to_uint8(ours) != _by_pil(pictures, quality, subsampling)).sum())


@libjpeg
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("subsampling", BOTH)
@pytest.mark.parametrize("quality", [1, 2, 10, 20, 30, 40, 49, 50, 51, 60, 70, 80, 90, 95, 99, 100])
def test_photographs_equal_libjpegs(quality: int, subsampling: str, device: str) -> None:
    for path in datasets.files("pictures/held-out"):
        hr = image.read(path).rgb[..., :203, :218]
        assert _different(hr, quality, subsampling, device) == 0, path.name


@libjpeg
@pytest.mark.parametrize("subsampling", BOTH)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (2, 4), (3, 5), (7, 5), (8, 8), (9, 16), (16, 17), (17, 31), (24, 8), (33, 2), (50, 47)]
)
def test_every_size_equals_libjpegs(size: tuple[int, int], subsampling: str, rng: torch.Generator) -> None:
    noise = torch.rand(4, 3, *size, generator=rng)
    extreme = noise.round()  # the largest coefficients there are
    for quality in (3, 35, 75, 98):
        assert _different(noise, quality, subsampling) == 0
        assert _different(extreme, quality, subsampling) == 0


def test_the_cached_parts_and_a_quality_each_are_one_by_one(coffee: Tensor, rng: torch.Generator) -> None:
    hr = coffee[..., :320, :330].expand(3, -1, -1, -1).clone()
    hr[1:] = (hr[1:] + 0.1 * torch.randn(hr[1:].shape, generator=rng)).clamp(0, 1)
    assert 1 <= CPU_PIXELS // hr[0, 0].numel() < 3  # so that there are several parts
    quality = torch.tensor([12.9, 50.0, 95.5])
    together = jpeg(hr, quality)
    for k, whole in enumerate((12, 50, 95)):
        assert torch.equal(together[k : k + 1], jpeg(hr[k : k + 1], whole))
    assert torch.equal(jpeg(hr, 40), jpeg(hr, torch.full((3,), 40)))


@pytest.mark.parametrize("quality", [1, 7, 30, 49, 50, 51, 75, 90, 95, 100])
def test_tables_are_those_in_the_file(quality: int) -> None:
    [ours] = tables(quality)
    with Image.open(_file(torch.rand(3, 16, 16), quality, "4:2:0")) as opened:
        theirs = opened.quantization  # type: ignore[attr-defined]  # a JPEG file has it
    assert [table.flatten().tolist() for table in ours] == [theirs[0], theirs[1]]


def test_tables_by_hand() -> None:
    # quality 80: 40 %; (16 * 40 + 50) // 100 = 6, (17 * 40 + 50) // 100 = 7; quality 10: 500 %, no more than 255
    ours = tables(torch.tensor([80, 10]))
    assert ours.shape == (2, 2, 8, 8)
    assert ours[:, :, 0, 0].tolist() == [[6, 7], [80, 85]]
    assert ours[1, 0, 7].tolist() == [255] * 8
    assert (ours[0, 0, 0, 1], ours[0, 0, 1, 0]) == (4, 5)  # 11 lies right of 16, 12 below


def test_the_matrix_is_orthonormal_and_scipys_dct(rng: torch.Generator) -> None:
    matrix, block = dct_matrix(), torch.rand(8, 8, generator=rng, dtype=torch.float64)
    assert torch.allclose(matrix @ matrix.T, torch.eye(8, dtype=torch.float64), atol=1e-15)
    assert np.allclose(matrix @ block @ matrix.T, dctn(block.numpy(), norm="ortho"), atol=1e-14)


def test_one_block_by_hand() -> None:
    # Grey 0.75 = 191.25 -> 191. DC 8 (191 - 128) = 504; quality 10: steps of 80; 6.3 -> 6 -> 480 -> 60 + 128 = 188.
    grey = jpeg(torch.full((1, 3, 8, 8), 0.75), 10)
    assert grey.dtype == torch.float32
    assert torch.equal(grey, torch.full((1, 3, 8, 8), 188 / 255))


@pytest.mark.parametrize("subsampling", BOTH)
def test_grey_stays_grey(coffee: Tensor, subsampling: str) -> None:
    grey = coffee[:, 1:2, :50, :70].expand(-1, 3, -1, -1)
    for quality in (5, 50, 95):
        ours = jpeg(grey, quality, subsampling=subsampling)
        assert torch.equal(ours[:, 0], ours[:, 1])
        assert torch.equal(ours[:, 0], ours[:, 2])
        assert not torch.equal(ours, grey)


def test_better_quality_is_nearer(coffee: Tensor) -> None:
    hr = coffee[..., 100:228, 100:228]
    decibels = [float(metrics.psnr(jpeg(hr, q, subsampling="4:4:4"), hr, border=0, luma=False)) for q in (10, 50, 90)]
    assert decibels == sorted(decibels)
    worst = 255 * (jpeg(hr, 100, subsampling="4:4:4") - hr).abs().max()
    assert 0 < worst.round() <= 4  # steps of 1: what is left are roundings of colours and samples


@pytest.mark.parametrize("subsampling", BOTH)
@pytest.mark.parametrize("layout", ["channels last", "a crop", "autocast", "inference", "float64"])
def test_how_the_pictures_come_makes_no_difference(coffee: Tensor, subsampling: str, layout: str) -> None:
    hr = coffee.repeat(2, 1, 1, 1)[..., 10:58, 20:84]
    plain = jpeg(hr.contiguous(), 40, subsampling=subsampling)
    if layout == "channels last":
        hr = hr.to(memory_format=torch.channels_last)
    elif layout == "float64":
        hr = hr.double()
    half = torch.autocast("cpu", torch.bfloat16, enabled=layout == "autocast")
    with half, torch.inference_mode(layout == "inference"):
        other = jpeg(hr, 40, subsampling=subsampling)
    assert torch.equal(other, plain)
    assert other.dtype == torch.float32


def test_values_are_clamped_and_rounded_to_8_bits_first() -> None:
    wild = torch.tensor([-3.0, 7.0, 100.4 / 255, 100.6 / 255]).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    tame = torch.tensor([0.0, 255.0, 100.0, 101.0]).view(4, 1, 1, 1).expand(4, 3, 8, 8) / 255
    assert torch.equal(jpeg(wild, 100), tame)  # steps of 1 keep any flat grey


@pytest.mark.parametrize("subsampling", BOTH)
def test_the_gradient_goes_downhill(coffee: Tensor, rng: torch.Generator, subsampling: str) -> None:
    hr, target = coffee[..., 100:164, 100:164], torch.rand(1, 3, 64, 64, generator=rng)

    def loss(pictures: Tensor, quality: int, differentiable: bool = False) -> Tensor:
        made = jpeg(pictures, quality, subsampling=subsampling, differentiable=differentiable)
        return (made - target).square().sum()

    for quality in (10, 50, 90):
        pictures = hr.clone().requires_grad_()
        before = loss(pictures, quality, differentiable=True)
        assert torch.equal(before.detach(), loss(hr, quality))
        assert not loss(pictures, quality).requires_grad
        [gradient] = torch.autograd.grad(before, pictures)
        assert bool(gradient.isfinite().all())
        assert float((gradient != 0).float().mean()) > 0.9
        step = 4 / 255 * gradient.sign()
        expected = float((gradient * step).sum())
        # The cube's slope is 1/4 on average, the true one 1: at least what the gradient promises comes true.
        assert loss(hr - step, quality) < before - expected
        assert loss(hr + step, quality) > before + expected


def test_the_gradient_of_a_flat_block_by_hand() -> None:
    # Quality 60: the first step is (16 * 80 + 50) // 100 = 13. Grey 130: DC 8 * 2 = 16, x = 16 / 13, 3 / 13 above 1;
    # Cb = Cr = 0 in the middle of their steps: no gradient. All 3 * 64 values hang on the mean of Y.
    grey = torch.full((1, 3, 8, 8), 130 / 255, requires_grad=True)
    jpeg(grey, 60, subsampling="4:4:4", differentiable=True).sum().backward()
    assert grey.grad is not None
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        by_hand = 3 * weight * 3 * (3 / 13) ** 2
        assert grey.grad[0, channel].flatten().tolist() == pytest.approx([by_hand] * 64, rel=1e-3)


def test_bad_input_is_told() -> None:
    hr = torch.rand(2, 3, 9, 8)
    for wrong in (hr[0], hr[:, :1], hr[:0]):
        with pytest.raises(ValueError, match=r"pictures are \(.*must be \(B, 3, H, W\)"):
            jpeg(wrong, 50)
    with pytest.raises(ValueError, match=r"uint8.*to_float"):
        jpeg(image.to_uint8(hr), 50)
    for quality, told in ((0, "0"), (0.9, r"0\.9"), (100.5, r"100\.5"), (float("nan"), "nan")):
        with pytest.raises(ValueError, match=f"quality is {told}: .* from 1 .* to 100"):
            jpeg(hr, quality)
    with pytest.raises(ValueError, match="quality is 101"):
        tables(torch.tensor([50, 101]))
    with pytest.raises(ValueError, match="quality has 3 values and there are 2 pictures"):
        jpeg(hr, torch.tensor([50, 60, 70]))
    with pytest.raises(ValueError, match="quality has 1 values"):
        jpeg(hr, torch.tensor([50]))
    with pytest.raises(ValueError, match=r"quality is \(2, 1\)"):
        jpeg(hr, torch.tensor([[50], [60]]))
    with pytest.raises(ValueError, match=r"'4:2:2': use one of '4:2:0', '4:4:4'"):
        jpeg(hr, 50, subsampling="4:2:2")
