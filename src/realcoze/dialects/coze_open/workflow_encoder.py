"""Our events → the stream of one run of a workflow, as a server sends it.

Every event has a number, from 0, and a space after its colons; each node counts what it says from 0 too.  A
message gets the name and the type of the `Step` before it, and the tokens of a `Usage` before its end.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, assert_never

import msgspec

from realcoze.dialects.coze_open.objects import WireUsage
from realcoze.dialects.coze_open.stream_encoder import encode_spaced
from realcoze.dialects.coze_open.workflow import type_of
from realcoze.dialects.coze_open.workflow_stream import (
    ERROR,
    INTERRUPT,
    MESSAGE,
    InterruptData,
    WireError,
    WireInterrupt,
    WireMessage,
)
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import MessageId
from realcoze.errors import RealcozeError, Truncated

DONE = "Done"


@dataclass(slots=True)
class _Node:
    """One that speaks: its name, its type, and how much it has said."""

    title: str = ""
    type: str = ""
    said: list[str] = field(default_factory=list)
    pieces: int = 0


class WorkflowStreamEncoder:
    """As coze.com writes it; `debug_url` is where the owner may look at the run."""

    def __init__(self, *, debug_url: str = "") -> None:
        self._debug_url = debug_url
        self._numbers = count()
        self._nodes: dict[MessageId, _Node] = {}
        self._next = _Node()
        self._usage: WireUsage | None = None
        self._has_ended = False

    def feed(self, event: Event) -> bytes:
        """The bytes of one event; empty for what the wire has no word for."""
        match event:
            case TextDelta():
                return self._piece(event.message_id, event.text)
            case AnswerDone():
                return self._last_piece(event)
            case Step():
                self._next = _Node(event.title, event.body)
                return b""
            case Usage():
                self._usage = WireUsage(event.total, event.output, event.input)
                return b""
            case InputRequested():
                return self._end(INTERRUPT, self._asked(event.interrupt))
            case TurnDone():
                return self._end(DONE, {"debug_url": self._debug_url} if self._debug_url else {})
            case TurnFailed():
                return self.fail(event.error)
            case Unknown():
                return self._line(event.name, msgspec.Raw(event.raw.encode()))
            case TurnStarted() | TextReplaced() | ReasoningDelta() | Suggestion() | AudioDelta() | ToolCallsRequested():
                return b""
            case _:
                assert_never(event)

    def finish(self) -> bytes:
        """Nothing is ever held back.  Raises `Truncated` for a run that has not ended."""
        if not self._has_ended:
            raise Truncated("The workflow has not ended.")
        return b""

    def fail(self, error: RealcozeError) -> bytes:
        """An error; nothing comes after it."""
        return self._end(ERROR, WireError(error.upstream_code or 5000, error.message, self._debug_url or None))

    def _piece(self, message_id: MessageId, text: str) -> bytes:
        return self._line(MESSAGE, self._said(message_id, text))

    def _last_piece(self, event: AnswerDone) -> bytes:
        """What of the whole has not been said yet."""
        node = self._nodes.get(event.message_id)
        before = "".join(node.said) if node else ""
        message = self._said(event.message_id, event.text.removeprefix(before))
        message.node_is_finish = True
        message.usage, self._usage = self._usage, None
        if message.usage is not None:
            message.token, message.cost = message.usage.token_count, "0.00"
        del self._nodes[event.message_id]
        return self._line(MESSAGE, message)

    def _said(self, message_id: MessageId, text: str) -> WireMessage:
        if message_id not in self._nodes:
            self._nodes[message_id], self._next = self._next, _Node()
        node = self._nodes[message_id]
        node.said.append(text)
        node.pieces += 1
        return WireMessage(
            content=text,
            content_type="text",
            node_title=node.title,
            node_seq_id=str(node.pieces - 1),
            node_is_finish=False,
            node_type=node.type or None,
            node_execute_uuid=message_id,
        )

    def _asked(self, interrupt: Interrupt) -> WireInterrupt:
        data = interrupt.data.get("data", "")
        text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
        return WireInterrupt(
            InterruptData(interrupt.event_id, type_of(interrupt.kind), text, interrupt.data.get("required_parameters")),
            self._title(interrupt),
        )

    def _title(self, interrupt: Interrupt) -> str | None:
        return str(interrupt.data.get("node_title", ""))

    def _end(self, name: str, data: Any) -> bytes:
        self._has_ended = True
        return self._line(name, data)

    def _line(self, name: str, data: object) -> bytes:
        return b"id: %d\n%b" % (next(self._numbers), encode_spaced(name, data))


class StudioWorkflowStreamEncoder(WorkflowStreamEncoder):
    """As Coze Studio writes it: a question does not tell whose it is."""

    def _title(self, interrupt: Interrupt) -> str | None:  # noqa: ARG002 - what coze.com tells
        return None
