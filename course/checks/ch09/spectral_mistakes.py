"""What the usual mistakes in 09.2 give: cause -> formula, computed only when an answer is wrong."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes


def spectral(weight: Tensor, u: Tensor, iterations: int) -> Mistakes:
    """Of (weight / sigma, u)."""

    def iterated(rows: Tensor, start: Tensor, times: int) -> tuple[Tensor, Tensor, Tensor]:
        """u, v, and the u before the last step."""
        now, before, v = start, start, start
        for _ in range(times):
            v = F.normalize(rows.T @ now, dim=0)
            before, now = now, F.normalize(rows @ v, dim=0)
        return now, v, before

    def by(sigma: Any, new_u: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return weight / sigma, right_u if new_u is None else new_u

    def bare(of_v: bool, of_u: bool) -> tuple[Tensor, Tensor]:
        now, v = u, u
        for _ in range(iterations):
            v = rows.T @ now if of_v else F.normalize(rows.T @ now, dim=0)
            now = rows @ v if of_u else F.normalize(rows @ v, dim=0)
        return by(now @ (rows @ v), now)

    def other_matrix(matrix: Tensor) -> tuple[Tensor, Tensor]:
        now, v, _ = iterated(matrix, u, iterations)
        return by(now @ (matrix @ v), now)

    rows = weight.flatten(1)
    right_u, right_v, old_u = iterated(rows, u, iterations)
    sigma = right_u @ (rows @ right_v)
    exact = torch.linalg.svdvals(rows)[0]
    mistakes: Mistakes = {
        "the matrix has its rows cut wrongly: weight.flatten(1), a row for each output channel": lambda: other_matrix(
            weight.reshape(-1, len(weight)).T
        ),
        "the matrix has a row for each input channel: one for each output channel": lambda: other_matrix(
            weight.transpose(0, 1).flatten(1)
        ),
        "the weight is multiplied by sigma: divided": lambda: by(1 / sigma),
        "sigma came back, and not weight / sigma": lambda: (sigma, right_u),
        "the u that came went back: the new one, so that the next call goes on from it": lambda: by(sigma, u),
        "v came back in the place of u": lambda: by(sigma, right_v),
        "neither u nor v is normalised: divide each by its length": lambda: bare(True, True),
        "v is not normalised: divide it by its length": lambda: bare(True, False),
        "u is not normalised: divide it by its length": lambda: bare(False, True),
        "sigma is taken with the u of the step before: u^T W v with the new one": lambda: by(old_u @ (rows @ right_v)),
        "the exact singular value: power iteration comes near it in so many steps, from the u that came": lambda: by(
            exact
        ),
        "the exact singular value, and the u that came: estimate it by `iterations` steps from that u, and return the "
        "u that they lead to": lambda: by(exact, u),
        "the Frobenius norm, the root of all squares: the largest singular value": lambda: by(rows.norm()),
        "the Frobenius norm, and the u that came: the largest singular value, by `iterations` steps from that u": (
            lambda: by(rows.norm(), u)
        ),
        "the largest weight: the largest singular value": lambda: by(rows.abs().max()),
        "the length of the longest row: the largest singular value": lambda: by(rows.norm(dim=1).max()),
        "the square of sigma, the eigenvalue of W^T W: its root": lambda: by(sigma**2),
        "the root of sigma: sigma itself": lambda: by(sigma**0.5),
        "each row was divided by its own length: all by one number": lambda: (
            weight / rows.norm(dim=1).view(-1, *[1] * (weight.ndim - 1)),
            right_u,
        ),
        "sigma below 1 was left alone: the weight is divided by whatever it is": lambda: by(sigma.clamp(min=1)),
        "the weight came back as it was: divide it by sigma": lambda: by(1.0),
        "one iteration too few": lambda: one_more(-1),
        "one iteration too many": lambda: one_more(1),
        "a single iteration, whatever was asked for": lambda: one_more(1 - iterations),
        "u began anew with ones: go on from the u that came": lambda: fresh(torch.ones_like(u)),
        "v is computed once more after u: sigma = u^T W v with the v from which u was made": lambda: by(
            (rows.T @ right_u).norm()
        ),
        "W u stands in the place of W^T u": lambda: untransposed(),
        "each vector was divided by the sum of its absolute values: by the root of the sum of its squares": lambda: (
            scaled(1.0)
        ),
        "each vector was divided by its largest value: by the root of the sum of its squares": lambda: scaled(
            float("inf")
        ),
        "u and weight / sigma came back in the other order": lambda: (right_u, weight / sigma),
        "all singular values were added: the largest alone": lambda: by(torch.linalg.svdvals(rows).sum()),
        "the smallest singular value: the largest": lambda: by(torch.linalg.svdvals(rows)[-1]),
        "the absolute values of the weights were taken for W: as they are": lambda: other_matrix(rows.abs()),
        "the kernel's positions were averaged: W has a column for each of them": lambda: other_matrix(
            weight.flatten(2).mean(2)
        ),
        "the kernel's positions were summed: W has a column for each of them": lambda: other_matrix(
            weight.flatten(2).sum(2)
        ),
    }

    def untransposed() -> tuple[Tensor, Tensor]:
        now, v = u, u
        for _ in range(iterations):
            v = F.normalize(rows @ now, dim=0)
            now = F.normalize(rows @ v, dim=0)
        return by(now @ (rows @ v), now)

    def scaled(p: float) -> tuple[Tensor, Tensor]:
        now, v = u, u
        for _ in range(iterations):
            v = F.normalize(rows.T @ now, p=p, dim=0)
            now = F.normalize(rows @ v, p=p, dim=0)
        return by(now @ (rows @ v), now)

    def one_more(more: int) -> tuple[Tensor, Tensor]:
        now, v, _ = iterated(rows, u, iterations + more)
        return by(now @ (rows @ v), now)

    def fresh(start: Tensor) -> tuple[Tensor, Tensor]:
        now, v, _ = iterated(rows, start, iterations)
        return by(now @ (rows @ v), now)

    return mistakes


def spectral_slopes(weight: Tensor, u: Tensor, iterations: int, upstream: Tensor) -> Mistakes:
    """Of the gradient of (upstream * weight / sigma).sum() at the weight."""

    def slope(cut_sigma: bool, cut_vectors: bool) -> Tensor:
        with torch.enable_grad():
            w = weight.clone().requires_grad_()
            rows, now, v = w.flatten(1), u, u
            for _ in range(iterations):
                v = F.normalize(rows.T @ now, dim=0)
                now = F.normalize(rows @ v, dim=0)
                if cut_vectors:
                    v, now = v.detach(), now.detach()
            sigma = now @ (rows @ v)
            return torch.autograd.grad((upstream * w / (sigma.detach() if cut_sigma else sigma)).sum(), w)[0]

    def of_sigma_alone() -> Tensor:
        return slope(False, True) - slope(True, True)

    return {
        "no gradient goes through sigma: only u and v are constants": lambda: slope(True, True),
        "the gradient goes through sigma alone: the weight that is divided is detached": of_sigma_alone,
        "the gradient goes through the power iteration: u and v are constants, found under torch.no_grad": lambda: (
            slope(False, False)
        ),
    }
