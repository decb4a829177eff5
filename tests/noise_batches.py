"""Batches of noise to train on: the same for the same number."""

from collections.abc import Iterator

import torch
from torch import Tensor

from srlib.recipes import Recipe
from srlib.resize import imresize
from srlib.state import Run


def noise_batch(number: int, recipe: Recipe) -> list[Tensor]:
    rng = torch.Generator().manual_seed(number)
    hr = torch.randint(256, (recipe.batch, 3, recipe.hr_crop, recipe.hr_crop), generator=rng, dtype=torch.uint8)
    return [imresize(hr, scale=1 / recipe.scale), hr]


def noise_source(run: Run) -> Iterator[list[Tensor]]:
    number = run.step
    while True:
        yield noise_batch(number, run.recipe)
        number += 1
