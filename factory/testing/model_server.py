"""The scripted model as a program: ``python -m factory.testing.model_server SCRIPT [--port N]``.

Its first line on stdout says where it listens; it serves until SIGTERM or SIGINT.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from factory.base.errors import UserError
from factory.testing.script import Script
from factory.testing.scripted_model import ScriptedModel


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code is 0, or 1 when the script cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m factory.testing.model_server", description=__doc__)
    parser.add_argument("script", type=Path, help="the script file (JSON)")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--key", help="the only API key to accept; any when left out")
    chosen = parser.parse_args(arguments)
    try:
        script = Script.load(chosen.script)
    except UserError as problem:
        sys.stderr.write(f"{problem.sentence}\n{problem.hint}\n")
        return problem.exit_code
    # Blocked before the server's threads start, so that only sigwait ever sees them.
    endings = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    with ScriptedModel(script, port=chosen.port, key=chosen.key) as server:
        sys.stdout.write(f"listening on {server.base_url}\n")
        sys.stdout.flush()
        signal.sigwait(endings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
