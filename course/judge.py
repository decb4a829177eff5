"""One answer against its checks, in this process."""

import ast
import inspect
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course import reach, workbook
from course.checking import Case, Exercise, Wrong
from course.checks import EXERCISES
from course.guard import PRINTED_LINES, Spam, TimedOut, time_limit, undisturbed
from course.manifest import Lesson, Task, find_task
from course.todo import NotSolved
from course.verdict import LIMIT, Verdict


def judge(
    task_id: str,
    *,
    folder: Path,
    seed: int | None = None,
    limit: float = LIMIT,
    before_each: Callable[[], None] = lambda: None,
) -> Verdict:
    """Runs an exercise's checks on the student's file in this folder, in this process.

    seed: of the random inputs, drawn if it is not given. limit: seconds for each check. before_each: called before each
    check. Raises ValueError for an unknown exercise; whatever the student's code does ends in a verdict.
    """
    lesson, task = find_task(task_id)
    seed = secrets.randbelow(10_000) if seed is None else seed
    verdict = Verdict(task.id, task.name, "fail", seed, check="your file can be used")
    path = folder / str(lesson.file)
    verdict.where = workbook.shown(path)
    try:
        source = workbook.read(path)
    except workbook.Unreadable as error:
        verdict.cause = error.cause
        verdict.where += f", line {error.line}" if error.line else ""
        return verdict
    verdict.remarks = workbook.remarks(source)
    with undisturbed() as printed:
        _Run(verdict, source, EXERCISES[task.id], lesson, task, limit, before_each).run()
    verdict.printed = printed.shown()
    return verdict


def prepared(source: workbook.Source, lesson: Lesson, task: Task) -> Callable[..., Any]:
    """Runs a student's file and gives its answer to one exercise; stubs that it builds on are filled by the references.

    Raises Wrong if there is no such function, and whatever the file raises.
    """
    module = workbook.load(source)
    lent = builds_on(lesson, task)
    for other in lesson.tasks:
        node = source.node(other.name)
        if other.id in lent and node is not None and workbook.is_stub(node):
            module.__dict__[other.name] = EXERCISES[other.id].reference
    answer = module.__dict__.get(task.name)
    if answer is None:
        raise Wrong(
            f"there is no function `{task.name}` in the file any more: "
            f"`course reset {task.id}` puts its stub back and keeps your text"
        )
    if not callable(answer):
        raise Wrong(f"`{task.name}` is a {type(answer).__name__}, not a function")
    return answer


def builds_on(lesson: Lesson, task: Task) -> set[str]:
    """The exercises of the same lesson that an exercise uses, and those that they use."""
    found = {x.id for x in lesson.tasks if x.id in task.uses}
    return found.union(*(builds_on(lesson, x) for x in lesson.tasks if x.id in found))


@dataclass
class _Run:
    verdict: Verdict
    source: workbook.Source
    exercise: Exercise
    lesson: Lesson
    task: Task
    limit: float
    before_each: Callable[[], None]

    def run(self) -> None:
        verdict = self.verdict
        node = self.source.node(self.task.name)
        if node is not None:
            self._at(node.lineno)
        if found := reach.too_far(self.source.tree, self.lesson.imports):
            line, verdict.cause = found
            self._at(line)
            return
        if node is not None and workbook.is_stub(node):
            verdict.state = "todo"
            verdict.check = ""
            verdict.cause = f"write `{self.task.name}` in {verdict.where}"
            return
        answer = self._guarded(self._load)
        if answer is None:
            return
        verdict.fingerprint = workbook.fingerprint(self.source, self.task.name)
        for number, check in enumerate(self.exercise.checks):
            self.before_each()
            verdict.check = (check.__doc__ or check.__name__).strip().splitlines()[0].rstrip(".")
            case = Case(verdict.seed, number, self.exercise.reference)

            def one(check: Any = check, case: Case = case) -> bool:
                check(answer, case)
                return True

            if not self._guarded(one):
                self._blame_what_it_uses(node)
                return
            verdict.checks += 1
        verdict.state, verdict.check, verdict.expected, verdict.got, verdict.cause = "pass", "", "", "", ""

    def _load(self) -> Any:
        answer = prepared(self.source, self.lesson, self.task)
        _same_signature(answer, self.exercise.reference, self.task.name)
        return answer

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """What the work gives, or None after writing into the verdict what went wrong."""
        verdict = self.verdict
        try:
            with time_limit(self.limit):
                return work()
        except Wrong as error:
            verdict.expected, verdict.got, verdict.cause = error.expected, error.got, error.cause
            verdict.pictures = error.pictures
        except NotSolved as error:
            if error.exercise == self.task.id:
                verdict.state = "todo"
                verdict.cause = f"begun, but `raise todo` is still reached in {verdict.where}"
            else:
                verdict.cause = f"it calls exercise {error.exercise}, which is not finished: do that first"
        except TimedOut as error:
            self._blame(error)
            verdict.got = f"no answer within {self.limit:g} s"
            verdict.cause = "it does not end: is there a loop whose condition stays true?"
        except Spam as error:
            self._blame(error)
            verdict.got = f"more than {PRINTED_LINES} printed lines"
            verdict.cause = "it prints and prints: take the print out of the loop"
        except SystemExit as error:
            self._blame(error)
            verdict.got = "sys.exit or exit()"
            verdict.cause = "it ends Python instead of giving an answer: take the exit out, and use return"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            line = self._blame(error)
            said = _words(error)
            verdict.got = f"{type(error).__name__}: {said}"
            verdict.cause = f"your code stopped at `{line}`" if line else "the check could not work with your answer"
            verdict.cause += next((f": {advice}" for words, advice in _ADVICE.items() if words in said), "")
        return None

    def _blame_what_it_uses(self, node: ast.AST | None) -> None:
        """Where an answer calls another one that is wrong itself, that is the cause."""
        if self.verdict.state != "fail" or node is None:
            return
        called = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        for other in self.lesson.tasks:
            if other.id in self.task.uses and other.name in called:
                twin = Verdict(other.id, other.name, "fail", self.verdict.seed)
                _Run(twin, self.source, EXERCISES[other.id], self.lesson, other, self.limit, self.before_each).run()
                if twin.state == "fail":
                    self.verdict.cause = f"it calls {other.name}, and {other.id} fails its own checks: mend that first"
                    return

    def _blame(self, error: BaseException) -> str:
        """Points `where` at the innermost line of the student's file; gives its text."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.source.path)]
        if not frames:
            return ""
        self._at(frames[-1].lineno)
        lines = self.source.data.decode("utf-8", "replace").splitlines()
        number = frames[-1].lineno or 0
        return lines[number - 1].strip()[:120] if 0 < number <= len(lines) else ""

    def _at(self, line: int | None) -> None:
        self.verdict.where = f"{workbook.shown(self.source.path)}, line {line}"


def _same_signature(answer: Any, reference: Any, name: str) -> None:
    """Raises Wrong if the checks could not call the answer as the stub said."""
    wanted = inspect.signature(reference).parameters
    try:
        found = inspect.signature(answer).parameters
    except (TypeError, ValueError):
        return  # a builtin: the checks call it and see
    more = [p for p in found.values() if p.name not in wanted and p.default is p.empty and p.kind not in _ANY]
    missing = [p for p in wanted if p not in found] if not any(p.kind in _ANY for p in found.values()) else []
    moved = [p for p in found if p in wanted] != [p for p in wanted if p in found]
    kinds = [p for p in wanted if p in found and found[p].kind not in (wanted[p].kind, found[p].POSITIONAL_OR_KEYWORD)]
    if more or missing or moved or kinds:
        raise Wrong(
            "the function's first line was changed: put the names of the parameters back as they were",
            expected=_head(name, wanted),
            got=_head(name, found),
        )


def _words(error: BaseException) -> str:
    """An error's first line; a student's own class may fail even at that."""
    try:
        return (str(error).strip() or "no message").splitlines()[0][:160]
    except Exception:
        return "no message"


# What torch says -> what it means most of the time.
_ADVICE = {
    "Boolean value of Tensor": "`if`, `and` and `max(a, b)` ask one question of a whole tensor; torch.where, clamp and "
    "F.relu ask each element",
    "must match the size": "two shapes do not fit; a dimension of size 1 (keepdim=True, unsqueeze) is repeated",
    "same dtype": "two dtypes are mixed; y.to(x) gives y the dtype of x",
    "expected scalar type": "two dtypes are mixed; y.to(x) gives y the dtype of x",
    "Input type": "two dtypes are mixed; y.to(x) gives y the dtype of x",
    "tuple index out of": "a shape, or another tuple, is shorter than that: there may be fewer dimensions",
    "Dimension out of": "the tensor has fewer dimensions than that",
    "out of bounds for dimension": "a position lies outside the tensor",
    "cannot access local variable": "its value is given in a loop or a branch that did not run this time",
    "index out of": "a position lies outside the line or the table",
    "converted to Python scalars": "the functions of `math` take one number; torch has its own for tensors",
    "cannot be converted to Scalar": "the functions of `math` take one number; torch has its own for tensors",
    "channels, but got": "this convolution wants other channels; torch.cat([...], 1) joins those of several tensors, "
    "and dim 0 would join the batch",
    "view size is not compatible": "view needs values in the order of memory; reshape does not",
    "mat1 and mat2 shapes": "a linear layer multiplies the last dimension, and (B, C) is what it wants",
    "modified by an inplace": "a value that the gradient needs was changed by `+=` or the like: a + b makes a new one",
    "backward through the graph a second time": "backward uses a graph up; detach() what an earlier loss went through",
    "used in an in-place operation": "weights are changed inside `with torch.no_grad():`",
    "loading state_dict": "load_state_dict refuses another shape, strict or not, and strict also a missing name",
    "does not require grad": "no gradient is followed here: x.clone().requires_grad_(True) has one, outside of no_grad",
    "numpy() on Tensor that requires": "numpy knows no gradients: keep to torch until they are taken",
}
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _head(name: str, parameters: Any) -> str:
    plain = [p.replace(annotation=p.empty) for p in parameters.values()]
    return f"{name}{inspect.Signature(plain)}"
