"""A branch's whole history in a handful of git processes, however long it is: its steps, and what they changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from factory.base.ids import BlobId, CommitId
from factory.git.repository import Repository

_ABSENT = "000000"
_ROUND_BYTES = 32 << 20
"""How many bytes of blobs are held at once."""


@dataclass(frozen=True)
class Change:
    """A path that differs from a parent; ``old`` or ``new`` is empty where there is none, ``mode`` the newer one."""

    path: str
    old: BlobId
    new: BlobId
    mode: str


@dataclass(frozen=True)
class Step:
    """A commit and, for each of its parents (or the empty tree), what it changed of it."""

    commit: CommitId
    parents: tuple[CommitId, ...]
    changes: tuple[tuple[Change, ...], ...]


def steps(repo: Repository, head: CommitId) -> list[Step]:
    """Every commit that ``head`` descends from, parents first."""
    said = repo.ask("log", "--reverse", "--topo-order", "--format=%H %T %P", head).text.splitlines()
    rows = [line.split() for line in said]
    trees = {commit: tree for commit, tree, *_ in rows}
    nothing = repo.ask("hash-object", "-t", "tree", "--stdin").text.strip()
    pairs = [[(trees.get(parent, nothing), tree) for parent in parents or [""]] for _, tree, *parents in rows]
    differ = _differ(repo, {pair for of_commit in pairs for pair in of_commit})
    return [
        Step(CommitId(commit), tuple(map(CommitId, parents)), tuple(differ[pair] for pair in of_commit))
        for (commit, _, *parents), of_commit in zip(rows, pairs, strict=True)
    ]


def _differ(repo: Repository, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[Change, ...]]:
    """What differs between the trees of each pair, from one process."""
    asked = "".join(f"{old} {new}\n" for old, new in sorted(pairs)).encode()
    options = ("--stdin", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    found: dict[tuple[str, str], list[Change]] = {pair: [] for pair in pairs}
    words = iter(os.fsdecode(repo.ask("diff-tree", *options, stdin=asked).out).split("\0"))
    rows: list[Change] = []
    for word in words:
        *headers, row = word.split("\n")
        for header in headers:
            old, new = header.split(" ")
            rows = found[old, new]
        if row:
            old_mode, mode, before, after, _ = row[1:].split(" ")
            old_id = BlobId("" if old_mode == _ABSENT else before)
            rows.append(Change(next(words), old_id, BlobId("" if mode == _ABSENT else after), mode))
    return {pair: tuple(changes) for pair, changes in found.items()}


def files_at(repo: Repository, commit: CommitId, *folders: str) -> dict[str, BlobId]:
    """Every file in ``folders`` (with a slash at their ends) of a commit."""
    rows = os.fsdecode(repo.ask("ls-tree", "-r", "-z", commit, "--", *folders).out).split("\0")
    parted = (row.split("\t", 1) for row in rows if row)
    return {path: BlobId(facts.split()[2]) for facts, path in parted}


def sizes(repo: Repository, blobs: Iterable[BlobId]) -> dict[BlobId, int]:
    """The size of each blob in bytes; one that is missing has none."""
    asked = "".join(f"{blob}\n" for blob in dict.fromkeys(blobs)).encode()
    answers = repo.ask("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).text.splitlines()
    rows = (line.split() for line in answers)
    return {BlobId(blob): int(size) for blob, size in rows if size.isdigit()}


def contents(repo: Repository, blobs: Iterable[BlobId], known: Mapping[BlobId, int]) -> Iterator[dict[BlobId, bytes]]:
    """The content of each blob, in rounds of about 32 MB, each from one process; ``known`` are their sizes."""
    batch: list[BlobId] = []
    held = 0
    for blob in dict.fromkeys(blobs):
        if blob in known:
            batch.append(blob)
            held += known[blob]
            if held >= _ROUND_BYTES:
                yield _read(repo, batch)
                batch, held = [], 0
    if batch:
        yield _read(repo, batch)


def _read(repo: Repository, blobs: list[BlobId]) -> dict[BlobId, bytes]:
    out = repo.ask("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode()).out
    found: dict[BlobId, bytes] = {}
    at = 0
    for blob in blobs:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        found[blob] = out[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return found


def blob_id(data: bytes | memoryview, like: BlobId) -> BlobId:
    """The id that git gives ``data``, by the same hash that made ``like``."""
    made = hashlib.sha1 if len(like) == 40 else hashlib.sha256  # noqa: PLR2004 - hex digits of SHA-1
    digest = made(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return BlobId(digest.hexdigest())
