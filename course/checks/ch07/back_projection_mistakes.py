"""What the usual mistakes in 07.6 give: cause -> formula, computed only when an answer is wrong."""

from functools import partial

from torch import Tensor

from course.checking import Mistakes
from course.checks.ch07.shared import Step


def back(sr: Tensor, lr: Tensor, shrink: Step, enlarge: Step, iterations: int) -> Mistakes:
    def repeated(step: Step, times: int = iterations) -> Tensor:
        y = sr
        for _ in range(times):
            y = step(y)
        return y

    def right(y: Tensor) -> Tensor:
        return y + enlarge(lr - shrink(y))

    def overwritten() -> Tensor:
        y, error = sr, lr
        for _ in range(iterations):
            error = error - shrink(y)
            y = y + enlarge(error)
        return y

    def until(limit: float) -> Tensor:
        y = sr
        for _ in range(99):
            if float((lr - shrink(y)).abs().max()) < limit:
                break
            y = right(y)
        return y

    def stopped(limit: float) -> Tensor:
        return repeated(lambda y: y if float((lr - shrink(y)).abs().max()) < limit else right(y))

    def until_it_grows() -> Tensor:
        y, last = sr, float("inf")
        for _ in range(iterations):
            error = lr - shrink(y)
            if float(error.abs().mean()) > last:
                break
            y, last = y + enlarge(error), float(error.abs().mean())
        return y

    first = enlarge(lr - shrink(sr))
    mistakes: Mistakes = {
        "the loop ends where the error grows: as many iterations as asked for": until_it_grows,
        "the error has the wrong sign: sr + enlarge(lr - shrink(sr))": lambda: repeated(
            lambda y: y + enlarge(shrink(y) - lr)
        ),
        "the error is measured once, before the loop: anew each time, of the corrected picture": lambda: (
            sr + iterations * first
        ),
        "only one correction is made: as many as asked for, each of the corrected sr": lambda: sr + first,
        "three iterations, whatever was asked for": lambda: repeated(right, 3),
        "each correction is added to sr as it came: to the corrected one": lambda: repeated(
            lambda y: sr + enlarge(lr - shrink(y))
        ),
        "shrink and enlarge are exchanged": lambda: repeated(lambda y: y + shrink(lr - enlarge(y))),
        "one iteration too many": lambda: repeated(right, iterations + 1),
        "one iteration too few": lambda: repeated(right, iterations - 1),
        "sr came back as it was": sr.clone,
        "lr itself is enlarged and added: the error lr - shrink(sr) is": lambda: repeated(lambda y: y + enlarge(lr)),
        "only the enlarged error came back: sr is added": lambda: repeated(lambda y: enlarge(lr - shrink(y))),
        "the error is measured at the large size: lr - shrink(sr) is small": lambda: repeated(
            lambda y: y + (enlarge(lr) - y)
        ),
        "the error is measured against shrink and enlarge of sr, not against lr made of the truth": lambda: repeated(
            lambda y: y + enlarge(lr) - enlarge(shrink(sr))
        ),
        "the absolute error is added: keep its sign": lambda: repeated(lambda y: y + enlarge((lr - shrink(y)).abs())),
        "the result is clipped: leave the clamp out": lambda: repeated(right).clamp(0, 1),
        "sr is clipped in every iteration: leave the clamp out": lambda: repeated(lambda y: right(y).clamp(0, 1)),
        "the error is small: enlarge it before it is added, by the `enlarge` that is given": lambda: repeated(
            lambda y: y + (lr - shrink(y))
        ),
        "half of the error is added: all of it": lambda: repeated(lambda y: y + 0.5 * enlarge(lr - shrink(y))),
        "lr was overwritten by the error: each error is lr - shrink(sr), of lr as it came": overwritten,
        "the error was squared: as it is": lambda: repeated(lambda y: y + enlarge((lr - shrink(y)).square())),
        "the error was divided by the number of iterations: all of it": lambda: repeated(
            lambda y: y + enlarge(lr - shrink(y)) / iterations
        ),
        "the result was rounded to 256 steps: leave it as it is": lambda: (255 * repeated(right)).round() / 255,
    }
    for limit in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        mistakes[f"the loop ends where the error is below {limit:g}: as many iterations as asked for"] = partial(
            stopped, limit
        )
    for limit in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        mistakes[f"the loop goes on until the error is below {limit:g}: as many iterations as asked for"] = partial(
            until, limit
        )
    return mistakes
