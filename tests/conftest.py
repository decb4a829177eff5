"""What the tests share: pictures inside scikit-image, and which benchmark sets are here."""

import importlib.util
import socket
from typing import Any

import pytest
import torch
from torch import Tensor

from srlib import datasets, image


def _here(name: str) -> bool:
    try:
        datasets.files(name)
    except datasets.DatasetError:
        return False
    return True


BENCHMARKS = [name for name in ("Set5", "Set14") if _here(name)]
collect_ignore = [] if len(BENCHMARKS) == 2 else ["test_benchmarks.py"]
if importlib.util.find_spec("hatchling") is None:
    collect_ignore.append("test_wheel.py")


def pytest_report_header() -> str:
    if len(BENCHMARKS) == 2:
        return f"benchmark sets: Set5 and Set14 in {datasets.root()}"
    return "benchmark sets: not here, tests/test_benchmarks.py left out (`srlib data get Set5 Set14` brings them)"


@pytest.fixture(scope="session")
def coffee() -> Tensor:
    """A colour photograph, (1, 3, 400, 600) float32 in [0, 1]."""
    [path] = [p for p in datasets.files("pictures/held-out") if p.name == "coffee.png"]
    return image.read(path).rgb


@pytest.fixture
def rng() -> torch.Generator:
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
