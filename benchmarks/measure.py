"""Whole processes, measured: CPU, wall time and memory, in rounds that alternate between the commands."""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LEAN = """
import os, sys, time
os.chdir(sys.argv[1])
quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
began = time.monotonic()
_, status, used = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=quiet), 0)
took = time.monotonic() - began
print(used.ru_utime + used.ru_stime, took, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""
"""A child's peak memory starts at its parent's, so the parent is a Python with nothing in it (about 9 MB)."""


@dataclass(frozen=True)
class Command:
    """A command line, the folder it runs in, and what makes its world ready again before each run."""

    argv: Sequence[str]
    cwd: Path
    before: Callable[[], None] | None = None


@dataclass(frozen=True)
class Run:
    """One run: milliseconds of CPU (user and system, children included) and of wall time, MB, exit code."""

    cpu_ms: float
    wall_ms: float
    rss_mb: float
    code: int


@dataclass(frozen=True)
class Cost:
    """The medians of ``runs`` runs, and the largest memory."""

    cpu_ms: float
    wall_ms: float
    rss_mb: float
    runs: int


def run(command: Command) -> Run:
    """Run a command once; it may fail, and then its figure is worth nothing: raises ``SystemExit`` instead."""
    if command.before:
        command.before()
    argv = [sys.executable, "-I", "-S", "-c", _LEAN, str(command.cwd), *command.argv]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    cpu, wall, rss, code = (float(word) for word in said)
    if code:
        raise SystemExit(f"{' '.join(command.argv)} ended with {code:.0f} in {command.cwd}")
    return Run(cpu * 1000, wall * 1000, rss, int(code))


def in_rounds(commands: Mapping[str, Command], *, rounds: int, budget_s: float) -> dict[str, Cost]:
    """Run every command once a round, so that a noisy neighbour hits all alike.

    A command that has used up ``budget_s`` of wall time sits out the rounds that are left.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            if sum(each.wall_ms for each in runs[name]) < budget_s * 1000:
                runs[name].append(run(command))
    return {name: _cost(each) for name, each in runs.items()}


def _cost(runs: list[Run]) -> Cost:
    return Cost(
        statistics.median(each.cpu_ms for each in runs),
        statistics.median(each.wall_ms for each in runs),
        max(each.rss_mb for each in runs),
        len(runs),
    )


def factory() -> list[str]:
    """The command line of the factory that belongs to this interpreter, as a user types it."""
    script = Path(sys.executable).with_name("factory")
    return [str(script)] if script.exists() else [sys.executable, "-m", "factory"]


def copied(folder: Path, to: Path) -> Path:
    """A copy of a folder that may be changed; made by ``cp``, which is fastest for 100,000 files."""
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


def load() -> str:
    """What else the machine was doing: the load of the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def missing(program: str) -> bool:
    """Whether a program is not to be found."""
    return shutil.which(program) is None


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    every = [list(headings), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in every) for column in range(len(headings))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in every
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
