"""How long, as people write it: ``90s``, ``30m``, ``8h``, ``3d``."""

import re

from factory.base.errors import UserError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"(\d{1,9})([smhd])")


class NotADuration(UserError):
    """A text that does not say how long."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a duration", "say 90s, 30m, 8h or 3d")


def seconds(text: str) -> int:
    """The seconds in a duration such as ``30m``; raises ``NotADuration``."""
    found = _FORM.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise NotADuration(text)
    return int(found[1]) * _UNITS[found[2]]
