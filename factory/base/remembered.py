"""The few settings that opening a bead needs, as they were last read: pydantic takes longer than all the rest of that.

They stand in the state folder with a fingerprint of everything they were read from, and hold only while that is
the same, byte for byte.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

_NAME = "settings.json"
_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
"""What decides, beside ``FACTORY_*``, where settings come from."""


class Remembered(NamedTuple):
    """``prefix`` of new beads, and whether the branch's commits are to be signed (``beads.sign``)."""

    prefix: str
    sign: bool


def remember(state_dir: Path, files: tuple[Path, ...], settings: Remembered) -> None:
    """Keep ``settings``, which were read from ``files`` (present or not) and the environment."""
    record = {"files": [str(file) for file in files], "read_from": _fingerprint(files), "settings": settings}
    beside = state_dir / f".{_NAME}.{os.getpid()}.tmp"
    try:
        beside.write_text(json.dumps(record))
        beside.replace(state_dir / _NAME)
    except OSError:  # then they are read anew each time
        beside.unlink(missing_ok=True)


def recall(state_dir: Path) -> Remembered | None:
    """What was kept, if nothing that it was read from has changed."""
    try:
        record = json.loads((state_dir / _NAME).read_bytes())
        files = tuple(Path(file) for file in record["files"])
        prefix, sign = record["settings"]
        holds = record["read_from"] == _fingerprint(files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Remembered(prefix, sign) if holds and isinstance(prefix, str) and isinstance(sign, bool) else None


def _fingerprint(files: tuple[Path, ...]) -> str:
    said = hashlib.sha256()
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            content = b"\0"
        said.update(b"%d %b" % (len(content), content))
    told = {name: text for name, text in os.environ.items() if name.startswith("FACTORY_") or name in _VARIABLES}
    said.update(json.dumps(told, sort_keys=True).encode("utf-8", "surrogateescape"))
    return said.hexdigest()
