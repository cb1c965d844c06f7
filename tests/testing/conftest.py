"""Real clients for the scripted model: the SDK, and plain HTTP for what the SDK would not send."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from anthropic import Anthropic

RawAnswer = tuple[int, dict[str, str], Any]
Post = Callable[..., RawAnswer]

_HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21", "content-type": "application/json"}


@pytest.fixture(scope="session")
def sdk() -> Iterator["Anthropic"]:
    """The SDK's client, made once; use ``sdk.with_options(base_url=…)``."""
    from anthropic import Anthropic

    with Anthropic(api_key="k", base_url="http://127.0.0.1:1", max_retries=0) as client:
        yield client


@pytest.fixture
def post() -> Post:
    """Sends a body as it is; headers given as None are left out."""

    def send(
        url: str,
        body: Any,
        path: str = "/v1/messages",
        method: str = "POST",
        **headers: str | None,
    ) -> RawAnswer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in {**_HEADERS, **named}.items() if value is not None}
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            connection.request(method, path, content, kept)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), json.loads(answer.read())
        finally:
            connection.close()

    return send
