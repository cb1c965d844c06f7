"""What every floor stands on: errors, ids, the clock, files, locks, processes, settings.

Knows nothing of git, beads or agents. Start reading at ``errors`` (the four roots) and ``process``
(with ``children``, the only door through which a process is started).
"""
