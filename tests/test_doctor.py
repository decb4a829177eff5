"""The doctor finds what is wrong and names the command that repairs it."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from course import cli, doctor, workbook
from srlib import memory


def test_one_line_each_and_all_well_here(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines]
    assert names == list(doctor._EXAMINATIONS)
    assert {"python", "torch", "device", "memory", "disk", "kernel", "pictures", "writing"} <= set(names)
    ill = [line for line in lines if not line.startswith("ok ")]
    assert code == int(bool(ill))
    assert {line.split()[1] for line in ill} <= {"memory", "disk"}, ill  # a busy machine is no fault of the code


def test_what_is_missing_is_named_with_its_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path))
    found = dict(doctor.examine())
    assert "ex01_resampling.py" in found["exercises"].text and found["exercises"].repair == "course reset 01"
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path / "nowhere"))
    assert "cannot be written to" in dict(doctor.examine())["writing"].text
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    monkeypatch.setattr(memory, "available", lambda device: 1 << 30)
    found = dict(doctor.examine())
    assert "cache" in found["disk"].repair and "close other programs" in found["memory"].repair
    monkeypatch.setattr(doctor, "_EXAMINATIONS", {"torch": lambda: 1 / 0})
    [(_, finding)] = doctor.examine()
    assert finding.text == "ZeroDivisionError: division by zero" and finding.repair.startswith(
        ("uv sync", "pip install")
    )
    assert doctor.report([("torch", finding)]).startswith("!!  torch     ZeroDivisionError")
