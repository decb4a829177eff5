"""`srlib bench train`: how fast each network trains, on what the time goes, beside the loop that a tutorial writes."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from srlib import bench, datasets, tiers, training
from srlib.features import VGG19
from srlib.models import RRDBNet
from srlib.patches import Patches, batches
from srlib.precision import Precision, best_precision
from srlib.recipes import RECIPES, Recipe, with_blocks

PLAIN = "plain loop"  # what one finds in tutorials
NETWORKS = ("srcnn", "srresnet", "a2n", "rrdb-psnr", "srgan", "esrgan")
CPU_BLOCKS = 6  # of RRDBNet on a CPU; a GPU has the paper's 23


class Spent(NamedTuple):
    """Seconds of some steps, and those of them that were waited for data."""

    seconds: float
    waited: float


Trainer = Callable[[int], Spent]  # trains so many steps more


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds in which every way takes so many steps in turn, after one round unmeasured."""

    rounds: int = 3
    steps: int = 4
    networks: tuple[str, ...] = NETWORKS


@dataclass(frozen=True)
class Row:
    """One way to train one network. `reason`: why it did not run."""

    network: str
    way: str
    steps_per_second: float = 0.0
    waiting: float = 0.0
    memory: int | None = None
    reason: str = ""


def report(*, device: torch.device, threads: int = 1, effort: Effort | None = None) -> str:
    """A table of every way to train every network on the device. Raises ValueError for less than one thread."""
    if threads < 1:
        raise ValueError(f"threads is {threads}: it must be at least 1")
    effort = effort or Effort()
    lines = [
        f"training on {device}, {threads} thread(s), torch {torch.__version__}; each way takes its steps in turn",
        f"faster   than the {PLAIN}: a DataLoader that decodes a picture by PIL for each patch, fp32, no channels_last",
        "waiting  share of a step in which the loop waited for data",
        "memory   that its first steps took at most, beyond what was taken before (on a CPU: Linux only)",
        "",
        _line("network", "way", "steps/s", "faster", "waiting", "memory"),
    ]
    with bench.on_threads(threads):
        for name in effort.networks:
            rows = list(measure(_measurable(RECIPES[name], device), device, effort))
            lines += [*table(rows), ""]
    return "\n".join(lines)


def _measurable(recipe: Recipe, device: torch.device) -> Recipe:
    """The recipe as it is measured: untrained features take as long as trained ones and need no file."""
    if recipe.generator is RRDBNet and device.type == "cpu":
        recipe = with_blocks(recipe, CPU_BLOCKS)
    return replace(recipe, random_features=bool(recipe.features))


def table(rows: list[Row]) -> list[str]:
    """The rows of one network as lines of text, the speed beside the plain loop's."""
    plain = next(row.steps_per_second for row in rows if row.way == PLAIN)
    lines = []
    for row in rows:
        if row.reason:
            lines.append(f"{row.network:24}{row.way:28}not run: {row.reason}")
            continue
        memory = "" if row.memory is None else f"{row.memory / 2**20:.0f} MB"
        faster = f"{row.steps_per_second / plain:.2f}x"
        lines.append(_line(row.network, row.way, f"{row.steps_per_second:.2f}", faster, f"{row.waiting:.1%}", memory))
    return lines


def measure(recipe: Recipe, device: torch.device, effort: Effort) -> Iterator[Row]:
    """Every way to train one network: its median speed over rounds, its share of waiting, its memory."""
    fitting = tiers.tier(recipe, device)
    recipe = replace(recipe, batch=fitting.batch, hr_crop=fitting.hr_crop, data=("pictures/train",))
    title = f"{recipe.name} x{recipe.scale}, {recipe.batch} x {recipe.hr_crop}²"
    trainers: dict[str, Trainer] = {}
    memory: dict[str, int | None] = {}
    patches = Patches(datasets.load(recipe.data), scale=recipe.scale, hr_crop=recipe.hr_crop, seed=0)
    if tiers.fits_on(device, patches.bytes):
        patches.to(device)
    for way, make in ways(recipe, device, patches).items():
        try:
            before = _forget_peak(device)
            trainers[way] = make()
            trainers[way](effort.steps)
            memory[way] = None if before is None else _peak(device) - before
        # A compiler that is not there or gives up, a format the device lacks.
        except (RuntimeError, AssertionError, ImportError) as error:
            trainers.pop(way, None)
            yield Row(title, way, reason=" ".join(str(error).split())[:90] or type(error).__name__)
    spent: dict[str, list[Spent]] = {way: [] for way in trainers}
    for _ in range(effort.rounds):
        for way, train in trainers.items():
            spent[way].append(train(effort.steps))
    for way, times in spent.items():
        seconds = statistics.median(s.seconds for s in times)
        waiting = sum(s.waited for s in times) / sum(s.seconds for s in times)
        yield Row(title, way, effort.steps / seconds, waiting, memory[way])


def ways(recipe: Recipe, device: torch.device, patches: Patches) -> dict[str, Callable[[], Trainer]]:
    """The plain loop, and srlib's with one thing more at a time."""
    best = best_precision(device)
    found: dict[str, Callable[[], Trainer]] = {
        PLAIN: lambda: plain(recipe, device),
        "srlib fp32, no channels_last": lambda: ours(recipe, patches, device, "fp32", channels_last=False),
        "srlib fp32": lambda: ours(recipe, patches, device, "fp32"),
    }
    if best != "fp32":
        found[f"srlib {best}"] = lambda: ours(recipe, patches, device, best)
    found[f"srlib {best}, compiled"] = lambda: ours(recipe, patches, device, best, compiled=True)
    return found


def ours(
    recipe: Recipe,
    patches: Patches,
    device: torch.device,
    precision: Precision,
    *,
    channels_last: bool = True,
    compiled: bool = False,
) -> Trainer:
    """The library's own loop."""
    run = training.start(recipe, device=device, precision=precision, compiled=compiled)
    if not channels_last:
        run.generator.to(memory_format=torch.contiguous_format)
    source = batches(patches, batch=recipe.batch, first=0)

    def train(steps: int) -> Spent:
        _finish(device)
        begin, waited = time.perf_counter(), run.waited
        training.fit(run, source, steps=run.step + steps)
        _finish(device)
        return Spent(time.perf_counter() - begin, run.waited - waited)

    return train


def plain(recipe: Recipe, device: torch.device) -> Trainer:
    """The loop that one finds in tutorials: a file is decoded, cut and shrunk by PIL for each patch of a batch."""
    step = _plain_game(recipe, device) if recipe.discriminator else _plain_step(recipe, device)
    paths = datasets.files("pictures/train")
    loader = torch.utils.data.DataLoader(
        _Decoded(paths, recipe.scale, recipe.hr_crop), recipe.batch, sampler=range(1 << 32)
    )
    source = iter(loader)

    def train(steps: int) -> Spent:
        _finish(device)
        begin, waited = time.perf_counter(), 0.0
        for _ in range(steps):
            asked = time.perf_counter()
            lr, hr = next(source)
            waited += time.perf_counter() - asked
            lr, hr = lr.to(device), hr.to(device)
            step(lr, hr).item()
        _finish(device)
        return Spent(time.perf_counter() - begin, waited)

    return train


def _plain_step(recipe: Recipe, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    network = recipe.generator(scale=recipe.scale).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    criterion = nn.MSELoss()

    def step(lr: Tensor, hr: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = criterion(network(lr), hr)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _plain_game(recipe: Recipe, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """Discriminator, then generator, each with a pass of its own; VGG19 sees both pictures with gradients."""
    assert recipe.discriminator is not None
    generator, judge = recipe.generator(scale=recipe.scale).to(device), recipe.discriminator().to(device)
    vgg = VGG19([tap for tap, _ in recipe.features], random=True).to(device)
    both = [torch.optim.Adam(network.parameters(), lr=1e-4) for network in (generator, judge)]
    mse = nn.MSELoss()

    def step(lr: Tensor, hr: Tensor) -> Tensor:
        sr = generator(lr)
        both[1].zero_grad()
        recipe.game.discriminator(judge(hr), judge(sr.detach())).backward()
        both[1].step()
        both[0].zero_grad()
        seen, wanted = vgg(sr), vgg(hr)
        content = torch.stack([mse(seen[tap], wanted[tap]) for tap in vgg.taps]).sum()
        loss = mse(sr, hr) + 0.006 * content + 1e-3 * recipe.game.generator(judge(hr), judge(sr))
        loss.backward()
        both[0].step()
        return loss

    return step


class _Decoded(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A random patch of a picture that is decoded anew for each."""

    def __init__(self, paths: list[Path], scale: int, hr_crop: int) -> None:
        self.paths, self.scale, self.hr_crop = paths, scale, hr_crop

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        from PIL import Image
        from torchvision.transforms import functional as transforms

        with Image.open(self.paths[number % len(self.paths)]) as file:
            picture = file.convert("RGB")
        side, small = self.hr_crop, self.hr_crop // self.scale
        left, top = (int(torch.randint(length - side + 1, (1,))) for length in picture.size)
        hr = picture.crop((left, top, left + side, top + side))
        lr = hr.resize((small, small), Image.Resampling.BICUBIC)
        return transforms.to_tensor(lr), transforms.to_tensor(hr)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> int | None:
    """Begins a new peak of memory, and tells the bytes that are taken now; None where the system cannot."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier ways have freed goes back to the system
        _RESET.write_text("5")
        return _told("VmRSS")
    except OSError:
        return None


def _peak(device: torch.device) -> int:
    """Bytes: what the GPU's tensors took at most, or the whole process on Linux."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _told("VmHWM")


def _told(name: str) -> int:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
    return int(lines[name].split()[0]) * 1024


_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def _line(network: str, way: str, *numbers: str) -> str:
    return f"{network:24}{way:28}" + "".join(f"{number:>10}" for number in numbers)
