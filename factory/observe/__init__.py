"""Reading the record back: why something does not move, how things stand, what happened, whether it adds up.

Only reads. Start reading at ``why``.
"""
