"""A program that starts children until it may not, three hundred at most, and says how many: it bounds itself."""

import os
import signal
import sys

MOST = 300
_LONGEST_S = 30


def main() -> None:
    """Say the number; with ``hold`` as first argument, stay with all of them until something ends us."""
    children = []
    signal.alarm(_LONGEST_S)
    for _ in range(MOST):
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            signal.alarm(_LONGEST_S)
            signal.pause()
            os._exit(0)
        children.append(child)
    sys.stdout.write(f"{len(children)}\n")
    sys.stdout.flush()
    if sys.argv[1:2] == ["hold"]:
        signal.pause()
    for child in children:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
