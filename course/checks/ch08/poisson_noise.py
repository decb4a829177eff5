"""08.3 poisson_noise: what a right answer must satisfy."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch08 import poisson_noise_mistakes
from course.checks.ch08.shared import how_far

Count = Callable[[Tensor], Tensor]
PoissonNoise = Callable[[Tensor, float, bool, Count], Tensor]
WEIGHTS = (0.2989, 0.587, 0.114)


def _poisson_noise(picture: Tensor, scale: float, grey: bool, count: Count) -> Tensor:
    """srlib draws its numbers by a faster way of its own, so the formula stands here."""
    weights = picture.new_tensor(WEIGHTS)
    levels = ((torch.einsum("c,chw->hw", weights, picture)[None] if grey else picture) * 255).round() / 255
    photons = 1 << (int(levels.unique().numel()) - 1).bit_length()
    return torch.add(picture, count(levels * photons) / photons - levels, alpha=scale).clamp(0, 1)


class _Counter:
    """Counts photons by a given law, and remembers what it was asked."""

    def __init__(self, law: Count) -> None:
        self.law = law
        self.means: list[Tensor] = []
        self.counts: list[Tensor] = []

    def __call__(self, means: Tensor) -> Tensor:
        if not isinstance(means, Tensor):
            raise Wrong("count wants a tensor of means", expected="one mean for each pixel", got=means)
        self.means.append(means.detach().clone())
        self.counts.append(self.law(means))
        return self.counts[-1].clone()


def _bent(means: Tensor) -> Tensor:
    """No chance in it: a number near the mean, another one for every pixel."""
    place = torch.arange(means.numel(), dtype=means.dtype).view_as(means)
    return means + torch.cos(2.3 * place) * means.abs().sqrt()


def _eight_bits(case: Case, levels: Sequence[int], height: int, width: int, shared: bool = True) -> Tensor:
    """A picture that has exactly these levels in it, its values a little off them; its grey is far from halves.

    shared: two of the channels have all levels each; else none has all.
    """
    kept = torch.tensor(levels)
    half = (len(kept) + 1) // 2
    channels = (kept, kept, kept[:half]) if shared else (kept[:half], kept[half:], kept[:1])
    while True:
        chosen = torch.stack([x[torch.randint(len(x), (height, width), generator=case.rng)] for x in channels])
        for plane, of_it in zip(chosen, channels, strict=True):
            plane.view(-1)[: len(of_it)] = of_it
        picture = ((chosen + 0.6 * case.rand(3, height, width) - 0.3) / 255).clamp(0, 1)
        picture = picture.repeat(1, 1, 2)  # so that there are more pixels than values
        grey = 255 * torch.einsum("c,chw->hw", torch.tensor(WEIGHTS), picture)
        if float((grey - grey.floor() - 0.5).abs().min()) > 1e-3:
            return picture


def _compare_noise(
    answer: PoissonNoise, case: Case, picture: Tensor, scale: float, grey: bool, law: Count, what: str,
    within: float = 1e-5, public: bool = False,
) -> None:  # fmt: skip
    counter = _Counter(law)
    got = case.call(answer, picture, scale, grey, counter)
    require(
        len(counter.means) == 1,
        "count is called " + ("never: it draws the Poisson numbers" if not counter.means else "more than once: once"),
        expected="one call of count",
        got=f"{len(counter.means)} calls",
    )
    levels = poisson_noise_mistakes.levels_of(picture, grey)
    photons = 1 << (int(levels.unique().numel()) - 1).bit_length()
    means = levels * photons / 255
    orders = _in_order(counter.means[0], counter.counts[0], means, picture)
    close = max(within, 1e-7 * photons)
    fitting = [one for one in orders if torch.allclose(one[0].double(), means.double(), rtol=0, atol=close)]
    if not fitting:
        asked = orders[0][0] if orders else counter.means[0]
        what = f"the means that count is given, {what}"
        compare(
            asked,
            means,
            within=close,
            what=what,
            public=public,
            mistakes=poisson_noise_mistakes.means(picture, grey, scale),
        )

    def noisy(counts: Tensor) -> Tensor:
        return (picture + scale * (counts / photons - levels / 255)).clamp(0, 1)

    # Pixels of equal means fit in several orders: the result tells which it was.
    counts = min((counts for _, counts in fitting), key=lambda counts: how_far(got, noisy(counts)))
    compare(
        got,
        noisy(counts),
        within=within,
        what=what,
        public=public,
        mistakes=poisson_noise_mistakes.noisy(picture, levels, counts, photons, scale, counter.counts[0]),
    )


def _in_order(asked: Tensor, counts: Tensor, means: Tensor, picture: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The means that count was given and what it gave, in the order of `means`: a picture may also come as (H, W, 3),
    turned or flat, and grey as three equal planes of which one's noise is taken."""
    found = []
    for whole in (means, picture):
        if whole.numel() != asked.numel():
            continue
        for order in itertools.permutations(range(3)):
            back = [order.index(k) for k in range(3)]
            sizes = [whole.shape[k] for k in order]
            a, c = (x.reshape(sizes).permute(back) for x in (asked, counts))
            if len(a) == len(means):
                found.append((a, c))
            elif torch.equal(a[0], a[1]) and torch.equal(a[0], a[2]):
                found += [(a[k : k + 1], c[k : k + 1]) for k in range(3)]
    return found


def poisson_worked_example(answer: PoissonNoise, case: Case) -> None:
    """Levels 0, 20, 40, 60, 80 and 100 make 8 photons of white, and means from 0 to 3.1373."""
    picture = ((torch.arange(0, 120, 20) + 0.2) / 255).view(1, 2, 3).repeat(3, 1, 1)
    counted = torch.tensor([0.0, 1, 1, 3, 2, 3])

    def law(means: Tensor) -> Tensor:
        return counted[(means / 8 * 255 / 20).nan_to_num().round().clamp(0, 5).long()].to(means.dtype)

    for grey in (False, True):
        what = f"scale 0.3, {'grey' if grey else 'colour'} noise"
        _compare_noise(answer, case, picture, 0.3, grey, law, what, public=True)


def poisson_colour(answer: PoissonNoise, case: Case) -> None:
    """Colour noise: photons from the number of different values, a power of two."""
    several = ((20, 60, 90, 130, 160, 200), (20, 90, 130, 160, 200), (60, 180), tuple(range(30, 230, 12)), (128,))
    for number, levels in enumerate((*several, (40, 80, 120, 160))):
        picture = _eight_bits(case, levels, 4, 5, shared=number > 0)
        what = f"colour noise, a picture of {len(levels)} different 8-bit values"
        _compare_noise(answer, case, picture, 0.3 + 0.4 * float(case.rand(1)), False, _bent, what)


def poisson_grey(answer: PoissonNoise, case: Case) -> None:
    """Grey noise: that of the picture's grey, the same in all channels."""
    for levels in ((20, 90, 130, 160, 200), (70, 150, 190)):
        picture = _eight_bits(case, levels, 3, 4)
        _compare_noise(answer, case, picture, 0.3 + 0.4 * float(case.rand(1)), True, _bent, "grey noise")
    # With 0.299 for red the greys would round to other levels.
    picture = torch.tensor([[248, 249], [100, 43], [190, 130]]).view(3, 1, 2).repeat(1, 2, 1) / 255
    _compare_noise(answer, case, picture, 0.5, True, _bent, "grey noise, two colours")


def poisson_clipped(answer: PoissonNoise, case: Case) -> None:
    """Strong noise is clipped to [0, 1], scale 0 adds none, black stays black."""
    picture = _eight_bits(case, (10, 128, 245), 4, 4)
    _compare_noise(answer, case, picture, 3.0, False, _bent, "colour noise, scale 3")
    _compare_noise(answer, case, picture, 3.0, True, _bent, "grey noise, scale 3")
    same = case.call(answer, picture, 0.0, False, _bent)
    compare(same, picture, within=1e-6, what="scale 0: the picture as it was")
    _compare_noise(answer, case, torch.zeros(3, 2, 3), 2.0, False, torch.zeros_like, "a black picture")


def poisson_by_torch(answer: PoissonNoise, case: Case) -> None:
    """With torch.poisson as count, in float64, all digits."""
    for grey in (False, True):
        picture = _eight_bits(case, tuple(range(0, 256, 9)), 6, 7).double()
        law = partial(torch.poisson, generator=case.rng)
        _compare_noise(answer, case, picture, 0.4, grey, law, "torch.poisson's noise, in float64", within=1e-12)


EXERCISE = Exercise(
    _poisson_noise,
    (poisson_worked_example, poisson_colour, poisson_grey, poisson_clipped, poisson_by_torch),
)
