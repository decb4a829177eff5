"""What the usual mistakes in 07.3 give: cause -> formula, computed only when an answer is wrong."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes


def cut_means(real: Tensor, fake: Tensor) -> Mistakes:
    """Gradients of the discriminator's loss, real ones and then made ones, with inner means that pass none on."""

    def slopes(cut_fake: bool, cut_real: bool) -> Tensor:
        with torch.enable_grad():
            r, f = real.clone().requires_grad_(), fake.clone().requires_grad_()
            mean_f, mean_r = (x.mean().detach() if cut else x.mean() for x, cut in ((f, cut_fake), (r, cut_real)))
            loss = F.softplus(mean_f - r).mean() + F.softplus(f - mean_r).mean()
            return torch.cat(torch.autograd.grad(loss, (r, f)))

    def of_one(real_too: bool) -> Tensor:
        with torch.enable_grad():
            r, f = real.clone().requires_grad_(real_too), fake.clone().requires_grad_(not real_too)
            loss = F.softplus(f.mean() - r).mean() + F.softplus(f - r.mean()).mean()
            [found] = torch.autograd.grad(loss, r if real_too else f)
            return torch.cat([found, torch.zeros_like(f)] if real_too else [torch.zeros_like(r), found])

    told = "no gradient through the inner mean{}, as in the authors' code: leave out detach and .item()"
    return {
        told.format("s"): lambda: slopes(True, True),
        told.format(" of fake"): lambda: slopes(True, False),
        told.format(" of real"): lambda: slopes(False, True),
        "no gradient reaches fake: leave out detach, .item() and torch.no_grad": lambda: of_one(True),
        "no gradient reaches real: leave out detach, .item() and torch.no_grad": lambda: of_one(False),
    }
