"""What the generator and the discriminator lose in a step, by a run's recipe."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from srlib.losses import feature_distance
from srlib.precision import autocast
from srlib.state import Run


def weighted_terms(
    run: Run, sr: Tensor, hr: Tensor, *, aim: Tensor | None = None, share: float = 1.0
) -> dict[str, Tensor]:
    """What the generator loses: "pixel", "perceptual", "adversarial", each times its weight, and their sum, "loss".

    aim: what the pixel and the perceptual term compare with, sharpened pictures for example; hr if it is not given.
    share: how much of a batch they are, by which `descend` multiplies the loss of a part. Where there are several
    terms also "grad_*", the norm of each one's gradient at sr once "loss" is differentiated (of a batch in parts the
    mean of theirs), and in a game "error", the mean absolute difference of sr and hr, and "drift", that of their mean
    colours.
    """
    recipe = run.recipe
    aim = hr if aim is None else aim
    if run.opponent is None and run.features is None:
        return {"loss": recipe.pixel_weight * recipe.pixel(sr, aim)}
    terms: dict[str, Tensor] = {}
    health: dict[str, Tensor] = {}

    def seen(name: str) -> Tensor:
        """sr as one term sees it, so that its gradient can be told from the others'."""
        own = sr.view_as(sr)
        if own.requires_grad:
            health[f"grad_{name}"] = torch.zeros((), device=sr.device)
            factor = 1 / (share * run.scaler.get_scale())

            def note(gradient: Tensor) -> None:
                health[f"grad_{name}"].copy_(gradient.norm() * factor)

            own.register_hook(note)
        return own

    if recipe.pixel_weight:
        terms["pixel"] = recipe.pixel_weight * recipe.pixel(seen("pixel"), aim)
    if run.features is not None:
        with autocast(run.device, run.precision):
            with torch.no_grad():
                wanted = run.features(aim)
            got = run.features(seen("perceptual"))
        distance = feature_distance(_float(got), _float(wanted), taps=recipe.features, distance=recipe.feature_distance)
        terms["perceptual"] = recipe.perceptual_weight * distance
    if run.opponent is not None:
        judge = run.opponent.network
        with autocast(run.device, run.precision):
            real = judge(hr).detach().float() if recipe.game.paired else hr.new_zeros(())
            fake = judge(seen("adversarial")).float()
        terms["adversarial"] = recipe.adversarial_weight * recipe.game.generator(real, fake)
        health["error"] = (sr.detach() - hr).abs().mean()
        health["drift"] = (sr.detach().mean((2, 3)) - hr.mean((2, 3))).abs().mean()
    return {"loss": torch.stack(list(terms.values())).sum(), **terms, **health}


def _float(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {tap: value.float() for tap, value in features.items()}


def game_terms(run: Run, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """What the discriminator loses, and how real it takes the real pictures and the made ones to be."""
    assert run.opponent is not None
    with autocast(run.device, run.precision):
        of_real, of_fake = run.opponent.forward(real).float(), run.opponent.forward(fake).float()
    chances = run.recipe.game.chances(of_real.detach(), of_fake.detach())
    loss = run.recipe.game.discriminator(of_real, of_fake)
    return {"loss": loss, "d_real": chances[0].mean(), "d_fake": chances[1].mean()}


@contextlib.contextmanager
def judging_only(network: nn.Module) -> Iterator[nn.Module]:
    """For the time of a block a network passes gradients on and learns nothing: neither weights nor batch statistics.

    It stays in training mode: what it says of a batch is what it says while it learns.
    """
    buffers = list(network.buffers())
    kept = [buffer.clone() for buffer in buffers]
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield network
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        with torch.no_grad():
            for buffer, old in zip(buffers, kept, strict=True):
                buffer.copy_(old)
