"""A process that leases workspaces and may be killed: ``python -m`` this with the facts as JSON on its input."""

import json
import sys
from pathlib import Path

from factory.base.ids import CommitId, SessionId
from factory.git.objects import Person
from factory.git.repository import find
from factory.workspaces.sandboxes import choose
from factory.workspaces.workspace import LeaseRequest, lease


def main() -> None:
    facts = json.loads(sys.stdin.readline())
    repo = find(Path(facts["main"]))
    sandbox = choose(facts["sandbox"])
    say("ready")
    sys.stdin.readline()
    for number, session in facts["sessions"]:
        request = LeaseRequest(
            session=SessionId(session),
            name=f"fa-7k2m-{number}",
            base=CommitId(facts["base"]),
            branch=f"factory/fa-7k2m/{number}",
            target="main",
            author=Person("Ada", "ada@example.org"),
            sandbox=sandbox,
        )
        workspace = lease(repo, request, Path(facts["root"]))
        say("leased")
        if facts["give_back"]:
            (workspace.root / "a.txt").write_text("changed\n")
            workspace.keep()
            say("kept")
            workspace.give_back()
            say("given back")
    sys.stdin.readline()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
