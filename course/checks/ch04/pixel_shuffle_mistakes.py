"""What the usual mistakes in 04.3 give: cause -> formula, computed only when an answer is wrong."""

import torch.nn.functional as F
from torch import Tensor

from course.checking import Mistakes


def shuffles(x: Tensor, factor: int) -> Mistakes:
    """Pixel shuffles that move the values to other places."""
    b, channels, h, w = x.shape
    c, r = channels // factor**2, factor
    cells = x.reshape(b, c, r, r, h, w)
    last = x.reshape(b, r, r, c, h, w)

    def laid(y: Tensor) -> Tensor:
        return y.reshape(b, c, h * r, w * r)

    return {
        "dy and dx are exchanged: the cells are filled row by row, channel dy * r + dx": lambda: laid(
            cells.permute(0, 1, 4, 3, 5, 2)
        ),
        "the channels of a cell are taken C apart, as TensorFlow orders them: here they are neighbours": lambda: laid(
            last.permute(0, 3, 4, 1, 5, 2)
        ),
        "the channels of a cell are taken C apart, and dy and dx are exchanged": lambda: laid(
            last.permute(0, 3, 4, 2, 5, 1)
        ),
        "the values are not moved, only cut anew: a permute is missing between the two reshapes": lambda: laid(x),
        "each channel is a tile of its own, side by side: h comes before dy, and w before dx": lambda: laid(
            cells.permute(0, 1, 2, 4, 3, 5)
        ),
        "h and w are exchanged in the permute: each row of pixels goes h, dy and each column w, dx": lambda: laid(
            cells.permute(0, 1, 5, 2, 4, 3)
        ),
        "dy and dx come before h and w in one of the two directions only": lambda: laid(
            cells.permute(0, 1, 2, 4, 5, 3)
        ),
        "dx comes before w: within a row the pixels of one cell are neighbours": lambda: laid(
            cells.permute(0, 1, 4, 2, 3, 5)
        ),
        "the cells are filled from their end: dy and dx count from 0 upwards": lambda: F.pixel_shuffle(
            cells.flip(2, 3).reshape(x.shape), r
        ),
        "the picture is enlarged by repeating pixels: each of the r * r channels gives its own": lambda: laid(
            cells[:, :, :1, :1].expand_as(cells).permute(0, 1, 4, 2, 5, 3)
        ),
    }
