"""07.5 interpolated: what a right answer must satisfy."""

import contextlib
import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch07 import interpolated_mistakes
from course.checks.ch07.shared import State

_WITHIN = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 2e-3}  # whole numbers: none
Interpolated = Callable[[State, State, float], dict[str, Tensor]]


def _interpolated(psnr: State, gan: State, alpha: float) -> dict[str, Tensor]:
    """By torch.lerp; srlib's interpolate takes networks and gives one."""
    if {k: v.shape for k, v in psnr.items()} != {k: v.shape for k, v in gan.items()}:
        raise ValueError("the two networks differ in names or shapes: only two of a kind can be mixed")
    return {
        name: torch.lerp(psnr[name], value, alpha) if value.is_floating_point() else value.clone()
        for name, value in gan.items()
    }


def _compare_states(
    answer: Interpolated, case: Case, psnr: dict[str, Tensor], gan: dict[str, Tensor], alpha: float, what: str,
    public: bool = False,
) -> dict[str, Tensor]:  # fmt: skip
    expected = _interpolated(psnr, gan, alpha)
    try:
        got = case.call(answer, psnr, gan, alpha)
    except ValueError as error:
        raise Wrong(
            "two networks of the same names and shapes were refused: neither the order of the names matters, nor alpha",
            expected=what,
            got=f"ValueError: {str(error)[:60]}",
        ) from error
    require(
        isinstance(got, Mapping) and all(isinstance(value, Tensor) for value in got.values()),
        "a dict of name -> tensor is wanted, as state_dict() gives it",
        expected=what,
        got=got,
    )
    if lost := [name for name in expected if name not in got]:
        raise Wrong(
            f"{lost[0]} is missing: a tensor of whole numbers belongs to the network too, as gan has it"
            if not gan[lost[0]].is_floating_point()
            else f"{lost[0]} is missing: every name of the two is wanted",
            expected=what,
            got=f"{len(got)} of {len(expected)} tensors",
        )
    require(
        set(got) == set(expected), "there are names in it that the two do not have", expected=what, got=f"{list(got)}"
    )
    for name, wanted in expected.items():
        if wanted.is_floating_point():
            beside = list(psnr.values())[list(gan).index(name)], list(gan.values())[list(psnr).index(name)]
            mistakes = interpolated_mistakes.between(psnr[name], gan[name], alpha, beside)
        else:
            require(
                not got[name].is_floating_point(),
                f"{name} was mixed: whole numbers cannot be, they are gan's and stay whole",
                expected=f"{name} as gan has it",
                got=f"dtype {got[name].dtype}",
            )
            mistakes = interpolated_mistakes.counters(name, psnr[name], gan[name], alpha)
        within = _WITHIN.get(wanted.dtype, 0.0)
        compare(got[name], wanted, within=within, what=f"{name}, {what}", public=public, mistakes=mistakes)
        require(
            got[name].dtype == wanted.dtype,
            f"{name} has another dtype than in the two networks",
            expected=f"{name} of dtype {wanted.dtype}",
            got=f"dtype {got[name].dtype}",
        )
    places = {value.data_ptr() for state in (psnr, gan) for value in state.values()}
    require(
        not any(value.data_ptr() in places for value in got.values()),
        "the result shares memory with psnr or gan: training it would change them; clone what is taken as it is",
        expected="tensors of its own",
        got="a tensor of psnr or gan itself",
    )
    return dict(got)


def _refuses(answer: Interpolated, case: Case, psnr: State, gan: State, cause: str) -> None:
    alpha = 0.5
    try:
        for alpha in (0.5, 0.0, 1.0):
            with contextlib.suppress(ValueError):
                case.call(answer, psnr, gan, alpha)
                break
        else:
            return
    except (KeyError, RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise Wrong(
            "the right thing is refused, but by another error: `raise ValueError(...)` before anything is mixed",
            expected="a ValueError",
            got=type(error).__name__,
        ) from error
    if alpha != 0.5:
        cause = f"at alpha {alpha:g} networks that differ are passed over: compare names and shapes first of all"
    raise Wrong(cause, expected="a ValueError", got="an answer")


def states_worked_example(answer: Interpolated, case: Case) -> None:
    """A quarter of the way from (1, 2) to (3, 6) is (1.5, 3); the counter is gan's."""
    psnr = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(8)}
    gan = {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(20)}
    _compare_states(answer, case, psnr, gan, 0.25, "alpha 0.25", public=True)


def states_random(answer: Interpolated, case: Case) -> None:
    """Every tensor of floats is mixed, buffers too, for any alpha from 0 to 1, names in any order."""
    for alpha in (0.3, 0.8, 0.0, 1.0):
        names = ("body.0.weight", "norm.running_mean", "conv_last.bias", "scale")
        psnr = {name: case.rand(2, 3) + 1 for name in names}
        gan = {name: case.rand(2, 3) - 2 for name in reversed(names)}
        _compare_states(answer, case, psnr, gan, alpha, f"alpha {alpha}")


def states_whole_numbers(answer: Interpolated, case: Case) -> None:
    """Whatever holds no floats is gan's, whole, whatever its name and alpha; all floats are mixed, in their dtype."""
    psnr = {"num_batches_tracked": torch.tensor(4), "steps": torch.tensor([1, 2]), "w": case.rand(3).double()}
    gan = {"num_batches_tracked": torch.tensor(9), "steps": torch.tensor([8, 5]), "w": case.rand(3).double()}
    psnr["mask"], gan["mask"] = torch.tensor([True, False]), torch.tensor([False, True])
    psnr["levels"], gan["levels"] = (torch.tensor(x, dtype=torch.uint8) for x in ([3, 9], [200, 4]))
    psnr["slope"], gan["slope"] = case.rand(1)[0], case.rand(1)[0]
    psnr["half"], gan["half"] = case.rand(3).half(), case.rand(3).half()
    for alpha in (0.5, 0.9, 0.0, 1.0):
        _compare_states(answer, case, psnr, gan, alpha, f"alpha {alpha}")


def states_refused(answer: Interpolated, case: Case) -> None:
    """Networks that differ in names or shapes are refused with a ValueError."""
    one, both = {"a": case.rand(2)}, {"a": case.rand(2), "b": case.rand(2)}
    _refuses(answer, case, one, both, "gan has a name that psnr lacks, and that was passed over: raise ValueError")
    _refuses(answer, case, both, one, "psnr has a name that gan lacks, and that was passed over: raise ValueError")
    _refuses(
        answer, case, {"b": case.rand(2)}, one, "as many names, and other ones, were passed over: raise ValueError"
    )
    shapes = "shapes differ, and torch repeated the smaller one: raise ValueError"
    _refuses(answer, case, {"a": case.rand(1)}, one, shapes)
    _refuses(answer, case, {"a": case.rand(1, 2)}, {"a": case.rand(2, 1)}, shapes)
    counts = torch.tensor([1, 2])
    whole = "tensors of whole numbers differ in shape, and that was passed over: raise ValueError"
    _refuses(answer, case, one | {"n": counts}, one | {"n": counts[0]}, whole)


def states_of_networks(answer: Interpolated, case: Case) -> None:
    """What comes back loads into a network with a BatchNorm, and the network is the mixture."""
    psnr, gan = (nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)) for _ in range(2))
    for network in (psnr, gan):
        for value in network.state_dict().values():
            value.copy_(case.rand(*value.shape) if value.is_floating_point() else case.integer(1, 99))
    mixed = _compare_states(answer, case, dict(psnr.state_dict()), dict(gan.state_dict()), 0.6, "two networks' weights")
    copy.deepcopy(gan).load_state_dict(mixed)


EXERCISE = Exercise(
    _interpolated,
    (states_worked_example, states_random, states_whole_numbers, states_refused, states_of_networks),
)
