"""The manifest and its command agree with what is in the tree."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from course import cli, jupyter, manifest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_twelve_lessons_in_order() -> None:
    assert [lesson.id for lesson in manifest.lessons()] == [f"{k:02}" for k in range(12)]
    assert all(0 < lesson.minutes[0] <= lesson.minutes[1] for lesson in manifest.lessons())


def test_notebooks_are_those_of_the_manifest() -> None:
    named = {lesson.notebook for lesson in manifest.lessons() if lesson.notebook}
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} == named
    assert all(lesson.notebook.startswith(lesson.id) for lesson in manifest.lessons() if lesson.notebook)


def test_list_says_what_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert sum("not written yet" in line for line in lines) == sum(x.notebook is None for x in manifest.lessons())


@pytest.mark.parametrize(("lesson", "says"), [("77", "choose one of 00, 01"), ("6", "06 is not written yet")])
def test_start_refuses_in_a_sentence(lesson: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["start", lesson]) == 2
    assert says in capsys.readouterr().err


def test_start_opens_the_notebook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    called: list[list[str]] = []

    class Server:
        def __init__(self, command: list[str]) -> None:
            called.append(command)

        def wait(self) -> int:
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # Ctrl-C is the server's
            return 0

    monkeypatch.setattr(cli.subprocess, "Popen", Server)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.chdir(NOTEBOOKS.parent)
    assert cli.main(["start", "3"]) == 0
    signal.signal(signal.SIGINT, before)
    assert called[0][1:] == ["-m", "jupyter", "lab", str(Path("notebooks/03_srcnn.ipynb"))]
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
