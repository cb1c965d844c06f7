"""Objects that came out of a workspace, held apart until they are known to be sound and wanted."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from factory.base import process
from factory.base.files import printable, sync_folder
from factory.base.ids import CommitId, TreeId
from factory.git.command import HARDENED, git, sealed_environment
from factory.git.repository import Repository
from factory.workspaces import cgroup
from factory.workspaces.collecting import Broken, git_environment, pack_words
from factory.workspaces.confinement import SETTLE_S, Confinement
from factory.workspaces.folders import remove_tree
from factory.workspaces.policy import BLOB_LIMIT, Unwanted

_PACK_LIMIT = 1 << 30
"""The largest stream that is taken in, in bytes."""

_SIGPIPE_CODES = (141, -13)
_SAID_LETTERS = 300


@dataclass(frozen=True)
class Quarantine:
    """An object store of its own below ``folder`` that borrows from the repository's."""

    repo: Repository
    folder: Path

    def ask(self, *words: str, ok: tuple[int, ...] = (0,), stdin: bytes = b"") -> process.Finished:
        """One git command that sees the repository's objects and those held here."""
        return git(words, git_dir=self.repo.common_dir, env=self._environment(), ok=ok, stdin=stdin)

    def take_in(self, place: Confinement, head: CommitId, known: tuple[CommitId, ...]) -> Unwanted | Broken | None:
        """Let the pack stream in: packed inside the cage, checked strictly as it arrives."""
        packing = place.launch(pack_words(head, known), git_environment(place))
        indexing = [
            "git", f"--git-dir={self.repo.common_dir}", *HARDENED, "-c", f"core.bigFileThreshold={BLOB_LIMIT}",
            "index-pack", "--stdin", "--fix-thin", "--strict", f"--max-input-size={_PACK_LIMIT}",
        ]  # fmt: skip
        with cgroup.bounded(packing, place.lease.session) as launch:
            packed, indexed = process.pipe_between(
                launch.argv, indexing, env=launch.env, consumer_env=self._environment(), timeout_s=SETTLE_S
            )
        if packed.code != 0 and packed.code not in _SIGPIPE_CODES:
            return Broken(packed.code)
        if indexed.code != 0:
            return Unwanted(f"git does not accept its objects: {_last_words(indexed.err)}")
        return None

    def is_whole(self, head: CommitId, known: tuple[CommitId, ...]) -> bool:
        """Whether everything that ``head`` reaches and ``known`` do not is there."""
        words = ["rev-list", "--objects", "--quiet", head, "--not", *known]
        return self.ask(*words, ok=(0, 1, 128)).code == 0

    def descends(self, older: CommitId, newer: CommitId) -> bool:
        """Whether ``newer`` is ``older`` or descends from it."""
        return self.ask("merge-base", "--is-ancestor", older, newer, ok=(0, 1, 128)).code == 0

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of a commit held here or in the repository."""
        return TreeId(self.ask("rev-parse", "--verify", f"{commit}^{{tree}}").text.strip())

    def publish(self) -> None:
        """Move the packs into the repository's store durably: a pack before its index, which makes it seen."""
        target = self.repo.common_dir / "objects" / "pack"
        target.mkdir(parents=True, exist_ok=True)
        packs = self.folder / "pack"
        for suffix in (".pack", ".rev", ".idx"):
            for file in sorted(packs.glob(f"pack-*{suffix}")):
                _sync(file)
                _move(file, target / file.name)
            sync_folder(target)

    def _environment(self) -> dict[str, str]:
        return sealed_environment({"GIT_OBJECT_DIRECTORY": str(self.folder)})


@contextlib.contextmanager
def quarantine(repo: Repository, folder: Path) -> Iterator[Quarantine]:
    """An empty quarantine at ``folder`` that is gone afterwards with whatever was not published."""
    remove_tree(folder)
    (folder / "pack").mkdir(parents=True)
    (folder / "info").mkdir()
    (folder / "info" / "alternates").write_text(f"{repo.common_dir / 'objects'}\n", encoding="utf-8")
    try:
        yield Quarantine(repo, folder)
    finally:
        remove_tree(folder)


def _sync(file: Path) -> None:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _move(file: Path, target: Path) -> None:
    try:
        file.rename(target)
    except OSError:  # the object store is on another file system
        beside = target.with_name(f"tmp_{file.name}")
        shutil.copyfile(file, beside)
        beside.chmod(0o444)
        _sync(beside)
        beside.rename(target)


def _last_words(said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return printable(" / ".join(lines[-2:]))[:_SAID_LETTERS] or "it did not say why"
