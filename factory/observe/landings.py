"""Landed commits and landed beads must name each other."""

from collections.abc import Collection, Mapping

from factory.base.ids import BeadId, CommitId
from factory.beads.bead import Bead
from factory.git.repository import Repository
from factory.observe.report import Problem


def matched(repo: Repository, landed: Collection[Bead]) -> tuple[list[Problem], list[Problem]]:
    """Whether landed commits and landed beads name each other; the answer is problems and notes.

    A landed commit that its target no longer has was rewritten by a person, who may; that is a note. A
    landing that was never announced is a problem whatever the target has: landing announces each.
    """
    problems = [item for bead in landed for item in _unannounced(bead)]
    notes: list[Problem] = []
    for target in sorted({bead.landed_on for bead in landed}):
        beads = {bead.landed: bead.id for bead in landed if bead.landed_on == target and bead.landed}
        told = _told(repo, target)
        elsewhere = _trailers(repo, [commit for commit in beads if commit not in told])
        for commit, bead in beads.items():
            if commit not in told and elsewhere.get(commit, bead) == bead:
                notes.append(Problem(bead, f"landed as {commit[:10]}, which {target} no longer has"))
            elif (said := told.get(commit, elsewhere.get(commit, ""))) != bead:
                problems.append(Problem(bead, f"landed as {commit[:10]}, whose trailers name {said or 'no bead'}"))
        known = set(beads.values())
        for commit, said in told.items():
            if said in known and commit not in beads and _has(beads, told, said):
                problems.append(Problem(commit[:10], f"claims to land {said}, which landed as another commit"))
    return problems, notes


def _unannounced(bead: Bead) -> list[Problem]:
    announced = bead.candidate.landing if bead.candidate else None
    if announced == bead.landed or bead.landed is None:
        return []
    return [Problem(bead.id, f"landed as {bead.landed[:10]}, which no landing announced")]


def _has(beads: Mapping[CommitId, BeadId], told: Mapping[CommitId, str], bead: str) -> bool:
    """Whether the target also has the commit that the bead landed as: then another that claims it is one too many."""
    return any(commit in told for commit, named in beads.items() if named == bead)


def _told(repo: Repository, target: str) -> dict[CommitId, str]:
    """Every commit of the target, and the bead that its trailers name, if any."""
    if repo.branch(target) is None:
        return {}
    return _parsed(repo.ask("log", _FORM, f"refs/heads/{target}", "--").text)


def _trailers(repo: Repository, commits: Collection[CommitId]) -> dict[CommitId, str]:
    """The same for single commits, as far as they are here."""
    there = [commit for commit in commits if repo.resolve(commit) == commit]
    return _parsed(repo.ask("log", "--no-walk=unsorted", _FORM, *there, "--").text) if there else {}


_FORM = "--format=%H%x00%(trailers:key=Bead,valueonly,separator=%x2C)%x00%(trailers:key=Session,valueonly)%x01"


def _parsed(said: str) -> dict[CommitId, str]:
    told: dict[CommitId, str] = {}
    for block in said.split("\x01"):
        commit, _, rest = block.strip("\n").partition("\0")
        bead, _, session = rest.partition("\0")
        if commit:
            told[CommitId(commit)] = bead.strip() if session.strip() else ""
    return told
