"""A model on benchmark sets, by the two protocols of the papers, to a table.

y-of-rgb (EDSR, A2N, ESRGAN): pictures are RGB, LR and SR are 8-bit, luma is taken of both at the end.
y-only (SRCNN, VDSR): the luma of HR is the picture; its LR is not rounded, SR is rounded once.

And by a third that is this library's own: degraded, as y-of-rgb, but LR is what Real-ESRGAN's two passes of blur, noise
and compression leave of a picture, drawn from a seed that is the picture's own.
"""

import math
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from srlib import color, datasets, image, metrics
from srlib.degradations.passes import FIRST, SECOND, degrade
from srlib.inference import Model
from srlib.patches import crop_to_multiple
from srlib.resize import imresize


class Score(NamedTuple):
    """PSNR in dB and SSIM of one picture, and the seconds its enlargement took."""

    psnr: float
    ssim: float
    seconds: float


@dataclass(frozen=True)
class Result:
    """What one set gave: the score of every picture, by file name."""

    name: str
    images: dict[str, Score]

    def mean(self) -> Score:
        """The mean over pictures of each figure (never one PSNR of the pooled error)."""
        return Score(*(sum(column) / len(self.images) for column in zip(*self.images.values(), strict=True)))


Pair = tuple[Tensor, Tensor, bool]


def y_of_rgb(picture: image.Picture, scale: int) -> Pair:
    """uint8 RGB LR (MATLAB's rounded path), HR, and whether the metrics take luma: yes."""
    hr = crop_to_multiple(image.to_uint8(picture.rgb), scale)
    return imresize(hr, scale=1 / scale), image.to_float(hr), True


def y_only(picture: image.Picture, scale: int) -> Pair:
    """Unrounded luma LR, luma HR rounded to 8 bits; a grey file keeps its values as they are."""
    y = picture.rgb[:, :1] if picture.grey else color.luma(picture.rgb.double()).float()
    hr = crop_to_multiple(image.to_float(image.to_uint8(y)), scale)
    return imresize(hr.double(), scale=1 / scale).float(), hr, False


def degraded(picture: image.Picture, scale: int) -> Pair:
    """uint8 RGB LR of two passes of degradation, the same at every call; HR; and that the metrics take luma."""
    hr = crop_to_multiple(image.to_uint8(picture.rgb), scale)
    rng = torch.Generator().manual_seed(zlib.crc32(hr.contiguous().numpy().tobytes()))
    lr, _ = degrade(image.to_float(hr), scale=scale, passes=(FIRST, SECOND), rng=rng)
    return image.to_uint8(lr), image.to_float(hr), True


CONVENTIONS: dict[str, Callable[[image.Picture, int], Pair]] = {
    "y-of-rgb": y_of_rgb,
    "y-only": y_only,
    "degraded": degraded,
}


def conventions_of(model: Model) -> tuple[str, ...]:
    """The papers' conventions that a model can be measured by: a network of RGB is not handed luma alone."""
    return ("y-of-rgb", "y-only") if model.luma else ("y-of-rgb",)


def _check_luma(model: Model, convention: str) -> None:
    if convention == "y-only" and not model.luma:
        raise ValueError(f"{convention} hands a model luma alone, but {model.name} takes RGB: use y-of-rgb")


def score(model: Model, picture: image.Picture, *, convention: str) -> Score:
    """Shrinks one picture, enlarges it with the model, and compares.

    The model is handed uint8 RGB in `y-of-rgb` and `degraded`, and float luma in `y-only`. The papers' border of
    `scale` pixels is left out. Raises ValueError for a convention that the model cannot take, a picture too small, or
    a model whose output has another size.
    """
    _check_luma(model, convention)
    scale = model.scale
    lr, hr, luma = CONVENTIONS[convention](picture, scale)
    begin = time.perf_counter()
    sr = model(lr)
    seconds = time.perf_counter() - begin
    if sr.shape != hr.shape:
        raise ValueError(
            f"the model made {tuple(sr.shape)} of {tuple(lr.shape)}, but scale {scale} asks for "
            f"{tuple(hr.shape)}: name the model's own scale with --scale"
        )
    sr = image.to_float(sr if sr.dtype == torch.uint8 else image.to_uint8(sr))
    return Score(
        float(metrics.psnr(sr, hr, border=scale, luma=luma)),
        float(metrics.ssim(sr, hr, border=scale, luma=luma)),
        seconds,
    )


def evaluate(
    model: Model,
    names: Iterable[str | Path],
    *,
    convention: str,
    watch: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> list[Result]:
    """Scores the model on every picture of every named set or folder.

    watch: wraps each list of files, for a progress bar. Raises ValueError for an unknown convention, two sets of one
    name, and as `score` (naming the file) and `datasets.files` do.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention {convention!r} is not known: choose one of {', '.join(CONVENTIONS)}")
    _check_luma(model, convention)
    sets = [(str(n) if datasets.is_known(n) else Path(n).resolve().name, datasets.files(n)) for n in names]
    if doubled := {title for title, _ in sets if [t for t, _ in sets].count(title) > 1}:
        raise ValueError(f"two sets are called {', '.join(doubled)}: measure them one at a time")
    return [
        Result(title, {path.name: _score_file(model, path, convention) for path in watch(files)})
        for title, files in sets
    ]


def _score_file(model: Model, path: Path, convention: str) -> Score:
    picture = image.read(path)
    try:
        return score(model, picture, convention=convention)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def as_json(results: Iterable[Result], *, model: Model, convention: str) -> dict[str, Any]:
    """The results as plain values: {"model", "scale", "convention", "sets": {name: {"psnr", "ssim", "images"}}}.

    JSON has no infinity: the PSNR of identical pictures, and a mean over it, is None.
    """
    sets = {}
    for result in results:
        images = {name: _plain(s) for name, s in result.images.items()}
        sets[result.name] = {**_plain(result.mean()), "images": images}
    return {"model": model.name, "scale": model.scale, "convention": convention, "sets": sets}


def _plain(score: Score) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in score._asdict().items()}


def as_table(results: Iterable[Result]) -> str:
    """The results as text: a line for each picture, and each set's mean."""
    lines = []
    for result in results:
        width = max(len(name) for name in (*result.images, "mean", result.name))
        lines.append(f"{result.name:{width}}  PSNR dB    SSIM   seconds")
        for name, s in (*result.images.items(), ("mean", result.mean())):
            lines.append(f"{name:{width}}  {s.psnr:7.4f}  {s.ssim:.5f}  {s.seconds:7.3f}")
        lines.append("")
    return "\n".join(lines)
