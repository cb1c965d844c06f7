"""What users would pick instead: seeds and Backlog.md, from the npm registry into a folder of their own.

``python -m benchmarks.peers FOLDER`` installs them and says what became of each. ticket (wedow/ticket)
is a shell script that no registry has, so it is named and not measured.
"""

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import missing
from benchmarks.stories import LABELS, words

PACKAGES = ("@os-eco/seeds-cli", "bun", "backlog.md")
NOT_INSTALLABLE = {"ticket": "a shell script in no package registry"}


@dataclass(frozen=True)
class Seeds:
    """npm's ``@os-eco/seeds-cli``: one JSONL file, one line a task, rewritten on each change."""

    bin: Path
    name: str = "seeds"

    @property
    def program(self) -> list[str]:
        """bun and the script, so that no ``env`` is paid for."""
        return [str(self.bin / "bun"), str(self.bin / "sd")]

    def version(self) -> str:
        """What it says of itself."""
        return _said([*self.program, "--version"])

    def fill(self, root: Path, tasks: int) -> Path:
        """A repository with ``tasks`` tasks, seven of ten closed, as its own file has them."""
        _repository(root)
        subprocess.run([*self.program, "init"], cwd=root, check=True, capture_output=True)
        rng = random.Random(3)
        ids = [f"bench-{number:04x}" for number in range(tasks)]
        with (root / ".seeds/issues.jsonl").open("w") as file:
            for number, id_ in enumerate(ids):
                closed = rng.random() < 0.7
                at = "2026-11-20T10:00:00.000Z"
                task: dict[str, object] = {
                    "id": id_, "title": words(rng), "status": "closed" if closed else "open", "type": "task",
                    "priority": rng.randrange(5), "createdAt": at, "updatedAt": at, "description": words(rng) * 5,
                    "labels": rng.sample(LABELS, 2),
                }  # fmt: skip
                if number and rng.random() < 0.35:
                    task["blockedBy"] = [rng.choice(ids[:number])]
                if closed:
                    task |= {"closedAt": at, "closeReason": "done"}
                file.write(json.dumps(task, ensure_ascii=False, separators=(",", ":")) + "\n")
            file.write(json.dumps({"id": "bench-race", "title": "The race", "status": "open", "type": "task",
                                   "priority": 1, "createdAt": at, "updatedAt": at}) + "\n")  # fmt: skip
        return root

    def commands(self) -> dict[str, list[str]]:
        """Its commands by our names."""
        return {
            "ready": [*self.program, "ready", "--limit", "50"],
            "list": [*self.program, "list", "--limit", "50"],
            "show": [*self.program, "show", "bench-race"],
            "add": [*self.program, "create", "--title", "Another", "--description", "A task more."],
        }

    def claim(self, number: int) -> list[str]:
        """How the ``number``-th worker claims the task of the race."""
        return [*self.program, "update", "bench-race", "--status", "in_progress", "--assignee", f"w{number}"]


@dataclass(frozen=True)
class Backlog:
    """npm's ``backlog.md``: one Markdown file a task."""

    bin: Path
    name: str = "Backlog.md"

    @property
    def program(self) -> list[str]:
        """The compiled program, started by the package's own script."""
        return [str(self.bin / "backlog")]

    def version(self) -> str:
        """What it says of itself."""
        return _said([*self.program, "--version"])

    def fill(self, root: Path, tasks: int) -> Path:
        """A repository with ``tasks`` task files, seven of ten done, committed."""
        _repository(root)
        for words_ in (["init", "bench", "--defaults"], ["config", "set", "remoteOperations", "false"]):
            subprocess.run([*self.program, *words_], cwd=root, check=True, capture_output=True)
        rng = random.Random(3)
        for number in range(1, tasks + 1):
            status = "Done" if rng.random() < 0.7 and number > 1 else "To Do"
            head = f"id: TASK-{number}\ntitle: '{words(rng)}'\nstatus: {status}\nassignee: []\n"
            head += f"created_date: '2026-11-20 10:00'\nlabels: []\ndependencies: []\nordinal: {number * 1000}\n"
            mark = "<!-- SECTION:DESCRIPTION"
            text = f"---\n{head}---\n\n## Description\n\n{mark}:BEGIN -->\n{words(rng) * 5}\n{mark}:END -->\n"
            (root / f"backlog/tasks/task-{number} - task.md").write_text(text)
        subprocess.run(["git", "add", "-A"], cwd=root, check=True)
        subprocess.run(["git", "commit", "-qm", "tasks"], cwd=root, check=True)
        return root

    def commands(self) -> dict[str, list[str]]:
        """Its commands by our names."""
        return {
            "ready": [*self.program, "task", "list", "--ready", "--limit", "50", "--plain"],
            "list": [*self.program, "task", "list", "--limit", "50", "--plain"],
            "show": [*self.program, "task", "1", "--plain"],
            "add": [*self.program, "task", "create", "Another", "-d", "A task more.", "--plain"],
        }

    def claim(self, number: int) -> list[str]:
        """How the ``number``-th worker claims the task of the race."""
        return [*self.program, "task", "edit", "1", "-s", "In Progress", "-a", f"@w{number}", "--plain"]


Peer = Seeds | Backlog


def install(folder: Path) -> tuple[list[Peer], dict[str, str]]:
    """The peers that run, installed into ``folder`` unless they are there; and why each other does not."""
    absent = dict(NOT_INSTALLABLE)
    if missing("npm"):
        return [], absent | dict.fromkeys(("seeds", "Backlog.md"), "there is no npm here")
    bin_ = folder.resolve() / "node_modules/.bin"
    if not bin_.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
        finished = subprocess.run(argv, capture_output=True, text=True, check=False)
        if finished.returncode:
            said = (finished.stderr.strip().splitlines() or ["npm said nothing"])[-1]
            return [], absent | dict.fromkeys(("seeds", "Backlog.md"), said)
    if subprocess.run([bin_ / "bun", "--version"], capture_output=True, check=False).returncode:
        # npm 12 runs no install scripts unasked; bun's moves its binary into place
        subprocess.run(["node", "install.js"], cwd=folder / "node_modules/bun", capture_output=True, check=False)
    present: list[Peer] = []
    for peer in (Seeds(bin_), Backlog(bin_)):
        if peer.version():
            present.append(peer)
        else:
            absent[peer.name] = "it was installed and does not start"
    return present, absent


def _said(argv: list[str]) -> str:
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    return finished.stdout.strip() if finished.returncode == 0 else ""


def _repository(root: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    for name, value in (("user.name", "bench"), ("user.email", "bench@localhost")):
        subprocess.run(["git", "config", name, value], cwd=root, check=True)


def main() -> None:
    present, absent = install(Path(sys.argv[1]))
    for peer in present:
        print(f"{peer.name} {peer.version()}")
    for name, why in absent.items():
        print(f"{name}: not measured: {why}")


if __name__ == "__main__":
    main()
