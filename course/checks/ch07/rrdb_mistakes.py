"""What the usual mistakes in 07.2 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Sequence

from torch import Tensor

from course.checking import Mistakes
from course.checks.ch07.shared import Step, lrelu


def residual(x: Tensor, blocks: Sequence[Step]) -> Mistakes:
    one, two, three = blocks

    def made() -> Tensor:
        return three(two(one(x)))

    return {
        "the residual is not scaled: 0.2 times what the blocks make": lambda: x + made(),
        "x is missing: it is added to 0.2 times what the blocks make": lambda: 0.2 * made(),
        "the blocks' result came back alone: x + 0.2 times it": made,
        "x was overwritten in the loop: what came in is added, so keep it": lambda: 1.2 * made(),
        "the residual is scaled by 0.1, as EDSR does: here by 0.2": lambda: x + 0.1 * made(),
        "the residual is scaled twice: 0.2 stands once": lambda: x + 0.04 * made(),
        "x was taken away, not added": lambda: 0.2 * made() - x,
        "the residual was taken away: it is added": lambda: x - 0.2 * made(),
        "the first block runs three times: one after the other": lambda: x + 0.2 * one(one(one(x))),
        "what the first block made is added: x is": lambda: one(x) + 0.2 * made(),
        "each block got a skip of its own, and the sum one more: they have theirs inside": lambda: (
            x + 0.2 * _skips(x, blocks)
        ),
        "a LeakyReLU stands behind the blocks: there is none": lambda: x + 0.2 * lrelu(made()),
        "x is scaled instead of the residual": lambda: 0.2 * x + made(),
        "the sum is scaled: only the residual": lambda: 0.2 * (x + made()),
        "that is an interpolation, 0.8 x + 0.2 f(x): residual scaling takes nothing away from x": lambda: (
            0.8 * x + 0.2 * made()
        ),
        "the blocks stand beside one another: each gets what the one before it made": lambda: (
            x + 0.2 * (one(x) + two(x) + three(x))
        ),
        "the blocks run in the opposite order": lambda: x + 0.2 * one(two(three(x))),
        "0.2 stands on what goes into the blocks: on what they make": lambda: x + three(two(one(0.2 * x))),
        "0.2 stands behind each block: once, around all three": lambda: x + 0.2 * three(0.2 * two(0.2 * one(x))),
        "each block got a skip of its own: they have theirs inside": lambda: _skips(x, blocks),
        "the third block is missing": lambda: x + 0.2 * two(one(x)),
        "only the first block is used": lambda: x + 0.2 * one(x),
    }


def _skips(x: Tensor, blocks: Sequence[Step]) -> Tensor:
    for block in blocks:
        x = x + 0.2 * block(x)
    return x
