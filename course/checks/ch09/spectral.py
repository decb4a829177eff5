"""09.2 spectral: what a right answer must satisfy."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch09 import spectral_mistakes

Spectral = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def _spectral(weight: Tensor, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """srlib's is a convolution, which keeps u and v for itself."""
    rows = weight.detach().flatten(1)
    for _ in range(iterations):
        v = torch.mv(rows.T, u)
        v = v / v.norm()
        u = torch.mv(rows, v)
        u = u / u.norm()
    return weight / (torch.outer(u, v) * weight.flatten(1)).sum(), u


def _by_powers(weight: Tensor, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """u is (W W^T)^n u, v is W^T (W W^T)^(n-1) u, each made as long as 1."""
    rows = weight.detach().double().flatten(1)
    square = rows @ rows.T
    v = rows.T @ torch.linalg.matrix_power(square, iterations - 1) @ u.double()
    new = torch.linalg.matrix_power(square, iterations) @ u.double()
    new, v = new / new.norm(), v / v.norm()
    return (weight.detach().double() / (new @ rows @ v)).to(weight), new.to(u)


def _unit(case: Case, size: int) -> Tensor:
    return F.normalize(case.rand(size) + 0.1, dim=0)


def _compare_spectral(
    answer: Spectral, case: Case, weight: Tensor, u: Tensor, iterations: int, what: str,
    within: float = 1e-5, public: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    got, again = (case.call(answer, weight, u, iterations) for _ in range(2))
    if not (type(got) in (tuple, list) and len(got) == 2 and all(isinstance(x, Tensor) for x in got)):
        raise Wrong(
            "two tensors are wanted: return weight / sigma and the new u",
            expected="two tensors",
            got=f"{len(got)} values" if type(got) in (tuple, list) else f"a {type(got).__name__}",
        )
    require(
        all(torch.allclose(a.detach(), b.detach(), 1e-4, 1e-6) for a, b in zip(got, again, strict=True)),
        "the same call twice gives two results: nothing is drawn, nothing is kept; it starts from the u that came",
        expected="the same result from the same weight and u",
        got="another one",
    )
    with torch.no_grad():
        compare(
            got,
            _by_powers(weight, u, iterations),
            within=within,
            what=what,
            public=public,
            mistakes=spectral_mistakes.spectral(weight.detach(), u, iterations),
            otherwise=lambda: _what_of_spectral(got, weight.detach(), u, iterations),
        )
    require(
        not got[1].requires_grad,
        "the new u hangs in the graph: find u and v under torch.no_grad",
        expected="a u without a gradient",
        got="a u that requires gradients",
    )
    return got[0], got[1]


def _what_of_spectral(got: Sequence[Tensor], weight: Tensor, u: Tensor, iterations: int) -> str:
    """Which part is wrong: the new u, its length, or sigma alone."""
    made, new = got
    right, right_u = _by_powers(weight, u, iterations)
    if new.shape != right_u.shape or made.shape != right.shape:
        return ""
    length, along = float(new.norm()), float(F.cosine_similarity(new, right_u, dim=0))
    if abs(length - 1) > 1e-4:
        return f"the new u has the length {length:.4g}: 1, the root of the sum of its squares (F.normalize, dim=0)"
    if abs(along) < 1 - 1e-6:
        return "the new u points another way: v = W^T u and u = W v, each divided by its length, once per iteration"
    factor = float((right * made).sum() / made.square().sum())
    if torch.allclose(made * factor, right, rtol=0, atol=1e-5):
        return f"the new u is right, but sigma is {factor:.6g} times the right one: u^T W v, of the last u and v"
    return "the new u is right, but weight / sigma is not: all of the weight, divided by one number"


def spectral_worked_example(answer: Spectral, case: Case) -> None:
    """3 becomes 0.967471, and 1 becomes 0.322490, after one iteration."""
    weight = torch.tensor([[3.0, 1.0], [0.0, 1.0]])
    u = torch.ones(2) / 2**0.5
    _compare_spectral(answer, case, weight, u, 1, "weight / sigma and the new u", public=True)


def spectral_random(answer: Spectral, case: Case) -> None:
    """Convolutions and linear layers, large weights and small ones, one iteration and several."""
    for shape, iterations, size in (
        ((4, 3, 3, 3), 1, 1.0),
        ((3, 5, 2, 2), 3, 0.1),
        ((5, 2), 2, 1.0),
        ((4, 4, 1, 1), 1, 3.0),
    ):
        weight = size * (case.rand(*shape) - 0.4)
        what = f"weight / sigma and u, of a weight {shape}, {iterations} iteration(s)"
        _compare_spectral(answer, case, weight, _unit(case, shape[0]), iterations, what, within=3e-5)


def spectral_gradient(answer: Spectral, case: Case) -> None:
    """The gradient flows through the weight and through sigma, with u and v as constants."""
    weight = (case.rand(3, 2, 2, 2) - 0.4).requires_grad_()
    u, upstream = _unit(case, 3), case.rand(3, 2, 2, 2) - 0.3
    made, new = _compare_spectral(answer, case, weight, u, 1, "weight / sigma and u")
    if not made.requires_grad:
        raise Wrong(
            "no gradient can flow: only u and v are found under torch.no_grad, not weight / sigma",
            expected="weight / sigma that can be trained through",
            got="a tensor without a gradient",
        )
    [got] = torch.autograd.grad((upstream * made).sum(), weight)
    rows = weight.detach().flatten(1)
    v = F.normalize(rows.T @ u, dim=0)
    sigma = new @ rows @ v
    expected = upstream / sigma - (upstream * weight.detach()).sum() / sigma**2 * torch.outer(new, v).view_as(weight)
    mistakes = spectral_mistakes.spectral_slopes(weight.detach(), u, 1, upstream)
    compare(got, expected, within=1e-4, what="the gradient of the weight", mistakes=mistakes)


def spectral_goes_on(answer: Spectral, case: Case) -> None:
    """Calls in a row, each with the u that the last one left, come near the largest singular value, in float64."""
    left, right = (torch.linalg.qr(case.rand(n, n).double())[0] for n in (3, 4))
    weight = (left * torch.tensor([2.5, 1.0, 0.5]).double()) @ right[:3]
    u = _unit(case, 3).double()
    u = u if float((left[:, 0] @ u).abs()) > 0.1 else left.sum(1) / 3**0.5
    for _ in range(3):
        made, u = _compare_spectral(answer, case, weight, u, 5, "weight / sigma and u, in float64", within=1e-9)
    compare(
        float(torch.linalg.svdvals(made.detach().flatten(1))[0]),
        1.0,
        within=1e-5,
        what="the largest singular value of weight / sigma after 15 iterations",
    )


EXERCISE = Exercise(_spectral, (spectral_worked_example, spectral_random, spectral_gradient, spectral_goes_on))
