"""The machine that a benchmark ran on, and the small things that every benchmark needs."""

import json
import os
import platform
import resource
import subprocess
from pathlib import Path


def describe() -> str:
    """One line that names the machine."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    system = f"{platform.system()} {platform.release()}"
    return f"{system}, {os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}, {git}"


def _processor() -> str:
    """The processor as Linux calls it, or what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def cpu_s(argv: list[str], cwd: Path) -> float:
    """Seconds of CPU, user and system, that a command and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def small_repository(root: Path, *, files: int) -> Path:
    """A repository with ``files`` files of twenty lines, and one trusted gate that takes no time."""
    for number in range(files):
        path = root / f"src/d{number % 100:02d}/f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# file {number}\n" + "x = 1\n" * 20)
    settings = root / ".factory/factory.toml"
    settings.parent.mkdir()
    settings.write_text('target = "main"\n[gates.tests]\nrun = "true"\n')
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    return root


def titles(path: Path, count: int) -> Path:
    """A file of ``count`` beads."""
    path.write_text("".join(json.dumps({"title": f"Change {number}"}) + "\n" for number in range(count)))
    return path
