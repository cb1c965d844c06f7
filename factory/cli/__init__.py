"""People: commands that parse, call one function and print. Nothing is decided here.

Start reading at ``main`` (the table of commands and the edge where errors become exit codes). A
command's module is imported only when that command is called.
"""
