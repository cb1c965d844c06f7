"""What a process and its git children did to the disk, as strace saw it; and doing one of those calls harm.

strace counts the calls it harms per process and per kind of call, so a point is a process, a kind and a number. A
git child is reached by a ``git`` of ours that stands first on the path and puts strace before the one that is meant.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHANGING = (
    "openat", "write", "pwrite64", "writev", "sendfile", "copy_file_range", "fsync", "fdatasync", "sync_file_range",
    "syncfs", "sync", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "truncate", "ftruncate", "fallocate", "mkdir", "mkdirat", "rmdir",
)  # fmt: skip
"""The calls that change what is on a disk, or make it last."""

_LINE = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)(?:<([^>]*)>)?(?: .*)?$")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"^(\d+)<([^>]*)>")
_FOLDER = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, (?=\")")
_FOR_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
_STRACE = shutil.which("strace")
_GIT = shutil.which("git")


def strace() -> str:
    """The program; a clear sentence when there is none."""
    if _STRACE is None:
        raise AssertionError("strace is missing, with which these tests attack; install it (on Debian: strace)")
    return _STRACE


@dataclass(frozen=True)
class Call:
    """One system call: of which process, the how many-th of its kind there.

    The writer is 0, its first git 1; what a git starts itself is below 0, and cannot be met by itself.
    """

    process: int
    name: str
    nth: int
    words: str
    fd: int | None
    path: str
    texts: tuple[bytes, ...]
    result: int

    @property
    def paths(self) -> tuple[str, ...]:
        """The absolute paths that it names."""
        folders = [_plain(folder) for folder in _FOLDER.findall(self.words)]
        folders += ["/"] * (len(self.texts) - len(folders))
        return tuple(str(Path(folder, os.fsdecode(text))) for folder, text in zip(folders, self.texts, strict=False))

    @property
    def is_to_write(self) -> bool:
        """Whether an ``openat`` asks for more than reading."""
        return self.name != "openat" or any(flag in self.words for flag in _FOR_WRITING)

    def changes(self, root: Path) -> bool:
        """Whether it changed something below ``root``, or made that last, or told standard output."""
        if self.result < 0 or not self.is_to_write:
            return False
        if self.path and self.name != "openat":
            return self.path.startswith(str(root)) or (self.process, self.fd) == (0, 1)
        return any(path.startswith(str(root)) for path in self.paths)

    def __str__(self) -> str:
        where = self.path or " -> ".join(self.paths)
        return f"{'git ' if self.process else ''}{self.process}: {self.name} {self.nth} {where}"


@dataclass(frozen=True)
class Ended:
    """How the victim ended, and what it had said."""

    code: int
    out: str
    err: str
    pid: int


def environment(home: Path) -> dict[str, str]:
    """One in which a program makes the same calls each time: its compiled code stands where nobody else writes."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    return env | {"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": str(home / "compiled"), "PYTHONDONTWRITEBYTECODE": "1"}


def warm(argv: list[str], home: Path, cwd: Path) -> None:
    """Run once with nothing traced, so that everything is compiled."""
    env = environment(home)
    del env["PYTHONDONTWRITEBYTECODE"]
    assert _run(argv, env, cwd, []).code == 0


def record(argv: list[str], home: Path, cwd: Path) -> list[Call]:
    """Run ``argv`` and return every call of it and its children from its start on, with the bytes that it wrote."""
    log = home / "strace.log"
    kinds = ",".join(f"?{name}" for name in ("execve", *CHANGING))
    watch = ["-f", "-y", "-xx", "-s", "99999999", "-o", str(log), "-e", f"trace={kinds}"]
    ended = _run(argv, environment(home), cwd, watch)
    assert ended.code == 0, ended
    return _parse(log.read_text(), str(ended.pid))


def _run(argv: list[str], env: dict[str, str], cwd: Path, watch: list[str]) -> Ended:
    """Run a victim that says ``start`` and waits for a line; in between strace takes hold of it, if ``watch`` asks."""
    pipe = subprocess.PIPE
    victim = subprocess.Popen(argv, env=env, cwd=cwd, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
    assert victim.stdout is not None
    started = victim.stdout.readline()
    watcher = None
    if watch and started == "start\n":
        argv = [strace(), "-p", str(victim.pid), *watch]
        watcher = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        assert watcher.stderr is not None
        told = watcher.stderr.readline()
        assert "attached" in told, told
    out, err = victim.communicate("go\n", timeout=120)
    if watcher is not None:
        watcher.communicate(timeout=60)
    return Ended(victim.returncode, out, err, victim.pid)


def _parse(log: str, writer: str) -> list[Call]:
    processes = {writer: 0}
    counts: dict[tuple[str, str], int] = {}
    halves: dict[str, str] = {}
    calls = []
    for row in log.splitlines():
        pid, _, text = row.partition(" ")
        text = text.lstrip()
        if text.endswith("<unfinished ...>"):
            halves[pid] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if text.startswith("<... "):
            text = halves.pop(pid) + text.partition(" resumed>")[2]
        matched = _LINE.match(text)
        if matched is None:
            continue
        name, words, result, opened = matched.groups()
        if name == "execve":
            if int(result) == 0:
                is_direct = _texts(words)[0] == os.fsencode(str(_GIT))
                processes[pid] = 1 + max(processes.values()) if is_direct else -int(pid)
                counts = {key: count for key, count in counts.items() if key[0] != pid}
            continue
        if pid not in processes:
            continue
        counts[pid, name] = counts.get((pid, name), 0) + 1
        calls.append(_call(processes[pid], name, counts[pid, name], words, (int(result), opened)))
    return calls


def _call(process: int, name: str, nth: int, words: str, result: tuple[int, str | None]) -> Call:
    descriptor = _FD.match(words)
    fd, path = (int(descriptor[1]), _plain(descriptor[2])) if descriptor else (None, "")
    if name == "openat" and result[1]:
        fd, path = result[0], _plain(result[1])
    return Call(process, name, nth, words, fd, path, _texts(words), result[0])


def _texts(words: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(words))


def _plain(text: str) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1"))


def harmed(argv: list[str], home: Path, cwd: Path, call: Call, harm: str) -> Ended:
    """Run ``argv`` with ``harm`` (as ``signal=SIGKILL`` or ``error=ENOSPC``) done to that one call, and to the next of
    its kind when ``harm`` ends in ``+``: there may be the cleaning up after the first.

    A killed git takes the writer with it: what is killed is all of the command, as by a power button or ``kill -9``
    of its process group.
    """
    env = environment(home)
    when = f"{call.nth}..{call.nth + harm.endswith('+')}"
    inject = f"inject={call.name}:{harm.removesuffix('+')}:when={when}"
    options = ["-o", "/dev/null", "-e", f"trace={call.name}", "-e", inject]
    if call.process == 0:
        return _run(argv, env, cwd, options)
    env |= _before_git(home, call.process, [strace(), *options, str(_GIT)], is_kill="SIGKILL" in harm)
    return _run(argv, env, cwd, [])


def _before_git(home: Path, nth: int, argv: list[str], *, is_kill: bool) -> dict[str, str]:
    """A folder for the front of the path whose ``git`` is ``argv`` the ``nth`` time, and git itself all other times."""
    folder = home / "front"
    folder.mkdir(exist_ok=True)
    (folder / "count").write_text("0\n")
    quoted = " ".join(f"'{word}'" for word in argv)
    program = folder / "git"
    program.write_text(
        "#!/bin/sh\n"
        f"read -r n <'{folder}/count'; n=$((n + 1)); echo $n >'{folder}/count'\n"
        f'if [ $n -ne {nth} ]; then exec {_GIT} "$@"; fi\n'
        f'{quoted} "$@"; code=$?\n' + ("[ $code -lt 128 ] || kill -9 $PPID\n" if is_kill else "") + "exit $code\n"
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]
"""The victim's command line, without its words."""
