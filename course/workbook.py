"""The student's files: where they lie, reading them as they are, loading them anew, telling what is written."""

import ast
import codecs
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ENVIRONMENT = "COURSE_EXERCISES"


class Unreadable(Exception):
    """A file that cannot be run at all: the cause in a sentence, and the line where known."""

    def __init__(self, cause: str, line: int | None = None) -> None:
        super().__init__(cause)
        self.cause, self.line = cause, line


@dataclass(frozen=True)
class Source:
    """One exercise file as it stands on disk, parsed but not run."""

    path: Path
    data: bytes
    tree: ast.Module

    def node(self, name: str) -> ast.FunctionDef | ast.ClassDef | None:
        """The last top-level definition of this name (the one that Python keeps)."""
        found = [n for n in self.tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name == name]
        return found[-1] if found else None


def folder() -> Path:
    """The folder of the exercises: the environment variable COURSE_EXERCISES, else `course/exercises`."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else Path(__file__).with_name("exercises")


def shown(path: Path) -> str:
    """A path as it is named in messages: from the course's own folder, wherever the kernel or the prompt stands."""
    try:
        return path.resolve().relative_to(Path(__file__).resolve().parents[1]).as_posix()
    except ValueError:
        return str(path)


def read(path: Path) -> Source:
    """Reads and parses a file. Raises Unreadable, in the words of what is wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Unreadable(f"the file is not there: `course reset {path.name[2:4]}` cuts it anew") from None
    except OSError as error:
        raise Unreadable(f"the file cannot be read ({error.strerror}): check its name and its rights") from None
    try:
        data.decode("utf-8")
        if b"\0" in data:
            raise UnicodeError
    except UnicodeError:
        raise Unreadable("the file is not UTF-8 text: save it again as UTF-8 in your editor") from None
    try:
        return Source(path, data, ast.parse(data, filename=str(path)))
    except TabError as error:
        cause = "tabs and spaces are mixed in the indentation: use four spaces everywhere"
        raise Unreadable(cause, error.lineno) from None
    except SyntaxError as error:
        kind = "the indentation is wrong" if isinstance(error, IndentationError) else "Python cannot read this line"
        text = f": `{error.text.strip()}`" if error.text and error.text.strip() else ""
        raise Unreadable(f"{kind} ({error.msg}){text}", error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"Python cannot read the file ({error})") from None


def remarks(source: Source) -> list[str]:
    """What is unusual about a file that runs all the same."""
    found = []
    if source.data.startswith(codecs.BOM_UTF8):
        found.append("the file begins with a UTF-8 byte order mark; it is kept, and does no harm")
    if b"\r\n" in source.data:
        found.append("the file has Windows line ends; they are kept, and do no harm")
    if re.search(rb"^[ ]*\t", source.data, flags=re.M):
        found.append("the file is indented with tabs; Python stops when tabs and spaces mix, so prefer four spaces")
    return found


def load(source: Source) -> ModuleType:
    """Runs a file as a fresh module; whatever it raises goes through."""
    module = ModuleType(source.path.stem)
    module.__file__ = str(source.path)
    sys.modules[module.__name__] = module  # where dataclasses and the like look their own module up
    exec(compile(source.tree, str(source.path), "exec"), module.__dict__)
    return module


def is_stub(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether nothing is written yet: the first thing after the docstring is ``raise todo(...)``."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if isinstance(node, ast.ClassDef):
        return any(is_stub(part) for part in body if isinstance(part, ast.FunctionDef))
    match body[:1]:
        case [ast.Raise(exc=ast.Call(func=ast.Name(id="todo")))]:
            return True
    return False


def fingerprint(source: Source, name: str) -> str:
    """A hash of an answer: its text without layout, with everything in the file that it reaches by name."""
    defined: dict[str, list[ast.stmt]] = {}
    for statement in source.tree.body:
        for bound in _bound(statement):
            defined.setdefault(bound, []).append(statement)
    reached, waiting = set(), {name}
    while waiting:
        reached |= waiting
        parts = [part for one in waiting for statement in defined.get(one, ()) for part in ast.walk(statement)]
        waiting = {part.id for part in parts if isinstance(part, ast.Name)} - reached
    kept = [statement for statement in source.tree.body if reached & _bound(statement)]
    return hashlib.sha256("\n".join(ast.dump(statement) for statement in kept).encode()).hexdigest()


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement gives a meaning to, or may change."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    names = [part for part in ast.walk(statement) if isinstance(part, ast.Name)]
    stored = {part.id for part in names if isinstance(part.ctx, ast.Store)}
    return stored or {part.id for part in names}  # `table.update(...)` and `torch.x = y` change what they name
