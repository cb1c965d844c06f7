"""A message as the server-sent events that the Messages API streams it in."""

from collections.abc import Iterator
from typing import Any

from factory.testing.prompt import Block, as_bytes

Event = dict[str, Any]

_PIECES = 8
_SMALLEST_PIECE = 16


def events(message: dict[str, Any]) -> Iterator[Event]:
    """The events of ``message``, in order; each one's ``type`` is also its SSE event name."""
    usage = message["usage"]
    opening: Event = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    at_start = {**usage, "output_tokens": min(1, usage["output_tokens"])}
    yield {"type": "message_start", "message": {**message, **opening, "usage": at_start}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        start, deltas = _taken_apart(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    totals = {key: value for key, value in usage.items() if key.endswith(("_tokens", "_details"))}
    yield {"type": "message_delta", "delta": ending, "usage": totals}
    yield {"type": "message_stop"}


def encoded(event: Event) -> bytes:
    """One event in the wire form of server-sent events."""
    return b"event: " + str(event["type"]).encode("ascii") + b"\ndata: " + as_bytes(event) + b"\n\n"


def _taken_apart(block: Block) -> tuple[Block, list[dict[str, str]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
            return {**block, "text": ""}, deltas
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case _:
            written = as_bytes(block["input"]).decode("utf-8") if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *_pieces(written))]
            return {**block, "input": {}}, deltas


def _pieces(text: str) -> list[str]:
    """``text`` in at most ``_PIECES`` parts, so that a long answer costs no more events than a short one."""
    size = max(_SMALLEST_PIECE, -(-len(text) // _PIECES))
    return [text[start : start + size] for start in range(0, len(text), size)]
