"""SRVGGNetCompact against the published counts, another implementation of it, and its files, two of them mixed too."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from test_rrdbnet import other_implementation
from torch import nn

from srlib import cli, image, inference, zoo
from srlib.blending import interpolate, open_interpolated
from srlib.models import SRCNN, SRVGGNetCompact


def _network(seed: int = 0, *, scale: int = 4, channels: int = 8, num_convs: int = 2) -> SRVGGNetCompact:
    """A network of which every tensor matters: no layer fades what comes in, and no two slopes are alike."""
    torch.manual_seed(seed)
    network = SRVGGNetCompact(scale=scale, channels=channels, num_convs=num_convs)
    for name, value in network.named_parameters():
        if value.ndim == 4:
            nn.init.kaiming_normal_(value)
        elif name.endswith("weight"):
            nn.init.uniform_(value, -0.3, 0.7)
    nn.init.normal_(network.body[-1].weight, std=0.1 * channels**-0.5)
    return network.eval()


def _oracle(source: Path | dict[str, torch.Tensor]) -> nn.Module:
    from spandrel import ImageModelDescriptor, ModelLoader

    loader = ModelLoader()
    found = loader.load_from_file(source) if isinstance(source, Path) else loader.load_from_state_dict(source)
    assert isinstance(found, ImageModelDescriptor) and found.architecture.id == "Compact"
    return found.model.eval()


@pytest.mark.parametrize(("num_convs", "parameters"), [(16, 621_424), (32, 1_213_296)])
def test_parameter_counts_of_the_public_files(num_convs: int, parameters: int) -> None:
    network = SRVGGNetCompact(num_convs=num_convs)
    assert sum(p.numel() for p in network.parameters()) == parameters
    names = [f"body.{n}.weight" for n in range(2 * num_convs + 3)]
    names += [f"body.{n}.bias" for n in range(0, 2 * num_convs + 3, 2)]  # the slopes between have none
    assert sorted(network.state_dict()) == sorted(names)


@other_implementation
@pytest.mark.parametrize(
    ("scale", "channels", "num_convs"), [(1, 16, 5), (2, 16, 5), (3, 16, 5), (4, 16, 5), (4, 64, 16), (4, 64, 32)]
)
@torch.no_grad()
def test_another_implementation_gives_the_same_picture(scale: int, channels: int, num_convs: int) -> None:
    network = _network(scale=scale, channels=channels, num_convs=num_convs)
    x = torch.rand(2, 3, 11, 7)
    made = network(x)
    added = made - nn.functional.interpolate(x, scale_factor=scale)
    assert 0.05 < added.std() < 1  # the layers say something
    assert torch.allclose(_oracle(network.state_dict())(x), made, atol=1e-5)


@other_implementation
@pytest.mark.parametrize("half", [True, False])
@torch.no_grad()
def test_another_implementation_opens_our_files(tmp_path: Path, half: bool) -> None:
    path = tmp_path / "net.safetensors"
    zoo.save(_network(scale=2), path, scale=2, half=half)
    ours, x = zoo.load(path), torch.rand(1, 3, 8, 12)
    assert isinstance(ours, SRVGGNetCompact)
    assert torch.allclose(_oracle(path).float()(x), ours(x), atol=1e-5)


@pytest.mark.parametrize("wrapper", [None, "params", "params_ema"])
@pytest.mark.parametrize(("scale", "num_convs"), [(4, 3), (2, 0), (1, 1)])
@torch.no_grad()
def test_public_files_load(tmp_path: Path, wrapper: str | None, scale: int, num_convs: int) -> None:
    network, path = _network(scale=scale, num_convs=num_convs), tmp_path / "realesr-general-x4v3.pth"
    torch.save({wrapper: network.state_dict()} if wrapper else network.state_dict(), path)
    loaded, x = zoo.load(path), torch.rand(1, 3, 7, 9)
    assert isinstance(loaded, SRVGGNetCompact)
    assert (loaded.scale, loaded.halo) == (scale, num_convs + 2)
    assert torch.equal(loaded(x), network(x))
    with pytest.raises(zoo.WeightsError, match=f"SRVGGNetCompact for scale {scale}, not 3: use --scale {scale}"):
        zoo.load(path, scale=3)


@pytest.mark.parametrize(
    ("key", "shape", "why"),
    [
        ("body.2.weight", None, r"not all of its tensors fit: (?s:.*)body\.2\.weight"),
        ("body.3.weight", None, r"not all of its tensors fit: (?s:.*)body\.3\.weight"),
        ("body.6.weight", None, r"its last layer, body\.6, does not make 3 channels .*: its weights are missing"),
        ("body.6.weight", (50, 8, 3, 3), r"its last layer, body\.6, does not make .*: its weights are \(50, 8, 3, 3\)"),
        ("body.7.weight", (8,), r"its last layer, body\.7, does not make 3 channels .*: its weights are \(8,\)"),
        ("head.weight", (8,), r"not all of its tensors fit: (?s:.*)head\.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_told(tmp_path: Path, key: str, shape: tuple[int, ...] | None, why: str) -> None:
    state = _network().state_dict()
    if shape is None:
        del state[key]
    else:
        state[key] = torch.zeros(shape)
    torch.save({"params": state}, tmp_path / "odd.pth")
    with pytest.raises(zoo.WeightsError, match=rf"odd\.pth: it looks like an SRVGGNetCompact, but {why}"):
        zoo.load(tmp_path / "odd.pth")


def test_scales_below_1_are_refused() -> None:
    with pytest.raises(ValueError, match="scale is 0: SRVGGNetCompact enlarges by a whole number"):
        SRVGGNetCompact(scale=0)


def test_the_halo_is_what_gradients_say() -> None:
    network = _network(scale=2, num_convs=3).double()
    x = torch.rand(1, 3, 21, 4, dtype=torch.float64, requires_grad=True)
    network(x)[:, :, 20:22].sum().backward()  # of row 10
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (10 - int(seen.min()), int(seen.max()) - 10) == (network.halo, network.halo) == (5, 5)


def test_strips_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = _network(scale=3), torch.rand(1, 3, 31, 17)
    with torch.no_grad():
        whole = network(x).clamp(0, 1)
    heights: list[int] = []
    tail = network.tail
    monkeypatch.setattr(network, "tail", lambda lr, features: heights.append(lr.shape[2]) or tail(lr, features))
    monkeypatch.setattr("srlib.strips.TAIL_PIXELS", 10 * 17 * 9)  # ten rows
    made = inference.network_model(network, name="test")(x)
    assert heights == [11, 12, 12, 2]  # and a row of each neighbour
    assert torch.allclose(made, whole, atol=1e-6)


# --- Real-ESRGAN's denoising strength: a network between the one that removes noise and the one that keeps it


def _pair(folder: Path) -> tuple[str, str]:
    """The files of the one that removes noise, and of the one that does not, wrapped as the public ones are."""
    paths = [str(folder / f"realesr-general{which}-x4v3.pth") for which in ("", "-wdn")]
    for seed, path in enumerate(paths):
        torch.save({"params": _network(seed).state_dict()}, path)
    return paths[0], paths[1]


def _by_hand(strength: float) -> SRVGGNetCompact:
    """The authors' rule for each tensor: strength times the one that removes noise, and the rest of the other."""
    removes, keeps = (_network(seed).state_dict() for seed in (0, 1))
    mixed = _network(2)
    mixed.load_state_dict({key: strength * removes[key] + (1 - strength) * keeps[key] for key in removes})
    return mixed


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@torch.no_grad()
def test_denoising_strength_is_a_network_between_two(tmp_path: Path, strength: float) -> None:
    removes, keeps = _pair(tmp_path)
    x = torch.rand(1, 3, 9, 8)
    wanted = _by_hand(strength)(x).clamp(0, 1)
    assert torch.allclose(open_interpolated(removes, keeps, strength)(x), wanted, atol=1e-6)
    assert torch.allclose(interpolate(_network(1), _network(0), strength)(x).clamp(0, 1), wanted, atol=1e-6)


def test_the_command_takes_a_denoising_strength_as_a_blend(
    tmp_path: Path, coffee: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    removes, keeps = _pair(tmp_path)
    image.write(tmp_path / "in.png", coffee[..., 100:120, 200:230])
    lr, out = image.read(tmp_path / "in.png").rgb, tmp_path / "out.png"
    command = ["upscale", str(tmp_path / "in.png"), str(out), "--model", removes, "--blend"]
    made = []
    for strength in (0.0, 0.3, 1.0):
        assert cli.main([*command, keeps, "--alpha", str(strength)]) == 0
        made.append(image.read(out).rgb)
        with torch.no_grad():
            assert (made[-1] - _by_hand(strength)(lr).clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-5
    assert min((a - b).abs().max() for a, b in pairwise(made)) > 0.05
    torch.save(_network(num_convs=3).state_dict(), tmp_path / "deeper.pth")
    assert cli.main([*command, str(tmp_path / "deeper.pth"), "--alpha", "0.3"]) == 2
    assert "the networks differ in size, at body.6" in capsys.readouterr().err
    zoo.save(SRCNN(scale=4), tmp_path / "srcnn.safetensors", scale=4)
    assert cli.main([*command, str(tmp_path / "srcnn.safetensors"), "--alpha", "0.3"]) == 2
    assert "the first network is SRCNN for scale 4, the second SRVGGNetCompact" in capsys.readouterr().err
