"""Pictures and curves for people: the only room that knows matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib import metrics
from srlib.files import atomically
from srlib.image import to_uint8

Figure = Any  # matplotlib.figure.Figure, imported only when something is drawn
_BOX = "#e0242a"  # red


def check_suffix(path: Path) -> None:
    """Raises ValueError for a file in which no figure can be kept, before the work for it begins."""
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix[1:].lower() not in (kinds := FigureCanvasBase.get_supported_filetypes()):
        raise ValueError(
            f"{path}: unknown suffix {path.suffix!r}; take one of {', '.join(f'.{k}' for k in sorted(kinds))}"
        )


def save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Writes a figure in the format of its suffix, whole or not at all. Raises OSError."""
    atomically(path, lambda part: figure.savefig(part, dpi=dpi, format=path.suffix[1:].lower()))


def strip(
    pictures: Mapping[str, Tensor],
    *,
    box: tuple[int, int, int, int],
    border: int | None = None,
    width: float = 14.0,
) -> Figure:
    """A picture with a box, and beside it what each candidate made of the box.

    pictures: name -> (1, 3, H, W) in [0, 1], all of one size; the last one is the truth that the others are
    compared with. box: (top, left, height, width) in pixels. border: pixels left out of PSNR and SSIM (of luma, whole
    picture), None for no figures. width: inches. Raises ValueError for sizes that differ or a box outside.
    """
    names = list(pictures)
    truth = pictures[names[-1]]
    top, left, high, wide = box
    if any(picture.shape != truth.shape for picture in pictures.values()):
        sizes = ", ".join(f"{name} {tuple(picture.shape)}" for name, picture in pictures.items())
        raise ValueError(f"the pictures differ in size ({sizes}): enlarge the small ones first")
    if top < 0 or left < 0 or top + high > truth.shape[2] or left + wide > truth.shape[3]:
        raise ValueError(f"box {box} lies outside the picture of {truth.shape[2]} x {truth.shape[3]}")
    ratios = [truth.shape[3] / truth.shape[2], *[wide / high] * len(names)]
    figure, axes = _subplots(1, len(ratios), (width, width / sum(ratios) + 0.7), width_ratios=ratios)
    _show(axes[0], truth, "the whole picture")
    axes[0].add_patch(_rectangle(left, top, wide, high))
    for axis, name in zip(axes[1:], names, strict=True):
        picture = pictures[name]
        figures = "" if border is None or picture is truth else f"\n{_figures(picture, truth, border)}"
        _show(axis, picture[..., top : top + high, left : left + wide], name + figures)
    return figure


def row(pictures: Mapping[str, Tensor], *, width: float = 14.0) -> Figure:
    """Pictures side by side at one height: name -> (1, C, H, W) in [0, 1], C = 1 (grey) or 3."""
    ratios = [picture.shape[3] / picture.shape[2] for picture in pictures.values()]
    figure, axes = _subplots(1, len(ratios), (width, width / sum(ratios) + 0.5), width_ratios=ratios)
    for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
        _show(axis, picture, name)
    return figure


def rows(rows: Sequence[Mapping[str, Tensor]], *, width: float = 12.0) -> Figure:
    """Rows of pictures, each titled: name -> (1, C, H, W) in [0, 1], every row with as many. width: inches."""
    columns = max(map(len, rows))
    tallest = [max(picture.shape[2] / picture.shape[3] for picture in row.values()) for row in rows]
    height = sum(0.3 + width / columns * tall for tall in tallest)
    figure, axes = _subplots(len(rows), columns, (width, height), height_ratios=tallest)
    for k, row in enumerate(rows):
        for axis, (name, picture) in zip(axes[k * columns :], row.items(), strict=False):
            _show(axis, picture, name)
    return figure


def curves(
    logs: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    columns: Sequence[str] = ("loss", "psnr"),
    width: float = 12.0,
) -> Figure:
    """Training logs as curves over the steps: name -> lines of a log.csv; a panel for each column.

    Loss is drawn on a logarithmic scale. Raises ValueError if no log has the column.
    """
    figure, axes = _subplots(1, len(columns), (width, 0.32 * width))
    for axis, column in zip(axes, columns, strict=True):
        for name, lines in logs.items():
            points = [(line["step"], line[column]) for line in lines if column in line]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 40 else "")
        if not axis.lines:
            raise ValueError(f"no log has the column {column!r}")
        axis.set(xlabel="step", ylabel=f"{column}, dB" if column == "psnr" else column)
        axis.set_yscale("log" if "loss" in column else "linear")
        axis.grid(alpha=0.3)
        axis.legend()
    return figure


def plane(
    points: Mapping[str, tuple[float, float]],
    *,
    paths: Sequence[Sequence[str]] = (),
    truth: float | None = None,
    title: str = "",
    width: float = 8.0,
) -> Figure:
    """The perception-distortion plane: name -> (PSNR in dB, NIQE); up is more natural, right is more faithful.

    paths: rows of names to join by a line, such as the steps of an interpolation. truth: NIQE of the true pictures, a
    dashed line. width: inches.
    """
    figure, [axis] = _subplots(1, 1, (width, 0.65 * width))
    for path in paths:
        axis.plot(*zip(*(points[name] for name in path), strict=True), color="0.7", zorder=1)
    for psnr, natural in points.values():
        axis.scatter(psnr, natural, color="C0", zorder=2)
    if truth is not None:
        axis.axhline(truth, linestyle="--", color="0.5", label="the true pictures")
        axis.legend(loc="lower right")
    axis.set(xlabel="PSNR, dB: more faithful to the right", ylabel="NIQE: more natural upwards", title=title)
    axis.invert_yaxis()
    axis.margins(0.12)
    axis.grid(alpha=0.3)
    _name_points(axis, points, [] if truth is None else [truth])
    return figure


def _name_points(axis: Any, points: Mapping[str, tuple[float, float]], levels: Sequence[float]) -> None:
    """Writes a name beside each point, at a corner where no other name or point and no horizontal line is."""
    from matplotlib.transforms import Bbox

    axis.figure.draw_without_rendering()  # now points have their places in pixels
    near = 4 * axis.figure.dpi / 72  # the radius of a point
    whole = axis.get_window_extent()
    places = {name: axis.transData.transform(point) for name, point in points.items()}
    taken = [Bbox([place - near, place + near]) for place in places.values()]
    for level in levels:
        _, y = axis.transData.transform((0, level))
        taken.append(Bbox([[whole.x0, y - 1], [whole.x1, y + 1]]))
    for name, point in points.items():
        corners = []
        for right, up in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            text = axis.annotate(
                name,
                point,
                xytext=(5 * right, 3 * up),
                textcoords="offset points",
                ha="left" if right > 0 else "right",
                va="bottom" if up > 0 else "top",
                fontsize=9,
            )
            box = text.get_window_extent()
            room = box.x0 > whole.x0 and box.x1 < whole.x1 and not any(map(box.overlaps, taken))
            corners.append((not room, text, box))
        best = min(corners, key=lambda corner: corner[0])  # the first, where there is room nowhere
        for corner in corners:
            if corner is not best:
                corner[1].remove()
        taken.append(best[2])


def _figures(picture: Tensor, truth: Tensor, border: int) -> str:
    psnr = float(metrics.psnr(picture, truth, border=border, luma=True))
    ssim = float(metrics.ssim(picture, truth, border=border, luma=True))
    return f"{psnr:.2f} dB / {ssim:.4f}"


def _show(axis: Any, picture: Tensor, title: str) -> None:
    pixels = picture[0].detach().cpu().permute(1, 2, 0)
    pixels = pixels.expand(-1, -1, 3) if pixels.shape[2] == 1 else pixels
    axis.imshow(to_uint8(pixels).numpy(), interpolation="nearest")
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()


def _rectangle(left: int, top: int, wide: int, high: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, edgecolor=_BOX, linewidth=1.5)


def _subplots(rows: int, columns: int, size: tuple[float, float], **grid: Any) -> tuple[Figure, list[Any]]:
    """A figure that a notebook shows once (as the value of its cell), and its axes in reading order."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", gridspec_kw=grid)
    plt.close(figure)
    return figure, list(axes.flat)
