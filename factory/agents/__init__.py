"""Who thinks: the runtimes behind one Protocol, each a file, none of them aware of beads, queues or floors.

Only this folder speaks to models. Start reading at ``runtime`` (the Protocol and its values); a
backend is one file beside it.
"""
