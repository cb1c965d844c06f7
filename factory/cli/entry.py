"""Where the program begins: what can be answered at once is, and all else goes to ``main``."""

import os
import sys


def main() -> None:
    """Run the program; never returns."""
    try:
        from factory.cli.quick import answer

        code = answer(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        from factory.cli.telling import tell_bug

        sys.exit(tell_bug(error, as_json="--json" in sys.argv))
    if code is None:
        from factory.cli.main import main as in_full

        in_full()
    sys.exit(code)
