"""The program, called as a user calls it, and what it printed."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.base import process


@dataclass(frozen=True)
class Said:
    """How a call ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded


def factory(folder: Path, *words: str, **environment: str) -> Said:
    """``factory`` in ``folder``, with nothing on standard input and no terminal."""
    finished = process.run(
        [sys.executable, "-m", "factory", *words], env=dict(os.environ) | environment, cwd=folder, timeout_s=120
    )
    return Said(finished.code, finished.text, finished.err.decode())
