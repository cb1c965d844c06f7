"""The facts: events, the lifecycle they obey, the fold that turns them into beads, and the log they live in.

A bead is one append-only file of JSON lines; what a bead *is* follows from its events by the pure
``fold``. Knows git only as the place where files are committed and remotes are met; knows nothing of
agents, gates or queues. Start reading at ``events``, ``lifecycle`` and ``fold``; ``store`` is the door that
others use, ``lookup`` the one for commands that only read, ``sync`` the one between clones.
"""
