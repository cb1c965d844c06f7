"""Where lines may stand that left a file of the branch: sealed, set aside, or under an alias."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from factory.base.ids import CommitId
from factory.beads.lines import lines_of, may_be_set_aside
from factory.beads.packs import Pack, bead_of
from factory.beads.union import alias, opened
from factory.git import history
from factory.git.repository import Repository
from factory.observe.growth import key

_PACKED, _ASIDE = "beads/packed/", "beads/aside/"


def aside_path(path: str, data: bytes) -> str:
    """The path that bytes which were set aside have because of what they are; ``path`` gives the first part."""
    return f"{path.rpartition('.')[0]}.{hashlib.sha256(data).hexdigest()[:12]}"


@dataclass
class Departed:
    """What a commit holds beside its beads; ``files`` are those that it made or changed."""

    repo: Repository
    commit: CommitId
    files: Mapping[str, bytes]

    def packed(self, path: str) -> list[bytes]:
        """Each packed copy of a file; a pack that is damaged counts for nothing."""
        return [pack.read(path) for pack in self._packs.get(path, ())]

    def may_leave(self, path: str, line: bytes, new: Collection[bytes], old: Collection[bytes]) -> bool:
        """Whether ``line``, which was in the file at ``path`` (``old``) and is not in it now (``new``), is kept."""
        if any(line in lines_of(data) for data in self.packed(path)):
            return True
        if line in self._aside and may_be_set_aside(line, new, old):
            return True
        return key(line) in self._under_alias(bead_of(path))

    @cached_property
    def _archives(self) -> dict[str, bytes]:
        named = history.files_at(self.repo, self.commit, _PACKED, _ASIDE)
        sizes = history.sizes(self.repo, named.values())
        blobs = {id_: data for part in history.contents(self.repo, named.values(), sizes) for id_, data in part.items()}
        return {path: blobs[id_] for path, id_ in named.items() if id_ in blobs}

    @cached_property
    def _packs(self) -> dict[str, list[Pack]]:
        found: dict[str, list[Pack]] = {}
        for file, data in self._archives.items():
            if file.startswith(_PACKED):
                pack = Pack.of(data, file.removeprefix(_PACKED))
                for path in [] if pack.check() else pack.paths():
                    found.setdefault(path, []).append(pack)
        return found

    @cached_property
    def _aside(self) -> frozenset[bytes]:
        kept = (data for file, data in self._archives.items() if file.startswith(_ASIDE))
        return frozenset(line for data in kept for line in lines_of(data))

    def _under_alias(self, bead: str) -> set[bytes]:
        """The lines of beads that lost the id ``bead`` to another, and of their sessions."""
        names = {
            alias(bead, id_)
            for file, data in self.files.items()
            if bead_of(file) != bead
            for id_ in map(opened, lines_of(data))
            if id_ is not None
        }
        files = (data for file, data in self.files.items() if bead_of(file) in names)
        return {key(line) for data in files for line in lines_of(data)}
