"""03.1 assemble: what a right answer must satisfy."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from skimage.color import rgb2ycbcr
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch03 import assemble_mistakes
from srlib.color import rgb_to_ycbcr
from srlib.resize import imresize

Assemble = Callable[[Tensor, assemble_mistakes.Restore, int], Tensor]


def _sharpen(y: Tensor) -> Tensor:
    """Stands for a network: not linear, and another value at every place."""
    return y.square() + 0.2 * y.flip(-1)


def assemble_worked_example(assemble: Assemble, case: Case) -> None:
    """A flat picture gets brighter by 0.1164 in R, G and B when Y grows by 0.1."""
    lr = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).repeat(1, 1, 2, 2)

    def brighter(y: Tensor) -> Tensor:
        return y + 0.1

    compare(
        case.call(assemble, lr, brighter, 1),
        lr + 0.1 * 255 / 219,
        within=1e-4,
        what="(0.9164, 0.5164, 0.3164) everywhere",
        public=True,
        mistakes=assemble_mistakes.assemblies(lr, brighter, 1),
    )


def assemble_gives_restore_the_luma(assemble: Assemble, case: Case) -> None:
    """What restore is given is the luma of the enlarged picture, and nothing else."""
    lr, scale = case.rand(2, 3, 5, 4), case.integer(2, 4)
    seen: list[Tensor] = []

    def restore(y: Tensor) -> Tensor:
        require(
            y.ndim == 4 and y.shape[1] == 1,
            "restore must get the luma alone, one channel: cut channel 0 out of YCbCr as [:, :1]",
            expected="restore to be called with (B, 1, h * scale, w * scale)",
            got=f"restore called with {tuple(y.shape)}",
        )
        require(
            tuple(y.shape[2:]) == (5 * scale, 4 * scale),
            "restore must get the enlarged luma: imresize comes first",
            expected=f"restore to be called with (2, 1, {5 * scale}, {4 * scale})",
            got=f"restore called with {tuple(y.shape)}",
        )
        seen.append(y.clone())
        return y

    case.call(assemble, lr, restore, scale)
    require(bool(seen), "restore was not used: its answer is the new Y", expected="one call of restore", got="no call")
    large = imresize(lr, scale=scale)
    ycbcr = rgb_to_ycbcr(large)
    luma = torch.from_numpy(rgb2ycbcr(large.numpy(), channel_axis=1)[:, :1]).float() / 255
    compare(
        torch.cat(seen),
        luma,
        within=1e-5,
        what="the luma of each enlarged picture",
        mistakes={
            "restore worked on Cb and Cr too: only Y goes through it, chroma goes past it": lambda: torch.cat(
                ycbcr.split(1, 1)
            ),
            "restore worked on R, G and B: convert with rgb_to_ycbcr first and give it channel 0": lambda: torch.cat(
                large.split(1, 1)
            ),
            "restore got the mean of R, G and B: luma is channel 0 of rgb_to_ycbcr": lambda: large.mean(1, True),
            "restore got R, not Y: convert with rgb_to_ycbcr first": lambda: large[:, :1],
            "restore got Cb: Y is channel 0": lambda: ycbcr[:, 1:2],
            "restore got Y of 0..255: leave it in the range in which rgb_to_ycbcr gives it": lambda: 255 * ycbcr[:, :1],
            "the enlarged picture is clipped before the conversion: leave the clamp out": lambda: rgb_to_ycbcr(
                large.clamp(0, 1)
            )[:, :1],
            "the picture is enlarged by F.interpolate, another bicubic (a = -0.75): use imresize": lambda: rgb_to_ycbcr(
                F.interpolate(lr, scale_factor=scale, mode="bicubic")
            )[:, :1],
        },
    )


def assemble_without_a_network_is_bicubic(assemble: Assemble, case: Case) -> None:
    """With a restore that changes nothing, the bicubic enlargement comes back."""
    lr, scale = case.rand(1, 3, 9, 11), case.integer(2, 4)
    # torch's antialiased bicubic has our kernel; it differs within two LR pixels of the edge.
    expected = F.interpolate(lr, scale_factor=scale, mode="bicubic", antialias=True)
    inside = (..., slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    answer = case.call(assemble, lr, torch.clone, scale)
    require(
        isinstance(answer, Tensor) and answer.shape == expected.shape,
        "the result has another size than h * scale, w * scale",
        expected=f"shape {tuple(expected.shape)}",
        got=answer,
    )
    compare(
        answer[inside],
        expected[inside],
        within=1e-4,
        what="the bicubic enlargement, away from the edge",
        mistakes={
            cause: _inside(make, inside) for cause, make in assemble_mistakes.assemblies(lr, torch.clone, scale).items()
        },
        pictures=True,
    )


def _inside(make: Callable[[], Tensor], part: Any) -> Callable[[], Tensor]:
    return lambda: make()[part]


def assemble_any_picture(assemble: Assemble, case: Case) -> None:
    """Y is restored and chroma is bicubic, for several pictures, any size and any scale."""
    sizes = [(2, case.integer(5, 8), case.integer(9, 12), 4), (1, 1, 3, 3), (3, 4, 1, 2)]
    for pictures, height, width, scale in sizes:
        lr = case.rand(pictures, 3, height, width)
        compare(
            case.call(assemble, lr, _sharpen, scale),
            assemble_mistakes.assembled(lr, _sharpen, scale),
            within=1e-4,
            what=f"{pictures} picture(s) of {height} x {width}, enlarged by {scale}",
            mistakes=assemble_mistakes.assemblies(lr, _sharpen, scale),
            pictures=True,
        )


def assemble_does_not_clip(assemble: Assemble, case: Case) -> None:
    """Values below 0 and above 1 stay as they are, in float64 too."""
    lr = (case.rand(1, 3, 6, 5) > 0.5).double()  # bicubic overshoots at every edge

    def contrast(y: Tensor) -> Tensor:
        return 2 * y - 0.4

    compare(
        case.call(assemble, lr, contrast, 3),
        assemble_mistakes.assembled(lr, contrast, 3),
        within=1e-4,
        what="values that are not clipped",
        mistakes=assemble_mistakes.assemblies(lr, contrast, 3),
        pictures=True,
    )


EXERCISE = Exercise(
    reference=assemble_mistakes.assembled,
    checks=(
        assemble_gives_restore_the_luma,
        assemble_worked_example,
        assemble_without_a_network_is_bicubic,
        assemble_any_picture,
        assemble_does_not_clip,
    ),
)
