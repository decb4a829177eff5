"""The bars at the end of a run: how far each lesson is, of the exercises that were run."""

from typing import Any

import pytest

from course.manifest import lessons
from course.progress import bar


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints a bar for each lesson of which an exercise was run."""
    reports = [report for group in ("passed", "failed", "skipped") for report in terminalreporter.getreports(group)]
    states = {
        name: value
        for report in reports
        if isinstance(report, pytest.TestReport)
        for name, value in report.user_properties
        if value in ("pass", "fail", "todo")
    }
    shown = [(lesson, {t.id: states[t.id] for t in lesson.tasks if t.id in states}) for lesson in lessons()]
    if states:
        terminalreporter.section("the course")
        for lesson, own in shown:
            if own:
                terminalreporter.write_line(bar(lesson, own))
