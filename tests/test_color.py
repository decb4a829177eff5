"""Colour conversion against hand arithmetic and scikit-image."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from torch import Tensor

from srlib import color


def _pixel(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("rgb", "y255"),
    [((0, 0, 0), 16.0), ((1, 1, 1), 235.0), ((1, 0, 0), 16 + 65.481), ((0, 1, 0), 16 + 128.553), ((0, 0, 1), 40.966)],
)
def test_luma_of_corners(rgb: tuple[float, ...], y255: float) -> None:
    assert float(color.luma(_pixel(*rgb))) * 255 == pytest.approx(y255, abs=1e-12)


def test_ycbcr_equals_scikit_image(coffee: Tensor) -> None:
    ours = color.rgb_to_ycbcr(coffee.double())[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - rgb2ycbcr(coffee[0].permute(1, 2, 0).numpy().astype(np.float64))).max() < 1e-9


def test_inverse_is_exact(coffee: Tensor) -> None:
    there_and_back = color.ycbcr_to_rgb(color.rgb_to_ycbcr(coffee.double()))
    assert (there_and_back - coffee.double()).abs().max() < 1e-14
    assert (color.ycbcr_to_rgb(color.rgb_to_ycbcr(coffee)) - coffee).abs().max() < 1e-6


def test_luma_is_the_first_channel_and_differentiable(coffee: Tensor) -> None:
    assert torch.allclose(color.luma(coffee), color.rgb_to_ycbcr(coffee)[:, :1], atol=1e-7)
    x = coffee[..., :4, :4].clone().requires_grad_()
    color.luma(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad[0, :, 0, 0] * 255, torch.tensor([65.481, 128.553, 24.966]))


@pytest.mark.parametrize("function", [color.luma, color.rgb_to_ycbcr, color.ycbcr_to_rgb])
def test_grey_is_refused_with_the_way_out(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\).*repeat a grey picture"):
        function(torch.zeros(1, 1, 2, 2))
