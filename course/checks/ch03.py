"""Lesson 03, SRCNN: what a right answer must satisfy."""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import torch
import torch.nn.functional as F
from skimage.color import rgb2ycbcr
from torch import Tensor, nn

from course.checking import Case, Exercise, Wrong, compare, describe, require
from course.checks import mistakes03 as wrong
from course.checks.mistakes03 import (
    Layers,
    Restore,
    assembled,
    by_hand,
    chain,
    cropped,
    flat_weights,
    greys,
    mean_square,
    sheet,
)
from srlib import training
from srlib.color import rgb_to_ycbcr
from srlib.models import SRCNN
from srlib.recipes import SRCNN_FAST
from srlib.resize import imresize

Assemble = Callable[[Tensor, Restore, int], Tensor]
Forward = Callable[[Tensor, nn.Conv2d, nn.Conv2d, nn.Conv2d], Tensor]
AlignedPatch = Callable[[Tensor, Tensor, int, int, torch.Generator], tuple[Tensor, Tensor]]
TrainStep = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor, int], float]
FilterPicture = Callable[[Tensor, int], Tensor]


# ---------------------------------------------------------------------------------------------------------------
# 03.1 assemble


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
        mistakes=wrong.assemblies(lr, brighter, 1),
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
        mistakes={cause: _inside(make, inside) for cause, make in wrong.assemblies(lr, torch.clone, scale).items()},
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
            assembled(lr, _sharpen, scale),
            within=1e-4,
            what=f"{pictures} picture(s) of {height} x {width}, enlarged by {scale}",
            mistakes=wrong.assemblies(lr, _sharpen, scale),
            pictures=True,
        )


def assemble_does_not_clip(assemble: Assemble, case: Case) -> None:
    """Values below 0 and above 1 stay as they are, in float64 too."""
    lr = (case.rand(1, 3, 6, 5) > 0.5).double()  # bicubic overshoots at every edge

    def contrast(y: Tensor) -> Tensor:
        return 2 * y - 0.4

    compare(
        case.call(assemble, lr, contrast, 3),
        assembled(lr, contrast, 3),
        within=1e-4,
        what="values that are not clipped",
        mistakes=wrong.assemblies(lr, contrast, 3),
        pictures=True,
    )


# ---------------------------------------------------------------------------------------------------------------
# 03.2 forward


def _forward(large: Tensor, extract: nn.Conv2d, map: nn.Conv2d, reconstruct: nn.Conv2d) -> Tensor:
    return SRCNN.restore(cast(SRCNN, SimpleNamespace(extract=extract, map=map, reconstruct=reconstruct)), large)


def _layers(case: Case, large: Tensor, sizes: Sequence[int], channels: Sequence[int] = (3, 2)) -> Layers:
    """Three convolutions with weights from the case; what each makes of the picture has both signs everywhere."""
    widths = [1, *channels, 1]
    pairs = zip(widths[:-1], widths[1:], sizes, strict=True)
    layers = [nn.Conv2d(before, after, size, dtype=large.dtype) for before, after, size in pairs]
    for layer in layers:
        layer.weight.data = (6 * case.rand(*layer.weight.shape).to(large) - 3) * layer.weight[0].numel() ** -0.5
        nn.init.zeros_(cast(Tensor, layer.bias))
        large = chain(large, [layer], relu=[False]).detach()
        middle = large.mean((0, 2, 3))
        cast(Tensor, layer.bias).data = -middle
        large = F.relu(large - middle.view(-1, 1, 1))
    return cast(Layers, tuple(layers))


def _compare_forward(
    forward: Forward, case: Case, large: Tensor, layers: Layers, expected: Tensor, what: str, public: bool = False
) -> None:
    before = copy.deepcopy(layers)
    answer = case.call(forward, large, *layers)
    require(
        all(map(_equal_layers, layers, before)),
        "your code changes a layer (its padding or its weights): pad the picture with F.pad instead",
        expected="the three layers as they were",
        got="a layer with other settings or weights",
    )
    mistakes = wrong.forwards(large, before)
    compare(answer, expected, within=1e-4, what=what, public=public, mistakes=mistakes, pictures=True)


def _equal_layers(a: nn.Conv2d, b: nn.Conv2d) -> bool:
    same = all(map(torch.equal, a.parameters(), b.parameters()))
    return same and (a.kernel_size, a.padding, a.padding_mode) == (b.kernel_size, b.padding, b.padding_mode)


def _compare_random(
    forward: Forward, case: Case, large: Tensor, sizes: Sequence[int], channels: Sequence[int], what: str
) -> None:
    layers = _layers(case, large, sizes, channels)
    _compare_forward(forward, case, large, layers, _forward(large, *layers).detach(), what)


def forward_worked_example(forward: Forward, case: Case) -> None:
    """Ones through three layers of one filter become -2 everywhere, at the edge too."""
    large = torch.ones(1, 1, 6, 7)
    layers = _layers(case, large, (3, 1, 3), (1, 1))
    for layer, weight, bias in zip(layers, (1.0, 2.0, 1 / 9), (0.0, 0.0, -20.0), strict=True):
        nn.init.constant_(layer.weight, weight)
        nn.init.constant_(cast(Tensor, layer.bias), bias)
    _compare_forward(forward, case, large, layers, torch.full_like(large, -2), "-2 everywhere", public=True)


def forward_has_two_relus(forward: Forward, case: Case) -> None:
    """ReLU stands after the first layer and after the second, and nowhere else."""
    large = 2 * case.rand(2, 1, 4, 5) - 1
    layers = _layers(case, large, (1, 1, 1), (2, 1))
    for layer, weight, bias in zip(layers, ([1.0, -1.0], [1.0, -1.0], [-1.0]), (0.0, 0.0, 0.25), strict=True):
        layer.weight.data = torch.tensor(weight).view_as(layer.weight)
        nn.init.constant_(cast(Tensor, layer.bias), bias)
    # F1 = (max(0, x), max(0, -x)), their difference is x, F2 = max(0, x)
    what = "0.25 - max(0, x), from 1 x 1 layers with weights (1, -1), (1, -1) and -1"
    _compare_forward(forward, case, large, layers, 0.25 - large.clamp(min=0), what)


def forward_order(forward: Forward, case: Case) -> None:
    """The layers come in the order extract, map, reconstruct, each with its own padding."""
    _compare_random(forward, case, case.rand(1, 1, 12, 15), (5, 1, 3), (1, 1), "one filter in each layer, 5-1-3")


def forward_other_kernels(forward: Forward, case: Case) -> None:
    """9-1-5 and kernels of any other odd sizes keep the size of the picture."""
    for sizes in ((9, 1, 5), (1, 3, 7), (3, 5, 1)):
        large = case.rand(2, 1, case.integer(14, 18), case.integer(10, 13))
        channels = case.integer(2, 6), case.integer(2, 6)
        _compare_random(
            forward, case, large, sizes, channels, f"two pictures {tuple(large.shape[2:])}, kernels {sizes}"
        )


def forward_tiny_picture(forward: Forward, case: Case) -> None:
    """A picture smaller than the kernels is no problem, in float64 neither."""
    large = case.rand(1, 1, 2, 3).double()
    _compare_random(forward, case, large, (9, 3, 5), (2, 3), "a picture of 2 x 3, kernels 9-3-5")


def forward_can_be_trained(forward: Forward, case: Case) -> None:
    """Gradients reach the weights of all three layers."""
    large = case.rand(2, 1, 7, 8)
    layers = _layers(case, large, (3, 1, 5))
    before = copy.deepcopy(layers)
    answer = case.call(forward, large, *layers)
    require(
        isinstance(answer, Tensor) and answer.requires_grad,
        "no gradient can flow: leave out torch.no_grad, detach and .data",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    answer.square().sum().backward()
    _forward(large, *before).square().sum().backward()
    for own, theirs in zip(_weights(layers), _weights(before), strict=True):
        require(
            own.grad is not None,
            "the gradient is cut off on its way to a layer: leave out detach, .data and torch.no_grad",
            expected="a gradient for every weight",
            got="a weight without one",
        )
        compare(own.grad, cast(Tensor, theirs.grad), within=1e-3, what="the gradient of each weight")


def _weights(layers: Layers) -> list[Tensor]:
    return [parameter for layer in layers for parameter in layer.parameters()]


# ---------------------------------------------------------------------------------------------------------------
# 03.3 aligned_patch


_NO_CHANCE = {1: 37.0, 2: 42.0, 17: 80.0}  # degrees of freedom -> a chi-squared that chance exceeds once in 10^9


def _aligned_patch(lr: Tensor, hr: Tensor, scale: int, side: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    places = [range(length - side + 1) for length in lr.shape[-2:]]
    top, left = (int(torch.randint(len(r), (1,), generator=rng)) for r in places)
    small = lr[:, top : top + side, left : left + side]
    large = hr[:, top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    mirror = bool(torch.randint(2, (1,), generator=rng))
    return (small.flip(2), large.flip(2)) if mirror else (small, large)


def _places(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A picture whose pixels say where they are: channel 0 is the row, channel 1 the column, channel 2 is 7."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns, torch.full_like(rows, 7)]).to(dtype)


def _pictures(height: int, width: int, scale: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return _places(height, width, dtype), _places(height * scale, width * scale, dtype)


def _pair(answer: Any, scale: int, side: int) -> tuple[Tensor, Tensor]:
    """The two patches, of the right shapes."""
    require(
        type(answer) in (tuple, list) and len(answer) == 2 and all(isinstance(patch, Tensor) for patch in answer),
        "two patches are wanted: return the LR patch, the HR patch",
        expected="a tuple of two tensors",
        got=answer,
    )
    small, large = answer
    wanted, wanted_large = (3, side, side), (3, side * scale, side * scale)
    got, got_large = tuple(small.shape), tuple(large.shape)
    if (got, got_large) == (wanted, wanted_large):
        return small, large
    cause = "the patches have another size"
    if small.ndim == 3 and min(got[1:]) < side:
        cause = "a place was drawn where the patch does not fit: rows come from h - side + 1, columns from w - side + 1"
    elif got == got_large:
        cause = "the HR patch has the LR patch's size: its sides are side * scale"
    elif got == wanted:
        cause = "the HR patch has another size: it begins at row * scale, column * scale, and is side * scale large"
    raise Wrong(cause, expected=f"{wanted} and {wanted_large}", got=f"{got} and {got_large}")


def _located(patch: Tensor, picture: Tensor) -> tuple[int, int, bool, bool] | None:
    """Top row and left column of the part of the picture, whether it is upside down and mirrored; None: not a part."""
    high, wide = patch.shape[1:]
    first_row, last_row = int(patch[0, 0, 0]), int(patch[0, -1, 0])
    first_column, last_column = int(patch[1, 0, 0]), int(patch[1, 0, -1])
    top, left = min(first_row, last_row), min(first_column, last_column)
    cut = picture[:, top : top + high, left : left + wide]
    flips = [dim for dim, turned in ((1, first_row > last_row), (2, first_column > last_column)) if turned]
    if not torch.equal(cut.flip(flips) if flips else cut, patch):
        return None
    return top, left, 1 in flips, 2 in flips


Place = tuple[int, int]


def _two_places(answer: Any, lr: Tensor, hr: Tensor, scale: int, side: int) -> tuple[Place, Place]:
    """Row and column of the LR and of the HR patch. Raises Wrong if they are no parts, or not mirrored alike."""
    small, large = _pair(answer, scale, side)
    require(
        small.dtype == lr.dtype and large.dtype == hr.dtype,
        "the dtype was changed: cut the patches and leave their values alone",
        expected=f"{lr.dtype} and {hr.dtype}, as the pictures",
        got=f"{small.dtype} and {large.dtype}",
    )
    a, b = _located(small, lr), _located(large, hr)
    if a is None or b is None:
        raise Wrong(
            f"the {'LR' if a is None else 'HR'} patch is no part of its picture: only cut, and .flip(-1)",
            expected="neighbouring pixels in their order, or mirrored",
            got="other pixels, or turned ones",
        )
    require(
        not a[2] and not b[2],
        "the patches are mirrored top-bottom: left-right is the last dimension, .flip(-1)",
        expected="rows in their order",
        got="rows from the bottom to the top",
    )
    require(
        side == 1 or a[3] == b[3],
        "only one of the two patches is mirrored: draw once, and mirror both or none",
        expected="both mirrored, or none",
        got=f"the {'LR' if a[3] else 'HR'} patch alone mirrored",
    )
    return a[:2], b[:2]


def _check_draws(
    aligned_patch: AlignedPatch, case: Case, pictures: tuple[Tensor, Tensor], scale: int, side: int
) -> None:
    """Draws some pairs. Raises Wrong, with the cause that fits all of them, if they do not belong together."""
    lr, hr = pictures
    draws = (case.call(aligned_patch, lr, hr, scale, side, case.rng) for _ in range(20))
    places = [_two_places(answer, lr, hr, scale, side) for answer in draws]
    wrong = [(a, b) for a, b in places if b != (a[0] * scale, a[1] * scale)]
    if not wrong:
        return
    (row, column), got = max(wrong, key=lambda pair: min(pair[0]))  # at row or column 0 most mistakes do not show
    shifts = {(b[0] - a[0] * scale, b[1] - a[1] * scale) for a, b in wrong}
    cause = "the HR patch is not the part that the LR patch was made from: it begins at row * scale, column * scale"
    if all(b == a for a, b in wrong):
        cause = "the HR patch begins at the row and column of the LR patch: multiply both by scale"
    elif all(b in ((a[0], a[1] * scale), (a[0] * scale, a[1])) for a, b in wrong):
        cause = "only one of row and column is multiplied by scale in the HR patch: both must be"
    elif len(shifts) > 1 and all(0 <= shift < scale for pair in shifts for shift in pair):
        cause = "the place was drawn in HR pixels: draw it in LR pixels and multiply by scale"
    raise Wrong(
        cause,
        expected=f"for an LR patch from ({row}, {column}) an HR patch from ({row * scale}, {column * scale})",
        got=f"one from {got}",
    )


def _drawn(answer: Any, scale: int, side: int) -> tuple[int, int, bool]:
    """Row, column and mirroring of a pair, of which no more is looked at: fast."""
    small, _ = _pair(answer, scale, side)
    row, first, last = int(small[0, 0, 0]), int(small[1, 0, 0]), int(small[1, 0, -1])
    return row, min(first, last), first > last


def aligned_patch_worked_example(aligned_patch: AlignedPatch, case: Case) -> None:
    """From an 8 x 10 lr come 4 x 4 patches, each with its own 12 x 12 patch of hr."""
    _check_draws(aligned_patch, case, _pictures(8, 10, 3), 3, 4)


def aligned_patch_other_sizes(aligned_patch: AlignedPatch, case: Case) -> None:
    """The two patches belong together at any scale, size and dtype, one pixel too."""
    for scale, dtype in ((2, torch.uint8), (4, torch.float64), (1, torch.float32), (3, torch.uint8)):
        side = case.integer(1, 4)
        sizes = side + case.integer(0, 6), side + case.integer(8, 12)
        for height, width in (sizes, sizes[::-1]):
            _check_draws(aligned_patch, case, _pictures(height, width, scale, dtype), scale, side)


def aligned_patch_every_place(aligned_patch: AlignedPatch, case: Case) -> None:
    """Every place where the patch fits comes up, the last row and the last column of places too."""
    side, scale = 2, 2

    def drawn(rows: int, columns: int) -> set[Place]:
        lr, hr = _pictures(side + rows - 1, side + columns - 1, scale)
        # 12 places: one is missing after 230 draws with probability 12 (11 / 12)^230 = 2e-8
        return {_drawn(aligned_patch(lr, hr, scale, side, case.rng), scale, side)[:2] for _ in range(230)}

    wide, tall = drawn(2, 6), drawn(6, 2)
    if len(wide) == len(tall) == 12:
        return
    rows, columns = {row for row, _ in tall}, {column for _, column in wide}
    cause = "row and column hang together: draw two numbers, one for each"
    if len(rows) == len(columns) == 1:
        cause = "every call gives the same place: draw it anew from rng, and do not seed inside"
    elif len(rows) == 1 or len(columns) == 1:
        cause = f"the {'row' if len(rows) == 1 else 'column'} is always the same: draw two numbers, one for each"
    elif {0, 1, 2, 3, 4} in (rows, columns):
        cause = "the last row or column of places never comes: there are h - side + 1, and randint leaves its end out"
    elif {0, 1} in (rows, columns) and len(wide) == 4:
        cause = "rows and columns are drawn from one range: rows from h - side + 1, columns from w - side + 1"
    raise Wrong(
        cause,
        expected="with 6 rows (columns) of places, all of 0..5 in 230 draws",
        got=f"rows {sorted(rows)}, columns {sorted(columns)}",
    )


def aligned_patch_whole_picture(aligned_patch: AlignedPatch, case: Case) -> None:
    """A picture as small as the patch comes back whole, as it is or mirrored."""
    lr, hr = case.rand(3, 4, 4), case.rand(3, 8, 8)
    for _ in range(5):
        small, large = _pair(case.call(aligned_patch, lr, hr, 2, 4, case.rng), 2, 4)
        mirrored = not torch.equal(small, lr)
        for got, whole in ((small, lr), (large, hr)):
            compare(got, whole.flip(-1) if mirrored else whole, within=0, what="the whole picture", public=True)


def aligned_patch_chances(aligned_patch: AlignedPatch, case: Case) -> None:
    """All places are equally likely, and half of the patches are mirrored, wherever they lie."""
    lr, hr = _pictures(5, 5, 1)
    draws = 700
    drawn = [_drawn(aligned_patch(lr, hr, 1, 3, case.rng), 1, 3) for _ in range(draws)]
    mirrored = sum(mirror for _, _, mirror in drawn)
    require(mirrored > 0, "no patch is ever mirrored: with probability 1/2 both are", expected="350 of 700", got="none")
    require(
        mirrored < draws,
        "every patch is mirrored: only half of them should be",
        expected="350 of 700",
        got="all of 700",
    )
    _even(
        Counter(mirror for _, _, mirror in drawn),
        (False, True),
        "mirroring is not a fair coin: torch.rand(1, generator=rng) < 0.5 is one",
    )
    for k, name in ((0, "rows"), (1, "columns")):
        _even(
            Counter(place[k] for place in drawn),
            range(3),
            f"the {name} of places are not equally likely: take torch.randint, and neither round nor clamp",
        )
    _even(
        Counter(drawn),
        tuple(product(range(3), range(3), (False, True))),
        "row, column and mirroring hang together: draw each of the three apart",
    )


def _even(counts: Counter[Any], outcomes: Sequence[Any], cause: str) -> None:
    """Raises Wrong if the counts are further from equal than chance allows (Pearson's chi-squared)."""
    expected = counts.total() / len(outcomes)
    distance = sum((counts[outcome] - expected) ** 2 / expected for outcome in outcomes)
    if distance > _NO_CHANCE[len(outcomes) - 1]:
        few, many = min(counts[o] for o in outcomes), max(counts[o] for o in outcomes)
        raise Wrong(
            cause,
            expected=f"each of {len(outcomes)} outcomes about {expected:.0f} times in {counts.total()} draws",
            got=f"between {few} and {many} times",
        )


def aligned_patch_randomness(aligned_patch: AlignedPatch, case: Case) -> None:
    """From the same state of rng come the same patches, and no other source of randomness is touched."""
    lr, hr = case.rand(3, 9, 12), case.rand(3, 18, 24)
    elsewhere, seed = torch.get_rng_state(), case.rng.initial_seed()
    for _ in range(30):  # the mirroring alone differs by chance in half of the pairs
        state = case.rng.get_state()
        first = _pair(aligned_patch(lr, hr, 2, 3, case.rng), 2, 3)
        case.rng.set_state(state)
        second = _pair(aligned_patch(lr, hr, 2, 3, case.rng), 2, 3)
        require(
            torch.equal(first[0], second[0]) and torch.equal(first[1], second[1]),
            "not all randomness comes from rng: every torch.rand and torch.randint needs generator=rng",
            expected="the same patches from the same state of rng",
            got="other patches",
        )
    require(
        case.rng.initial_seed() == seed,
        "rng was seeded inside: only draw from it, with generator=rng",
        expected="rng as it came, some draws further on",
        got="an rng that begins anew",
    )
    require(
        torch.equal(elsewhere, torch.get_rng_state()),
        "the global generator was used or seeded: every draw is from rng, with generator=rng",
        expected="torch's global generator as it was",
        got="another state of it",
    )


# ---------------------------------------------------------------------------------------------------------------
# 03.4 train_step


def _train_step(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, target: Tensor, margin: int) -> float:
    recipe = replace(SRCNN_FAST, luma=False, label_margin=margin)
    run = training.Run(recipe, network, optimizer, torch.device("cpu"))
    return float(training.train_step(run, x, target)["loss"])


class _Gain(nn.Module):
    """network(x) = w x"""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class _Watched(nn.Module):
    """A network that notes when it is called and when its gradient is computed."""

    def __init__(self, body: nn.Module, notes: list[str], training: bool = True) -> None:
        super().__init__()
        self.body, self.notes = body, notes
        self.train(training)
        self.mode = training

    def keeps_its_mode(self) -> None:
        """Raises Wrong if the network was switched to the other mode."""
        switch, modes = ("eval", ("evaluation", "training")) if self.mode else ("train", ("training", "evaluation"))
        require(
            self.training == self.mode,
            f"the network was switched with network.{switch}(): a training step leaves its mode alone",
            expected=f"a network in {modes[1]} mode, as it came",
            got=f"a network in {modes[0]} mode",
        )

    def forward(self, x: Tensor) -> Tensor:
        require(
            torch.is_grad_enabled(),
            "the network runs under torch.no_grad: then there is nothing to differentiate",
            expected="a network called with gradients on",
            got="a network called under torch.no_grad",
        )
        self.keeps_its_mode()
        self.notes.append("forward")
        y: Tensor = self.body(x)
        y.register_hook(lambda gradient: self.notes.append("backward"))
        return y


class _Descent:
    """Gradient descent that notes what it is asked to do (torch.optim takes seconds to load, and cannot note)."""

    def __init__(self, network: nn.Module, rate: float, notes: list[str]) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "lr": rate}]
        self.notes = notes

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.notes.append("zero_grad")
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else torch.zeros_like(parameter)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        self.notes.append("step")
        group = self.param_groups[0]
        with torch.no_grad():
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter -= group["lr"] * self.direction(parameter.grad)
        return value

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient


class _Soft(_Descent):
    """An optimiser that shortens large gradients, as Adam does, and continuous, as Adam's first step is not."""

    def direction(self, gradient: Tensor) -> Tensor:
        return gradient / (0.1 + gradient.abs())


def _optimizer(descent: _Descent) -> torch.optim.Optimizer:
    return cast(torch.optim.Optimizer, descent)


def _stood_still(notes: list[str]) -> str:
    """Why the weights did not move, from what network and optimiser noted."""
    if "backward" not in notes:
        return "the weights did not move: loss.backward() is missing"
    if "step" not in notes:
        return "the weights did not move: optimizer.step() is missing"
    if notes.index("step") < notes.index("backward"):
        return "optimizer.step() comes before loss.backward(): it finds no gradient, or the old one"
    if "zero_grad" in notes[notes.index("backward") : notes.index("step")]:
        return "optimizer.zero_grad() between backward and step takes the gradient away: put it before backward"
    return "the weights did not move: does the loss depend on the network?"


def _compare_step(
    train_step: TrainStep,
    case: Case,
    body: nn.Module,
    x: Tensor,
    target: Tensor,
    margin: int,
    *,
    rate: float = 0.5,
    steps: int = 1,
    training: bool = True,
    public: bool = False,
    what: str = "the loss, and the weights after the step",
) -> None:
    """So many steps of plain gradient descent, the loss and the weights compared after each."""
    notes: list[str] = []
    network, optimizer = _Watched(body, notes, training), _optimizer(_Descent(body, rate, notes))
    for _ in range(steps):
        mistakes = wrong.steps(body, rate, x, target, margin)
        before = flat_weights(body)
        expected = by_hand(body, rate, x, target, mean_square, lambda y: cropped(y, margin))
        notes.clear()
        loss = case.call(train_step, network, optimizer, x, target, margin)
        network.keeps_its_mode()
        if torch.equal(flat_weights(body), before) and not (isinstance(loss, float) and loss != loss):
            raise Wrong(_stood_still(notes), expected="weights that moved", got="the weights from before")
        compare((loss, flat_weights(body)), expected, within=1e-5, what=what, public=public, mistakes=mistakes)


def _network(case: Case, scale: int = 2) -> nn.Module:
    """A small network with 2 channels in and 3 out that enlarges."""
    network = nn.Sequential(nn.Conv2d(2, 3 * scale**2, 3, padding=1), nn.Tanh(), nn.PixelShuffle(scale))
    for parameter in network.parameters():
        parameter.data = 0.6 * case.rand(*parameter.shape) - 0.3
    return network


def train_step_worked_example(train_step: TrainStep, case: Case) -> None:
    """One step with one weight: loss 0.1, and the weight goes from 1 to 0.8."""
    x, target = torch.tensor([0.5, 1.0]).view(1, 1, 1, 2), torch.tensor([0.1, 0.8]).view(1, 1, 1, 2)
    _compare_step(
        train_step, case, _Gain(1.0), x, target, 0, public=True, what="the loss and the weight after the step"
    )


def train_step_repeated(train_step: TrainStep, case: Case) -> None:
    """Three steps in a row are three steps of gradient descent, in the mode in which the network came."""
    for mode in (True, False):
        x, target = case.rand(1, 1, 4, 4), case.rand(1, 1, 4, 4)
        _compare_step(train_step, case, _Gain(3.0), x, target, 0, rate=0.1, steps=3, training=mode)


def train_step_old_gradients(train_step: TrainStep, case: Case) -> None:
    """A gradient that was left in the network by something else does not count."""
    body = _network(case)
    for parameter in body.parameters():
        parameter.grad = 0.1 + case.rand(*parameter.shape)
    _compare_step(train_step, case, body, case.rand(2, 2, 4, 5), case.rand(2, 3, 8, 10), 0)


def train_step_margin(train_step: TrainStep, case: Case) -> None:
    """What lies in the margin, on all four sides, has no influence."""
    for margin in (case.integer(1, 3), 0):
        x, target = case.rand(2, 2, case.integer(8, 10), 12), case.rand(2, 3, 10, 12)
        target = target[:, :, : x.shape[2]].contiguous()
        _compare_step(train_step, case, _network(case, 1), x, target, margin, what=f"loss and weights, margin {margin}")


def train_step_enlarging_network(train_step: TrainStep, case: Case) -> None:
    """The margin belongs to the target: a network that enlarges is trained in the same way."""
    for margin in (0, case.integer(1, 4)):
        x, target = case.rand(1, 2, 5, 7), case.rand(1, 3, 10, 14)
        _compare_step(train_step, case, _network(case), x, target, margin, what=f"loss and weights, margin {margin}")


def train_step_uses_the_optimizer(train_step: TrainStep, case: Case) -> None:
    """The weights move as the optimizer wants, whatever its kind."""
    body, notes = _network(case), list[str]()
    x, target = case.rand(1, 2, 4, 4), case.rand(1, 3, 8, 8)
    before, (loss, descended) = flat_weights(body), by_hand(body, 1.0, x, target, mean_square, lambda y: cropped(y, 1))
    gradient, optimizer = before - descended, _Soft(body, 0.5, notes)
    answer = case.call(train_step, body, _optimizer(optimizer), x, target, 1)
    compare(
        (answer, flat_weights(body)),
        (loss, before - 0.5 * optimizer.direction(gradient)),
        within=1e-4,
        what="the loss, and the weights where an optimizer that shortens large gradients moves them",
        mistakes={
            "gradient descent written by hand: optimizer.step() moves the weights": lambda: (
                loss,
                before - 0.5 * gradient,
            ),
            "the weights did not move: optimizer.step() after loss.backward()": lambda: (loss, before),
        },
    )


def train_step_returns_a_number(train_step: TrainStep, case: Case) -> None:
    """What comes back is a Python float, from one call of the network."""
    notes: list[str] = []
    body = _Gain(0.7)
    x, target = case.rand(2, 1, 1, 3, 3)
    loss = case.call(train_step, _Watched(body, notes), _optimizer(_Descent(body, 0.1, notes)), x, target, 1)
    require(
        not isinstance(loss, Tensor),
        "the loss is a tensor: return loss.item(), or everything that it was computed from stays in memory",
        expected="a Python float",
        got="a tensor",
    )
    require(type(loss) is float, "a Python float is wanted: loss.item()", expected="a float", got=describe(loss))
    calls = notes.count("forward")
    require(
        calls == 1,
        "the network is called more than once: keep its output in a variable",
        expected="one call of the network",
        got=f"{calls} calls",
    )


# ---------------------------------------------------------------------------------------------------------------
# 03.5 filter_picture


def _filter_picture(weights: Tensor, columns: int) -> Tensor:
    return sheet(greys(weights), columns)[..., 1:-1, 1:-1]


def _compare_filters(filter_picture: FilterPicture, case: Case, weights: Tensor, columns: int, what: str) -> None:
    compare(
        case.call(filter_picture, weights, columns),
        _filter_picture(weights, columns),
        within=1e-5,
        what=what,
        mistakes=wrong.filter_pictures(weights, columns),
        pictures=True,
    )


def _filters(case: Case, count: int, height: int, width: int) -> Tensor:
    """Filters of very different sizes, not balanced round zero."""
    size = 10 ** (3 * case.rand(count, 1, 1) - 2)
    return size * (case.rand(count, height, width) - 0.3 - 0.4 * case.rand(count, 1, 1))


def filter_picture_worked_example(filter_picture: FilterPicture, case: Case) -> None:
    """Two filters of 1 x 2 side by side: 0, 0.75, a gap of 1, 0.5, 1."""
    weights = torch.tensor([[[-2.0, 1.0]], [[0.0, 3.0]]])
    compare(
        case.call(filter_picture, weights, 2),
        torch.tensor([0.0, 0.75, 1.0, 0.5, 1.0]).view(1, 1, 1, 5),
        within=1e-5,
        what="one row of five pixels",
        public=True,
        mistakes=wrong.filter_pictures(weights, 2),
    )


def filter_picture_one_filter(filter_picture: FilterPicture, case: Case) -> None:
    """One filter is one tile without a gap: zero is 0.5, the largest absolute weight is 0 or 1."""
    for sign in (1, -1):
        weights = sign * torch.tensor([[[0.0, 1.0, -0.5], [0.25, -0.125, 0.5]]]) * (0.01 + 10 * case.rand(1))
        _compare_filters(filter_picture, case, weights, 1, "the weights at their places, 0.5 + weight / (2 m)")


def filter_picture_layout(filter_picture: FilterPicture, case: Case) -> None:
    """Filters that are not square lie in reading order, with gaps of one pixel between them."""
    for count, columns in ((6, 3), (8, 2), (4, 4), (3, 1)):
        _compare_filters(
            filter_picture, case, _filters(case, count, 2, 4), columns, f"{count} filters of 2 x 4, {columns} in a row"
        )


def filter_picture_square(filter_picture: FilterPicture, case: Case) -> None:
    """Sixteen square filters stand upright, each on its own scale; single weights are black or white."""
    side = 2 * case.integer(1, 4) + 1
    _compare_filters(
        filter_picture, case, _filters(case, 16, side, side), 4, f"16 filters of {side} x {side}, 4 in a row"
    )
    _compare_filters(filter_picture, case, _filters(case, 6, 1, 1), 3, "6 filters of 1 x 1, 3 in a row")


def filter_picture_missing_tiles(filter_picture: FilterPicture, case: Case) -> None:
    """Where the last row has no filter the picture is 1, also if there is less than one row."""
    for count, columns in ((7, 3), (2, 4), (5, 4), (1, 3)):
        _compare_filters(
            filter_picture, case, _filters(case, count, 3, 2), columns, f"{count} filters of 3 x 2, {columns} in a row"
        )


def filter_picture_of_zeros(filter_picture: FilterPicture, case: Case) -> None:
    """A filter of zeros is 0.5 everywhere, and its neighbours are as ever."""
    weights = _filters(case, 4, 3, 3).double()
    weights[case.integer(0, 3)] = 0
    _compare_filters(filter_picture, case, weights, 2, "four filters, one of zeros")
    _compare_filters(filter_picture, case, torch.zeros(1, 2, 2), 1, "one filter of zeros")


EXERCISES = {
    "03.1": Exercise(
        reference=assembled,
        checks=(
            assemble_gives_restore_the_luma,
            assemble_worked_example,
            assemble_without_a_network_is_bicubic,
            assemble_any_picture,
            assemble_does_not_clip,
        ),
    ),
    "03.2": Exercise(
        reference=_forward,
        checks=(
            forward_worked_example,
            forward_order,
            forward_has_two_relus,
            forward_other_kernels,
            forward_tiny_picture,
            forward_can_be_trained,
        ),
    ),
    "03.3": Exercise(
        reference=_aligned_patch,
        checks=(
            aligned_patch_worked_example,
            aligned_patch_every_place,
            aligned_patch_whole_picture,
            aligned_patch_other_sizes,
            aligned_patch_chances,
            aligned_patch_randomness,
        ),
    ),
    "03.4": Exercise(
        reference=_train_step,
        checks=(
            train_step_worked_example,
            train_step_repeated,
            train_step_old_gradients,
            train_step_margin,
            train_step_enlarging_network,
            train_step_uses_the_optimizer,
            train_step_returns_a_number,
        ),
    ),
    "03.5": Exercise(
        reference=_filter_picture,
        checks=(
            filter_picture_worked_example,
            filter_picture_one_filter,
            filter_picture_layout,
            filter_picture_square,
            filter_picture_missing_tiles,
            filter_picture_of_zeros,
        ),
    ),
}
