"""A streamed response: server-sent events, numbered from 0.

    response.created response.queued? response.in_progress item*
    (response.completed | response.incomplete | response.failed error)

    item = output_item.added, what it holds, output_item.done, where a message holds
           content_part.added output_text.delta* output_text.done content_part.done, reasoning
           reasoning_summary_part.added reasoning_summary_text.delta* …_text.done …_part.done, and a call
           function_call_arguments.delta* function_call_arguments.done

`response.queued` stands in the stream of a response that is made in the background.

A turn that fails ends within the item that it had come to: no part of it is said to be done.  By `error` OpenAI's
packages raise, and the stream ends well: of one that breaks off Codex (0.169.0) and they (for Node, 6.49.0) tell
that alone, and not what went wrong.  Lines are as long as a response is, as OpenAI's own are: what is done is told
whole.

Source: openai 3, types/responses/*_event.py; docs/openai-api.md.
"""

from collections.abc import Callable, Iterator

import msgspec

from realcoze.dialects.deltas import DELTA_CHARACTERS
from realcoze.dialects.json_text import on_one_line
from realcoze.dialects.openai_responses.reply import (
    Incomplete,
    Item,
    ItemIds,
    ItemStatus,
    MessageItem,
    ReasoningItem,
    ResponseBody,
    Status,
    SummaryPart,
    TextPart,
    call_item,
    conversation_body,
    failure_body,
    response_body,
    usage_body,
)
from realcoze.dialects.openai_responses.request import Asked
from realcoze.dialects.openai_wire import STREAM, ErrorBody, error_body
from realcoze.domain import event as ev
from realcoze.domain.event import Event
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import ConversationId, RequestId
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, RealcozeError, UpstreamFailed
from realcoze.framing.sse import KEEPALIVE

_encode = msgspec.json.Encoder().encode

_SUMMARY, _ARGUMENTS = "response.reasoning_summary", "response.function_call_arguments"


class _Whole(msgspec.Struct):
    type: str
    sequence_number: int
    response: ResponseBody


class _OfItem(msgspec.Struct):
    type: str
    sequence_number: int
    output_index: int
    item: Item


class _Within(msgspec.Struct):
    """Something that happens within an item."""

    type: str
    sequence_number: int
    output_index: int
    item_id: str


class _TextPart(_Within):
    part: TextPart
    content_index: int = 0


class _TextDelta(_Within):
    delta: str
    content_index: int = 0
    logprobs: tuple[()] = ()


class _TextDone(_Within):
    text: str
    content_index: int = 0
    logprobs: tuple[()] = ()


class _SummaryPart(_Within):
    part: SummaryPart
    summary_index: int = 0


class _SummaryDelta(_Within):
    delta: str
    summary_index: int = 0


class _SummaryDone(_Within):
    text: str
    summary_index: int = 0


class _ArgumentsDelta(_Within):
    delta: str


class _ArgumentsDone(_Within):
    arguments: str


class _Error(msgspec.Struct):
    """What went wrong, twice: OpenAI's types have it beside the type, and its packages look for `error`."""

    type: str
    sequence_number: int
    code: str
    message: str
    error: ErrorBody
    param: None = None


EVENTS = (
    _Whole, _OfItem, _TextPart, _TextDelta, _TextDone, _SummaryPart, _SummaryDelta, _SummaryDone, _ArgumentsDelta,
    _ArgumentsDone, _Error,
)  # fmt: skip
"""What the data of a streamed event is, for who describes this API."""


class _Message:
    """The message that is being said."""

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.pieces: list[str] = []

    def item(self, status: ItemStatus) -> Item:
        """The item as far as it goes; one that has just begun has no part yet."""
        parts = [] if status == "in_progress" else [TextPart("".join(self.pieces))]
        return MessageItem(self.id, parts, status)

    def part_added(self, number: int, index: int) -> _Within:
        return _TextPart("response.content_part.added", number, index, self.id, TextPart(""))

    def delta(self, number: int, index: int, text: str) -> _Within:
        self.pieces.append(text)
        return _TextDelta("response.output_text.delta", number, index, self.id, text)

    def text_done(self, number: int, index: int) -> _Within:
        return _TextDone("response.output_text.done", number, index, self.id, "".join(self.pieces))

    def part_done(self, number: int, index: int) -> _Within:
        return _TextPart("response.content_part.done", number, index, self.id, TextPart("".join(self.pieces)))


class _Reasoning:
    """What is being thought: the same, with a summary for a content."""

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.pieces: list[str] = []

    def item(self, status: ItemStatus) -> Item:
        parts = [] if status == "in_progress" else [SummaryPart("".join(self.pieces))]
        return ReasoningItem(self.id, parts, status)

    def part_added(self, number: int, index: int) -> _Within:
        return _SummaryPart(f"{_SUMMARY}_part.added", number, index, self.id, SummaryPart(""))

    def delta(self, number: int, index: int, text: str) -> _Within:
        self.pieces.append(text)
        return _SummaryDelta(f"{_SUMMARY}_text.delta", number, index, self.id, text)

    def text_done(self, number: int, index: int) -> _Within:
        return _SummaryDone(f"{_SUMMARY}_text.done", number, index, self.id, "".join(self.pieces))

    def part_done(self, number: int, index: int) -> _Within:
        return _SummaryPart(f"{_SUMMARY}_part.done", number, index, self.id, SummaryPart("".join(self.pieces)))


class ResponseEncoder:
    """Events → the events of a response.  `created` in seconds since 1970.

    `keep` is given the response as it ends, and says whether it can be asked for again.
    """

    content_type = STREAM
    keepalive = KEEPALIVE

    def __init__(
        self,
        asked: Asked,
        request_id: RequestId,
        *,
        created: int,
        keep: Callable[[ResponseBody], bool] | None = None,
    ) -> None:
        self._asked = asked
        self._keep = keep
        self._request_id = request_id
        self._created = created
        self._ids = ItemIds(request_id)
        self._number = 0
        self._output: list[Item] = []
        self._open: _Message | _Reasoning | None = None
        self._afterthoughts: list[str] = []
        """What was thought after the message had begun: it waits until that is done, so that it stays one."""
        self._conversation_id = ConversationId("")
        self._text = GrowingText()
        self._usage: ev.Usage | None = None
        self._has_begun = False
        self.is_closed = False
        """What ends the stream was written."""
        self.has_failed = False
        """Never: events say what went wrong, and who reads them is told of it where the stream ends well alone."""

    def feed(self, event: Event) -> bytes:
        """The events that one of ours makes, which may be none; nothing after the end."""
        if self.is_closed:
            return b""
        try:
            text = self._text.feed(event)
        except UpstreamFailed as error:
            return self._fail(error)
        return b"".join([*self._message(text), *self._beside_text(event)])

    def _beside_text(self, event: Event) -> Iterator[bytes]:
        match event:
            case ev.TurnStarted():
                self._conversation_id = event.conversation_id
                yield from self._begun()
            case ev.ReasoningDelta():
                yield from self._reasoning(event.text)
            case ev.Usage():
                self._usage = event
            case ev.ToolCallsRequested():
                yield from self._all_done()
                for call in event.calls:
                    yield from self._called(call)
                yield from self._completed()
            case ev.TurnDone() | ev.InputRequested():
                yield from self._completed()
            case ev.TurnFailed():
                was_cut = isinstance(event.error, ContentRefused) and self._text.has_begun
                yield from self._cut_off() if was_cut else [self._fail(event.error)]

    def _begun(self) -> Iterator[bytes]:
        """The response as it is asked for, once."""
        if not self._has_begun:
            self._has_begun = True
            is_queued = self._asked.is_background
            yield self._whole("response.created", self._response("queued" if is_queued else "in_progress"))
            if is_queued:
                yield self._whole("response.queued", self._response("queued"))
            yield self._whole("response.in_progress", self._response("in_progress"))

    def _message(self, text: str) -> Iterator[bytes]:
        """More of the answer."""
        if text:
            if not isinstance(self._open, _Message):
                yield from self._opened(_Message(self._ids.new("msg")))
            yield from self._deltas(text)

    def _reasoning(self, text: str) -> Iterator[bytes]:
        """More of what is thought."""
        if isinstance(self._open, _Message):
            self._afterthoughts.append(text)
        elif text:
            if self._open is None:
                yield from self._opened(_Reasoning(self._ids.new("rs")))
            yield from self._deltas(text)

    def _opened(self, said: _Message | _Reasoning) -> Iterator[bytes]:
        yield from self._begun()
        yield from self._done()
        self._open = said
        yield self._of_item("response.output_item.added", said.item("in_progress"))
        yield self._event(said.part_added(self._number, len(self._output)))

    def _deltas(self, text: str) -> Iterator[bytes]:
        if self._open is not None:
            for start in range(0, len(text), DELTA_CHARACTERS):
                piece = text[start : start + DELTA_CHARACTERS]
                yield self._event(self._open.delta(self._number, len(self._output), piece))

    def _all_done(self) -> Iterator[bytes]:
        """The end of what is being said, and what was thought meanwhile."""
        yield from self._done()
        late, self._afterthoughts = "".join(self._afterthoughts), []
        yield from self._reasoning(late)
        yield from self._done()

    def _done(self) -> Iterator[bytes]:
        """The end of the item that is being said, if there is one."""
        if self._open is not None:
            said, self._open = self._open, None
            yield self._event(said.text_done(self._number, len(self._output)))
            yield self._event(said.part_done(self._number, len(self._output)))
            yield from self._item_done(said.item("completed"))

    def _item_done(self, item: Item) -> Iterator[bytes]:
        yield self._of_item("response.output_item.done", item)
        self._output.append(item)

    def _called(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._begun()
        whole, index = call_item(call, self._ids.new("fc"), self._asked), len(self._output)
        begun = msgspec.structs.replace(whole, arguments="", status="in_progress")
        yield self._of_item("response.output_item.added", begun)
        for start in range(0, len(call.arguments), DELTA_CHARACTERS):
            piece = call.arguments[start : start + DELTA_CHARACTERS]
            yield self._event(_ArgumentsDelta(f"{_ARGUMENTS}.delta", self._number, index, whole.id, piece))
        yield self._event(_ArgumentsDone(f"{_ARGUMENTS}.done", self._number, index, whole.id, call.arguments))
        yield from self._item_done(whole)

    def _completed(self) -> Iterator[bytes]:
        yield from self._begun()
        yield from self._all_done()
        yield self._ended("response.completed", self._response("completed"))

    def _cut_off(self) -> Iterator[bytes]:
        """By Coze's content rules, after some text."""
        body = self._response("incomplete")
        body.incomplete_details = Incomplete("content_filter")
        yield self._ended("response.incomplete", body)

    def _fail(self, error: RealcozeError) -> bytes:
        before = b"".join(self._begun())
        body = self._response("failed")
        body.error = failure_body(error)
        failed, told = self._ended("response.failed", body), error_body(error)
        return before + failed + self._event(_Error("error", self._number, told.code, told.message, told))

    def _ended(self, name: str, body: ResponseBody) -> bytes:
        """The last event.  It is kept before anybody can read it, and says so."""
        body.store = self._keep is not None and self._keep(body)
        said = self._whole(name, body)
        self.is_closed = True
        return said

    def _response(self, status: Status) -> ResponseBody:
        """The response as it stands, with what was said of an item that is not done."""
        output = list(self._output)
        if self._open is not None:
            output.append(self._open.item("incomplete"))
        body = response_body(self._asked, self._request_id, created=self._created, status=status, output=output)
        body.conversation = conversation_body(self._conversation_id)
        body.usage = usage_body(self._usage)
        return body

    def _whole(self, name: str, body: ResponseBody) -> bytes:
        return self._event(_Whole(name, self._number, body))

    def _of_item(self, name: str, item: Item) -> bytes:
        return self._event(_OfItem(name, self._number, len(self._output), item))

    def _event(self, body: _Whole | _OfItem | _Within | _Error) -> bytes:
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (body.type.encode(), on_one_line(_encode(body)))
