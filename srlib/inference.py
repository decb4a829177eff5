"""Enlarging whole pictures with a network: in strips that give the same pixels as the whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, get_args

import torch
from torch import Tensor, nn

from srlib import zoo
from srlib.image import MAX_PIXELS, Picture, to_float
from srlib.patches import turned, turned_back
from srlib.precision import Precision, autocast
from srlib.resize import KernelName, imresize

Upscaler = Callable[[Tensor], Tensor]
DEFAULT_SCALE = 4
STRIP_PIXELS = 1 << 20  # HR pixels in flight at once: SRCNN's 64 channels then take 0.3 GB


class _Local(Protocol):
    """A network whose output pixel depends on LR pixels at most `halo` away.

    None: on all of them; then its `body` takes the whole picture, and its `tail` strips of it and of what body gave.
    """

    scale: int
    halo: int | None
    in_channels: int
    tail_halo: int
    body: Upscaler
    tail: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Model:
    """A way to enlarge pictures: (B, C, h, w) -> (B, C, h * scale, w * scale).

    A network takes uint8, or floats in [0, 1], and gives floats in [0, 1]. The classical ones take uint8 by
    MATLAB's rounded path and give uint8, and floats unclipped.
    """

    name: str
    scale: int
    parameters: int
    run: Upscaler
    luma: bool = True  # whether it can take luma alone, (B, 1, h, w)

    def __call__(self, lr: Tensor) -> Tensor:
        """Raises ValueError if the result would be larger than a picture file may be, image.MAX_PIXELS."""
        height, width = (side * self.scale for side in lr.shape[-2:])
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"scale {self.scale} makes {height} x {width} pixels, more than {MAX_PIXELS}: take a smaller one"
            )
        return self.run(lr)


def open_model(
    name: str | Path,
    *,
    scale: int | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "fp32",
) -> Model:
    """A model by name: nearest, bicubic and the other kernels, a shipped network, or a weights file.

    scale: the file's own, else 4, if it is not given. precision: as in `network_model`. Raises ValueError: unknown
    name, scale that the model does not have, device that is not there.
    """
    device = checked(device)
    if name in get_args(KernelName):
        return interpolator(cast(KernelName, name), scale or DEFAULT_SCALE)
    try:
        network = zoo.load(name, scale=scale or (DEFAULT_SCALE if str(name) in zoo.names() else None))
    except zoo.WeightsError as error:
        if Path(name).suffix:
            raise
        raise zoo.WeightsError(f"{error}; the classical kernels are {', '.join(get_args(KernelName))}") from error
    return network_model(network, name=str(name), device=device, precision=precision)


def checked(device: torch.device | str) -> torch.device:
    """The device, or ValueError with the way out if this machine does not have it."""
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        raise ValueError(f"device {device!s} is not here: use cpu, or a torch build that sees your GPU") from error
    return found


def interpolator(kernel: KernelName, scale: int) -> Model:
    """Classical enlargement by one of resize.KERNELS."""
    return Model(kernel, scale, 0, lambda lr: imresize(lr, scale=scale, kernel=kernel))


def network_model(
    network: nn.Module, *, name: str, device: torch.device | str = "cpu", precision: Precision = "fp32"
) -> Model:
    """A network as a model: in strips, without gradients, clipped to [0, 1].

    The network has `scale` and `halo` (LR pixels that an output pixel depends on), so the strips give the whole
    picture's result up to rounding, whatever the picture's size; of one whose halo is None the `body` takes the
    picture whole and the `tail` makes strips. It is put on the device, in evaluation mode. precision: bf16 or fp16 are
    several times faster where the device computes in them, at a cost of thousandths of a dB.
    """
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    local = cast(_Local, network)

    @torch.inference_mode()
    def run(lr: Tensor) -> Tensor:
        lr = to_float(lr) if lr.dtype == torch.uint8 else lr
        try:
            with autocast(torch.device(device), precision):
                features = local.body(lr.to(device)) if local.halo is None else None
                parts = []
                for top, bottom, cut in _strips(lr.shape[2], lr.shape[3], local):
                    rows = lr[:, :, top:bottom].to(device)
                    made = network(rows) if features is None else local.tail(rows, features[:, :, top:bottom])
                    parts.append(made[:, :, cut].float().clamp(0, 1).to(lr.device))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            way = "cut it into smaller ones" if local.halo is None else "free some memory"
            raise MemoryError(
                f"{device} has no room to enlarge {lr.shape[2]} x {lr.shape[3]} pixels by {name}: {way}, "
                "or take another device or model"
            ) from error
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    parameters = sum(p.numel() for p in network.parameters())
    return Model(name, local.scale, parameters, run, luma=local.in_channels == 1)


def self_ensemble(model: Model) -> Model:
    """The mean over the eight flips and rotations of the input, each turned back: eight times the work.

    Takes and gives what `model` does, but always floats. Source: EDSR (1707.02921), section 3.4, there called "+".
    """

    def turn(lr: Tensor, k: int) -> Tensor:
        made = turned_back(model(turned(lr, k)), k)
        return to_float(made) if made.dtype == torch.uint8 else made

    def run(lr: Tensor) -> Tensor:
        return torch.stack([turn(lr, k) for k in range(8)]).mean(0)

    return Model(f"{model.name}+", model.scale, model.parameters, run, model.luma)


def out_of_memory(error: Exception) -> bool:
    """Whether an error of torch says that a GPU's or the machine's memory is full."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def upscale(picture: Picture, model: Model) -> Picture:
    """Enlarges a picture as a file holds it: colour by the model, alpha by bicubic; a grey one stays grey."""
    rgb = model(picture.rgb).clamp(0, 1)
    alpha = None if picture.alpha is None else imresize(picture.alpha, scale=model.scale).clamp(0, 1)
    return picture._replace(rgb=rgb, alpha=alpha)


def _strips(height: int, width: int, model: _Local) -> Iterator[tuple[int, int, slice]]:
    """(first LR row, last LR row, HR rows to keep) of each strip; strips overlap by the halo."""
    halo = model.tail_halo if model.halo is None else model.halo
    rows = max(1, STRIP_PIXELS // (width * model.scale**2))
    for begin in range(0, height, rows):
        end = min(begin + rows, height)
        top, bottom = max(begin - halo, 0), min(end + halo, height)
        yield top, bottom, slice((begin - top) * model.scale, (end - top) * model.scale)
