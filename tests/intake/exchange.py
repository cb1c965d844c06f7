"""Files to import, and what the program said about them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.house.program import Said, factory

DATA = Path(__file__).parents[1] / "data"
BEADS = DATA / "beads-issues.jsonl"
GITHUB = DATA / "github-issues.json"


def jsonl(path: Path, records: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def issue(key: str, **more: object) -> dict[str, object]:
    """An issue as Beads writes it."""
    return {"id": key, "title": f"Do {key}", "status": "open", "priority": 2, "issue_type": "task", **more}


def depends(key: str, on: str, kind: str = "blocks") -> dict[str, object]:
    return {"issue_id": key, "depends_on_id": on, "type": kind, "created_at": "", "created_by": "alex"}


def import_(folder: Path, file: Path, *words: str) -> Said:
    return factory(folder, "bead", "import", str(file), "--json", *words)


def lost(said: Said) -> dict[str, list[tuple[str, str]]]:
    """What was not carried over: by kind, the items with what is said of each."""
    return {row["kind"]: [(item["id"], item["detail"]) for item in row["items"]] for row in said.document["left_out"]}


def beads(folder: Path) -> dict[str, dict[str, Any]]:
    """Every bead of the store as it is exported, by its origin."""
    lines = factory(folder, "bead", "export", "--all").out.splitlines()
    return {row["origin"]: row for row in map(json.loads, lines)}
