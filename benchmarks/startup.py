"""What a command costs before it does anything: CPU time of whole processes, beside ``python -c pass``."""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import cpu_s, describe, small_repository

ROUNDS = 15


def main() -> None:
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        root = small_repository(Path(folder) / "project", files=10)
        factory = [sys.executable, "-m", "factory"]
        subprocess.run([*factory, "bead", "add", "One bead"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        rows = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "git --version": ["git", "--version"],
            "factory --version": [*factory, "--version"],
            "factory --help": [*factory, "--help"],
            "factory bead ready": [*factory, "bead", "ready"],
            "factory bead list --json": [*factory, "bead", "list", "--json"],
            "factory status": [*factory, "status"],
            "factory bead add (durable, committed)": [*factory, "bead", "add", "Another"],
        }
        base = None
        print(f"{'command':<40} {'CPU ms':>8} {'of python':>10}   median of {ROUNDS}")
        for name, argv in rows.items():
            median = statistics.median(cpu_s(argv, root) for _ in range(ROUNDS)) * 1000
            base = base or median
            print(f"{name:<40} {median:>8.0f} {median / base:>9.1f}x")


if __name__ == "__main__":
    main()
