"""Who is who: the lasting identities that beads can be given to, and which of them gets one.

Start reading at ``identities``.
"""
