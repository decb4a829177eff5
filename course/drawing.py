"""The pictures that the README and the lessons show, made from the library as it is."""

from pathlib import Path

from srlib import datasets, image, plots
from srlib.inference import open_model
from srlib.patches import crop_to_multiple
from srlib.resize import imresize

FOLDER = Path(__file__).with_name("pictures")


def first_picture(scale: int = 3) -> plots.Figure:
    """The strip of notebook 00: nearest, bicubic, SRCNN and the truth, on a held-out photograph."""
    path = next(p for p in datasets.files("pictures/held-out") if p.name == "astronaut.png")
    hr = crop_to_multiple(image.read(path).rgb, scale)
    lr = imresize(image.to_uint8(hr), scale=1 / scale)
    sr = {name: open_model(name, scale=scale)(lr) for name in ("nearest", "bicubic", "srcnn")}
    shown = {name: x if x.is_floating_point() else image.to_float(x) for name, x in sr.items()}
    return plots.strip({**shown, "truth": hr}, box=(70, 165, 110, 110), border=scale)


def make(folder: Path = FOLDER) -> list[Path]:
    """Draws every picture anew into the folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "first_picture.png"
    first_picture().savefig(path, dpi=80)
    return [path]
