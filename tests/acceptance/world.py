"""A repository and a person who calls the installed ``factory`` in it, sealed from whoever runs the tests."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPTS = Path(sysconfig.get_path("scripts"))
"""Where ``factory``, ``git-factory`` and the interpreter of these tests are."""

FACTORY = SCRIPTS / "factory"
PATIENCE_S = 60.0
"""How long any one thing may take before a test says that it hangs."""

SETTINGS = """\
max_agents = 4

[gates.tests]
run = "test -s a.txt"
timeout_s = 60
"""


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as exactly one JSON document of schema 1."""
        return document(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Standard error as exactly one JSON document of schema 1: its ``error``."""
        told: dict[str, Any] = document(self.err)["error"]
        return told

    @property
    def sentence(self) -> str:
        """The one sentence for people."""
        first = self.err.splitlines()[0] if self.err else ""
        assert first.startswith("factory: "), self.err
        return first.removeprefix("factory: ")


def document(text: str) -> dict[str, Any]:
    """``text`` as exactly one JSON document of schema 1."""
    told = json.loads(text)
    assert isinstance(told, dict), text
    assert told["schema"] == 1, text
    return told


@dataclass
class World:
    """A repository at ``repo`` and the person whose home is ``home``; ``env`` is what every command is started with."""

    top: Path
    repo: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The person's home."""
        return self.top / "home"

    @property
    def state(self) -> Path:
        """Where this clone keeps what is not committed."""
        return self.repo / ".git" / "factory"

    # ------------------------------------------------------------------ calling

    def factory(
        self,
        *words: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        under: tuple[str, ...] = (),
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        """Call ``factory`` as a program does: no terminal, nothing to read. ``under``: what it is started by."""
        finished = subprocess.run(
            [*under, str(FACTORY), *(str(word) for word in words)],
            env=self.env | dict(env or {}),
            cwd=cwd or self.repo,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Answer(finished.returncode, finished.stdout.decode(), finished.stderr.decode())

    def well(self, *words: str | Path) -> Answer:
        """A call that must end well."""
        answer = self.factory(*words)
        assert answer.code == 0, (words, answer)
        return answer

    def spawned(self, *words: str | Path) -> dict[str, Any]:
        """What became of the one bead that ``factory spawn`` opened, with its exit code as ``exit``."""
        answer = self.factory("spawn", "--json", *words)
        (bead,) = answer.document["beads"]
        return {**bead, "exit": answer.code}

    @contextmanager
    def beside(self, *words: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
        """``factory`` running beside the test, ended with the block."""
        with (self.top / "beside.log").open("ab") as log:
            child = subprocess.Popen(
                [str(FACTORY), *(str(word) for word in words)],
                env=self.env,
                cwd=self.repo,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                yield child
            finally:
                child.terminate()
                child.wait(PATIENCE_S)

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """Plain git, as the person would call it."""
        finished = subprocess.run(
            ["git", *words], env=self.env, cwd=cwd or self.repo, capture_output=True, timeout=PATIENCE_S, check=False
        )
        assert finished.returncode == 0, (words, finished.stderr)
        return finished.stdout.decode().strip()

    # ------------------------------------------------------------------ setting the stage

    def write(self, path: str, text: str) -> Path:
        """A file in the repository, not committed."""
        file = self.repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, **files: str) -> None:
        """Commit files to the branch that is checked out; ``__`` in a name is a slash, ``_dot_`` a dot."""
        for name, text in files.items():
            self.write(name.replace("__", "/").replace("_dot_", "."), text)
        self.git("add", "-A")
        self.git("commit", "-qm", "more")

    def settings(self, text: str) -> None:
        """Commit these settings."""
        self.commit(_dot_factory__factory_dot_toml=text)

    def program(self, script: str, name: str = "agent.sh") -> Path:
        """An executable outside the repository: a shell script, unless ``script`` says otherwise in its first line."""
        file = self.top / name
        file.write_text(script if script.startswith("#!") else f"#!/bin/sh\nset -e\n{script}\n")
        file.chmod(0o755)
        return file

    def on_path(self, *programs: str) -> str:
        """A ``PATH`` on which only these programs of the machine are found."""
        folder = self.top / f"only-{'-'.join(programs) or 'nothing'}"
        folder.mkdir(exist_ok=True)
        for program in programs:
            found = shutil.which(program)
            assert found, program
            (folder / program).symlink_to(found)
        return str(folder)

    def pretend(self, program: str, script: str) -> str:
        """A ``PATH`` on which ``program`` is the given shell script, and all else as before."""
        folder = self.top / "pretended"
        folder.mkdir(exist_ok=True)
        fake = folder / program
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        return f"{folder}{os.pathsep}{self.env['PATH']}"

    # ------------------------------------------------------------------ looking

    def beads(self) -> list[dict[str, Any]]:
        """Every bead, as the program tells them."""
        told: list[dict[str, Any]] = self.well("bead", "list", "--all", "--json").document["beads"]
        return told

    def bead(self) -> dict[str, Any]:
        """The one bead there is."""
        (only,) = self.beads()
        return only

    def why(self, bead: str) -> dict[str, Any]:
        """The reason a bead is where it is."""
        told: dict[str, Any] = self.well("why", bead, "--json").document["reason"]
        return told

    def events(self, bead: str, type_: str = "") -> list[dict[str, Any]]:
        """A bead's events, of one type if one is named."""
        told: list[dict[str, Any]] = self.well("bead", "log", bead, "--json").document["events"]
        return [event for event in told if type_ in ("", event["type"])]

    def history(self, branch: str = "main") -> list[str]:
        """The commits of a branch along its first parents, oldest first."""
        return self.git("rev-list", "--first-parent", "--reverse", branch).split()

    def branches(self) -> set[str]:
        """The names of all branches."""
        return set(self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/").split())

    def worktrees(self) -> int:
        """How many work trees git knows of."""
        return self.git("worktree", "list", "--porcelain").count("worktree ")

    def everything(self) -> dict[str, bytes]:
        """Every file of the repository, its git directory, its worktrees and the person's home.

        Left out are locks, the card of the last floor, the index, which follows from the beads, and trust,
        which ``FACTORY_YES_TRUST`` gives explicitly.
        """
        files = {path for path in self.top.rglob("*") if path.is_file() and path.suffix != ".lock"}
        left_out = ("beside.log", "floor.json", "index.sqlite", "trusted")
        return {str(path): path.read_bytes() for path in sorted(files) if not {*path.parts} & {*left_out}}


def sealed(home: Path) -> dict[str, str]:
    """An environment in which nothing of the developer's own home, settings, keys or git configuration is left."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / ".gitconfig"
    config.write_text("[user]\n\tname = Ana\n\temail = ana@example.org\n[init]\n\tdefaultBranch = main\n")
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(SCRIPTS), os.environ["PATH"])),
        "LANG": "C.UTF-8",
        "FACTORY_YES_TRUST": "1",
    }


def first_commit(world: World) -> World:
    """Make the repository of ``world``, with one file, one gate and one commit."""
    world.repo.mkdir(parents=True)
    world.git("init", "-q", ".")
    world.commit(a_dot_txt="one\n", _dot_factory__factory_dot_toml=SETTINGS)
    return world


def until(happened: Callable[[], bool], what: str) -> None:
    """Look until ``happened``; fail when it has not in time. For what only another process can tell."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.05)
