"""Linux: bubblewrap. One new set of namespaces for each command, about 5 ms.

bubblewrap is started with exactly the child's environment: it is process 1 inside, and whatever it was
started with can be read there from /proc/1/environ (``--clearenv`` cleans only the child).
"""

import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base import process
from factory.workspaces.sandbox import Bind, Cage, Launch

_FLAGS = (
    "--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "factory",
    *(word for folder in ("/etc", "/home", "/run", "/var") for word in ("--perms", "0755", "--dir", folder)),
)  # fmt: skip

_ETC = (
    "passwd", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs",
    "pki/ca-trust/extracted", "ca-certificates", "ca-certificates.conf", "alternatives", "localtime", "timezone",
    "nsswitch.conf", "hosts", "host.conf", "protocols", "services", "mime.types", "os-release", "debian_version",
    "terminfo", "fonts", "java", "perl", "python3",
)  # fmt: skip
"""What programs look up; never the whole of /etc, which holds keys and the machine's own settings."""

_ETC_NETWORK = ("resolv.conf", "gai.conf")
_TREES = ("/opt", "/nix/store")
_ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SHM_BYTES = 256 << 20
_MASK_BYTES = 1 << 16
_PROBE_S = 20.0


class Bubblewrap:
    """Namespaces for users, processes, mounts, network, IPC; nothing survives the command."""

    name = "bubblewrap"
    remounts = True

    def problem(self) -> str | None:
        """Why bubblewrap does not work here, found by running a minimal sandbox once a process."""
        return _probe().problem

    def launch(self, cage: Cage, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Launch:
        """``argv`` inside a sandbox built from ``cage``."""
        found = _probe()
        words = [found.bwrap, *_FLAGS]
        # A command-line agent that may use the network sandboxes its own tools, which needs namespaces.
        words += ["--disable-userns"] if found.disables_userns and not cage.network else []
        words += ["--share-net"] if cage.network else []
        words += [*_system(network=cage.network), *_tmp(cage.tmp_bytes), *_mounts(cage), "--remount-ro", "/"]
        words += ["--chdir", cwd, "--", *_limited(cage.processes), *argv]
        # The kernel exempts the real root from RLIMIT_NPROC (kernel/fork.c, INIT_USER).
        bound_here = bool(_prlimit()) and os.getuid() != 0
        return Launch(tuple(words), dict(env), Path("/"), None if bound_here else cage.processes)


@dataclass(frozen=True)
class _Found:
    problem: str | None
    bwrap: str = ""
    disables_userns: bool = False


@functools.cache
def _probe() -> _Found:
    """Run the smallest sandbox, at first with nested user namespaces switched off, then without."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return _Found("bubblewrap is not installed")
    said = ""
    for extra in (("--disable-userns",), ()):
        words = [bwrap, *_FLAGS, *extra, *_system(network=False), *_tmp(_MASK_BYTES), "--", "true"]
        finished = process.run(words, env={"PATH": "/usr/bin:/bin"}, cwd=Path("/"), timeout_s=_PROBE_S)
        if finished.code == 0:
            return _Found(None, bwrap, bool(extra))
        said = finished.err.decode("utf-8", "replace").strip() or f"it ended with {finished.code}"
    return _Found(f"bubblewrap is installed and does not work here ({said})", bwrap)


@functools.cache
def _system(*, network: bool) -> tuple[str, ...]:
    """The system's own folders, read-only, and new /proc and /dev."""
    words = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in _ROOT_FOLDERS:
        folder = Path("/") / name
        if folder.is_symlink():
            words += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            words += ["--ro-bind", str(folder), str(folder)]
    for name in (*_ETC, *_ETC_NETWORK) if network else _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for tree in _TREES:
        words += ["--ro-bind-try", tree, tree]
    return tuple(words)


def _tmp(size: int) -> list[str]:
    """Memory for /tmp and /dev/shm, bounded; the rest of /dev is closed to writing."""
    return [
        "--size", str(min(size, _SHM_BYTES)), "--perms", "1777", "--tmpfs", "/dev/shm",  # noqa: S108 - seen inside only
        "--remount-ro", "/dev",
        "--size", str(size), "--perms", "1777", "--tmpfs", "/tmp",  # noqa: S108
        "--symlink", "../tmp", "/var/tmp",  # noqa: S108
    ]  # fmt: skip


def _mounts(cage: Cage) -> list[str]:
    """The cage's own mounts, a folder before what lies in it, so that none covers another by accident."""
    visible = (*cage.read, Path("/usr"), *(Path(tree) for tree in _TREES))
    masked = (
        path
        for path in dict.fromkeys(cage.hidden)
        if path.is_dir() and any(path.is_relative_to(shown) for shown in visible)
    )
    steps = [
        *((path, ["--ro-bind-try", str(path), str(path)]) for path in dict.fromkeys(cage.read)),
        *((path, ["--size", str(_MASK_BYTES), "--tmpfs", str(path)]) for path in masked),
        (cage.work, ["--bind", str(cage.work), str(cage.work)]),
        *((bind.target, _bind(bind)) for bind in cage.binds),
    ]
    steps.sort(key=lambda step: len(step[0].parts))
    return [word for _, words in steps for word in words]


def _bind(bind: Bind) -> list[str]:
    return ["--bind" if bind.writable else "--ro-bind", str(bind.source), str(bind.target)]


@functools.cache
def _prlimit() -> str | None:
    return shutil.which("prlimit", path="/usr/bin:/bin:/usr/sbin:/sbin")


def _limited(processes: int) -> list[str]:
    """``prlimit`` inside the new user namespace, where the count is of that namespace only (kernel 5.14)."""
    program = _prlimit()
    return [program, f"--nproc={processes}", "--core=0", "--"] if program else []
