"""The command `course`: list the lessons, open one in JupyterLab."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from course.manifest import find, lessons


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="course", description="The super-resolution course.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the lessons, and which are written").set_defaults(run=_list)
    start = commands.add_parser("start", help="open a lesson in JupyterLab")
    start.add_argument("lesson", nargs="?", default="00", help="its number, 00 if left out")
    start.set_defaults(run=_start)
    commands.add_parser("pictures", help="draw the course's pictures anew").set_defaults(run=_pictures)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def _list(args: argparse.Namespace) -> int:
    for lesson in lessons():
        low, high = lesson.minutes
        print(f"{lesson.id}  {lesson.title:40} {low:3}-{high} minutes  {lesson.notebook or 'not written yet'}")
    return 0


def _start(args: argparse.Namespace) -> int:
    lesson = find(args.lesson)
    if lesson.notebook is None:
        raise ValueError(f"lesson {lesson.id} is not written yet: `course list` shows which are")
    path = Path("notebooks") / lesson.notebook
    if not path.is_file():
        raise ValueError(f"{path} is not here: run this in the folder that holds `notebooks`")
    server = subprocess.Popen([sys.executable, "-m", "jupyter", "lab", str(path)])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's: it asks, and ends its kernels
    return server.wait()


def _pictures(args: argparse.Namespace) -> int:
    from course.drawing import make

    for path in make():
        print(path)
    return 0
