"""Weights files: shipped ones tell the truth, foreign layouts load, bad ones are refused in a sentence."""

import math
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srlib import logs, zoo
from srlib.models import SRCNN


def _network() -> SRCNN:
    torch.manual_seed(1)
    return SRCNN(scale=3, kernels=(9, 1, 5))


def _renamed(network: SRCNN, names: tuple[str, str, str]) -> dict[str, Tensor]:
    own = network.state_dict()
    pairs = zip(("extract", "map", "reconstruct"), names, strict=True)
    return {f"{new}.{kind}": own[f"{old}.{kind}"] for old, new in pairs for kind in ("weight", "bias")}


def test_own_files_come_back_exactly(tmp_path: Path) -> None:
    zoo.save(_network(), tmp_path / "a.safetensors", scale=3)
    loaded = zoo.load(tmp_path / "a.safetensors")
    assert isinstance(loaded, SRCNN)
    assert (loaded.scale, loaded.margin, loaded.training) == (3, 6, False)
    for key, value in _network().state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


@pytest.mark.parametrize("names", [("conv1", "conv2", "conv3"), ("0", "2", "4"), ("patch", "nonlinear", "last.conv")])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "params_ema", "model", "net"])
def test_common_layouts_load(tmp_path: Path, coffee: Tensor, names: tuple[str, str, str], wrapper: str | None) -> None:
    state = {f"module.{key}": value for key, value in sorted(_renamed(_network(), names).items())}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "theirs.pth")
    loaded = zoo.load(tmp_path / "theirs.pth", scale=3)
    lr = coffee[..., :12, :12]
    assert torch.equal(loaded(lr), _network().eval()(lr))


def test_half_precision_files_become_float32(tmp_path: Path) -> None:
    torch.save(_network().half().state_dict(), tmp_path / "half.pth")
    assert {p.dtype for p in zoo.load(tmp_path / "half.pth", scale=3).parameters()} == {torch.float32}


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("__import__('pathlib').Path('pwned').touch()",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": _Evil()}, "evil.pth")
    Path("plain.pth").write_bytes(pickle.dumps(_Evil()))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(zoo.WeightsError, match="read safely") as told:
            zoo.load(name, scale=3)
        assert "weights_only" not in str(told.value)  # torch's advice is to execute it
    Path("text.pth").write_text("hello")
    with pytest.raises(zoo.WeightsError, match=r"read safely \(it holds no tensors that torch.save wrote\)"):
        zoo.load("text.pth", scale=3)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("content", "scale", "message"),
    [
        ({"w": torch.zeros(3)}, 3, "1 tensors .*no network known here"),
        ({"state_dict": [1, 2]}, 3, "no state dict"),
        ({}, 3, "no state dict"),
        (_network().state_dict(), None, "does not say its scale.*--scale 3"),
        (
            nn.Sequential(nn.Conv2d(1, 4, (9, 7)), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 1, 5)).state_dict(),
            2,
            "no network known",
        ),
        (nn.Sequential(nn.Conv2d(1, 4, 9), nn.Conv2d(4, 2, 1), nn.Conv2d(5, 1, 5)).state_dict(), 2, "no network known"),
    ],
)
def test_files_of_no_use_are_named(tmp_path: Path, content: object, scale: int | None, message: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(zoo.WeightsError, match=message):
        zoo.load(tmp_path / "x.pth", scale=scale)


def test_damaged_missing_and_other_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    zoo.save(_network(), path, scale=3)
    with pytest.raises(zoo.WeightsError, match="trained for scale 3, not 2: use --scale 3"):
        zoo.load(path, scale=2)
    spoilt = _network()
    torch.nn.init.constant_(next(spoilt.parameters()), math.nan)
    zoo.save(spoilt, tmp_path / "nan.safetensors", scale=3)
    with pytest.raises(zoo.WeightsError, match=r"nan.safetensors holds weights that are not finite \(.*: take another"):
        zoo.load(tmp_path / "nan.safetensors")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(zoo.WeightsError, match="read safely"):
        zoo.load(path)
    with pytest.raises(zoo.WeightsError, match=r"neither a shipped model .* nor a weights file"):
        zoo.load(tmp_path / "none.pth")


def test_shipped_srcnn() -> None:
    assert zoo.scales("srcnn") == [2, 3, 4]
    with pytest.raises(zoo.WeightsError, match="srcnn is shipped for scales 2, 3, 4, not 8"):
        zoo.load("srcnn", scale=8)
    with pytest.raises(zoo.WeightsError, match=r"foo is no shipped model: choose one of .*srcnn"):
        zoo.card("foo", 3)
    with pytest.raises(zoo.WeightsError, match="shipped for scales 2, 3, 4: name one"):
        zoo.load("srcnn")


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for name in zoo.names() for scale in zoo.scales(name)])
def test_every_shipped_model_has_a_card_and_a_log(name: str, scale: int) -> None:
    network = zoo.load(name, scale=scale)
    card = zoo.card(name, scale)
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    assert card["stages"][-1]["recipe"]["scale"] == str(scale)
    assert card["steps"] == sum(stage["steps"] for stage in card["stages"])
    assert {"data", "minutes", "device", "log", "measured"} <= card.keys()
    assert logs.read_log(zoo.FOLDER / card["log"])[-1]["step"] == card["stages"][-1]["steps"]
    assert all(bool(value.isfinite().all()) for value in network.state_dict().values())
