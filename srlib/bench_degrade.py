"""`srlib bench degrade`: random degradations beside Real-ESRGAN's own, whole and stage by stage, in one run.

The peer is BasicSR, on which Real-ESRGAN builds: its functions are called in the order and with the chances of the
authors' `feed_data`, which draws sizes and kinds of noise once for a batch. Both draw anew in every round.
"""

import math
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import datasets, image
from srlib.bench import OURS, Row, find_peers, header, on_threads, rounds, table
from srlib.degradations import kernels, noise
from srlib.degradations.blur import blur, sharpen
from srlib.degradations.jpeg import jpeg
from srlib.degradations.passes import FIRST, SECOND, Pass, degrade, draw
from srlib.degradations.steps import Blur

AUTHORS = "Real-ESRGAN (BasicSR)"
MODULES = ("basicsr.data.degradations", "basicsr.utils.diffjpeg", "basicsr.utils.img_process_util")
COUNT, SIDE, SCALE = 8, 256, 4
ROUNDS = 15
FLOORS = {"two passes, with USM": 10.0, "two passes, without USM": 1.4}  # how many times faster srlib has to be
PADDED = 21  # the size to which the authors' kernels are padded


def report(*, threads: int = 1, n: int = ROUNDS, side: int = SIDE) -> str:
    """The whole and its stages as one table of text. Raises ValueError for less than one thread."""
    if threads < 1:
        raise ValueError(f"threads is {threads}: it must be at least 1")
    peers, missing = find_peers({"basicsr": MODULES})
    theirs = _namespace(*peers["basicsr"]) if "basicsr" in peers else None
    hr = _batch(side)
    with on_threads(threads), torch.inference_mode():
        rows = [*_measured(theirs, hr, n)]
    size = f"what    a batch of {'x'.join(map(str, hr.shape))}, to x{SCALE}"
    footer = ["", f"not installed, so not run: {', '.join(missing)}"] if missing else []
    return "\n".join([*header(threads)[:4], size, "", *table(rows), *footer])


def _namespace(*modules: Any) -> SimpleNamespace:
    """The functions of BasicSR that the authors' code calls, by name."""
    found = SimpleNamespace(**{name: value for module in modules for name, value in vars(module).items()})
    found.jpeger, found.usm = found.DiffJPEG(differentiable=False), found.USMSharp()
    found.dice = random.Random(0)  # for what their code draws once for a batch
    return found


def _batch(side: int) -> Tensor:
    [path] = [path for path in datasets.files("pictures/held-out") if path.stem == "coffee"]
    picture = image.read(path).rgb
    corners = [k * (min(picture.shape[-2:]) - side) // COUNT for k in range(COUNT)]
    return torch.cat([picture[..., at : at + side, at : at + side] for at in corners])


def _measured(theirs: SimpleNamespace | None, hr: Tensor, n: int) -> Iterator[Row]:
    for usm, (name, floor) in zip((True, False), FLOORS.items(), strict=True):
        yield from _compared(name, floor, n, _wholes(theirs, hr, usm))
    for name, calls in _stages(theirs, hr).items():
        yield from _compared(name, None, n, calls)


def _compared(operation: str, floor: float | None, n: int, calls: dict[str, Callable[[], Any]]) -> Iterator[Row]:
    times = rounds(calls, n)
    for library, spent in times.items():
        faster = spent / times[OURS]
        yield Row(operation, library, 1e3 * spent, faster, None if library == OURS else floor)


def _wholes(theirs: SimpleNamespace | None, hr: Tensor, usm: bool) -> dict[str, Callable[[], Any]]:
    rng = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], Any]] = {
        OURS: lambda: degrade(sharpen(hr) if usm else hr, scale=SCALE, passes=(FIRST, SECOND), rng=rng)
    }
    if theirs is not None:
        calls[AUTHORS] = lambda: _authors(theirs, theirs.usm(hr) if usm else hr)
    return calls


def _stages(theirs: SimpleNamespace | None, hr: Tensor) -> dict[str, dict[str, Callable[[], Any]]]:
    """Each stage by both, on the same batch."""
    count = len(hr)
    rng = torch.Generator().manual_seed(0)
    sigma, grey = torch.full((count,), 15.0), torch.zeros(count, dtype=torch.bool)
    filters = kernels.gaussian(PADDED, torch.full((count, 2), 2.0))
    quality = torch.linspace(30, 95, count)
    level, colour = sigma.view(-1, 1, 1, 1), grey.float().view(-1, 1, 1, 1)
    ones = torch.ones(count)
    stages: dict[str, dict[str, Callable[[], Any]]] = {
        "USM sharpening": {OURS: lambda: sharpen(hr)},
        "drawing three kernels each": {OURS: lambda: _own_kernels(rng, count)},
        "blur": {OURS: lambda: blur(hr, filters)},
        "Gaussian noise": {OURS: lambda: noise.add_gaussian(hr, sigma, grey=grey, rng=rng)},
        "Poisson noise": {OURS: lambda: noise.add_poisson(hr, ones, grey=grey, rng=rng)},
        "JPEG": {OURS: lambda: jpeg(hr, quality)},
    }
    if theirs is not None:
        stages["USM sharpening"][AUTHORS] = lambda: theirs.usm(hr)
        stages["drawing three kernels each"][AUTHORS] = lambda: _their_kernels(theirs, count)
        stages["blur"][AUTHORS] = lambda: theirs.filter2D(hr, filters)
        stages["Gaussian noise"][AUTHORS] = lambda: theirs.add_gaussian_noise_pt(
            hr, level[:, 0, 0, 0], colour[:, 0, 0, 0]
        )
        stages["Poisson noise"][AUTHORS] = lambda: theirs.add_poisson_noise_pt(hr, ones, gray_noise=colour[:, 0, 0, 0])
        stages["JPEG"][AUTHORS] = lambda: theirs.jpeger(hr, quality=quality.clone())  # which it changes
    return stages


def _own_kernels(rng: torch.Generator, count: int) -> list[Tensor]:
    drawn = [draw(rng, size=(SIDE, SIDE), scale=SCALE, passes=(FIRST, SECOND)) for _ in range(count)]
    return [step.kernel() for one in drawn for step in one.steps if isinstance(step, Blur)]


def _their_kernels(theirs: SimpleNamespace, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The kernels of both passes and of the end, as the authors' data set makes them for each picture."""
    several = [(_kernel(theirs, FIRST), _kernel(theirs, SECOND), _final(theirs)) for _ in range(count)]
    columns = zip(*several, strict=True)
    first, second, final = (torch.stack([torch.from_numpy(k).float() for k in column]) for column in columns)
    return first, second, final


def _kernel(theirs: SimpleNamespace, one: Pass) -> Any:
    size = theirs.dice.choice(one.kernel_sizes)
    if theirs.dice.random() < one.sinc:
        slowest = math.pi / 3 if size < 13 else math.pi / 5
        return theirs.circular_lowpass_kernel(theirs.dice.uniform(slowest, math.pi), size, pad_to=PADDED)
    names, chances = zip(*one.kinds, strict=True)
    ranges = ([-math.pi, math.pi], one.generalized_beta, one.plateau_beta)
    made = theirs.random_mixed_kernels(names, chances, size, one.sigma, one.sigma, *ranges, noise_range=None)
    return theirs.np.pad(made, (PADDED - size) // 2)


def _final(theirs: SimpleNamespace) -> Any:
    if theirs.dice.random() < SECOND.final_sinc:
        size = theirs.dice.choice(SECOND.kernel_sizes)
        return theirs.circular_lowpass_kernel(theirs.dice.uniform(math.pi / 3, math.pi), size, pad_to=PADDED)
    pulse = theirs.np.zeros((PADDED, PADDED))
    pulse[PADDED // 2, PADDED // 2] = 1
    return pulse


def _authors(theirs: SimpleNamespace, hr: Tensor) -> Tensor:
    """The authors' two passes, drawn for the whole batch where they do so."""
    first, second, final = _their_kernels(theirs, len(hr))
    lr_side = hr.shape[-1] // SCALE
    out = theirs.filter2D(hr, first)
    out = F.interpolate(out, scale_factor=_factor(theirs, FIRST), mode=_mode(theirs))
    out = _their_jpeg(theirs, _their_noise(theirs, out, FIRST), FIRST)
    if theirs.dice.random() < SECOND.blur:
        out = theirs.filter2D(out, second)
    side = max(int(lr_side * _factor(theirs, SECOND)), 1)
    out = _their_noise(theirs, F.interpolate(out, size=(side, side), mode=_mode(theirs)), SECOND)
    last = theirs.dice.random() < SECOND.jpeg_last
    if not last:
        out = _their_jpeg(theirs, out, SECOND)
    out = theirs.filter2D(F.interpolate(out, size=(lr_side, lr_side), mode=_mode(theirs)), final)
    if last:
        out = _their_jpeg(theirs, out, SECOND)
    return (out * 255).round().clamp(0, 255) / 255


def _factor(theirs: SimpleNamespace, one: Pass) -> float:
    low, high = one.factor
    return theirs.dice.uniform(*theirs.dice.choices(((1, high), (low, 1), (1, 1)), one.up_down_keep)[0])


def _mode(theirs: SimpleNamespace) -> str:
    return theirs.dice.choice(("area", "bilinear", "bicubic"))


def _their_noise(theirs: SimpleNamespace, out: Tensor, one: Pass) -> Tensor:
    settings = {"clip": True, "rounds": False, "gray_prob": one.grey}
    if theirs.dice.random() < one.gaussian:
        return theirs.random_add_gaussian_noise_pt(out, sigma_range=one.gaussian_sigma, **settings)
    return theirs.random_add_poisson_noise_pt(out, scale_range=one.poisson_scale, **settings)


def _their_jpeg(theirs: SimpleNamespace, out: Tensor, one: Pass) -> Tensor:
    return theirs.jpeger(out.clamp(0, 1), quality=out.new_zeros(len(out)).uniform_(*one.quality)).contiguous()
