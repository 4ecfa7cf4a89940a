"""How a request goes on with what Coze keeps: a pure decision, without store or upstream.

Clients send the whole history each time, Coze keeps conversations.  After a turn a place is kept: which
conversation it was, under a key that the next request of the same client leads to.  Where that key comes
from is one of three, the first that there is:

    the conversation's own id     the caller names it; a place is kept of a question only
    the caller's name for it      a thread whose client may send what is new only; one place each
    what was said so far          a hash of all messages up to the bot's last one, in the thread if there is one

A turn that waits for results of tools leaves places of another kind, under the id of each call: who hands the
results in needs to know nothing else of it.  Where a bot made its calls in words no turn waits, and they are a
part of what was said.

All of them lie under the caller's key, the bot and the user; those of calls under the first two.  A place is
taken and never shared: of two chats that begin alike one finds it, and the other begins anew.  No place holds
a word that was said.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from realcoze.domain.content import Part, Text
from realcoze.domain.event import InputRequested, ToolCallsRequested, TurnDone, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import Message, say, split_at_answer
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolCall, ToolResult

History = Literal["replay", "continue"]
"""Whether each turn has a conversation of its own, where everything is sent, or goes on in the one before."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a conversation stands at Coze.

    `after` is the fingerprint of what was said in it, empty where that is not known; `kind` and `event_id`
    are those of the question that it waits with, if it does.
    """

    conversation_id: ConversationId
    after: str = ""
    chat_id: ChatId = ChatId("")
    event_id: str = ""
    kind: str = ""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a place lies under.  With `holds_one` a new place is put in the stead of all before it."""

    digest: str
    holds_one: bool


FOLDED_CHARACTERS = 64 << 10
"""To fold 20 MiB would hold up all others for a quarter of a second."""

ELSEWHERE = "elsewhere"
"""The kind of a place that only leads on: its question lies under the conversation's own id."""


def key_before(request: Request) -> Key | None:
    """The key that the place of a request would lie under; None where there can be none."""
    if (named := _named(request)) is not None:
        return named
    before, _ = split_at_answer(request.messages)
    return Key(digest=fingerprint(request, before), holds_one=False) if before else None


def key_after(request: Request, shown: str, calls: tuple[ToolCall, ...] = ()) -> Key | None:
    """The key for the place after a turn that showed this text and made these calls in words.

    None where nobody could find it.

    What went on with a turn that waited was named by that turn's ids, and is found as others are.
    """
    if (named := thread_key(request) if request.is_awaited else _named(request)) is not None:
        return named
    if not (request.messages and (shown or calls)):
        return None
    return Key(digest=fingerprint(request, _said(request, shown, calls)), holds_one=False)


def key_of(request: Request, conversation_id: ConversationId) -> Key:
    """The key of a conversation by Coze's own id for it."""
    return Key(digest=_digest("conversation", *_owner(request), conversation_id), holds_one=True)


def keys_answered(request: Request) -> tuple[Key, ...]:
    """Where the question may lie that a request answers explicitly; nobody else is to answer it."""
    before, _ = split_at_answer(request.messages)
    said = Key(digest=fingerprint(request, before), holds_one=False) if before else None
    return tuple(key for key in (_conversation(request), thread_key(request), said) if key is not None)


def keys_of_calls(request: Request, call_ids: Iterable[str]) -> tuple[Key, ...]:
    """Where it lies which turn waits for the results of these calls."""
    digests = (_digest("call", request.caller, request.bot, call_id) for call_id in dict.fromkeys(call_ids))
    return tuple(Key(digest=digest, holds_one=True) for digest in digests)


def place_of_calls(request: Request, started: TurnStarted) -> Place | None:
    """The place to keep of a turn that waits for results; None where nobody could hand them in."""
    conversation_id = started.conversation_id or request.conversation_id
    chat_id = started.chat_id or request.chat_id
    return Place(conversation_id=conversation_id, chat_id=chat_id) if conversation_id and chat_id else None


def handed_in(request: Request, places: Sequence[Place | None]) -> Request | None:
    """The request with the turn that its results are for; None unless they are all for one that waits."""
    place, *others = dict.fromkeys(places)
    if place is None or others:
        return None
    return replace(request, conversation_id=place.conversation_id, chat_id=place.chat_id)


def begun(request: Request, history: History) -> Request:
    """What is sent where there is no place: everything, unless the caller names the conversation to go on with."""
    if history == "continue" and request.conversation_id and not request.is_awaited:
        return replace(request, messages=split_at_answer(request.messages)[1] or request.messages)
    return request


def continued(request: Request, place: Place, history: History) -> Request | None:
    """What is sent to go on at a place; None where it is not this request's, and is to be forgotten."""
    if not (place.kind or history == "continue"):
        return None
    before, new = split_at_answer(request.messages)
    if not new or not (request.conversation_id or _stands_at(place, request, before)):
        return None
    conversation_id = request.conversation_id or place.conversation_id or None
    if not place.kind:
        return replace(request, messages=new, conversation_id=conversation_id)
    resume = Resume(event_id=place.event_id, kind=place.kind)
    chat_id = place.chat_id or None
    return replace(request, messages=new, conversation_id=conversation_id, chat_id=chat_id, resume=resume)


def places_after(
    request: Request,
    started: TurnStarted,
    end: TurnDone | InputRequested | ToolCallsRequested,
    shown: str,
    history: History,
) -> tuple[tuple[Key, Place], ...]:
    """What to keep after a turn that ended well, with a question or with calls in words, and showed this text.

    A question lies under its conversation's id, where there is one, and what its client may come by next
    leads there: it is answered once, whichever way.
    """
    calls = end.calls if isinstance(end, ToolCallsRequested) else ()
    after = fingerprint(request, _said(request, shown, calls)) if request.messages and (shown or calls) else ""
    found = key_after(request, shown, calls)
    if isinstance(end, InputRequested):
        question = Place(
            conversation_id=started.conversation_id,
            after=after,
            chat_id=started.chat_id,
            event_id=end.interrupt.event_id,
            kind=end.interrupt.kind,
        )
        if not started.conversation_id:
            return ((found, question),) if found else ()
        own = key_of(request, started.conversation_id)
        leading_on = Place(conversation_id=started.conversation_id, after=after, kind=ELSEWHERE)
        return ((own, question), (found, leading_on)) if found and found != own else ((own, question),)
    names_it = request.conversation_id and not request.is_awaited
    if history != "continue" or names_it or not started.conversation_id or found is None:
        return ()
    return ((found, Place(conversation_id=started.conversation_id, after=after)),)


def place_after_failure(request: Request, conversation_id: ConversationId, history: History) -> Place | None:
    """The place to keep after a turn that broke off in a conversation.

    Coze may have kept the question without an answer, or half of one, so a client that has the history
    sends it again.  One that does not would have nothing left: it goes on.
    """
    has_nothing = thread_key(request) is not None and not split_at_answer(request.messages)[0]
    if history != "continue" or not has_nothing or request.conversation_id or not conversation_id:
        return None
    return Place(conversation_id=conversation_id)


def fingerprint(request: Request, messages: Iterable[Message]) -> str:
    """A hash of what was said, and of who said it to whom.

    What the bot is told beside the messages is a part of it.  White space is folded, as clients trim it, in
    a long text at its ends alone; of a picture or file its kind counts, since its address may change, and of
    a call its id, as clients write its arguments anew.
    """
    thread = request.thread.id if request.thread else ""
    said = (field for message in messages for field in _fields(message))
    return _digest("said", *_owner(request), thread, request.instructions, *said)


def _named(request: Request) -> Key | None:
    """The key of a conversation that has a name, Coze's or the caller's own."""
    return _conversation(request) or thread_key(request)


def _conversation(request: Request) -> Key | None:
    return key_of(request, request.conversation_id) if request.conversation_id else None


def thread_key(request: Request) -> Key | None:
    """The key of a thread whose client may send what is new only."""
    if request.thread is None or request.thread.is_whole:
        return None
    return Key(digest=_digest("thread", *_owner(request), request.thread.id), holds_one=True)


def _stands_at(place: Place, request: Request, before: tuple[Message, ...]) -> bool:
    """The place is where this history ends; a client that sends no history does not say."""
    if not before:
        return thread_key(request) is not None
    return place.after == fingerprint(request, before)


def _said(request: Request, shown: str, calls: tuple[ToolCall, ...]) -> tuple[Message, ...]:
    if not calls:
        return (*request.messages, say("assistant", shown))
    text = (Text(text=shown),) if shown else ()
    return (*request.messages, Message(role="assistant", parts=(*text, *calls)))


def _owner(request: Request) -> tuple[str, ...]:
    return (request.caller, request.bot, request.user_id or "")


def _fields(message: Message) -> tuple[str, ...]:
    others = [_kind(part) for part in message.parts if not isinstance(part, Text)]
    text = message.text.strip()
    folded = " ".join(text.split()) if len(text) <= FOLDED_CHARACTERS else text
    return (message.role, folded, ",".join(others))


def _kind(part: Part) -> str:
    if isinstance(part, ToolCall):
        return part.call_id
    return part.call_id + part.output if isinstance(part, ToolResult) else type(part).__name__


def _digest(*fields: str) -> str:
    """SHA-256 over the fields, each with its length before it: no two lists of fields are one text."""
    digest = hashlib.sha256()
    for field in fields:
        data = field.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
