"""Which sandboxes there are, and which one is used here."""

from factory.base.errors import UserError
from factory.workspaces.bubblewrap import Bubblewrap
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.unconfined import Unconfined

SANDBOXES: dict[str, type[Sandbox]] = {"bubblewrap": Bubblewrap, "none": Unconfined}
"""Every backend by the name that the settings use."""

_CONFINING = ("bubblewrap",)
"""What "auto" may take, best first; "none" is never taken unless it is said."""

_HINT = 'install bubblewrap (apt install bubblewrap), or say sandbox = "none" in the settings to run unconfined'


class NoSandbox(UserError):
    """No sandbox works here, or the one asked for does not; ``problems`` is one sentence for each tried."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(f"no sandbox works here: {'; '.join(problems)}", _HINT)
        self.problems = problems


class UnknownSandbox(UserError):
    """The settings name a sandbox that there is not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no sandbox {name!r}", f"use auto, {', '.join(SANDBOXES)}")
        self.name = name


def choose(setting: str) -> Sandbox:
    """The sandbox that ``setting`` stands for, proven to work here; raises ``NoSandbox`` rather than fall back."""
    if setting != "auto" and setting not in SANDBOXES:
        raise UnknownSandbox(setting)
    problems = []
    for name in _CONFINING if setting == "auto" else (setting,):
        sandbox = SANDBOXES[name]()
        problem = sandbox.problem()
        if problem is None:
            return sandbox
        problems.append(problem)
    raise NoSandbox(tuple(problems))
