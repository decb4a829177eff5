"""What a training run tells while it runs: lines of a table, TensorBoard where it is installed, and a bar."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srlib.files import atomically
from srlib.recipes import Recipe
from srlib.state import Run
from srlib.training import Hook

COLUMNS = ("step", "seconds", "learning_rate", "loss", "psnr", "waited", "skipped")
GAME = ("d_loss", "d_real", "d_fake", "error", "drift", "setbacks", "niqe", "sharpness")
PARTS = ("pixel", "perceptual", "adversarial")  # of the loss; "grad_" and the name: the norm of its gradient


def columns(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe's log holds: COLUMNS, the parts of a loss that has several, and the health of a game."""
    weights = (recipe.pixel_weight, recipe.perceptual_weight, recipe.adversarial_weight)
    parts = [part for part, weight in zip(PARTS, weights, strict=True) if weight]
    told = (*parts, *(f"grad_{part}" for part in parts)) if len(parts) > 1 else ()
    return (*COLUMNS, *told, *(GAME if recipe.discriminator else ()))


class Log:
    """A hook that writes a line of the recipe's columns every so many steps, and at each validation: the mean of the
    losses and of a game's health over the steps since the line before that were followed, and the rest.

    A step at which PSNR was measured has a line too, and the last one. waited: the share of the run's time that went
    into waiting for data. The file is appended to, so that a killed run keeps its lines; those after the step that a
    run resumes from are cut, and the sums for the next line are kept with the run. The same goes to TensorBoard, in a
    folder beside the file, if it is installed.
    """

    def __init__(self, path: Path, recipe: Recipe, *, step: int, every: int) -> None:
        kept = [row for row in read_log(path) if row["step"] <= step] if path.exists() and step else []
        self.path, self.every, self.columns = path, every, columns(recipe)
        atomically(path, lambda part: self._write(part, kept))
        self.board = _board(path.with_name("tensorboard"), step)

    def __call__(self, run: Run) -> None:
        counted = set[str]() if run.unfollowed else {"loss", *self.columns[len(COLUMNS) :]} & run.terms.keys()
        sums, counts = (run.notes.setdefault(key, {}) for key in ("log_sums", "log_counts"))
        for name in counted:
            sums[name] = sums.get(name, 0.0) + run.terms[name]
            counts[name] = counts.get(name, 0) + 1
        if run.step % self.every and run.fraction < 1 and "psnr" not in run.terms:
            return
        row = {
            "step": run.step,
            "seconds": run.seconds,
            **run.terms,
            **{name: total / counts[name] for name, total in sums.items()},
            "waited": run.waited / run.seconds,
            "skipped": run.skipped,
            "setbacks": run.setbacks,
        }
        sums.clear()
        counts.clear()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow({k: _short(row[k]) for k in self.columns if k in row})
        if self.board:
            for key in self.columns[2:]:
                if key in row:
                    self.board.add_scalar(key, row[key], run.step)
            self.board.flush()

    def _write(self, part: Path, rows: Sequence[dict[str, float]]) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows({key: _short(row[key]) for key in self.columns if key in row} for row in rows)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log.csv, numbers only: what a line lacks (psnr between validations) is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


@contextmanager
def progress(run: Run, *, quiet: bool) -> Iterator[Hook]:
    """A bar over the used share of the budget, whether that is steps or minutes."""
    from tqdm import tqdm

    layout = "{desc} {percentage:5.1f}% |{bar}| {elapsed}<{remaining}{postfix}"
    begun = run.step, run.seconds
    with tqdm(total=1.0, desc=run.recipe.name, bar_format=layout, disable=quiet, initial=run.fraction) as bar:

        def show(run: Run) -> None:
            bar.update(run.fraction - bar.n)
            speed = (run.step - begun[0]) / max(run.seconds - begun[1], 1e-9)
            told = [f"step {run.step}", f"{speed:.3g} steps/s", f"loss {run.terms['loss']:.2e}"]
            if "psnr" in run.terms:
                run.notes["last_psnr"] = run.terms["psnr"]
            if "last_psnr" in run.notes:
                best = "" if run.opponent else f", best {run.best:.2f}"
                told.append(f"{run.notes['last_psnr']:.2f} dB{best}")
            if "d_real" in run.terms:
                told.append(f"D {run.terms['d_real']:.2f} real, {run.terms['d_fake']:.2f} made")
            if run.setbacks:
                told.append(f"{run.setbacks} setbacks")
            if run.skipped:
                told.append(f"{run.skipped} skipped")
            bar.set_postfix_str(", ".join(told), refresh=False)

        yield show


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


def _short(value: float) -> str:
    return f"{value:.6g}"
