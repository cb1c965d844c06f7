"""What a look at the record answers with."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something in the record that is not as it must be: a bead, a commit, or a file with its line."""

    where: str
    says: str


@dataclass(frozen=True)
class Report:
    """What was looked at and how many (``checked``), what was wrong, and what people did to landed commits since."""

    checked: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
