"""What nearly every command needs first: the office of the repository it was called in, and a person's trust."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from factory.cli import output
from factory.wiring import Office, office, untrusted

YesTrust = Annotated[
    bool,
    typer.Option("--yes-trust", envvar="FACTORY_YES_TRUST", help="Trust the repository's settings as they are now."),
]


def here(overrides: Mapping[str, object] | None = None) -> Office:
    """The office of the repository that the command was called in."""
    return office(Path.cwd(), overrides)


def require_trust(place: Office, *, yes: bool) -> None:
    """Go on only when a person has trusted what the settings would run; asks on a terminal, else refuses."""
    from factory.base.settings import powers
    from factory.base.trust import NotTrusted, is_trusted, trust

    _ = place.settings  # what was loaded before the question is what the answer is about
    for origin, settings in untrusted(place):
        if is_trusted(place.repo.main_root, settings):  # the file and the commit may say the same
            continue
        if not yes:
            if not (sys.stdin.isatty() and output.is_terminal()):
                raise NotTrusted(origin, settings)
            output.say(f"{origin} would run, or allow:")
            output.facts(powers(settings))
            if not typer.confirm("Nobody has trusted this here. Trust it?", default=False):
                raise NotTrusted(origin, settings)
        trust(place.repo.main_root, settings, place.person, now())


def now() -> str:
    """The time, for the record."""
    from factory.base.clock import WallClock, iso

    return iso(WallClock().now_ms())
