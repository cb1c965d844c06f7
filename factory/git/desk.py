"""Git on somebody's files with an index of our own, so that theirs is touched once, at the end, or never."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base import process
from factory.base.ids import CommitId
from factory.git.command import ANY, clean_environment, git


@dataclass(frozen=True)
class Entry:
    """A path in a tree or in an index; ``skipped`` when a sparse checkout keeps it off the disk."""

    mode: str
    blob: str
    skipped: bool = False

    def is_same(self, other: "Entry | None") -> bool:
        """Whether both are the same content of the same kind."""
        return other is not None and (self.mode, self.blob) == (other.mode, other.blob)


@dataclass(frozen=True)
class Desk:
    """Git on the files at ``root``, with the index at ``index`` in place of the one in ``git_dir``."""

    root: Path
    git_dir: Path
    index: Path

    @classmethod
    def at(cls, root: Path, git_dir: Path, folder: Path) -> "Desk":
        """A desk in ``folder`` with a copy of the index: the same time too, by which git tells what is racy."""
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(git_dir / "index", folder / "index")
        return cls(root, git_dir, folder / "index")

    def run(self, *arguments: str, stdin: bytes = b"") -> process.Finished:
        """Whatever git says; nothing here is certain to work, so every exit code is an answer."""
        return git(
            ["-c", "core.splitIndex=false", f"--work-tree={self.root}", *arguments],
            git_dir=self.git_dir,
            env=clean_environment({"GIT_INDEX_FILE": str(self.index)}),
            stdin=stdin,
            ok=ANY,
            cwd=self.root,
        )

    def names(self, *arguments: str) -> set[str]:
        """The paths that git lists."""
        return {name for name in os.fsdecode(self.run(*arguments).out).split("\0") if name}

    def refresh(self) -> bool:
        """Let git look again at files whose times changed; ``False`` when it could not look at all."""
        return self.run("update-index", "-q", "--refresh").code in (0, 1)

    def move(self, old: CommitId, new: CommitId, *options: str) -> process.Finished:
        """Git's two-tree merge of index and files."""
        return self.run("read-tree", *options, "-m", "-u", old, new)

    def entries(self) -> dict[str, Entry]:
        """What is in the index."""
        found = {}
        for row in os.fsdecode(self.run("ls-files", "-t", "-s", "-z").out).split("\0"):
            if row:
                facts, path = row.split("\t", 1)
                tag, mode, blob, _ = facts.split()
                found[path] = Entry(mode, blob, tag == "S")
        return found

    def enter(self, rows: Mapping[str, Entry | None], zero: str) -> bool:
        """Put entries into the index, or take them out; removals go first, for a file may become a folder."""
        gone = "".join(f"0 {zero}\t{path}\0" for path, entry in rows.items() if entry is None)
        there = "".join(f"{entry.mode} {entry.blob}\t{path}\0" for path, entry in rows.items() if entry is not None)
        stdin = os.fsencode(gone + there)
        return self.run("update-index", "-z", "--add", "--replace", "--index-info", stdin=stdin).code == 0

    def install(self) -> None:
        """Make this index the real one, in one step; call it under the lock."""
        real, fresh = self.git_dir / "index", self.git_dir / "index.factory"
        try:
            shutil.copy2(self.index, fresh)
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(real, fresh)
            fresh.replace(real)
        finally:
            fresh.unlink(missing_ok=True)
