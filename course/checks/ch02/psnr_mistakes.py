"""What the usual mistakes in 02.1 give: cause -> formula, computed only when an answer is wrong."""

from functools import partial

import torch
from torch import Tensor

from course.checking import Mistakes


def psnrs(sr: Tensor, hr: Tensor) -> Mistakes:
    """What the usual mistakes give on this pair."""
    error = (sr - hr).double()
    mse, each = error.square().flatten(1).mean(1), error.square()
    return {
        "one mean over the whole batch: every picture has a mean of its own": lambda: (
            -10 * torch.log10(error.square().mean())
        ).expand(len(sr)),
        "one mean over the whole batch, and one number (or a squeeze): a PSNR for each is wanted": lambda: (
            -10 * torch.log10(error.square().mean())
        ),
        "log of each pixel's error, then the mean: the mean comes first, then the logarithm": lambda: (
            (-10 * torch.log10(each)).flatten(1).mean(1)
        ),
        "20 log10 of the MSE: 20 belongs to the root of it (RMSE), 10 to the MSE": lambda: -20 * torch.log10(mse),
        "10 log10 of an error that is not squared (`abs`, or the root of the MSE): 10 belongs to the MSE": lambda: (
            -5 * torch.log10(mse)
        ),
        "the natural logarithm: decibels are base 10 (torch.log10)": lambda: -10 * torch.log(mse),
        "the sign: a larger error must give fewer decibels": lambda: 10 * torch.log10(mse),
        "a peak of 255: pictures in [0, 1] have peak 1": lambda: 10 * torch.log10(255**2 / mse),
        "the picture's own largest value was taken as the peak: the peak is 1, however dark the picture": lambda: (
            10 * torch.log10(hr.double().flatten(1).amax(1) ** 2 / mse)
        ),
        "the largest value of the batch was taken as the peak: the peak is 1, however dark the pictures": lambda: (
            10 * torch.log10(hr.double().max() ** 2 / mse)
        ),
        "the absolute error instead of the squared one": lambda: -10 * torch.log10(error.abs().flatten(1).mean(1)),
        "the sum instead of the mean of the squared errors": lambda: -10 * torch.log10(each.flatten(1).sum(1)),
        "a mean over the height and width only: the channels belong to the picture too": lambda: (
            -10 * torch.log10(each.mean((2, 3)))
        ),
        "PSNR of each channel, then their mean: the mean over channels comes before the logarithm": lambda: (
            -10 * torch.log10(each.mean((2, 3)))
        ).mean(1),
        **{
            f"a small number was added before the logarithm ({10.0**-k:g} to the {name}, say): leave it out": partial(
                lambda power, size: -10 * power * torch.log10(mse ** (1 / power) + size), power, 10.0**-k
            )
            for power, name in ((1, "MSE"), (2, "root of it"))
            for k in range(2, 13)
        },
    }
