"""Where beads come from: titles and files that people give, and the set-up of a repository that has none yet.

Start reading at ``describe``.
"""
