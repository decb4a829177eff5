"""What can be said of a wrong answer when no usual mistake fits it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from course.likeness import is_close, is_coarse, is_same, is_tensor, number_in

NOTHING = "nothing came back: is a `return` missing?"


def symptom(got: Any, expected: Any, within: float) -> str:
    """What can be said of a wrong answer when no usual mistake fits it."""
    if got is None:
        return NOTHING
    if isinstance(expected, (list, tuple)):
        return _symptom_of_sequence(got, expected, within)
    if not isinstance(expected, Tensor):
        if isinstance(expected, float) and (number := number_in(got)) is not None:
            return _symptom_of_values(torch.tensor(number), torch.tensor(expected), within)
        return "another value is wanted" if type(got) is type(expected) else f"a {type(expected).__name__} is wanted"
    if not is_tensor(got):
        return f"a torch.Tensor of shape {tuple(expected.shape)} is wanted, not a {type(got).__name__}"
    if got.shape != expected.shape:
        return f"the shape is {tuple(got.shape)}, but {tuple(expected.shape)} is wanted"
    if got.dtype.is_floating_point != expected.dtype.is_floating_point:
        return f"the dtype is {got.dtype}, but {expected.dtype} is wanted"
    if is_coarse(got, expected):
        return "only the digits of float32 are right: float64 came in, and somewhere float32 was made of it"
    return _symptom_of_values(got.detach().cpu(), expected, within)


def describe(value: Any) -> str:
    """A value as one short line."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, (bool, str)):
        return repr(value)[:100]
    if (number := number_in(value)) is not None:
        return f"{number:.6g}"
    if isinstance(value, (list, tuple)) and len(value) <= 6:
        return f"({', '.join(describe(v) for v in value)})"[:160]
    if not is_tensor(value):
        return f"a {type(value).__name__}"
    if 0 < value.numel() <= 9:  # a kernel of 3 x 3, too
        of = f" of shape {tuple(value.shape)}" if value.ndim > 1 else ""
        if not value.dtype.is_floating_point:
            return f"{value.flatten().tolist()}{of}"
        digits = 6 if value.numel() <= 8 else 4
        return f"{[float(f'{v:.{digits}g}') for v in value.detach().flatten().tolist()]}{of}"
    span = f", values {value.min():.4g} to {value.max():.4g}" if value.numel() and not value.is_complex() else ""
    return f"a tensor {tuple(value.shape)}{span}"


def form_of(value: Any) -> str:
    """What tells equal values apart that are printed alike: the shape of few values, and the type."""
    if is_tensor(value):
        return f", shape {tuple(value.shape)}" if value.ndim < 2 and value.numel() <= 8 else ""
    if isinstance(value, (list, tuple)):
        return f", a {type(value).__name__}"
    return "" if number_in(value) is None else f", a {type(value).__name__}"


def how_far_off(got: Any, expected: Any, unit: str) -> str:
    """How far a single number, or the worst of a few, is off, in two digits: enough to think, too little to copy."""
    number = number_in(got)
    if number is not None and isinstance(expected, float):
        difference = number - expected
    elif is_tensor(got) and isinstance(expected, Tensor) and got.shape == expected.shape and got.numel():
        all_of_them = (got.detach().cpu().double() - expected.detach().double()).flatten()
        difference = float(all_of_them[all_of_them.abs().argmax()])
    else:
        return ""
    if not math.isfinite(difference) or difference == 0:
        return ""
    most = "" if number is not None or got.numel() == 1 else "at most "
    return f", {most}about {abs(difference):.2g}{unit} too {'high' if difference > 0 else 'low'}"


def side_by_side(got: Any, expected: Any) -> dict[str, Tensor]:
    """Target, yours and their difference, if they are pictures of one size."""
    if not (is_tensor(got) and isinstance(expected, Tensor) and got.shape == expected.shape and got.ndim == 4):
        return {}
    yours, target = got[:1].detach().float(), expected[:1].float()
    difference = (yours - target).abs()
    largest = float(difference.max()) or 1.0
    title = f"difference, brightest = {largest:.2g}"
    return {"target": target.clamp(0, 1), "yours": yours.clamp(0, 1), title: difference / largest}


def _symptom_of_sequence(got: Any, expected: Sequence[Any], within: float) -> str:
    if type(got) not in (list, tuple):
        return f"a {type(expected).__name__} of {len(expected)} is wanted, not a {type(got).__name__}"
    if len(got) != len(expected):
        return f"{len(expected)} values are wanted, {len(got)} came"
    k = next(k for k, pair in enumerate(zip(got, expected, strict=True)) if not is_same(*pair, within))
    return f"value {k + 1} of {len(expected)}: {symptom(got[k], expected[k], within)}"


def _symptom_of_values(got: Tensor, expected: Tensor, within: float) -> str:
    got, expected = got.double(), expected.double()
    if bool(got.isnan().any()) and not bool(expected.isnan().any()):
        return (
            "there is NaN in it: 0 / 0, the logarithm or root of a negative number, or a place in a new tensor of "
            "`torch.empty` where nothing was put"
        )
    if bool(got.isinf().any()) and not bool(expected.isinf().any()):
        return "there is infinity in it: a division by 0, or the logarithm of 0"
    if not bool(expected.isfinite().all()):
        return "where the answer is infinite, another value came"
    if is_close(got, -expected, within):
        return "the sign is wrong"
    biggest = int(expected.abs().argmax())
    size, peak = float(expected.flatten()[biggest]), float(got.flatten()[biggest])
    factor = peak / size if size and not math.isclose(peak, size, rel_tol=1e-4) else 0.0
    if expected.numel() > 1 and factor and is_close(got, expected * factor, max(within, 1e-6 * abs(peak))):
        return f"every value is {_times(factor)}"
    if (
        expected.numel() > 1
        and (offset := float((got - expected).flatten()[0]))
        and is_close(got - offset, expected, within)
    ):
        return f"every value is {abs(offset):.3g} too {'large' if offset > 0 else 'small'}"
    if expected.ndim >= 2:
        if got.mT.shape == got.shape and is_close(got.mT, expected, within):
            return "rows and columns are exchanged"
        for name, dim in (("left and right", -1), ("top and bottom", -2)):
            if is_close(got.flip(dim), expected, within):
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
        if is_close(got[inside], expected[inside], within):
            return k
    return 0
