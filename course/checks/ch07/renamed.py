"""07.7 renamed: what a right answer must satisfy."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks.ch07 import renamed_mistakes
from course.checks.ch07.shared import State
from srlib.models import rrdbnet

Renamed = Callable[[State], dict[str, Tensor]]


def _renamed(state: State) -> dict[str, Tensor]:
    """srlib's `official_names` reads whole networks only, so a name at a time goes through its table."""
    marks = {"conv_first.weight": torch.zeros(()), "RRDB_trunk.0.RDB1.conv1.weight": torch.zeros(())}
    result = {}
    for name, value in state.items():
        found = rrdbnet.official_names({**marks, name: value})
        assert found is not None
        result[next(new for new, other in found.items() if other is value)] = value
    return result


def _named(names: Sequence[str]) -> dict[str, Tensor]:
    """A tensor of its own for each name, so that one can be found again."""
    return {name: torch.tensor(float(number)) for number, name in enumerate(names)}


def _compare_names(answer: Renamed, case: Case, names: Sequence[str], what: str, public: bool = False) -> None:
    state = _named(names)
    got, expected = case.call(answer, state), _renamed(state)
    require(
        isinstance(got, Mapping) and all(isinstance(value, Tensor) for value in got.values()),
        "a dict of name -> tensor is wanted",
        expected=what,
        got=got,
    )
    found: dict[float, list[str]] = {}
    for name, value in got.items():
        found.setdefault(float(value) if value.ndim == 0 else math.nan, []).append(name)
    for (new, value), old in zip(expected.items(), state, strict=True):
        now = found.get(float(value), [])
        if new in now and len(now) == 1:
            continue
        if not now:
            why = "this name is one of today's, and stays" if new == old else "each name gives one, .bias too"
            for cause, wrong in renamed_mistakes.NAMES.items():
                if (name := wrong(old)) in got and name not in expected:
                    why = f"it and another one became {name}; {cause}"
            raise Wrong(
                f"the tensor of {old} is missing: {why}",
                expected=what,
                got=f"{len(got)} of {len(state)} tensors",
            )
        if len(now) > 1:
            raise Wrong(f"{old} is there twice: under its new name only", expected=what, got=f"{now[0]} and {now[1]}")
        cause = next(
            (c for c, wrong in renamed_mistakes.NAMES.items() if wrong(old) == now[0]), "the new name is another one"
        )
        if now[0] == old and re.search(r"\.\d\d\.", old):
            cause += "; the block's number may have two digits"
        raise Wrong(f"{old} became {now[0]}: {cause}", expected=new if public else what, got=now[0])
    require(len(got) == len(expected), "there are more tensors than before", expected=what, got=f"{len(got)} tensors")


def _old_names(blocks: int) -> list[str]:
    body = [
        f"RRDB_trunk.{n}.RDB{m}.conv{k}.{kind}"
        for n in range(blocks)
        for m in (1, 2, 3)
        for k in range(1, 6)
        for kind in ("weight", "bias")
    ]
    outside = ("conv_first", "trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last")
    return body + [f"{name}.{kind}" for name in outside for kind in ("weight", "bias")]


def names_worked_example(answer: Renamed, case: Case) -> None:
    """RRDB_trunk.12.RDB1.conv5.bias and HRconv.weight get their new names."""
    names = ("RRDB_trunk.12.RDB1.conv5.bias", "HRconv.weight")
    _compare_names(answer, case, names, "body.12.rdb1.conv5.bias and conv_hr.weight", public=True)


def names_outside(answer: Renamed, case: Case) -> None:
    """The layers outside of the body: four change, two stay."""
    _compare_names(answer, case, _old_names(0), "the six layers outside of the body, weights and biases")


def names_of_a_network(answer: Renamed, case: Case) -> None:
    """A whole network of twelve blocks, none lost and none changed."""
    _compare_names(answer, case, _old_names(12), "all tensors of a network of 12 blocks")
    _compare_names(answer, case, ["RRDB_trunk.123.RDB2.conv4.weight"], "a block's number of three digits")


def names_of_today(answer: Renamed, case: Case) -> None:
    """Names of today stay as they are."""
    names = list(_renamed(_named(_old_names(1))))
    _compare_names(answer, case, names, "the very same names")
    _compare_names(answer, case, [*names, "RRDB_trunk.1.RDB1.conv1.bias"], "the same names, and one old one renamed")


def names_keep_values(answer: Renamed, case: Case) -> None:
    """The tensors themselves are not touched, whatever their shape and dtype."""
    state = {"trunk_conv.weight": case.rand(2, 3, 3, 3).double(), "RRDB_trunk.0.RDB2.conv3.bias": case.rand(4) - 0.5}
    got = case.call(answer, state)
    for (new, value), old in zip(_renamed(state).items(), state, strict=True):
        compare(got.get(new), value, within=0.0, what=f"the values of {old}")
        require(
            got[new].dtype == value.dtype,
            "the tensor has another dtype than before: only the names change",
            expected=f"{old} of dtype {value.dtype}",
            got=f"dtype {got[new].dtype}",
        )


EXERCISE = Exercise(
    _renamed, (names_worked_example, names_outside, names_of_a_network, names_of_today, names_keep_values)
)
