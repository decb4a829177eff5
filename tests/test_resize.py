"""imresize against MATLAB's printed values, a plain loop over MATLAB's formula, and torch where they agree."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.resize import KERNELS, cubic, imresize, weights

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# MATLAB's imresize of 0..n*n-1, row by row, as MATLAB prints it.
GOLDEN = [
    (4, (3, 3), [[0.7505518764, 2.1004415011, 3.4503311258], [6.1501103753, 7.5, 8.8498896247],
                 [11.5496688742, 12.8995584989, 14.2494481236]]),
    (8, (2, 2), [[12.3837890625, 16.6318359375], [46.3681640625, 50.6162109375]]),
    (15, (5, 5), [[14.4197530864, 17.5061728395, 20.5185185185, 23.5308641975, 26.6172839506]]),
]  # fmt: skip


def _ramp(side: int, dtype: torch.dtype) -> Tensor:
    return torch.arange(side * side, dtype=dtype).view(1, 1, side, side)


@pytest.mark.parametrize(("side", "size", "expected"), GOLDEN)
def test_golden_values(side: int, size: tuple[int, int], expected: list[list[float]]) -> None:
    rows = len(expected)
    exact = torch.tensor(expected, dtype=torch.float64)
    assert (imresize(_ramp(side, torch.float64), size=size)[0, 0, :rows] - exact).abs().max() < 1e-10  # as printed
    assert (imresize(_ramp(side, torch.float32) / 255, size=size)[0, 0, :rows] - exact / 255).abs().max() < 1e-6


def _by_formula(line: np.ndarray, outputs: int, scale: float, antialias: bool, kernel: str) -> np.ndarray:
    """One line, resized by a plain loop over the weights' definition."""
    kernels = {
        "bicubic": (lambda t: (1.5 * t - 2.5) * t * t + 1 if t <= 1 else ((-0.5 * t + 2.5) * t - 4) * t + 2, 2),
        "bilinear": (lambda t: 1 - t, 1),
        "lanczos3": (lambda t: 1.0 if t == 0 else 3 * math.sin(math.pi * t) * math.sin(math.pi * t / 3)
                     / (math.pi * t) ** 2, 3),
    }  # fmt: skip
    shape, reach = kernels[kernel]
    stretch = min(scale, 1.0) if antialias else 1.0
    out = np.zeros(outputs)
    for i in range(outputs):
        centre = (i + 0.5) / scale - 0.5
        total = value = 0.0
        for j in range(math.floor(centre - reach / stretch) - 1, math.ceil(centre + reach / stretch) + 2):
            distance = abs(centre - j) * stretch
            weight = shape(distance) if distance <= reach else 0.0
            mirrored = j % (2 * len(line))
            value += weight * line[mirrored if mirrored < len(line) else 2 * len(line) - 1 - mirrored]
            total += weight
        out[i] = value / total
    return out


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos3"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    ("inputs", "scale"), [(37, 1 / 3), (100, 0.25), (5, 0.2), (3, 4.0), (1, 3.0), (41, 1.37), (70, 0.61)]
)
def test_equals_a_plain_loop(inputs: int, scale: float, antialias: bool, kernel: str) -> None:
    line = np.random.default_rng(inputs).random(inputs)
    outputs = math.ceil(inputs * scale)
    expected = _by_formula(line, outputs, scale, antialias, kernel)
    tall = imresize(torch.from_numpy(line).view(1, 1, -1, 1), scale=(scale, 1), antialias=antialias, kernel=kernel)
    wide = imresize(torch.from_numpy(line).view(1, 1, 1, -1), scale=(1, scale), antialias=antialias, kernel=kernel)
    assert np.abs(tall.flatten().numpy() - expected).max() < 1e-12
    assert np.abs(wide.flatten().numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 3, 4])
def test_equals_torch_away_from_the_border(coffee: Tensor, scale: float) -> None:
    size = (round(400 * scale), round(600 * scale))
    theirs = F.interpolate(coffee.double(), size=size, mode="bicubic", antialias=True)
    ours = imresize(coffee.double(), size=size)
    inside = (..., slice(12, -12), slice(12, -12))
    assert (ours - theirs)[inside].abs().max() < 1e-6
    assert (ours - theirs).abs().max() > 1e-4  # and not at it: torch cuts the kernel off there


def test_float32_is_close_to_float64_at_awkward_sizes(coffee: Tensor) -> None:
    for size in [(401, 599), (133, 200), (7, 11), (1, 1), (800, 1800), (400, 31)]:
        assert (imresize(coffee, size=size) - imresize(coffee.double(), size=size)).abs().max() < 1e-6


def test_uint8_rounds_half_up_after_each_pass_rows_first() -> None:
    # Rows first: the columns' means 0 and 0.5 become 0 and 1, whose mean 0.5 becomes 1. One rounding gives 0.
    picture = torch.tensor([[0, 1], [0, 0]], dtype=torch.uint8).view(1, 1, 2, 2)
    assert imresize(picture, scale=0.5, kernel="nearest").flatten().tolist() == [1]
    assert imresize(picture.mT.contiguous(), scale=0.5, kernel="nearest").flatten().tolist() == [1]
    picture = torch.tensor([[0, 1], [1, 0], [0, 0], [0, 0]], dtype=torch.uint8).view(1, 1, 4, 2)
    halved = imresize(picture, scale=0.5, kernel="nearest")  # 0.5 and 0.5 become 1 and 1: the mean of one rounding is 1
    assert (halved.dtype, halved.flatten().tolist()) == (torch.uint8, [1, 0])


def test_uint8_clips_the_overshoot_of_an_edge() -> None:
    edge = torch.tensor([0, 0, 0, 255, 255, 255], dtype=torch.uint8).view(1, 1, 1, 6)
    exact = imresize(edge.double(), scale=(1, 4))
    assert exact.min() < 0
    assert exact.max() > 255
    assert torch.equal(imresize(edge, scale=(1, 4)), (exact + 0.5).floor().clamp(0, 255).to(torch.uint8))


def test_gradient_is_the_transposed_matrix() -> None:
    x = torch.rand(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    for scale in (0.5, 2, (0.4, 1.7)):
        assert torch.autograd.gradcheck(lambda t, s=scale: imresize(t, scale=s), (x,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_only_its_own_digits(coffee: Tensor, dtype: torch.dtype) -> None:
    small = coffee[..., :64, :64]
    out = imresize(small.to(dtype), scale=0.25)
    assert out.dtype == dtype
    assert (out.float() - imresize(small, scale=0.25)).abs().max() < 2 * torch.finfo(dtype).eps


def test_gradients_after_use_without_them() -> None:
    x = torch.rand(1, 1, 23, 29)
    with torch.inference_mode():
        imresize(x, scale=2)  # fills the cache of matrices
    x.requires_grad_()
    imresize(x, scale=2).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad.sum(), torch.tensor(4.0 * 23 * 29))  # every weight is used: rows sum to 1


@pytest.mark.parametrize("device", DEVICES)
def test_same_on_every_device(coffee: Tensor, device: str) -> None:
    for scale in (0.25, 3):
        assert torch.allclose(imresize(coffee.to(device), scale=scale).cpu(), imresize(coffee, scale=scale), atol=1e-6)
    eight = (coffee * 255).round().to(torch.uint8)
    assert torch.equal(imresize(eight.to(device), scale=0.25).cpu(), imresize(eight, scale=0.25))


def test_mixed_precision_leaves_it_exact(coffee: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        inside = imresize(coffee, scale=0.5)
    assert torch.equal(inside, imresize(coffee, scale=0.5))


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_constant_pictures_stay(kernel: str) -> None:
    grey = torch.full((1, 1, 9, 7), 0.3, dtype=torch.float64)
    for scale in (0.3, 0.5, 2.5):
        assert (imresize(grey, scale=scale, kernel=kernel) - 0.3).abs().max() < 1e-15  # type: ignore[arg-type]


def test_cubic_reproduces_parabolas() -> None:
    # Keys' kernel with a = -0.5 has third order: it enlarges second-degree polynomials exactly.
    x = torch.arange(20, dtype=torch.float64)
    out = imresize((x**2).view(1, 1, 1, -1), scale=(1, 2)).flatten()
    expected = ((torch.arange(40, dtype=torch.float64) + 0.5) / 2 - 0.5) ** 2
    assert (out - expected)[6:-6].abs().max() < 1e-11
    assert cubic(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])).tolist() == [1, 0.5625, 0, -0.0625, 0, 0]


def test_weights_sum_to_one_and_stay_inside() -> None:
    table, index = weights(10, 3, 0.3)
    assert torch.allclose(table.sum(1), torch.ones(3, dtype=torch.float64))
    assert index.min() == 0
    assert index.max() == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 2, "size": (3, 3)}, "exactly one"),
        ({}, "exactly one"),
        ({"scale": 0}, "scale is 0"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"size": (0, 3)}, r"size is \(0, 3\)"),
        ({"scale": 2, "kernel": "cubic"}, "'cubic'.*bicubic, bilinear"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        imresize(torch.zeros(1, 1, 4, 4), **arguments)


@pytest.mark.parametrize("picture", [torch.zeros(4, 4), torch.zeros(1, 1, 0, 4), torch.zeros(1, 1, 4, 4).int()])
def test_bad_pictures_are_named(picture: Tensor) -> None:
    with pytest.raises(ValueError, match=r"imresize needs"):
        imresize(picture, scale=2)
