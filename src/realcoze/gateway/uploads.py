"""Files that came with a question: each is uploaded before the question is asked.

Below the continuity of conversations, so that only what is sent is uploaded.  Who goes on with a turn that waits
sends no history, so the files in it are left out.
"""

import hashlib
from collections.abc import Iterable, Iterator

import anyio
from msgspec.structs import replace

from realcoze.domain.content import Inline, MediaPart, Part, Text
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, split_at_answer
from realcoze.domain.ports import Chats, Sink, Uploads
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, RealcozeError
from realcoze.tasks import aside

AT_ONCE = 4
"""Uploads of one request; Coze allows ten a second."""


Key = tuple[str, bytes]
"""Which file it is: its name and its SHA-256."""


class Uploading:
    """A `Chats` that shows another one no `Inline`.  One serves one turn, which it may be asked for twice."""

    def __init__(self, chats: Chats) -> None:
        self._chats = chats
        self._uploaded: dict[Key, MediaPart] = {}

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  Raises what an upload raises before anything is asked; cancelling stops the uploads."""
        request = _with_notes(_without_history(request))
        inlines = list(_inlines(request.messages))
        if inlines:
            if not isinstance(self._chats, Uploads):
                raise takes_no_files()
            keys = {id(inline): await _key(inline) for inline in inlines}
            # The same file in two messages is one upload.
            files = {keys[id(inline)]: inline for inline in inlines}
            missing = {key: inline for key, inline in files.items() if key not in self._uploaded}
            await _upload(self._chats, missing, request.bot, self._uploaded)
            request = _with_uploads(request, {place: self._uploaded[key] for place, key in keys.items()})
        await self._chats.converse(request, sink)


def takes_no_files() -> BadRequest:
    """The error of an upstream that is no `Uploads`."""
    return BadRequest("This bot's upstream takes no files.", code="not_supported_by_upstream")


def _without_history(request: Request) -> Request:
    """The request, of whose files those are left that are sent.

    Raises `BadRequest` for an answer that is a file: Coze takes words, and an upload would be for nothing.
    """
    if request.tool_results:
        return replace(request, messages=_without_files(request.messages))
    if request.resume is None:
        return request
    if any(_inlines(request.messages[-1:])):
        raise BadRequest("The answer to a question is words, in the last message.")
    before, new = split_at_answer(request.messages)
    return replace(request, messages=(*_without_files(before), *new))


def _with_notes(request: Request) -> Request:
    """The request, which says of files that were not kept that they were there."""
    if not any(inline.note for inline in _inlines(request.messages)):
        return request
    return replace(request, messages=tuple(_noted(message) for message in request.messages))


def _noted(message: Message) -> Message:
    parts = (Text(text=part.note) if isinstance(part, Inline) and part.note else part for part in message.parts)
    return replace(message, parts=tuple(parts))


def _without_files(messages: Iterable[Message]) -> tuple[Message, ...]:
    kept = (
        replace(message, parts=tuple(part for part in message.parts if not isinstance(part, Inline)))
        for message in messages
    )
    return tuple(message for message in kept if message.parts)


def _inlines(messages: Iterable[Message]) -> Iterator[Inline]:
    return (part for message in messages for part in message.parts if isinstance(part, Inline))


async def _key(inline: Inline) -> Key:
    return inline.name, await aside(_digest, inline.data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def _upload(upstream: Uploads, inlines: dict[Key, Inline], bot: BotName, uploaded: dict[Key, MediaPart]) -> None:
    """Note what each file has become.  The first failure stops the others, and is raised."""
    failures: list[RealcozeError] = []

    async def work(waiting: Iterator[tuple[Key, Inline]]) -> None:
        try:
            for key, inline in waiting:
                uploaded[key] = await upstream.upload(inline.data, inline.name, bot)
        except RealcozeError as error:
            failures.append(error)
            tasks.cancel_scope.cancel()

    waiting = iter(inlines.items())
    async with anyio.create_task_group() as tasks:
        for _ in range(min(AT_ONCE, len(inlines))):
            tasks.start_soon(work, waiting)
    if failures:
        raise failures[0]


def _with_uploads(request: Request, uploaded: dict[int, MediaPart]) -> Request:
    """`uploaded` goes by the identity of each `Inline`, so that none is hashed again."""

    def shown(part: Part) -> Part:
        return uploaded[id(part)] if isinstance(part, Inline) else part

    messages = (replace(message, parts=tuple(map(shown, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))
