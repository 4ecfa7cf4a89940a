"""One push, as it stands in the payload of a Frame.

Source: docs/protocol/playground-2024.md §5 and §5.2.
"""

import msgspec

from realcoze.dialects.json_text import NotJson, read_json

MESSAGE_EVENT = 1
ACK = 2
"""message_type of an acknowledgement; it carries no text."""

TEXT, SUGGESTIONS = 1, 2
"""content_type"""

ANSWER, SUGGEST, CALL, RESULT, RECALL = 1, 2, 3, 4, 6
"""reply_type.  The two enums that are known disagree on 2, 5 and 6: all but 1 is intermediate."""

Number = str | int | float | None
"""Numbers that some servers write as text."""

Word = str | None
"""Texts that some servers leave null."""


class Ext(msgspec.Struct, omit_defaults=True):
    """`is_finish` is the text "0" or "1"; where it is missing the push is no last one."""

    push_uuid: Word = msgspec.field(name="PushUuid", default="")
    is_finish: Number = None
    has_suggest: Number = None
    plugin: Word = ""
    token: Number = None
    input_tokens: Number = None
    output_tokens: Number = None


class PushMessage(msgspec.Struct, omit_defaults=True):
    content: Word = ""
    reply_type: int = 0
    content_type: int = TEXT
    message_type: int = 1
    message_id: str | int | None = ""
    conversation_id: str | int | None = ""
    ext: Ext = msgspec.field(default_factory=Ext)


class Push(msgspec.Struct, omit_defaults=True):
    """What a server pushes; `message` is absent when the event is a command."""

    event_type: int
    message: PushMessage | None = None

    @property
    def push_uuid(self) -> str:
        """Which turn it belongs to; empty when none."""
        return (self.message.ext.push_uuid if self.message else "") or ""


_DECODER = msgspec.json.Decoder(Push)


def decode_push(payload: bytes) -> Push | None:
    """The push, or None when the payload is none: a socket carries other things too."""
    try:
        return read_json(payload, _DECODER)
    except NotJson:
        return None


def encode_push(push: Push) -> bytes:
    """The payload of one Frame."""
    return msgspec.json.encode(push)
