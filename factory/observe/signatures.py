"""Who signed the commits of the beads' branch: from the first signed one on, every commit must verify."""

from collections.abc import Iterator

from factory.base.ids import BlobId, CommitId
from factory.git import history
from factory.git.repository import Repository
from factory.observe.report import Problem

_GOOD = "G"
_SAYS = {
    "N": "is not signed, and earlier commits are; or no file of allowed signers is set (gpg.ssh.allowedSignersFile)",
    "B": "has a bad signature: it was changed after it was signed",
    "U": "is signed by a key that is not among the allowed signers",
    "E": "has a signature that cannot be checked here: the key is missing",
    "X": "has a signature that has expired",
    "Y": "is signed with a key that has expired",
    "R": "is signed with a key that was revoked",
}
"""git's letters for what came of a signature (``%G?`` in git-log(1))."""


def unsigned(repo: Repository, commits: list[CommitId]) -> tuple[int, list[Problem]]:
    """How many of ``commits`` (parents first) had to be signed, and which of them are not, or not well.

    git starts the user's gpg or ssh-keygen for each, about 10 ms a commit.
    """
    signed = next(_signed(repo, commits), None)
    if signed is None:
        problem = Problem("factory/beads", "no commit is signed, and the settings say that they should be")
        return 0, [problem] if commits else []
    due = commits[commits.index(signed) :]
    asked = "".join(f"{commit}\n" for commit in due).encode()
    said = repo.ask("log", "--no-walk=unsorted", "--format=%H %G?", "--stdin", stdin=asked).text.splitlines()
    rows = (line.split(" ") for line in said)
    bad = {commit: letter for commit, letter in rows if letter != _GOOD}
    return len(due), [Problem(commit[:10], _SAYS.get(bad[commit], "is not signed")) for commit in due if commit in bad]


def _signed(repo: Repository, commits: list[CommitId]) -> Iterator[CommitId]:
    """The commits that carry a signature, good or not."""
    ids = [BlobId(commit) for commit in commits]
    for found in history.contents(repo, ids, dict.fromkeys(ids, 1000)):
        for commit, raw in found.items():
            if b"\ngpgsig" in raw.partition(b"\n\n")[0]:
                yield CommitId(commit)
