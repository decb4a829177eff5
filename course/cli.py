"""The command `course`: open lessons, check answers, put stubs back, examine the machine, make what is generated."""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from course import workbook
from course.manifest import chosen, find, find_task, lessons


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 1 if an answer is wrong or the machine not ready, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="course", description="The super-resolution course.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the lessons, and which are written").set_defaults(run=_list)
    commands.add_parser("status", help="how far you are").set_defaults(run=_status)
    start = commands.add_parser("start", help="open the next lesson, or the one named, in JupyterLab")
    start.add_argument("lesson", nargs="?", help="its number, such as 02; the next unfinished one if left out")
    start.set_defaults(run=_start)
    check = commands.add_parser("check", help="check your answers: of lessons, of single exercises, or all")
    check.add_argument("numbers", nargs="*", metavar="NUMBER", help="such as 02 or 02.1")
    check.add_argument("--seed", type=int, help="of the random inputs, as a message named it")
    check.set_defaults(run=_check)
    hint = commands.add_parser("hint", help="the next of an exercise's three hints")
    hint.add_argument("exercise", help="such as 02.1")
    hint.set_defaults(run=_hint)
    reset = commands.add_parser("reset", help="put a stub back; your text is kept as a backup")
    reset.add_argument("number", help="an exercise, such as 02.1, or a whole lesson, such as 02")
    reset.set_defaults(run=_reset)
    solution = commands.add_parser("solution", help="show the course's answer to an exercise that you solved")
    solution.add_argument("exercise", help="such as 02.1")
    solution.add_argument("--anyway", action="store_true", help="even though yours does not pass yet")
    solution.set_defaults(run=_solution)
    commands.add_parser("doctor", help="is this machine ready? a line for each thing").set_defaults(run=_doctor)
    make = commands.add_parser("make", help="for authors: make again what is generated")
    make.add_argument("what", choices=["stubs", "syllabus", "notebooks", "pictures"])
    make.add_argument("lessons", nargs="*", metavar="LESSON", help="only of these lessons (pictures)")
    make.set_defaults(run=_make)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def _list(args: argparse.Namespace) -> int:
    for lesson in lessons():
        low, high = lesson.minutes
        print(f"{lesson.id}  {lesson.title:40} {low:3}-{high} minutes  {lesson.notebook or 'not written yet'}")
    return 0


def _status(args: argparse.Namespace) -> int:
    from course.progress import table

    print(table(workbook.folder()))
    return 0


def _start(args: argparse.Namespace) -> int:
    from course import progress, records

    folder = workbook.folder()
    lesson = find(args.lesson) if args.lesson else progress.next_lesson(folder)
    if lesson.notebook is None:
        raise ValueError(f"lesson {lesson.id} is not written yet: `course list` shows which are")
    path = Path("notebooks") / lesson.notebook
    if not path.is_file():
        raise ValueError(f"{path} is not here: run this in the folder that holds `notebooks`")
    with contextlib.suppress(OSError):  # a course on a read-only disk opens all the same
        records.keep(folder, "started", lesson.id, {})
    # Of itself JupyterLab takes the notebook's folder as its root, where the exercises and pictures are out of reach.
    server = subprocess.Popen([sys.executable, "-m", "jupyter", "lab", str(path), f"--ServerApp.root_dir={Path.cwd()}"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's: it asks, and ends its kernels
    return server.wait()


def _check(args: argparse.Namespace) -> int:
    from course import progress
    from course.verdict import record
    from course.worker import Worker

    folder, states = workbook.folder(), {}
    tasks = chosen(args.numbers)
    with Worker() as worker:
        for _, task in tasks:
            verdict = worker.judge(task.id, folder=folder, seed=args.seed)
            states[task.id] = verdict.state
            lines = (verdict.printed, verdict.text(), record(verdict, folder))
            print("\n".join(line for line in lines if line))
    print()
    for lesson in dict.fromkeys(lesson for lesson, _ in tasks):
        print(progress.bar(lesson, {t.id: states[t.id] for t in lesson.tasks if t.id in states}))
    return int("fail" in states.values())


def _hint(args: argparse.Namespace) -> int:
    from course import hints

    print(hints.following(args.exercise, workbook.folder()))
    return 0


def _reset(args: argparse.Namespace) -> int:
    from course import stubs

    lesson, task = find_task(args.number) if "." in args.number else (find(args.number), None)
    if lesson.file is None:
        raise ValueError(f"lesson {lesson.id} has no exercises")
    folder = workbook.folder()
    backup = stubs.reset(lesson, task, folder)
    print(f"{workbook.shown(folder / lesson.file)}: the stub of {args.number} stands there again")
    if backup is not None:
        print(f"your text is kept in {workbook.shown(backup)}")
    return 0


def _solution(args: argparse.Namespace) -> int:
    from course import progress, stubs

    lesson, task = find_task(args.exercise)
    if not args.anyway and task.id not in progress.passed(lesson, workbook.folder()):
        raise ValueError(
            f"{task.id} does not pass yet (`course check {task.id}`): `course hint {task.id}` helps; "
            f"`course solution {task.id} --anyway` shows it all the same"
        )
    print(stubs.answer(stubs.solution_text(lesson), task), end="")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from course import doctor

    findings = doctor.examine()
    print(doctor.report(findings))
    return int(any(finding.repair for _, finding in findings))


def _make(args: argparse.Namespace) -> int:
    from course import notebooks, stubs, syllabus

    chosen_lessons = [find(number) for number in args.lessons] or list(lessons())
    if args.what == "stubs":
        made = stubs.make(chosen_lessons, workbook.folder())
    elif args.what == "syllabus":
        made = syllabus.make()
    elif args.what == "notebooks":
        made = notebooks.clean_all(chosen_lessons)
    else:
        made = notebooks.draw(chosen_lessons)
    for path in made:
        print(workbook.shown(path))
    return 0
