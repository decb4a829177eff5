"""Between two networks, and between a network and its input: what ESRGAN does after the training."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from srlib import zoo
from srlib.inference import DEFAULT_SCALE, Model, checked, floats, network_model
from srlib.precision import Precision
from srlib.resize import imresize

REACH = 5  # LR pixels on each side that an iteration of back_projection depends on: making small 3, enlarging 2


def interpolate(psnr: nn.Module, gan: nn.Module, alpha: float) -> nn.Module:
    """The network whose weights lie between those of two: (1 - alpha) psnr + alpha gan.

    alpha: 0 gives exactly psnr, 1 exactly gan. Of weights and of floating buffers; what else gan has, the result has.
    The two stay as they are. Raises ValueError: alpha outside [0, 1], networks of different architecture or scale.
    Source: 1809.00219, section 3.4. It makes sense where gan was trained from psnr.
    """
    _check_share(alpha)
    ours, theirs = psnr.state_dict(), gan.state_dict()
    kinds = [f"{type(network).__name__} for scale {getattr(network, 'scale', 1)}" for network in (psnr, gan)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"the first network is {kinds[0]}, the second {kinds[1]}: only two of a kind can be mixed")
    if odd := sorted(k for k in ours.keys() | theirs.keys() if _shape(ours, k) != _shape(theirs, k)):
        shapes = f"{_shape(ours, odd[0]) or 'missing'} and {_shape(theirs, odd[0]) or 'missing'}"
        raise ValueError(f"the networks differ in size, at {odd[0]}: {shapes}; only two of one size can be mixed")
    mixed = copy.deepcopy(gan)
    mixed.load_state_dict(
        {
            key: (1 - alpha) * ours[key].to(value) + alpha * value if value.is_floating_point() else value
            for key, value in theirs.items()
        }
    )
    return mixed


def open_interpolated(
    gan: str | Path,
    psnr: str | Path,
    alpha: float,
    *,
    scale: int | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "fp32",
) -> Model:
    """The model between two shipped networks or weights files; arguments as of `inference.open_model`.

    Real-ESRGAN's denoising strength is alpha between realesr-general-wdn-x4v3, as psnr, and realesr-general-x4v3.
    Raises ValueError as `zoo.load` and `interpolate` do, or for a device that is not there.
    """
    device = checked(device)
    ends: list[nn.Module] = []
    for name in (gan, psnr):
        default = cast(int, ends[0].scale) if ends else DEFAULT_SCALE  # of a shipped one, which may have several
        ends.append(zoo.load(name, scale=scale or (default if str(name) in zoo.names() else None)))
    try:
        network = interpolate(ends[1], ends[0], alpha)
    except ValueError as error:
        raise ValueError(f"{psnr} and {gan}: {error}") from error
    title = f"{1 - alpha:g} {psnr} + {alpha:g} {gan}"
    return network_model(network, name=title, device=device, precision=precision)


def blend(first: Model, second: Model, alpha: float) -> Model:
    """The mix of what two models make: (1 - alpha) first + alpha second, always floats.

    alpha: 0 gives the first one's pictures, 1 the second one's. Takes what both take. Raises ValueError: alpha
    outside [0, 1], models of different scale. Source: 1809.00219, which compares it with `interpolate`.
    """
    _check_share(alpha)
    if first.scale != second.scale:
        raise ValueError(f"{first.name} has scale {first.scale}, {second.name} {second.scale}: take two of one scale")

    def run(lr: Tensor) -> Tensor:
        return (1 - alpha) * floats(first.run(lr)) + alpha * floats(second.run(lr))

    return replace(
        first,
        name=f"{1 - alpha:g} {first.name} + {alpha:g} {second.name} as pictures",
        parameters=first.parameters + second.parameters,
        run=run,
        luma=first.luma and second.luma,
        halo=max(first.halo, second.halo),
        exact=first.exact and second.exact,
        shrink=math.lcm(first.shrink, second.shrink),
        memory=first.memory + second.memory,
    )


def back_projection(sr: Tensor, lr: Tensor, *, scale: int, iterations: int) -> Tensor:
    """Corrects an enlarged picture until it, made small again, gives the picture it was made of.

    sr (B, C, h * scale, w * scale), lr (B, C, h, w), both floating -> as sr, unclipped. Each iteration adds the
    enlarged difference of lr and of sr made small, both by MATLAB's bicubic, and leaves at most 0.78 of it (its root
    mean square, for scales 2, 3 and 4; of photographs, ten leave some 0.01). Raises ValueError: sizes that do not
    fit, iterations below 1.
    Source: Irani and Peleg, "Improving resolution by image registration", CVGIP 53 (1991).
    """
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}: at least 1")
    height, width = lr.shape[-2:]
    if sr.shape != (*lr.shape[:2], height * scale, width * scale):
        raise ValueError(f"sr is {tuple(sr.shape)}, lr {tuple(lr.shape)}: sr must be lr's size times scale={scale}")
    for _ in range(iterations):
        sr = sr + imresize(lr - imresize(sr, size=(height, width)), size=(height * scale, width * scale))
    return sr


def back_projected(model: Model, iterations: int) -> Model:
    """A model whose pictures are corrected by `back_projection`: it takes what `model` does and gives [0, 1].

    It suits pictures that were made small by bicubic, without noise: noise of lr is put back as well.
    """
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}: at least 1")

    def run(lr: Tensor) -> Tensor:
        sr, small = floats(model.run(lr)), floats(lr)
        return back_projection(sr, small, scale=model.scale, iterations=iterations).clamp(0, 1)

    return replace(
        model,
        name=f"{model.name}, back-projected {iterations}x",
        run=run,
        halo=model.halo + REACH * iterations,
        memory=model.memory + 4 * 3 * 4 * model.scale**2,  # four pictures of three colours, float32
    )


def _check_share(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}: it must lie between 0 (all of the first) and 1 (all of the second)")


def _shape(state: dict[str, Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None
