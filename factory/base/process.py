"""The only door through which processes are started, waited for and ended.

Every child gets an explicit environment, no inherited file descriptors and its own session; what
it prints is bounded. ``run`` waits; ``run_async`` is for jobs beside which others go on.
"""

import contextlib
import errno
import functools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import TryAgain, UserError

RUN_MARK = "FACTORY_RUN"
"""The environment variable whose value names the session or gate run that a process belongs to."""

_END_GRACE_S = 2.0
_POLL_S = 0.02
_PROC = Path("/proc")
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Finished:
    """How a child ended: ``code`` is negative for the signal that killed it, as in ``subprocess``.

    ``ended_by`` says whether we ended it: ``""``, ``"timeout"``, ``"idle"``, ``"stopped"``, or
    ``"processes"`` when there were too many of them.
    """

    code: int
    out: bytes
    err: bytes
    seconds: float
    ended_by: str = ""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.out.decode("utf-8", "replace")


class ProgramMissing(UserError):
    """The program is not there, may not be run, or is no program."""

    def __init__(self, program: str, *, is_no_program: bool = False) -> None:
        if is_no_program:
            sentence = f"the file {program!r} is not a program: it is no binary of this machine and has no #! line"
            super().__init__(sentence, "a script begins with a line such as #!/bin/sh")
        else:
            super().__init__(f"the program {program!r} cannot be started", "check the path and that it is executable")
        self.program = program


class NoMoreProcesses(TryAgain):
    """The machine starts no further process for the moment."""

    def __init__(self) -> None:
        super().__init__(
            "this machine cannot start another process right now", "see what runs on it; factory goes on by itself"
        )


@contextlib.contextmanager
def starting(program: str) -> Iterator[None]:
    """Tell why ``program`` could not be started as ``ProgramMissing`` or ``NoMoreProcesses``."""
    try:
        yield
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise ProgramMissing(program) from error
    except BlockingIOError as error:
        raise NoMoreProcesses from error
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        raise ProgramMissing(program, is_no_program=True) from error


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    pass_fds: tuple[int, ...] = (),
    whole_group: bool = False,
) -> Finished:
    """Run ``argv`` to its end with all output in memory; past ``timeout_s`` it is killed.

    With ``whole_group`` what it started is killed too; else a grandchild that keeps a pipe open is waited for.
    """
    started = time.monotonic()
    with starting(argv[0]):
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=whole_group,
        )

    def kill() -> None:
        if whole_group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()

    ended_by = ""
    with child:
        try:
            out, err = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            ended_by = "timeout"
            kill()
            out, err = child.communicate()
        except BaseException:
            kill()
            raise
    return Finished(child.returncode, out, err, time.monotonic() - started, ended_by)


def pipe_between(
    producer: Sequence[str],
    consumer: Sequence[str],
    *,
    env: Mapping[str, str],
    consumer_env: Mapping[str, str],
    timeout_s: float | None = None,
) -> tuple[Finished, Finished]:
    """Run ``producer | consumer`` and wait for both; nothing of the stream is held in memory.

    Past ``timeout_s`` both are killed and both answers say so.
    """
    started = time.monotonic()
    with (
        starting(producer[0]),
        subprocess.Popen(
            list(producer),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as first,
        starting(consumer[0]),
        subprocess.Popen(
            list(consumer),
            env=dict(consumer_env),
            stdin=first.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as second,
    ):
        if first.stdout is not None:
            first.stdout.close()
        ended_by = ""
        try:
            out, err = second.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            ended_by = "timeout"
            first.kill()
            second.kill()
            out, err = second.communicate()
        first_err = first.stderr.read() if first.stderr is not None else b""
        first.wait()
    seconds = time.monotonic() - started
    return (
        Finished(first.returncode, b"", first_err, seconds, ended_by),
        Finished(second.returncode, out, err, seconds, ended_by),
    )


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds of wall clock, seconds without output, bytes of output kept, processes.

    ``processes`` are those of the child and all below it, threads included. They are counted five times
    a second, which is for where the kernel does not bound them (``workspaces.cgroup`` and ``prlimit`` do).
    """

    wall_s: float
    idle_s: float | None = None
    kept_bytes: int = 1 << 20
    processes: int | None = None


class Tail:
    """The first and the last bytes of a stream, so that a gigabyte of output costs two megabytes at most."""

    def __init__(self, kept_bytes: int) -> None:
        self._half = kept_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, 0) :]
        excess = len(self._tail) - self._half
        if excess > self._half:
            del self._tail[:excess]
            self._dropped += excess

    def value(self) -> bytes:
        """What was kept, with a line in between that says how much was left out."""
        excess = max(len(self._tail) - self._half, 0)
        dropped = self._dropped + excess
        gap = f"\n[... {dropped} bytes left out ...]\n".encode() if dropped else b""
        return bytes(self._head) + gap + bytes(self._tail[excess:])


def end_marked(mark: str) -> int:
    """Kill every process whose environment carries ``FACTORY_RUN=mark`` or ``mark.<more>``; how many there were.

    Command-line agents start tools in sessions of their own, which a kill of the process group
    leaves behind; the mark is inherited by all of them. An empty mark matches nothing. A session's
    commands are marked ``<session>.<n>``, so that the end of one does not end those beside it.
    """
    if not mark:
        return 0
    needle = f"{RUN_MARK}={mark}".encode()
    ended = 0
    for pid in _pids():
        with contextlib.suppress(OSError):  # it ended meanwhile, or it is not ours to read
            found = (_PROC / str(pid) / "environ").read_bytes()
            if needle in found and any(row == needle or row.startswith(needle + b".") for row in found.split(b"\0")):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended


def crowd(leader: int) -> int:
    """How many threads ``leader`` and all its descendants have; 0 where there is no ``/proc``.

    It takes about 2 ms for 100 processes on the machine.
    """
    threads: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with contextlib.suppress(OSError):  # it ended meanwhile
            facts = _stat(pid)
            threads[pid] = facts.threads
            children.setdefault(facts.parent, []).append(pid)
    return sum(threads.get(pid, 0) for pid in descendants(leader, children))


def descendants(leader: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    """``leader`` and all below it, in whatever order the numbers stand: they start again when they run out."""
    found, seen = [leader], {leader}
    for pid in found:
        new = [child for child in children.get(pid, ()) if child not in seen]
        found += new
        seen.update(new)
    return found


@dataclass(frozen=True)
class _Stat:
    """What ``/proc/<pid>/stat`` says: its state's letter, its parent, its threads, and when it was started.

    ``ticks`` count from the machine's start (proc_pid_stat(5), fields 3, 4, 20 and 22).
    """

    state: str
    parent: int
    threads: int
    ticks: int


def _stat(pid: int) -> _Stat:
    """The process's status; ``OSError`` when it is gone. Its name, in brackets, may hold anything."""
    fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[17]), int(fields[19]))


def _pids() -> list[int]:
    """Every process of the machine, in ascending order."""
    try:
        return sorted(int(name) for name in os.listdir(_PROC) if name.isdecimal())  # noqa: PTH208 - names, and no path for each
    except OSError:
        return []


def start_detached(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> "ProcessName":
    """Start a program of our own that outlives us, its output appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    name = ProcessName.of(child.pid)
    child.returncode = 0  # it is not ours to wait for
    return name


@dataclass(frozen=True)
class ProcessName:
    """A process told apart from a later one with the same number: its pid and when it was started.

    ``started`` is ``<ticks since the machine's start>@<boot id>`` on Linux: a time of day would change
    with the clock. It is empty for a process that was gone when it was asked for.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The process that has this number now; a name that is never alive when there is none."""
        return cls(pid, _started(pid))

    @classmethod
    def own(cls) -> "ProcessName":
        """This process."""
        return cls.of(os.getpid())

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return bool(self.started) and _started(self.pid) == self.started

    def end(self, *, grace_s: float = _END_GRACE_S) -> None:
        """Ask the process to end, and kill it when it has not within ``grace_s`` seconds."""
        deadline = time.monotonic() + grace_s
        self._signal(signal.SIGTERM)
        while self.is_alive():
            if time.monotonic() >= deadline:
                self._signal(signal.SIGKILL)
                return
            time.sleep(_POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _started(pid: int) -> str:
    """When the process was started, in a form that only equality means something for; empty when it is gone."""
    boot_id = _boot_id()
    if not boot_id:
        return _created(pid)
    try:
        facts = _stat(pid)
    except OSError:
        return ""
    return "" if facts.state in _ENDED else f"{facts.ticks}@{boot_id}"


def _created(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.Error:
        return ""


@functools.cache
def _boot_id() -> str:
    """What the kernel calls this start of the machine; empty where it is not Linux."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
