"""09.1 sharpened: what a right answer must satisfy."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.checking import Case, Exercise, compare, require
from course.checks.ch09 import sharpened_mistakes
from course.checks.ch09.shared import Step, mean_over

Sharpened = Callable[[Tensor, Step], Tensor]


def _sharpened(hr: Tensor, blur: Step) -> Tensor:
    """As srlib.degradations.blur's, which has its own blur."""
    residual = hr - blur(hr)
    soft = blur((residual.abs() > 10 / 255).to(hr))
    return torch.lerp(hr, (hr + residual / 2).clamp(0, 1), soft)


def _boxed(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, [2] * 4, mode="replicate"), 5, 1)


def _compare_sharp(
    answer: Sharpened, case: Case, hr: Tensor, blur: Step, what: str, within: float = 1e-5, public: bool = False
) -> None:
    given: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        require(
            isinstance(x, Tensor) and x.is_floating_point(),
            "blur was given a mask that is not of floats: make 0 and 1 of it first, mask.to(hr)",
            expected="a float tensor",
            got=f"dtype {x.dtype}" if isinstance(x, Tensor) else f"a {type(x).__name__}",
        )
        require(
            x.shape == hr.shape,
            "blur was given something of another shape than hr: each value has a mask of its own",
            expected=f"shape {tuple(hr.shape)}",
            got=f"shape {tuple(x.shape)}",
        )
        require(
            x.dtype.itemsize >= hr.dtype.itemsize,
            "blur was given float32 where hr is float64: the mask in hr's own dtype, mask.to(hr)",
            expected=f"dtype {hr.dtype}",
            got=f"dtype {x.dtype}",
        )
        given.append(x.detach().clone())
        return blur(x)

    def otherwise() -> str:
        """By what blur was given."""
        strong = (hr - blur(hr)).abs() > 10 / 255
        if not any(torch.allclose(x.double(), hr.double(), rtol=0, atol=1e-6) for x in given):
            return "blur is never given hr as it came: the residual is hr - blur(hr), and nothing is kept between calls"
        masks = [x for x in given if bool(((x == 0) | (x == 1)).all())]
        if not masks:
            return "blur is never given a mask of 0 and 1: 1 where |residual| * 255 > 10"
        if not any(torch.equal(x != 0, strong) for x in masks):
            number = int(((masks[0] != 0) != strong).sum())
            return f"the mask is wrong at {number} of {strong.numel()} values: 1 where |residual| * 255 > 10, else 0"
        return "what is blurred is right, the mask too: look at sharp, and at soft * sharp + (1 - soft) * hr"

    got = case.call(answer, hr, watched)
    compare(
        got,
        _sharpened(hr, blur),
        within=within,
        what=what,
        public=public,
        mistakes=sharpened_mistakes.sharpening(hr, blur),
        pictures=not public,
        otherwise=otherwise,
    )


def sharp_worked_example(answer: Sharpened, case: Case) -> None:
    """(0.28, 0.3, 0.05, 0.02, 0.85) becomes (0.274, 0.3, 0.02, 0.008, 0.94)."""
    hr = torch.tensor([0.28, 0.3, 0.05, 0.02, 0.85]).view(1, 1, 1, 5)
    _compare_sharp(answer, case, hr, mean_over, "the five pixels", public=True)


def sharp_random(answer: Sharpened, case: Case) -> None:
    """Strong and weak residuals, of both signs, each channel for itself."""
    for batch, contrast in ((1, 1.0), (2, 0.3), (1, 0.7)):
        hr = 0.5 + contrast * (case.rand(batch, 3, 9, 11) - 0.5) * torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1)
        hr[:, :, 3:6, 2:7] = hr[:, :, 3:6, 2:7].round()
        _compare_sharp(answer, case, hr, _boxed, f"a picture of contrast {contrast:g}")


def sharp_flat(answer: Sharpened, case: Case) -> None:
    """A picture without strong edges stays as it is, its noise too."""
    hr = 0.6 + (18 / 255) * (case.rand(1, 3, 8, 8) - 0.5)
    _compare_sharp(answer, case, hr, _boxed, "the picture itself")


def sharp_threshold(answer: Sharpened, case: Case) -> None:
    """The mask begins just above 10 of 255, and the wide blur of white and black needs the clamp."""
    for off in (9.98, 10.02, 3.0, 127.0):
        steps = torch.tensor([off, 60.0, 70.0, 5.0]).double() / 255
        hr = 0.5 + torch.cat([steps, -steps])[torch.randperm(8, generator=case.rng)].view(1, 1, 2, 4)
        _compare_sharp(
            answer, case, hr, mean_over, f"residuals of {off:g}, 60, 70 and 5 of 255, in float64", within=1e-9
        )


EXERCISE = Exercise(_sharpened, (sharp_worked_example, sharp_random, sharp_flat, sharp_threshold))
