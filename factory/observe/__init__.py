"""Reading the record back: why something does not move, how things stand, what happened, whether it adds up.

Writes no event; ``verify`` publishes what is not committed yet, so that it proves what others get. Start
reading at ``why``; for the proof at ``verify``, then ``history``.
"""
