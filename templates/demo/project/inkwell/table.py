"""Tables: rows in columns that line up."""

from collections.abc import Sequence
from itertools import zip_longest


def table(rows: Sequence[Sequence[str]], gap: int = 2) -> str:
    """``rows`` with each column as wide as its widest cell; numbers stand to the right."""
    columns = list(zip_longest(*rows, fillvalue=""))
    aligned = [_aligned(column) for column in columns]
    return "\n".join((" " * gap).join(cells).rstrip() for cells in zip(*aligned))


def _aligned(column: Sequence[str]) -> list[str]:
    width = max(len(cell) for cell in column)
    return [cell.rjust(width) if _is_number(cell) else cell.ljust(width) for cell in column]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True
