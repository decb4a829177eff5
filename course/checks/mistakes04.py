"""Lesson 04: what the usual mistakes give, by the cause that a student is told."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mistakes = dict[str, Callable[[], Any]]
Parts = Mapping[str, nn.Module]


def blocks(x: Tensor, parts: Parts) -> Mistakes:
    """Residual blocks put together wrongly. parts: conv1, norm1, act, conv2, norm2."""
    parts = copy.deepcopy(dict(parts))
    conv1, norm1, act, conv2, norm2 = parts.values()

    def branch(x: Tensor) -> Tensor:
        return norm2(conv2(act(norm1(conv1(x)))))

    def inner(x: Tensor) -> Tensor:
        return act(norm1(conv1(x)))

    return {
        "the skip is missing: add x, as it came in, to what norm2 gives": lambda: branch(x),
        "there is an activation after the sum: nothing comes after it": lambda: act(x + branch(x)),
        "there is a ReLU after the sum (as in ResNet): nothing comes after it here": lambda: F.relu(x + branch(x)),
        "there is an activation before the sum: the branch ends with norm2": lambda: x + act(branch(x)),
        "the skip begins inside the branch: what is added is x as it came in": lambda: (
            inner(x) + norm2(conv2(inner(x)))
        ),
        "the skip is added before norm2: it goes past all five parts": lambda: norm2(x + conv2(inner(x))),
        "the activation comes before the convolution (pre-activation): the order is conv1, norm1, act, conv2, norm2": (
            lambda: x + conv2(act(norm2(conv1(act(norm1(x))))))
        ),
        "the norms come before the convolutions: the order is conv1, norm1, act, conv2, norm2": lambda: (
            x + conv2(norm2(act(conv1(norm1(x)))))
        ),
        "norm1 comes after the activation: the order is conv1, norm1, act": lambda: (
            x + norm2(conv2(norm1(act(conv1(x)))))
        ),
        "a plain ReLU stands in the place of act: call the activation that you are given": lambda: (
            x + norm2(conv2(F.relu(norm1(conv1(x)))))
        ),
        "act is left out: it comes between norm1 and conv2": lambda: x + norm2(conv2(norm1(conv1(x)))),
        "norm1 is used twice: norm2 comes after conv2": lambda: x + norm1(conv2(inner(x))),
        "conv1 is used twice: conv2 comes after act": lambda: x + norm2(conv1(inner(x))),
        "norm1 is left out: it comes between conv1 and act": lambda: x + norm2(conv2(act(conv1(x)))),
        "norm2 is left out: it comes after conv2": lambda: x + conv2(inner(x)),
        "the branch is scaled by 0.2, as ESRGAN does: here it is added as it is": lambda: x + 0.2 * branch(x),
        "x is multiplied by the branch: add it": lambda: x * branch(x),
        "the branch is subtracted: add it": lambda: x - branch(x),
        "x is added twice": lambda: 2 * x + branch(x),
        "the mean of x and the branch: their sum is wanted": lambda: (x + branch(x)) / 2,
    }


def batch_norms(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Mistakes:
    """Batch normalisations with another formula, as (y, running mean, running variance)."""
    every = (0, 2, 3)
    x, mean, variance = x.detach(), mean.detach(), variance.detach()
    n = x.numel() / x.shape[1]
    m, v = x.mean(every), x.var(every, correction=0)
    unbiased = v * n / (n - 1)
    used_m, used_v = (m, v) if training else (mean, variance)

    def old_and_new(rate: float, new_v: Tensor = unbiased) -> tuple[Tensor, Tensor]:
        if not training:
            return mean, variance
        return (1 - rate) * mean + rate * m, (1 - rate) * variance + rate * new_v

    running = old_and_new(momentum)

    def scaled(y: Tensor) -> Tensor:
        return y * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)

    def y(m: Tensor = used_m, v: Tensor = used_v, eps: float = eps) -> Tensor:
        m, v = (s.view(-1, 1, 1) if s.ndim == 1 else s for s in (m, v))
        return scaled((x - m) / torch.sqrt(v + eps))

    def over(dims: tuple[int, ...]) -> Tensor:
        """Statistics over other dimensions."""
        return y(x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True))

    def divided(by: Tensor) -> Tensor:
        return scaled((x - used_m.view(-1, 1, 1)) / by.view(-1, 1, 1))

    own = {
        "y is normalised with the running statistics: in training the batch's own are used": lambda: (
            y(mean, variance),
            *running,
        ),
        "y is normalised with the updated running statistics: in training the batch's own are used": lambda: (
            y(*running),
            *running,
        ),
        "the variance inside y is the unbiased one: there it is the mean of (x - m)^2, correction=0": lambda: (
            y(m, unbiased),
            *running,
        ),
        "the running variance takes in the biased one: multiply v by n / (n - 1) there": lambda: (
            y(),
            *old_and_new(momentum, v),
        ),
        "unbiased inside y and biased in the running variance: it is the other way round": lambda: (
            y(m, unbiased),
            *old_and_new(momentum, v),
        ),
        "momentum is the share of the new, not of the old: (1 - momentum) * old + momentum * batch": lambda: (
            y(),
            *old_and_new(1 - momentum),
        ),
        "the running statistics are not updated: in training they move towards the batch's": lambda: (
            y(),
            mean,
            variance,
        ),
        "the batch's statistics came back alone: mix them into the running ones": lambda: (y(), m, unbiased),
        "the batch's statistics are added to all of the old ones: those count (1 - momentum) times": lambda: (
            y(),
            mean + momentum * m,
            variance + momentum * unbiased,
        ),
        "momentum is 0.1 whatever is asked for: use the argument": lambda: (y(), *old_and_new(0.1)),
        "the running variance took in a standard deviation: leave the root out there": lambda: (
            y(),
            *old_and_new(momentum, unbiased.sqrt()),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not the pictures": lambda: (
            y(),
            *old_and_new(momentum, v * len(x) / (len(x) - 1)),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not of all of them": lambda: (
            y(),
            *old_and_new(momentum, v * x.numel() / (x.numel() - 1)),
        ),
        "n is wrong: it counts the values of one channel, B * h * w, not pictures and channels": lambda: (
            y(),
            *old_and_new(momentum, v * x[:, :, 0, 0].numel() / (x[:, :, 0, 0].numel() - 1)),
        ),
        "each picture has statistics of its own (instance norm): take them over the batch too": lambda: (
            over((2, 3)),
            *running,
        ),
        "each pixel has statistics of its own: take them over rows and columns too, dimensions 0, 2 and 3": lambda: (
            over((0,)),
            *running,
        ),
        "all channels share one mean and variance: each channel has its own, dimensions 0, 2 and 3": lambda: (
            over((0, 1, 2, 3)),
            *running,
        ),
        "the statistics are over the channels (layer norm): take dimensions 0, 2 and 3": lambda: (over((1,)), *running),
    }
    judging = {
        "the batch's statistics are used although training is False: then the running ones are": lambda: (
            y(m, v),
            mean,
            variance,
        ),
        "the batch's statistics are used and taken in although training is False": lambda: (
            y(m, v),
            (1 - momentum) * mean + momentum * m,
            (1 - momentum) * variance + momentum * unbiased,
        ),
        "the running statistics move although training is False: then they come back as they were": lambda: (
            y(),
            (1 - momentum) * mean + momentum * m,
            (1 - momentum) * variance + momentum * unbiased,
        ),
    }
    return {
        **(own if training else judging),
        "the deviation is that of x.std, over n - 1, and eps is added to it: v is over n, eps below the root": (
            lambda: (divided((unbiased if training else variance).sqrt() + eps), *running)
        ),
        "momentum and eps are exchanged (eps is added to the variance)": lambda: (y(eps=momentum), *old_and_new(eps)),
        "eps is left out, or another one is used: it is added to the variance, below the root": lambda: (
            y(eps=0.0),
            *running,
        ),
        "eps is added to the standard deviation: it belongs below the root": lambda: (
            divided(used_v.sqrt() + eps),
            *running,
        ),
        "x is divided by the variance: by its root, the standard deviation": lambda: (divided(used_v + eps), *running),
        "weight and bias are left out": lambda: ((y() - bias.view(-1, 1, 1)) / weight.view(-1, 1, 1), *running),
        "the bias is left out": lambda: (y() - bias.view(-1, 1, 1), *running),
        "weight and bias are exchanged": lambda: (
            (y() - bias.view(-1, 1, 1)) / weight.view(-1, 1, 1) * bias.view(-1, 1, 1) + weight.view(-1, 1, 1),
            *running,
        ),
        "the mean is not subtracted: (x - m) first": lambda: (
            scaled(x / torch.sqrt(used_v + eps).view(-1, 1, 1)),
            *running,
        ),
        "the running variance comes before the running mean: return y, mean, variance": lambda: (y(), *running[::-1]),
        "y came back alone: return it with the two running statistics": lambda: y(),
    }


def shuffles(x: Tensor, factor: int) -> Mistakes:
    """Pixel shuffles that move the values to other places."""
    b, channels, h, w = x.shape
    c, r = channels // factor**2, factor
    cells = x.reshape(b, c, r, r, h, w)
    last = x.reshape(b, r, r, c, h, w)

    def laid(y: Tensor) -> Tensor:
        return y.reshape(b, c, h * r, w * r)

    return {
        "dy and dx are exchanged: the cells are filled row by row, channel dy * r + dx": lambda: laid(
            cells.permute(0, 1, 4, 3, 5, 2)
        ),
        "the channels of a cell are taken C apart, as TensorFlow orders them: here they are neighbours": lambda: laid(
            last.permute(0, 3, 4, 1, 5, 2)
        ),
        "the channels of a cell are taken C apart, and dy and dx are exchanged": lambda: laid(
            last.permute(0, 3, 4, 2, 5, 1)
        ),
        "the values are not moved, only cut anew: a permute is missing between the two reshapes": lambda: laid(x),
        "each channel is a tile of its own, side by side: h comes before dy, and w before dx": lambda: laid(
            cells.permute(0, 1, 2, 4, 3, 5)
        ),
        "h and w are exchanged in the permute: each row of pixels goes h, dy and each column w, dx": lambda: laid(
            cells.permute(0, 1, 5, 2, 4, 3)
        ),
        "dy and dx come before h and w in one of the two directions only": lambda: laid(
            cells.permute(0, 1, 2, 4, 5, 3)
        ),
        "dx comes before w: within a row the pixels of one cell are neighbours": lambda: laid(
            cells.permute(0, 1, 4, 2, 3, 5)
        ),
        "the cells are filled from their end: dy and dx count from 0 upwards": lambda: F.pixel_shuffle(
            cells.flip(2, 3).reshape(x.shape), r
        ),
        "the picture is enlarged by repeating pixels: each of the r * r channels gives its own": lambda: laid(
            cells[:, :, :1, :1].expand_as(cells).permute(0, 1, 4, 2, 5, 3)
        ),
    }


def kernels(weight: Tensor, factor: int) -> Mistakes:
    """Kernels for a transposed convolution that puts the weights in other places."""
    turned = weight.flip(2, 3).transpose(0, 1)

    def shuffled(y: Tensor) -> Tensor:
        return F.pixel_shuffle(y, factor)

    r = factor
    c = weight.shape[0] // r**2
    return {
        "the weights are not turned: a transposed convolution runs its kernel the other way, flip dimensions 2 and 3": (
            lambda: shuffled(weight.transpose(0, 1))
        ),
        "the weights are turned in one direction only: flip dimensions 2 and 3": lambda: shuffled(
            weight.flip(3).transpose(0, 1)
        ),
        "the weights are turned in one direction only, that of the rows: flip dimensions 2 and 3": lambda: shuffled(
            weight.flip(2).transpose(0, 1)
        ),
        "the cells are turned too: flip the k x k weights first, then shuffle": lambda: shuffled(
            weight.transpose(0, 1)
        ).flip(2, 3),
        "rows and columns are exchanged (a transpose of dimensions 2 and 3): flip them": lambda: shuffled(
            weight.transpose(2, 3).transpose(0, 1)
        ),
        "the first two dimensions are in the convolution's order, (C, D): F.conv_transpose2d wants (D, C)": lambda: (
            shuffled(turned).transpose(0, 1)
        ),
        "the r * r channels of a cell are taken in another order: channel c * r * r + dy * r + dx": lambda: shuffled(
            turned.unflatten(1, (r * r, c)).transpose(1, 2).flatten(1, 2)
        ),
        "dy and dx are exchanged in the kernel: channel c * r * r + dy * r + dx goes to row dy, column dx": lambda: (
            shuffled(turned.unflatten(1, (c, r, r)).transpose(2, 3).flatten(1, 3))
        ),
        "the places (a, dy) are laid out as r tiles of k x k: a cell of r x r stands for each of the k x k weights": (
            lambda: (
                turned.unflatten(1, (c, r, r))
                .permute(0, 1, 2, 4, 3, 5)
                .reshape(weight.shape[1], c, r * weight.shape[2], r * weight.shape[3])
            )
        ),
    }


def networks(lr: Tensor, parts: Parts) -> Mistakes:
    """SRResNets put together wrongly. parts: those of `forward`, by name."""
    first, act, body, conv, norm, up, last = copy.deepcopy(dict(parts)).values()

    def shallow() -> Tensor:
        return act(first(lr))

    def deep() -> Tensor:
        return norm(conv(body(shallow())))

    def whole() -> Tensor:
        return last(up(shallow() + deep()))

    return {
        "the long skip is missing: add shallow to deep before upsample": lambda: last(up(deep())),
        "the long skip begins before act_first: shallow is what act_first gives": lambda: last(up(first(lr) + deep())),
        "the long skip begins after the body: it goes past the body, conv_body and norm_body": lambda: last(
            up(body(shallow()) + norm(conv(body(shallow()))))
        ),
        "the long skip ends before conv_body: it goes past conv_body and norm_body too": lambda: last(
            up(norm(conv(shallow() + body(shallow()))))
        ),
        "the long skip ends before norm_body: it goes past norm_body too": lambda: last(
            up(norm(shallow() + conv(body(shallow()))))
        ),
        "the long skip is added after upsample: add it at the size of lr": lambda: last(up(shallow()) + up(deep())),
        "lr itself is added to the body's result: the long skip begins after act_first": lambda: last(up(lr + deep())),
        "the enlarged lr is added to the end: SRResNet's skip is inside, before upsample": lambda: (
            whole() + F.interpolate(lr, size=whole().shape[-2:], mode="bicubic")
        ),
        "the enlarged lr is added to the end: SRResNet's skip is inside, before upsample (nearest)": lambda: (
            whole() + F.interpolate(lr, size=whole().shape[-2:], mode="nearest")
        ),
        "act_first is left out": lambda: last(up(first(lr) + norm(conv(body(first(lr)))))),
        "the body is left out": lambda: last(up(shallow() + norm(conv(shallow())))),
        "conv_body is left out": lambda: last(up(shallow() + norm(body(shallow())))),
        "norm_body is left out": lambda: last(up(shallow() + conv(body(shallow())))),
        "norm_body comes before conv_body: the convolution is first": lambda: last(
            up(shallow() + conv(norm(body(shallow()))))
        ),
        "upsample is left out: the result has the size of lr": lambda: last(shallow() + deep()),
        "conv_last is left out": lambda: up(shallow() + deep()),
        "conv_last comes before upsample: enlarge first": lambda: up(last(shallow() + deep())),
        "the result goes through tanh, as in some SRGAN code: nothing comes after conv_last": lambda: whole().tanh(),
        "the result goes through a sigmoid: nothing comes after conv_last": lambda: whole().sigmoid(),
        "the result is clipped: leave the clamp out": lambda: whole().clamp(0, 1),
        "an activation after the long skip: its sum goes straight into upsample": lambda: last(
            up(F.relu(shallow() + deep()))
        ),
        "act_first is used again after the long skip: its sum goes straight into upsample": lambda: last(
            up(act(shallow() + deep()))
        ),
    }


def footprints(network: nn.Module, x: Tensor, row: int, column: int) -> Mistakes:
    """Wrong answers to what one output pixel sees."""
    probe = x.detach().clone().requires_grad_(True)
    out = copy.deepcopy(network)(probe)

    def gradient(value: Tensor) -> Tensor:
        return torch.autograd.grad(value, [probe], retain_graph=True)[0][0]

    def box(touched: Tensor) -> tuple[int, int, int, int]:
        rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
        return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())

    def of(touched: Tensor) -> Callable[[], tuple[int, int, int, int]]:
        return lambda: box(touched)

    right = gradient(out[0, :, row, column].sum())
    top, bottom, left, last = box((right != 0).any(0))

    def thresholded(share: float) -> Callable[[], tuple[int, int, int, int]]:
        return of((right.abs() > share * right.abs().max()).any(0))

    def reading_order(places: Tensor) -> tuple[int, int, int, int]:
        return int(places[0, 0]), int(places[-1, 0]), int(places[0, 1]), int(places[-1, 1])

    def at_zeros() -> Tensor:
        other = torch.zeros_like(x).requires_grad_(True)
        [found] = torch.autograd.grad(copy.deepcopy(network)(other)[0, :, row, column].sum(), [other])
        return (found[0] != 0).any(0)

    return {
        "bottom and right are one too large: they are the last row and column that are seen": lambda: (
            top,
            bottom + 1,
            left,
            last + 1,
        ),
        "the order is another: top, bottom, left, right": lambda: (top, left, bottom, last),
        "columns come before rows: top, bottom, left, right": lambda: (left, last, top, bottom),
        "row and column of the output pixel are exchanged": lambda: box(
            (gradient(out[0, :, column, row].sum()) != 0).any(0)
        ),
        "the whole output was asked: take the one pixel at (row, column)": lambda: box(
            (gradient(out.sum()) != 0).any(0)
        ),
        "the gradient is that of the output's square, which is 0 where the output is: sum the output itself": lambda: (
            box((gradient(out[0, :, row, column].square().sum()) != 0).any(0))
        ),
        "only the first channel of the output was asked: sum over its channels": lambda: box(
            (gradient(out[0, 0, row, column]) != 0).any(0)
        ),
        "only the last channel of the output was asked: sum over its channels": lambda: box(
            (gradient(out[0, -1, row, column]) != 0).any(0)
        ),
        "only the first channel of the input was looked at: a pixel is seen if it is in one channel or more": of(
            right[0] != 0
        ),
        "gradients of opposite sign cancel: take abs() before the sum over the input's channels": of(right.sum(0) != 0),
        "a pixel counts only where all channels are seen: one channel is enough": of((right != 0).all(0)),
        "the gradients are squared, which makes the smallest of them 0: compare with != 0, or take abs()": of(
            right.square().sum(0) > 0
        ),
        "the first and the last place in reading order: the columns need their own minimum and maximum": lambda: (
            reading_order((right != 0).any(0).nonzero())
        ),
        "x was replaced by zeros: what is seen may depend on x": lambda: box(at_zeros()),
        "negative gradients are left out: compare with != 0, or take abs() first": of((right > 0).any(0)),
        "a row or column counts only where all of it is seen: any, not all": lambda: (-1, -1, -1, -1),
        "small gradients are left out: every gradient that is not exactly 0 counts": thresholded(1e-3),
        "small gradients are left out: every gradient that is not exactly 0 counts (a threshold of 1e-6)": of(
            (right.abs() > 1e-6).any(0)
        ),
        "the distances from the pixel came back: first and last row and column are wanted": lambda: (
            row - top,
            bottom - row,
            column - left,
            last - column,
        ),
    }
