"""Files from the net, whole or not at all: resumed, retried, verified by size and SHA-256; safe unzipping.

A file takes its name only after its hash was right; until then it is called `<name>.part`.
"""

import contextlib
import errno
import hashlib
import http.client
import os
import queue
import shutil
import ssl
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import IO, NamedTuple

from srlib.files import atomically, lock

CHUNK = 1 << 18
BACK_OFF = 0.5  # seconds before the first retry; doubled for each further one
MAX_RATIO = 20  # archives of pictures hardly shrink: more than this is a bomb
SMALL_ARCHIVE = 16 << 20  # below this many unpacked bytes the ratio does not matter
WAYS_OUT = (
    "set SRLIB_DATA to a folder that holds the files, or work with the pictures inside scikit-image: "
    "the set `pictures` needs no download"
)

Progress = Callable[[int], None]


class DownloadError(RuntimeError):
    """A download or an archive that failed; the message names the file and the way out."""


class _Passing(Exception):
    """A failure that may pass: try again. `reached` tells whether the host answered at all."""

    def __init__(self, reason: object, *, reached: bool = True) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.reached = reached


class _Stopped(Exception):
    """Raised inside a worker by its progress call once the others have to end."""


class Job(NamedTuple):
    """One file to fetch; `size` in bytes where it is known, `sha256` whole, or its beginning where no more is known."""

    url: str
    path: Path
    sha256: str
    size: int | None = None
    ways_out: str = WAYS_OUT  # what to do where it cannot be had, as messages end


def is_whole(job: Job) -> bool:
    """Whether the file is there with its size and its SHA-256."""
    if not job.path.is_file() or job.size not in (None, job.path.stat().st_size):
        return False
    with job.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(job.sha256)


def fetch(
    url: str,
    path: Path,
    *,
    sha256: str,
    size: int | None = None,
    retries: int = 4,
    timeout: float = 20.0,
    progress: Progress | None = None,
    ways_out: str = WAYS_OUT,
) -> None:
    """Download `url` to `path`, going on where a `.part` file ends; nothing to do when the file is whole.

    `retries` counts the tries in a row that bring nothing new, `timeout` the seconds without a byte.
    `progress` is called with the bytes gained, or lost (negative) when a download starts anew.
    `ways_out` ends the messages of what cannot be had.

    Raises:
        DownloadError: not found, not reachable, wrong content twice, or no space.
    """
    job = Job(url, path, sha256, size, ways_out)
    part = path.with_name(path.name + ".part")
    if is_whole(job):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _claim(part, timeout) as file:
            try:
                if not is_whole(job):  # another download may have finished while this one waited
                    _fill_and_verify(file, job, retries, timeout, progress or (lambda count: None))
                    os.fsync(file.fileno())
            finally:
                if not file.seek(0, os.SEEK_END):
                    file.close()
                    part.unlink(missing_ok=True)
        if not is_whole(job):
            part.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(f"{path.name}: no space left in {path.parent}: free some") from error
        raise DownloadError(f"{path.name} cannot be written to {path.parent}: {error}") from error


def _claim(part: Path, patience: float) -> FileIO:
    """Open the `.part` file for this download alone, after waiting for another one of the same file while it grows."""
    until, size = time.monotonic() + patience, -1
    while True:
        file = part.open("a+b", buffering=0)
        with contextlib.suppress(FileNotFoundError):
            # The other download may have renamed the file between our opening and locking it.
            if lock(file) and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                return file
        before, size = size, file.seek(0, os.SEEK_END)
        file.close()
        if size != before:
            until = time.monotonic() + patience
        if time.monotonic() > until:
            raise DownloadError(f"{part.name} is being written by another download; wait for that one")
        time.sleep(0.1)


def _fill_and_verify(file: FileIO, job: Job, retries: int, timeout: float, report: Progress) -> None:
    """Fill the `.part` file; on wrong content once more from the start."""
    have = file.seek(0, os.SEEK_END)
    report(have)
    _need_room(job.path.parent, (job.size or 0) - have, job.path.name)
    for _ in range(2):
        _fill(file, job, retries, timeout, report)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest.startswith(job.sha256):
            return
        have = _drop(file, report)
    raise DownloadError(
        f"{job.path.name}: {job.url} sent something else twice (SHA-256 {digest}, {have} bytes, instead of "
        f"{job.sha256}); a proxy or a login page may stand between: {job.ways_out}"
    )


def _drop(file: FileIO, report: Progress) -> int:
    have = file.seek(0, os.SEEK_END)
    file.truncate(0)
    report(-have)
    return have


def _fill(file: FileIO, job: Job, retries: int, timeout: float, report: Progress) -> None:
    """Transfer with retries until the server has no more to send."""
    failures, furthest = 0, file.seek(0, os.SEEK_END)
    while True:
        try:
            return _transfer(file, job, timeout, report)
        except _Passing as error:
            have = file.seek(0, os.SEEK_END)
            failures = 0 if have > furthest else failures + 1
            furthest = max(furthest, have)
            # A host that never answered is most likely no network: one retry, then say so.
            if failures > (retries if error.reached or furthest else min(retries, 1)):
                host = urllib.parse.urlsplit(job.url).hostname
                what = f"{host} failed {failures} times" if error.reached else f"no connection to {host}"
                what = f"{job.path.name}: {what} ({error})"
                raise DownloadError(f"{what}: try again later, or {job.ways_out}") from error
        wake = time.monotonic() + BACK_OFF * 2 ** max(0, failures - 1)
        while (left := wake - time.monotonic()) > 0:
            report(0)  # lets a stop through
            time.sleep(min(left, 0.2))


def _transfer(file: FileIO, job: Job, timeout: float, report: Progress) -> None:
    """One request, appended to the file; returns when the server has sent all it announced."""
    have = file.seek(0, os.SEEK_END)
    if have and have == job.size:
        return
    answer = _ask(job, have, timeout)
    if answer is None:
        return
    with answer:
        if have and answer.status != 206:
            _drop(file, report)  # the server ignored Range and sends the whole file
            have = 0
        elif have and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _drop(file, report)
            raise _Passing("the server sent another range than asked for")
        length = answer.headers.get("Content-Length")
        end = have + int(length) if length and length.isdigit() else job.size
        while chunk := _receive(answer):
            have += len(chunk)
            _store(file, chunk)
            report(len(chunk))
            if job.size is not None and have > job.size:
                return  # more than the file has: the hash will tell
    if end is not None and have < end:
        raise _Passing(f"the connection ended after {have} of {end} bytes")


def _ask(job: Job, have: int, timeout: float) -> http.client.HTTPResponse | None:
    """Send the request; None when the server says that there is nothing after `have` bytes."""
    headers = {"User-Agent": "srlib", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(job.url, headers=headers), timeout=timeout
        )
        return answer
    except urllib.error.HTTPError as error:
        error.close()
        if have and error.code == 416:
            return None
        if error.code >= 500 or error.code in (408, 429):
            raise _Passing(f"HTTP {error.code}") from error
        what = f"{job.path.name}: HTTP {error.code} {error.reason} for {job.url}"
        raise DownloadError(f"{what}: {job.ways_out}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"{job.path.name}: {job.url}: {error.reason}; {job.ways_out}") from error
        raise _Passing(error.reason, reached=False) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(error) from error


def _receive(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(error) from error


def _store(file: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _need_room(folder: Path, count: int, what: str) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if count > free:
        raise DownloadError(
            f"{what} needs {count / 1e6:,.1f} MB more in {folder}, which has no space for it "
            f"({free / 1e6:,.1f} MB free): free some, or set SRLIB_DATA to a folder on another disk"
        )


def fetch_all(jobs: Sequence[Job], *, workers: int = 8, quiet: bool = False) -> None:
    """Fetch those files that are not whole, several at once under one bar; the first failure ends all."""
    from tqdm import tqdm

    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    pending = [job for job in jobs if not is_whole(job)]
    for job in pending:
        todo.put(job)
    if not pending:
        return
    total = sum(job.size or 0 for job in pending)
    _need_room(pending[0].path.parent, total - sum(map(_part_bytes, pending)), f"{len(pending)} files")
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    stop, lock = threading.Event(), threading.Lock()

    def report(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        with lock:
            bar.update(count)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while not stop.is_set():
                job = todo.get_nowait()
                try:
                    fetch(job.url, job.path, sha256=job.sha256, size=job.size, progress=report)
                    done.put(None)
                except BaseException as error:
                    done.put(error)

    # Daemon threads rather than an executor: one that hangs in a dead connection must not hold up Ctrl-C.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(pending)))]
    with tqdm(total=total or None, unit="B", unit_scale=True, disable=quiet) as bar:
        for thread in threads:
            thread.start()
        try:
            for _ in pending:
                if error := _next(done):
                    raise error
        finally:
            stop.set()
            until = time.monotonic() + 1.0
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))


def _part_bytes(job: Job) -> int:
    part = job.path.with_name(job.path.name + ".part")
    return part.stat().st_size if part.exists() else 0


def _next(done: "queue.SimpleQueue[BaseException | None]") -> BaseException | None:
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=0.2)  # a wait without end would not hear Ctrl-C on Windows


def extract(zip_path: Path, folder: Path) -> None:
    """Unpack an archive into `folder`; files that are already there with size and CRC are kept.

    Raises:
        DownloadError: corrupt archive, an entry that leaves the folder or is a link, a bomb, or no space.
    """
    try:
        with zipfile.ZipFile(zip_path) as archive:
            entries = [info for info in archive.infolist() if not info.is_dir()]
            targets = [_target(info, folder, zip_path) for info in entries]
            total = sum(info.file_size for info in entries)
            if total > max(SMALL_ARCHIVE, MAX_RATIO * zip_path.stat().st_size):
                raise DownloadError(f"{zip_path.name} would unpack to {total} bytes, far too many for its size")
            todo = [(i, t) for i, t in zip(entries, targets, strict=True) if not _is_unpacked(i, t)]
            _need_room(folder, sum(info.file_size for info, _ in todo), zip_path.name)
            for info, target in todo:
                _unpack(archive, info, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{zip_path} is corrupt ({error}): delete it and download it again") from error
    except OSError as error:
        raise DownloadError(f"{zip_path.name} cannot be unpacked into {folder}: {error}") from error


def _target(info: zipfile.ZipInfo, folder: Path, zip_path: Path) -> Path:
    """Where an entry goes; refused unless it is a plain file inside the folder."""
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    strange = any(char in name for char in "\\:\0")  # means something else on another system
    if strange or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise DownloadError(f"{zip_path.name} holds {name!r}, outside of {folder}: nothing was unpacked")
    if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
        raise DownloadError(f"{zip_path.name} holds {name!r}, a link or encrypted: nothing was unpacked")
    return folder / name


def _is_unpacked(info: zipfile.ZipInfo, target: Path) -> bool:
    if not target.is_file() or target.stat().st_size != info.file_size:
        return False
    crc = 0
    with target.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    def write(part: Path) -> None:
        with archive.open(info) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)  # zipfile checks the CRC at the end

    atomically(target, write)
