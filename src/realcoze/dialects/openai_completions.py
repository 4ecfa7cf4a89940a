"""OpenAI's old completions: a prompt, and the text that goes on from it.

A bot of Coze answers a prompt rather than going on with it; programs that know nothing newer get that answer.

Source: openai 3, types/completion.py; docs/openai-api.md.
"""

from typing import Any, Literal

import msgspec

from realcoze.dialects.deltas import DELTA_CHARACTERS
from realcoze.dialects.json_text import on_one_line, read_request
from realcoze.dialects.openai_wire import (
    DONE,
    STREAM,
    CozeMember,
    StreamOptions,
    UsageBody,
    check_model,
    data_line,
    encode_error,
    usage_body,
    usage_of,
    wants_usage,
)
from realcoze.domain import event as ev
from realcoze.domain.event import Event
from realcoze.domain.fold import Reply
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import BotName, CallerId, ConversationId, RequestId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Thread, Wants
from realcoze.errors import BadRequest, ContentRefused, RealcozeError, UpstreamFailed
from realcoze.framing.sse import KEEPALIVE

IGNORED = ("echo", "logprobs", "stop", "seed")
"""What changes an answer and is ignored here, and named in a header."""

_HINT = 'Send {"model": "NAME", "prompt": "Hello"}.'

FinishReason = Literal["stop", "content_filter"]


class _Body(msgspec.Struct):
    """Members that are not named here are passed over."""

    prompt: str | list[Any]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: float | None = None
    best_of: float | None = None
    suffix: str | None = None
    user: str | None = None
    coze: CozeMember | None = None
    echo: Any = None
    logprobs: Any = None
    stop: Any = None
    seed: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request and how its client wants to be answered; `model` is to be repeated in the answer."""

    request: Request
    model: str
    is_streamed: bool = False
    has_usage: bool = False
    ignored: tuple[str, ...] = ()


class _Choice(msgspec.Struct):
    text: str
    finish_reason: FinishReason | None
    index: int = 0
    logprobs: None = None


class _Completion(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: UsageBody | msgspec.UnsetType = msgspec.UNSET


BODY, REPLY = _Body, _Completion
"""What a request and an answer are, a chunk of a streamed one too, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Body)


def decode_request(body: bytes, *, caller: CallerId, thread: Thread | None) -> Asked:
    """Read the body of a request of `caller`'s.  Raises `BadRequest`."""
    read = read_request(body, _DECODER, hint=_HINT)
    if max(read.n or 1, read.best_of or 1) > 1:
        raise BadRequest("`n` or `best_of` is more than 1: a call for each answer.", hint="Ask several times.")
    if read.suffix:
        raise BadRequest("`suffix` asks for a text before another, which nobody can promise.", hint="Leave it out.")
    is_streamed = bool(read.stream)
    has_usage = wants_usage(read.stream_options, is_streamed=is_streamed)
    return Asked(
        request=_request(read, Wants(usage=has_usage), caller=caller, thread=thread),
        model=read.model or "",
        is_streamed=is_streamed,
        has_usage=has_usage,
        ignored=tuple(name for name in IGNORED if getattr(read, name) not in (None, False, [])),
    )


def _request(body: _Body, wants: Wants, *, caller: CallerId, thread: Thread | None) -> Request:
    check_model(body.model)
    coze = body.coze or CozeMember()
    return Request(
        messages=(say("user", _prompt(body.prompt)),),
        bot=BotName(body.model or ""),
        conversation_id=ConversationId(coze.conversation_id) if coze.conversation_id else None,
        user_id=UserId(body.user) if body.user else None,
        custom_variables=coze.custom_variables,
        parameters=coze.parameters,
        meta_data=coze.meta_data,
        extra_params=coze.extra_params,
        shortcut_command=coze.shortcut_command,
        thread=thread,
        caller=caller,
        wants=wants,
    )


def _prompt(prompt: str | list[Any]) -> str:
    texts = [prompt] if isinstance(prompt, str) else prompt
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise BadRequest("`prompt` is one text here: several would be a call each, and nobody knows a bot's tokens.")
    return texts[0]


def encode_reply(asked: Asked, reply: Reply, request_id: RequestId, *, created: int) -> bytes:
    """The body of an answer; `created` in seconds since 1970.  Raises `BadRequest` for what is none yet."""
    if reply.tool_calls:
        raise _wants_tools()
    head = _head(asked, request_id, created)
    return msgspec.json.encode(_Completion(*head, [_Choice(reply.text, "stop")], usage_of(reply)))


def _head(asked: Asked, request_id: RequestId, created: int) -> tuple[str, str, int, str]:
    return f"cmpl-{request_id.removeprefix('req_')}", "text_completion", created, asked.model


def _wants_tools() -> BadRequest:
    return BadRequest(
        "The bot waits for a tool that its caller runs, and completions have no place for that.",
        code="tool_wanted",
        hint="Ask it through /v1/chat/completions.",
    )


class CompletionEncoder:
    """Events → chunks.  A turn that fails ends with an error, without `[DONE]`: it must not look complete."""

    content_type = STREAM
    keepalive = KEEPALIVE

    def __init__(self, asked: Asked, request_id: RequestId, *, created: int) -> None:
        self._has_usage = asked.has_usage
        self._head = _head(asked, request_id, created)
        self._text = GrowingText()
        self._usage: UsageBody | None = None
        self.is_closed = False
        """What ends the stream was written."""
        self.has_failed = False
        """That is an error."""

    def feed(self, event: Event) -> bytes:
        """The chunks of one event, which may be none; nothing after the end."""
        if self.is_closed:
            return b""
        try:
            text = self._text.feed(event)
        except UpstreamFailed as error:
            return self._fail(error)
        starts = range(0, len(text), DELTA_CHARACTERS)
        said = b"".join(self._chunk([_Choice(text[at : at + DELTA_CHARACTERS], None)]) for at in starts)
        match event:
            case ev.Usage():
                self._usage = usage_body(event)
            case ev.TurnDone() | ev.InputRequested():
                return said + self._end("stop")
            case ev.ToolCallsRequested():
                return said + self._fail(_wants_tools())
            case ev.TurnFailed():
                was_cut = isinstance(event.error, ContentRefused) and self._text.has_begun
                return self._end("content_filter") if was_cut else self._fail(event.error)
        return said

    def _end(self, finish_reason: FinishReason) -> bytes:
        last = self._chunk([_Choice("", finish_reason)])
        usage = self._chunk([], self._usage) if self._has_usage and self._usage else b""
        self.is_closed = True
        return last + usage + DONE

    def _fail(self, error: RealcozeError) -> bytes:
        said = data_line(on_one_line(encode_error(error)))
        self.is_closed = self.has_failed = True
        return said

    def _chunk(self, choices: list[_Choice], usage: UsageBody | msgspec.UnsetType = msgspec.UNSET) -> bytes:
        return data_line(on_one_line(msgspec.json.encode(_Completion(*self._head, choices, usage))))
