"""The command line: text in, text out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from inkwell.slug import slugify
from inkwell.table import table
from inkwell.wrap import wrap


def _slug(text: str) -> str:
    """a slug for each line"""
    return "\n".join(slugify(line) for line in text.splitlines())


def _table(text: str) -> str:
    """lines with tabs as a table"""
    return table([line.split("\t") for line in text.splitlines()])


def _wrap(text: str) -> str:
    """paragraphs filled to 72 columns"""
    return wrap(text)


COMMANDS: dict[str, Callable[[str], str]] = {
    "slug": _slug,
    "table": _table,
    "wrap": _wrap,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code."""
    listing = "\n".join(f"  {name:<8}{act.__doc__}" for name, act in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="inkwell",
        description="Small tools for text.",
        epilog=f"commands:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="standard input if not given")
    chosen = parser.parse_args(arguments)
    text = chosen.file.read_text(encoding="utf-8") if chosen.file else sys.stdin.read()
    print(COMMANDS[chosen.command](text))
    return 0
