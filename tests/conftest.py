"""What the tests share: a picture, random numbers, no network."""

import importlib.util
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # so that a run of the exercises alone does without torch in this process
    import torch

collect_ignore = [] if importlib.util.find_spec("hatchling") else ["test_wheel.py"]
if not (Path(__file__).parents[1] / "solutions").is_dir():  # a class may be handed the course without its answers
    needing = ("answers", "readme", "judge", "stubs", "kit", "exercise_face", "course", "solutions")
    collect_ignore += [f"test_{name}.py" for name in needing]


@pytest.fixture(scope="session")
def coffee() -> "torch.Tensor":
    """A colour photograph, (1, 3, 400, 600) float32 in [0, 1]."""
    from srlib import datasets, image

    [path] = [p for p in datasets.files("pictures/held-out") if p.name == "coffee.png"]
    return image.read(path).rgb


@pytest.fixture
def rng() -> "torch.Generator":
    import torch

    return torch.Generator().manual_seed(20)


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine fails at once."""
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
