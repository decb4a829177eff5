"""01.6 spot: what a right answer must satisfy."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from course.checking import Case, Exercise, Wrong, require
from course.checks.ch01 import spot_mistakes
from srlib import image
from srlib import resize as library

Spot = Callable[[Tensor, dict[str, Tensor]], str]
Puzzle = tuple[Tensor, dict[str, Tensor], str]  # hr, candidates, the name to be found


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
            c for c, choose in spot_mistakes.WRONG_SPOTS.items() if got == [choose(hr, lrs) for hr, lrs, _ in puzzles]
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


EXERCISE = Exercise(
    reference=spot_mistakes.spot,
    checks=(spot_found, spot_worked_example, spot_squares, spot_pale, spot_order),
)
