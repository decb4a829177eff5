"""What an answer reaches for: a look at its text, so that nothing is copied or changed behind the exercise's back.

This is no sandbox: it keeps an honest student honest, and says in a sentence what to write instead.
"""

import ast
from collections.abc import Iterator

OURS = {"srlib", "course", "solutions", "tests"}  # of which a lesson's `imports` may be used
MODULES = {  # by which files, other modules or running code can be reached
    *("ast", "builtins", "codecs", "ctypes", "dis", "fileinput", "gc", "glob", "importlib", "inspect", "io"),
    *("linecache", "marshal", "mmap", "multiprocessing", "nt", "os", "pathlib", "pickle", "pkgutil", "posix", "runpy"),
    *("shelve", "shutil", "socket", "subprocess", "sys", "tempfile", "threading", "tokenize", "traceback", "unittest"),
    *("urllib", "zipfile", "zipimport"),
}
BUILTINS = {
    "open",
    "vars",
    "exec",
    "eval",
    "compile",
    "__import__",
    "__builtins__",
    "__loader__",
    "__spec__",
    "globals",
}
PARTS = {  # of torch, numpy and scikit-image, which are welcome otherwise
    "torch.load": "reads a file",
    "torch.from_file": "reads a file",
    "torch.hub": "reads files",
    "torch.package": "reads files",
    "torch.serialization": "reads files",
    "torch.jit.load": "reads a file",
    "torch.utils.cpp_extension": "reads files",
    "torch.overrides": "changes what torch does",
    "torch.utils._python_dispatch": "changes what torch does",
    "numpy.load": "reads a file",
    "numpy.fromfile": "reads a file",
    "numpy.loadtxt": "reads a file",
    "numpy.genfromtxt": "reads a file",
    "numpy.memmap": "reads a file",
    "numpy.lib.format": "reads files",
    "numpy.lib.npyio": "reads files",
    "numpy.DataSource": "reads files",
    "skimage.io": "reads files",
}
ATTRIBUTES = {"read_text", "read_bytes", "getsource", "from_file", "load_module", "exec_module", "attrgetter"} | {
    *("__globals__", "__builtins__", "__closure__", "__code__", "__subclasses__", "__import__", "__loader__"),
    *("tb_frame", "f_back", "f_globals", "f_locals", "f_builtins", "gi_frame", "cr_frame", "ag_frame"),
}
SETTINGS = ("torch.backends.",)  # what may be assigned to


def too_far(tree: ast.Module, imports: tuple[str, ...]) -> tuple[int, str] | None:
    """The first line that reaches too far, and a sentence; None where nothing does. imports: of srlib, allowed."""
    tree = ast.Module([node for node in tree.body if not _only_as_a_script(node)], [])
    names = _imported(tree)
    own = _own(tree)
    for node in ast.walk(tree):
        for cause in _causes(node, imports, names, own):
            return getattr(node, "lineno", 1), cause
    return None


def _causes(node: ast.AST, imports: tuple[str, ...], names: dict[str, str], own: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from _modules([alias.name for alias in node.names], imports)
    elif isinstance(node, ast.ImportFrom):
        yield from _modules([f"{node.module or ''}.{alias.name}" for alias in node.names], imports)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in BUILTINS - own:
        yield f"the file uses `{node.id}`, by which other files are read or run: an answer needs no such thing"
    elif isinstance(node, ast.Attribute):
        yield from _attribute(node, names)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from _by_name(node.func.id, node.args, names)


def _modules(wanted: list[str], imports: tuple[str, ...]) -> Iterator[str]:
    for name in wanted:
        top = name.split(".")[0]
        allowed = any(name == a or name.startswith(f"{a}.") for a in (*imports, "course.todo.todo"))
        if top in OURS and not allowed:
            yield f"the file imports `{name}`, where the answer lies ready: write it yourself"
        elif hidden := next((part for part in name.split(".") if part.lstrip("_") in MODULES), ""):
            yield f"the file imports `{hidden}`, by which other files are read or run: an answer needs no such thing"
        elif part := _part(name):
            yield f"the file imports `{name}`, which {PARTS[part]}: an answer needs no such thing"


def _attribute(node: ast.Attribute, names: dict[str, str]) -> Iterator[str]:
    full = _full(node, names)
    if isinstance(node.ctx, (ast.Store, ast.Del)):
        shared = _foreign(full, names) or ".__class__." in full or full.startswith("type().")
        if shared and not full.startswith(SETTINGS):
            yield f"the file changes `{full}` for everyone, the checks too: leave it as it is, and write a function"
    elif part := _part(full):
        yield f"the file uses `{part}`, which {PARTS[part]}: an answer needs no such thing"
    elif node.attr in ATTRIBUTES or (_foreign(full, names) and node.attr.lstrip("_") in MODULES):
        yield f"the file uses `.{node.attr}`, by which other files are read or run: an answer needs no such thing"


def _by_name(function: str, args: list[ast.expr], names: dict[str, str]) -> Iterator[str]:
    """getattr and its kind: what is named by a text counts as if it stood there."""
    if function not in ("getattr", "setattr", "delattr") or len(args) < 2:
        return
    target, name = args[:2]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        context = ast.Load() if function == "getattr" else ast.Store()
        yield from _attribute(ast.Attribute(value=target, attr=name.value, ctx=context), names)
    elif not isinstance(name, ast.Name):
        yield f"the file puts a name together for `{function}`: write the name itself"
    elif function != "getattr" and isinstance(target, ast.Name) and target.id in names:
        yield f"the file changes `{target.id}` for everyone, the checks too: leave it as it is, and write a function"


def _foreign(full: str, names: dict[str, str]) -> bool:
    """Whether a dotted name begins with something that is imported."""
    return full.split(".")[0] in {name.split(".")[0] for name in names.values()}


def _only_as_a_script(node: ast.stmt) -> bool:
    """Whether this is ``if __name__ == "__main__":``, which the checks do not run."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" and not node.orelse


def _part(name: str) -> str:
    """Which of the refused parts a dotted name lies in."""
    return next((part for part in PARTS if name == part or name.startswith(f"{part}.")), "")


def _full(node: ast.expr, names: dict[str, str]) -> str:
    """`np.linalg.norm` as `numpy.linalg.norm`; what is no plain chain of names begins with a dot."""
    if isinstance(node, ast.Attribute):
        return f"{_full(node.value, names)}.{node.attr}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type":
        return "type()"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> dict[str, str]:
    """The names that imports give a meaning to, in full."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.split(".")[0]: _target(alias) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def _target(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.split(".")[0]


def _own(tree: ast.Module) -> set[str]:
    """The names that the file itself gives a meaning to, so that they are not Python's own any more."""
    found, taken = set(_imported(tree)), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            taken.add(node.value.id)  # `open = open` is still Python's
    return found - taken
