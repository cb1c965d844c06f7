"""What an agent is told: the bead as Markdown and as environment. Pure."""

from collections.abc import Sequence

from factory.base.ids import CommitId
from factory.beads.bead import Bead

FILE_VARIABLE = "FACTORY_BEAD_FILE"
"""The environment variable that names the Markdown file with the brief, as seen from inside the workspace."""

_TITLES = {
    "conflict": "Your earlier change conflicts with what has landed since",
    "gate": "A gate refused your earlier change",
    "policy": "Your earlier change was not let out",
}


def brief(bead: Bead, comments: Sequence[str], earlier: CommitId | None, *, carried_over: bool) -> str:
    """The whole brief. ``earlier`` is the refused change; ``carried_over``: the work tree starts from it."""
    parts = [f"# {bead.title}", f"Bead: {bead.id}"]
    if bead.text:
        parts.append(bead.text)
    if comments:
        parts.append("\n\n".join(["## What people said", *comments]))
    setback = bead.setback
    if setback is not None and setback.reason:
        parts.append(f"## {_TITLES.get(setback.code, 'What happened before')}\n\n{setback.reason}.")
        if earlier is not None:
            parts.append(_about_earlier(earlier, carried_over=carried_over))
        if setback.evidence:
            parts.append(f"```text\n{setback.evidence.replace('```', '` ` `')}\n```")
    return "\n\n".join(parts) + "\n"


def _about_earlier(earlier: CommitId, *, carried_over: bool) -> str:
    if carried_over:
        return "Your earlier change is already in this work tree, on top of the newest target. Repair it."
    return (
        f"This work tree is the newest target, without your earlier change. That change is commit {earlier}: "
        f"`git show {earlier}` shows it. Make it again so that it fits what has landed."
    )


def environment(bead: Bead, session: str, brief_file: str, earlier: CommitId | None) -> dict[str, str]:
    """The same facts as variables, for programs that do not read Markdown."""
    setback = bead.setback
    return {
        "FACTORY_BEAD": bead.id,
        "FACTORY_TITLE": bead.title,
        FILE_VARIABLE: brief_file,
        "FACTORY_SESSION": session,
        "FACTORY_ATTEMPT": str(bead.attempts),
        "FACTORY_ROUND": str(bead.rounds),
        "FACTORY_SETBACK": setback.code if setback else "",
        "FACTORY_EARLIER": earlier or "",
    }
