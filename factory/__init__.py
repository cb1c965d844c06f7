"""A git-native agent factory: agents in worktrees, beads in the repository, a gated merge queue.

The floors of the house, from people down to plumbing, are drawn in ``CONTRIBUTING.md``;
``factory.cli.main`` is where a command starts.
"""

__version__ = "0.1.0"
