"""Exercises of lesson 06: SRGAN. Write here; `check("06.1")` in the notebook, or `pytest`, tells you how it went.

Pictures are float32 tensors (B, 3, H, W) in [0, 1]. What a discriminator says of them are logits, one for each picture:
above 0 for "real". Use torch alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#| from course.todo import todo

MEAN = torch.tensor([0.485, 0.456, 0.406])  # of ImageNet's pictures in [0, 1]: red, green, blue
STD = torch.tensor([0.229, 0.224, 0.225])
RESCALE = 1 / 12.75  # of VGG19's features (SRGAN, 1609.04802, section 3.2)


def features_at(pictures: Tensor, layers: Sequence[nn.Module], wanted: Sequence[int]) -> list[Tensor]:
    """06.1: what a network such as VGG19 sees in pictures: its features at chosen layers.

    pictures (B, 3, H, W) in [0, 1]. layers: convolutions, ReLUs and poolings, called one after the other. wanted: their
    numbers, counted from 0, in any order -> a list: at place k the output of layer number wanted[k].

    VGG19 learnt from normalised pictures, so before the first layer comes (pictures - MEAN) / STD, channel by channel.
    Each layer is called once at most, and none that lies behind the deepest wanted one. A ReLU made with inplace=True
    overwrites what it is given; the features from *before* it must come back as they were before. Gradients must be
    able to flow to the pictures. The layers are the caller's, and stay as they are.

    Worked: a picture of one pixel (0.485, 0.68, 0.406) is normalised to (0, 1, 0). With the layers [a, nn.ReLU()] where
    a is a 1 x 1 convolution to one channel, weights (0, -1, 0) and bias 0, wanted (0, 1) gives [-1, 0].
    """
    # begin 06.1
    x = (pictures - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    found = {}
    for k, layer in enumerate(layers[: max(wanted) + 1]):
        x = layer(x)
        if k in wanted:
            found[k] = x.clone()  # which no later layer can overwrite
    return [found[k] for k in wanted]
    # end 06.1


def perceptual(
    sr: Tensor, hr: Tensor, features: Callable[[Tensor], Sequence[Tensor]], weights: Sequence[float]
) -> Tensor:
    """06.2: how far two pictures are apart for VGG19: SRGAN's content loss, for any number of layers.

    sr, hr (B, 3, H, W). features: pictures -> their features at some layers, each (B, C, h, w) of its own size.
    weights: one for each of these layers -> a tensor without dimensions.

        loss = sum over layers of weight * mean over all values of (RESCALE * f(sr) - RESCALE * f(hr))^2

    The factor is on the features, inside the square. The loss trains sr; no gradient goes to hr, whose features are
    only a target. (1609.04802, equation 5 and section 3.2)

    Worked: one layer of two values, (12.75, 0) for sr and (0, 25.5) for hr, weight 2. Rescaled, the differences are 1
    and -2, their squares 1 and 4, the mean 2.5, the loss 5.
    """
    # begin 06.2
    with torch.no_grad():
        targets = features(hr)
    pairs = zip(weights, features(sr), targets, strict=True)
    return torch.stack([weight * F.mse_loss(RESCALE * got, RESCALE * target) for weight, got, target in pairs]).sum()
    # end 06.2


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """06.3: what the discriminator loses: it wants 1 for real pictures and 0 for made ones.

    real, fake: its logits of real and of made pictures, both (B, 1), any floats -> a tensor without dimensions.

        D = sigmoid(logit)    loss = mean of -log D(real) + mean of -log(1 - D(fake))

    It must be exact for logits of any size, such as 200: log(sigmoid(-200)) is log(0) in float32. What helps is that
    -log(sigmoid(z)) = softplus(-z), with softplus(z) = log(1 + e^z). Gradients must be able to flow to both.

    Worked: real (0, ln 3) and fake (0, -ln 3): D is (1/2, 3/4) and (1/2, 1/4). Each mean is (ln 2 + ln 4/3) / 2, and
    the loss ln 2 + ln 4/3 = 0.980829.
    """
    # begin 06.3
    return F.softplus(-real).mean() + F.softplus(fake).mean()
    # end 06.3


def generator_loss(content: Tensor, fake: Tensor, weight: float) -> Tensor:
    """06.4: what the generator loses: a distance to the truth, and a little for every picture that is found out.

    content: a tensor without dimensions. fake: the discriminator's logits of the made pictures (B, 1). weight: SRGAN
    takes 1e-3 -> a tensor without dimensions.

        loss = content + weight * mean of -log D(fake)

    This is the loss that does not saturate: not log(1 - D(fake)), which has next to no gradient where the discriminator
    is sure. It must be exact for logits of any size. Gradients must be able to flow to both tensors.
    (1609.04802, equations 3 and 6; the mean instead of the sum over the batch)

    Worked: content 0.5, fake (0, -ln 3), weight 0.1: -log D is (ln 2, ln 4), its mean 1.5 ln 2, the loss 0.603972.
    """
    # begin 06.4
    return content + weight * F.softplus(-fake).mean()
    # end 06.4


def game_step(
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer,
    lr: Tensor,
    hr: Tensor,
    g_loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    d_loss: Callable[[Tensor, Tensor], Tensor],
) -> tuple[float, float]:
    """06.5: one step of both players, the generator first.

    lr (B, 3, h, w); hr, and what the generator makes of lr, (B, 3, H, W). g_loss(sr, hr, logits of sr) and
    d_loss(logits of hr, logits of sr) give tensors without dimensions. g_optimizer knows the generator's weights,
    d_optimizer the discriminator's -> both losses of this step, as floats (generator's, discriminator's).

    1. The generator's half: make sr; judge it; descend along g_loss. Meanwhile the discriminator is frozen: its weights
       get no gradient, and yet the gradient flows *through* it to sr.
    2. The discriminator's half: the freeze is undone; hr and *the same* sr are judged anew; descend along d_loss. No
       gradient goes back into the generator.

    The generator is called once, and gradients that were left from earlier steps count in neither half. The networks
    stay in their mode, train or eval: neither decides about gradients.

    Worked: the generator multiplies by g = 1, the discriminator by d = 1, lr is 1, hr is 2; g_loss is minus the logit
    of sr, d_loss is logit of sr - logit of hr, both optimisers go 0.1 down the gradient. Half 1: loss -1, gradient -1,
    so g = 1.1. Half 2: sr is still 1, loss 1 - 2 = -1, gradient -1, so d = 1.1. The result is (-1, -1).
    """
    # begin 06.5
    discriminator.requires_grad_(False)
    sr = generator(lr)
    loss_g = g_loss(sr, hr, discriminator(sr))
    g_optimizer.zero_grad()
    loss_g.backward()
    g_optimizer.step()

    discriminator.requires_grad_(True)
    loss_d = d_loss(discriminator(hr), discriminator(sr.detach()))
    d_optimizer.zero_grad()
    loss_d.backward()
    d_optimizer.step()
    return loss_g.item(), loss_d.item()
    # end 06.5


def diagnose(lines: Sequence[Mapping[str, float]]) -> tuple[str, float | None]:
    """06.6: what went wrong in a game, and when, read from its log.

    lines: one for every so many steps, with "step" (a whole number), "error" (mean absolute difference of sr and hr,
    above 0), "drift" (of their mean colours), "d_real" and "d_fake" (how real the discriminator takes real and made
    pictures to be, 0 to 1) -> (word, step).

    Go through the lines from the first to the last. At each ask, in this order:

        "collapse"  the error is more than 2 times the smallest error so far (this line included), or not finite
        "drift"     the drift is more than 0.06, or not finite
        "won"       in this line and the two before it d_real is more than 0.95 and d_fake less than 0.05

    The first yes ends it: the word, and the step of *this* line. ("healthy", None) if there is none.

    Worked: errors 0.04, 0.03, 0.05, 0.07 at the steps 10, 20, 30, 40, all else in order: the smallest so far is 0.03,
    and 0.07 is more than 0.06: ("collapse", 40).
    """
    # begin 06.6
    least, in_a_row = math.inf, 0
    for line in lines:
        error, drift, sure = line["error"], line["drift"], line["d_real"] > 0.95 and line["d_fake"] < 0.05
        least = min(least, error)
        in_a_row = in_a_row + 1 if sure else 0
        if not math.isfinite(error) or error > 2 * least:
            return "collapse", line["step"]
        if not math.isfinite(drift) or drift > 0.06:
            return "drift", line["step"]
        if in_a_row >= 3:
            return "won", line["step"]
    return "healthy", None
    # end 06.6
