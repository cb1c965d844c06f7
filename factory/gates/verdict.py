"""What a gate's end means. Only a gate that ran and said yes has passed."""

import re
from dataclasses import dataclass
from typing import Literal

from factory.base.files import printable
from factory.base.process import Finished

EVIDENCE_CHARACTERS = 6000
"""How much of a gate's output goes into the log with its verdict; the whole stands in the job's notes."""

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_SIGNALLED = range(129, 129 + 64)
_PYTEST_COLLECTED_NOTHING = 5


@dataclass(frozen=True)
class Ruling:
    """A gate's answer: ``passed``, ``failed`` (the change is at fault) or ``held`` (it could not be told)."""

    answer: Literal["passed", "failed", "held"]
    code: str
    reason: str
    evidence: str = ""


def judge(name: str, command: str, finished: Finished, timeout_s: float) -> Ruling:
    """The ruling for one run of a gate; the exit code alone decides, never what was printed."""
    evidence = excerpt(finished.text)
    code = finished.code
    if finished.ended_by == "processes":
        return Ruling("held", "killed", f"gate {name} started more processes than it may, and was ended", evidence)
    if finished.ended_by:
        return Ruling("held", "timeout", f"gate {name} did not end within {timeout_s:g} s", evidence)
    if code == 0:
        return Ruling("passed", "passed", f"gate {name} passed")
    if code in (_NOT_FOUND, _NOT_EXECUTABLE):
        return Ruling("held", "missing", f"gate {name} did not run: its command was not found (exit {code})", evidence)
    if code < 0 or code in _SIGNALLED:
        signal = -code if code < 0 else code - 128
        return Ruling("held", "killed", f"gate {name} was killed by signal {signal}", evidence)
    if code == _PYTEST_COLLECTED_NOTHING and re.search(r"\bpy\.?test\b", command):
        return Ruling("held", "no-tests", f"gate {name} collected no tests, so it proved nothing", evidence)
    return Ruling("failed", "failed", f"gate {name} failed with exit {code}", evidence)


def excerpt(text: str, limit: int = EVIDENCE_CHARACTERS) -> str:
    """The end of ``text``, where the reason usually stands, free of control characters."""
    clean = "\n".join(printable(line) for line in _COLOUR.sub("", text).splitlines())
    if len(clean) <= limit:
        return clean
    return f"[... {len(clean) - limit} characters before this ...]\n{clean[-limit:]}"


_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
