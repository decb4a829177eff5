"""What the usual mistakes in 05.2 give: cause -> formula, computed only when an answer is wrong."""

import torch
from torch import Tensor

from course.checking import Mistakes


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
