"""The bench measures what it says, in turn, and names everything; how fast it was is nobody's assertion."""

import sys
from collections.abc import Iterator

import pytest
import torch

from srlib import bench
from srlib.bench import Effort, Row

SMALL = Effort(resize_rounds=1, metric_rounds=1, start_rounds=1, shrink=8)


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[str, list[Row]]]:
    """The text and the rows of a small run without the optional libraries; light modules stand in for the start."""
    rows: list[Row] = []
    table = bench.table
    with pytest.MonkeyPatch.context() as patch:
        for name in bench.OPTIONAL:
            patch.setitem(sys.modules, name, None)
        patch.setattr(bench, "START", "json")
        patch.setattr(bench, "ROOMS", "colorsys")
        patch.setenv("SRLIB_DATA", "/nowhere")
        patch.setattr(bench, "table", lambda measured: rows.extend(measured) or table(measured))
        yield bench.report(threads=1, effort=SMALL), rows


def test_rounds_calls_each_once_a_round_in_turn_and_takes_the_median() -> None:
    now, calls = 0.0, []
    costs = {"a": iter([1.0, 50.0, 3.0, 2.0, 4.0]), "b": iter([0.5, 0.5, 9.0, 0.25, 0.75])}

    def candidate(name: str) -> None:
        nonlocal now
        calls.append(name)
        now += next(costs[name])

    medians = bench.rounds({name: lambda name=name: candidate(name) for name in costs}, 5, clock=lambda: now)  # type: ignore[misc]
    assert calls == ["a", "b"] * 5
    assert medians == {"a": 3.0, "b": 0.5}


def test_compare_says_how_many_times_faster_we_are_and_how_far_from_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "rounds", lambda calls, n: {"srlib": 0.002, "other": 0.007})
    exact = torch.tensor([1.0, 2.0], dtype=torch.float64)
    calls = {"srlib": lambda: exact, "other": lambda: exact + torch.tensor([0.25, -0.5])}
    rows = bench.compare("resize", calls, exact, {"other": 4}, n=3)
    assert rows == [Row("resize", "srlib", 2.0, 1.0, None, 0.0), Row("resize", "other", 7.0, 3.5, 4, 0.5)]
    ours, other = bench.table(rows)[2:]
    assert ours.split() == ["resize", "srlib", "2.00", "1.00x", "0.0e+00"]
    assert other.split() == ["other", "7.00", "3.50x", "4x", "5.0e-01", "!"]  # the floor is missed


def test_the_exact_operations_are_exact(small: tuple[str, list[Row]]) -> None:
    _, rows = small
    ours = [row.error for row in rows if row.library.startswith("srlib") and row.error is not None]
    assert len(ours) == 4 + 2 * 2  # imresize; psnr and ssim in float32 and float64
    assert max(ours) < 1e-6
    [plain] = [row for row in rows if row.operation.startswith("ssim") and row.library == "torch float64"]
    assert plain.error is not None and plain.error < 1e-6  # the bench's own writing of the formula
    # F.interpolate is another filter at the border, scikit-image everywhere
    others = [row.error for row in rows if row.operation.startswith("imresize") and row.library != "srlib"]
    assert len(others) == 4 * 2
    assert all(error is not None and error > 1e-4 for error in others)


def test_the_table_names_every_operation_and_floor(small: tuple[str, list[Row]]) -> None:
    lines = small[0].splitlines()
    for operation in ("imresize x1/4 of 1x3x64x64", "imresize x4 of 1x3x16x16", "imresize x1/4 of 16x3x32x32",
                      "imresize x4 of 16x3x8x8", "psnr on Y, pictures (9)", "ssim on Y, pictures (9)",
                      "start-up, beyond torch"):  # fmt: skip
        assert sum(line.startswith(operation + " ") for line in lines) == 1
    floors = [line.split()[4] for line in lines if line.strip().startswith("torch F.interpolate")]
    assert floors == ["1.64x", "2.56x", "1.91x", "1.33x"]
    floors = [line.split()[4] for line in lines if line.strip().startswith("torch float64")]
    assert floors == ["2.35x", "167x"]
    assert next(line for line in lines if "what is allowed" in line).split()[3:6:2] == ["300", "1x"]
    assert max(map(len, lines)) <= 110
    assert f"torch {torch.__version__}" in lines[0]


def test_a_missing_library_is_named(small: tuple[str, list[Row]]) -> None:
    assert small[0].splitlines()[-1] == "not installed, so not run: basicsr, torchmetrics, piq, pyiqa"


def test_a_broken_library_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "OPTIONAL", {"json": ("json.nothing",), "math": ("math",), "nowhere": ("nowhere.at",)})
    here, missing = bench.find_peers()
    assert list(here) == ["math"]
    assert missing[0].startswith("json (No module named 'json.nothing'")
    assert missing[1:] == ["nowhere"]


def test_threads_come_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), bench.on_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads is 0"):
        bench.report(threads=0)
