"""``factory bead add``, once its call is understood: one implementation for the quick way in and for the command."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from factory.base.printable import printable
from factory.base.remembered import recall
from factory.beads.payloads import BeadOpened, checked
from factory.beads.store import Store, person
from factory.cli import answers, output, reading
from factory.git.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def open_bead(
    store: Store, state_dir: Path, by: str, prefix: str, said: Mapping[str, object], *, as_json: bool
) -> None:
    """Open a bead that says ``said``, have it committed, and show it."""
    payload = checked(BeadOpened, **said)
    bead = store.open(payload, by, prefix)
    store.commit()
    if as_json:
        say, _ = reading.asked(str(state_dir), partial(answers.shown, bead=bead, as_json=True))
        say()
    else:
        output.say(f"{bead}  opened: {printable(payload.title)}")


def quickly(state_dir: str, said: Mapping[str, object], *, as_json: bool) -> bool:
    """Do it without reading the settings, if what was last read of them holds; else do nothing and say so."""
    place = Path(state_dir)
    settings = recall(place)
    if settings is None or settings.sign:
        return False
    common = place.parent
    repo = Repository(Path(os.path.realpath(".")), common, common)
    open_bead(Store(repo), place, person(repo), settings.prefix, said, as_json=as_json)
    return True
