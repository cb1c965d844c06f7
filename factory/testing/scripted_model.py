"""The scripted model on its own port of 127.0.0.1: HTTP/1.1, one thread a connection."""

import contextlib
import json
import secrets
import socket
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, assert_never

from factory.testing.answering import Answer, JsonReply, ModelApi, StreamReply
from factory.testing.messages_api import MAX_REQUEST_BYTES
from factory.testing.prompt import as_bytes
from factory.testing.script import Script
from factory.testing.streaming import encoded

_POLL_S = 0.02
_CLOSING_S = 5.0
_LIMITS = {"requests": 4_000, "tokens": 4_800_000, "input-tokens": 4_000_000, "output-tokens": 800_000}
_TOO_MANY = 429


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it was answered: header names in lower case, ``turn`` counted from 0.

    ``body`` is empty for a request without one or with one that is not a JSON object;
    ``conversation`` and ``turn`` are None when the request was refused before a turn was looked for.
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    conversation: str | None
    turn: int | None
    status: int


@dataclass
class _State:
    """What the threads of one server share."""

    api: ModelApi
    stopping: threading.Event = field(default_factory=threading.Event)
    requests: list[RecordedRequest] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def record(self, request: RecordedRequest) -> None:
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()


class ScriptedModel:
    """A model service that answers from ``script``; use it in a ``with`` block or call start and stop.

    ``key`` is the only API key it takes; None takes any. ``port`` 0 lets the system choose.
    """

    def __init__(self, script: Script, *, port: int = 0, key: str | None = None) -> None:
        self._state = _State(ModelApi(script, key))
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and serve in a thread of its own; returns when connections are accepted."""
        self._server = _Server(("127.0.0.1", self._port), self._state)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="scripted-model", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, also those in the middle of an answer, and the port."""
        if self._server is None or self._thread is None:
            return
        self._state.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._server = self._thread = None

    @property
    def base_url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8765``; only while it runs."""
        if self._server is None:
            raise RuntimeError("the scripted model is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far in the order of their answers, those that were refused too."""
        with self._state.arrived:
            return list(self._state.requests)

    def wait_for_requests(self, count: int, timeout_s: float = 10.0) -> list[RecordedRequest]:
        """The requests once there are at least ``count``; a request counts before its delay. Raises TimeoutError."""
        state = self._state
        with state.arrived:
            if not state.arrived.wait_for(lambda: len(state.requests) >= count, timeout_s):
                raise TimeoutError(f"{len(state.requests)} of {count} requests came within {timeout_s} s")
            return list(state.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], state: _State) -> None:
        super().__init__(address, _Connection)
        self.state = state
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def close_connections(self) -> None:
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, _CLOSING_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is what many tests do on purpose; anything else is a bug to be seen.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: stderr belongs to the program under test."""

    def _serve(self) -> None:
        state = self.server.state
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self._content()
        answer = state.api.answer(self.command, self.path, headers, content)
        state.record(RecordedRequest(self.path, headers, answer.body, answer.conversation, answer.turn, answer.status))
        if answer.delay_s and state.stopping.wait(answer.delay_s):
            self._drop()
            return
        self._send(answer)

    def _content(self) -> bytes | None:
        """The body, read to its end in any case; None if it is longer than the service takes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces: Iterable[bytes] = iter(self._chunk, b"")
        else:
            left = int(self.headers.get("Content-Length", 0))
            sizes = [min(1 << 20, left - start) for start in range(0, left, 1 << 20)]
            pieces = (self.rfile.read(size) for size in sizes)
        kept, total = [], 0
        for piece in pieces:
            total += len(piece)
            if total <= MAX_REQUEST_BYTES:
                kept.append(piece)
        return b"".join(kept) if total <= MAX_REQUEST_BYTES else None

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
        piece = self.rfile.read(size)
        self.rfile.readline()
        return piece

    def _send(self, answer: Answer) -> None:
        name = f"req_{secrets.token_hex(12)}"
        reply = answer.reply
        match reply:
            case JsonReply():
                self._send_json(reply, name)
            case StreamReply():
                self._send_stream(reply, name)
            case _:
                assert_never(reply)

    def _send_json(self, reply: JsonReply, request_id: str) -> None:
        body = {**reply.body, "request_id": request_id} if reply.body.get("type") == "error" else reply.body
        content = as_bytes(body)
        self._head(reply.status, "application/json", request_id)
        if reply.retry_after_s is not None:
            self.send_header("retry-after", json.dumps(reply.retry_after_s).removesuffix(".0"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if reply.halved else content)
        if reply.halved:
            self._drop()

    def _send_stream(self, reply: StreamReply, request_id: str) -> None:
        self._head(200, "text/event-stream; charset=utf-8", request_id)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in reply.events:
            full = {**event, "request_id": request_id} if event["type"] == "error" else event
            piece = encoded(full)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if reply.cut:
            self._drop()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, kind: str, request_id: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("request-id", request_id)
        self.send_header("anthropic-organization-id", "org_scripted")
        reset = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for name, limit in _LIMITS.items():
            remaining = 0 if status == _TOO_MANY else limit - 1
            self.send_header(f"anthropic-ratelimit-{name}-limit", str(limit))
            self.send_header(f"anthropic-ratelimit-{name}-remaining", str(remaining))
            self.send_header(f"anthropic-ratelimit-{name}-reset", reset)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
