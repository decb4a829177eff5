"""When two answers are alike: values, shapes, kinds, to how many digits."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def is_same(got: Any, expected: Any, within: float) -> bool:
    if isinstance(expected, (list, tuple)):
        return (
            type(got) in (list, tuple)
            and len(got) == len(expected)
            and all(is_same(g, e, within) for g, e in zip(got, expected, strict=True))
        )
    if isinstance(expected, Tensor):
        return (
            is_tensor(got)
            and got.shape == expected.shape
            and got.dtype.is_floating_point == expected.dtype.is_floating_point
            and is_close(got.detach().cpu().double(), expected.detach().double(), within)
        )
    if isinstance(expected, float):
        number = number_in(got)
        return number is not None and is_close(torch.tensor(number), torch.tensor(expected), within)
    if isinstance(expected, str) and type(got).__module__ == "numpy" and isinstance(got, str):
        got = str.__str__(got)
    return type(got) is type(expected) and bool(got == expected)


def is_close(got: Tensor, expected: Tensor, within: float) -> bool:
    return torch.allclose(got.double(), expected.double(), rtol=0, atol=within, equal_nan=True)


def fits(got: Any, make: Callable[[], Any], within: float) -> bool:
    """Whether a mistake gives this, to the digits that its dtype has where it makes large numbers."""
    try:
        wrong = make()
        largest = max((_largest(x) for x in tensors_in(wrong)), default=0.0)
        digits = 1e-12 if {x.dtype for x in tensors_in((wrong, got))} == {torch.float64} else 1e-6
        return is_same(got, wrong, max(within, digits * largest) if math.isfinite(largest) else within)
    except (RuntimeError, IndexError, ValueError, ZeroDivisionError):  # this mistake is impossible on this input
        return False


def is_coarse(got: Tensor, expected: Any) -> bool:
    """Whether float64 is expected and the numbers are right to the digits of float32."""
    if not (isinstance(expected, Tensor) and expected.dtype == torch.float64 and got.shape == expected.shape):
        return False
    return is_close(got.detach().cpu(), expected, 1e-6 * _largest(expected))


def only_float32(got: Any, expected: Any, within: float) -> bool:
    """Whether float32 came where float64 is expected, and nothing else is wrong; of a sequence, in one part or more."""
    if isinstance(expected, (list, tuple)):
        if type(got) not in (list, tuple) or len(got) != len(expected):
            return False
        pairs = list(zip(got, expected, strict=True))
        return any(only_float32(g, e, within) for g, e in pairs) and all(
            is_same(g, e, within) or (is_tensor(g) and is_coarse(g, e)) for g, e in pairs
        )
    return is_tensor(got) and got.dtype == torch.float32 and is_coarse(got, expected)


def _largest(x: Tensor) -> float:
    return float(x.detach().abs().max()) if x.numel() else 0.0


def is_tensor(value: Any) -> bool:
    """Of exactly torch's types: a subclass could call itself equal to everything."""
    return type(value) in (Tensor, torch.nn.Parameter)


def number_in(value: Any) -> float | None:
    """A single number as a float: int, float, numpy's scalars, or a tensor without dimensions."""
    if is_tensor(value) and value.ndim == 0 and not value.is_complex():
        return float(value.detach())
    if type(value) in (int, float) or (type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0):
        return float(value)
    return None


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [x for part in value for x in tensors_in(part)] if isinstance(value, (list, tuple)) else []
