"""`srlib bench train` measures every way in turn; how fast it was is nobody's assertion."""

import pytest
import torch

from srlib import bench_train
from srlib.bench_train import PLAIN, Effort, Row
from srlib.recipes import RECIPES

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "side"), [("srcnn", 24), ("srgan", 32)])
def test_every_way_is_measured_and_a_missing_compiler_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, side: int
) -> None:
    recipe = bench_train._measurable(RECIPES[name], CPU)
    assert recipe.random_features == (name == "srgan")  # no file is needed

    def no_compiler(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    monkeypatch.setattr(bench_train.tiers, "tier", lambda recipe, device: bench_train.tiers.Tier(2, side))
    rows = {row.way: row for row in bench_train.measure(recipe, CPU, Effort(rounds=1, steps=1))}
    compiled = next(row for way, row in rows.items() if "compiled" in way)
    assert compiled.reason == "no compiler"
    ran = [row for row in rows.values() if not row.reason]
    assert {PLAIN, "srlib fp32, no channels_last", "srlib fp32"} <= {row.way for row in ran}
    for row in ran:
        assert row.steps_per_second > 0
        assert 0 < row.waiting < 1


def test_the_table_compares_with_the_plain_loop() -> None:
    rows = [
        Row("net", PLAIN, 2.0, 0.25, 300 * 2**20),
        Row("net", "ours", 5.0, 0.01, None),
        Row("net", "compiled", reason="no compiler"),
    ]
    plain, ours, compiled = bench_train.table(rows)
    assert plain.split() == ["net", "plain", "loop", "2.00", "1.00x", "25.0%", "300", "MB"]
    assert ours.split() == ["net", "ours", "5.00", "2.50x", "1.0%"]
    assert compiled.endswith("not run: no compiler")
    with pytest.raises(ValueError, match="threads is 0"):
        bench_train.report(device=CPU, threads=0)


def test_all_patches_of_the_plain_loop_are_aligned_pairs() -> None:
    lr, hr = bench_train._Decoded(bench_train.datasets.files("pictures/train"), 4, 96)[3]
    assert (lr.shape, hr.shape) == ((3, 24, 24), (3, 96, 96))
    assert (torch.nn.functional.avg_pool2d(hr, 4) - lr).abs().mean() < 0.05
