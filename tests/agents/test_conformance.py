from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from factory.agents.builtin import Access, Builtin
from factory.agents.command import Command
from tests.agents.conformance import Behaviour, Drill, RuntimeConformance
from tests.agents.sessions import FINISH, QUICK, says, uses

NEVER_ENDS = "setsid sleep 300 & sleep 300"


class TestBuiltin(RuntimeConformance):
    TURNS: Mapping[Behaviour, tuple[dict[str, Any], ...]] = {
        "writes hello.txt": (uses("write", path="hello.txt", content="hello\n"), FINISH),
        "changes nothing": (FINISH,),
        "fails": ({"fault": {"status": 401, "times": 99}, **FINISH},),
        "never ends": (uses("run", command=NEVER_ENDS), FINISH),
    }

    @contextmanager
    def drill(self, behaviour: Behaviour) -> Iterator[Drill]:
        with says(*self.TURNS[behaviour]) as server:
            yield Drill(Builtin(Access(key="k", base_url=server.base_url), patience=QUICK))


class TestCommand(RuntimeConformance):
    SCRIPTS: Mapping[Behaviour, str] = {
        "writes hello.txt": "echo hello > hello.txt; echo done",
        "changes nothing": "echo nothing to do",
        "fails": "printf 'bad\\033[2J\\n'; exit 3",
        "never ends": NEVER_ENDS,
    }

    @contextmanager
    def drill(self, behaviour: Behaviour) -> Iterator[Drill]:
        yield Drill(Command(), ("sh", "-c", self.SCRIPTS[behaviour]))
