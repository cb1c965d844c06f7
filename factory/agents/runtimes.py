"""Every runtime by name. To add one: write it in a file beside this one and name it here."""

import difflib
from collections.abc import Callable, Mapping

from factory.agents.builtin import Builtin
from factory.agents.command import Command
from factory.agents.runtime import Runtime
from factory.base.errors import UserError
from factory.base.files import printable

RUNTIMES: Mapping[str, Callable[[], Runtime]] = {
    Builtin.name: Builtin.from_environment,
    Command.name: Command,
}


class UnknownRuntime(UserError):
    """A runtime that is not in the table."""

    def __init__(self, name: str) -> None:
        near = difflib.get_close_matches(name, RUNTIMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(RUNTIMES)}"
        super().__init__(f"there is no runtime {printable(name)!r}", hint)
        self.name = name


def runtime(name: str) -> Runtime:
    """The runtime called ``name``, made from this process's environment; raises ``UnknownRuntime``."""
    try:
        make = RUNTIMES[name]
    except KeyError:
        raise UnknownRuntime(name) from None
    return make()
