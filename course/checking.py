"""What checks are made of: a careful call of the student's function, and a comparison that names the mistake."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from srlib.patches import mixed

_NOTHING = "nothing came back: is a `return` missing?"


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
        before = {name: [x.detach().clone() for x in _tensors(value)] for name, value in given.items()}
        answer = function(*args, **kwargs)
        for name, value in given.items():
            now = _tensors(value)
            if len(now) != len(before[name]) or not all(map(_unchanged, before[name], now)):
                raise Wrong(
                    f"your code changes its input `{name}` in place (an operation such as `x -= ...`, `x[...] = ...`, "
                    "`x.abs_()` or `list.pop()`): work on a new one",
                    expected=f"`{name}` as it was before the call",
                    got=f"`{name}` with other values",
                )
        if answer is None and self._signature.return_annotation is not None:
            raise Wrong(_NOTHING, expected="an answer", got=describe(None))
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
) -> None:
    """Passes if `got` is `expected` (a number, a tensor, a string, or a sequence of these), else raises Wrong.

    within: largest absolute difference of a right answer. what: the expected thing in words; its value is printed
    only if `public` (an example that the exercise's text gives away too). mistakes: cause -> what the answer would
    be with it, computed only when the answer is wrong; the first that fits is named. pictures: show both.
    """
    if _same(got, expected, within):
        return
    in_float32 = _is_tensor(got) and got.dtype == torch.float32 and _coarse(got, expected)
    mistakes = {} if in_float32 else mistakes or {}
    cause = next((c for c, make in mistakes.items() if _fits(got, make, within)), None)
    unit = f" {unit}" if unit else ""
    told, wanted = _form(got), _form(expected)
    if told == wanted or None not in (_number(got), _number(expected)):
        told = wanted = ""
    raise Wrong(
        cause or symptom(got, expected, within),
        expected=f"{what}: {describe(expected)}{unit}{wanted}" if public else what,
        got=f"{describe(got)}{'' if got is None else unit}{told}{'' if public else _off(got, expected, unit)}",
        pictures=_compared(got, expected) if pictures else None,
    )


def require(right: bool, cause: str, *, expected: str, got: Any) -> None:
    """Raises Wrong with this cause if something that must hold does not."""
    if not right:
        raise Wrong(cause, expected=expected, got=got if isinstance(got, str) else describe(got))


def symptom(got: Any, expected: Any, within: float) -> str:
    """What can be said of a wrong answer when no usual mistake fits it."""
    if got is None:
        return _NOTHING
    if isinstance(expected, (list, tuple)):
        return _symptom_of_sequence(got, expected, within)
    if not isinstance(expected, Tensor):
        if isinstance(expected, float) and (number := _number(got)) is not None:
            return _symptom_of_values(torch.tensor(number), torch.tensor(expected), within)
        return "another value is wanted" if type(got) is type(expected) else f"a {type(expected).__name__} is wanted"
    if not _is_tensor(got):
        return f"a torch.Tensor of shape {tuple(expected.shape)} is wanted, not a {type(got).__name__}"
    if got.shape != expected.shape:
        return f"the shape is {tuple(got.shape)}, but {tuple(expected.shape)} is wanted"
    if got.dtype.is_floating_point != expected.dtype.is_floating_point:
        return f"the dtype is {got.dtype}, but {expected.dtype} is wanted"
    if _coarse(got, expected):
        return "only the digits of float32 are right: float64 came in, and somewhere float32 was made of it"
    return _symptom_of_values(got.detach().cpu(), expected, within)


def describe(value: Any) -> str:
    """A value as one short line."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, (bool, str)):
        return repr(value)[:100]
    if (number := _number(value)) is not None:
        return f"{number:.6g}"
    if isinstance(value, (list, tuple)) and len(value) <= 6:
        return f"({', '.join(describe(v) for v in value)})"[:160]
    if not _is_tensor(value):
        return f"a {type(value).__name__}"
    if 0 < value.numel() <= 8:
        of = f" of shape {tuple(value.shape)}" if value.ndim > 1 else ""
        if not value.dtype.is_floating_point:
            return f"{value.flatten().tolist()}{of}"
        return f"{[float(f'{v:.6g}') for v in value.detach().flatten().tolist()]}{of}"
    span = f", values {value.min():.4g} to {value.max():.4g}" if value.numel() and not value.is_complex() else ""
    return f"a tensor {tuple(value.shape)}{span}"


def _form(value: Any) -> str:
    """What tells equal values apart that are printed alike: the shape of few values, and the type."""
    if _is_tensor(value):
        return f", shape {tuple(value.shape)}" if value.ndim < 2 and value.numel() <= 8 else ""
    if isinstance(value, (list, tuple)):
        return f", a {type(value).__name__}"
    return "" if _number(value) is None else f", a {type(value).__name__}"


def _same(got: Any, expected: Any, within: float) -> bool:
    if isinstance(expected, (list, tuple)):
        return (
            type(got) in (list, tuple)
            and len(got) == len(expected)
            and all(_same(g, e, within) for g, e in zip(got, expected, strict=True))
        )
    if isinstance(expected, Tensor):
        return (
            _is_tensor(got)
            and got.shape == expected.shape
            and got.dtype.is_floating_point == expected.dtype.is_floating_point
            and _close(got.detach().cpu().double(), expected.detach().double(), within)
        )
    if isinstance(expected, float):
        number = _number(got)
        return number is not None and _close(torch.tensor(number), torch.tensor(expected), within)
    return type(got) is type(expected) and bool(got == expected)


def _close(got: Tensor, expected: Tensor, within: float) -> bool:
    return torch.allclose(got.double(), expected.double(), rtol=0, atol=within, equal_nan=True)


def _fits(got: Any, make: Callable[[], Any], within: float) -> bool:
    """Whether a mistake gives this, to the digits that its dtype has where it makes large numbers."""
    try:
        wrong = make()
        largest = max((_largest(x) for x in _tensors(wrong)), default=0.0)
        digits = 1e-12 if {x.dtype for x in _tensors((wrong, got))} == {torch.float64} else 1e-6
        return _same(got, wrong, max(within, digits * largest) if math.isfinite(largest) else within)
    except (RuntimeError, IndexError, ValueError, ZeroDivisionError):  # this mistake is impossible on this input
        return False


def _coarse(got: Tensor, expected: Any) -> bool:
    """Whether float64 is expected and the numbers are right to the digits of float32."""
    if not (isinstance(expected, Tensor) and expected.dtype == torch.float64 and got.shape == expected.shape):
        return False
    return _close(got.detach().cpu(), expected, 1e-6 * _largest(expected))


def _largest(x: Tensor) -> float:
    return float(x.detach().abs().max()) if x.numel() else 0.0


def _is_tensor(value: Any) -> bool:
    """Of exactly torch's types: a subclass could call itself equal to everything."""
    return type(value) in (Tensor, torch.nn.Parameter)


def _number(value: Any) -> float | None:
    """A single number as a float: int, float, numpy's scalars, or a tensor without dimensions."""
    if _is_tensor(value) and value.ndim == 0 and not value.is_complex():
        return float(value.detach())
    if type(value) in (int, float) or (type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0):
        return float(value)
    return None


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [x for part in value for x in _tensors(part)] if isinstance(value, (list, tuple)) else []


def _unchanged(before: Tensor, now: Tensor) -> bool:
    return before.shape == now.shape and before.dtype == now.dtype and _close(before, now.detach(), 0.0)


def _off(got: Any, expected: Any, unit: str) -> str:
    """How far a single number, or the worst of a few, is off, in two digits: enough to think, too little to copy."""
    number = _number(got)
    if number is not None and isinstance(expected, float):
        difference = number - expected
    elif _is_tensor(got) and isinstance(expected, Tensor) and got.shape == expected.shape and got.numel():
        all_of_them = (got.detach().cpu().double() - expected.detach().double()).flatten()
        difference = float(all_of_them[all_of_them.abs().argmax()])
    else:
        return ""
    if not math.isfinite(difference) or difference == 0:
        return ""
    most = "" if number is not None or got.numel() == 1 else "at most "
    return f", {most}about {abs(difference):.2g}{unit} too {'high' if difference > 0 else 'low'}"


def _symptom_of_sequence(got: Any, expected: Sequence[Any], within: float) -> str:
    if type(got) not in (list, tuple):
        return f"a {type(expected).__name__} of {len(expected)} is wanted, not a {type(got).__name__}"
    if len(got) != len(expected):
        return f"{len(expected)} values are wanted, {len(got)} came"
    k = next(k for k, pair in enumerate(zip(got, expected, strict=True)) if not _same(*pair, within))
    return f"number {k} of the {len(expected)}: {symptom(got[k], expected[k], within)}"


def _symptom_of_values(got: Tensor, expected: Tensor, within: float) -> str:
    got, expected = got.double(), expected.double()
    if bool(got.isnan().any()) and not bool(expected.isnan().any()):
        return "there is NaN in it: 0 / 0, or the logarithm or root of a negative number"
    if bool(got.isinf().any()) and not bool(expected.isinf().any()):
        return "there is infinity in it: a division by 0, or the logarithm of 0"
    if not bool(expected.isfinite().all()):
        return "where the answer is infinite, another value came"
    if _close(got, -expected, within):
        return "the sign is wrong"
    biggest = int(expected.abs().argmax())
    size, peak = float(expected.flatten()[biggest]), float(got.flatten()[biggest])
    factor = peak / size if size and not math.isclose(peak, size, rel_tol=1e-4) else 0.0
    if expected.numel() > 1 and factor and _close(got, expected * factor, max(within, 1e-6 * abs(peak))):
        return f"every value is {_times(factor)}"
    if (
        expected.numel() > 1
        and (offset := float((got - expected).flatten()[0]))
        and _close(got - offset, expected, within)
    ):
        return f"every value is {abs(offset):.3g} too {'large' if offset > 0 else 'small'}"
    if expected.ndim >= 2:
        if got.mT.shape == got.shape and _close(got.mT, expected, within):
            return "rows and columns are exchanged"
        for name, dim in (("left and right", -1), ("top and bottom", -2)):
            if _close(got.flip(dim), expected, within):
                return f"{name} are exchanged"
        if frame := _frame(got, expected, within):
            return f"only the outer {frame} pixel(s) at the edge are wrong"
    wrong = ~torch.isclose(got, expected, rtol=0, atol=within)
    if expected.numel() == 1:
        return "the value is another one"
    first = [int(k) for k in wrong.nonzero()[0]]
    return f"{int(wrong.sum())} of {expected.numel()} values are wrong, the first at {first}"


def _times(factor: float) -> str:
    known = {255.0: "0..255 and 0..1 are mixed", 1 / 255: "0..255 and 0..1 are mixed"}
    why = next((f" ({text})" for value, text in known.items() if math.isclose(factor, value, rel_tol=1e-3)), "")
    return f"{factor:.4g} times the right one{why}"


def _frame(got: Tensor, expected: Tensor, within: float) -> int:
    """How many pixels at the edge contain all that is wrong; 0 if the middle is wrong too."""
    for k in range(1, min(expected.shape[-2:]) // 2):
        inside = (..., slice(k, -k), slice(k, -k))
        if _close(got[inside], expected[inside], within):
            return k
    return 0


def _compared(got: Any, expected: Any) -> dict[str, Tensor]:
    """Target, yours and their difference, if they are pictures of one size."""
    if not (_is_tensor(got) and isinstance(expected, Tensor) and got.shape == expected.shape and got.ndim == 4):
        return {}
    yours, target = got[:1].detach().float(), expected[:1].float()
    difference = (yours - target).abs()
    largest = float(difference.max()) or 1.0
    title = f"difference, brightest = {largest:.2g}"
    return {"target": target.clamp(0, 1), "yours": yours.clamp(0, 1), title: difference / largest}
