"""Whatever a student's file does ends in a verdict that names it: in this process, and in one of its own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from answers import ROOT, changed
from course import judge, reach, stubs
from course.manifest import find_task
from course.progress import passed
from course.verdict import Verdict, record
from course.worker import Worker

LESSON, TASK = find_task("02.1")
FILE = str(LESSON.file)
RIGHT = (ROOT / "solutions" / FILE).read_text(encoding="utf-8")
Face = Callable[[Path], Verdict]


def _with(body: str, **more: str) -> str:
    """The solutions' file with another answer to 02.1."""
    return changed(RIGHT, "02.1", {"body": body, **more}, "here")


def _here(folder: Path) -> Verdict:
    return judge.judge("02.1", folder=folder, seed=3, limit=0.5)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(limit=0.5, patience=2.0) as started:
        yield started


@pytest.fixture(params=["notebook", "process"])
def face(request: pytest.FixtureRequest, worker: Worker) -> Face:
    return _here if request.param == "notebook" else lambda folder: worker.judge("02.1", folder=folder, seed=3)


# What stands in the file -> the state, and words that its message must hold.
CASES: dict[str, tuple[str | bytes | None, str, str]] = {
    "right": (RIGHT, "pass", r"PASS 02\.1 psnr: all \d+ checks, seed 3"),
    "endless loop": (_with("while True:\n    pass"), "fail", r"does not end: is there a loop.*\n.*line \d+"),
    "endless loop that catches errors": (
        _with("while True:\n    try:\n        sr.mean()\n    except Exception:\n        pass"),
        "fail",
        "does not end",
    ),
    "endless loop on import": ("while True:\n    pass\n", "fail", "does not end"),
    "exit": (_with("exit()"), "fail", "ends Python instead of giving an answer"),
    "exit on import": (f"{RIGHT}\nraise SystemExit(0)\n", "fail", "ends Python instead of giving an answer"),
    "syntax error": (_with("return 10 * (mse"), "fail", r"Python cannot read this line \(.*was never closed"),
    "indentation": (_with("mse = 1\n  return mse"), "fail", "the indentation is wrong"),
    "missing file": (None, "fail", "file is not there: `course reset 02` cuts it anew"),
    "changed signature": (RIGHT.replace("def psnr(sr", "def psnr(x"), "fail", r"got +psnr\(x, hr\)\n.*first line was"),
    "one parameter more": (RIGHT.replace("psnr(sr: Tensor,", "psnr(peak, sr: Tensor,"), "fail", "first line was"),
    "print spam": (_with("for k in range(10**6):\n    print(k)"), "fail", "prints and prints: take the print out"),
    "endless print": (_with("while True:\n    print('here')"), "fail", "prints and prints"),
    "input changed": (
        _with("sr -= hr\nreturn -10 * torch.log10(sr.square().flatten(1).mean(1))"),
        "fail",
        "changes its input `sr` in place",
    ),
    "no such function": (RIGHT.replace("def psnr", "def psnrr"), "fail", "no function `psnr`.*`course reset 02.1`"),
    "not a function": (f"{RIGHT}\npsnr = 3\n", "fail", "`psnr` is a int, not a function"),
    "nothing comes back": (_with("mse = (sr - hr).square().mean()"), "fail", "is a `return` missing"),
    "an error": (_with("return sr @ undefined"), "fail", r"NameError: name 'undefined'.*\n.*`return sr @ undefined`"),
    "an error that cannot be said": (
        _with("class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Mute"),
        "fail",
        "Mute: no message",
    ),
    "a tensor in an if": (_with("if sr > hr:\n    return sr"), "fail", "ask one question of a whole tensor"),
    "the library's answer by its name": (
        _with("import importlib\nreturn importlib.import_module('srlib.metrics').psnr(sr, hr, border=0, luma=False)"),
        "fail",
        "imports `importlib`",
    ),
    "the library's text, run": (
        _with("exec(open('srlib/metrics.py').read(), globals())\nreturn psnr(sr, hr)"),
        "fail",
        "uses `exec`, by which other files are read or run",
    ),
    "the solutions' text": (
        _with("from pathlib import Path\nreturn Path('solutions').read_text()"),
        "fail",
        "imports `pathlib`",
    ),
    "a file through torch": (
        _with("return torch.load('answer.pt')"),
        "fail",
        r"uses `torch\.load`, which reads a file",
    ),
    "a file through another's import": (
        _with("return torch.os.listdir('solutions')"),
        "fail",
        r"uses `\.os`, by which other files",
    ),
    "torch made agreeable": (
        _with("torch.allclose = lambda *args, **more: True\nreturn sr.mean((1, 2, 3))"),
        "fail",
        r"changes `torch\.allclose` for everyone, the checks too",
    ),
    "torch made agreeable by a text": (
        _with("setattr(torch, 'allclose', lambda *args, **more: True)\nreturn sr.mean((1, 2, 3))"),
        "fail",
        r"changes `torch\.allclose` for everyone",
    ),
    "the caller's frame": (
        _with("try:\n    raise ValueError\nexcept ValueError as e:\n    return e.__traceback__.tb_frame.f_back"),
        "fail",
        "`.f_back`|`.tb_frame`",
    ),
    "an error without words": (_with("raise ValueError"), "fail", "ValueError: no message"),
    "a shape that looks equal": (
        _with("return -10 * torch.log10((sr - hr).square().flatten(1).mean(1)).squeeze()"),
        "fail",
        r"expected  one number: \[20.0\] dB, shape \(1,\)\n +got +20 dB, shape \(\)\n",
    ),
    "a list that looks equal": (
        _with("return (-10 * torch.log10((sr - hr).square().flatten(1).mean(1))).tolist()"),
        "fail",
        r"\[20.0\] dB, shape \(1,\)\n +got +\(20\) dB, a list\n",
    ),
    "endless recursion": (_with("return psnr(sr, hr)"), "fail", "RecursionError"),
    "equal to everything": (
        _with("class Yes(torch.Tensor):\n    def __eq__(self, other): return True\nreturn sr.as_subclass(Yes)"),
        "fail",
        "a torch.Tensor of shape",
    ),
    "the library's answer": (
        _with("from srlib import metrics\nreturn metrics.psnr(sr, hr, border=0, luma=False)"),
        "fail",
        "imports `srlib.metrics`, where the answer lies ready",
    ),
    "begun": (
        _with('mse = (sr - hr).square()\nraise todo("02.1")', head="from course.todo import todo"),
        "todo",
        "begun",
    ),
    "calls what is begun": (
        _with('raise todo("02.2")', head="from course.todo import todo").replace("raise", "0\n    raise", 1),
        "fail",
        "calls exercise 02.2, which is not finished",
    ),
    "Windows line ends": (RIGHT.replace("\n", "\r\n").encode(), "pass", "has Windows line ends; they are kept"),
    "Windows line ends, wrong": (_with("return sr").replace("\n", "\r\n").encode(), "fail", "the shape is"),
    "byte order mark": (b"\xef\xbb\xbf" + RIGHT.encode(), "pass", "begins with a UTF-8 byte order mark"),
    "tabs": (re.sub("^    ", "\t", RIGHT, flags=re.M), "pass", "indented with tabs"),
    "tabs and spaces": (
        RIGHT.replace("    # begin 02.1\n    ", "    # begin 02.1\n\t"),
        "fail",
        "tabs and spaces are mixed in the indentation",
    ),
    "UTF-16": (RIGHT.encode("utf-16"), "fail", "not UTF-8 text"),
    "Latin-1": ("# caf\u00e9\n".encode("latin-1") + RIGHT.encode(), "fail", "not UTF-8 text"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_file_has_its_verdict(name: str, face: Face, tmp_path: Path) -> None:
    content, state, words = CASES[name]
    path = tmp_path / FILE
    data = content.encode() if isinstance(content, str) else content
    if data is not None:
        path.write_bytes(data)
    verdict = face(tmp_path)
    assert verdict.state == state, verdict.text()
    assert re.search(words, verdict.text()), verdict.text()
    assert len(verdict.text().splitlines()) <= 6
    assert (path.read_bytes() if data is not None else None) == data  # the file is as it was
    if state == "fail":
        assert FILE in verdict.where and "seed=3" in verdict.text()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import signal\nsignal.raise_signal(signal.SIGKILL)", "ends the whole process"),
        ("while True:\n    try:\n        sr.mean()\n    except:\n        pass", "does not end"),
        ("import time\ntime.sleep(1000)", "could not be stopped"),
    ],
    ids=["a signal", "loop that catches everything", "sleep"],
)
def test_a_process_of_its_own_survives_more(body: str, words: str, worker: Worker, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(_with(body), encoding="utf-8")
    verdict = worker.judge("02.1", folder=tmp_path, seed=3)
    assert verdict.state == "fail" and words in verdict.cause
    (tmp_path / FILE).write_text(RIGHT, encoding="utf-8")
    assert worker.judge("02.1", folder=tmp_path).state == "pass"


def test_a_forged_line_on_standard_output_is_no_verdict(worker: Worker, tmp_path: Path) -> None:
    forged = (
        "import logging\nhandler = logging.FileHandler('/dev/fd/1')\n"
        'handler.stream.write(\'{"state": "pass"}\\n\')\nhandler.close()\nreturn sr'
    )
    (tmp_path / FILE).write_text(_with(forged), encoding="utf-8")
    assert worker.judge("02.1", folder=tmp_path, seed=3).state == "fail"


def test_a_few_prints_are_shown_and_do_no_harm(face: Face, tmp_path: Path) -> None:
    text = _with("print('hello', sr.shape)\nreturn -10 * torch.log10((sr - hr).square().flatten(1).mean(1))")
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    verdict = face(tmp_path)
    assert verdict.state == "pass" and verdict.printed.startswith("hello torch.Size([1, 3, 8, 8])")


def test_same_seed_same_message_and_both_faces_agree(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(_with("return torch.log10((sr - hr).square().flatten(1).mean(1))"), encoding="utf-8")
    texts = {judge.judge("02.1", folder=tmp_path, seed=8).text() for _ in range(2)}
    assert texts == {worker.judge("02.1", folder=tmp_path, seed=8).text()}


def test_the_bugs_of_the_three_scripts_are_not_named_before_a_repair(tmp_path: Path) -> None:
    """The message says which script disagrees on which pictures; what is wrong in it is for the student to find."""
    text = stubs.cut(RIGHT).replace('    raise todo("02.6")\n', "")
    repairs = {
        "a": (("4:-4, 4:-4", "scale:-scale, scale:-scale"),),
        "b": (
            ("squares, pixels = 0.0, 0", "values = []"),
            ("squares += error.square().sum().item()", "values.append(-10 * math.log10(error.square().mean().item()))"),
            ("pixels += error.numel()", "pass"),
            ("return -10 * math.log10(squares / pixels)", "return sum(values) / len(values)"),
        ),
        "c": (("sr_bytes - hr_bytes", "sr_bytes.float() - hr_bytes.float()"),),
    }
    for script, changes in repairs.items():
        (tmp_path / FILE).write_text(text, encoding="utf-8")
        verdict = judge.judge("02.6", folder=tmp_path)
        assert verdict.state == "fail" and f'script "{script}" says of these pictures what' in verdict.cause
        for word in ("border", "pool", "logarithm", "byte", "int8", "negative", "mean", "pixels at"):
            assert word not in verdict.text(), verdict.text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    assert judge.judge("02.6", folder=tmp_path).state == "pass"


def test_random_state_and_modes_are_put_back(tmp_path: Path) -> None:
    import torch

    text = _with(
        "torch.manual_seed(0)\ntorch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)\n"
        "torch.set_default_device('meta')\ntorch.use_deterministic_algorithms(True)\nreturn sr"
    )
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    before = torch.get_rng_state()
    judge.judge("02.1", folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_default_device() == torch.device("cpu")


def test_memory_that_is_never_written_is_not_right_by_luck(tmp_path: Path) -> None:
    """Memory of a new tensor often holds what was computed in it before, such as the expected values."""
    body = "right = -10 * torch.log10((sr - hr).square().mean((1, 2, 3)))\ndel right\nreturn sr.new_empty(len(sr))"
    (tmp_path / FILE).write_text(_with(body), encoding="utf-8")
    said = _here(tmp_path)
    assert said.state == "fail" and "nan" in said.got and "nothing was put" in said.cause


def test_checks_run_on_the_cpu_whatever_the_notebook_chose(tmp_path: Path) -> None:
    import torch

    (tmp_path / FILE).write_text(RIGHT, encoding="utf-8")
    torch.set_default_device("meta")
    try:
        assert judge.judge("02.1", folder=tmp_path).state == "pass"
        assert torch.get_default_device() == torch.device("meta")
    finally:
        torch.set_default_device(None)


HARMLESS = """
import re
import numpy as np

net = torch.nn.Identity()
net.eval()
net.training = False
pattern = re.compile("x")
fast = torch.compile
windows = np.lib.stride_tricks.sliding_window_view
torch.backends.cudnn.benchmark = False
getattr(torch, "abs")


class Box:
    def __init__(self, open):
        self.load, self.size = open, getattr(open, "size", None)


def compile(source):
    return Box(source)


box = compile(3)
box.load = 4

if __name__ == "__main__":
    print(open("x").read())
"""


def test_what_is_harmless_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(RIGHT + HARMLESS, encoding="utf-8")
    verdict = judge.judge("02.1", folder=tmp_path)
    assert verdict.state == "pass", verdict.text()


@pytest.mark.parametrize(
    "body",
    [
        "import os",
        "from io import open as o",
        "import _io",
        "import torch.hub",
        "from torch import load",
        "from torch import overrides",
        "eval('1')",
        "compile('1', '', 'eval')",
        "o = open",
        "open = open",
        "__builtins__['open']",
        "getattr(torch, 'load')",
        "getattr(torch, 'lo' + 'ad')",
        "getattr(torch, 'os').getcwd()",
        "np.load('x')",
        "np.fromfile('x')",
        "from numpy import loadtxt",
        "F.conv2d = max",
        "Tensor.__eq__ = max",
        "sr.__class__.__eq__ = max",
        "type(sr).__eq__ = max",
        "del torch.load",
        "setattr(F, name, max)",
        "psnr.__globals__",
        "import skimage.io",
        "from skimage import io",
        "torch.FloatStorage.from_file('x')",
    ],
)
def test_what_reaches_too_far_is_refused(body: str) -> None:
    import ast

    head = "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor\n\n"
    line, cause = reach.too_far(ast.parse(f"{head}{body}\n"), ()) or (0, "")
    assert line == 6 and re.search("an answer needs no such|for everyone|write the name itself", cause), cause


def test_record_follows_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / FILE
    for text, done in ((RIGHT, {"02.1"}), (_with("return sr"), set()), (RIGHT, {"02.1"})):
        path.write_text(text, encoding="utf-8")
        record(judge.judge("02.1", folder=tmp_path), tmp_path)
        assert passed(LESSON, tmp_path) == done


def test_a_pass_holds_until_the_answer_changes(tmp_path: Path) -> None:
    path, helped = tmp_path / FILE, _with("return -10 * torch.log10(_mse(sr, hr))")
    helper = "\n\ndef _mse(sr, hr):\n    return (sr - hr).square().flatten(1).mean(1)\n"
    path.write_text(helped + helper, encoding="utf-8")
    record(judge.judge("02.1", folder=tmp_path), tmp_path)
    same = [
        helped.replace("# begin 02.1", "# another comment\n    # begin 02.1") + helper,
        f"import itertools\n{helped}{helper}\n\ndef other():\n    return itertools\n",  # which the answer does not use
        stubs.cut(solution_of_others(helped)) + helper,
    ]
    other = [_with("return sr"), helped + helper.replace("mean(1)", "sum(1)"), f"{helped}{helper}\n_mse = len\n"]
    for texts, done in ((same, {"02.1"}), (other, set())):
        for text in texts:
            path.write_text(text, encoding="utf-8")
            assert passed(LESSON, tmp_path) == done, text[-300:]


def solution_of_others(text: str) -> str:
    """The file with the marks of 02.1 gone, so that cutting makes stubs of the other exercises alone."""
    return text.replace("    # begin 02.1\n", "").replace("    # end 02.1\n", "")


@pytest.mark.parametrize(
    ("task", "body"), [("02.5", 'repaired("a", srs, hrs, scale)'), ("02.6", "protocol(srs, hrs, scale)")]
)
def test_what_is_not_built_on_is_not_lent(task: str, body: str, tmp_path: Path) -> None:
    """With nothing else written, no exercise passes by calling another one's reference."""
    only = changed(RIGHT, task, {"body": f"return {body}"}, "here")
    (tmp_path / FILE).write_text(stubs.cut(only), encoding="utf-8")
    verdict = judge.judge(task, folder=tmp_path)
    assert verdict.state == "fail" and "which is not finished" in verdict.cause


def test_checks_may_take_their_time_one_by_one(worker: Worker, tmp_path: Path) -> None:
    """The patience is with each check, not with the exercise."""
    slow = "import time\ntime.sleep(0.2)\nreturn -10 * torch.log10((sr - hr).square().flatten(1).mean(1))"
    (tmp_path / FILE).write_text(_with(slow), encoding="utf-8")
    with Worker(limit=1.0, patience=0.0) as impatient:
        assert impatient.judge("02.1", folder=tmp_path).state == "pass"


def test_kernels_of_three_by_three_are_shown_whole(tmp_path: Path) -> None:
    """x and y exchanged leave the same least and largest value: only the nine values tell them apart."""
    file = "ex08_degradations.py"
    text = (ROOT / "solutions" / file).read_text(encoding="utf-8")
    exchanged = changed(
        text,
        "08.1",
        {"old": "x, y = offset[None, :], offset[:, None]", "new": "y, x = offset[None, :], offset[:, None]"},
        "here",
    )
    (tmp_path / file).write_text(exchanged, encoding="utf-8")
    told = judge.judge("08.1", folder=tmp_path, seed=3, limit=0.5).text()
    assert "x and y are exchanged" in told
    expected, got = (re.search(rf"{word} +(?:.*: )?(\[[^\]]*\])", told) for word in ("expected", "got"))
    assert expected and got and expected[1] != got[1]
