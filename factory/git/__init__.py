"""Plumbing: the only place that runs git.

Every call has an explicit git directory, a scrubbed environment, no hooks and no fsmonitor, so that
nothing which an agent or a user's configuration left behind runs by surprise. Knows nothing of beads.
Start reading at ``command`` (how git is called) and ``repository`` (which repository it is); ``objects``
reads and writes without a work tree, and ``remote`` is the only door to other repositories.
"""
