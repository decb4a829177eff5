"""What the usual mistakes in 07.5 give: cause -> formula, computed only when an answer is wrong."""

from torch import Tensor

from course.checking import Mistakes


def between(psnr: Tensor, gan: Tensor, alpha: float, beside: tuple[Tensor, Tensor]) -> Mistakes:
    """beside: what stands at gan's place in psnr, and at psnr's place in gan."""
    return {
        "it was mixed with the tensor at the same place: the one of the same name, whatever the order": lambda: (
            (1 - alpha) * beside[0] + alpha * gan
        ),
        "it was mixed with the tensor at the same place: that of the same name, whatever the order": lambda: (
            (1 - alpha) * psnr + alpha * beside[1]
        ),
        "the two are exchanged: alpha is the share of gan": lambda: alpha * psnr + (1 - alpha) * gan,
        "gan's was taken as it is: every tensor of floats is mixed, buffers too": gan.clone,
        "psnr's was taken as it is: every tensor of floats is mixed, buffers too": psnr.clone,
        "psnr keeps its full weight: (1 - alpha) times it": lambda: psnr + alpha * gan,
        "the difference is added to the wrong one: psnr + alpha * (gan - psnr)": lambda: gan + alpha * (gan - psnr),
        "the difference has the wrong sign: psnr + alpha * (gan - psnr)": lambda: psnr + alpha * (psnr - gan),
        "alpha is left out: that is the sum": lambda: psnr + gan,
        "alpha is left out: that is the middle": lambda: (psnr + gan) / 2,
        "the scale of the residuals, 0.2, has nothing to do with this": lambda: 0.8 * psnr + 0.2 * gan,
    }


def counters(name: str, psnr: Tensor, gan: Tensor, alpha: float) -> Mistakes:
    def mixed() -> Tensor:
        return (1 - alpha) * psnr.double() + alpha * gan.double()

    return {
        f"{name} is psnr's: whole numbers are gan's": psnr.clone,
        f"{name} was mixed, and made a whole number: it is gan's": lambda: mixed().to(gan.dtype),
        f"{name} was mixed and rounded: it is gan's": lambda: mixed().round().to(gan.dtype),
        f"{name} was mixed: whole numbers cannot be, they are gan's": lambda: psnr + gan,
    }
