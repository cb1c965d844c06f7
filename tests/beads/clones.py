"""Several clones of one bare remote, each with beads of its own, and what must be the same in all of them."""

from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import BeadId
from factory.beads.events import Event, parse_lines
from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store
from factory.beads.sync import Clone, Report, sync
from factory.git import repository
from factory.git.remote import Remote
from factory.git.repository import Repository
from tests.conftest import commit, git

BY = "human:ana@example.org"


@dataclass
class Beads:
    """One clone."""

    repo: Repository
    store: Store

    @property
    def root(self) -> Path:
        return self.repo.root

    def open(self, title: str = "Do it", **more: object) -> BeadId:
        return self.store.open(checked(BeadOpened, title=title, **more), BY)

    def say(self, bead: str, text: str) -> None:
        self.store.append(bead, BeadCommented(text=text), BY)

    def sync(self) -> Report:
        return sync(Clone(self.repo, self.store), Remote(self.repo, "origin"))

    def raw(self) -> dict[str, bytes]:
        """Every live file of a bead."""
        live = self.store.live
        return {f"beads/{path.relative_to(live)}": path.read_bytes() for path in live.glob("*-*/*.jsonl")}

    def ids(self) -> list[str]:
        """The id of every event in every file of a bead, as often as it stands there."""
        return sorted(event.id for path, raw in self.raw().items() for event in events(raw, path))

    def on_branch(self) -> dict[str, str]:
        """Every file of a bead on the branch, by path."""
        names = git(self.root, "ls-tree", "-r", "--name-only", "factory/beads").split()
        return {
            name: git(self.root, "show", f"factory/beads:{name}")
            for name in names
            if name.count("/") == 2 and name.endswith(".jsonl")
        }


def events(raw: bytes, path: str) -> list[Event]:
    return [item for item in parse_lines(raw, path) if isinstance(item, Event)]


def begin(root: Path) -> Path:
    """A bare remote with one commit on ``main``."""
    seed = root / "seed"
    seed.mkdir()
    git(seed, "init", "-q", "-b", "main")
    commit(seed, {"README.md": "# A project\n"})
    git(root, "clone", "-q", "--bare", str(seed), "remote.git")
    return root / "remote.git"


def clone(remote: Path, name: str) -> Beads:
    """A clone beside the remote, ready to be worked in."""
    git(remote.parent, "clone", "-q", str(remote), name)
    repo = repository.find(remote.parent / name)
    store = Store(repo)
    store.prepare()
    return Beads(repo, store)


def append_only(root: Path) -> list[str]:
    """Where a commit with one parent did more than append: ``commit path``; nothing is what should come."""
    wrong = []
    for line in git(root, "rev-list", "--parents", "factory/beads").splitlines():
        commit_, *parents = line.split()
        if len(parents) != 1:
            continue
        for name in git(root, "diff-tree", "-r", "--name-only", "--no-commit-id", commit_).split():
            before = _shown(root, f"{parents[0]}:{name}")
            if name.endswith(".jsonl") and not _shown(root, f"{commit_}:{name}").startswith(before):
                wrong.append(f"{commit_[:8]} {name}")
    return wrong


def _shown(root: Path, name: str) -> str:
    from factory.git import objects

    found = objects.read(repository.find(root), [name])[0]
    return found.content.decode() if found else ""
