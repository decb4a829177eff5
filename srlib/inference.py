"""Enlarging whole pictures with a network: in strips and tiles that give the same pixels as the whole."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib import piecewise, zoo
from srlib.formats import opening
from srlib.image import Picture, to_float
from srlib.memory import out_of_memory
from srlib.patches import turned, turned_back
from srlib.precision import Precision
from srlib.resize import KERNELS, KernelName, imresize
from srlib.strips import enlarged

Upscaler = Callable[[Tensor], Tensor]
DEFAULT_SCALE = 4
_UNKNOWN_HALO, _UNKNOWN_ALIVE = 64, 1024  # of a network that tells neither how far it sees nor what it takes
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    """A way to enlarge pictures: (B, C, h, w) -> (B, C, h * scale, w * scale).

    A network takes uint8, or floats in [0, 1], and gives floats in [0, 1]. The classical ones take uint8 by
    MATLAB's rounded path and give uint8, and floats unclipped. `run` enlarges at once what it is given; calling the
    model does it tile by tile where that does not fit into memory.
    """

    name: str
    scale: int
    parameters: int
    run: Upscaler
    luma: bool = True  # whether it can take luma alone, (B, 1, h, w)
    halo: int = _UNKNOWN_HALO  # LR pixels on each side by which tiles must overlap
    exact: bool = False  # whether tiles that do so give the whole's pixels: an output pixel sees no farther
    shrink: int = 1  # tiles must begin at multiples of it
    memory: float = 0  # bytes that each LR pixel takes while it is enlarged; 0: not known, never cut unasked
    device: torch.device = _CPU
    tile: int | None = None  # the side of the tiles, in LR pixels; None: as the free memory allows
    overlap: int | None = None  # less than the halo: faster, with seams; None: all of it

    @property
    def overlapping(self) -> int:
        """LR pixels by which tiles do overlap on each side."""
        return self.halo if self.overlap is None else min(self.overlap, self.halo)

    @property
    def seamless(self) -> bool:
        return self.exact and self.overlapping == self.halo

    def __call__(self, lr: Tensor) -> Tensor:
        """Raises ValueError if the result would be larger than a picture file may be, formats.opening.MAX_PIXELS."""
        size = lr.shape[-2], lr.shape[-1]
        height, width = (side * self.scale for side in size)
        if height * width > opening.MAX_PIXELS:
            raise ValueError(
                f"scale {self.scale} makes {height} x {width} pixels, more than {opening.MAX_PIXELS}: "
                "take a smaller one"
            )
        sheet = piecewise.InMemory(height, width)
        batch = replace(self, memory=self.memory * math.prod(lr.shape[:-3]))
        piecewise.fill(batch, size, lambda box: lr[..., box.rows, box.columns], sheet)
        return sheet.picture

    def tiled(self, tile: int | None, overlap: int | None) -> "Model":
        """The same in tiles of a side, overlapping by so many pixels (None: as it chooses). Raises ValueError."""
        if tile is not None and tile < max(self.shrink, 1):
            raise ValueError(f"tile is {tile}: {self.name} needs at least {self.shrink} pixels a side")
        if overlap is not None and overlap < 1:
            raise ValueError(f"overlap is {overlap}: at least 1 pixel, by which the seam is measured")
        return replace(self, tile=tile, overlap=overlap)


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
    halo = math.ceil(KERNELS[kernel][1] / 2) + 1
    memory = 3 * 4 * (2 * scale**2 + scale)  # three colours: the result twice, and one side enlarged
    return Model(
        kernel, scale, 0, lambda lr: imresize(lr, scale=scale, kernel=kernel), halo=halo, exact=True, memory=memory
    )


def network_model(
    network: nn.Module, *, name: str, device: torch.device | str = "cpu", precision: Precision = "fp32"
) -> Model:
    """A network as a model: in strips and tiles, without gradients, clipped to [0, 1].

    They give the whole picture's result up to rounding, whatever its size. A network with `features` and `tail`
    (SRResNet, A2N, RRDBNet) makes its features of the whole picture, or of a large tile where memory is short, and its
    enlargement in strips; of another the `halo` says by how many LR pixels strips must overlap. Only what sees all of a
    picture at once (A2N's means) is not the same in tiles: the difference at their seams is told. The network is put on
    the device, in evaluation mode. precision: bf16 or fp16 are several times faster where the device computes in them,
    at a cost of thousandths of a dB; what they spoil (not finite, or black) is made again in fp32.
    """
    device = torch.device(device)
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    scale, in_channels = cast(int, network.scale), cast(int, network.in_channels)

    def remark() -> None:
        warnings.warn(f"{name} in {precision} gave no picture somewhere: made again in fp32", stacklevel=2)

    @torch.inference_mode()
    def run(lr: Tensor) -> Tensor:
        try:
            return enlarged(network, floats(lr).float(), device, precision, remark)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise MemoryError(f"{device} has no room to enlarge {lr.shape[2]} x {lr.shape[3]} by {name}") from error

    halo = getattr(network, "halo", getattr(network, "reach", _UNKNOWN_HALO))
    alive = getattr(network, "alive", _UNKNOWN_ALIVE)
    return Model(
        name,
        scale,
        sum(p.numel() for p in network.parameters()),
        run,
        luma=in_channels == 1,
        halo=halo,
        exact=hasattr(network, "halo"),
        shrink=getattr(network, "shrink", 1),
        memory=(4 if precision == "fp32" else 2) * alive + _result(scale) * 2,  # the result in strips, and joined
        device=device,
    )


def self_ensemble(model: Model) -> Model:
    """The mean over the eight flips and rotations of the input, each turned back: eight times the work.

    Takes and gives what `model` does, but always floats. Source: EDSR (1707.02921), section 3.4, there called "+".
    """

    def run(lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        more = -width % model.shrink, -height % model.shrink
        if any(more):  # so that all eight are cut into the same groups of pixels, in the whole as in a tile
            lr = F.pad(floats(lr), (0, more[0], 0, more[1]), mode="replicate")
        made = torch.zeros(())
        for k in range(8):
            made = made + floats(turned_back(model.run(turned(lr, k)), k)) / 8
        return made[..., : height * model.scale, : width * model.scale] if any(more) else made

    return replace(model, name=f"{model.name}+", run=run, memory=model.memory + 2 * _result(model.scale))


def _result(scale: int) -> int:
    """The bytes of the float32 colours that an LR pixel becomes."""
    return 3 * 4 * scale**2


def floats(picture: Tensor) -> Tensor:
    """A picture as a model may take and give it, uint8 or floats, as floats: 0..255 becomes [0, 1]."""
    return picture if picture.is_floating_point() else to_float(picture)


def upscale(picture: Picture, model: Model) -> Picture:
    """Enlarges a picture as a file holds it: colour by the model, alpha by bicubic; of a grey one the mean of colours.

    Raises TypeError for a tensor, which the model itself takes.
    """
    if isinstance(picture, Tensor):
        raise TypeError("upscale takes what image.read gives; of a tensor, model(tensor) is the enlargement")
    rgb = model(picture.rgb).clamp(0, 1)
    if picture.grey:
        rgb = rgb.mean(1, keepdim=True).expand_as(rgb)
    alpha = None if picture.alpha is None else imresize(picture.alpha, scale=model.scale).clamp(0, 1)
    return picture._replace(rgb=rgb, alpha=alpha)
