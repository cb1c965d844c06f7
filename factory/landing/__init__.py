"""The merge queue: which change goes next, on which candidate, and the move of the target.

The only place that moves the target. It meets the rest of the factory in the log: a queued bead goes
in, ``bead_landed``, ``bead_returned`` or ``bead_held`` comes out. Start reading at ``step`` (the pure
decision), then ``queue`` (the tick around it).
"""
