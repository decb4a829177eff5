"""Notebooks as they are kept: stripped, with stable cell ids, in step with the manifest. (nbval runs them.)"""

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from course import notebooks
from course.manifest import Lesson, find, lessons
from course.notebooks import FOLDER, Notebook, badly_built, cleaned, outputs_left
from srlib import features

KEPT = notebooks.by_notebook()
ROOT = FOLDER.parent
BARE = replace(find("00"), minutes=(0, 0), predictions=())


def _kept(path: Path) -> Notebook:
    """The notebook as git keeps it: a student's run leaves outputs in the file."""
    shown = subprocess.run(["git", "show", f":notebooks/{path.name}"], cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("git does not know this file")
    return json.loads(shown.stdout)


def test_notebooks_are_those_of_the_manifest() -> None:
    assert {path.name for path in FOLDER.glob("*.ipynb")} == {path.name for _, path in KEPT}
    assert len(KEPT) >= 4


@pytest.mark.parametrize(("lesson", "path"), KEPT, ids=lambda x: getattr(x, "id", ""))
def test_kept_without_outputs(lesson: Lesson, path: Path) -> None:
    assert not outputs_left(_kept(path)), f"`course make notebooks {lesson.id}` clears them"


@pytest.mark.parametrize(("lesson", "path"), KEPT, ids=lambda x: getattr(x, "id", ""))
def test_ids_tags_exercises_and_pictures(lesson: Lesson, path: Path) -> None:
    assert not badly_built(notebooks.read(path), lesson)


@pytest.mark.parametrize(("lesson", "path"), KEPT, ids=lambda x: getattr(x, "id", ""))
def test_pictures_are_there_and_small(lesson: Lesson, path: Path) -> None:
    wanted = {notebooks.picture_of(lesson, cell) for cell in notebooks._tagged(notebooks.read(path))}
    assert wanted, f"lesson {lesson.id} shows no picture of what one should see"
    for picture in wanted:
        assert picture.is_file(), f"`course make pictures {lesson.id}` draws {picture.name}"
        assert picture.stat().st_size < 900_000
        with Image.open(picture) as opened:
            assert opened.width <= notebooks.WIDTH
            name = picture.stem.partition("_")[2]
            drawn = opened.text[notebooks.SOURCE]  # type: ignore[attr-defined]
        assert drawn == notebooks.source_of(notebooks.read(path), name), (
            f"`course make pictures {lesson.id}`: older code"
        )
    assert {p.name for p in notebooks.PICTURES.glob(f"{lesson.id}_*")} == {p.name for p in wanted}


def test_pictures_of_untrained_features_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "file", lambda: None)
    with pytest.raises(ValueError, match=r"09_real_esrgan.ipynb would draw untrained features: name .* SRLIB_VGG19"):
        notebooks.draw([find("09")])


def _one_cell(**more: object) -> Notebook:
    cell = {"cell_type": "code", "id": "a-cell", "metadata": {}, "source": ["assert True"], "outputs": []}
    return {"cells": [{**cell, "execution_count": None, **more}], "metadata": {}}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"id": "3f2a91bc"}, "is no slug"),
        ({"id": "3f2a91bc-aaaa-bbbb-cccc-1234567890ab"}, "is no slug"),
        ({"id": "Two_Words"}, "is no slug"),
        ({"metadata": {"tags": ["slow"]}}, "unknown tags slow"),
        ({"source": ["print(1)"]}, "asserts"),
        ({"source": ["!pip install x\n", "assert True"]}, "shell command"),
        ({"source": ['check("02.1")\n', "assert True"]}, "no exercise of the lesson"),
        ({"source": ['predict("00-p1", 3)\n', "assert True"]}, "no prediction of the lesson"),
        ({"metadata": {"tags": ["picture"]}}, "is drawn, but not shown"),
    ],
)
def test_faults_are_found(more: dict[str, object], says: str) -> None:
    assert not badly_built(_one_cell(), BARE)
    assert any(says in fault for fault in badly_built(_one_cell(**more), BARE))
    assert any("minutes sum to 0" in fault for fault in badly_built(_one_cell(), replace(BARE, minutes=(10, 15))))


def test_exercises_missing_or_twice_are_found() -> None:
    lesson, path = next((lesson, path) for lesson, path in KEPT if lesson.tasks)
    notebook = notebooks.read(path)
    [cell] = [c for c in notebook["cells"] if f'check("{lesson.tasks[0].id}")' in "".join(c["source"])]
    twice = {**notebook, "cells": [*notebook["cells"], {**cell, "id": "again"}]}
    assert any("stands there 2 times" in fault for fault in badly_built(twice, lesson))
    without = {**notebook, "cells": [c for c in notebook["cells"] if c is not cell]}
    assert any("stands there 0 times" in fault for fault in badly_built(without, lesson))


def test_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, path = KEPT[0]
    clean = cleaned(notebooks.read(path))
    used = copy.deepcopy(clean)
    code = next(cell for cell in used["cells"] if cell["cell_type"] == "code")
    code |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x"]}]}
    code["metadata"] = {"scrolled": True, "tags": ["gpu"]}
    used["cells"].append({**code, "id": "3f2a91bc", "source": ["print(1)  # a new cell"]})
    used["metadata"]["widgets"] = {}
    assert len(outputs_left(used)) == 5
    (tmp_path / path.name).write_text(json.dumps(used), encoding="utf-8")
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    assert notebooks.clean_all([lesson]) == [tmp_path / path.name]
    assert notebooks.clean_all([lesson]) == []
    mended = notebooks.read(tmp_path / path.name)
    assert outputs_left(mended) == [] and mended["cells"][-1]["id"] == "print-1-a-new"
    assert mended["cells"][0] == clean["cells"][0]
    assert next(c for c in mended["cells"] if c["cell_type"] == "code")["metadata"] == {"tags": ["gpu"]}


def test_every_unwritten_lesson_says_so() -> None:
    assert all((lesson.notebook is None) == (lesson.file is None) for lesson in lessons() if lesson.id != "00")


def test_gpu_cells_are_skipped_without_one(tmp_path: Path) -> None:
    """The tagged cell holds only where there is a device; it must run there, and be skipped elsewhere."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    plain = {**cell, "id": "plain", "source": ["assert True"]}
    tagged = {**cell, "id": "tagged", "source": ["import torch\n", "assert torch.cuda.is_available()"]}
    notebook = cleaned({"cells": [plain, {**tagged, "metadata": {"tags": ["gpu"]}}]})
    (tmp_path / "x.ipynb").write_text(notebooks.as_text(notebook), encoding="utf-8")
    shutil.copy(FOLDER / "conftest.py", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    expected = "2 passed" if torch.cuda.is_available() else "1 passed, 1 skipped"
    assert done.returncode == 0 and expected in done.stdout, done.stdout
