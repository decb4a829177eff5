"""`srlib bench`: how fast and how exact the library is beside others, measured side by side in one run."""

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import __version__, datasets, image, metrics
from srlib.patches import crop_to_multiple
from srlib.resize import imresize

OURS = "srlib"
# Libraries that are measured where they are installed, and the modules that a user imports for it.
OPTIONAL = {
    "basicsr": ("basicsr.metrics.psnr_ssim", "basicsr.utils.matlab_functions"),
    "torchmetrics": ("torchmetrics.functional.image",),
    "piq": ("piq",),
    "pyiqa": ("pyiqa",),
}
# Floors: how many times faster than another library srlib has to be. BasicSR's are what prototypes reached; the
# others follow from that library's own speed beside BasicSR (F.interpolate 5.5, 16, 11 and 9 times as fast).
# imresize: pictures, side, scale, floors
RESIZES: tuple[tuple[int, int, float, dict[str, float]], ...] = (
    (1, 512, 1 / 4, {"BasicSR": 9, "torch F.interpolate": 9 / 5.5}),
    (1, 128, 4, {"BasicSR": 41, "torch F.interpolate": 41 / 16}),
    (16, 256, 1 / 4, {"BasicSR": 21, "torch F.interpolate": 21 / 11}),
    (16, 64, 4, {"BasicSR": 12, "torch F.interpolate": 12 / 9}),
)
METRICS: dict[str, dict[str, float]] = {
    "psnr": {"BasicSR": 4.7, "torch float64": 4.7 / 2, "torchmetrics": 4.7 / 1.4},
    "ssim": {"BasicSR": 5, "torch float64": 5 / 0.03, "pyiqa": 5 / 0.03},  # both a float64 conv2d
}
SCALE = BORDER = 4  # of the pictures that are compared: bicubic x4, four pixels left out
START = "torch"
ROOMS = "srlib, srlib.resize, srlib.metrics, srlib.image, srlib.models, srlib.training"
START_BUDGET = 300.0  # ms that these rooms may add to the start of torch

_RENAMED = "torchvision.transforms."

Calls = dict[str, Callable[[], Any]]
Metric = Callable[[Any, Any], Any]
Modules = dict[str, tuple[ModuleType, ...]]


@dataclass(frozen=True)
class Effort:
    """How much is measured; `shrink` divides the sides of the pictures, so that a test runs the same code."""

    resize_rounds: int = 21
    metric_rounds: int = 3
    start_rounds: int = 5
    shrink: int = 1


@dataclass(frozen=True)
class Row:
    """One library at one operation. `faster`, `floor`: its time / srlib's, and what that must at least be."""

    operation: str
    library: str
    milliseconds: float
    faster: float | None = None
    floor: float | None = None
    error: float | None = None


def report(*, threads: int = 1, effort: Effort | None = None) -> str:
    """All operations as one table of text.

    Raises ValueError for less than one thread.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}: it must be at least 1")
    effort = effort or Effort()
    peers, missing = find_peers()
    with on_threads(threads):
        rows = [*resizing(peers, effort), *measuring(peers, effort), *starting(effort)]
    footer = ["", f"not installed, so not run: {', '.join(missing)}"] if missing else []
    return "\n".join([*header(threads), "", *table(rows), *footer])


def find_peers(wanted: Mapping[str, tuple[str, ...]] | None = None) -> tuple[Modules, list[str]]:
    """The optional libraries that can be imported, and the names of the others."""
    here, missing = {}, []
    for name, modules in (OPTIONAL if wanted is None else wanted).items():
        try:
            if name == "basicsr":  # which asks for a module that torchvision has renamed
                sys.modules.setdefault(f"{_RENAMED}functional_tensor", import_module(f"{_RENAMED}_functional_tensor"))
            import_module(name)
            here[name] = tuple(import_module(module) for module in modules)
        except ImportError as error:
            missing.append(name if error.name == name else f"{name} ({error})")
    return here, missing


def rounds(candidates: Calls, n: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Median seconds of each candidate over n rounds; each round calls every candidate once, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(n):
        for name, call in candidates.items():
            begin = clock()
            call()
            seconds[name].append(clock() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare(operation: str, calls: Calls, exact: Tensor, floors: dict[str, float], n: int) -> list[Row]:
    """Rows of one operation: each call's result against the exact one, then its time in turn with the others."""
    errors = {name: float((call() - exact).abs().max()) for name, call in calls.items()}
    times = rounds(calls, n)
    return [
        Row(operation, name, 1e3 * spent, spent / times[OURS], floors.get(name), errors[name])
        for name, spent in times.items()
    ]


def resizing(peers: Modules, effort: Effort) -> Iterator[Row]:
    """imresize down and up, of one picture and of a batch."""
    [path] = [path for path in datasets.files("pictures/held-out") if path.stem == "astronaut"]
    picture = image.read(path).rgb
    for count, full_side, scale, floors in RESIZES:
        side = full_side // effort.shrink
        corners = [k * (picture.shape[-1] - side) // count for k in range(count)]
        batch = torch.cat([picture[..., at : at + side, at : at + side] for at in corners])
        calls: Calls = {
            OURS: partial(imresize, batch, scale=scale),
            "torch F.interpolate": partial(F.interpolate, batch, scale_factor=scale, mode="bicubic", antialias=True),
            "scikit-image": partial(_skimage_resize, [_pixels(x) for x in batch], round(side * scale)),
        }
        if "basicsr" in peers:
            calls["BasicSR"] = partial(_basicsr_resize, peers["basicsr"][1].imresize, batch, scale)
        operation = f"imresize {'x1/4' if scale < 1 else 'x4'} of {count}x3x{side}x{side}"
        yield from compare(operation, calls, imresize(batch.double(), scale=scale), floors, effort.resize_rounds)


def _skimage_resize(pictures: list[Any], side: int) -> Tensor:
    from skimage.transform import resize

    done = [torch.from_numpy(resize(picture, (side, side), order=3, anti_aliasing=True)) for picture in pictures]
    return torch.stack(done).permute(0, 3, 1, 2)


def _basicsr_resize(resize: Callable[[Tensor, float], Tensor], batch: Tensor, scale: float) -> Tensor:
    return resize(batch.flatten(0, 1), scale).unflatten(0, batch.shape[:2])  # it takes (C, H, W) with any C


def measuring(peers: Modules, effort: Effort) -> Iterator[Row]:
    """psnr and ssim on Y: each library gets pictures as it wants them, and its user makes luma where it does not."""
    name, pairs = _pairs(effort.shrink)
    floats = [(image.to_float(x), image.to_float(y)) for x, y in pairs]
    doubles = [(x.double() / 255, y.double() / 255) for x, y in pairs]
    arrays = [(_pixels(x[0]), _pixels(y[0])) for x, y in pairs]
    ours: list[Metric] = [partial(metric, border=BORDER, luma=True) for metric in (metrics.psnr, metrics.ssim)]
    # library, its psnr and ssim, the pictures it wants
    entries: list[tuple[str, list[Metric], list[Any]]] = [
        (OURS, ours, floats),
        (f"{OURS} in float64", ours, doubles),
        ("scikit-image", [partial(_skimage, metric) for metric in METRICS], arrays),
        ("torch float64", [_on_luma(_psnr_float64), _on_luma(_ssim_float64)], floats),
    ]
    if "basicsr" in peers:
        bgr = [(x[..., ::-1].copy(), y[..., ::-1].copy()) for x, y in arrays]
        both = (peers["basicsr"][0].calculate_psnr, peers["basicsr"][0].calculate_ssim)
        entries.append(("BasicSR", [partial(f, crop_border=BORDER, test_y_channel=True) for f in both], bgr))
    if "torchmetrics" in peers:
        [module] = peers["torchmetrics"]
        both = (module.peak_signal_noise_ratio, module.structural_similarity_index_measure)
        entries.append(("torchmetrics", [_on_luma(partial(f, data_range=1.0)) for f in both], floats))
    if "piq" in peers:
        [module] = peers["piq"]
        entries.append(("piq", [_on_luma(module.psnr), _on_luma(partial(module.ssim, downsample=False))], floats))
    if "pyiqa" in peers:
        [module] = peers["pyiqa"]
        choices = {"test_y_channel": True, "color_space": "ycbcr", "crop_border": BORDER, "device": "cpu"}
        entries.append(("pyiqa", [module.create_metric(metric, **choices) for metric in METRICS], floats))
    for k, (metric, floors) in enumerate(METRICS.items()):
        calls: Calls = {library: partial(_each, both[k], pictures) for library, both, pictures in entries}
        yield from compare(f"{metric} on Y, {name}", calls, calls["scikit-image"](), floors, effort.metric_rounds)


def _pairs(shrink: int) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """Name of the set, and uint8 (sr, hr) of its pictures."""
    try:
        name, paths = "Set14", datasets.files("Set14")
    except datasets.DatasetError:
        name, paths = "pictures", datasets.files("pictures")
    pairs = []
    for path in paths:
        full = image.read_uint8(path)[None]
        hr = crop_to_multiple(full[..., : full.shape[-2] // shrink, : full.shape[-1] // shrink], SCALE)
        pairs.append((imresize(imresize(hr, scale=1 / SCALE), scale=SCALE), hr))
    return f"{name} ({len(paths)})", pairs


def _pixels(picture: Tensor) -> Any:
    """(C, H, W) -> the numpy (H, W, C) that other libraries take."""
    return picture.permute(1, 2, 0).contiguous().numpy()


def _each(metric: Metric, pairs: list[Any]) -> Tensor:
    return torch.tensor([float(metric(x, y)) for x, y in pairs], dtype=torch.float64)


def _on_luma(metric: Metric) -> Metric:
    """For a metric that knows neither luma nor borders: both as its user writes them, by the formula."""
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))

    def y(rgb: Tensor) -> Tensor:
        return (65.481 * rgb[:, 0:1] + 128.553 * rgb[:, 1:2] + 24.966 * rgb[:, 2:3] + 16) / 255

    return lambda sr, hr: metric(y(sr[inside]), y(hr[inside]))


def _skimage(metric: str, sr: Any, hr: Any) -> Any:
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    sr, hr = (rgb2ycbcr(rgb[BORDER:-BORDER, BORDER:-BORDER])[..., 0] for rgb in (sr, hr))
    if metric == "psnr":
        return peak_signal_noise_ratio(hr, sr, data_range=255)
    window = {"gaussian_weights": True, "sigma": metrics.SSIM_SIGMA, "use_sample_covariance": False}
    return structural_similarity(hr, sr, data_range=255, **window)


def _psnr_float64(x: Tensor, y: Tensor) -> Tensor:
    return -10 * torch.log10((x.double() - y.double()).square().mean())


def _ssim_float64(x: Tensor, y: Tensor) -> Tensor:
    """SSIM as torch libraries usually write it: a dense window, conv2d, float64."""
    x, y = x.double(), y.double()
    offset = torch.arange(metrics.SSIM_WINDOW, dtype=torch.float64) - metrics.SSIM_WINDOW // 2
    line = torch.exp(-(offset**2) / (2 * metrics.SSIM_SIGMA**2))
    window = torch.outer(line, line)[None, None] / line.sum() ** 2
    mean_x, mean_y, xx, yy, xy = (F.conv2d(t, window) for t in (x, y, x * x, y * y, x * y))
    c1, c2 = metrics.SSIM_K1**2, metrics.SSIM_K2**2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (brightness * structure).mean()


def starting(effort: Effort) -> Iterator[Row]:
    """What the library adds to the start of torch, in fresh processes."""
    code = f"from time import perf_counter as t; a=t(); import {START}; b=t(); import {ROOMS}; print(b-a, t()-b)"
    runs = []
    for _ in range(effort.start_rounds):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        runs.append([1e3 * float(word) for word in done.stdout.split()])
    base, added = (statistics.median(column) for column in zip(*runs, strict=True))
    yield Row("start-up, beyond torch", OURS, added, 1.0)
    yield Row("start-up, beyond torch", "what is allowed", START_BUDGET, START_BUDGET / added, floor=1)
    yield Row("start-up, beyond torch", f"import {START}", base)


@contextmanager
def on_threads(n: int) -> Iterator[None]:
    """torch, and OpenCV where a peer has brought it, on n threads for a while."""
    setters = [(torch.set_num_threads, torch.get_num_threads())]
    if cv2 := sys.modules.get("cv2"):
        setters.append((cv2.setNumThreads, cv2.getNumThreads()))
    try:
        for setter, _ in setters:
            setter(n)
        yield
    finally:
        for setter, before in setters:
            setter(before)


def table(rows: list[Row]) -> list[str]:
    """The rows as lines of text; an operation is named once."""
    lines = [_line("operation", "library", "ms", "faster", "floor", "error")]
    before = ""
    for row in rows:
        new, before = row.operation != before, row.operation
        lines += [""] * new
        spent = f"{row.milliseconds:.{2 if row.milliseconds < 10 else 0}f}"
        faster = "" if row.faster is None else f"{row.faster:.{2 if row.faster < 10 else 0}f}x"
        floor = "" if row.floor is None else f"{row.floor:.3g}x"
        error = "" if row.error is None else f"{row.error:.1e}"
        missed = row.floor is not None and row.faster is not None and row.faster < row.floor
        lines.append(_line(row.operation * new, row.library, spent, faster, floor, error) + "  !" * missed)
    return lines


def _line(operation: str, library: str, *numbers: str) -> str:
    return f"{operation:32}{library:22}" + "".join(f"{number:>11}" for number in numbers)


def header(threads: int) -> list[str]:
    """What was measured, and what the columns mean."""
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return [
        f"srlib {__version__} beside others: {cpu}, {threads} thread(s) each, torch {torch.__version__}",
        "ms      median over rounds in which every library is called once, in turn",
        "faster  that library's time / srlib's: how many times faster srlib is",
        "floor   what `faster` must at least be on that line; ! where it is not reached",
        "error   largest difference from the exact result: for imresize srlib's own in float64, whose exactness",
        "        the tests prove; for psnr (dB) and ssim scikit-image's in float64",
    ]
