"""A built wheel works outside the checkout. Collected where the build tool is (the development group brings it)."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_holds_weights_and_manifests_and_works_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert {
        f"srlib/weights/srcnn_x{scale}.{kind}" for scale in (2, 3, 4) for kind in ("safetensors", "json", "csv")
    } <= names
    assert {
        "srlib/manifest.json",
        "srlib/py.typed",
        "srlib/weights/niqe_pristine.safetensors",
        "course/course.toml",
    } <= names
    assert any(name.endswith("etc/jupyter/jupyter_server_config.d/course.json") for name in names)
    assert not any(name.startswith(("tests/", "solutions/", "notebooks/")) for name in names)
    code = (
        "import srlib, course.cli, course.manifest; from srlib import zoo, datasets;"
        "zoo.load('srcnn', scale=3); assert len(datasets.manifest()['T91']) == 91;"
        "assert len(course.manifest.lessons()) == 12; print(srlib.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path / "site"))
