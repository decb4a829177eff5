"""What the README says is so."""

import ast
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from answers import changed, solution
from course import cli as course_cli
from course.judge import judge
from course.manifest import find
from srlib import cli, zoo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _cells(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]


def test_table_has_every_shipped_model_as_its_card_measured_it() -> None:
    [table] = re.findall(r"^\| model \|.*?\n(?!\|)", README, flags=re.M | re.S)
    shown = [row[:-1] for row in _cells(table) if row[0] != "bicubic"]  # without the seconds, another each time
    cards = _cells(zoo.table())
    assert [row[:3] for row in shown] == [row[:3] for row in cards]
    for mine, theirs in zip(shown[2:], cards[2:], strict=True):
        for one, other in zip(mine[3:], theirs[3:], strict=True):
            # the last digit may round the other way on another machine
            figures = [[float(number) for number in re.findall(r"[\d.]+", cell)] for cell in (one, other)]
            assert np.allclose(*figures, rtol=0, atol=[0.011, 0.00011][: len(figures[0])]), (mine, theirs)
            assert ("not run" in one) == ("not run" in other)


@pytest.mark.parametrize(("head", "convention"), [("network", "y-of-rgb"), ("network, Set14 degraded", "degraded")])
def test_networks_are_judged_as_their_cards_measured_them(head: str, convention: str) -> None:
    [table] = re.findall(rf"^\| {head} \|.*?\n(?!\|)", README, flags=re.M | re.S)
    shown = {row[0]: row[1:] for row in _cells(table)[2:]}
    names = [name for name in zoo.names() if 4 in zoo.scales(name)]
    assert names == [name for name in shown if name != "bicubic" and not name.startswith("alpha")]
    cards = {name: zoo.card(name, 4)["measured"][convention]["Set14"] for name in names}
    for row in _cells(zoo.perceived(cards))[2:]:
        one, other = (
            [float(number) for cell in cells for number in re.findall(r"[\d.]+", cell)]
            for cells in (row[1:], shown[row[0]])
        )
        assert np.allclose(one, other, rtol=0, atol=[0.011, 0.011, 0.0011, 0.011, 0.00011]), row[0]


def test_bicubic_rows_of_the_table_are_the_measured_ones() -> None:
    text = (ROOT / "tests" / "test_benchmarks.py").read_text(encoding="utf-8")
    tree = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BICUBIC"
    )
    measured = ast.literal_eval(tree.value)
    for scale in (2, 3, 4):
        four = [measured[name, scale][k] for name in ("Set5", "Set14") for k in (0, 1)]
        wanted = ["bicubic", f"x{scale}", "0", *(f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in four)]
        assert wanted in [row[:-1] for row in _cells(README)]


def test_commands_exist(capsys) -> None:  # type: ignore[no-untyped-def]
    for program, main in (("srlib", cli.main), ("course", course_cli.main)):
        for command in set(re.findall(rf"^(?:uv run )?{program} (\w+)", README, flags=re.M)):
            try:
                main([command, "--help"])
            except SystemExit as stop:
                assert stop.code == 0, f"{program} {command}"
            assert command in capsys.readouterr().out


def test_files_exist() -> None:
    for name in re.findall(r"`([\w./-]+(?:/|\.txt|\.toml))`", README):
        assert (ROOT / name).exists() or (ROOT / "course" / name).exists(), name
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_constraints_name_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {re.split("[<>=]", name)[0] for name in project["project"]["dependencies"]}
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), flags=re.M))
    assert wanted <= pinned.keys()
    assert "http" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_ci_runs_the_command_of_the_readme() -> None:
    command = "pip install uv && uv run pytest"
    assert command in README.splitlines()
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_message_is_what_that_mistake_is_told(tmp_path: Path) -> None:
    lesson = find("02")
    pooled = "mse = (sr - hr).square().mean()\nreturn -10 * torch.log10(mse).expand(len(sr))"
    (tmp_path / str(lesson.file)).write_text(changed(solution(lesson), "02.1", {"body": pooled}, "here"))
    told = judge("02.1", folder=tmp_path, seed=7).text().replace(tmp_path.as_posix(), "course/exercises")
    assert f"```\n{told}\n```" in README
