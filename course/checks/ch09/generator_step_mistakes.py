"""What the usual mistakes in 09.5 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes
from course.checks.ch09.shared import Step


@dataclass(frozen=True)
class Table:
    """One step of the generator: its weight and what was left in its gradient, and all that it meets."""

    generate: Callable[[Tensor, Tensor], Tensor]
    judge: Callable[[Tensor, Tensor], Tensor]
    sharpen: Step
    features: Callable[[Tensor], list[Tensor]]
    weights: Sequence[float]
    lr: Tensor
    hr: Tensor
    g: Tensor
    d: Tensor
    g_old: Tensor
    rate: float


Terms = tuple[float, float, float, Tensor]  # and the generator's weight after the step


def play(
    t: Table,
    *,
    pixel_aim: Step | None = None,
    seen_aim: Step | None = None,
    of: Step = lambda sr: sr,
    distance: Callable[[Tensor, Tensor], Tensor] = F.l1_loss,
    seen_distance: Callable[[Tensor, Tensor], Tensor] | None = None,
    weights: Sequence[float] | None = None,
    share: float = 0.1,
    told_share: float | None = None,
    pixel_weight: float = 1.0,
    lost: Step = lambda logits: F.softplus(-logits).mean(),
    judged: Callable[[Tensor, Tensor], Tensor] = lambda sr, hr: sr,
    through: tuple[bool, bool, bool] = (True, True, True),
    backward: tuple[float, float, float] = (1, 1, 1),
    times: float = 1.0,
    old: float = 0.0,
    order: tuple[int, int, int] = (0, 1, 2),
    seen_of: Step = lambda sr: sr,
    logits_of: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Terms:
    """The terms and the weight, by gradients that are asked for one by one; every argument is a way to be wrong."""
    with torch.enable_grad():
        g = t.g.clone().requires_grad_()
        sr = of(t.generate(g, t.lr))
        pixel = pixel_weight * distance(sr, (pixel_aim or t.sharpen)(t.hr))
        wanted, got = t.features((seen_aim or t.sharpen)(t.hr)), t.features(seen_of(sr))
        measure = seen_distance or distance
        taken = zip(t.weights if weights is None else weights, got, wanted, strict=True)
        perceptual = torch.stack([w * measure(a, b) for w, a, b in taken]).sum()
        adversarial = lost(logits_of(sr, t.hr) if logits_of else t.judge(t.d, judged(sr, t.hr)))
        terms = (pixel, perceptual, share * adversarial)
        slope = torch.zeros_like(g)
        for term, flows, factor in zip(terms, through, backward, strict=True):
            if flows and factor and term.requires_grad:
                slope = slope + factor * torch.autograd.grad(term, g, retain_graph=True)[0]
    after = t.g - t.rate * (times * slope + old * t.g_old)
    told = [float(term.detach()) for term in terms]
    if told_share is not None:
        told[2] = told_share * float(adversarial.detach())
    return told[order[0]], told[order[1]], told[order[2]], after


def step(t: Table) -> Mistakes:
    sharp = t.sharpen

    def plain(x: Tensor) -> Tensor:
        return x

    def twice(x: Tensor) -> Tensor:
        return sharp(sharp(x))

    def clamped(x: Tensor) -> Tensor:
        return x.clamp(0, 1)

    def clamped_aim(x: Tensor) -> Tensor:
        return sharp(x).clamp(0, 1)

    def summed(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().sum()

    def signed(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).mean()

    def relative(sr: Tensor, hr: Tensor) -> Tensor:
        return t.judge(t.d, sr) - t.judge(t.d, hr).mean()

    def both(sr: Tensor, hr: Tensor) -> Tensor:
        return torch.cat([t.judge(t.d, sr), t.judge(t.d, hr)])

    def told_and_learnt(told: Terms, learnt: Terms) -> Terms:
        return told[0], told[1], told[2], learnt[3]

    def after_the_step() -> Terms:
        learnt = play(t)
        later = play(replace(t, g=learnt[3]))
        return told_and_learnt(later, learnt)

    def total_first() -> Terms:
        pixel, perceptual, adversarial, learnt = play(t)
        return pixel + perceptual + adversarial, pixel, perceptual, learnt

    def saturating(logits: Tensor) -> Tensor:
        return -F.softplus(logits).mean()

    def one_minus_log(logits: Tensor) -> Tensor:
        return (1 + F.softplus(-logits)).mean()

    def by_log(logits: Tensor) -> Tensor:
        return -torch.log(torch.sigmoid(logits) + 1e-8).mean()

    halves = [w / sum(t.weights) for w in t.weights]
    ones = [1.0] * len(t.weights)
    return {
        "the pixel term aims at hr: at sharpen(hr), as the perceptual term does": lambda: play(t, pixel_aim=plain),
        "the perceptual term aims at hr: at sharpen(hr), as the pixel term does": lambda: play(t, seen_aim=plain),
        "both terms aim at hr: sharpen it": lambda: play(t, pixel_aim=plain, seen_aim=plain),
        "sr is sharpened instead of hr": lambda: play(t, pixel_aim=plain, seen_aim=plain, of=sharp),
        "sr is sharpened too, or lr: only hr": lambda: play(t, of=sharp),
        "the features of sharpen(sr) were taken: of sr as it is": lambda: play(t, seen_of=sharp),
        "hr is sharpened twice: once": lambda: play(t, pixel_aim=twice, seen_aim=twice),
        "sr was clamped to [0, 1]: as the generator makes it": lambda: play(t, of=clamped),
        "sharpen(hr) was clamped to [0, 1]: as sharpen makes it": lambda: play(
            t, pixel_aim=clamped_aim, seen_aim=clamped_aim
        ),
        "the discriminator judges sharpen(sr): sr itself": lambda: play(t, judged=lambda sr, hr: sharp(sr)),
        "the discriminator judges sharpened hr: it judges sr": lambda: play(t, judged=lambda sr, hr: sharp(hr)),
        "the discriminator judges hr: it judges sr": lambda: play(t, judged=lambda sr, hr: hr),
        "the pixel term is a sum: the mean over all values": lambda: play(t, distance=summed, seen_distance=F.l1_loss),
        "the features' differences are summed: the mean over all values": lambda: play(t, seen_distance=summed),
        "both distances are sums: means over all values": lambda: play(t, distance=summed),
        "the pixel term has no absolute value, or it is taken of the mean: the mean of absolute differences": lambda: (
            play(t, distance=signed, seen_distance=F.l1_loss)
        ),
        "the features' differences have no absolute value, or it is taken of the mean: of each one": lambda: play(
            t, seen_distance=signed
        ),
        "neither distance has an absolute value: the mean of absolute differences": lambda: play(t, distance=signed),
        "the pixel term is a smooth L1: plain absolute differences": lambda: play(
            t, distance=F.smooth_l1_loss, seen_distance=F.l1_loss
        ),
        "both distances are smooth L1: plain absolute differences": lambda: play(t, distance=F.smooth_l1_loss),
        "squared differences: absolute ones in both distances": lambda: play(t, distance=F.mse_loss),
        "the pixel term is squared: absolute differences": lambda: play(
            t, distance=F.mse_loss, seen_distance=F.l1_loss
        ),
        "the features' differences are squared, as in SRGAN: absolute ones": lambda: play(t, seen_distance=F.mse_loss),
        "the weights of the features are left out": lambda: play(t, weights=ones),
        "the mean over the features was taken: their weighted sum": lambda: play(
            t, weights=[w / len(ones) for w in t.weights]
        ),
        "the features' weights are squared": lambda: play(t, weights=[w * w for w in t.weights]),
        "the perceptual term came back without the features' weights": lambda: told_and_learnt(
            play(t, weights=ones), play(t)
        ),
        "the features' weights are in what came back, but not in what is descended along": lambda: told_and_learnt(
            play(t), play(t, weights=ones)
        ),
        "the features' weights were made to sum to 1: as they are": lambda: play(t, weights=halves),
        "the features' weights are in the opposite order": lambda: play(t, weights=list(reversed(t.weights))),
        "only the first features count: all of them": lambda: play(t, weights=[t.weights[0], *[0.0] * (len(ones) - 1)]),
        "only the last features count: all of them": lambda: play(t, weights=[*[0.0] * (len(ones) - 1), t.weights[-1]]),
        "the adversarial term is added with the weight 1: 0.1": lambda: play(t, share=1.0),
        "the adversarial weight is SRGAN's 1e-3: 0.1": lambda: play(t, share=1e-3),
        "the adversarial weight is ESRGAN's 5e-3: 0.1": lambda: play(t, share=5e-3),
        "the pixel weight is ESRGAN's 1e-2: 1": lambda: play(t, pixel_weight=1e-2),
        "the adversarial term came back without its 0.1": lambda: play(t, told_share=1.0),
        "the step knows the 0.1 and the term that came back too, but it is applied twice": lambda: play(t, share=0.01),
        "log(1 - D) with a plus, which saturates: - log D": lambda: play(t, lost=saturating),
        "1 - log D was written for - log D": lambda: play(t, lost=one_minus_log),
        "the loss of a discriminator that takes sr for made: the generator wants it taken for real": lambda: play(
            t, lost=lambda logits: F.softplus(logits).mean()
        ),
        "the logarithm of the logit: log sigmoid(logit)": lambda: play(t, lost=lambda logits: -logits.log().mean()),
        "least squares of the logits, or a hinge: - log sigmoid(logit)": lambda: play(
            t, lost=lambda logits: (logits - 1).square().mean()
        ),
        "ESRGAN's relative discriminator: Real-ESRGAN's judges sr alone": lambda: play(t, logits_of=relative),
        "the discriminator judges hr too: sr alone": lambda: play(t, logits_of=both),
        "the largest logit alone, or the first: the mean over all": lambda: play(
            t, lost=lambda logits: F.softplus(-logits).flatten()[0]
        ),
        "the logit itself with a minus: - log sigmoid(logit)": lambda: play(t, lost=lambda logits: -logits.mean()),
        "the logits were averaged before the logarithm: the mean of - log D": lambda: play(
            t, lost=lambda logits: F.softplus(-logits.mean())
        ),
        "the logits were summed: the mean over all of them": lambda: play(
            t, lost=lambda logits: F.softplus(-logits).sum()
        ),
        "a small number inside the logarithm cuts the loss off: F.softplus needs none": lambda: play(t, lost=by_log),
        "no gradient goes through the discriminator (freeze it by requires_grad_; sr is not detached), or its term is "
        "not in the sum": lambda: play(t, through=(True, True, False)),
        "no gradient goes through the features of sr (no_grad is for the aim's), or they are not in the sum": lambda: (
            play(t, through=(True, False, True))
        ),
        "no gradient goes through the pixel term, or the sum is without it": lambda: play(
            t, through=(False, True, True)
        ),
        "only the pixel term is descended along: the sum of all three": lambda: play(t, through=(True, False, False)),
        "only the adversarial term is descended along: the sum of all three": lambda: play(
            t, through=(False, False, True)
        ),
        "the 0.1 is in what came back, but not in what is descended along": lambda: play(t, backward=(1, 1, 10)),
        "the 0.1 is applied once more in what is descended along": lambda: play(t, backward=(1, 1, 0.1)),
        "the adversarial term is taken away from the sum: added": lambda: play(t, backward=(1, 1, -1)),
        "the terms that came back are those after the step: sr is made once, before it": after_the_step,
        "the sum of all came back in the first place: pixel, perceptual, adversarial": total_first,
        "gradients that were left from before count: optimizer.zero_grad() before backward": lambda: play(t, old=1.0),
        "the gradients were cleared between backward and the step: nothing was learnt": lambda: play(
            t, through=(False, False, False)
        ),
        "the optimiser made two steps": lambda: play(t, times=2.0),
        "the sum of the terms was divided by 3": lambda: play(t, times=1 / 3),
        "the terms came back in another order: pixel, perceptual, adversarial": lambda: play(t, order=(1, 0, 2)),
        "the terms came back in another order: pixel first, adversarial last": lambda: play(t, order=(2, 1, 0)),
    }


def sure_step(t: Table) -> Mistakes:
    """What goes wrong where all is right but the numbers are large."""
    return {
        "a small number inside the logarithm cuts the loss off: F.softplus needs none": lambda: play(
            t, lost=lambda logits: -torch.log(torch.sigmoid(logits) + 1e-8).mean()
        ),
        "the logarithm is cut off at -100, as in F.binary_cross_entropy: F.softplus needs no limit": lambda: play(
            t, lost=lambda logits: F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits))
        ),
        **{
            f"the probability is kept above {least:g}, which cuts the loss off: F.softplus(-logits) needs no limit": (
                partial(play, t, lost=partial(_clamped_log, least))
            )
            for least in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3)
        },
    }


def _clamped_log(least: float, logits: Tensor) -> Tensor:
    return -torch.log(torch.sigmoid(logits).clamp(min=least)).mean()
