"""Attacks on the store through its public door: kills, power cuts, bad disks and clocks, crowds, a model beside it.

Start with ``writer.py`` (the victim, a process of its own) and ``judging.py`` (what must hold afterwards).
"""
