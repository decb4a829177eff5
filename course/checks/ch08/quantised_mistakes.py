"""What the usual mistakes in 08.4 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.checking import Mistakes


def quantised(coefficients: Tensor, table: Tensor, quality: int) -> Mistakes:
    right = 5000 // quality if quality < 50 else 200 - 2 * quality

    def half_out(x: Tensor) -> Tensor:
        return x.sign() * (x.abs() + 0.5).floor()

    def made(
        percent: float = right,
        add: float = 50,
        low: float = 1,
        high: float = 255,
        rounded: Callable[[Tensor], Tensor] = half_out,
        whole: bool = True,
        entries: Tensor = table,
    ) -> Tensor:
        steps = (entries.double() * percent + add) / 100
        steps = (steps.floor() if whole else steps).clamp(low, high)
        return (rounded(coefficients.double() / steps) * steps).to(coefficients)

    def steps() -> Tensor:
        return ((table * right + 50) // 100).clamp(1, 255)

    def by_steps(steps: Tensor) -> Tensor:
        steps = steps.double().clamp(1, 255)
        return (half_out(coefficients.double() / steps) * steps).to(coefficients)

    def entries_by(share: float) -> Tensor:
        return table * share

    def by_steps_of(values: Tensor) -> Tensor:
        return (half_out(values / steps()) * steps()).to(coefficients)

    other, told = 5000 // quality, "from quality 50 on the percentage is 200 - 2 * quality"
    if quality < 50:
        other, told = 200 - 2 * quality, "below quality 50 the percentage is 5000 // quality"
    return {
        "float64 was made float32, which moves what lies next to a half of a step": lambda: by_steps_of(
            coefficients.float()
        ),
        "the steps became uint8, which runs over at 256: clamp first": lambda: by_steps(
            ((table * right + 50) // 100).to(torch.uint8)
        ),
        "steps // 2 loses a half where a step is odd: coefficients / steps, and that is rounded": lambda: (
            coefficients.sign() * ((coefficients.abs() + steps() // 2) // steps()) * steps()
        ),
        "steps // 2 loses a half where a step is odd, and halves of -2.5 steps go up": lambda: (
            (coefficients + steps() // 2) // steps() * steps()
        ),
        "1 / steps is rounded, so halves are missed: coefficients / steps": lambda: (
            half_out(coefficients * (1 / steps())) * steps()
        ),
        "the steps are rounded, halves to even: (table * percent + 50) // 100": lambda: by_steps(
            (table * right / 100).round()
        ),
        "percent / 100 is no exact number, so a half of a step is missed: (table * percent + 50) // 100": lambda: (
            by_steps((entries_by(right / 100) + 0.5).floor())
        ),
        "the steps were rounded up: (table * percent + 50) // 100": lambda: by_steps((table * right / 100).ceil()),
        "5000 / quality was rounded: down, //": lambda: made(percent=round(5000 / quality) if quality < 50 else right),
        "the sign is lost": lambda: made().abs(),
        told: lambda: made(percent=other),
        "halves go to the even multiple: that is torch.round; away from zero": lambda: made(rounded=torch.round),
        "the coefficients were rounded to whole numbers before": lambda: (
            half_out(coefficients.round() / steps()) * steps()
        ),
        "halves go up: -2.5 steps became -2; away from zero": lambda: made(rounded=lambda x: (x + 0.5).floor()),
        "halves go down: 2.5 steps became 2; away from zero": lambda: made(rounded=lambda x: (x - 0.5).ceil()),
        "halves go towards zero: away from it": lambda: made(rounded=lambda x: x.sign() * (x.abs() - 0.5).ceil()),
        "the coefficients are rounded towards zero: to the nearest multiple": lambda: made(rounded=torch.trunc),
        "the coefficients are rounded down: to the nearest multiple": lambda: made(rounded=torch.floor),
        "the coefficients are rounded up: to the nearest multiple": lambda: made(rounded=torch.ceil),
        "what came back was not rounded": coefficients.clone,
        "the levels came back: times their steps": lambda: half_out(coefficients / steps()),
        "the levels came back, halves to even: times their steps": lambda: (coefficients / steps()).round(),
        "the table itself was the steps: scale it by the quality": lambda: made(percent=100),
        "quality is taken as the percentage: 100 is the finest, not the coarsest": lambda: made(percent=quality),
        "the percentage is 100 - quality: 200 - 2 * quality": lambda: made(percent=100 - quality),
        "the quality counts once: from 50 on the percentage is 200 - 2 * quality": lambda: made(
            percent=200 - quality if quality >= 50 else right
        ),
        "50 is not added before // 100: the steps were rounded down": lambda: made(add=0),
        "5000 / quality was not rounded down: //": lambda: made(percent=5000 / quality if quality < 50 else right),
        "the steps are no whole numbers: // 100": lambda: made(whole=False, add=0),
        "the steps are no whole numbers: (table * percent + 50) // 100": lambda: made(whole=False),
        "a step is 0: at least 1": lambda: made(low=0),
        "a step is below 1, at quality 100: at least 1": lambda: made(low=0.01),
        "a step is above 255: at most that": lambda: made(high=1e9),
        "steps are at most 256: 255": lambda: made(high=256),
        "steps are at least 2: 1": lambda: made(low=2),
        "rows and columns of the table are exchanged": lambda: made(entries=table.T),
        "the steps were added up: times the levels": lambda: half_out(coefficients / steps()) + steps(),
        "the first coefficient of each block was left as it was: all of them are quantised": lambda: torch.where(
            torch.arange(64).view(8, 8) == 0, coefficients, made()
        ),
        "a little was added so that halves go up: it moves what lies just below a half, too": lambda: (
            (coefficients / steps() + 1e-4 * coefficients.sign()).round() * steps()
        ),
    }
