"""The messages of one session: only ever added to, and written to the transcript as they come.

Never edit or drop an earlier message: the models' thinking blocks are signed over everything before
them, and the prompt cache is a prefix.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from factory.agents.model import Answer, Block, Opening
from factory.base.clock import WallClock, iso


class Conversation:
    """What was said so far; ``messages`` is what the next request sends."""

    def __init__(self, transcript: Path, opening: Opening) -> None:
        self._transcript = transcript
        self._messages: list[Block] = []
        transcript.parent.mkdir(parents=True, exist_ok=True)
        self._write({"role": "opening", "model": opening.model, "system": opening.system, "tools": opening.tools})

    @property
    def messages(self) -> Sequence[Block]:
        """Every message, oldest first."""
        return self._messages

    def say(self, text: str) -> None:
        """Add a message of ours in words."""
        self._add({"role": "user", "content": [{"type": "text", "text": text}]})

    def reply(self, results: Sequence[Block]) -> None:
        """Add the results of the tools that the last answer called: all of them, in one message."""
        self._add({"role": "user", "content": list(results)})

    def hear(self, answer: Answer) -> None:
        """Add the model's answer, block by block as it came.

        Left out is only what the API does not take back: empty text, and thinking that was cut off
        before it was signed. The transcript has it all.
        """
        self._write({"role": "assistant", "content": answer.content, "stop_reason": answer.stop})
        content = [block for block in answer.content if _can_be_sent_back(block)]
        if content:
            self._messages.append({"role": "assistant", "content": content})

    def _add(self, message: Block) -> None:
        self._write(message)
        self._messages.append(message)

    def _write(self, entry: Block) -> None:
        line = json.dumps({"at": iso(WallClock().now_ms()), **entry}, ensure_ascii=False, separators=(",", ":"))
        with self._transcript.open("a", encoding="utf-8", errors="surrogatepass") as file:
            file.write(line + "\n")


def _can_be_sent_back(block: Block) -> bool:
    match block.get("type"):
        case "text":
            return bool(block["text"])
        case "thinking":
            return bool(block.get("signature"))
        case _:
            return True
