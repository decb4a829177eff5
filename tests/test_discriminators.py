"""The two discriminators: the papers' parameter counts, layers by hand, any size."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.discriminators import ESRGANDiscriminator, SRGANDiscriminator

BOTH = [SRGANDiscriminator, ESRGANDiscriminator]
Make = Callable[..., nn.Module]


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_counts_of_the_papers() -> None:
    with torch.device("meta"):
        assert _count(SRGANDiscriminator()) == 23_565_505
        assert _count(ESRGANDiscriminator()) == 14_499_401


def test_kernels_strides_and_channels() -> None:
    def told(model: nn.Module) -> list[tuple[int, int, int]]:
        return [(m.kernel_size[0], m.stride[0], m.out_channels) for m in model.modules() if isinstance(m, nn.Conv2d)]

    with torch.device("meta"):
        ours, theirs = SRGANDiscriminator(), ESRGANDiscriminator()
    assert told(ours) == [(3, s, c) for c in (64, 128, 256, 512) for s in (1, 2)]
    assert told(theirs) == [(k, s, c) for c in (64, 128, 256, 512, 512) for k, s in ((3, 1), (4, 2))]
    for model in (ours, theirs):
        norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
        assert norms == len(told(model)) - 1  # none after the first
        assert {m.negative_slope for m in model.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(
    ("make", "side", "grid", "dense"), [(SRGANDiscriminator, 96, 6, 1024), (ESRGANDiscriminator, 128, 4, 100)]
)
def test_at_the_papers_size_the_pool_changes_nothing(make: Make, side: int, grid: int, dense: int) -> None:
    """The same layers as the papers': flattened, dense, LeakyReLU, dense, and no pool in between."""
    torch.manual_seed(0)
    model = make(channels=4)
    pictures = torch.rand(2, 3, side, side)
    features = model.get_submodule("features")(pictures)
    assert features.shape == (2, 32, grid, grid)
    first, last = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
    assert (first.out_features, last.out_features) == (dense, 1)
    expected = last(F.leaky_relu(first(features.flatten(1)), 0.2))
    assert torch.allclose(model(pictures), expected, atol=1e-6)
    assert float(expected.detach().std()) > 0  # not one and the same for every picture


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("size", [(32, 32), (33, 70), (128, 96), (200, 200)])
def test_pictures_of_any_size_have_one_logit(make: Make, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = make(channels=4, dense=10)
    x = torch.rand(2, 3, *size, requires_grad=True)
    logits = model(x)
    assert logits.shape == (2, 1)
    logits.sum().backward()
    assert x.grad is not None
    assert float((x.grad.abs().sum(1) > 0).float().mean()) > 0.9  # it looks at the whole picture


def test_pictures_of_which_nothing_would_be_left_are_refused() -> None:
    assert SRGANDiscriminator(channels=4, dense=10)(torch.rand(2, 3, 9, 20)).shape == (2, 1)
    with pytest.raises(ValueError, match=r"pictures are 40 x 31: .* needs 32 pixels on each side"):
        ESRGANDiscriminator(channels=4, dense=10)(torch.rand(2, 3, 40, 31))


@pytest.mark.parametrize(("make", "grid", "stride"), [(SRGANDiscriminator, 6, 16), (ESRGANDiscriminator, 4, 32)])
def test_another_size_is_averaged_to_the_grid(make: Make, grid: int, stride: int) -> None:
    torch.manual_seed(0)
    model = make(channels=4, dense=10)
    x = torch.rand(2, 3, 2 * grid * stride, 2 * grid * stride)
    features: Tensor = model.get_submodule("features")(x)
    assert features.shape[-2:] == (2 * grid, 2 * grid)
    first, last = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
    means = features.unflatten(3, (grid, 2)).unflatten(2, (grid, 2)).mean((3, 5))
    expected = last(F.leaky_relu(first(means.flatten(1)), 0.2))
    assert torch.allclose(model(x), expected, atol=1e-6)


@pytest.mark.parametrize("make", BOTH)
def test_a_gradient_reaches_every_parameter(make: Make) -> None:
    torch.manual_seed(0)
    model = make(channels=4, dense=10)
    model(torch.rand(3, 3, 64, 64)).square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
