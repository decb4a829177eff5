"""What the usual mistakes in 09.1 give: cause -> formula, computed only when an answer is wrong."""

from functools import partial

from torch import Tensor

from course.checking import Mistakes
from course.checks.ch09.shared import Step


def sharpening(hr: Tensor, blur: Step) -> Mistakes:
    smooth = blur(hr)
    residual = hr - smooth
    plain = (hr + 0.5 * residual).clamp(0, 1)

    def masked(condition: Tensor, sharp: Tensor = plain) -> Tensor:
        return hr + blur(condition.to(hr)) * (sharp - hr)

    strong = residual.abs() * 255 > 10
    hard, soft = strong.to(hr), blur(strong.to(hr))
    mistakes: Mistakes = {
        "hr came back as it was: is the threshold 10 for values of 0 to 255, that is 10/255 of these?": hr.clone,
        "the channels share one mask: each value has its own": lambda: masked(
            strong.any(1, keepdim=True).expand_as(strong)
        ),
        "there is no mask, or it is 1 everywhere: flat parts, with their noise, stay as they are": lambda: plain,
        "there is neither a mask nor a clamp": lambda: hr + 0.5 * residual,
        "the mask is not blurred: the border of what is sharpened would be seen": lambda: hr + hard * (plain - hr),
        "the mask is blurred twice: once": lambda: hr + blur(soft) * (plain - hr),
        "the mask is the other way round: 1 where the residual is strong; soft belongs to sharp, 1 - soft to hr": (
            lambda: plain + soft * (hr - plain)
        ),
        "sharp is clamped below only: to [0, 1]": lambda: masked(strong, (hr + 0.5 * residual).clamp(min=0)),
        "sharp is clamped above only: to [0, 1]": lambda: masked(strong, (hr + 0.5 * residual).clamp(max=1)),
        "sharp is not clamped to [0, 1]": lambda: masked(strong, hr + 0.5 * residual),
        "the result is clamped, and not sharp before it is mixed": lambda: masked(strong, hr + 0.5 * residual).clamp(
            0, 1
        ),
        "the result is blurred, not sharpened: hr + 0.5 * residual, with residual = hr - blur(hr)": lambda: masked(
            strong, (hr - 0.5 * residual).clamp(0, 1)
        ),
        "the sign of the residual counts in the mask: take its absolute value, dark edges too": lambda: masked(
            residual * 255 > 10
        ),
        "the threshold looks at the residual after the weight 0.5: before it": lambda: masked(
            0.5 * residual.abs() * 255 > 10
        ),
        "the channels share the mask of their mean: each value has its own": lambda: masked(
            (residual.mean(1, keepdim=True).abs() * 255 > 10).expand_as(strong)
        ),
        "the sharp parts came back alone: + (1 - soft) * hr": lambda: soft * plain,
        "hr counts in full: (1 - soft) * hr": lambda: soft * plain + hr,
        "the soft mask is not of the mask but of the residual": lambda: hr + blur(residual.abs()) * (plain - hr),
        "the residual is multiplied by the mask, and then blurred": lambda: (hr + blur(hard * residual * 0.5)).clamp(
            0, 1
        ),
    }
    mistakes |= {
        "the mask is 0 and 255: 0 and 1": lambda: hr + 255 * soft * (plain - hr),
        "hr + blur(hr) is added: the residual is hr - blur(hr)": lambda: masked(
            strong, (hr + 0.5 * (hr + smooth)).clamp(0, 1)
        ),
        "the absolute value of the residual is added: only the mask takes it": lambda: masked(
            strong, (hr + 0.5 * residual.abs()).clamp(0, 1)
        ),
        "the residual is hr - blur(blur(hr)): one blur": lambda: twice_blurred(),
        "sharp was blurred: the mask alone is": lambda: soft * blur(plain) + (1 - soft) * hr,
        "the rest is taken of blur(hr): (1 - soft) * hr": lambda: soft * plain + (1 - soft) * smooth,
        "the soft mask came back: soft * sharp + (1 - soft) * hr": soft.clone,
        "the mask came back: soft * sharp + (1 - soft) * hr": hard.clone,
        "sharp is made of hr and the blurred mask is used twice": lambda: hr + soft * soft * (plain - hr),
        "the soft mask was made hard again: it stays between 0 and 1": lambda: hr + (soft > 0).to(hr) * (plain - hr),
        "the soft mask was divided by its largest value: it stays as blur made it": lambda: (
            hr + soft / soft.max() * (plain - hr)
        ),
        "the residual was made a whole number before the comparison, or the limit is 11: 10.3 is above 10": lambda: (
            masked((residual.abs() * 255).floor() > 10)
        ),
        "the residual was made a whole number before the comparison (rounded): 10.3 is above 10": lambda: masked(
            (residual.abs() * 255).round() > 10
        ),
        "the residual was squared for the mask: its absolute value": lambda: masked(residual.square() * 255 > 10),
        "the residual was divided by its largest value for the mask: 10 of 255, whatever the picture": lambda: masked(
            residual.abs() / residual.abs().max() * 255 > 10
        ),
        "hr was rounded to whole numbers of 0 to 255: pictures are floats": lambda: in_whole_numbers(False),
        "hr and the result were rounded to whole numbers of 0 to 255: pictures are floats": lambda: in_whole_numbers(
            True
        ),
        "the result was rounded to 256 levels: pictures are floats": lambda: (masked(strong) * 255).round() / 255,
    }

    def in_whole_numbers(after: bool) -> Tensor:
        x = (hr * 255).round() / 255
        off = x - blur(x)
        made = x + blur((off.abs() * 255 > 10).to(hr)) * ((x + 0.5 * off).clamp(0, 1) - x)
        return (made * 255).round() / 255 if after else made

    def twice_blurred() -> Tensor:
        far = hr - blur(smooth)
        return masked(far.abs() * 255 > 10, (hr + 0.5 * far).clamp(0, 1))

    for weight in (1.0, 0.25, 1.5, 2.0):
        mistakes[f"the residual has the weight {weight:g}: 0.5"] = partial(
            masked, strong, (hr + weight * residual).clamp(0, 1)
        )
    for name, limit in (
        ("0.1", 0.1),
        ("10/256", 10 / 256),
        ("1/255", 1 / 255),
        ("11", 11 / 255),
        ("20/255", 20 / 255),
        ("0", 0.0),
    ):
        mistakes[f"the threshold is {name}: |residual| * 255 > 10"] = partial(masked, residual.abs() > limit)
    return mistakes
