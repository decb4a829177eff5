"""The notebooks as they are kept: what must hold of each, the repair, and the pictures of 'what you should see'."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from course import stubs, workbook
from course.manifest import Lesson, lessons
from srlib.files import atomically, write_text

FOLDER = Path(__file__).parents[1] / "notebooks"
PICTURES = Path(__file__).with_name("pictures")
TAGS = {"picture", "gpu"}  # saved by `course make pictures`; left out of the tests where there is no CUDA device
WIDTH = 1050  # pixels of a kept picture; a figure of 10 inches has some 1010, and is kept as it is
SOURCE = "notebook code"  # the name of a text in the PNG
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HEX = re.compile(r"[0-9a-f]{8}([0-9a-f-]{28})?")

Notebook = dict[str, Any]


def outputs_left(notebook: Notebook) -> list[str]:
    """What a run left behind: outputs, execution counts, a kernel's own metadata."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None):
            found.append(f"cell {cell['id']} has outputs or an execution count")
        if more := set(cell["metadata"]) - {"tags"}:
            found.append(f"cell {cell['id']} has metadata {', '.join(sorted(more))}")
    if more := set(notebook["metadata"]) - {"kernelspec", "language_info"}:
        found.append(f"the notebook has metadata {', '.join(sorted(more))}")
    return found


def badly_built(notebook: Notebook, lesson: Lesson) -> list[str]:
    """What is wrong with ids, tags, exercises, predictions and pictures."""
    cells = notebook["cells"]
    ids = [cell["id"] for cell in cells]
    found = [f"cell id {name} stands {ids.count(name)} times" for name in set(ids) if ids.count(name) > 1]
    found += [f"cell id {name} is no slug" for name in ids if not _is_slug(name)]
    for cell in cells:
        if unknown := set(cell["metadata"].get("tags", ())) - TAGS:
            found.append(f"cell {cell['id']} has unknown tags {', '.join(sorted(unknown))}")
    code = "\n".join(_source(cell) for cell in cells if cell["cell_type"] == "code")
    prose = "\n".join(_source(cell) for cell in cells if cell["cell_type"] == "markdown")
    if "assert " not in code:
        found.append("no cell asserts anything")
    if re.search(r"^\s*(!|%pip|%conda)", code, flags=re.M):
        found.append("a cell runs a shell command")
    if outside := _minutes_of_headings(prose, lesson):
        found.append(outside)
    for task in lesson.tasks:
        heading = f"Exercise {task.id} · {task.title} · {task.minutes} minutes"
        if heading not in prose:
            found.append(f"there is no `{heading}`")
        found += _counted(code, rf'^check\("{re.escape(task.id)}"\)', f'check("{task.id}")')
    for name in lesson.predictions:
        for call in ("predict", "outcome"):
            found += _counted(code, rf'\b{call}\("{re.escape(name)}"', f'{call}("{name}", ...)')
    named = set(re.findall(r'\b(?:check|use)\("([^"]+)"', code)) | set(re.findall(r"Exercise (\d\d\.\d+)", prose))
    found += [f"{name} is no exercise of the lesson" for name in named - {t.id for t in lesson.tasks}]
    guessed = set(re.findall(r'\b(?:predict|outcome)\("([^"]+)"', code))
    found += [f"{name} is no prediction of the lesson" for name in guessed - set(lesson.predictions)]
    shown = set(re.findall(r"\(\.\./course/pictures/([^)]+)\)", prose))
    drawn = {picture_of(lesson, cell).name for cell in _tagged(notebook)}
    found += [f"{name} is shown, but no cell tagged `picture` draws it" for name in shown - drawn]
    found += [f"{name} is drawn, but not shown" for name in drawn - shown]
    return found


def read(path: Path) -> Notebook:
    """A notebook file as plain values."""
    return json.loads(path.read_text(encoding="utf-8"))


def cleaned(notebook: Notebook) -> Notebook:
    """The notebook without outputs and foreign metadata, and with a slug for each cell that has none."""
    taken: set[str] = set()
    cells = []
    for cell in notebook["cells"]:
        kept = {**cell, "metadata": {k: v for k, v in cell["metadata"].items() if k == "tags"}}
        if kept["cell_type"] == "code":
            kept |= {"outputs": [], "execution_count": None}
        kept["id"] = _free(cell["id"] if _is_slug(cell["id"]) else _slug(_source(cell)), taken)
        taken.add(kept["id"])
        cells.append(kept)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def as_text(notebook: Notebook) -> str:
    """The file's text, laid out as JupyterLab saves it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def clean_all(chosen: Iterable[Lesson]) -> list[Path]:
    """Repairs the notebooks of these lessons; gives those that were changed."""
    changed = []
    for path in _paths(chosen):
        old = path.read_text(encoding="utf-8")
        new = as_text(cleaned(json.loads(old)))
        if new != old:
            write_text(path, new)
            changed.append(path)
    return changed


def draw(chosen: Iterable[Lesson]) -> list[Path]:
    """Runs the notebooks with the solutions and saves the figure of every cell tagged `picture`.

    Raises ValueError if a notebook does not run, or would draw untrained features because VGG19's weights are not here.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from course.kit import CREDIT
    from srlib import features

    for lesson in chosen:
        if lesson.notebook and features.file() is None and _looks_through_vgg19(read(FOLDER / lesson.notebook)):
            raise ValueError(f"{lesson.notebook} would draw untrained features: name VGG19's weights by SRLIB_VGG19")
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for file in stubs.SOLUTIONS.glob("*.py"):
            shutil.copy(file, folder)
        for lesson in chosen:
            if lesson.notebook is None or not _tagged(read(FOLDER / lesson.notebook)):
                continue
            notebook = nbformat.read(FOLDER / lesson.notebook, as_version=4)
            client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}})
            try:
                client.execute(env={**os.environ, workbook.ENVIRONMENT: folder, CREDIT: "the solutions"})
            except CellExecutionError as error:
                raise ValueError(f"{lesson.notebook} does not run with the solutions: {error}") from error
            kept = read(FOLDER / lesson.notebook)
            made += [_save(c, picture_of(lesson, c), source_of(kept, c["id"])) for c in _tagged(notebook)]
    return made


def _looks_through_vgg19(notebook: Notebook) -> bool:
    return any("features.file()" in _source(cell) for cell in notebook["cells"])


def picture_of(lesson: Lesson, cell: Any) -> Path:
    """Where the figure of a tagged cell is kept."""
    return PICTURES / f"{lesson.id}_{cell['id']}.png"


def _save(cell: Any, path: Path, source: str) -> Path:
    from PIL import Image, PngImagePlugin

    images = [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]
    if not images:
        raise ValueError(f"the cell {cell['id']}, tagged `picture`, shows no figure")
    picture = Image.open(io.BytesIO(base64.b64decode(images[-1]))).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    text = PngImagePlugin.PngInfo()
    text.add_text(SOURCE, source)
    atomically(path, lambda part: picture.save(part, format="PNG", optimize=True, pnginfo=text))
    return path


def source_of(notebook: Notebook, cell_id: str) -> str:
    """A hash of the code down to a cell: kept in its picture, so that an older picture can be told."""
    code = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code.append(_source(cell))
        if cell["id"] == cell_id:
            break
    return hashlib.sha256("\n".join(code).encode()).hexdigest()


def _paths(chosen: Iterable[Lesson]) -> Iterator[Path]:
    return (FOLDER / lesson.notebook for lesson in chosen if lesson.notebook)


def _tagged(notebook: Notebook) -> list[Any]:
    return [cell for cell in notebook["cells"] if "picture" in cell["metadata"].get("tags", ())]


def _counted(text: str, pattern: str, name: str) -> list[str]:
    """A finding unless the pattern stands there once."""
    count = len(re.findall(pattern, text, flags=re.M))
    return [] if count == 1 else [f"{name} stands there {count} times"]


def _minutes_of_headings(prose: str, lesson: Lesson) -> str:
    """A finding unless the minutes of the sections (level two) sum to what the manifest says."""
    total = sum(int(minutes) for minutes in re.findall(r"^## .*?(\d+) minutes?\b", prose, flags=re.M))
    low, high = lesson.minutes
    return "" if low <= total <= high else f"the sections' minutes sum to {total}, the manifest says {low} to {high}"


def _source(cell: Any) -> str:
    return "".join(cell["source"])


def _is_slug(name: str) -> bool:
    return bool(_SLUG.fullmatch(name)) and not _HEX.fullmatch(name)


def _slug(source: str) -> str:
    words = re.findall(r"[a-z0-9]+", source.lower())[:4]
    return "-".join(words)[:40].strip("-") or "cell"


def _free(name: str, taken: set[str]) -> str:
    if name not in taken and _is_slug(name):
        return name
    return next(f"{name}-{k}" for k in range(2, 10_000) if f"{name}-{k}" not in taken)


def by_notebook() -> list[tuple[Lesson, Path]]:
    """Every written lesson with its notebook's path."""
    return [(lesson, FOLDER / lesson.notebook) for lesson in lessons() if lesson.notebook]
