"""People: commands that parse, call one function and print. Nothing is decided here.

Start reading at ``entry``: plain calls that read beads or open one are answered by ``quick``, before typer is
imported, and all others go to ``main`` (the table of commands and the edge where errors become exit codes).
A command's module is imported only when that command is called.
"""
