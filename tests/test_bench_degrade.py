"""The comparison runs with and without the peer; a stand-in tells what the peer is asked to do."""

import types
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from srlib import bench_degrade


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """A stand-in for BasicSR that counts its calls and changes nothing."""
    counted: Counter = Counter()

    def keeping(name: str) -> Any:
        def call(pictures: Tensor, *_: Any, **__: Any) -> Tensor:
            counted[name] += 1
            return pictures

        return call

    def kernel(cutoff: float, size: int, pad_to: int) -> Any:
        assert 0 < cutoff <= 3.2 and 7 <= size <= 21
        counted["sinc"] += 1
        return np.full((pad_to, pad_to), 1 / pad_to**2)

    def mixed(names: Any, chances: Any, size: int, *ranges: Any, noise_range: Any) -> Any:
        assert sum(chances) == pytest.approx(1) and len(ranges) == 5 and noise_range is None
        counted["mixed"] += 1
        return np.full((size, size), 1 / size**2)

    one = types.ModuleType("stand-in")
    one.__dict__.update(
        {name: keeping(name) for name in ("filter2D", "add_gaussian_noise_pt", "add_poisson_noise_pt")},
        random_add_gaussian_noise_pt=keeping("noise"),
        random_add_poisson_noise_pt=keeping("noise"),
        DiffJPEG=lambda differentiable: keeping("jpeg"),
        USMSharp=lambda: keeping("usm"),
        circular_lowpass_kernel=kernel,
        random_mixed_kernels=mixed,
        np=np,
    )
    monkeypatch.setattr(bench_degrade, "find_peers", lambda wanted: ({"basicsr": (one,)}, []))
    yield counted


def test_the_peer_does_what_the_authors_do(calls: Counter) -> None:
    theirs = bench_degrade._namespace(*bench_degrade.find_peers({})[0]["basicsr"])
    for _ in range(40):
        lr = bench_degrade._authors(theirs, torch.rand(2, 3, 64, 64))
        assert lr.shape == (2, 3, 16, 16) and torch.equal((lr * 255).round() / 255, lr)
    assert (calls["noise"], calls["jpeg"], calls["usm"]) == (80, 80, 0)
    assert 80 + 20 <= calls["filter2D"] < 120  # the second blur may be left out
    assert 150 <= calls["mixed"] + calls["sinc"] <= 240  # three for each picture but some pulses in the end


def test_the_table_has_both_at_every_stage(calls: Counter) -> None:
    lines = bench_degrade.report(n=1, side=32).splitlines()
    assert lines[4] == "what    a batch of 8x3x32x32, to x4"
    assert sum("srlib  " in line for line in lines[5:]) == sum("BasicSR" in line for line in lines) == 8
    floors = [line.split()[-2:] for line in lines if "10x" in line or "1.4x" in line]
    assert len(floors) == 2
    assert calls["usm"] == 2  # with USM, and the stage alone


def test_without_the_peer_srlib_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_degrade, "find_peers", lambda wanted: ({}, ["basicsr"]))
    lines = bench_degrade.report(n=1, side=32).splitlines()
    assert lines[-1] == "not installed, so not run: basicsr"
    with pytest.raises(ValueError, match="threads is 0"):
        bench_degrade.report(threads=0)
