"""What the built-in agent can do: read, write, edit, search, run, keep a list, finish.

Knows a place to act in (``Place``) and nothing of models, beads or sessions. Whatever a model sends
is answered with text, never with a crash. Start reading at ``tool``, then ``table`` (all of them).
"""
