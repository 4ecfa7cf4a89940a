"""Files that came with a question: each is uploaded before the question is asked.

Below the continuity of conversations, so that only what is sent is uploaded.
"""

from collections.abc import Iterator
from dataclasses import replace

import anyio

from realcoze.domain.content import Inline, MediaPart, Part
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Chats, Sink, Uploads
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, RealcozeError

AT_ONCE = 4
"""Uploads of one request; Coze allows ten a second."""


class Uploading:
    """A `Chats` that shows another one no `Inline`."""

    def __init__(self, chats: Chats) -> None:
        self._chats = chats

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  Raises what an upload raises before anything is asked; cancelling stops the uploads."""
        # The same file in two messages is one upload.
        inlines = dict.fromkeys(
            part for message in request.messages for part in message.parts if isinstance(part, Inline)
        )
        if inlines:
            if not isinstance(self._chats, Uploads):
                raise takes_no_files()
            request = _with_uploads(request, await _upload(self._chats, list(inlines), request.bot))
        await self._chats.converse(request, sink)


def takes_no_files() -> BadRequest:
    """The error of an upstream that is no `Uploads`."""
    return BadRequest("This bot's upstream takes no files.", code="not_supported_by_upstream")


async def _upload(upstream: Uploads, inlines: list[Inline], bot: BotName) -> dict[Inline, MediaPart]:
    """What each file has become.  The first failure stops the others, and is raised."""
    uploaded: dict[Inline, MediaPart] = {}
    failures: list[RealcozeError] = []

    async def work(waiting: Iterator[Inline]) -> None:
        try:
            for inline in waiting:
                uploaded[inline] = await upstream.upload(inline.data, inline.name, bot)
        except RealcozeError as error:
            failures.append(error)
            tasks.cancel_scope.cancel()

    waiting = iter(inlines)
    async with anyio.create_task_group() as tasks:
        for _ in range(min(AT_ONCE, len(inlines))):
            tasks.start_soon(work, waiting)
    if failures:
        raise failures[0]
    return uploaded


def _with_uploads(request: Request, uploaded: dict[Inline, MediaPart]) -> Request:
    def shown(part: Part) -> Part:
        return uploaded[part] if isinstance(part, Inline) else part

    messages = (replace(message, parts=tuple(map(shown, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))
