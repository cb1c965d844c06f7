"""Which settings a person has trusted: content that came with a repository runs nothing before that.

Trust is for the place of the repository and the hash of the content, and it is kept in the user's own
data folder, never in the repository or its git directory, where it could come along with a copy.
"""

import hashlib
import json
from pathlib import Path

from factory.base.errors import Refused
from factory.base.files import replace_file
from factory.base.settings import Settings, powers, powers_hash


class NotTrusted(Refused):
    """The settings would run something that no person has looked at."""

    def __init__(self, origin: str, settings: Settings) -> None:
        lines = "".join(f"\n  {key} = {value}" for key, value in powers(settings).items())
        super().__init__(
            f"{origin} would run commands that nobody has trusted here:{lines}",
            "look at them, then run `factory trust`; in CI say --yes-trust",
        )


def is_trusted(place: Path, settings: Settings) -> bool:
    """Whether everything with power in ``settings`` is trusted at ``place``; nothing with power needs no trust."""
    return not powers(settings) or _file(place, settings).exists()


def trust(place: Path, settings: Settings, by: str, at: str) -> None:
    """Remember that ``by`` trusted ``settings`` at ``place``."""
    record = {"place": str(place), "by": by, "at": at, "powers": powers(settings)}
    replace_file(_file(place, settings), json.dumps(record, indent=1).encode() + b"\n", mode=0o600)


def user_folder(place: Path) -> Path:
    """The folder in the user's data folder for what is remembered about the repository at ``place``."""
    import platformdirs

    name = hashlib.sha256(str(place).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return Path(platformdirs.user_data_dir("factory")) / name


def _file(place: Path, settings: Settings) -> Path:
    return user_folder(place) / "trusted" / f"{powers_hash(settings)}.json"
