"""Lesson 01, resampling: what a right answer must satisfy."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks import mistakes01
from srlib import image
from srlib import resize as library

Cubic = Callable[[Tensor], Tensor]
Contributions = Callable[[int, float, bool], tuple[Tensor, Tensor]]
Mirror = Callable[[Tensor, int], Tensor]
Matrix = Callable[[int, int, float, bool], Tensor]
Resize = Callable[..., Tensor]
Spot = Callable[[Tensor, dict[str, Tensor]], str]
Puzzle = tuple[Tensor, dict[str, Tensor], str]  # hr, candidates, the name to be found

# What MATLAB's imresize prints for 0, 1, 2, ... row by row: 4 x 4 at scale 0.75, 8 x 8 at 0.25, 15 x 15 at 1 / 3.
MATLAB_4_TO_3 = [
    [0.7505518764, 2.1004415011, 3.4503311258],
    [6.1501103753, 7.5, 8.8498896247],
    [11.5496688742, 12.8995584989, 14.2494481236],
]
MATLAB_8_TO_2 = [[12.3837890625, 16.6318359375], [46.3681640625, 50.6162109375]]
MATLAB_15_TO_5_FIRST_ROW = [14.4197530864, 17.5061728395, 20.5185185185, 23.5308641975, 26.6172839506]


# ---------------------------------------------------------------------------------------------------------------
# 01.1 cubic


def _cubic(x: Tensor) -> Tensor:
    return library.cubic(x)


def cubic_worked_example(cubic: Cubic, case: Case) -> None:
    """The kernel has the values of the worked example."""
    x = torch.tensor([0.0, 0.5, 1.0, -1.5, 2.5])
    got = case.call(cubic, x)
    compare(
        got,
        torch.tensor([1.0, 0.5625, 0.0, -0.0625, 0.0]),
        within=1e-5,
        what="the weights at 0, 0.5, 1, -1.5, 2.5",
        public=True,
        mistakes=mistakes01.wrong_cubics(x, got),
    )


def cubic_everywhere(cubic: Cubic, case: Case) -> None:
    """The weight is right at every distance, left and right, near and far."""
    x = torch.cat([torch.tensor([-2.0, -1.0, 2.0, 1.001, -40.0]), 7 * case.rand(40) - 3.5])
    got = case.call(cubic, x)
    compare(got, _cubic(x), within=1e-5, what="46 weights", mistakes=mistakes01.wrong_cubics(x, got))


def cubic_any_shape(cubic: Cubic, case: Case) -> None:
    """A tensor of any shape gives weights of that shape, a single number and float64 too."""
    for x in (5 * case.rand(2, 3, 4) - 2.5, torch.tensor(-0.3), case.rand(1, 5).double() + 0.5):
        got, shape = case.call(cubic, x), tuple(x.shape)
        compare(got, _cubic(x), within=1e-5, what=f"shape {shape}", mistakes=mistakes01.wrong_cubics(x, got))


def cubic_partition(cubic: Cubic, case: Case) -> None:
    """The weights of all pixels around a point sum to 1, wherever the point lies."""
    x = case.rand(9, 1) - torch.arange(-3, 5)
    compare(case.call(cubic, x).sum(1), torch.ones(9), within=1e-5, what="1 at nine points", public=True)


def cubic_parabola(cubic: Cubic, case: Case) -> None:
    """With a = -0.5 a parabola is interpolated exactly: the sum of k^2 w(t - k) is t^2."""
    t, k = case.rand(9).double(), torch.arange(-3, 5)
    compare(
        (case.call(cubic, t[:, None] - k) * k**2).sum(1),
        t**2,
        within=1e-4,
        what="t^2 at nine points (only a = -0.5 does this)",
    )


def cubic_of_torch(cubic: Cubic, case: Case) -> None:
    """One bright pixel, enlarged 8 times by F.interpolate with antialias=True, draws the same curve."""
    dot = torch.zeros(1, 1, 1, 13)
    dot[..., 6] = 1
    drawn = F.interpolate(dot, size=(1, 104), mode="bicubic", antialias=True).flatten()[28:76]
    x = (torch.arange(28, 76) + 0.5) / 8 - 0.5 - 6
    got = case.call(cubic, x)
    compare(got, drawn, within=1e-5, what="the curve from -3 to 3", mistakes=mistakes01.wrong_cubics(x, got))


# ---------------------------------------------------------------------------------------------------------------
# 01.2 contributions


def _spread(weights: Tensor, position: Tensor, low: int, high: int) -> Tensor:
    """A table (outputs, high - low + 1) over the positions low .. high; what lies farther out counts at the ends."""
    table = torch.zeros(len(weights), high - low + 1, dtype=torch.float64)
    return table.scatter_add(1, position.long().clamp(low, high) - low, weights.detach().double())


def _pair(answer: Any, outputs: int) -> tuple[Tensor, Tensor]:
    """Weights and positions, once it is sure that they are such."""
    wanted = f"weights and position, both of shape ({outputs}, taps)"
    pair = type(answer) in (tuple, list) and len(answer) == 2
    require(pair, "a pair is wanted: return weights, position", expected=wanted, got=answer)
    tensors = all(type(x) in (Tensor, torch.nn.Parameter) for x in answer)
    require(tensors, "both must be tensors", expected=wanted, got=answer)
    weights, position = answer
    shapes = weights.shape == position.shape and weights.ndim == 2 and len(weights) == outputs
    require(shapes, "a row of weights and positions for each output is wanted", expected=wanted, got=answer)
    require(
        weights.dtype.is_floating_point or not position.dtype.is_floating_point,
        "the two are exchanged: return weights, position, in this order",
        expected="weights of a float dtype, then position of an integer one",
        got=f"{weights.dtype}, then {position.dtype}",
    )
    whole = not position.dtype.is_floating_point and not position.dtype.is_complex
    require(
        whole,
        "the positions are not integers, but they are to be used as indices: end with .long()",
        expected="position of an integer dtype, such as torch.int64",
        got=f"position of {position.dtype}",
    )
    require(
        weights.dtype.is_floating_point,
        "the weights are integers: a division or the kernel has lost its fractions",
        expected="weights of a float dtype",
        got=f"weights of {weights.dtype}",
    )
    return weights, position


def _compare_sides(
    contributions: Contributions, case: Case, outputs: int, scale: float, antialias: bool, *, public: bool = False
) -> None:
    """Scatters the answer and srlib's weights over the same positions, so that the number of taps is free.

    public: shows what output 0 has from -3 to 2. All outputs say which mistake it was: some agree in the first.
    """
    weights, position = _pair(case.call(contributions, outputs, scale, antialias), outputs)
    reach = math.ceil(2 * max(1 / scale, 1)) + 4
    low, high = -reach, math.ceil(outputs / scale) + reach
    rows, first = (1, (-3, 2)) if public else (outputs, (low, high))
    table = _spread(weights, position, low, high)

    def shown(make: Callable[[], mistakes01.Pair]) -> Callable[[], Tensor]:
        def made() -> Tensor:
            wrong, there = make()
            if not torch.allclose(_spread(wrong, there, low, high), table, rtol=0, atol=1e-4):
                raise ValueError("another mistake")
            return _spread(wrong, there, *first)[:rows]

        return made

    wrongs = mistakes01.wrong_contributions(outputs, scale, antialias, position)
    compare(
        _spread(weights, position, *first)[:rows],
        _spread(*mistakes01.contributions(outputs, scale, antialias), *first)[:rows],
        within=1e-4,
        what=f"the weights at positions {first[0]} .. {first[1]}, {'output 0 of' if public else 'outputs:'} {outputs}, "
        f"scale {scale:.4g}, antialias {antialias}",
        public=public,
        mistakes={cause: shown(make) for cause, make in wrongs.items()},
    )


def contributions_worked_example(contributions: Contributions, case: Case) -> None:
    """At scale 2 the first output has the four weights of the worked example."""
    _compare_sides(contributions, case, 4, 2.0, True, public=True)


def contributions_sum(contributions: Contributions, case: Case) -> None:
    """Every row sums to 1, also where 1 / scale is no whole number."""
    for scale in (0.7, 0.3, 1.9):
        weights, _ = _pair(case.call(contributions, 5, scale, True), 5)
        wrongs = mistakes01.wrong_divisors(5, scale, True)
        compare(
            weights.double().sum(1),
            torch.ones(5),
            within=1e-4,
            what=f"1 for each of five outputs, scale {scale}",
            public=True,
            mistakes={cause: _sums(make) for cause, make in wrongs.items()},
        )


def _sums(make: Callable[[], mistakes01.Pair]) -> Callable[[], Tensor]:
    return lambda: make()[0].sum(1)


def contributions_shrinking(contributions: Contributions, case: Case) -> None:
    """With antialias, shrinking by any factor takes the stretched kernel."""
    for scale in (0.2 + 0.7 * float(case.rand(1)), 1 / 3, 0.08):
        _compare_sides(contributions, case, case.integer(3, 9), scale, True)


def contributions_halving(contributions: Contributions, case: Case) -> None:
    """At scale 0.5 the antialiased kernel is twice as wide: eight weights."""
    _compare_sides(contributions, case, 1, 0.5, True)
    _compare_sides(contributions, case, 4, 0.5, True)


def contributions_narrow(contributions: Contributions, case: Case) -> None:
    """Without antialias the kernel keeps its width of four pixels at any scale."""
    for scale in (0.25, 0.3 + 0.6 * float(case.rand(1)), 1.5):
        _compare_sides(contributions, case, case.integer(3, 9), scale, False)


def contributions_enlarging(contributions: Contributions, case: Case) -> None:
    """Enlarging is the same with antialias and without: the kernel is stretched only when shrinking."""
    for scale in (3.0, 1.0, 1.1 + 3 * float(case.rand(1))):
        _compare_sides(contributions, case, case.integer(4, 12), scale, True)


def contributions_ramp(contributions: Contributions, case: Case) -> None:
    """When enlarging, the weighted mean of the positions is the centre, (i + 0.5) / scale - 0.5."""
    scale = 1.2 + 3 * float(case.rand(1))
    weights, position = _pair(case.call(contributions, 8, scale, False), 8)
    centre = (torch.arange(8, dtype=torch.float64) + 0.5) / scale - 0.5
    compare((weights * position).double().sum(1), centre, within=1e-4, what="the eight centres", public=True)


def contributions_of_torch(contributions: Contributions, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True has the same weights."""
    inputs, outputs, scale = 48, 12, 0.25
    each = torch.eye(inputs).view(inputs, 1, 1, inputs)  # every pixel alone, to see where it goes
    theirs = F.interpolate(each, size=(1, outputs), mode="bicubic", antialias=True)[:, 0, 0].T
    weights, position = _pair(case.call(contributions, outputs, scale, True), outputs)
    ours = _spread(weights, position, -20, inputs + 20)[:, 20 : 20 + inputs]
    compare(ours[3:-3], theirs[3:-3], within=1e-4, what="the weights of outputs 3 to 8 of 12, at scale 0.25")


# ---------------------------------------------------------------------------------------------------------------
# 01.3 mirror


def mirror_worked_example(mirror: Mirror, case: Case) -> None:
    """A line of 3 pixels goes on as in the worked example."""
    position = torch.tensor([-4, -2, -1, 0, 3, 4, 6, 7])
    compare(
        case.call(mirror, position, 3),
        torch.tensor([2, 1, 0, 0, 2, 1, 0, 1]),
        within=0,
        what="the pixels at -4, -2, -1, 0, 3, 4, 6, 7",
        public=True,
        mistakes=mistakes01.wrong_mirrors(position, 3),
    )


def mirror_inside(mirror: Mirror, case: Case) -> None:
    """A position inside the picture is the pixel itself."""
    inputs = case.integer(5, 30)
    position = torch.randint(inputs, (4, 3), generator=case.rng)
    compare(
        case.call(mirror, position, inputs),
        position.clone(),
        within=0,
        what="the positions as they were",
        mistakes=mistakes01.wrong_mirrors(position, inputs),
    )


def mirror_far(mirror: Mirror, case: Case) -> None:
    """Any distance works, with as many reflections as it takes."""
    for inputs in (2, case.integer(3, 9), 40):
        position = torch.arange(-60, 60 + inputs)
        line = np.pad(np.arange(inputs), 60, mode="symmetric")  # numpy's word for this border
        compare(
            case.call(mirror, position, inputs),
            torch.from_numpy(line),
            within=0,
            what=f"the pixels at positions -60 .. {59 + inputs} of a line of {inputs}",
            mistakes=mistakes01.wrong_mirrors(position, inputs),
        )


def mirror_one_pixel(mirror: Mirror, case: Case) -> None:
    """A line of a single pixel has that pixel everywhere."""
    position = torch.randint(-9, 9, (2, 6), generator=case.rng)
    compare(
        case.call(mirror, position, 1),
        torch.zeros_like(position),
        within=0,
        what="pixel 0 everywhere",
        public=True,
        mistakes=mistakes01.wrong_mirrors(position, 1),
    )


def mirror_dtype(mirror: Mirror, case: Case) -> None:
    """Shape and integer dtype stay, so that the result is an index."""
    for dtype, shape in ((torch.int32, (2, 3, 2)), (torch.int64, (1,)), (torch.int64, ())):
        position = torch.randint(-20, 20, shape, generator=case.rng).to(dtype)
        answer = case.call(mirror, position, 4)
        compare(
            answer,
            mistakes01.mirror(position, 4),
            within=0,
            what=f"pixels of a line of 4, shape {shape}",
            mistakes=mistakes01.wrong_mirrors(position, 4),
        )
        require(
            answer.dtype == dtype,
            "the dtype has changed: keep to whole-number operations, or end with .to(position.dtype)",
            expected=str(dtype),
            got=str(answer.dtype),
        )


# ---------------------------------------------------------------------------------------------------------------
# 01.4 matrix


def _compare_matrices(matrix: Matrix, case: Case, sides: Sequence[tuple[float, ...]], antialias: bool) -> None:
    for side, scale, *more in sides:
        inputs = int(side)
        outputs = int(more[0]) if more else math.ceil(inputs * scale)
        got = case.call(matrix, inputs, outputs, scale, antialias)
        compare(
            got,
            mistakes01.matrix(inputs, outputs, scale, antialias),
            within=1e-4,
            what=f"the matrix ({outputs}, {inputs}) of {inputs} pixels at scale {scale:.4g}, antialias {antialias}",
            mistakes=mistakes01.wrong_matrices(got, inputs, outputs, scale, antialias),
        )


def matrix_worked_example(matrix: Matrix, case: Case) -> None:
    """Four pixels made two have the weights of the worked example, and the same from the other side."""
    got = case.call(matrix, 4, 2, 0.5, True)
    row = torch.tensor([0.546875, 0.3984375, 0.1015625, -0.046875])
    compare(
        got,
        torch.stack([row, row.flip(0)]),
        within=1e-5,
        what="the matrix (2, 4)",
        public=True,
        mistakes=mistakes01.wrong_matrices(got, 4, 2, 0.5, True),
    )


def matrix_shrinking(matrix: Matrix, case: Case) -> None:
    """Shrinking with antialias: weights beyond both ends come back and add up."""
    _compare_matrices(matrix, case, [(12, 1 / 3), (case.integer(13, 30), 0.4)], True)


def matrix_constant(matrix: Matrix, case: Case) -> None:
    """A constant line stays constant: each row sums to 1, even where the kernel is wider than the picture."""
    for inputs, scale in ((7, 0.5), (3, 0.25), (1, 3.0), (2, 0.3)):
        outputs = math.ceil(inputs * scale)
        got = case.call(matrix, inputs, outputs, scale, True)
        compare(
            got @ torch.ones(inputs, dtype=got.dtype),
            torch.ones(outputs),
            within=1e-4,
            what=f"{outputs} time(s) 1, from {inputs} pixel(s) at scale {scale}",
            public=True,
        )


def matrix_small(matrix: Matrix, case: Case) -> None:
    """A picture smaller than the kernel is mirrored more than once."""
    _compare_matrices(matrix, case, [(1, 2.0), (2, 0.25), (3, 0.21), (case.integer(2, 5), 0.2)], True)


def matrix_narrow(matrix: Matrix, case: Case) -> None:
    """Without antialias the weights are those of the narrow kernel."""
    _compare_matrices(matrix, case, [(8, 0.5), (case.integer(9, 20), 0.3), (5, 2.0)], False)


def matrix_odd(matrix: Matrix, case: Case) -> None:
    """Where inputs * scale is not the number of outputs, the scale is used as it is given, and so is that number."""
    _compare_matrices(matrix, case, [(5, 0.5), (7, 1.5), (10, 1 / 3), (9, 0.5, 3)], True)


def matrix_of_torch(matrix: Matrix, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True gives the same line."""
    line = case.rand(60)
    theirs = F.interpolate(line.view(1, 1, 1, 60), size=(1, 20), mode="bicubic", antialias=True).flatten()
    got = case.call(matrix, 60, 20, 1 / 3, True)
    _has_shape(got, (20, 60))
    compare((got @ line.to(got))[3:-3], theirs[3:-3], within=1e-4, what="the 14 middle values of 20")


def _has_shape(got: Any, shape: tuple[int, ...]) -> None:
    right = type(got) is Tensor and tuple(got.shape) == shape
    require(right, f"a tensor of shape {shape} is wanted", expected=f"shape {shape}", got=got)


# ---------------------------------------------------------------------------------------------------------------
# 01.5 resize


def _compare_pictures(resize: Resize, case: Case, x: Tensor, scale: float, *more: bool) -> None:
    antialias = more[0] if more else True
    compare(
        case.call(resize, x, scale, *more),
        mistakes01.resize(x, scale, antialias),
        within=1e-4,
        what=f"what scale {scale:.4g} makes of a picture {tuple(x.shape)}, antialias {antialias}",
        mistakes=mistakes01.wrong_resizes(x, scale, antialias),
        pictures=True,
    )


def _steps(side: int) -> Tensor:
    """0, 1, 2, ... row by row."""
    return torch.arange(side * side, dtype=torch.float64).view(1, 1, side, side)


def resize_worked_example(resize: Resize, case: Case) -> None:
    """0 .. 15 as 4 x 4 at scale 0.75 is what MATLAB prints."""
    compare(
        case.call(resize, _steps(4), 0.75),
        torch.tensor(MATLAB_4_TO_3, dtype=torch.float64).view(1, 1, 3, 3),
        within=1e-4,
        what="MATLAB's 3 x 3 values",
        public=True,
        mistakes=mistakes01.wrong_resizes(_steps(4), 0.75, True),
    )


def resize_matlab(resize: Resize, case: Case) -> None:
    """Two more pictures are what MATLAB prints: 8 x 8 at scale 0.25, 15 x 15 at 1 / 3."""
    small = torch.tensor(MATLAB_8_TO_2).view(1, 1, 2, 2)
    row = torch.tensor(MATLAB_15_TO_5_FIRST_ROW).view(1, 1, 1, 5)
    wrongs = mistakes01.wrong_resizes(_steps(8), 0.25, True)
    compare(
        case.call(resize, _steps(8), 0.25), small, within=1e-4, what="MATLAB's four values of 8 x 8", mistakes=wrongs
    )
    got = case.call(resize, _steps(15), 1 / 3)
    _has_shape(got, (1, 1, 5, 5))
    compare(got[:, :, :1], row, within=1e-4, what="MATLAB's first row of 15 x 15")


def resize_odd_sizes(resize: Resize, case: Case) -> None:
    """Height and width of any size: the result has math.ceil(H * scale) rows and math.ceil(W * scale) columns."""
    _compare_pictures(resize, case, case.rand(1, 3, 7, 11), 0.35)
    for scale in (0.5, 1 / 3, 1.5):
        _compare_pictures(resize, case, case.rand(1, 3, 7, case.integer(8, 13)), scale)


def resize_batch(resize: Resize, case: Case) -> None:
    """Every picture of a batch and every channel is resized by itself, at scales 2, 3 and 4 and back."""
    x = case.rand(2, 3, 12, 24)
    for scale in (1 / 2, 1 / 3, 1 / 4, 2, 3, 4, 1):
        _compare_pictures(resize, case, x, scale)


def resize_narrow(resize: Resize, case: Case) -> None:
    """antialias=False leaves the kernel narrow."""
    for scale in (1 / 3, 0.45):
        _compare_pictures(resize, case, case.rand(1, 2, 12, 9), scale, False)


def resize_unclipped(resize: Resize, case: Case) -> None:
    """Nothing is rounded or clipped: beside a hard edge the cubic overshoots, and that stays."""
    edge = torch.zeros(1, 1, 6, 10)
    edge[..., 5:] = 1
    _compare_pictures(resize, case, edge, 2)
    _compare_pictures(resize, case, 255 * edge - 100, 0.5)


def resize_tiny(resize: Resize, case: Case) -> None:
    """The smallest pictures work: a single pixel, a single row, a single column."""
    for shape in ((1, 1, 1, 1), (1, 1, 1, 7), (2, 1, 5, 1)):
        for scale in (3, 0.5):
            _compare_pictures(resize, case, case.rand(*shape), scale)


def resize_of_torch(resize: Resize, case: Case) -> None:
    """Away from the border F.interpolate with antialias=True gives the same picture."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    wave = 0.5 + 0.3 * torch.sin(0.01 * (x**2 + y**2)) + 0.1 * case.rand(1, 1, 48, 60)
    theirs = F.interpolate(wave, size=(16, 20), mode="bicubic", antialias=True)
    got = case.call(resize, wave, 1 / 3)
    _has_shape(got, (1, 1, 16, 20))
    inside = (..., slice(3, -3), slice(3, -3))
    compare(got[inside], theirs[inside], within=1e-4, what="the inner 10 x 14 of 16 x 20", pictures=True)


# ---------------------------------------------------------------------------------------------------------------
# 01.6 spot


def _texture(case: Case, height: int, width: int, contrast: float) -> Tensor:
    """A smooth ground, stripes that become ever finer, and noise."""
    ground = F.interpolate(case.rand(1, 3, 3, 4), size=(height, width), mode="bilinear")
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle = case.rand(3, 2)
    phase = [((x - width * a) ** 2 + (y - height * b) ** 2) * 1.5 / max(height, width) for a, b in middle.tolist()]
    stripes = 0.5 + 0.5 * torch.stack(phase).cos()
    mix = 0.3 * ground + 0.25 * stripes + 0.45 * case.rand(1, 3, height, width)
    return 0.5 + contrast * (mix - 0.5)


def _pillow(hr: Tensor, size: tuple[int, int], kernel: Image.Resampling) -> Tensor:
    pixels = image.to_uint8(hr)[0].permute(1, 2, 0).numpy()
    small = np.array(Image.fromarray(pixels).resize((size[1], size[0]), kernel))
    return image.to_float(torch.from_numpy(small).permute(2, 0, 1)[None])


def _with_antialias(hr: Tensor, size: tuple[int, int]) -> list[Callable[[], Tensor]]:
    return [
        lambda: F.adaptive_avg_pool2d(hr, size),
        lambda: library.imresize(hr, size=size),
        lambda: library.imresize(hr, size=size, kernel="lanczos3"),
        lambda: library.imresize(hr, size=size, kernel="bilinear"),
        lambda: image.to_float(library.imresize(image.to_uint8(hr), size=size)),
        lambda: F.interpolate(hr, size=size, mode="bicubic", antialias=True),
        lambda: F.interpolate(hr, size=size, mode="bilinear", antialias=True),
        lambda: _pillow(hr, size, Image.Resampling.LANCZOS),
        lambda: _pillow(hr, size, Image.Resampling.BICUBIC),
    ]


def _without_antialias(hr: Tensor, size: tuple[int, int], scale: int) -> list[Callable[[], Tensor]]:
    nearest = [
        lambda: F.interpolate(hr, size=size, mode="nearest"),
        lambda: F.interpolate(hr, size=size, mode="nearest-exact"),
    ]
    if scale == 2:
        return nearest
    return [
        *nearest,
        lambda: library.imresize(hr, size=size, antialias=False),
        lambda: F.interpolate(hr, size=size, mode="bicubic"),
        lambda: F.interpolate(hr, size=size, mode="bilinear"),
        lambda: image.to_float(library.imresize(image.to_uint8(hr), size=size, antialias=False)),
    ]


def _puzzle(case: Case, scale: int, contrast: float = 1.0, *, squares: bool = False) -> Puzzle:
    """An HR picture, four candidates under random names in random order, and the name to be found.

    squares: a light and a dark one in two corners, with edges where those of the LR pixels are. A narrow kernel stays
    on one side of them, an antialiased cubic or Lanczos overshoots: it has the brightest and the darkest pixel.
    """
    size = (case.integer(10, 12), case.integer(13, 16))
    hr = _texture(case, size[0] * scale, size[1] * scale, contrast)
    if squares:
        hr[..., : 3 * scale, : 3 * scale], hr[..., : 3 * scale, -3 * scale :] = 0.8, 0.2
    good, bad = _with_antialias(hr, size), _without_antialias(hr, size, scale)
    chosen = [good[k] for k in torch.randperm(len(good), generator=case.rng)[:3]]
    answer = case.integer(0, 3)
    chosen.insert(answer, bad[case.integer(0, len(bad) - 1)])
    names = ["abcdefgh"[k] for k in torch.randperm(8, generator=case.rng)[:4]]
    return hr, {name: make() for name, make in zip(names, chosen, strict=True)}, names[answer]


def _compare_names(spot: Spot, case: Case, puzzles: Sequence[Puzzle], expected: str) -> None:
    got = []
    for hr, candidates, _ in puzzles:
        name = case.call(spot, hr, candidates)
        require(
            isinstance(name, str) and name in candidates,
            "the candidate's name is wanted, one of the keys of `candidates`, not its number or its picture",
            expected="a string, one of the names",
            got=name,
        )
        got.append(name)
    right = [name == answer for name, (*_, answer) in zip(got, puzzles, strict=True)]
    if not all(right):
        fitting = (
            c for c, choose in mistakes01.WRONG_SPOTS.items() if got == [choose(hr, lrs) for hr, lrs, _ in puzzles]
        )
        raise Wrong(
            next(fitting, "not what all ways of leaving antialiasing out have in common: fine detail that stays"),
            expected=expected,
            got=f"the right name in {sum(right)} of {len(right)} rounds",
        )


def spot_found(spot: Spot, case: Case) -> None:
    """Among four candidates, at a half, a third and a quarter, the one without antialiasing is found."""
    puzzles = [_puzzle(case, scale) for scale in (2, 3, 4) for _ in range(4)]
    _compare_names(spot, case, puzzles, "the right name in each of 12 rounds")


def spot_worked_example(spot: Spot, case: Case) -> None:
    """Of white noise the candidate that takes every second pixel is found, whatever its name."""
    hr = case.rand(1, 3, 24, 32)
    lrs = [
        hr[..., ::2, ::2],
        F.avg_pool2d(hr, 2),
        F.interpolate(hr, scale_factor=0.5, mode="bicubic", antialias=True),
    ]
    puzzles = [(hr, dict(zip(names, lrs, strict=True)), names[0]) for names in ("pqr", "qrp", "rpq")]
    _compare_names(spot, case, puzzles, "'p', and with other names 'q' and 'r'")


def spot_pale(spot: Spot, case: Case) -> None:
    """Pale pictures of little contrast are judged as well: no fixed threshold."""
    puzzles = [_puzzle(case, scale, 0.2) for scale in (2, 3, 4)]
    _compare_names(spot, case, puzzles, "the right name in each of three rounds")


def spot_squares(spot: Spot, case: Case) -> None:
    """Where a light and a dark square stand out, the texture still tells: not the brightest or the darkest pixel."""
    puzzles = [_puzzle(case, scale, 0.6, squares=True) for scale in (2, 3, 4) for _ in range(4)]
    _compare_names(spot, case, puzzles, "the right name in each of 12 rounds")


def spot_order(spot: Spot, case: Case) -> None:
    """The same candidates in another order give the same name."""
    hr, candidates, answer = _puzzle(case, 3)
    names = list(candidates)
    turned = [{name: candidates[name] for name in names[k:] + names[:k]} for k in range(4)]
    _compare_names(spot, case, [(hr, one, answer) for one in turned], "the same name four times")


EXERCISES = {
    "01.1": Exercise(
        reference=_cubic,
        checks=(
            cubic_worked_example,
            cubic_everywhere,
            cubic_any_shape,
            cubic_partition,
            cubic_parabola,
            cubic_of_torch,
        ),
    ),
    "01.2": Exercise(
        reference=mistakes01.contributions,
        checks=(
            contributions_worked_example,
            contributions_sum,
            contributions_shrinking,
            contributions_halving,
            contributions_narrow,
            contributions_enlarging,
            contributions_ramp,
            contributions_of_torch,
        ),
    ),
    "01.3": Exercise(
        reference=mistakes01.mirror,
        checks=(mirror_worked_example, mirror_inside, mirror_far, mirror_one_pixel, mirror_dtype),
    ),
    "01.4": Exercise(
        reference=mistakes01.matrix,
        checks=(
            matrix_worked_example,
            matrix_shrinking,
            matrix_constant,
            matrix_small,
            matrix_narrow,
            matrix_odd,
            matrix_of_torch,
        ),
    ),
    "01.5": Exercise(
        reference=mistakes01.resize,
        checks=(
            resize_worked_example,
            resize_matlab,
            resize_odd_sizes,
            resize_batch,
            resize_narrow,
            resize_unclipped,
            resize_tiny,
            resize_of_torch,
        ),
    ),
    "01.6": Exercise(
        reference=mistakes01.spot,
        checks=(spot_found, spot_worked_example, spot_squares, spot_pale, spot_order),
    ),
}
