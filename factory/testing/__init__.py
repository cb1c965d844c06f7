"""The scripted model: a stand-in for the model service, shipped so that anybody can test agents without one.

It speaks the Anthropic Messages protocol over real HTTP on loopback, as strictly as the service
itself, and answers from a script. It may import from ``factory.base`` only, knows nothing of beads
or sessions, and never imports a model SDK. Start reading at ``script`` (what a script can say),
then ``answering`` (from a request to a reply); ``model_server`` is the same thing as a program.
Beside it, ``repositories`` builds git repositories for tests and demonstrations.
"""

from factory.testing.script import BadScript, Conversation, Fault, Script, ToolCall, Turn, UsageOverride
from factory.testing.scripted_model import RecordedRequest, ScriptedModel

__all__ = [
    "BadScript",
    "Conversation",
    "Fault",
    "RecordedRequest",
    "Script",
    "ScriptedModel",
    "ToolCall",
    "Turn",
    "UsageOverride",
]
