"""What the usual mistakes in 02.2 give: cause -> formula, computed only when an answer is wrong."""

from collections.abc import Callable, Sequence

from torch import Tensor

from course.checking import Mistakes
from course.checks.ch02.shared import weighed
from srlib import color


def lumas(rgb: Tensor) -> Mistakes:
    """What the usual mistakes give for this picture."""
    right, black = color.luma(rgb.double()), 16 / 255
    studio = [weight / 255 for weight in (65.481, 128.553, 24.966)]
    typo = [weight / 256 for weight in (64.738, 129.057, 25.064)]
    full, hd = [0.299, 0.587, 0.114], [0.2126, 0.7152, 0.0722]
    shape = "one channel is wanted, (B, 1, H, W): "

    def of(weights: Sequence[float], offset: float = 0.0) -> Callable[[], Tensor]:
        return lambda: weighed(rgb, weights, offset)

    return {
        "the offset of 16 is forgotten: black is 16/255, not 0": of(studio),
        "full range (0.299, 0.587, 0.114): the papers use the studio range, 16 to 235 of 255": of(full),
        "full-range weights with the offset of 16: white would be 271 of 255": of(full, black),
        "BGR order: red comes first here (OpenCV has it the other way round)": of(studio[::-1], black),
        "64.738 is a typing error that went round the world: in steps of 1/256 red weighs 65.738": of(typo, black),
        "the plain mean of the three channels: the eye sees green far brighter than blue": of([1 / 3] * 3),
        "the weights of BT.709 (HD television): MATLAB and the papers use BT.601": of(hd),
        "the weights of BT.709 (HD television) in studio range: MATLAB and the papers use BT.601": of(
            [w * 219 / 255 for w in hd], black
        ),
        "the result is on 0..255: it belongs to [0, 1], so divide all of it by 255": lambda: 255 * right,
        "16 was added without dividing it by 255 too": of(studio, 16.0),
        "divided by 256: white is 235/255": lambda: right * 255 / 256,
        "R, G and B were multiplied by 255: the formula's weights are for values in [0, 1]": of(
            [255 * w for w in studio], black
        ),
        "R, G and B were multiplied by 255, and Y is not divided by it: the formula is for values in [0, 1]": of(
            [255**2 * w for w in studio], 16.0
        ),
        "divided by 255 twice: R, G and B are in [0, 1] already": of([w / 255 for w in studio], black),
        "Y was rounded to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).round() / 255,
        "Y was cut down to whole steps of 1/255: the papers keep it as a float": lambda: (255 * right).floor() / 255,
        f"{shape}the channel dimension is lost (unsqueeze(1), or slices such as rgb[:, 0:1])": lambda: right[:, 0],
        f"{shape}here Y stands in all three": lambda: right.expand(-1, 3, -1, -1),
    }
