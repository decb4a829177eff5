"""SRCNN against the paper's counts and plain convolutions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.color import luma, rgb_to_ycbcr
from srlib.models import SRCNN
from srlib.models.srcnn import gaussian
from srlib.resize import imresize


def _count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("kernels", "in_channels", "parameters"),
    [
        ((9, 1, 5), 1, 8_129),
        ((9, 3, 5), 1, 24_513),
        ((9, 5, 5), 1, 57_281),
        ((9, 1, 5), 3, 20_099),
        ((9, 5, 5), 3, 69_251),
    ],
)
def test_parameter_counts(kernels: tuple[int, int, int], in_channels: int, parameters: int) -> None:
    assert _count(SRCNN(scale=3, kernels=kernels, in_channels=in_channels)) == parameters


@pytest.mark.parametrize(("kernels", "margin"), [((9, 1, 5), 6), ((9, 3, 5), 7), ((9, 5, 5), 8)])
def test_inside_equals_valid_convolutions(coffee: Tensor, kernels: tuple[int, int, int], margin: int) -> None:
    # The paper trains on labels of 21 pixels in crops of 33: 33 - 2 * 6, with 9-1-5.
    torch.manual_seed(0)
    model = SRCNN(scale=3, kernels=kernels)
    y = luma(coffee[..., :30, :40])
    large = imresize(y, scale=3)
    valid = F.conv2d(large, model.extract.weight, model.extract.bias).relu()
    valid = F.conv2d(valid, model.map.weight, model.map.bias).relu()
    valid = F.conv2d(valid, model.reconstruct.weight, model.reconstruct.bias)
    m = model.margin
    assert m == margin
    assert torch.allclose(model(y)[..., m:-m, m:-m], valid, atol=1e-6)


def test_edge_is_repeated_outwards() -> None:
    torch.manual_seed(0)
    model = SRCNN(scale=1, kernels=(9, 5, 5))
    column = torch.rand(1, 1, 1, 12)
    flat = column.expand(1, 1, 40, 12)  # the same in every row, so padding by repetition must keep it so
    out = model.restore(flat)
    assert torch.allclose(out, out[:, :, 20:21].expand_as(out), atol=1e-6)


def test_chroma_is_bicubic_and_luma_is_the_networks(coffee: Tensor) -> None:
    model = SRCNN(scale=2)
    lr = coffee[..., 100:130, 200:240].double()
    out = rgb_to_ycbcr(model.double()(lr))
    assert torch.allclose(out[:, 1:], imresize(rgb_to_ycbcr(lr), scale=2)[:, 1:], atol=1e-12)
    assert torch.allclose(out[:, :1], model(luma(lr)), atol=1e-12)


def test_gradient_reaches_every_parameter(coffee: Tensor) -> None:
    model = SRCNN(scale=4)
    model(coffee[..., :16, :17]).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_papers_initialisation() -> None:
    model = SRCNN(scale=3)
    torch.manual_seed(0)
    gaussian(model)
    assert float(model.map.weight.detach().std()) == pytest.approx(1e-3, rel=0.02)
    assert float(model.extract.bias.detach().abs().max()) == 0


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="scale is 0"):
        SRCNN(scale=0)
    with pytest.raises(ValueError, match="in_channels is 2"):
        SRCNN(scale=2, in_channels=2)
    with pytest.raises(ValueError, match=r"needs RGB .*got 4"):
        SRCNN(scale=2)(torch.zeros(1, 4, 8, 8))
