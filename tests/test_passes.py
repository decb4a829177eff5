"""Random degradations: their shares and ranges are the stated ones, and what was drawn can be done again."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import scipy.stats
import torch
from torch import Tensor

from srlib.degradations.passes import FIRST, SECOND, SHUFFLED, degrade, draw
from srlib.degradations.pool import Pool
from srlib.degradations.steps import Blur, Degradation, Jpeg, Noise, Resize
from srlib.image import to_float, to_uint8
from srlib.resize import imresize

REAL = (FIRST, SECOND)
DRAWS = 4000
CHANCE = 1e-5  # of a false alarm in each test of a share


@pytest.fixture(scope="module")
def drawn() -> list[Degradation]:
    rng = torch.Generator().manual_seed(4)
    return [draw(rng, size=(400, 400), scale=4, passes=REAL) for _ in range(DRAWS)]


def _rounds(one: Degradation) -> tuple[list, list, list]:
    """The steps of the first pass, of the second, and of the end (from the last noise on)."""
    at = [k for k, step in enumerate(one.steps) if isinstance(step, Noise)]
    return list(one.steps[: at[0] + 2]), list(one.steps[at[0] + 2 : at[1] + 1]), list(one.steps[at[1] + 1 :])


def _share(hits: int, of: int, wanted: float) -> bool:
    return scipy.stats.binomtest(hits, of, wanted).pvalue > CHANCE


def _uniform(values: list[float], low: float, high: float) -> bool:
    return scipy.stats.kstest(values, "uniform", (low, high - low)).pvalue > CHANCE


def test_blurs_have_their_chances_and_ranges(drawn: list[Degradation]) -> None:
    for number, chance, most in ((0, 1.0, 3.0), (1, 0.8, 1.5)):
        blurs = [step for one in drawn for step in _rounds(one)[number] if isinstance(step, Blur)]
        assert _share(len(blurs), DRAWS, chance)
        assert set(Counter(b.size for b in blurs)) == {7, 9, 11, 13, 15, 17, 19, 21}
        assert scipy.stats.chisquare(list(Counter(b.size for b in blurs).values())).pvalue > CHANCE
        sincs = [b for b in blurs if b.kind == "sinc"]
        assert _share(len(sincs), len(blurs), 0.1)
        assert _uniform([b.cutoff for b in sincs if b.size < 13], math.pi / 3, math.pi)
        assert _uniform([b.cutoff for b in sincs if b.size >= 13], math.pi / 5, math.pi)
        others = [b for b in blurs if b.kind != "sinc"]
        round_ = [b.sigma[0] == b.sigma[1] for b in others]
        shares = {
            "iso": sum(r and b.kind == "gaussian" and b.beta == 1 for b, r in zip(others, round_, strict=True)),
            "aniso": sum(not r and b.kind == "gaussian" and b.beta == 1 for b, r in zip(others, round_, strict=True)),
            "generalized": sum(b.kind == "gaussian" and b.beta != 1 for b in others),
            "plateau": sum(b.kind == "plateau" for b in others),
            "plateau aniso": sum(not r and b.kind == "plateau" for b, r in zip(others, round_, strict=True)),
        }
        wanted = {"iso": 0.45, "aniso": 0.25, "generalized": 0.15, "plateau": 0.15, "plateau aniso": 0.03}
        assert all(_share(count, len(others), wanted[kind]) for kind, count in shares.items()), shares
        assert _uniform([b.sigma[0] for b in others], 0.2, most)
        turned = [b for b, r in zip(others, round_, strict=True) if not r]
        assert _uniform([b.sigma[1] for b in turned], 0.2, most)
        assert _uniform([b.rotation for b in turned], -math.pi, math.pi)
        betas = [b.beta for b in others if b.kind == "gaussian" and b.beta != 1]
        assert _share(sum(b < 1 for b in betas), len(betas), 0.5)
        assert _uniform([b for b in betas if b < 1], 0.5, 1) and _uniform([b for b in betas if b > 1], 1, 4)
        flat = [b.beta for b in others if b.kind == "plateau"]
        assert _share(sum(b == 1 for b in flat), len(flat), 0.5) and _uniform([b for b in flat if b > 1], 1, 2)


def test_sizes_have_their_chances_and_ranges(drawn: list[Degradation]) -> None:
    for number, of, low, high, chances in ((0, 400, 0.15, 1.5, (0.2, 0.7, 0.1)), (1, 100, 0.3, 1.2, (0.3, 0.4, 0.3))):
        sizes = [step for one in drawn for step in _rounds(one)[number] if isinstance(step, Resize)]
        assert len(sizes) == DRAWS and all(s.height == s.width for s in sizes)
        sides = [s.height for s in sizes]
        assert int(low * of) <= min(sides) and max(sides) < int(high * of)
        # A factor just above 1 is cut to the same whole pixels: these count as kept.
        up, down, keep = chances
        kept = keep + up / (high - 1) / of
        assert _share(sum(side > of for side in sides), DRAWS, up - (kept - keep))
        assert _share(sum(side < of for side in sides), DRAWS, down)
        assert _uniform([side + 0.5 for side in sides if side < of], low * of, of)
    modes = Counter(step.mode for one in drawn for step in one.steps if isinstance(step, Resize))
    assert set(modes) == {"area", "bilinear", "bicubic"} and scipy.stats.chisquare(list(modes.values())).pvalue > CHANCE
    assert all([step for step in one.steps if isinstance(step, Resize)][-1].height == 100 for one in drawn)


def test_noise_and_compression_have_their_chances_and_ranges(drawn: list[Degradation]) -> None:
    for number, sigma, scale in ((0, 30, 3.0), (1, 25, 2.5)):
        noises = [[s for s in one.steps if isinstance(s, Noise)][number] for one in drawn]
        gaussian = [n for n in noises if n.law == "gaussian"]
        assert _share(len(gaussian), DRAWS, 0.5) and _share(sum(n.grey for n in noises), DRAWS, 0.4)
        assert _uniform([n.strength for n in gaussian], 1, sigma)
        assert _uniform([n.strength for n in noises if n.law == "poisson"], 0.05, scale)
        qualities = Counter([s for s in one.steps if isinstance(s, Jpeg)][number].quality for one in drawn)
        assert set(qualities) == set(range(30, 96))
        assert scipy.stats.chisquare(list(qualities.values())).pvalue > CHANCE


def test_the_end_comes_in_both_orders(drawn: list[Degradation]) -> None:
    ends = [_rounds(one)[2] for one in drawn]
    assert _share(sum(isinstance(end[-1], Jpeg) for end in ends), DRAWS, 0.5)
    assert all(isinstance(end[0 if isinstance(end[-1], Jpeg) else 1], Resize) for end in ends)
    filters = [step for end in ends for step in end if isinstance(step, Blur)]
    assert _share(len(filters), DRAWS, 0.8) and {f.kind for f in filters} == {"sinc"}
    assert _uniform([f.cutoff for f in filters], math.pi / 3, math.pi)
    for end in ends:  # a filter follows the last resize at once
        assert all(isinstance(before, Resize) for before, after in pairwise(end) if isinstance(after, Blur))


def test_the_order_of_a_pass_is_blur_resize_noise_jpeg(drawn: list[Degradation]) -> None:
    for one in drawn[:200]:
        first, second, _ = _rounds(one)
        assert [type(s) for s in first] == [Blur, Resize, Noise, Jpeg]
        assert [type(s) for s in second if not isinstance(s, Blur)] == [Resize, Noise]


def test_shuffled_steps_come_in_any_order() -> None:
    rng = torch.Generator().manual_seed(1)
    seen = Counter()
    for _ in range(300):
        *inside, size, last = draw(rng, size=(128, 128), scale=4, passes=(SHUFFLED,)).steps
        assert isinstance(last, Jpeg) and (size.height, size.width) == (32, 32)
        assert Counter(type(s) for s in inside) == {Blur: 2, Resize: 1, Noise: 1, Jpeg: 1}
        seen[tuple(type(s) for s in inside)] += 1
    assert len(seen) == 60  # 5! / 2!


def test_no_pass_is_matlabs_bicubic(coffee: Tensor) -> None:
    hr = to_float(to_uint8(coffee[..., :64, :96]))
    lr, [only] = degrade(hr, scale=4, passes=(), rng=torch.Generator())
    assert torch.equal(to_uint8(lr), imresize(to_uint8(hr), scale=0.25))
    assert only.steps == (Resize(16, 24, "matlab"),)


def test_what_was_drawn_replays_to_the_same_bytes(coffee: Tensor) -> None:
    pictures = torch.cat([coffee[..., 64 * k : 64 * k + 64, 100:180] for k in range(5)])
    for passes in (REAL, (FIRST,), (SHUFFLED,)):
        lr, drawn = degrade(pictures, scale=4, passes=passes, rng=torch.Generator().manual_seed(7))
        assert lr.shape == (5, 3, 16, 20) and len({str(one) for one in drawn}) == 5
        assert torch.equal(to_float(to_uint8(lr)), lr)  # 8-bit values
        for picture, small, one in zip(pictures, lr, drawn, strict=True):
            assert Degradation.from_json(one.to_json()) == one
            assert torch.equal(Degradation.from_json(one.to_json())(picture[None])[0], small)


def test_a_batch_in_parts_gives_the_same(coffee: Tensor) -> None:
    pictures = torch.cat([coffee[..., 40 * k : 40 * k + 40, 100:160] for k in range(7)])
    whole, _ = degrade(pictures, scale=4, passes=REAL, rng=torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    parts = [degrade(part, scale=4, passes=REAL, rng=rng)[0] for part in pictures.split([1, 4, 2])]
    assert torch.equal(torch.cat(parts), whole)


def test_noise_is_really_there_and_blur_is_too(coffee: Tensor) -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    noisy = Degradation((Noise("gaussian", 20.0, False, 3),))(flat)
    assert float(noisy.std() * 255) == pytest.approx(20, rel=0.05)
    edge = torch.zeros(1, 3, 32, 32)
    edge[..., 16:] = 1
    soft = Degradation((Blur("gaussian", 21, (2.0, 2.0)),))(edge)
    # A blurred edge is the normal distribution's cumulative chance, at pixels' distances from it.
    wanted = [scipy.stats.norm.cdf((x + 0.5) / 2) for x in range(-3, 3)]
    assert soft[0, 0, 16, 13:19].tolist() == pytest.approx(wanted, abs=6e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "written by to_json"),
        ('[{"step": "melt"}]', "step 'melt' is not known: it is one of blur, resize, noise, jpeg"),
        ('[{"step": "jpeg", "quality": 30, "colour": 1}]', "a step 'jpeg' has no colour"),
        ('[{"step": "jpeg"}]', "written by to_json.*quality"),
        ("[3]", "written by to_json"),
        ('{"step": "jpeg"}', "written by to_json"),
        ("{}", "written by to_json: it is no list"),
        ('[{"step": "jpeg", "quality": "high"}]', "quality is 'high': it is a whole number from 1 to 100"),
        ('[{"step": "jpeg", "quality": 0}]', "quality is 0: it is a whole number from 1 to 100"),
        (
            '[{"step": "resize", "height": 0, "width": 8, "mode": "area"}]',
            "a resize to 0 x 8: sides are whole numbers from 1 on",
        ),
        (
            '[{"step": "blur", "kind": "box", "size": 7}]',
            "filter 'box' is not known: it is one of gaussian, plateau, sinc",
        ),
        ('[{"step": "resize", "height": 8, "width": 8, "mode": "cubic"}]', "mode 'cubic' is not known"),
        ('[{"step": "noise", "law": "salt", "strength": 1, "grey": false, "seed": 1}]', "law 'salt' is not known"),
    ],
)
def test_a_text_that_is_no_degradation_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Degradation.from_json(text)


def test_json_tells_a_reader_what_happened() -> None:
    [entry] = json.loads(Degradation((Jpeg(40),)).to_json())
    assert entry == {"step": "jpeg", "quality": 40}


def test_sides_must_be_multiples_of_the_scale() -> None:
    with pytest.raises(ValueError, match="hr is 63 x 64: take sides that are multiples of scale 4, crop_to_multiple"):
        degrade(torch.rand(1, 3, 63, 64), scale=4, passes=REAL, rng=torch.Generator())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": ("blurr", "jpeg")}, "step 'blurr' is not known: it is one of blur, resize, noise, jpeg"),
        ({"kinds": (("isotropic", 1.0),)}, "kind 'isotropic' is not known: it is one of iso, aniso,"),
        ({"of": "hr"}, "of 'hr' is not known: it is one of input, lr"),
        ({"quality": (95, 30)}, r"quality is \(95, 30\), the wrong way round: give \(lowest, highest\)"),
        ({"quality": (0, 30)}, r"quality is \(0, 30\): it takes numbers from 1 to 100"),
        ({"quality": (30, 101)}, r"quality is \(30, 101\): it takes numbers from 1 to 100"),
        ({"quality": (30.5, 90.0)}, "quality is .*: JPEG's are whole numbers"),
        ({"quality": 90}, r"quality is 90: give \(lowest, highest\)"),
        ({"sigma": (3.0, 0.2)}, r"sigma is \(3.0, 0.2\), the wrong way round"),
        ({"sigma": (-1.0, 2.0)}, r"sigma is \(-1.0, 2.0\): it takes numbers above 0"),
        ({"sigma": (math.nan, 1.0)}, "sigma is .*: it takes numbers above 0"),
        ({"gaussian_sigma": (-5.0, 1.0)}, "gaussian_sigma is .*: it takes numbers from 0 on"),
        ({"poisson_scale": (1.0, math.inf)}, "poisson_scale is .*: it takes numbers from 0 on"),
        ({"factor": (0.0, 1.5)}, "factor is .*: it takes numbers above 0"),
        ({"factor": (0.1, 0.5)}, r"factor is \(0.1, 0.5\): 1 must lie between its ends"),
        ({"plateau_beta": (3.0, 5.0)}, r"plateau_beta is \(3.0, 5.0\): 1 must lie between its ends"),
        ({"blur": 1.5}, "blur is 1.5: a chance lies between 0 and 1"),
        ({"jpeg_last": -0.1}, "jpeg_last is -0.1: a chance lies between 0 and 1"),
        ({"gaussian": math.nan}, "gaussian is nan: a chance lies between 0 and 1"),
        ({"up_down_keep": (-0.1, 0.7, 0.4)}, "up_down_keep has the shares .*: none may be negative"),
        ({"up_down_keep": (0.0, 0.0, 0.0)}, "up_down_keep has the shares .*one must be above 0"),
        ({"up_down_keep": (0.5, 0.5)}, r"up_down_keep is \(0.5, 0.5\): it has three shares"),
        ({"kinds": ()}, "kinds has the shares .*one must be above 0"),
        ({"kernel_sizes": (7, 8)}, r"kernel_sizes is \(7, 8\): .* name odd sizes"),
        ({"kernel_sizes": ()}, r"kernel_sizes is \(\): .* name odd sizes"),
    ],
)
def test_a_pass_that_cannot_be_is_told(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(FIRST, **change)


def test_ranges_of_one_value_and_chances_at_their_ends_are_fine() -> None:
    one = replace(
        FIRST, quality=(40, 40), factor=(1.0, 1.0), sigma=(2.0, 2.0), gaussian_sigma=(0.0, 0.0), blur=1, grey=0
    )
    drawn = draw(torch.Generator().manual_seed(2), size=(64, 64), scale=4, passes=(one,))
    assert {step.quality for step in drawn.steps if isinstance(step, Jpeg)} == {40}
    with pytest.raises(ValueError, match="scale is 0: it is a whole number from 1 on"):
        draw(torch.Generator(), size=(64, 64), scale=0, passes=(one,))


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (0, 3, 64, 64)])
def test_what_is_no_batch_of_pictures_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\) floats"):
        degrade(torch.rand(shape), scale=4, passes=REAL, rng=torch.Generator())


def test_bytes_are_told() -> None:
    with pytest.raises(ValueError, match=r"hr is \(1, 3, 64, 64\) of torch.uint8.*to_float"):
        degrade(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), scale=4, passes=REAL, rng=torch.Generator())


@pytest.mark.parametrize(
    ("value", "says"), [(255.0, "from 0 to 255, not 0 to 1: divide"), (-0.1, "-0.1 to 0"), (float("nan"), "NaN")]
)
def test_values_that_are_no_brightness_are_told(value: float, says: str) -> None:
    hr = torch.zeros(1, 3, 64, 64)
    hr[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match=says):
        degrade(hr, scale=4, passes=REAL, rng=torch.Generator())


def test_a_last_pass_needs_a_compression() -> None:
    bare = replace(FIRST, steps=("blur", "resize"))
    with pytest.raises(ValueError, match="the last pass has the steps blur, resize: it needs jpeg"):
        draw(torch.Generator(), size=(64, 64), scale=4, passes=(bare,))
    assert Jpeg not in {
        type(s) for s in draw(torch.Generator(), size=(64, 64), scale=4, passes=(bare, FIRST)).steps[:2]
    }


def test_the_pool_mixes_pairs_and_loses_none() -> None:
    pool = Pool(10, seed=1)
    seen = []
    for k in range(30):  # pair n holds the number n, LR and HR alike
        numbers = torch.arange(4 * k, 4 * k + 4, dtype=torch.uint8).view(4, 1, 1, 1)
        lr, hr = pool.swap(numbers.expand(4, 3, 2, 2), numbers.expand(4, 3, 8, 8))
        assert torch.equal(lr[:, 0, 0, 0], hr[:, 0, 0, 0]) and lr.shape == (4, 3, 2, 2)
        if k < 3:  # it fills up: 4, 8, then 2 of 4
            assert lr[:, 0, 0, 0].tolist() == list(range(4 * k, 4 * k + 4))
        else:
            assert len(set(lr[:, 0, 0, 0].tolist())) == 4
            seen += lr[:, 0, 0, 0].tolist()
    assert pool.lr is not None and len(pool.lr) == 10
    left = pool.lr[:, 0, 0, 0].tolist()
    assert sorted(seen + left) == sorted([*range(10), *range(12, 120)])  # each once; 10 and 11 found no room
    distances = [abs(a // 4 - b // 4) for a, b in pairwise(seen)]
    assert sum(distances) / len(distances) > 1  # neighbours come from different batches


def test_a_pool_that_is_resumed_goes_on_alike() -> None:
    def batch(k: int) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(k)
        return torch.rand(3, 3, 2, 2, generator=rng), torch.rand(3, 3, 8, 8, generator=rng)

    first, second = Pool(7, seed=5), Pool(7, seed=6)
    for k in range(6):
        first.swap(*batch(k))
    second.load_state_dict(first.state_dict())
    for k in range(6, 12):
        one, other = first.swap(*batch(k)), second.swap(*batch(k))
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_a_pool_tells_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="a pool of 0 pairs holds nothing"):
        Pool(0, seed=0)
    pool = Pool(4, seed=0)
    with pytest.raises(
        ValueError, match="a batch of 5 does not fit into a pool of 4: take a smaller batch or a larger pool"
    ):
        pool.swap(torch.rand(5, 3, 2, 2), torch.rand(5, 3, 8, 8))
    pool.swap(torch.rand(2, 3, 2, 2), torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match="one run keeps its sizes"):
        pool.swap(torch.rand(2, 3, 4, 4), torch.rand(2, 3, 16, 16))
