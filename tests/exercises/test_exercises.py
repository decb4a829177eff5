"""The student's exercises: one test for each, run in a process of its own. What is still todo is skipped, not red."""

from collections.abc import Callable, Iterator

import pytest

from course import workbook
from course.manifest import chosen
from course.verdict import record
from course.worker import Worker

TASKS = [task for _, task in chosen([])]


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


@pytest.mark.parametrize("task_id", [pytest.param(task.id, id=f"{task.id}-{task.name}") for task in TASKS])
def test_exercise(task_id: str, worker: Worker, record_property: Callable[[str, object], None]) -> None:
    folder = workbook.folder()
    verdict = worker.judge(task_id, folder=folder)
    record_property(task_id, verdict.state)
    print(verdict.printed, record(verdict, folder))
    if verdict.state == "todo":
        pytest.skip(verdict.text())
    if verdict.state == "fail":
        pytest.fail(verdict.text(), pytrace=False)
