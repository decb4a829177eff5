"""What the usual mistakes in lesson 05 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mistakes = dict[str, Callable[[], Any]]
Enlarge = Callable[[Tensor], Tensor]


def channel(x: Tensor, down: nn.Linear, up: nn.Linear) -> Mistakes:
    means = x.mean((2, 3))

    def gate(squeezed: Tensor = means, first: Enlarge = F.relu, second: Enlarge = torch.sigmoid) -> Tensor:
        return second(up(first(down(squeezed))))[:, :, None, None]

    def relued(z: Tensor) -> Tensor:
        return torch.sigmoid(F.relu(z))

    return {
        "the gates came back without x: multiply x by them": lambda: gate(),
        "the gates came back without x, and without their places: x * gate[:, :, None, None]": lambda: gate()[
            ..., 0, 0
        ],
        "the gates lie along the wrong dimensions: x * gate[:, :, None, None] gives each channel its own": lambda: (
            x * gate()[..., 0, 0]
        ),
        "the sigmoid is missing: gates lie between 0 and 1": lambda: x * gate(second=lambda z: z),
        "the ReLU between the two layers is missing": lambda: x * gate(first=lambda h: h),
        "a sigmoid stands between the two layers: there it is max(0, ...)": lambda: x * gate(first=torch.sigmoid),
        "a LeakyReLU stands between the two layers: here it is max(0, ...)": lambda: (
            x * gate(first=lambda h: F.leaky_relu(h, 0.2))
        ),
        "a ReLU stands before the sigmoid: only between the two layers": lambda: x * gate(second=relued),
        "softmax makes the channels compete: every gate has a sigmoid of its own": lambda: (
            x * gate(second=lambda z: F.softmax(z, 1))
        ),
        "the largest value of each channel was taken instead of its mean": lambda: x * gate(x.amax((2, 3))),
        "the sum over the places was taken instead of the mean": lambda: x * gate(x.sum((2, 3))),
        "the mean runs over the batch too: every picture has its own": lambda: (
            x * gate(means.mean(0, keepdim=True).expand_as(means))
        ),
        "x was added to the product: the result is x * g alone": lambda: x + x * gate(),
        "x was added, not multiplied by the gates": lambda: x + gate(),
        "the means were scaled, not x: multiply x itself by the gates": lambda: (gate()[..., 0, 0] * means)[
            :, :, None, None
        ].expand_as(x),
        "the gates are turned round (1 - g)": lambda: x * (1 - gate()),
        "exp(z) / (1 + exp(z)) is infinity / infinity for large z: torch.sigmoid(z) is not": lambda: (
            x * gate(second=lambda z: z.exp() / (1 + z.exp()))
        ),
    }


def place(x: Tensor, weight: Tensor, bias: Tensor) -> Mistakes:
    def logits(weight: Tensor = weight, bias: Tensor = bias, x: Tensor = x) -> Tensor:
        return torch.einsum("kc,bchw->bkhw", weight, x) + bias.view(-1, 1, 1)

    def gate(**changed: Tensor) -> Tensor:
        return logits(**changed).sigmoid()

    pooled = x.mean((2, 3), keepdim=True)
    return {
        "the gates came back without x: multiply x by them": lambda: gate(),
        "the gates came back without x, for all channels: multiply x by them": lambda: gate().expand_as(x),
        "the sigmoid is missing: gates lie between 0 and 1": lambda: x * logits(),
        "softmax makes the channels compete: every gate has a sigmoid of its own": lambda: x * logits().softmax(1),
        "a ReLU stands in the sigmoid's place": lambda: x * logits().relu(),
        "a tanh stands in the sigmoid's place: gates lie between 0 and 1": lambda: x * logits().tanh(),
        "the bias was left out": lambda: x * gate(bias=torch.zeros_like(bias)),
        "the bias was added after the sigmoid": lambda: x * (gate(bias=torch.zeros_like(bias)) + bias.view(-1, 1, 1)),
        "the weights are transposed: gate k takes row k of weight": lambda: x * gate(weight=weight.T),
        "the mean over the places was gated: here every place has its own gate": lambda: x * gate(x=pooled),
        "every channel was gated by itself: a gate sees all C numbers of its place": lambda: (
            x * (x * weight.diagonal().view(1, -1, 1, 1) + bias.view(-1, 1, 1)).sigmoid()
        ),
        "the gates of a place were averaged: with K = C each channel has its own": lambda: x * gate().mean(1, True),
        "only the first gate was used: with K = C each channel has its own": lambda: x * gate()[:, :1],
        "x was added to the product: the result is x * g alone": lambda: x + x * gate(),
        "x was added, not multiplied by the gates": lambda: x + gate(),
        "the gates are turned round (1 - g)": lambda: x * (1 - gate()),
        "exp(z) / (1 + exp(z)) is infinity / infinity for large z: torch.sigmoid(z) is not": lambda: (
            x * (logits().exp() / (1 + logits().exp()))
        ),
    }


def mix(inner: Tensor, attended: Tensor, plain: Tensor, down: nn.Linear, up: nn.Linear, temperature: float) -> Mistakes:
    means = inner.mean((2, 3))

    def logits(squeezed: Tensor = means, first: Enlarge = F.relu) -> Tensor:
        return up(first(down(squeezed)))

    def blend(share: Tensor) -> Tensor:
        a, b = (share[:, k, None, None, None] for k in (0, 1))
        return a * attended + b * plain

    def soft(z: Tensor) -> Tensor:
        return blend(F.softmax(z / temperature, 1))

    share = F.softmax(logits() / temperature, 1)
    return {
        "the layers' biases are left out: call down and up as they are": lambda: soft(
            F.relu(means @ down.weight.T) @ up.weight.T
        ),
        "the temperature is left out: z is divided by it before the softmax": lambda: blend(F.softmax(logits(), 1)),
        "z is multiplied by the temperature: divide": lambda: blend(F.softmax(logits() * temperature, 1)),
        "the temperature divides the shares: divide z, before the softmax": lambda: blend(
            F.softmax(logits(), 1) / temperature
        ),
        "the temperature is 30 whatever is asked for: use the argument": lambda: blend(F.softmax(logits() / 30, 1)),
        "the softmax runs over the pictures of the batch: over the two shares, dim=1": lambda: blend(
            F.softmax(logits() / temperature, 0)
        ),
        "a sigmoid stands in the softmax's place: the two shares sum to 1": lambda: blend(
            torch.sigmoid(logits() / temperature)
        ),
        "the exponentials were not divided by their sum: the two shares sum to 1": lambda: blend(
            torch.exp(logits() / temperature)
        ),
        "z itself was used for the shares: softmax makes them sum to 1": lambda: blend(logits() / temperature),
        "the branch with the larger z was taken whole: both are mixed": lambda: blend(
            F.one_hot(logits().argmax(1), 2).to(attended)
        ),
        "the two shares are exchanged: the first belongs to attended, the second to plain": lambda: blend(
            share.flip(1)
        ),
        "share[0] is the first picture's shares: share[:, 0, None, None, None] is the first share of each": lambda: (
            share[0] * attended + share[1] * plain
        ),
        "the shares lie along the wrong dimension: share[:, 0, None, None, None] is one for each picture": lambda: (
            share[:, 0] * attended + share[:, 1] * plain
        ),
        "the shares lie along the channels: share[:, 0, None, None, None] is one for each picture": lambda: (
            share[:, 0, None, None] * attended + share[:, 1, None, None] * plain
        ),
        "the ReLU between the two layers is missing": lambda: soft(logits(first=lambda h: h)),
        "a LeakyReLU stands between the two layers: here it is max(0, ...)": lambda: soft(
            logits(first=lambda h: F.leaky_relu(h, 0.2))
        ),
        "the largest value of each channel was taken instead of its mean": lambda: soft(logits(inner.amax((2, 3)))),
        "the sum over the places was taken instead of the mean": lambda: soft(logits(inner.sum((2, 3)))),
        "the mean runs over the batch too: every picture has its own shares": lambda: soft(
            logits(means.mean(0, keepdim=True).expand_as(means))
        ),
        "the means are those of attended: the shares look at inner": lambda: soft(logits(attended.mean((2, 3)))),
        "the means are those of plain: the shares look at inner": lambda: soft(logits(plain.mean((2, 3)))),
        "inner was added: that happens outside, after one more layer": lambda: inner + soft(logits()),
        "the branches were added without shares": lambda: attended + plain,
        "the branches were averaged without shares": lambda: (attended + plain) / 2,
    }


def charbonnier(sr: Tensor, hr: Tensor, eps: float) -> Mistakes:
    d = sr - hr
    roots = (d**2 + eps**2).sqrt()
    return {
        "the root of the mean: take the root of every value, and then the mean": lambda: (d**2 + eps**2).mean().sqrt(),
        "the root of the mean squared error, with eps added inside: roots first, then their mean": lambda: (
            (d**2).mean() + eps**2
        ).sqrt(),
        "eps is not squared: inside the root stands eps^2": lambda: (d**2 + eps).sqrt().mean(),
        "eps is outside the root": lambda: d.abs().mean() + eps,
        "eps^2 is outside the root": lambda: d.abs().mean() + eps**2,
        "eps is added to the difference before it is squared": lambda: (d + eps).abs().mean(),
        "the root is missing": lambda: (d**2 + eps**2).mean(),
        "the difference is not squared": lambda: (d + eps**2).clamp(min=0).sqrt().mean(),
        "the absolute difference is not squared": lambda: (d.abs() + eps**2).sqrt().mean(),
        "that is L1: eps is missing": lambda: d.abs().mean(),
        "that is L2: the mean of squares": lambda: (d**2).mean(),
        "the sum instead of the mean": lambda: roots.sum(),
        "the sum over each picture, then the mean over the batch: one mean over everything": lambda: roots.sum(
            (1, 2, 3)
        ).mean(),
        "every value came back: take the mean": lambda: roots,
        "one loss for each picture came back: one mean over everything": lambda: roots.mean((1, 2, 3)),
        "eps was taken away again: equal pictures give eps": lambda: roots.mean() - eps,
        "eps is always 0.001: use the argument": lambda: (d**2 + 1e-6).sqrt().mean(),
        "half of it: leave the half out": lambda: roots.mean() / 2,
    }


def ensemble(enlarge: Enlarge, lr: Tensor) -> Mistakes:
    def view(k: int) -> Tensor:
        return (lr.flip(-1) if k >= 4 else lr).rot90(k % 4, (2, 3))

    def back(y: Tensor, k: int) -> Tensor:
        y = y.rot90(-(k % 4), (2, 3))
        return y.flip(-1) if k >= 4 else y

    def mean(undo: Callable[[Tensor, int], Tensor]) -> Tensor:
        return torch.stack([undo(enlarge(view(k)), k) for k in range(8)]).mean(0)

    def same_turn(y: Tensor, k: int) -> Tensor:
        return (y.flip(-1) if k >= 4 else y).rot90(k % 4, (2, 3))

    def flip_first(y: Tensor, k: int) -> Tensor:
        return (y.flip(-1) if k >= 4 else y).rot90(-(k % 4), (2, 3))

    def turned_on(y: Tensor, k: int) -> Tensor:
        y = y.rot90(k % 4, (2, 3))
        return y.flip(-1) if k >= 4 else y

    def not_flipped(y: Tensor, k: int) -> Tensor:
        return y.rot90(-(k % 4), (2, 3))

    def eight() -> Tensor:
        return torch.stack([back(enlarge(view(k)), k) for k in range(8)])

    return {
        "the results were not turned back": lambda: mean(lambda y, k: y),
        "the mirror images were not mirrored back": lambda: mean(not_flipped),
        "the results were turned on instead of back: rot90 with minus the quarters": lambda: mean(turned_on),
        "the results were turned a second time instead of back": lambda: mean(same_turn),
        "the mirror images are undone in the wrong order: turned last, so turned back first": lambda: mean(flip_first),
        "the sum instead of the mean: divide by 8": lambda: eight().sum(0),
        "the median instead of the mean": lambda: eight().median(0).values,
        "the largest of the eight values instead of the mean": lambda: eight().amax(0),
        "the result is clipped: leave the clamp out": lambda: eight().mean(0).clamp(0, 1),
        "the eight results are clipped before the mean: leave the clamp out": lambda: eight().clamp(0, 1).mean(0),
        "the result is rounded: leave it as it is": lambda: (255 * eight().mean(0)).round() / 255,
        "the eight results came back: take their mean": eight,
    }
