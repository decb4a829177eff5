"""Who may call whom (imports go down only), and that a light import stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A module may import those of its own floor and of the floors below.
FLOORS = [
    {"files", "pairing", "tiles", "memory", "formats", "schedules"},
    {"bands", "image", "color", "resize", "losses", "models", "canvas"},
    {"metrics", "niqe", "degradations"},
    {"download", "datasets", "features", "patches", "recipes", "zoo"},
    {
        "precision",
        "distributed",
        "strips",
        "piecewise",
        "inference",
        "enlarging",
        "blending",
        "evaluation",
        "perception",
    }
    | {
        "state",
        "terms",
        "training",
        "health",
        "checkpoints",
        "tiers",
        "logs",
        "starts",
        "hooks",
        "runs",
        "cards",
        "data_check",
    },
    {"plots", "bench", "bench_train", "bench_degrade", "commands", "cli", "__main__"},
]


def _floor(module: str) -> int:
    return next(k for k, floor in enumerate(FLOORS) if module in floor)


def _imports(path: Path) -> set[str]:
    """The full names of what a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _rooms() -> list[Path]:
    return sorted(path for path in (ROOT / "srlib").rglob("*.py") if path.name != "__init__.py")


def test_every_module_has_a_floor() -> None:
    named = {path.relative_to(ROOT / "srlib").parts[0].removesuffix(".py") for path in _rooms()}
    assert named == set().union(*FLOORS)


@pytest.mark.parametrize("path", _rooms(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(ROOT / "srlib").parts[0].removesuffix(".py")
    for name in _imports(path):
        top, *rest = name.split(".")
        assert top not in {"course", "solutions", "tests", "notebooks"}, f"{own} must not know {name}"
        if top == "srlib" and rest and rest[0] != "__version__":
            assert _floor(rest[0]) <= _floor(own), f"{own} must not import {name}"


def test_course_does_not_know_the_solutions() -> None:
    for path in (ROOT / "course").rglob("*.py"):
        assert not {name for name in _imports(path) if name.split(".")[0] in {"solutions", "tests", "notebooks"}}


def test_only_plots_knows_matplotlib() -> None:
    knowing = {path.name for path in _rooms() if any(n.split(".")[0] == "matplotlib" for n in _imports(path))}
    assert knowing == {"plots.py"}


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_a_light_import_stays_light() -> None:
    rooms = "image, color, resize, metrics, niqe, datasets, patches, models, recipes, training, blending, evaluation"
    light = f"{rooms}, zoo, cli"
    more = _modules_after(f"from srlib import {light}") - _modules_after("import torch")
    assert "srlib" in more
    heavy = {"torchvision", "skimage", "scipy", "matplotlib", "PIL", "tifffile", "pandas", "IPython", "tqdm"}
    assert not more & heavy
