"""Figures: what is drawn is what was given, and the figures in the titles are the metrics'."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from srlib import metrics, plots


def test_strip_shows_the_box_and_the_metrics(coffee: Tensor, tmp_path: Path) -> None:
    worse = (coffee + 0.11).clamp(0, 1)
    figure = plots.strip({"brighter": worse, "truth": coffee}, box=(50, 60, 30, 40), border=4)
    whole, first, last = figure.axes
    assert np.array_equal(
        first.images[0].get_array(), (worse[0, :, 50:80, 60:100] * 255).round().byte().permute(1, 2, 0)
    )
    assert whole.patches[0].get_bbox().bounds == (59.5, 49.5, 40, 30)
    psnr = float(metrics.psnr(worse, coffee, border=4, luma=True))
    ssim = float(metrics.ssim(worse, coffee, border=4, luma=True))
    assert first.get_title() == f"brighter\n{psnr:.2f} dB / {ssim:.4f}"
    assert last.get_title() == "truth"
    figure.savefig(tmp_path / "strip.png")
    assert (tmp_path / "strip.png").stat().st_size > 10_000


def test_strip_refuses_what_cannot_be_compared(coffee: Tensor) -> None:
    with pytest.raises(ValueError, match=r"differ in size \(small"):
        plots.strip({"small": coffee[..., ::2, ::2], "truth": coffee}, box=(0, 0, 9, 9))
    with pytest.raises(ValueError, match="outside the picture of 400 x 600"):
        plots.strip({"truth": coffee}, box=(390, 0, 20, 20))


def test_row_shows_grey_as_grey(coffee: Tensor) -> None:
    figure = plots.row({"a": coffee, "b": coffee[:, :1]})
    shown = figure.axes[1].images[0].get_array()
    assert np.array_equal(shown[..., 0], shown[..., 2])
    assert np.array_equal(shown[..., 0], (coffee[0, 0] * 255).round().byte())


def test_curves_draw_the_lines_of_a_log() -> None:
    lines = [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.25, "psnr": 30.0}]
    loss, psnr = plots.curves({"run": lines}).axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.25]]
    assert psnr.lines[0].get_xydata().tolist() == [[2, 30]]
    assert (loss.get_yscale(), psnr.get_yscale()) == ("log", "linear")
    with pytest.raises(ValueError, match="no log has the column 'ssim'"):
        plots.curves({"run": lines}, columns=["ssim"])
