"""What checks are made of: a careful call of the student's function, and a comparison that names the mistake."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course.likeness import fits, is_close, is_same, number_in, only_float32, tensors_in
from course.symptoms import NOTHING, describe, form_of, how_far_off, side_by_side, symptom
from srlib.patches import mixed

Mistakes = dict[str, Callable[[], Any]]  # the cause of a wrong answer -> what the answer would then be

_VAGUE = re.compile(r"values are wrong, the first at|is another one$|at the edge are wrong$|times the right one$")


class Wrong(Exception):
    """A wrong answer in words: its likely cause, what was expected, what came, and pictures where they help."""

    def __init__(
        self, cause: str, *, expected: str = "", got: str = "", pictures: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__(cause)
        self.cause, self.expected, self.got, self.pictures = cause, expected, got, dict(pictures or {})


class Case:
    """One run of one check: random numbers that follow from the seed, and a call that guards its inputs."""

    def __init__(self, seed: int, number: int, reference: Callable[..., Any]) -> None:
        self.rng = torch.Generator().manual_seed(mixed(seed, number))
        self._signature = inspect.signature(reference)

    def rand(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), float32."""
        return torch.rand(shape, generator=self.rng)

    def integer(self, low: int, high: int) -> int:
        """Uniform in low .. high, both included."""
        return int(torch.randint(low, high + 1, (1,), generator=self.rng))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function's answer. Raises Wrong if an input is another one afterwards, or if nothing comes back."""
        given = self._signature.bind(*args, **kwargs).arguments
        before = {name: _copied(value) for name, value in given.items()}
        flags = [(name, x, x.requires_grad) for name, value in given.items() for x in tensors_in(value)]
        gradients = torch.is_grad_enabled()
        answer = function(*args, **kwargs)
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
            raise Wrong(
                "gradients stay switched off for all that comes after the call: `with torch.no_grad():` ends by itself",
                expected="torch's gradient mode as it was",
                got="another mode",
            )
        for name, value in given.items():
            if not _untouched(before[name], value):
                raise Wrong(
                    f"your code changes its input `{name}` in place (an operation such as `x -= ...`, `x[...] = ...`, "
                    "`x.abs_()` or `x.pop()`): work on a new one",
                    expected=f"`{name}` as it was before the call",
                    got=f"`{name}` with other values",
                )
        for name, x, flag in flags:
            if x.requires_grad != flag:
                raise Wrong(
                    f"your code switches requires_grad of {name} off, and {name} is the caller's: torch.no_grad or "
                    "detach is enough"
                    if flag
                    else f"{name} itself was made to require gradients, and it is the caller's: leave requires_grad_ "
                    "out, or take x.clone() first",
                    expected=f"`{name}` as it came",
                    got=f"`{name}` with another requires_grad",
                )
        if answer is None and self._signature.return_annotation is not None:
            raise Wrong(NOTHING, expected="an answer", got=describe(None))
        return answer


Check = Callable[[Any, Case], None]


@dataclass(frozen=True)
class Exercise:
    """What a right answer must satisfy. `reference` does the same with srlib's means and the student's signature.

    The first sentence of a check's docstring is shown to the student as what is being checked.
    """

    reference: Callable[..., Any]
    checks: tuple[Check, ...] = field(default=())


def compare(
    got: Any,
    expected: Any,
    *,
    within: float,
    what: str,
    unit: str = "",
    public: bool = False,
    mistakes: Mapping[str, Callable[[], Any]] | None = None,
    pictures: bool = False,
    otherwise: Callable[[], str] | None = None,
) -> None:
    """Passes if `got` is `expected` (a number, a tensor, a string, or a sequence of these), else raises Wrong.

    within: largest absolute difference of a right answer. what: the expected thing in words; its value is printed
    only if `public` (an example that the exercise's text gives away too). mistakes: cause -> what the answer would
    be with it, computed only when the answer is wrong; the first that fits is named. otherwise: says more where none
    fits and the symptom is hardly more than a count ("" if it does not know either). pictures: show both.
    """
    if is_same(got, expected, within):
        return
    in_float32 = only_float32(got, expected, within)
    mistakes = {} if in_float32 else mistakes or {}
    cause = next((c for c, make in mistakes.items() if fits(got, make, within)), None)
    if cause is None:
        cause = symptom(got, expected, within)
        cause = (otherwise() if otherwise and _VAGUE.search(cause) else "") or cause
    unit = f" {unit}" if unit else ""
    told, wanted = form_of(got), form_of(expected)
    if told == wanted or None not in (number_in(got), number_in(expected)):
        told = wanted = ""
    raise Wrong(
        cause,
        expected=f"{what}: {describe(expected)}{unit}{wanted}" if public else what,
        got=f"{describe(got)}{'' if got is None else unit}{told}{'' if public else how_far_off(got, expected, unit)}",
        pictures=side_by_side(got, expected) if pictures else None,
    )


def that_fit_elsewhere(here: Mistakes, there: Mistakes, got: Callable[[], Tensor]) -> Mistakes:
    """The causes that explain another call too: in a small example several mistakes look alike."""

    def given(cause: str) -> Tensor:
        wrong, made = there[cause](), got()
        if (
            not isinstance(made, Tensor)
            or made.shape != wrong.shape
            or not torch.allclose(made.double(), wrong.double(), rtol=1e-6, atol=1e-6)
        ):
            raise ValueError("it explains one of the calls alone")
        return here[cause]()

    return {cause: partial(given, cause) for cause in here}


def require(right: bool, cause: str, *, expected: str, got: Any) -> None:
    """Raises Wrong with this cause if something that must hold does not."""
    if not right:
        raise Wrong(cause, expected=expected, got=got if isinstance(got, str) else describe(got))


def _copied(value: Any) -> Any:
    """An input as it is now: tensors copied, mappings and sequences taken apart, all else itself."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, (list, tuple)) else value


def _untouched(before: Any, now: Any) -> bool:
    """Whether an input is what it was when `_copied` looked at it: names, order and numbers too, not only tensors."""
    if isinstance(before, Tensor):
        return before.shape == now.shape and before.dtype == now.dtype and is_close(before, now.detach(), 0.0)
    if isinstance(before, dict):
        return list(before) == list(now) and all(_untouched(part, now[key]) for key, part in before.items())
    if isinstance(before, list):
        return len(before) == len(now) and all(map(_untouched, before, now))
    return before is now
