"""The manifest and its command agree with what is in the tree."""

import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

import course
from course import cli, judge, jupyter, manifest, syllabus, workbook
from course.checks import EXERCISES
from course.verdict import record

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"


def test_twelve_lessons_in_order() -> None:
    assert [lesson.id for lesson in manifest.lessons()] == [f"{k:02}" for k in range(12)]
    assert all(0 < lesson.minutes[0] <= lesson.minutes[1] for lesson in manifest.lessons())


def test_ids_follow_from_the_lessons() -> None:
    known = set()
    for lesson in manifest.lessons():
        assert lesson.notebook is None or lesson.notebook.startswith(f"{lesson.id}_")
        assert lesson.file is None or lesson.file.startswith(f"ex{lesson.id}_")
        assert set(lesson.needs) <= {x.id for x in manifest.lessons() if x.id < lesson.id}
        assert [task.id for task in lesson.tasks] == [f"{lesson.id}.{k}" for k in range(1, len(lesson.tasks) + 1)]
        assert list(lesson.predictions) == [f"{lesson.id}-p{k}" for k in range(1, len(lesson.predictions) + 1)]
        for task in lesson.tasks:
            assert set(task.uses) <= known, "an exercise builds on earlier ones only"
            assert 1 <= task.level <= 3 and task.points > 0 and task.minutes > 0
            known.add(task.id)
        assert sum(task.minutes for task in lesson.tasks) < lesson.minutes[1]
    assert known == set(EXERCISES)


def test_a_lessons_checks_know_no_later_lesson() -> None:
    for lesson in manifest.lessons():
        if lesson.file:
            for path in (Path(course.__file__).parent / "checks" / f"ch{lesson.id}").glob("*.py"):
                names = re.findall(r"\bch(\d\d)\b", path.read_text(encoding="utf-8"))
                assert all(number <= lesson.id for number in names), f"{path} names a later lesson's checks"


def test_a_lessons_checks_pass_without_the_later_files(tmp_path: Path) -> None:
    for lesson in [lesson for lesson in manifest.lessons() if lesson.file]:
        shutil.copy(ROOT / "solutions" / str(lesson.file), tmp_path)
        for task in lesson.tasks:
            verdict = judge.judge(task.id, folder=tmp_path)
            assert verdict.state == "pass", verdict.text()


def test_syllabus_is_made_from_the_manifest() -> None:
    kept = syllabus.PATH.read_text(encoding="utf-8")
    assert kept == syllabus.text(), "`course make syllabus` writes it anew"
    for lesson in manifest.lessons():
        assert f"| {lesson.id} | {lesson.title} | {lesson.minutes[0]}-{lesson.minutes[1]} |" in kept
        assert ("not written yet" in next(x for x in kept.splitlines() if x.startswith(f"| {lesson.id} |"))) == (
            lesson.notebook is None
        )
    laid = [int(part) for part in re.findall(r"\((\d+) minutes\)", kept)]
    assert sum(laid) == sum(sum(lesson.minutes) // 2 for lesson in manifest.lessons())
    shares = [float(part) for part in re.findall(r"\| ([\d.]+) % \|", kept)]
    assert abs(sum(shares) - 100) < 0.2


def test_list_says_what_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert sum("not written yet" in line for line in lines) == sum(x.notebook is None for x in manifest.lessons())


@pytest.mark.parametrize(("lesson", "says"), [("77", "choose one of 00, 01"), ("11", "11 is not written yet")])
def test_start_refuses_in_a_sentence(lesson: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", lesson]) == 2
    assert says in capsys.readouterr().err


def test_start_opens_the_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    called: list[list[str]] = []
    monkeypatch.setenv(workbook.ENVIRONMENT, str(tmp_path))

    class Server:
        def __init__(self, command: list[str]) -> None:
            called.append(command)

        def wait(self) -> int:
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # Ctrl-C is the server's
            return 0

    monkeypatch.setattr(cli.subprocess, "Popen", Server)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.chdir(NOTEBOOKS.parent)
    assert cli.main(["start", "3"]) == cli.main(["start"]) == cli.main(["start"]) == 0
    shutil.copy(ROOT / "solutions" / "ex01_resampling.py", tmp_path)
    for task in manifest.find("01").tasks:
        record(judge.judge(task.id, folder=tmp_path), tmp_path)
    assert cli.main(["start"]) == 0
    signal.signal(signal.SIGINT, before)
    opened = [Path(command[4]).name[:2] for command in called]
    assert opened == ["03", "00", "01", "02"]  # the one named, the first one, and then what is not finished
    notebook, root = str(Path("notebooks/03_srcnn.ipynb")), f"--ServerApp.root_dir={ROOT}"
    assert called[0][1:] == ["-m", "jupyter", "lab", notebook, root]
    monkeypatch.chdir(NOTEBOOKS)
    assert cli.main(["start"]) == 2
    assert "run this in the folder" in capsys.readouterr().err


class _Server:
    """What the extension touches of a Jupyter server."""

    def __init__(self, folder: Path, url: str = "/lab") -> None:
        self.root_dir, self.default_url, self.base_url = str(folder), url, "/"
        self.web_app = SimpleNamespace(settings={"default_url": url})


def test_jupyter_opens_at_the_first_lesson_only_here(tmp_path: Path) -> None:
    first = "/lab/tree/notebooks/00_first_picture.ipynb"
    cases = [
        (NOTEBOOKS.parent, "/lab", first),
        (tmp_path, "/lab", "/lab"),
        (NOTEBOOKS.parent, "/lab/tree/x", "/lab/tree/x"),
    ]
    for folder, url, expected in cases:
        server = _Server(folder, url)
        jupyter._load_jupyter_server_extension(server)
        assert server.default_url == server.web_app.settings["default_url"] == expected
    [point] = jupyter._jupyter_server_extension_points()
    assert point["module"] == jupyter.__name__
