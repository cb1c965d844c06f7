"""Every tool of the built-in agent. To add one: write it in a file beside this one and name it here."""

from collections.abc import Mapping
from typing import Any

from factory.tools.course import FINISH, TODO
from factory.tools.files import EDIT, READ, WRITE
from factory.tools.search import SEARCH
from factory.tools.shell import RUN
from factory.tools.tool import Tool

TOOLS: Mapping[str, Tool[Any]] = {tool.name: tool for tool in (READ, SEARCH, EDIT, WRITE, RUN, TODO, FINISH)}
"""By name, in the order in which a model sees them; the order is part of every cached prefix."""
