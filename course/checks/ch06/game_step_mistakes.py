"""What the usual mistakes in 06.5 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course.checking import Mistakes


@dataclass(frozen=True)
class Table:
    """Two players as functions of their weights, their losses, and the pictures: all that a step depends on."""

    generate: Callable[[Tensor, Tensor], Tensor]  # weights, lr -> sr
    judge: Callable[[Tensor, Tensor], Tensor]  # weights, pictures -> logits
    g_loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    d_loss: Callable[[Tensor, Tensor], Tensor]
    lr: Tensor
    hr: Tensor
    g: Tensor
    d: Tensor
    g_rate: float
    d_rate: float
    g_old: Tensor  # the gradients that are left from before
    d_old: Tensor


Played = tuple[float, float, Tensor, Tensor]  # both losses, both players' weights after the step


def play(
    t: Table,
    *,
    first: str = "generator",
    sees: str = "sr",
    judged: str = "same",
    exchanged: bool = False,
    mirrored: bool = False,
    g_kept: bool = False,
    d_kept: bool = False,
    unfrozen: bool = False,
    leaks: bool = False,
) -> Played:
    """One step of both players by hand. Each argument is a way to get it wrong.

    sees: what the generator's loss judges: "sr", "detached" or "hr". judged: what the discriminator's half sees:
    "same", "new" (made after the generator's step) or "logits" (those of the generator's half). exchanged: real and
    made in the discriminator's loss. mirrored: sr and hr in the generator's loss. g_kept, d_kept: old gradients count.
    unfrozen: the generator's half leaves its gradient in the discriminator. leaks: the discriminator's loss goes into
    the generator too.
    """
    g, d = (w.detach().clone().requires_grad_(True) for w in (t.g, t.d))

    def made(of: Tensor) -> Tensor:
        return t.generate(of, t.lr)

    def lose(fake: Tensor, by: Tensor) -> Tensor:
        of_real = t.judge(by, t.hr)
        of_fake = t.judge(d, made(g)).detach() if judged == "logits" else t.judge(by, fake)
        return t.d_loss(of_fake, of_real) if exchanged else t.d_loss(of_real, of_fake)

    def half_g(by: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sr = made(g)
        seen = {"sr": sr, "detached": sr.detach(), "hr": t.hr}[sees]
        loss = t.g_loss(*((t.hr, sr) if mirrored else (sr, t.hr)), t.judge(by, seen))
        of_g, of_d = torch.autograd.grad(loss, (g, by), allow_unused=True, materialize_grads=True)
        return loss, of_g, of_d

    def moved_d(more: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        loss = lose(fake, d)
        gradient = torch.autograd.grad(loss, d)[0] + more
        return loss, (d - t.d_rate * gradient).detach()

    if first == "discriminator":
        loss_d, new_d = moved_d(t.d_old * d_kept, made(g).detach())
        loss_g, of_g, _ = half_g(new_d.requires_grad_(True))
        return loss_g.item(), loss_d.item(), (g - t.g_rate * of_g).detach(), new_d.detach()
    loss_g, of_g, of_d = half_g(d)
    of_g = of_g + t.g_old * g_kept
    if leaks:
        of_g = of_g + torch.autograd.grad(lose(made(g), d), g)[0]
    new_g = (g - t.g_rate * of_g).detach()
    fake = made(new_g if judged == "new" else g).detach()
    loss_d, new_d = moved_d(t.d_old * d_kept + of_d * unfrozen, fake)
    return loss_g.item(), loss_d.item(), new_g, new_d


def step(t: Table) -> Mistakes:
    loss_g, loss_d, new_g, new_d = play(t)
    return {
        "the discriminator went first: the generator begins, with the discriminator as it came": lambda: play(
            t, first="discriminator"
        ),
        "the generator's half leaves its gradient in the discriminator, and d_optimizer follows it too: zero_grad "
        "before the discriminator's backward": lambda: play(t, unfrozen=True),
        "the generator's half leaves its gradient in the discriminator, with older ones: d_optimizer.zero_grad() "
        "before its backward": lambda: play(t, unfrozen=True, d_kept=True),
        "an old gradient counts in the generator: g_optimizer.zero_grad() before its backward": lambda: play(
            t, g_kept=True
        ),
        "an old gradient counts in the discriminator: d_optimizer.zero_grad() before its backward": lambda: play(
            t, d_kept=True
        ),
        "old gradients count in both players: zero_grad before each backward": lambda: play(
            t, g_kept=True, d_kept=True
        ),
        "the discriminator's loss teaches the generator too: sr.detach() in the discriminator's half": lambda: play(
            t, leaks=True
        ),
        "sr was detached in the generator's half: there the gradient must flow through the discriminator": lambda: play(
            t, sees="detached"
        ),
        "the generator's loss got the logits of hr: those of sr are wanted": lambda: play(t, sees="hr"),
        "real and made are exchanged in d_loss: (logits of hr, logits of sr)": lambda: play(t, exchanged=True),
        "sr and hr are exchanged in g_loss: (sr, hr, logits of sr)": lambda: play(t, mirrored=True),
        "sr was clipped: a value that is clipped gets no gradient": lambda: play(
            replace(t, generate=lambda weight, x: t.generate(weight, x).clamp(0, 1))
        ),
        "half of the discriminator's loss: d_loss as it is": lambda: (loss_g, loss_d / 2, new_g, (t.d + new_d) / 2),
        "the logits of the generator's half were used again without a gradient: judge sr.detach() anew": lambda: play(
            t, judged="logits"
        ),
        "the discriminator judged what the generator makes after its step: the same sr as before": lambda: play(
            t, judged="new"
        ),
        "the two losses came back in the wrong order: the generator's first": lambda: (loss_d, loss_g, new_g, new_d),
        "the generator did not move: g_optimizer.step() after its backward, and no zero_grad between": lambda: (
            loss_g,
            loss_d,
            t.g,
            new_d,
        ),
        "the discriminator did not move: d_optimizer.step() after its backward, and no zero_grad between": lambda: (
            loss_g,
            loss_d,
            new_g,
            t.d,
        ),
        "nobody moved: each optimizer has its step()": lambda: (loss_g, loss_d, t.g, t.d),
        "g_optimizer.step() was called twice, and d_optimizer.step() not at all": lambda: (
            loss_g,
            loss_d,
            2 * new_g - t.g,
            t.d,
        ),
        "g_optimizer.step() was called twice": lambda: (loss_g, loss_d, 2 * new_g - t.g, new_d),
        "the generator goes up the gradient": lambda: (loss_g, loss_d, 2 * t.g - new_g, new_d),
    }
