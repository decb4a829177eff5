"""RRDBNet against the paper's counts, another implementation of it, and the three layouts of its public files."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from srlib import zoo
from srlib.models import RRDBNet

other_implementation = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None,
    reason="the independent implementation is not here: install the development group (uv sync), or spandrel",
)


def _network(*, blocks: int = 2, scale: int = 4, channels: int = 12, growth: int = 32) -> RRDBNet:
    """A small network of which every tensor matters: no small beginning, and biases that are not 0."""
    torch.manual_seed(scale)
    network = RRDBNet(scale=scale, channels=channels, growth=growth, num_blocks=blocks, init_scale=1)
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(value, std=0.1)
    return network.eval()


def _oracle(source: Path | Mapping[str, Tensor]) -> nn.Module:
    from spandrel import ModelLoader

    loader = ModelLoader()
    found: Any = loader.load_from_file(source) if isinstance(source, Path) else loader.load_from_state_dict(source)
    assert found.architecture.id == "ESRGAN"
    return found.model.eval()


def _layout(blocks: int, layout: str) -> dict[str, str]:
    """Today's name -> the name in a layout: "2021" as today, "2018" ESRGAN's own release, "before" its forerunner."""
    rows = [
        ("conv_first", "conv_first", "model.0"),
        *(
            (f"body.{n}.rdb{m}.conv{k}", f"RRDB_trunk.{n}.RDB{m}.conv{k}", f"model.1.sub.{n}.RDB{m}.conv{k}.0")
            for n in range(blocks)
            for m in (1, 2, 3)
            for k in (1, 2, 3, 4, 5)
        ),
        ("conv_body", "trunk_conv", f"model.1.sub.{blocks}"),
        ("conv_up1", "upconv1", "model.3"),
        ("conv_up2", "upconv2", "model.6"),
        ("conv_hr", "HRconv", "model.8"),
        ("conv_last", "conv_last", "model.10"),
    ]
    column = ("2021", "2018", "before").index(layout)
    return {f"{row[0]}.{kind}": f"{row[column]}.{kind}" for row in rows for kind in ("weight", "bias")}


def _renamed(network: RRDBNet, layout: str) -> dict[str, Tensor]:
    names = _layout(len(network.body), layout)
    return {names[key]: value for key, value in network.state_dict().items()}


@pytest.mark.parametrize(("blocks", "parameters"), [(23, 16_697_987), (16, 11_662_019), (6, 4_467_779)])
def test_parameter_counts_of_the_papers(blocks: int, parameters: int) -> None:
    assert sum(p.numel() for p in RRDBNet(num_blocks=blocks).parameters()) == parameters


def test_below_scale_4_only_the_first_convolution_grows() -> None:
    counts = {s: sum(p.numel() for p in RRDBNet(scale=s, num_blocks=1).parameters()) for s in (4, 2, 1)}
    assert counts[2] - counts[4] == (4 - 1) * 3 * 9 * 64  # four times the colours, 3x3, to 64 channels
    assert counts[1] - counts[4] == (16 - 1) * 3 * 9 * 64
    with pytest.raises(ValueError, match="scale is 3: RRDBNet is built for 4, 2, 1"):
        RRDBNet(scale=3)


@other_implementation
@pytest.mark.parametrize("scale", [4, 2, 1])
@torch.no_grad()
def test_another_implementation_gives_the_same_picture(scale: int) -> None:
    network = _network(scale=scale)
    x = torch.rand(2, 3, 12, 8)
    made = network(x)
    assert made.std() > 0.05
    assert torch.allclose(_oracle(network.state_dict())(x), made, atol=1e-5)


@other_implementation
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("scale", [4, 2, 1])
@torch.no_grad()
def test_another_implementation_opens_our_files(tmp_path: Path, scale: int, half: bool) -> None:
    zoo.save(_network(scale=scale), tmp_path / "net.safetensors", scale=scale, half=half)
    ours = zoo.load(tmp_path / "net.safetensors")  # the file tells the scale
    assert isinstance(ours, RRDBNet)
    assert ours.scale == scale
    x = torch.rand(1, 3, 8, 12)
    assert torch.allclose(_oracle(tmp_path / "net.safetensors").float()(x), ours(x), atol=1e-5)


@pytest.mark.parametrize("wrapper", [None, "params_ema", "params"])
@pytest.mark.parametrize("layout", ["2021", "2018", "before"])
@torch.no_grad()
def test_public_files_load_by_their_names(tmp_path: Path, layout: str, wrapper: str | None) -> None:
    network, path = _network(), tmp_path / "RealESRGAN_x4plus.pth"
    state = _renamed(network, layout)
    torch.save({wrapper: state} if wrapper else state, path)
    loaded, x = zoo.load(path), torch.rand(1, 3, 7, 9)
    assert isinstance(loaded, RRDBNet)
    assert torch.equal(loaded(x), network(x))
    assert zoo.load(path, scale=4).scale == 4


@other_implementation
@pytest.mark.parametrize("layout", ["2018", "before"])
@torch.no_grad()
def test_another_implementation_knows_those_names(layout: str) -> None:
    network, x = _network(), torch.rand(1, 3, 7, 9)
    assert torch.allclose(_oracle(_renamed(network, layout))(x), network(x), atol=1e-5)


def test_the_averaged_weights_are_taken_before_the_others(tmp_path: Path) -> None:
    network = _network()
    other = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    torch.save({"params": other, "params_ema": network.state_dict()}, tmp_path / "both.pth")
    x = torch.rand(1, 3, 5, 5)
    assert torch.equal(zoo.load(tmp_path / "both.pth")(x), network(x))


@pytest.mark.parametrize("scale", [2, 1])
@torch.no_grad()
def test_scales_below_4_are_told_by_the_file(tmp_path: Path, scale: int) -> None:
    torch.save({"params": _renamed(_network(scale=scale), "2018")}, tmp_path / "small.pth")
    assert zoo.load(tmp_path / "small.pth").scale == scale
    zoo.save(_network(scale=scale), tmp_path / "small.safetensors", scale=scale)
    for name in ("small.pth", "small.safetensors"):
        with pytest.raises(zoo.WeightsError, match=f"for scale {scale}, not 4: use --scale {scale}"):
            zoo.load(tmp_path / name, scale=4)


@pytest.mark.parametrize("layout", ["2021", "2018", "before"])
@pytest.mark.parametrize("missing", ["conv_last.weight", "body.1.rdb2.conv3.bias", "conv_up2.weight"])
def test_half_a_file_is_told(tmp_path: Path, layout: str, missing: str) -> None:
    state = _renamed(_network(), layout)
    del state[_layout(2, layout)[missing]]
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(zoo.WeightsError, match=rf"(?s)half\.pth: it looks like an RRDBNet, but .*{missing}"):
        zoo.load(tmp_path / "half.pth")


@pytest.mark.parametrize(
    ("moved", "key"),
    [
        ({"model.6": None, "model.8": "model.5", "model.10": "model.7"}, "model.5"),  # one enlargement: x2
        ({"model.3": None, "model.6": None, "model.8": "model.2", "model.10": "model.4"}, "model.2"),  # none: x1
        ({"model.8": "model.9", "model.10": "model.11"}, "model.9"),  # three: x8
    ],
)
def test_the_oldest_layout_is_known_for_scale_4_alone(tmp_path: Path, moved: dict[str, str | None], key: str) -> None:
    state = {}
    for name, value in _renamed(_network(), "before").items():
        layer, kind = name.rsplit(".", 1)
        if (place := moved.get(layer, layer)) is not None:
            state[f"{place}.{kind}"] = value
    torch.save(state, tmp_path / "old.pth")
    with pytest.raises(zoo.WeightsError, match=rf"old\.pth: .*oldest layout, but {key}\..* scale 4"):
        zoo.load(tmp_path / "old.pth")


def test_odd_channels_and_foreign_files_are_told(tmp_path: Path) -> None:
    state = _network().state_dict()
    state["conv_first.weight"] = torch.zeros(12, 5, 3, 3)
    torch.save(state, tmp_path / "five.pth")
    with pytest.raises(zoo.WeightsError, match="from 5 channels to 3: scales 4, 2 and 1 are known"):
        zoo.load(tmp_path / "five.pth")
    torch.save({"conv_first.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "x.pth")
    with pytest.raises(zoo.WeightsError, match="SRCNN, SRResNet, A2N, RRDBNet and SRVGGNetCompact are"):
        zoo.load(tmp_path / "x.pth")


@pytest.mark.parametrize(("scale", "shrink"), [(2, 2), (1, 4)])
@torch.no_grad()
def test_odd_sizes_are_continued_by_the_last_pixel(scale: int, shrink: int) -> None:
    network = _network(scale=scale, blocks=1)
    for height, width in ((5, 7), (1, 1), (8, 6)):
        x = torch.rand(1, 3, height, width)
        rows = [min(i, height - 1) for i in range(-(-height // shrink) * shrink)]
        columns = [min(i, width - 1) for i in range(-(-width // shrink) * shrink)]
        by_hand = network(x[:, :, rows][..., columns])[..., : height * scale, : width * scale]
        assert torch.equal(network(x), by_hand)


def test_first_weights_are_a_tenth_of_kaimings() -> None:
    torch.manual_seed(0)
    block = RRDBNet(num_blocks=1).body[0].rdb1
    for k, conv in enumerate((block.conv1, block.conv2, block.conv3, block.conv4, block.conv5)):
        fan_in = 9 * (64 + 32 * k)
        assert float(conv.weight.detach().std()) == pytest.approx(0.1 * (2 / fan_in) ** 0.5, rel=0.02)
        assert conv.bias is not None
        assert not conv.bias.any()


@torch.no_grad()
def test_blocks_that_change_nothing_enlarge_by_a_fifth_each() -> None:
    network = RRDBNet(channels=8, growth=4, num_blocks=3, init_scale=0)
    x = torch.rand(1, 8, 5, 5)
    assert torch.allclose(network.body(x), 1.2**3 * x, rtol=1e-6)  # x + 0.2 x, as the authors' code has it


@torch.no_grad()
def test_without_the_two_means_23_blocks_explode() -> None:
    x, spread = torch.rand(1, 3, 8, 8), {}
    for means in ({}, {"init_scale": 1.0, "residual_scale": 1.0}):
        torch.manual_seed(0)
        spread[len(means)] = float(RRDBNet(**means)(x).std())
    assert 0.05 < spread[0] < 1.5  # the input's is 0.29; measured 0.24 to 0.31
    assert spread[2] > 1e10  # measured 3e13 to 7e13


@pytest.mark.parametrize("scale", [4, 2, 1])
def test_halos_are_what_gradients_say(scale: int) -> None:
    network = _network(scale=scale, blocks=1, channels=4, growth=2).double()
    shrink = 4 // scale
    features = torch.rand(1, 4, 11, 3, dtype=torch.float64, requires_grad=True)
    picture = torch.rand(1, 3, 41 * shrink, shrink, dtype=torch.float64, requires_grad=True)
    network.tail(torch.empty(1, 3, 11 * shrink, 3 * shrink), features)[:, :, 20:24].sum().backward()  # of row 5
    network(picture)[:, :, 80:84].sum().backward()  # of the shrink LR rows that make row 20 of the features
    for x, row, halo, size in (
        (features, 5, network.tail_halo, 1),
        (picture, 20, network.halo // shrink, shrink),
    ):
        assert x.grad is not None
        seen = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
        assert (int(seen.min()), int(seen.max())) == ((row - halo) * size, (row + halo + 1) * size - 1)


def test_the_papers_halo() -> None:
    assert RRDBNet().halo == 1 + 23 * 3 * 5 + 1 + 2
