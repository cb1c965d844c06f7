"""What factory adds to a bead whose agent and gate take no time, beside the plain git that it replaces.

Wall time of whole runs. The plain way, one after another: ``git worktree add``, write, commit,
``merge --squash`` into main, commit, ``worktree remove``; without a record, a sandbox, or a gate on the
tree that lands.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe, small_repository, titles

AGENT = '#!/bin/sh\nn=$(echo "$FACTORY_TITLE" | tr -dc 0-9)\necho "# $FACTORY_BEAD" >> src/d$(printf %02d $n)/f$n.py\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beads", type=int, default=20)
    parser.add_argument("--files", type=int, nargs="+", default=[300, 5000])
    options = parser.parse_args()
    print(describe())
    print(f"{'files':>6} {'agents':>6} {'factory s/bead':>15} {'plain git s/bead':>17}   {options.beads} beads each")
    for files in options.files:
        plain = plain_s(files, options.beads) / options.beads
        for agents in (1, 8):
            took = factory_s(files, agents, options.beads) / options.beads
            print(f"{files:>6} {agents:>6} {took:>15.2f} {plain:>17.2f}")


def factory_s(files: int, agents: int, count: int) -> float:
    """Seconds for all beads, from spawn to landed."""
    with tempfile.TemporaryDirectory() as folder:
        root = small_repository(Path(folder) / "project", files=files)
        agent = Path(folder) / "agent.sh"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        beads = titles(Path(folder) / "beads.jsonl", count)
        argv = [sys.executable, "-m", "factory", "spawn", "--yes-trust", "--max-agents", str(agents)]
        started = time.monotonic()
        subprocess.run([*argv, "--file", str(beads), "--", str(agent)], cwd=root, check=True, capture_output=True)
        return time.monotonic() - started


def plain_s(files: int, count: int) -> float:
    """Seconds for the same changes with plain git."""
    with tempfile.TemporaryDirectory() as folder:
        root = small_repository(Path(folder) / "project", files=files)
        tree = Path(folder) / "tree"
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        started = time.monotonic()
        for number in range(count):
            quietly([*git, "worktree", "add", "-q", "--no-track", "-b", f"b{number}", str(tree), "main"], root)
            with (tree / f"src/d{number:02d}/f{number}.py").open("a") as file:
                file.write("# changed\n")
            quietly([*git, "commit", "-qam", f"Change {number}"], tree)
            quietly([*git, "merge", "-q", "--squash", f"b{number}"], root)
            quietly([*git, "commit", "-qm", f"Change {number}"], root)
            quietly([*git, "worktree", "remove", "--force", str(tree)], root)
            quietly([*git, "branch", "-qD", f"b{number}"], root)
        return time.monotonic() - started


def quietly(argv: list[str], cwd: Path) -> None:
    """Run, or fail with what it said."""
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)


if __name__ == "__main__":
    main()
