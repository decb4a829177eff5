"""Judging in a process of its own: whatever a student's code does, the one who asks gets a verdict.

`Worker` is the side that asks; `python -m course.worker` is the side that runs the answers, one line of JSON for each.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from course import workbook
from course.manifest import find_task
from course.verdict import LIMIT, STRETCH, Verdict

STARTING = 120.0  # seconds for torch and the checks to be loaded, on a slow disk
ALIVE = "\n"  # what the other process says before each check
PATIENCE = 8.0  # seconds beyond the limit of a check, before a process that does not answer is ended


class Worker:
    """Runs answers in one other process, which is started anew when an answer ends it or does not end."""

    def __init__(self, *, limit: float | None = None, patience: float = PATIENCE) -> None:
        self.limit, self.patience = limit, patience
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, task_id: str, *, folder: Path, seed: int | None = None) -> Verdict:
        """The verdict of one exercise. Raises ValueError for an unknown one, RuntimeError if no process can start."""
        lesson, task = find_task(task_id)
        limit = LIMIT if self.limit is None else self.limit
        process = self._started()
        assert process.stdin is not None
        request = {"task_id": task_id, "folder": str(folder), "seed": seed, "limit": limit}
        with contextlib.suppress(OSError):  # a process that has ended says so below, by an empty line
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        line, longest = ALIVE, STRETCH * limit + self.patience
        try:
            while line == ALIVE:
                line = self._lines.get(timeout=longest)
        except queue.Empty:
            line, got = "", f"no answer within {longest:g} s"
            cause = "it does not end, and could not be stopped: is there a loop whose condition stays true?"
        else:
            got, cause = "the end of Python", "your code ends the whole process (os._exit, or a crash in native code)"
        if line:
            return Verdict(**json.loads(line))
        self.close()
        where = workbook.shown(folder / str(lesson.file))
        return Verdict(
            task.id, task.name, "fail", seed or 0, check="your code gives an answer", got=got, cause=cause, where=where
        )

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    assert pipe is not None
                    pipe.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            lines: queue.Queue[str] = queue.Queue()
            self._lines = lines
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "course.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
            ready = ""
            with contextlib.suppress(queue.Empty):
                ready = lines.get(timeout=STARTING)
            if ready != "ready\n":
                self.close()
                raise RuntimeError(
                    "the process of the checks does not start: is the machine very busy? `course doctor` says more"
                )
        return self._process


def _pump(pipe: Any, lines: queue.Queue[str]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in pipe:
            lines.put(line)
    lines.put("")


def main() -> None:
    """Answers requests until standard input ends. What answers print goes nowhere else but into their verdicts."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    from course.judge import judge  # which the asking side does without: it brings torch and the checks

    def say(line: str) -> None:
        answers.write(line)
        answers.flush()

    say("ready\n")
    requests, sys.stdin = sys.stdin, open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - input() ends at once
    for line in requests:
        request = json.loads(line)
        verdict = judge(**{**request, "folder": Path(request["folder"])}, before_each=lambda: say(ALIVE))
        say(json.dumps(verdict.plain()) + "\n")


if __name__ == "__main__":
    main()
