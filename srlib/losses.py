"""Loss functions: a pair of pictures in, one number out; and the games of two networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error, of which PSNR is the logarithm: (B, C, H, W) twice, same range -> scalar."""
    return F.mse_loss(sr, hr)


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error: (B, C, H, W) twice, same range -> scalar."""
    return F.l1_loss(sr, hr)


def charbonnier(sr: Tensor, hr: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(difference² + eps²), an L1 that is round at 0: (B, C, H, W) twice, same range -> scalar.

    Source: Charbonnier et al., ICIP 1994; for super-resolution LapSRN (1704.03915), with eps = 1e-3 on [0, 1].
    """
    return torch.sqrt((sr - hr).square() + eps**2).mean()


def total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across plus down: (B, C, H, W) -> scalar; 0 for a flat picture or pixel.

    A smoothness penalty that SRGAN tutorials add. Source: Rudin, Osher, Fatemi 1992, in its anisotropic form.
    """
    steps = ((pictures.diff(dim=dim)).abs() for dim in (-1, -2))
    return torch.stack([step.mean() if step.numel() else step.sum() for step in steps]).sum()


def gram(features: Tensor) -> Tensor:
    """How often channels are active together: (B, C, h, w) -> (B, C, C), divided by C * h * w."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()


def style(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared difference of the Gram matrices of features: (B, C, h, w) twice -> scalar.

    Of style transfer, met in SRGAN tutorials and not in the SRGAN paper. Source: Johnson et al., 1603.08155, 3.2.
    """
    return F.mse_loss(gram(sr), gram(hr))


def feature_distance(
    sr: Mapping[str, Tensor], hr: Mapping[str, Tensor], *, taps: Sequence[tuple[str, float]], distance: Loss
) -> Tensor:
    """The perceptual distance: a distance (l1, mse, style) of the features at some layers, times their weights, summed.

    sr, hr: tap -> (B, C, h, w), as features.VGG19 gives them; taps: (name, weight) -> scalar.
    """
    return torch.stack([weight * distance(sr[tap], hr[tap]) for tap, weight in taps]).sum()


@dataclass(frozen=True)
class Game:
    """An adversarial game: what each player loses, from the discriminator's logits of real and made pictures.

    Logits: (B, 1), one for each picture, or (B, 1, H, W), one for each pixel; means are over all of them.
    discriminator, generator: (real, fake) -> scalar. chances: -> how real it takes the real ones and the made ones to
    be, of the logits' shapes, 0 to 1 where the game has probabilities. paired: the generator's loss looks at the
    real ones too.
    """

    name: str
    discriminator: Loss
    generator: Loss
    chances: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    paired: bool = False


def _standard_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()  # -log D(real) - log(1 - D(fake))


def _standard_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()  # -log D(fake)


def _sigmoids(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(real), torch.sigmoid(fake)


def _relativistic(winner: Tensor, loser: Tensor) -> Tensor:
    return F.softplus(loser.mean() - winner).mean() + F.softplus(loser - winner.mean()).mean()


def _relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return _relativistic(fake, real)  # the same with the roles exchanged: both halves


def _against_the_mean(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(real - fake.mean()), torch.sigmoid(fake - real.mean())


def _least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def _least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * (fake - 1).square().mean()


def _as_they_are(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return real, fake


def _hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _hinge_generator(real: Tensor, fake: Tensor) -> Tensor:
    return -fake.mean()


# The minimax game with the generator's loss that does not saturate. Source: SRGAN, 1609.04802, equations 2 and 6.
STANDARD = Game("standard", _standard_discriminator, _standard_generator, _sigmoids)
# D_Ra(real, fake) = sigmoid(C(real) - mean C(fake)). Source: ESRGAN, 1809.00219, equations 1 and 2 of section 3.2.
RELATIVISTIC = Game("relativistic", _relativistic, _relativistic_generator, _against_the_mean, paired=True)
# Source: LSGAN, 1611.04076, equation 9 (a = 0, b = c = 1).
LSGAN = Game("lsgan", _least_squares_discriminator, _least_squares_generator, _as_they_are)
# Source: Geometric GAN, 1705.02894; SAGAN, 1805.08318, equation 4.
HINGE = Game("hinge", _hinge_discriminator, _hinge_generator, _sigmoids)
