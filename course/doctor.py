"""Whether this machine is ready: a line for each thing, with the command that repairs it."""

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from course import workbook

LEAST_MEMORY, LEAST_DISK = 4e9, 2e9  # bytes: lesson 03's training needs some 1.5 GB beside the browser


class Finding(NamedTuple):
    """What was found, and the way out where it is not right ("" where it is)."""

    text: str
    repair: str = ""


def examine() -> list[tuple[str, Finding]]:
    """Every examination by name; one that fails in a way nobody thought of is a finding too."""
    found = []
    for name, look in _EXAMINATIONS.items():
        try:
            found.append((name, look()))
        except Exception as error:
            first = (str(error) or "no message").splitlines()[0][:100]
            found.append((name, Finding(f"{type(error).__name__}: {first}", _install())))
    return found


def report(findings: list[tuple[str, Finding]]) -> str:
    """A line for each finding."""
    return "\n".join(
        f"{'!!' if finding.repair else 'ok'}  {name:9} {finding.text}"
        + (f"  ->  {finding.repair}" if finding.repair else "")
        for name, finding in findings
    )


def _python() -> Finding:
    return Finding(f"{sys.version.split()[0]}, {sys.executable}")


def _install(more: str = "") -> str:
    """The command that sets the environment up again, by uv where it is."""
    return f"uv sync {more}".strip() if shutil.which("uv") else "pip install --force-reinstall -c constraints.txt -e ."


def _torch() -> Finding:
    import torch
    import torchvision

    good = bool((torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8)
    text = f"{torch.__version__}, torchvision {torchvision.__version__}, {torch.get_num_threads()} threads"
    return Finding(text, "" if good else _install("--reinstall-package torch"))


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        torch.zeros(1, device="cuda").item()
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding(f"cuda: {torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    if torch.backends.mps.is_available():
        return Finding("mps: Apple's graphics processor")
    return Finding("cpu: every lesson's first tier runs on it")


def _memory() -> Finding:
    import torch

    from srlib import memory

    free = memory.available(torch.device("cpu"))
    return Finding(f"{free / 2**30:.1f} GiB free", "" if free >= LEAST_MEMORY else "close other programs and kernels")


def _disk() -> Finding:
    folder = workbook.folder()
    free = shutil.disk_usage(folder if folder.is_dir() else Path.cwd()).free
    return Finding(
        f"{free / 2**30:.1f} GiB free",
        "" if free >= LEAST_DISK else "uv cache clean" if shutil.which("uv") else "pip cache purge",
    )


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager

    versions = f"jupyterlab {importlib.metadata.version('jupyterlab')}"
    repair = f'"{sys.executable}" -m ipykernel install --sys-prefix'
    specs = KernelSpecManager().get_all_specs()
    if "python3" not in specs:
        return Finding(f"{versions}; there is no kernel called python3", repair)
    program = specs["python3"]["spec"]["argv"][0]
    if re.fullmatch(r"python(3(\.\d+)?)?", program):  # which Jupyter takes as the Python that it runs in itself
        program = sys.executable
    same = Path(program).is_file() and Path(program).samefile(sys.executable)
    return Finding(f"{versions}; python3 runs {program}", "" if same else repair)


def _pictures() -> Finding:
    from srlib import datasets, image
    from srlib.formats.headers import read_size

    files = datasets.files("pictures/held-out")
    sides = [read_size(path) for path in files]
    image.read(files[0])
    more = [name for name in ("Set5", "Set14") if _is_here(name)]
    return Finding(f"{len(sides)} held-out photographs load; benchmark sets: {', '.join(more) or 'none (not needed)'}")


def _is_here(name: str) -> bool:
    from srlib import datasets

    try:
        return bool(datasets.files(name))
    except datasets.DatasetError:
        return False


def _weights() -> Finding:
    from srlib import zoo

    return Finding(", ".join(f"{name} x{scale}" for name in zoo.names() for scale in zoo.scales(name)))


def _exercises() -> Finding:
    from course.manifest import lessons

    folder = workbook.folder()
    missing = [lesson for lesson in lessons() if lesson.file and not (folder / lesson.file).is_file()]
    text = workbook.shown(folder)
    if missing:
        return Finding(f"{text}: {', '.join(str(x.file) for x in missing)} not there", f"course reset {missing[0].id}")
    return Finding(f"{text}: {sum(bool(lesson.file) for lesson in lessons())} files")


def _writing() -> Finding:
    folder = workbook.folder()
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        command = (
            f'icacls "{folder}" /grant "${{env:USERNAME}}:F"'
            if os.name == "nt"
            else f'sudo chown -R "$USER" "{folder}"'
        )
        return Finding(f"{workbook.shown(folder)} cannot be written to ({error.strerror})", command)
    return Finding(f"{workbook.shown(folder)} can be written to")


_EXAMINATIONS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "torch": _torch,
    "device": _device,
    "memory": _memory,
    "disk": _disk,
    "kernel": _kernel,
    "pictures": _pictures,
    "weights": _weights,
    "exercises": _exercises,
    "writing": _writing,
}
