"""How a chat ended: its error, its usage, the tools or the words that it waits for.

Source: docs/protocol/openapi-v3.md §5.2, §6.2, §6.8, §10; docs/protocol/studio-web.md §5.3, §5.5.
"""

import msgspec

from realcoze.dialects.coze_open.failure import cancelled, refusal
from realcoze.dialects.coze_open.objects import Chat, Number, WireToolCall, Word, number_of, text_of
from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import InputRequested, Interrupt, ToolCallsRequested, Usage
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError, UpstreamFailed

CANCELLED = frozenset({"canceled", "cancelled", "expired", "deleted"})
"""The statuses of a chat that somebody or something stopped, in all spellings."""


COMPLETE = "completed"
ENDED = CANCELLED | {COMPLETE, "failed", "requires_action", "required_action"}
"""The statuses of a chat that nothing more will come of by itself."""


class _Error(msgspec.Struct):
    code: Number = 0
    msg: Word = ""


class _Run(msgspec.Struct):
    debug_url: Word = None


REPLY_MESSAGE, NEXT_MESSAGE = "reply_message", "message"
"""Kinds of questions: answered like a tool, and by the next chat of the conversation."""

_ERROR = msgspec.json.Decoder(_Error)
_RUN = msgspec.json.Decoder(_Run)


def reported(data: str) -> RealcozeError:
    """The error in the data of an `error` event: an object, or plain text.

    Of an object nothing but its `msg` is shown; a `debug_url` beside it is for the log.
    """
    found = read_if_json(data, _ERROR)
    if found is None:
        return _failed("Coze reported an error", data)
    code, text = number_of(found.code), found.msg or ""
    return refusal(code, text) if code else _failed("Coze reported an error", text)


def failure_of(chat: Chat, status: str) -> RealcozeError | None:
    """The error of a chat that has ended as `status`; None where it went well.

    The sample in the documentation is `{code, msg}` in place of a chat.
    """
    if status in CANCELLED:
        return cancelled(status)
    if status != "failed":
        return None
    last = chat.last_error
    code = (number_of(last.code) if last else 0) or number_of(chat.code)
    text = (last.msg if last else "") or chat.msg or ""
    return refusal(code, text) if code else _failed("Coze says that the chat failed", text)


def usage_of(chat: Chat) -> list[Usage]:
    """The tokens, where they were counted."""
    if chat.usage is None:
        return []
    input_, output = number_of(chat.usage.input_count), number_of(chat.usage.output_count)
    total = number_of(chat.usage.token_count) or input_ + output
    return [Usage(input=input_, output=output, total=total)] if total else []


def demand_of(chat: Chat) -> ToolCallsRequested | InputRequested:
    """What a chat that requires action waits for: tools of the caller, or words of the user.

    A question of a workflow is a single call that is no function, answered like a tool; Studio sends no
    call at all for one, and takes the next chat of the conversation for the answer.
    """
    action = chat.required_action
    outputs = action.submit_tool_outputs if action else None
    calls = (outputs.tool_calls if outputs else None) or ()
    if not calls:
        return InputRequested(interrupt=Interrupt(event_id="", kind=NEXT_MESSAGE, data={}))
    first = _call(calls[0])
    if len(calls) == 1 and calls[0].type == REPLY_MESSAGE:
        data = {"question": first.arguments} if first.arguments else {}
        return InputRequested(interrupt=Interrupt(event_id=first.call_id, kind=REPLY_MESSAGE, data=data))
    return ToolCallsRequested(calls=tuple(map(_call, calls)))


def debug_url_in(data: str) -> str:
    """The address of a run in the data of an event; empty where there is none."""
    found = read_if_json(data, _RUN)
    return (found.debug_url if found else None) or ""


def _call(call: WireToolCall) -> ToolCall:
    return ToolCall(
        call_id=text_of(call.id),
        name=(call.function.name if call.function else "") or "",
        arguments=(call.function.arguments if call.function else "") or "",
    )


def _failed(what: str, text: str) -> UpstreamFailed:
    return UpstreamFailed(f"{what}: {text[:300]}" if text.strip() else f"{what}.")
