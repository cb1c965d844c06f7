"""Append-only, proven from git's history: each commit of the beads' branch against what the branch's rule allows.

A file only grows at its end; what leaves one stands, byte for byte, in a sealed pack, beside what was set aside,
or in the file of an alias; a merge holds every line of its sides and none that no side had. What merely grew is
proven by hashing: if the first n bytes of the last version have the id of an earlier one, that is its prefix, so
one version of each file is read instead of all (10,000 commits in seconds).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from factory.base.ids import BlobId, CommitId
from factory.beads.lines import lines_of
from factory.beads.packs import Pack
from factory.git import history
from factory.git.command import GitFailed
from factory.git.history import Change, Step
from factory.git.repository import Repository
from factory.observe.departed import Departed, aside_path
from factory.observe.growth import Fault, fault, key, merge_fault, overruled
from factory.observe.report import Problem

_RECORD = re.compile(r"beads/\d{4}-\d{2}-\d{2}/[^/]+(/[^/]+)?\.jsonl")
_ARCHIVE = re.compile(r"beads/(packed|aside)/[^/]+")
_PLAIN = "100644"
_ROUND_BYTES = 32 << 20


@dataclass(frozen=True)
class Walk:
    """Which commits and how many versions of files were looked at, and what was wrong, the earliest first."""

    commits: tuple[CommitId, ...]
    versions: int
    problems: tuple[Problem, ...]


def walk(repo: Repository, head: CommitId) -> Walk:
    """Look at every commit that ``head`` descends from."""
    try:
        return _Walker(repo, history.steps(repo, head)).walk()
    except GitFailed as error:
        return Walk((), 0, (Problem(head[:10], f"git cannot read the history of the beads: {error.sentence}"),))


@dataclass
class _Walker:
    repo: Repository
    steps: list[Step]
    sizes: dict[BlobId, int] = field(default_factory=dict)
    _rewritten: list[tuple[str, BlobId, Fault]] = field(default_factory=list)

    def walk(self) -> Walk:
        grown = [
            (step, change)
            for step in self.steps
            if len(step.parents) == 1
            for change in step.changes[0]
            if change.old and change.new and _RECORD.fullmatch(change.path)
        ]
        every = [change for step in self.steps for changes in step.changes for change in changes]
        self.sizes = history.sizes(self.repo, (id_ for change in every for id_ in (change.old, change.new) if id_))
        not_grown = self._not_grown(grown)
        commits = {(change.path, change.new): step.commit for step, change in grown}
        rewritten = [
            Problem(f"{path}:{found.line}", f"{found}, in or before commit {commits[path, tip][:10]}")
            for path, tip, found in self._rewritten
        ]
        odd = [(step, _odd(step, not_grown)) for step in self.steps]
        problems = [problem for work in self._rounds([item for item in odd if item[1]]) for problem in work]
        return Walk(tuple(step.commit for step in self.steps), len(every), (*problems, *rewritten))

    # ------------------------------------------------------------------ what merely grew

    def _not_grown(self, grown: list[tuple[Step, Change]]) -> set[tuple[str, BlobId, BlobId]]:
        """The changes that are more than an addition at the end: path, old and new version."""
        chains: dict[str, dict[BlobId, set[BlobId]]] = {}
        for _, change in grown:
            chains.setdefault(change.path, {}).setdefault(change.new, set()).add(change.old)
        wrong: set[tuple[str, BlobId, BlobId]] = set()
        while chains:
            tips = {path: _tip(chain) for path, chain in chains.items()}
            of_tip: dict[BlobId, list[str]] = {}
            for path, tip in tips.items():
                of_tip.setdefault(tip, []).append(path)
            read: set[BlobId] = set()
            for blobs in history.contents(self.repo, of_tip, self.sizes):
                read |= blobs.keys()
                for tip, content in blobs.items():
                    for path in of_tip[tip]:
                        pairs, ends = self._unrolled(chains[path], tip, content)
                        wrong |= {(path, *pair) for pair in pairs}
                        found = overruled(content, ends)
                        if found is not None:
                            self._rewritten.append((path, tip, found))
            for tip in of_tip.keys() - read:  # its content is missing
                for path in of_tip[tip]:
                    wrong |= {(path, old, tip) for old in chains[path].pop(tip)}
            chains = {path: chain for path, chain in chains.items() if chain}
        return wrong

    def _unrolled(
        self, chain: dict[BlobId, set[BlobId]], tip: BlobId, content: bytes
    ) -> tuple[list[tuple[BlobId, BlobId]], list[int]]:
        """Take all that leads to ``tip`` out of the chain; what is no prefix of its successor, and sizes it had."""
        view = memoryview(content)
        is_sound = history.blob_id(view, tip) == tip
        todo, wrong, ends = [tip], [], []
        while todo:
            new = todo.pop()
            for old in chain.pop(new, ()):
                size = self.sizes.get(old, len(content) + 1)
                grew = size <= self.sizes[new] and history.blob_id(view[:size], tip) == old
                if grew and is_sound:
                    todo.append(old)
                    ends.append(size)
                else:
                    wrong.append((old, new))
        return wrong, ends

    # ------------------------------------------------------------------ the rest, with everything at hand

    def _rounds(self, work: list[tuple[Step, list[Change]]]) -> Iterator[list[Problem]]:
        """Look at what needs a closer look, some 32 MB at once."""
        batch: list[tuple[Step, list[Change]]] = []
        held = 0
        for item in work:
            batch.append(item)
            held += sum(self.sizes.get(id_, 0) for change in item[1] for id_ in (change.old, change.new))
            if held > _ROUND_BYTES:
                yield self._looked(batch)
                batch, held = [], 0
        yield self._looked(batch)

    def _looked(self, batch: list[tuple[Step, list[Change]]]) -> list[Problem]:
        ids = [id_ for _, changes in batch for change in changes for id_ in (change.old, change.new) if id_]
        blobs = {id_: data for part in history.contents(self.repo, ids, self.sizes) for id_, data in part.items()}
        return [problem for step, changes in batch for problem in _Look(self.repo, step, blobs).problems(changes)]


def _tip(chain: Mapping[BlobId, set[BlobId]]) -> BlobId:
    """A version that no other continues; any, where a file went round in a circle."""
    older = {old for olds in chain.values() for old in olds}
    return next((new for new in chain if new not in older), next(iter(chain)))


def _odd(step: Step, not_grown: set[tuple[str, BlobId, BlobId]]) -> list[Change]:
    """What a commit did that is more than adding a file or lines at the end of one."""
    known = [
        change
        for changes in step.changes
        for change in changes
        if _RECORD.fullmatch(change.path) or _ARCHIVE.fullmatch(change.path)
    ]
    if len(step.parents) > 1:
        return known
    odd = [change for change in known if not _is_plain_growth(change, not_grown)]
    # What left a file may stand in another that this commit made or lengthened.
    return known if any(change.old for change in odd) else odd


def _is_plain_growth(change: Change, not_grown: set[tuple[str, BlobId, BlobId]]) -> bool:
    if change.mode != _PLAIN or not _RECORD.fullmatch(change.path):
        return False
    return not change.old or (change.path, change.old, change.new) not in not_grown


@dataclass
class _Look:
    """One commit with the content of whatever it changed."""

    repo: Repository
    step: Step
    blobs: Mapping[BlobId, bytes]

    def problems(self, changes: list[Change]) -> Iterator[Problem]:
        missing = sorted({change.path for change in changes for id_ in (change.old, change.new) if self._lacks(id_)})
        if missing:
            yield from (self._problem(path, "has a version whose content is missing") for path in missing)
            return
        for change in changes:
            if change.new and change.mode != _PLAIN:
                yield self._problem(change.path, "became something else than a plain file")
        if len(self.step.parents) > 1:
            yield from self._merged()
            return
        for change in changes:
            if _ARCHIVE.fullmatch(change.path):
                yield from self._archived(change)
            elif change.old:
                yield from self._left(change)

    def _lacks(self, id_: BlobId) -> bool:
        return bool(id_) and id_ not in self.blobs

    @cached_property
    def departed(self) -> Departed:
        """Where what left a file in this commit may stand."""
        made = [change for changes in self.step.changes for change in changes if change.new]
        files = {change.path: self.blobs[change.new] for change in made if change.new in self.blobs}
        return Departed(self.repo, self.step.commit, files)

    def _lines(self, id_: BlobId) -> list[bytes]:
        return lines_of(self.blobs[id_]) if id_ else []

    # ------------------------------------------------------------------ one parent

    def _left(self, change: Change) -> Iterator[Problem]:
        old, new = self._lines(change.old), self._lines(change.new)
        if self.blobs[change.old] in self.departed.packed(change.path):
            return
        found = fault(old, new, lambda line: self.departed.may_leave(change.path, line, new, old))
        if found is not None:
            yield self._fault(change.path, found)

    def _archived(self, change: Change) -> Iterator[Problem]:
        if change.old:
            yield self._problem(change.path, "was changed" if change.new else "was dropped")
        elif change.path.startswith("beads/packed/"):
            pack = Pack.of(self.blobs[change.new], change.path.rpartition("/")[2])
            yield from (self._problem(change.path, item.reason) for item in pack.check())
            if self.step.parents:
                yield from self._invented(change.path, pack)
        elif change.path != aside_path(change.path, self.blobs[change.new]):
            yield self._problem(change.path, "has a name that is not that of its content")

    def _invented(self, path: str, pack: Pack) -> Iterator[Problem]:
        """Whether the pack holds what no file of the branch held."""
        had = history.files_at(self.repo, self.step.parents[0], "beads/")
        have = history.files_at(self.repo, self.step.commit, "beads/")
        for entry in pack.entries():
            data = pack.kept(entry).data
            known = [id_ for id_ in (had.get(entry.path), have.get(entry.path)) if id_]
            if any(history.blob_id(data, id_) == id_ for id_ in known):
                continue
            versions = [self.repo.ask("cat-file", "blob", id_).out for id_ in known]
            if not any(version.startswith(data) for version in versions):
                lines = set(lines_of(versions[0])) if versions else set()
                stranger = next((number for number, line in enumerate(lines_of(data), 1) if line not in lines), 0)
                yield self._problem(path, f"holds {entry.path} with a line {stranger} that was inserted")

    # ------------------------------------------------------------------ several parents

    def _merged(self) -> Iterator[Problem]:
        by_path: dict[str, list[Change]] = {}
        for change in (change for of_parent in self.step.changes for change in of_parent):
            by_path.setdefault(change.path, []).append(change)
        for path, changes in sorted(by_path.items()):
            if _ARCHIVE.fullmatch(path):
                yield from self._merged_archive(path, changes)
            elif _RECORD.fullmatch(path):
                yield from self._merged_record(path, changes)

    def _merged_record(self, path: str, changes: list[Change]) -> Iterator[Problem]:
        merged = self._lines(changes[0].new)
        sides = [self._lines(change.old) for change in changes]
        if len(changes) < len(self.step.parents):
            sides.append(merged)  # a parent that has just this
        before = {line for side in sides for line in side}
        found = merge_fault(
            sides,
            merged,
            lambda line: self.departed.may_leave(path, line, merged, before),
            lambda line: key(line) in self._keys_of_parents,
        )
        if found is not None:
            yield self._fault(path, found)

    def _merged_archive(self, path: str, changes: list[Change]) -> Iterator[Problem]:
        if not changes[0].new:
            yield self._problem(path, "was dropped by a merge")
        elif len(changes) == len(self.step.parents):
            yield self._problem(path, "was changed by a merge" if changes[0].old else "was inserted by a merge")

    @cached_property
    def _keys_of_parents(self) -> set[bytes]:
        olds = {
            change.old
            for changes in self.step.changes
            for change in changes
            if change.old and (_RECORD.fullmatch(change.path) or _ARCHIVE.fullmatch(change.path))
        }
        return {key(line) for old in olds for line in self._lines(old)}

    # ------------------------------------------------------------------ words

    def _fault(self, path: str, found: Fault) -> Problem:
        return Problem(f"{path}:{found.line}", f"{found} in commit {self.step.commit[:10]}")

    def _problem(self, path: str, says: str) -> Problem:
        return Problem(path, f"{says} in commit {self.step.commit[:10]}")
