"""Where a session works: a leased git worktree, confined by the kernel, and the one-way valve out of it.

Knows git and processes; knows nothing of beads or agents. Start reading at ``workspace`` (the life of
one workspace), then ``sandbox`` (the Protocol of the confinements) and ``valve`` (how work comes out).
"""
