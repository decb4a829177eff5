"""What VGG19 sees in pictures: its features at named layers, for distances that follow the eye better than pixels do.

Simonyan, Zisserman 2014 (1409.1556), configuration E, trained on ImageNet. "conv3_4" is the fourth convolution of the
third block before its ReLU, "relu3_4" the same after it.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib import download, zoo

BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))  # convolutions of a block and their channels; pools between
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures in [0, 1], as torchvision's VGG takes
_NAMES = [f"{block}_{k}" for block, (count, _) in enumerate(BLOCKS, 1) for k in range(1, count + 1)]
CONVS = tuple(f"conv{name}" for name in _NAMES)
TAPS = (*CONVS, *(f"relu{name}" for name in _NAMES))
DISTANCE_TAPS = ("relu1_2", "relu2_2", "relu3_4")  # of vgg_distance: the last of the first three blocks
_WAYS_OUT = (
    "be online once for VGG19_Weights.IMAGENET1K_V1 of torchvision (574 MB), name a file of VGG19 by SRLIB_VGG19, "
    "or take --random-features to try the mechanics only"
)


class FeaturesError(ValueError):
    """VGG19's weights are not here, or do not reach as deep as asked; the message says what to do."""


class VGG19(nn.Module):
    """The features of pictures at some layers, computed only as deep as the deepest of them.

    pictures (B, 3, H, W) in [0, 1] -> {tap: (B, channels, H / 2^p, W / 2^p)}, p the pools before the layer. ImageNet's
    normalisation is inside. Gradients reach the pictures and never the weights. random=True takes untrained weights,
    the same at every call: good for trying the mechanics, and nothing else. `source` says where the weights are from.
    Raises FeaturesError for an unknown tap, pictures smaller than their pools need, and as `weights` does.
    """

    def __init__(self, taps: Sequence[str], *, random: bool = False) -> None:
        super().__init__()
        if unknown := [tap for tap in taps if tap not in TAPS]:
            raise FeaturesError(f"{unknown[0]} is no layer of VGG19: choose of {', '.join(TAPS)}")
        if not taps:
            raise FeaturesError("no tap is named: name at least one, such as conv3_4")
        self.taps = tuple(taps)
        self.deepest = max(taps, key=depth_of)
        depth = depth_of(self.deepest)
        self.convs = nn.ModuleDict()
        before = 3
        for name, channels in list(zip(CONVS, _channels(), strict=True))[:depth]:
            self.convs[name] = nn.Conv2d(before, channels, 3, padding=1)
            before = channels
        if random:
            self.source = "random (untrained)"
            _randomise(self.convs)
        else:
            state, self.source = weights(depth)
            self.convs.load_state_dict(state)
        for name, value in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(value)[:, None, None], persistent=False)
        self.requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        if min(pictures.shape[-2:]) < (least := 2 ** (int(self.deepest[4]) - 1)):
            raise FeaturesError(
                f"pictures are {pictures.shape[-2]} x {pictures.shape[-1]}: {self.deepest} needs {least} pixels on "
                "each side; take larger ones, or shallower taps"
            )
        found = {}
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        x = (pictures - mean) / std
        block = "1"
        for name, conv in self.convs.items():
            if name[4] != block:
                x, block = F.max_pool2d(x, 2), name[4]
            x = conv(x)
            if name in self.taps:
                found[name] = x
            x = F.relu(x)
            if (after := name.replace("conv", "relu")) in self.taps:
                found[after] = x
        return {tap: found[tap] for tap in self.taps}


def vgg_distance(vgg: VGG19, sr: Tensor, hr: Tensor) -> Tensor:
    """How differently VGG19 sees two pictures: the layout of LPIPS without its learned weights.

    sr, hr (B, 3, H, W) in [0, 1] -> (B,), 0 where they are the same, lower is better. Of each tap of `vgg`
    (DISTANCE_TAPS, for figures to compare) the features of a place are divided by their length; the squared distances
    are averaged over places, then over taps. A layer's scale does not matter, so torchvision's weights and rescaled
    ones agree. Source: Zhang et al., 1801.03924, equation 1, with all w = 1.
    """
    first, second = vgg(sr), vgg(hr)
    places = [(F.normalize(first[t], dim=1) - F.normalize(second[t], dim=1)).square().sum(1) for t in vgg.taps]
    return torch.stack([place.mean((1, 2)) for place in places]).mean(0)


def weights(depth: int) -> tuple[dict[str, Tensor], str]:
    """The weights of VGG19's first `depth` convolutions under the names of CONVS, and where they are from.

    From the file that SRLIB_VGG19 names (torchvision's layout, whole or only as deep as needed), else torchvision's,
    which are downloaded (574 MB) on first use. Raises FeaturesError with both ways if there are none.
    """
    path = file()
    if path is None:
        path = _downloaded()
    try:
        state, metadata = zoo.read_state(path)
    except zoo.WeightsError as error:
        raise FeaturesError(str(error)) from error
    held = _held(state)
    if held < depth:
        what = f"conv1_1 to {CONVS[held - 1]}" if held else "no VGG19 in torchvision's layout (features.0.weight ...)"
        raise FeaturesError(
            f"{path} holds {what}, but {CONVS[depth - 1]} is asked for: name shallower --taps, or a deeper file by "
            "SRLIB_VGG19 (without it torchvision's whole one is downloaded)"
        )
    picked = {
        f"{name}.{kind}": state[f"features.{index}.{kind}"]
        for name, index in zip(CONVS[:depth], _indices(), strict=False)
        for kind in ("weight", "bias")
    }
    told = f" ({metadata['scale']})" if metadata.get("scale") else ""
    return picked, f"{path.name}{told}"


def reach() -> int:
    """How many of VGG19's convolutions the weights here hold; all where they would be downloaded. Downloads nothing."""
    path = file()
    if path is None:
        return len(CONVS)
    try:
        return _reach_of(path, path.stat().st_mtime_ns)
    except zoo.WeightsError as error:
        raise FeaturesError(str(error)) from error


@lru_cache(maxsize=1)
def _reach_of(path: Path, written: int) -> int:
    """Of a file as it was written at a time: half a gigabyte, perhaps, is read but once."""
    return _held(zoo.read_state(path)[0])


def within_reach(taps: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Those taps (name, weight) that the weights here hold; if none, one at the deepest layer that they hold."""
    held = reach()
    fitting = tuple((tap, weight) for tap, weight in taps if depth_of(tap) <= held)
    if fitting or not taps or not held:
        return fitting or tuple(taps)
    name, weight = max(taps, key=lambda tap: depth_of(tap[0]))
    return ((name[:4] + CONVS[held - 1][4:], weight),)


def file() -> Path | None:
    """The file that SRLIB_VGG19 names, or an earlier download, or None. Raises FeaturesError for a name of no file."""
    if named := os.environ.get("SRLIB_VGG19"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise FeaturesError(
                f"SRLIB_VGG19 names {path}, which is no file: correct it, or unset it to download torchvision's"
            )
        return path
    found = sorted(_cache().glob("vgg19-*.pth"))
    return found[0] if found else None


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("srlib") / "weights"


def _downloaded() -> Path:
    from tqdm import tqdm

    url = _address()
    path = _cache() / url.rpartition("/")[2]
    told = re.search(r"-([0-9a-f]{8,})\.", path.name)  # torchvision's files carry the beginning of their SHA-256
    assert told is not None
    try:
        with tqdm(unit="B", unit_scale=True, desc=path.name) as bar:
            download.fetch(url, path, sha256=told[1], progress=bar.update, ways_out=_WAYS_OUT)
    except download.DownloadError as error:
        raise FeaturesError(f"VGG19's weights are not here, and their download failed: {error}") from error
    return path


def _address() -> str:
    from torchvision.models import VGG19_Weights

    return str(VGG19_Weights.IMAGENET1K_V1.url)


def _held(state: dict[str, Tensor]) -> int:
    """The convolutions in a row, from the first, that a state dict of torchvision's layout holds."""
    held = 0
    before = 3
    for index, channels in zip(_indices(), _channels(), strict=True):
        weight = state.get(f"features.{index}.weight")
        if weight is None or weight.shape != (channels, before, 3, 3) or f"features.{index}.bias" not in state:
            break
        held, before = held + 1, channels
    return held


def depth_of(tap: str) -> int:
    """The number of convolutions that a tap needs: conv1_1 is 1, relu5_4 is 16."""
    return 1 + _NAMES.index(tap[4:])


def _channels() -> list[int]:
    return [channels for count, channels in BLOCKS for _ in range(count)]


def _indices() -> list[int]:
    """The places of the convolutions in torchvision's `features`: a ReLU after each, a pool after each block."""
    return [2 * k + block for k, block in enumerate(b for b, (count, _) in enumerate(BLOCKS) for _ in range(count))]


@torch.no_grad()
def _randomise(convs: nn.ModuleDict) -> None:
    rng = torch.Generator().manual_seed(0)
    for conv in convs.values():
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        nn.init.kaiming_normal_(conv.weight, generator=rng)
        conv.bias.zero_()
