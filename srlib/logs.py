"""What a training run tells while it runs: lines of a table, TensorBoard where it is installed, and a bar."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srlib.files import atomically
from srlib.training import Hook, Run

COLUMNS = ("step", "seconds", "learning_rate", "loss", "psnr", "waited", "skipped")


class Log:
    """A hook that writes a line of COLUMNS every so many steps, and at each validation: the mean loss since the line
    before, and the rest.

    A step at which PSNR was measured has a line too, and the last one. waited: the share of the run's time that went
    into waiting for data. The file is appended to, so that a killed run keeps its lines; those after the step that a
    run resumes from are cut. The same goes to TensorBoard, in a folder beside the file, if it is installed.
    """

    def __init__(self, path: Path, *, step: int, every: int) -> None:
        kept = [row for row in read_log(path) if row["step"] <= step] if path.exists() and step else []
        self.path, self.every, self.losses = path, every, list[float]()
        atomically(path, lambda part: self._write(part, kept))
        self.board = _board(path.with_name("tensorboard"), step)

    def __call__(self, run: Run) -> None:
        self.losses.append(run.terms["loss"])
        if run.step % self.every and run.fraction < 1 and "psnr" not in run.terms:
            return
        row = {
            "step": run.step,
            "seconds": run.seconds,
            **run.terms,
            "loss": sum(self.losses) / len(self.losses),
            "waited": run.waited / run.seconds,
            "skipped": run.skipped,
        }
        self.losses.clear()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow({key: _short(row[key]) for key in COLUMNS if key in row})
        if self.board:
            for key in COLUMNS[2:]:
                if key in row:
                    self.board.add_scalar(key, row[key], run.step)
            self.board.flush()

    @staticmethod
    def _write(part: Path, rows: Sequence[dict[str, float]]) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)


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
                told.append(f"{run.notes['last_psnr']:.2f} dB, best {run.best:.2f}")
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
