"""Downloads against a server that misbehaves in every way the net does."""

import errno
import functools
import hashlib
import http.server
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srlib import download
from srlib.download import DownloadError, Job, fetch, fetch_all

BODY = random.Random(1).randbytes(300_000)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `bodies`; `faults[path]` are the ways in which the next answers go wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = {"/a": BODY}
        self.faults: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, str | None]] = []  # path and Range of each request
        self.sent: list[int] = []  # bytes of each answer with a body
        self.ranges = True
        self.release = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        faults = self.server.faults.get(self.path, [])
        fault = faults.pop(0) if faults else None
        body = self.server.bodies.get(self.path)
        if body is None or isinstance(fault, int):
            self.send_error(fault or 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start and start >= len(body):
            self.send_error(416)
            return
        part = b"x" * len(body) if fault == "wrong" else body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        part = part[: len(part) // 2] if fault in ("cut", "stall") else part
        self.server.sent.append(len(part))
        self.wfile.write(part)
        self.wfile.flush()
        if fault == "stall":
            self.server.release.wait(10)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF", 0.01)
    server = Server()
    threading.Thread(target=functools.partial(server.serve_forever, 0.01), daemon=True).start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def get(server: Server, folder: Path, **more: Any) -> None:
    known = {"sha256": sha(BODY), "size": len(BODY), "timeout": 5.0, **more}
    fetch(f"{server.url}/a", folder / "a.bin", **known)


def test_whole_file_once(server: Server, tmp_path: Path) -> None:
    steps: list[int] = []
    get(server, tmp_path, progress=steps.append)
    assert (tmp_path / "a.bin").read_bytes() == BODY and names(tmp_path) == ["a.bin"]
    assert sum(steps) == len(BODY)
    get(server, tmp_path)
    assert len(server.asked) == 1  # whole: not asked for again


def test_resumes_a_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(BODY[:200_000])
    get(server, tmp_path)
    assert server.asked == [("/a", "bytes=200000-")] and server.sent == [100_000]
    assert (tmp_path / "a.bin").read_bytes() == BODY and names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("size", [len(BODY), None])
def test_cut_and_stalled_bodies_are_continued(server: Server, tmp_path: Path, size: int | None) -> None:
    server.faults["/a"] = ["cut", "stall"]
    get(server, tmp_path, size=size, timeout=0.3)
    assert [asked for _, asked in server.asked] == [None, "bytes=150000-", "bytes=225000-"]
    assert sum(server.sent) == len(BODY) and (tmp_path / "a.bin").read_bytes() == BODY


def test_server_without_range_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    steps: list[int] = []
    (tmp_path / "a.bin.part").write_bytes(BODY[:1000])
    get(server, tmp_path, progress=steps.append)
    assert server.asked == [("/a", "bytes=1000-")] and (tmp_path / "a.bin").read_bytes() == BODY
    assert sum(steps) == len(BODY)  # the thousand bytes were counted, then taken back


def test_part_of_another_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"y" * 400_000)
    get(server, tmp_path, size=None)  # the server answers 416, the hash is wrong, the second try is clean
    assert [asked for _, asked in server.asked] == ["bytes=400000-", None]
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_500_is_retried_up_to_the_limit(server: Server, tmp_path: Path) -> None:
    server.faults["/a"] = [500, 503, 500]
    get(server, tmp_path, retries=3)
    assert (tmp_path / "a.bin").read_bytes() == BODY and len(server.asked) == 4
    server.faults["/a"] = [500, 503]
    (tmp_path / "a.bin").unlink()
    with pytest.raises(DownloadError, match=r"a\.bin: 127\.0\.0\.1 failed 2 times \(HTTP 503\)"):
        get(server, tmp_path, retries=1)
    assert names(tmp_path) == []


def test_a_body_that_is_always_cut_ends(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.faults["/a"] = ["cut"] * 20
    with pytest.raises(DownloadError, match="ended after 150000 of 300000 bytes"):
        get(server, tmp_path, retries=2)
    assert len(server.asked) == 4 and names(tmp_path) == ["a.bin.part"]  # the first brought something


def test_wrong_bytes_once_and_twice(server: Server, tmp_path: Path) -> None:
    server.faults["/a"] = ["wrong"]
    get(server, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == BODY and len(server.asked) == 2
    (tmp_path / "a.bin").unlink()
    server.faults["/a"] = ["wrong"] * 5
    with pytest.raises(DownloadError, match=r"a\.bin.*something else twice.*SRLIB_DATA"):
        get(server, tmp_path)
    assert names(tmp_path) == [] and len(server.asked) == 4


@pytest.mark.parametrize("code", [403, 404])
def test_not_found_is_not_retried(server: Server, tmp_path: Path, code: int) -> None:
    server.faults["/a"] = [code] * 5
    with pytest.raises(DownloadError, match=rf"a\.bin: HTTP {code}.*SRLIB_DATA"):
        get(server, tmp_path)
    assert len(server.asked) == 1 and names(tmp_path) == []


def test_no_network_names_host_and_ways_out(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    message = r"a\.bin: no connection to 127\.0\.0\.1 .*SRLIB_DATA.*`pictures`"
    with pytest.raises(DownloadError, match=message):
        get(server, tmp_path)
    assert names(tmp_path) == []


def test_no_space(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 1000))
        with pytest.raises(DownloadError, match=r"a\.bin needs 0\.3 MB more .* no space"):
            get(server, tmp_path)
        with pytest.raises(DownloadError, match=r"1 files needs"):
            fetch_all([Job(f"{server.url}/a", tmp_path / "a.bin", sha(BODY), len(BODY))], quiet=True)
    assert server.asked == [] and names(tmp_path) == []

    def full(file: Any, chunk: bytes) -> None:
        file.write(chunk[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download, "_store", full)
        with pytest.raises(DownloadError, match=r"a\.bin: no space left in"):
            get(server, tmp_path)
    assert len(server.asked) == 1 and names(tmp_path) == ["a.bin.part"]
    get(server, tmp_path)  # and it goes on from there
    assert server.asked[1] == ("/a", "bytes=100-") and (tmp_path / "a.bin").read_bytes() == BODY


def test_interrupt_leaves_only_the_part(server: Server, tmp_path: Path) -> None:
    def press(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, progress=press)
    assert names(tmp_path) == ["a.bin.part"] and BODY.startswith((tmp_path / "a.bin.part").read_bytes())


def test_two_downloads_of_one_file_do_not_mix(server: Server, tmp_path: Path) -> None:
    server.faults["/a"] = ["cut", "cut", "cut"]
    threads = [threading.Thread(target=get, args=(server, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.bin").read_bytes() == BODY and sum(server.sent) == len(BODY)


def jobs(server: Server, folder: Path, count: int) -> list[Job]:
    bodies = {f"/{i}.png": BODY[i * 100 : 50_000 + i * 100] for i in range(count)}
    server.bodies |= bodies
    return [Job(server.url + name, folder / name[1:], sha(body), len(body)) for name, body in bodies.items()]


def test_fetch_all_skips_whole_and_repairs(server: Server, tmp_path: Path, capsys: Any) -> None:
    todo = jobs(server, tmp_path, 20)
    (tmp_path / "3.png").write_bytes(server.bodies["/3.png"])
    (tmp_path / "4.png").write_bytes(b"x" * 50_000)  # right size, wrong content
    fetch_all(todo)
    assert {job.path.name: job.path.read_bytes() for job in todo} == {
        name[1:]: body for name, body in server.bodies.items() if name != "/a"
    }
    assert sorted(asked for asked, _ in server.asked) == sorted(f"/{i}.png" for i in range(20) if i != 3)
    assert "950k/950k" in capsys.readouterr().err


def test_fetch_all_stops_at_the_first_failure(server: Server, tmp_path: Path) -> None:
    todo = jobs(server, tmp_path, 60)
    server.faults = {"/1.png": [404], "/2.png": ["stall"]}
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"1\.png: HTTP 404"):
        fetch_all(todo, workers=3, quiet=True)
    assert time.monotonic() - start < 5  # does not wait for the one that stalls
    assert len(server.asked) < 60
    for job in todo:
        assert not job.path.exists() or sha(job.path.read_bytes()) == job.sha256


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_another_download_is_waited_for_while_it_gets_on(server: Server, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "a.part").open("ab", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match=r"a\.part is being written by another download"):
            fetch(server.url + "/a", tmp_path / "a", sha256=sha(BODY), timeout=0.2)

        def get_on() -> None:
            for k in range(8):
                other.write(BODY[1000 * k : 1000 * (k + 1)])
                time.sleep(0.15)
            fcntl.flock(other, fcntl.LOCK_UN)

        thread = threading.Thread(target=get_on)
        thread.start()
        fetch(server.url + "/a", tmp_path / "a", sha256=sha(BODY), timeout=0.6)  # of the 1.2 s that the other takes
        thread.join()
    assert (tmp_path / "a").read_bytes() == BODY
    assert server.asked == [("/a", "bytes=8000-")]
