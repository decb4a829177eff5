"""The weights that a run starts from: those of the stage before, another run's, another scale's."""

from pathlib import Path

import torch
from torch import nn

from srlib import zoo
from srlib.recipes import Recipe
from srlib.state import Run


def begun_with(recipe: Recipe, named: str | None) -> tuple[str | None, int | None]:
    """The weights that a recipe starts from, and their number of blocks if it is another than the recipe's.

    named: a model, "none" for the recipe's own initialisation, or None for the stage that the recipe begins with.
    Raises ValueError if the network is not built for the scale, or that stage is not shipped for it.
    """
    if named == "none":
        return None, None
    weights = named or recipe.begins
    if weights is None:
        return None, None
    with torch.device("meta"):
        wanted = _blocks(recipe.generator(scale=recipe.scale))  # raises for a scale that the network does not have
    if named is None and recipe.scale not in zoo.scales(weights):
        raise ValueError(
            f"{recipe.name} begins with {weights}'s weights, and none are shipped for x{recipe.scale}: train "
            f"`srlib train {weights} --scale {recipe.scale}` first and name its weights by --start, or --start none"
        )
    blocks = _blocks(earlier_network(weights, recipe.scale))
    return weights, blocks if wanted and blocks and blocks != wanted else None


def _blocks(network: nn.Module) -> int:
    """The blocks of a network's body; 0 for one that has no such body."""
    trunk = getattr(network, "AAB_trunk", getattr(network, "body", None))  # A2N's name, and everyone else's
    return len(trunk) if isinstance(trunk, nn.Sequential) else 0


def begin_with(run: Run, weights: str) -> list[str]:
    """Starts from other weights; those of another scale are taken where they fit. Returns the tensors that stay new."""
    earlier = earlier_network(weights, run.recipe.scale)
    try:
        if type(earlier) is not type(run.generator):
            raise zoo.WeightsError(f"it is {type(earlier).__name__}")
        if (has := _blocks(earlier)) != (wanted := _blocks(run.generator)):
            raise zoo.WeightsError(f"its body has {has} blocks, and {wanted} are asked for: leave --blocks out")
        new = zoo.load_matching(run.generator, earlier.state_dict())
        if new and earlier.scale == run.generator.scale:
            raise zoo.WeightsError(f"{', '.join(new)} have other shapes")
    except zoo.WeightsError as error:
        raise ValueError(
            f"{weights} is another network than {run.recipe.name}'s ({error}): start from one of its kind"
        ) from error
    if run.average is not None:
        run.average.load_state_dict(run.generator.state_dict())
    return new


def earlier_network(weights: str, wanted: int) -> nn.Module:
    """The network to start from: a shipped one of the nearest scale, or a file's, which may tell its scale or not."""
    if shipped := zoo.scales(weights):
        return zoo.load(weights, scale=min(shipped, key=lambda s: abs(s - wanted)))
    if told := zoo.told_scale(Path(weights)):
        return zoo.load(weights, scale=told)
    for scale in (wanted, None, 2):  # by its shapes alone; A2N's are those of x2 and x3 alike
        try:
            return zoo.load(weights, scale=scale)
        except zoo.WeightsError as error:
            reason = error
    raise reason
