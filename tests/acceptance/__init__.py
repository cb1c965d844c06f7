"""The promises of ``factory``, tested from outside: the installed program on real repositories."""
