"""One agent on one bead, start to finish: a fresh brief, a leased workspace, one answer, work never lost.

Knows agents and workspaces; meets landing and the floor only in the log. Start reading at ``session``;
``brief`` is what the agent is told, ``host`` the process that carries many sessions.
"""
