"""Signatures of thinking blocks, bound to everything that stood before the block (preserved thinking).

A block may be sent back only behind the same system prompt, the same set of tools and the same
earlier messages. Moving cache marks and reordering tools is allowed. The key is a constant, so that
a conversation goes on after the server was restarted.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator

from factory.testing.prompt import Block, Body, as_bytes, bare, blocks_of

_KEY = b"factory scripted model"
_PART_BYTES = 12

_DIFFERS = (
    "The `system` prompt differs from the one this block was created with.",
    "The `tools` differ from those this block was created with.",
    "The earlier messages differ from those this block was created with.",
)


def sign(body: Body, thinking: str) -> str:
    """The signature of the block that opens the answer to ``body`` with the text ``thinking``."""
    messages = _Messages()
    for message in body["messages"]:
        messages.add_message(message)
    return _signature([*_setting(body), messages.digest()], thinking)


def signature_problem(body: Body) -> str | None:
    """What is wrong with the first thinking block of ``body`` that does not belong where it stands."""
    return next(_problems(body), None)


def _problems(body: Body) -> Iterator[str]:
    setting = _setting(body)
    messages = _Messages()
    for number, message in enumerate(body["messages"]):
        messages.open(message)
        for index, block in enumerate(blocks_of(message["content"])):
            if block["type"] == "thinking" and message["role"] == "assistant":
                yield from _problem(f"messages.{number}.content.{index}", block, [*setting, messages.digest()])
            messages.add(block)


def _problem(place: str, block: Block, bound: list[bytes]) -> Iterator[str]:
    sentence = f"{place}: Invalid `signature` in `thinking` block"
    expected = _signature(bound, block["thinking"])
    if block["signature"] == expected:
        return
    parts = _parts(block["signature"])
    differing = [text for text, was, now in zip(_DIFFERS, parts, bound, strict=False) if was != now]
    if len(parts) <= len(bound) or not differing:
        yield sentence
        return
    yield (
        f"{sentence}. The block is bound to a different conversation. Remove the block, or set "
        '`thinking.block_binding.prefix_mismatch_behavior` to "drop_block". That setting requires the '
        "`thinking-binding-controls-2026-08-01` value in the `anthropic-beta` header. "
        f"{differing[0]}"
    )


class _Messages:
    """A running digest of a conversation."""

    def __init__(self) -> None:
        self._running = hashlib.blake2b(key=_KEY, digest_size=_PART_BYTES)

    def open(self, message: Body) -> None:
        # Not for the assistant: the answer that is signed is not part of its own request yet.
        if message["role"] != "assistant":
            self._running.update(as_bytes(message["role"]))

    def add(self, block: Block) -> None:
        self._running.update(as_bytes(bare(block), sort_keys=True))

    def add_message(self, message: Body) -> None:
        self.open(message)
        for block in blocks_of(message["content"]):
            self.add(block)

    def digest(self) -> bytes:
        return self._running.digest()


def _setting(body: Body) -> list[bytes]:
    system = [bare(block) for block in blocks_of(body.get("system", []))]
    tools = sorted(as_bytes(bare(tool), sort_keys=True) for tool in body.get("tools", []))
    return [_digest(as_bytes(system, sort_keys=True)), _digest(b"\n".join(tools))]


def _signature(bound: list[bytes], thinking: str) -> str:
    seal = _digest(b"".join(bound) + thinking.encode("utf-8"))
    return base64.b64encode(b"".join([*bound, seal])).decode("ascii")


def _parts(signature: str) -> list[bytes]:
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return []
    return [raw[start : start + _PART_BYTES] for start in range(0, len(raw), _PART_BYTES)]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, key=_KEY, digest_size=_PART_BYTES).digest()
