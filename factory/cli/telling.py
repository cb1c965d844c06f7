"""How a command says that it ended badly: one sentence and a hint on standard error, and the exit code."""

import json
import os
import sys

EXIT_BUG = 3


def tell_bug(error: Exception, *, as_json: bool) -> int:
    """Say that it is a fault of factory itself; raises it when ``FACTORY_DEBUG`` is set."""
    if os.environ.get("FACTORY_DEBUG"):
        raise error
    sentence = f"factory has a bug: {type(error).__name__}: {error}"
    return tell(sentence, "FACTORY_DEBUG=1 shows where; please report it", EXIT_BUG, as_json=as_json)


def tell(sentence: str, hint: str, code: int, *, as_json: bool) -> int:
    """Say on standard error what went wrong and what helps; the answer is the exit code."""
    if as_json:
        document = {"schema": 1, "error": {"sentence": sentence, "hint": hint, "exit_code": code}}
        sys.stderr.write(json.dumps(document) + "\n")
    else:
        sys.stderr.write(f"factory: {sentence}\n" + (f"hint: {hint}\n" if hint else ""))
    return code
