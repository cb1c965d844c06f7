"""Damage to the live beads, mended: nothing is deleted, everything that does not stay is set aside.

``look`` says what is wrong and changes nothing; ``repair`` acts on just that. Bytes that are set aside go to
``beads/aside/<day>-<file>.<12 hex of their sha256>`` and are published in the same commit as the file without
them. What is no file (a folder, a link, an empty file) moves as it is to ``<state>/aside/`` of this clone.
The order is: announce, set aside, replace, commit; each step may be the last one before the machine dies, and
whoever commits next, or repairs again, carries on from there.
"""

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from factory.base.files import read_plain, replace_file, sync_folder
from factory.base.ids import BlobId
from factory.beads.branch import BRANCH, PUBLISHED
from factory.beads.lines import mend
from factory.beads.packs import FOLDER, Pack
from factory.beads.store import Store
from factory.git import history
from factory.git.repository import Repository

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OURS = re.compile(r"beads/(\d{4}-\d{2}-\d{2}/[^/]+(/[^/]+)?\.jsonl|(packed|aside)/[^/]+)")
BY = "human:doctor"


class Mend(NamedTuple):
    """One file that is not as it should be, and what repair does about it."""

    path: str
    wrong: str
    does: str = ""
    """Empty when only a person can help; ``remedy`` says how."""
    remedy: str = ""
    content: bytes | None = None
    """What the file becomes; ``None``: it leaves."""
    aside: tuple[bytes, ...] = ()
    moves: bool = False
    """What stands there now moves, as it is, to the clone's own folder."""
    is_mangled: bool = False
    """Bytes that the branch has are not in the live copy any more, so nothing may be published before repair."""

    @property
    def aside_paths(self) -> list[str]:
        """Where on the branch the bytes go that are set aside."""
        return [aside_path(self.path, data) for data in self.aside]


def aside_path(path: str, data: bytes) -> str:
    """Where bytes of the file at ``path`` stand once they are set aside; by content, so that twice is once."""
    folder, _, name = path.rpartition("/")
    return f"beads/aside/{folder.rpartition('/')[2]}-{name}.{hashlib.sha256(data).hexdigest()[:12]}"


def look(repo: Repository, store: Store) -> list[Mend]:
    """Everything that is wrong with the live copy, by path; the caller holds the store's lock."""
    store.catch_up()  # what a person merged is not damage
    return sorted(_Look(repo, store.live).mends(), key=lambda item: item.path)


def repair(repo: Repository, store: Store) -> list[Mend]:
    """Mend what can be mended, in one commit; the answer is everything that was found."""
    with store.locked():
        found = look(repo, store)
        acts = [item for item in found if item.does]
        if acts:
            for path in (path for item in acts for path in (*item.aside_paths, item.path)):
                if _OURS.fullmatch(path):
                    store.changes.announce(path, BY, f"doctor: {path.removeprefix('beads/')} repaired", replaced=True)
            for item in acts:
                _act(repo, store.live, item)
            store.changes.settle()
        store.publish(everything=True)
    return found


def _act(repo: Repository, live: Path, item: Mend) -> None:
    file = live.parent / item.path
    for path, data in zip(item.aside_paths, item.aside, strict=True):
        replace_file(live.parent / path, data)
    if item.moves and os.path.lexists(file):
        folder = repo.state_dir / "aside"
        folder.mkdir(parents=True, exist_ok=True)
        name = "-".join(file.relative_to(live).parts)
        number = next(n for n in range(1, 1_000_000) if not os.path.lexists(folder / f"{name}.{n}"))
        file.rename(folder / f"{name}.{number}")
        sync_folder(folder)
        sync_folder(file.parent)
    if item.content is not None:
        replace_file(file, item.content)
    elif not item.moves:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        sync_folder(file.parent)


@dataclass
class _Look:
    repo: Repository
    live: Path
    blobs: dict[str, BlobId] = field(default_factory=dict)
    sizes: Mapping[BlobId, int] = field(default_factory=dict)

    def mends(self) -> Iterator[Mend]:
        head = self.repo.branch(BRANCH) or self.repo.resolve(PUBLISHED)
        if head is not None:
            found = history.files_at(self.repo, head, "beads/")
            self.blobs = {path: id_ for path, id_ in found.items() if _OURS.fullmatch(path)}
            self.sizes = history.sizes(self.repo, self.blobs.values())
        here: set[str] = set()
        for path, entry in self._entries():
            here.add(path)
            with contextlib.suppress(FileNotFoundError):
                item = self._looked(path, entry)
                if item is not None:
                    yield item
        for path in sorted(self.blobs.keys() - here):
            wrong = "it is on the branch and not in the live copy"
            yield Mend(path, wrong, "restored", content=self._published(path), is_mangled=True)

    def _entries(self) -> Iterator[tuple[str, Path]]:
        """Every live file with its path on the branch; what is no folder and should be one, too."""
        for day in sorted(self.live.iterdir()):
            name = f"beads/{day.name}"
            if not _is_folder(day):
                yield name, day
            elif day.name in {FOLDER, "aside"}:
                yield from ((f"{name}/{file.name}", file) for file in sorted(day.iterdir()) if _named(file))
            elif _DAY.fullmatch(day.name):
                for file in sorted(day.iterdir()):
                    if file.name.endswith(".jsonl") or not _is_folder(file):
                        yield f"{name}/{file.name}", file
                    else:
                        yield from ((f"{name}/{file.name}/{one.name}", one) for one in sorted(file.glob("*.jsonl")))

    def _looked(self, path: str, file: Path) -> Mend | None:
        if not _OURS.fullmatch(path):
            hides = any(known.startswith(f"{path}/") for known in self.blobs)
            return Mend(path, "it stands where a folder should", "moved out of the way", moves=True) if hides else None
        mode = file.lstat().st_mode
        if not stat.S_ISREG(mode):
            kind = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link"}.get(stat.S_IFMT(mode), "no plain file")
            return self._replaced(path, f"it is {kind}")
        try:
            raw = read_plain(file)
        except OSError as error:
            remedy = f"chmod u+rw {file}" if error.errno in (errno.EACCES, errno.EPERM) else "check the disk"
            return Mend(path, f"it cannot be read: {error.strerror}", remedy=remedy)
        if path.startswith(("beads/packed/", "beads/aside/")):
            return self._archive(path, raw)
        if not raw:
            return self._replaced(path, "the file is empty")
        grew = self._grew(path, raw)
        published = raw[: self.sizes[self.blobs[path]]] if grew and path in self.blobs else self._published(path)
        done = mend(raw, published)
        if grew and not done.aside:
            return None
        reasons = ", ".join(dict.fromkeys(done.reasons))
        wrong = f"the branch has other bytes{': ' if reasons else ''}{reasons}" if not grew else reasons
        does = "restored from the branch" if not grew else "mended"
        if done.aside:
            does += f", {sum(map(len, done.aside))} bytes set aside"
        return Mend(path, wrong, does, content=done.content or None, aside=done.aside, is_mangled=not grew)

    def _replaced(self, path: str, wrong: str) -> Mend:
        published = self._published(path)
        does = "moved out of the way" + (", and restored from the branch" if published else "")
        return Mend(path, wrong, does, content=published or None, moves=True, is_mangled=bool(published))

    def _archive(self, path: str, raw: bytes) -> Mend | None:
        """A pack or bytes set aside: they never change."""
        if path in self.blobs:
            if history.blob_id(raw, self.blobs[path]) == self.blobs[path]:
                return None
            return self._replaced(path, "the branch has other bytes")
        if path.startswith("beads/aside/") or not Pack.of(raw, path.rpartition("/")[2]).check():
            return None
        return self._replaced(path, "this sealed file is damaged, and the branch does not have it")

    def _grew(self, path: str, raw: bytes) -> bool:
        """Whether the live file is the branch's with more at its end."""
        id_ = self.blobs.get(path)
        if id_ is None:
            return True
        size = self.sizes.get(id_, len(raw) + 1)
        return size <= len(raw) and history.blob_id(memoryview(raw)[:size], id_) == id_

    def _published(self, path: str) -> bytes:
        id_ = self.blobs.get(path)
        return self.repo.ask("cat-file", "blob", id_).out if id_ else b""


def _is_folder(file: Path) -> bool:
    return file.is_dir() and not file.is_symlink()


def _named(file: Path) -> bool:
    """Not what a killed writer left beside the file it was about to replace."""
    return not file.name.startswith(".")
