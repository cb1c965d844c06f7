"""What a model service's troubles mean: wait and ask again, or stop, and for how long or why.

Pure: no clock, no network, no randomness. The sources are the API's error page (2026-11) and what the
SDK 2.11 was seen to raise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from factory.agents.runtime import FailureCode

_SPENT = frozenset(
    {
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "user_profile_not_billable",
    }
)
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_PASSING = frozenset({408, 409, 425, 429})
_SERVER_ERRORS = 500
_OK = 200


@dataclass(frozen=True)
class Trouble:
    """Why a request brought no answer: ``code`` when asking again is no use, ``None`` when it may help.

    ``wait_s`` is how long the service asked to be left alone, where it did.
    """

    reason: str
    code: FailureCode | None = None
    wait_s: float | None = None


@dataclass(frozen=True)
class Patience:
    """How often a request is sent, and the seconds between: doubling from ``first_s`` up to ``most_s``.

    A service that asks for more than ``longest_s`` is taken as overloaded at once, so that the floor
    can put the work elsewhere instead of holding a workspace.
    """

    tries: int = 8
    first_s: float = 0.5
    most_s: float = 30.0
    longest_s: float = 300.0

    def wait_s(self, tried: int, told_s: float | None, chance: float) -> float:
        """Seconds to wait after ``tried`` requests in vain; ``chance`` in [0, 1) is the jitter.

        What the service told is waited in full, with up to a tenth more so that many agents do not return at once.
        """
        if told_s is not None:
            return told_s * (1 + chance / 10)
        doubled: float = self.first_s * 2 ** (tried - 1)
        return min(self.most_s, doubled) * (0.5 + chance / 2)


def trouble_of(status: int, kind: str, detail: str, message: str, wait_s: float | None) -> Trouble:
    """What an error answer means; ``kind`` and ``detail`` are the API's ``type`` and ``error_code``.

    An error inside a stream comes after HTTP 200, so there the type stands for the status.
    """
    status = _STATUS_OF.get(kind, _SERVER_ERRORS) if status == _OK else status
    reason = f"the model service answered {status}{f' ({kind})' if kind else ''}: {message}"
    if status == _STATUS_OF["billing_error"] or kind == "billing_error" or detail in _SPENT:
        return Trouble(reason, "billing")
    if status in {_STATUS_OF["authentication_error"], _STATUS_OF["permission_error"]}:
        return Trouble(reason, "auth")
    if status in _PASSING or status >= _SERVER_ERRORS:
        return Trouble(reason, None, wait_s)
    return Trouble(reason, "protocol")


def told_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """The seconds that ``retry-after-ms`` or ``retry-after`` (seconds or a date) ask for, or ``None``."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("retry-after", "")
    seconds = _number(told)
    if seconds is not None:
        return seconds
    try:
        return max(parsedate_to_datetime(told).timestamp() - now_s, 0.0)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
