"""What the usual mistakes in 06.1 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course.checking import Mistakes
from course.checks.ch06.shared import RESCALE

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # of ImageNet, as torchvision's VGG19 takes it
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@torch.no_grad()
def outputs(x: Tensor, layers: Sequence[nn.Module]) -> list[Tensor]:
    """What comes out of each layer, nothing overwritten."""
    found = []
    for layer in layers:
        x = layer(x.clone())
        found.append(x)
    return found


def features(pictures: Tensor, layers: Sequence[nn.Module], wanted: Sequence[int]) -> Mistakes:
    normal = (pictures - MEAN) / STD

    def at(x: Tensor, places: Sequence[int] = wanted) -> list[Tensor]:
        made = outputs(x, layers)
        return [made[k] for k in places]

    def overwritten() -> list[Tensor]:
        made = outputs(normal, layers)
        spoilt = [k + 1 < len(layers) and getattr(layers[k + 1], "inplace", False) for k in range(len(layers))]
        return [made[k + 1] if spoilt[k] and k < max(wanted) else made[k] for k in wanted]

    own_mean = pictures.mean((2, 3), keepdim=True)
    return {
        "the pictures were not normalised: (pictures - MEAN) / STD comes before the first layer": lambda: at(pictures),
        "MEAN was subtracted, and STD left out": lambda: at(pictures - MEAN),
        "it was divided by STD, and MEAN left out": lambda: at(pictures / STD),
        "MEAN and STD are exchanged": lambda: at((pictures - STD) / MEAN),
        "it was multiplied by STD: divide": lambda: at((pictures - MEAN) * STD),
        "the pictures were normalised twice: once, before the first layer": lambda: at((normal - MEAN) / STD),
        "the normalised pictures were clipped: they reach from about -2 to 2.6": lambda: at(normal.clamp(0, 1)),
        "one number was taken for all channels: MEAN and STD have three, one for each": lambda: at(
            (pictures - MEAN.mean()) / STD.mean()
        ),
        "RESCALE is for the loss: the features come back as they are": lambda: [RESCALE * x for x in at(normal)],
        "MEAN was divided too: subtract it first, and then divide": lambda: at(pictures - MEAN / STD),
        "the pictures were taken to -1..1, as a generator that ends with tanh has them: here MEAN and STD": lambda: at(
            2 * pictures - 1
        ),
        "the pictures were taken to -1..1 before MEAN and STD: these belong to [0, 1]": lambda: at(
            (2 * pictures - 1 - MEAN) / STD
        ),
        "the pictures were taken to 0..255 before MEAN and STD: these belong to [0, 1]": lambda: at(
            (255 * pictures - MEAN) / STD
        ),
        "red and blue are exchanged: MEAN and STD are in the order of the pictures' channels": lambda: at(
            (pictures - MEAN.flip(0)) / STD.flip(0)
        ),
        "the pictures' own mean was subtracted: MEAN is ImageNet's": lambda: at((pictures - own_mean) / STD),
        "MEAN and STD lie along the width: MEAN.view(3, 1, 1) goes with the channels": lambda: at(
            (pictures - MEAN.flatten()) / STD.flatten()
        ),
        "STD lies along the width: STD.view(3, 1, 1) goes with the channels": lambda: at(
            (pictures - MEAN) / STD.flatten()
        ),
        "the features from before a ReLU came back as they are after it: it works in place, so keep x.clone()": (
            overwritten
        ),
        "a ReLU was applied to all features: those from before a ReLU may be negative": lambda: [
            x.relu() for x in at(normal)
        ],
        "what went into the layers came back: their outputs are wanted": lambda: [
            (normal, *outputs(normal, layers))[k] for k in wanted
        ],
        "the layers are counted from 0: the output of the layer after came back": lambda: at(
            normal, [k + 1 for k in wanted]
        ),
        "they are in the network's order: place k belongs to wanted[k]": lambda: at(normal, sorted(wanted)),
        "only the features of the deepest layer came back": lambda: at(normal, [max(wanted)]),
        "the features of every layer came back: only the wanted ones": lambda: at(normal, range(max(wanted) + 1)),
    }
