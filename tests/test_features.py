"""VGG19's features against torchvision's layers, its files, its download, and how one is told what is wrong."""

import hashlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from test_download import Server, server  # noqa: F401
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from srlib import datasets, download, features, image
from srlib.features import CONVS, TAPS, VGG19, FeaturesError, reach, within_reach

# The places in torchvision's `features` as the papers' codes name them.
PUBLISHED = {"conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25, "conv5_4": 34}


@pytest.fixture(scope="module")
def theirs() -> nn.Sequential:
    """torchvision's layers of VGG19 with random weights, none of its ReLUs in place."""
    torch.manual_seed(7)
    layers = make_layers(cfgs["E"])
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return layers.requires_grad_(False)


def _state(theirs: nn.Sequential, upto: int = 37) -> dict[str, Tensor]:
    state = theirs.state_dict()
    return {f"features.{name}": value for name, value in state.items() if int(name.split(".")[0]) <= upto}


@pytest.fixture
def own(theirs: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole file in torchvision's layout, named by SRLIB_VGG19; with its classifier, cut short."""
    path = tmp_path / "whole.pth"
    torch.save({**_state(theirs), "classifier.0.weight": torch.zeros(2, 2)}, path)
    monkeypatch.setenv("SRLIB_VGG19", str(path))
    return path


def _by_hand(theirs: nn.Sequential, pictures: Tensor, index: int) -> Tensor:
    """What torchvision's layers give up to a place, of pictures normalised number by number."""
    r = (pictures[:, 0] - 0.485) / 0.229
    g = (pictures[:, 1] - 0.456) / 0.224
    b = (pictures[:, 2] - 0.406) / 0.225
    return theirs[: index + 1](torch.stack((r, g, b), 1))


def test_taps_have_torchvisions_indices(theirs: nn.Sequential) -> None:
    assert len(CONVS) == 16 and len(TAPS) == 32
    places = dict(zip(CONVS, features._indices(), strict=True))
    assert {name: places[name] for name in PUBLISHED} == PUBLISHED
    assert [k for k, layer in enumerate(theirs) if isinstance(layer, nn.Conv2d)] == list(places.values())


@pytest.mark.parametrize("file", ["whole.pth", "whole.safetensors", "cut.safetensors", "wrapped.pth"])
def test_features_are_torchvisions(
    file: str, theirs: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = file.startswith("cut")
    state = _state(theirs, 16 if cut else 37)
    if file.endswith(".safetensors"):
        safetensors.torch.save_file(state, tmp_path / file)
    else:
        torch.save({"state_dict": state} if file.startswith("wrapped") else state, tmp_path / file)
    monkeypatch.setenv("SRLIB_VGG19", str(tmp_path / file))
    taps = [tap for tap in TAPS if not cut or tap[4:] <= "3_4"]
    pictures = torch.rand(2, 3, 37, 50)  # no multiple of 16: pools leave the rest out
    net = VGG19(taps)
    assert net.source == file
    found = net(pictures)
    assert list(found) == taps
    if not cut:
        assert found["relu5_4"].shape == (2, 512, 2, 3)
    indices = dict(zip(CONVS, features._indices(), strict=True))
    for tap in ("conv1_1", "relu1_1", "conv2_2", "relu3_1", "conv3_4", "relu3_4", "conv4_4", "conv5_4", "relu5_4"):
        if tap in taps:
            expected = _by_hand(theirs, pictures, indices["conv" + tap[4:]] + tap.startswith("relu"))
            # Kaiming's start keeps features near 1; float32 sums of 4608 products in another order and layout
            assert torch.allclose(found[tap], expected, atol=2e-4, rtol=1e-4), tap
            assert (float(found[tap].min()) < -0.5) == tap.startswith("conv"), tap


def test_only_as_deep_as_asked(own: Path) -> None:
    assert list(VGG19(["relu2_1", "conv1_2"]).convs) == ["conv1_1", "conv1_2", "conv2_1"]
    # 3 -> 64 -> 64 -> 128 channels, 3 x 3, and biases
    assert sum(p.numel() for p in VGG19(["conv2_1"]).parameters()) == 9 * (3 * 64 + 64 * 64 + 64 * 128) + 256
    assert reach() == 16


def test_gradients_reach_the_pictures_and_never_the_weights(own: Path, theirs: nn.Sequential) -> None:
    net = VGG19(["conv2_1"])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    mine = torch.rand(1, 3, 12, 12, requires_grad=True)
    other = mine.detach().clone().requires_grad_(True)
    net(mine)["conv2_1"].square().mean().backward()
    _by_hand(theirs, other, 5).square().mean().backward()
    assert mine.grad is not None and other.grad is not None
    assert float(mine.grad.abs().min()) > 0
    assert torch.allclose(mine.grad, other.grad, rtol=1e-3, atol=1e-6)
    assert not [p for p in net.parameters() if p.requires_grad or p.grad is not None]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@torch.no_grad()
def test_no_layers_are_held_on_the_way_but_the_taps() -> None:
    net = VGG19(["conv1_2", "conv3_1"], random=True)
    made: list[weakref.ref[Tensor]] = []
    held: list[bool] = []

    def look(_: nn.Module, __: object, given: Tensor) -> None:
        made.append(weakref.ref(given))
        held[:] = [ref() is not None for ref in made]

    for conv in net.convs.values():
        conv.register_forward_hook(look)
    net(torch.rand(1, 3, 16, 16))
    assert held == [False, True, False, False, True]  # when the deepest, conv3_1, has just been made


def test_random_features_are_the_same_at_each_call_and_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SRLIB_VGG19", str(tmp_path / "none.pth"))  # which is not asked for
    torch.manual_seed(1)
    first = VGG19(["conv3_1"], random=True)
    torch.manual_seed(2)
    second = VGG19(["relu3_1", "conv3_1"], random=True)
    pictures = torch.rand(1, 3, 16, 16)
    assert torch.equal(first(pictures)["conv3_1"], second(pictures)["conv3_1"])
    assert first.source == "random (untrained)"
    # He et al.: weights of variance 2 / (9 * channels), which keep the mean square of features
    deviation = float(first.convs["conv3_1"].get_parameter("weight").std())
    assert deviation == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("taps", "says"), [(["conv3_5"], "conv3_5 is no layer of VGG19: choose of conv1_1"), ([], "such as conv3_4")]
)
def test_taps_that_are_none(taps: list[str], says: str) -> None:
    with pytest.raises(FeaturesError, match=says):
        VGG19(taps, random=True)


def test_pictures_too_small_for_the_pools() -> None:
    assert VGG19(["conv4_1"], random=True)(torch.rand(1, 3, 8, 9))["conv4_1"].shape == (1, 512, 1, 1)
    with pytest.raises(FeaturesError, match=r"pictures are 7 x 9: relu4_1 needs 8 pixels on each side"):
        VGG19(["conv1_1", "relu4_1"], random=True)(torch.rand(1, 3, 7, 9))


def test_files_that_cannot_be_used_are_told(
    theirs: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(path: Path) -> str:
        monkeypatch.setenv("SRLIB_VGG19", str(path))
        with pytest.raises(FeaturesError) as error:
            VGG19(["conv4_1"])
        return str(error.value)

    assert f"SRLIB_VGG19 names {tmp_path / 'none.pth'}, which is no file" in told(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    assert "is no weights file that can be read safely" in told(tmp_path / "text.pth")
    with pytest.raises(FeaturesError, match="read safely"):
        reach()
    torch.save({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    assert "holds no VGG19 in torchvision's layout (features.0.weight ...)" in told(tmp_path / "other.pth")
    assert within_reach((("conv5_4", 1.0),)) == (("conv5_4", 1.0),)  # the sentence above is what is told later
    # VGG16 has its third block's end elsewhere: its first ten convolutions look alike up to conv3_3.
    torch.manual_seed(0)
    vgg16 = {f"features.{name}": value for name, value in make_layers(cfgs["D"]).state_dict().items()}
    torch.save(vgg16, tmp_path / "vgg16.pth")
    assert "holds conv1_1 to conv3_3, but conv4_1 is asked for: name shallower --taps" in told(tmp_path / "vgg16.pth")
    torch.save(_state(theirs, 16), tmp_path / "cut.pth")
    assert "holds conv1_1 to conv3_4, but conv4_1 is asked for" in told(tmp_path / "cut.pth")
    assert reach() == 8


def test_within_reach_keeps_what_is_here(
    own: Path, theirs: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    five = (("conv1_2", 0.1), ("conv2_2", 0.2), ("conv3_4", 1.0), ("conv4_4", 2.0), ("conv5_4", 3.0))
    assert within_reach(five) == five
    torch.save(_state(theirs, 16), tmp_path / "cut.pth")
    monkeypatch.setenv("SRLIB_VGG19", str(tmp_path / "cut.pth"))
    assert within_reach(five) == five[:3]
    assert within_reach((("relu5_4", 0.7),)) == (("relu3_4", 0.7),)
    assert within_reach((("conv4_1", 0.5), ("conv5_4", 0.7))) == (("conv3_4", 0.7),)
    assert within_reach(()) == ()
    monkeypatch.delenv("SRLIB_VGG19")
    monkeypatch.setattr(features, "_cache", lambda: tmp_path / "empty")
    assert within_reach((("relu5_4", 0.7),)) == (("relu5_4", 0.7),)  # torchvision's would be downloaded, not now


@pytest.fixture
def offered(
    server: Server,  # noqa: F811
    theirs: nn.Sequential,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Server, Path]]:
    """A server with the weights under the name that torchvision gives them, and an empty cache."""
    monkeypatch.delenv("SRLIB_VGG19", raising=False)
    monkeypatch.setattr(features, "_cache", lambda: tmp_path / "cache")
    torch.save(_state(theirs, 5), tmp_path / "served.pth")
    body = (tmp_path / "served.pth").read_bytes()
    path = f"/models/vgg19-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    server.bodies[path] = body
    monkeypatch.setattr(features, "_address", lambda: server.url + path)
    yield server, tmp_path / "cache" / path.rpartition("/")[2]


def test_the_address_is_torchvisions() -> None:
    assert features._address().rpartition("/")[2] == "vgg19-dcbb9e9d.pth"


def test_weights_are_downloaded_once_and_verified(offered: tuple[Server, Path], theirs: nn.Sequential) -> None:
    server, path = offered  # noqa: F811
    net = VGG19(["conv2_1"])
    assert net.source == path.name
    assert torch.equal(net.convs["conv1_2"].get_parameter("weight"), theirs.state_dict()["2.weight"])
    assert path.is_file() and len(server.asked) == 1
    VGG19(["conv1_1"])
    assert len(server.asked) == 1


def _all_ways_out(message: str) -> None:
    for way in ("be online once", "SRLIB_VGG19", "--random-features"):
        assert way in message
    assert "SRLIB_DATA" not in message and "scikit-image" not in message  # which are for pictures


def test_weights_with_another_hash_are_not_taken(offered: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, path = offered  # noqa: F811
    server.bodies["/models/vgg19-00000000.pth"] = server.bodies[f"/models/{path.name}"]
    monkeypatch.setattr(features, "_address", lambda: server.url + "/models/vgg19-00000000.pth")
    with pytest.raises(FeaturesError, match="sent something else twice") as error:
        VGG19(["conv1_1"])
    _all_ways_out(str(error.value))
    assert not list(path.parent.glob("vgg19-*"))


def test_without_a_network_all_ways_out_are_named(
    offered: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_address", lambda: "http://127.0.0.1:9/models/vgg19-12345678.pth")
    monkeypatch.setattr(download, "BACK_OFF", 0.0)
    with pytest.raises(FeaturesError, match=r"no connection to 127\.0\.0\.1") as error:
        VGG19(["conv1_1"])
    _all_ways_out(str(error.value))
    offered[0].faults["/models/gone"] = [404]
    monkeypatch.setattr(features, "_address", lambda: offered[0].url + "/models/gone/vgg19-12345678.pth")
    with pytest.raises(FeaturesError, match="HTTP 404") as error:
        VGG19(["conv1_1"])
    _all_ways_out(str(error.value))


@pytest.mark.skipif("SRLIB_VGG19" not in os.environ, reason="no weights of VGG19 are named by SRLIB_VGG19")
def test_rescaled_weights_have_the_activations_that_they_tell() -> None:
    taps = [f"relu{name[4:]}" for name in CONVS[:2]]  # deeper ones take much longer
    net = VGG19(taps)
    if "mean post-ReLU activation over T91 is 1" not in net.source:
        pytest.skip(f"{net.source} is not rescaled")
    try:
        paths = datasets.files("T91")
    except datasets.DatasetError as error:
        pytest.skip(str(error))
    sums, counts = torch.zeros(2, len(taps), dtype=torch.float64)
    with torch.no_grad():
        for path in paths:
            found = net(image.read(path).rgb)
            sums += torch.tensor([float(found[tap].sum()) for tap in taps])
            counts += torch.tensor([found[tap].numel() for tap in taps])
    assert (sums / counts).tolist() == pytest.approx([1.0] * len(taps), abs=1e-5)
