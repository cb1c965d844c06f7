"""A request's prompt in the order the service reads it: tools, system, messages, block by block."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 4
"""The usual rule of thumb for English and code; the real number is the model's own."""

Body = dict[str, Any]
Block = dict[str, Any]


@dataclass(frozen=True)
class Segment:
    """One tool or one content block: where it stands, its bytes without cache marks, its mark's lifetime."""

    place: str
    content: bytes
    ttl: str | None


def blocks_of(content: str | list[Block]) -> list[Block]:
    """Content as blocks; a plain string is one text block, as the API defines it."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def text_of(message: Body) -> str:
    """All text blocks of a message, a line break between them."""
    return "\n".join(block["text"] for block in blocks_of(message["content"]) if block["type"] == "text")


def bare(block: Block) -> Block:
    """``block`` without cache marks and empty fields: what must stay the same for it to be the same block."""
    kept = {key: value for key, value in block.items() if key != "cache_control" and value is not None}
    if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
        kept["content"] = [bare(part) for part in block["content"]]
    return kept


def as_bytes(value: Any, *, sort_keys: bool = False) -> bytes:
    """``value`` as compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode("utf-8")


def estimated_tokens(content: bytes) -> int:
    """About how many tokens ``content`` is, rounded up."""
    return -(-len(content) // BYTES_PER_TOKEN)


def segments(body: Body) -> list[Segment]:
    """The whole prompt of a request whose shape is sound; a top-level mark stands on the last segment."""
    found = list(_segments(body))
    if found and (top := _ttl(body)):
        last = found[-1]
        found[-1] = Segment(last.place, last.content, last.ttl or top)
    return found


def mark_places(body: Body) -> list[tuple[str, str]]:
    """Every cache mark of a request in reading order, as (place, lifetime)."""
    marks = [
        (f"{place}.cache_control", ttl)
        for place, _, block in _positions(body)
        for ttl in (*_inner_ttls(block), _ttl(block))
        if ttl
    ]
    top = _ttl(body)
    return [*marks, ("cache_control", top)] if top else marks


def _segments(body: Body) -> Iterator[Segment]:
    for place, role, block in _positions(body):
        ttl = _ttl(block) or next(iter(_inner_ttls(block)), None)
        yield Segment(place, role.encode() + as_bytes(bare(block)), ttl)


def _positions(body: Body) -> Iterator[tuple[str, str, Block]]:
    for index, tool in enumerate(body.get("tools", [])):
        yield f"tools.{index}", "tool", tool
    for index, block in enumerate(blocks_of(body.get("system", []))):
        yield f"system.{index}", "system", block
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(blocks_of(message["content"])):
            yield f"messages.{number}.content.{index}", message["role"], block


def _ttl(block: Block) -> str | None:
    mark = block.get("cache_control")
    return str(mark.get("ttl", "5m")) if mark else None


def _inner_ttls(block: Block) -> list[str]:
    inner = block.get("content") if block.get("type") == "tool_result" else None
    return [ttl for part in inner if (ttl := _ttl(part))] if isinstance(inner, list) else []
