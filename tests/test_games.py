"""Games and perceptual distances against Python's own math on a few numbers."""

import math
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from srlib.losses import (
    HINGE,
    LSGAN,
    RELATIVISTIC,
    STANDARD,
    Game,
    feature_distance,
    gram,
    l1,
    mse,
    style,
    total_variation,
)
from srlib.recipes import ESRGAN, ESRGAN_PIRM, SRGAN

REAL, FAKE = [0.5, -1.0, 3.0], [-0.25, 2.0]  # as many of each is no condition
Closed = Callable[[list[float], list[float]], float]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _log_loss(real: list[float], fake: list[float]) -> float:
    """-log D(real) - log(1 - D(fake)), each in its mean."""
    return -_mean([math.log(_sigmoid(r)) for r in real]) - _mean([math.log(1 - _sigmoid(f)) for f in fake])


def _against_means(real: list[float], fake: list[float]) -> float:
    """The same of C(real) - mean C(fake) and C(fake) - mean C(real)."""
    return _log_loss([r - _mean(fake) for r in real], [f - _mean(real) for f in fake])


CLOSED: dict[str, tuple[Game, Closed, Closed]] = {
    "standard": (STANDARD, _log_loss, lambda real, fake: -_mean([math.log(_sigmoid(f)) for f in fake])),
    "relativistic": (RELATIVISTIC, _against_means, lambda real, fake: _against_means(fake, real)),
    "lsgan": (
        LSGAN,
        lambda real, fake: _mean([(r - 1) ** 2 for r in real]) / 2 + _mean([f**2 for f in fake]) / 2,
        lambda real, fake: _mean([(f - 1) ** 2 for f in fake]) / 2,
    ),
    "hinge": (
        HINGE,
        lambda real, fake: _mean([max(0, 1 - r) for r in real]) + _mean([max(0, 1 + f) for f in fake]),
        lambda real, fake: -_mean(fake),
    ),
}
each = pytest.mark.parametrize(("game", "discriminator", "generator"), CLOSED.values(), ids=CLOSED)


def _logits(values: list[float]) -> Tensor:
    return torch.tensor(values, requires_grad=True)


def _column(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None]


@each
def test_losses_are_their_closed_forms(game: Game, discriminator: Closed, generator: Closed) -> None:
    real, fake = _column(REAL), _column(FAKE)
    assert float(game.discriminator(real, fake)) == pytest.approx(discriminator(REAL, FAKE), rel=1e-6)
    assert float(game.generator(real, fake)) == pytest.approx(generator(REAL, FAKE), rel=1e-6)


def test_some_of_them_by_hand() -> None:
    nought = torch.zeros(4, 1)
    for game in (STANDARD, RELATIVISTIC):  # a discriminator that knows nothing says 1/2 to everything
        assert float(game.discriminator(nought, nought)) == pytest.approx(2 * 0.69314718)
    assert float(STANDARD.generator(nought, nought)) == pytest.approx(0.69314718)
    assert float(RELATIVISTIC.generator(nought, nought)) == pytest.approx(2 * 0.69314718)
    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[-3.0], [1.0]])
    assert float(LSGAN.discriminator(real, fake)) == ((1 + 1) / 2 + (9 + 1) / 2) / 2
    assert float(LSGAN.generator(real, fake)) == (16 + 0) / 2 / 2
    assert float(HINGE.discriminator(real, fake)) == (0 + 1) / 2 + (0 + 2) / 2
    assert float(HINGE.generator(real, fake)) == 1


def test_who_looks_at_the_real_pictures() -> None:
    for game in (STANDARD, RELATIVISTIC, LSGAN, HINGE):
        real, fake = _logits(REAL), _logits(FAKE)
        game.generator(real, fake).backward()
        assert (real.grad is not None and bool(real.grad.any())) == game.paired, game.name
    assert SRGAN.game is STANDARD and ESRGAN.game is ESRGAN_PIRM.game is RELATIVISTIC


def test_the_relativistic_generator_plays_the_discriminators_game_with_roles_exchanged() -> None:
    real, fake = _column(REAL), _column(FAKE)
    assert torch.equal(RELATIVISTIC.generator(real, fake), RELATIVISTIC.discriminator(fake, real))
    shift = 7.0  # what matters is the difference alone
    assert torch.allclose(RELATIVISTIC.generator(real + shift, fake + shift), RELATIVISTIC.generator(real, fake))


def test_both_relativistic_halves_pull_on_the_made_pictures() -> None:
    """d/df of log(1 + e^(f - r)) + log(1 + e^(-(f - r)))... for one of each: both halves are -log sigmoid(f - r)."""
    real, fake = _logits([1.0]), _logits([0.4])
    RELATIVISTIC.generator(real, fake).backward()
    assert real.grad is not None and fake.grad is not None
    half = -(1 - _sigmoid(0.4 - 1.0))  # of -log sigmoid(f - r): the made pictures' half alone
    assert float(fake.grad) == pytest.approx(2 * half)
    assert float(real.grad) == pytest.approx(-2 * half)
    # With several pictures, too: the gradient is not that of the made pictures' half.
    real, fake = _logits(REAL), _logits(FAKE)
    RELATIVISTIC.generator(real, fake).backward()
    gap = [f - _mean(REAL) for f in FAKE]
    fakes_half = [-(1 - _sigmoid(g)) / len(FAKE) for g in gap]
    reals_half = -_mean([_sigmoid(r - _mean(FAKE)) for r in REAL]) / len(FAKE)
    assert fake.grad is not None
    assert fake.grad.tolist() == pytest.approx([f + reals_half for f in fakes_half], rel=1e-5)
    assert abs(reals_half) > 0.05


def test_chances() -> None:
    real, fake = _column(REAL), _column(FAKE)
    expected = {
        "standard": ([_sigmoid(r) for r in REAL], [_sigmoid(f) for f in FAKE]),
        "relativistic": ([_sigmoid(r - _mean(FAKE)) for r in REAL], [_sigmoid(f - _mean(REAL)) for f in FAKE]),
        "lsgan": (REAL, FAKE),
        "hinge": ([_sigmoid(r) for r in REAL], [_sigmoid(f) for f in FAKE]),
    }
    for name, (game, _, _) in CLOSED.items():
        told = game.chances(real, fake)
        assert game.name == name
        assert [chance.flatten().tolist() for chance in told] == [pytest.approx(e, rel=1e-6) for e in expected[name]]


def test_what_does_not_saturate_keeps_its_gradient() -> None:
    """Where D is sure that a picture is made (logit -20), -log D pulls with its whole force, log(1 - D) hardly."""
    logit = torch.tensor([[-20.0]], requires_grad=True)
    STANDARD.generator(torch.zeros(()), logit).backward()
    assert logit.grad is not None
    assert float(logit.grad) == pytest.approx(-1, abs=1e-6)
    minimax = torch.tensor([[-20.0]], dtype=torch.float64, requires_grad=True)
    torch.log(1 - torch.sigmoid(minimax)).mean().backward()
    assert minimax.grad is not None
    assert float(minimax.grad) == pytest.approx(-math.exp(-20), rel=1e-6)


@pytest.mark.parametrize("size", [1e3, 1e4])
def test_large_logits_stay_finite(size: float) -> None:
    for game in (STANDARD, RELATIVISTIC, LSGAN, HINGE):
        real, fake = _logits([-size, size]), _logits([size, -2 * size])
        loss = game.discriminator(real, fake) + game.generator(real, fake)
        loss.backward()
        assert real.grad is not None and fake.grad is not None
        assert bool(loss.isfinite()) and bool(torch.cat((real.grad, fake.grad)).isfinite().all())
    assert float(STANDARD.discriminator(_column([-size]), _column([size]))) == 2 * size


def test_total_variation_of_a_ramp() -> None:
    down, across = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    ramp = (0.25 * across - 0.5 * down).expand(2, 3, 4, 6)
    assert float(total_variation(ramp)) == pytest.approx(0.25 + 0.5)
    assert float(total_variation(torch.full((1, 3, 5, 5), 0.3))) == 0
    assert float(total_variation(ramp[..., :1])) == pytest.approx(0.5)  # a line has neighbours on two sides only
    assert float(total_variation(ramp[..., :1, :1])) == 0
    spot = torch.zeros(1, 1, 3, 3)
    spot[0, 0, 1, 1] = 1  # 2 of the 6 differences across, 2 of the 6 down
    assert float(total_variation(spot)) == pytest.approx(2 / 6 + 2 / 6)


def test_gram_of_a_crafted_map() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels at two places
    # (1 1 + 2 2, 1 3 - 2 1; 1 3 - 2 1, 3 3 + 1 1) / (2 channels * 1 * 2)
    assert torch.equal(gram(features), torch.tensor([[[5.0, 1.0], [1.0, 10.0]]]) / 4)
    batch = torch.rand(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    by_einsum = torch.einsum("bihw,bjhw->bij", batch, batch) / (4 * 5 * 6)
    assert torch.allclose(gram(batch), by_einsum, atol=1e-6)
    # A mean of squares: (5 - 1)^2, 1, 1, 10^2 quarters against those of one more place
    other = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
    assert float(style(features, other)) == pytest.approx((1.0**2 + 2 * 0.25**2 + 2.5**2) / 4)


def test_style_does_not_see_where() -> None:
    features = torch.rand(2, 5, 4, 6, generator=torch.Generator().manual_seed(1))
    moved = features.flatten(2)[..., torch.randperm(24, generator=torch.Generator().manual_seed(2))].view_as(features)
    assert float(style(features, moved)) < 1e-12
    assert float(mse(features, moved)) > 0.1
    assert float(style(features, features.flip(1))) > 1e-4  # channels exchanged are another style


def test_feature_distance_by_hand() -> None:
    sr = {"conv1_1": torch.tensor([1.0, 2.0]), "relu2_1": torch.tensor([0.0, 4.0])}
    hr = {"conv1_1": torch.tensor([0.0, 4.0]), "relu2_1": torch.tensor([3.0, 0.0])}
    taps = (("conv1_1", 0.1), ("relu2_1", 2.0))
    assert float(feature_distance(sr, hr, taps=taps, distance=l1)) == pytest.approx(0.1 * 1.5 + 2 * 3.5)
    assert float(feature_distance(sr, hr, taps=taps, distance=mse)) == pytest.approx(0.1 * 2.5 + 2 * 12.5)
    assert float(feature_distance(sr, hr, taps=taps[1:], distance=mse)) == pytest.approx(25)


def test_srgans_rescaling_of_features() -> None:
    """Features divided by 12.75 have a squared error that is 0.006 of the plain one's."""
    sr, hr = {"relu5_4": torch.tensor([12.75 * 3.0])}, {"relu5_4": torch.tensor([12.75 * 1.0])}
    distance = feature_distance(sr, hr, taps=SRGAN.features, distance=SRGAN.feature_distance)
    assert float(SRGAN.perceptual_weight * distance) == pytest.approx((3 - 1) ** 2)
    assert SRGAN.perceptual_weight == pytest.approx(0.006, abs=2e-4)


def test_the_papers_stages() -> None:
    assert (SRGAN.adversarial_weight, SRGAN.pixel_weight, SRGAN.features) == (1e-3, 0, (("relu5_4", 1.0),))
    assert (SRGAN.hr_crop, SRGAN.batch, SRGAN.steps, SRGAN.begins) == (96, 16, 200_000, "srresnet")
    # 1e-4 for 1e5 steps, then 1e-5
    assert [SRGAN.learning_rate * SRGAN.schedule(f) for f in (0, 0.4999, 0.5, 1)] == pytest.approx(
        [1e-4, 1e-4, 1e-5, 1e-5]
    )
    assert (ESRGAN.adversarial_weight, ESRGAN.pixel_weight, ESRGAN.perceptual_weight) == (5e-3, 1e-2, 1)
    assert (ESRGAN.pixel, ESRGAN.feature_distance, ESRGAN.features) == (l1, l1, (("conv5_4", 1.0),))
    assert (ESRGAN.hr_crop, ESRGAN.batch, ESRGAN.steps, ESRGAN.begins) == (128, 16, 400_000, "rrdb-psnr")
    # halved at 50, 100, 200 and 300 thousand of 400 thousand
    at = [k / 400 for k in (0, 49, 50, 100, 199, 200, 299, 300, 400)]
    assert [ESRGAN.schedule(f) for f in at] == [1, 1, 1 / 2, 1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 16, 1 / 16]
    changed = {f.name for f in fields(ESRGAN) if getattr(ESRGAN, f.name) != getattr(ESRGAN_PIRM, f.name)}
    assert changed == {"name", "generator", "begins", "pixel_weight"}
    assert ESRGAN_PIRM.pixel_weight == 10
    with torch.device("meta"):
        assert sum(p.numel() for p in ESRGAN_PIRM.generator(scale=4).parameters()) == 11_662_019
