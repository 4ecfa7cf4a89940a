"""Files that came with a question: each is uploaded before the question is asked.

So is what stands at a URL, if the upstream follows none and fetching is switched on.  Below the continuity of
conversations, so that only what is sent is uploaded.  Who goes on with a turn that waits sends no history, so the
files in it are left out.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeGuard

import anyio
from msgspec.structs import replace

from realcoze.domain.content import File, Image, Inline, MediaPart, Part, Text
from realcoze.domain.media import media_of
from realcoze.domain.message import Message, split_at_answer
from realcoze.domain.ports import Chats, Fetches, Sink, Uploads, UploadsOnly
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, RealcozeError
from realcoze.tasks import aside

AT_ONCE = 4
"""Uploads of one request; Coze allows ten a second."""

URLS = 32
"""What one request may have fetched; each is a call to somebody else."""

FILES = 100
"""What one request may have uploaded; each is a call to Coze."""

Source = Inline | Image | File
"""What is to be uploaded; the latter two have a URL."""

Key = tuple[str, bytes] | Image | File
"""Which file it is: its name and its SHA-256, or its URL and what it is said to be."""


class Uploading:
    """A `Chats` that shows another one no `Inline`.  One serves one turn, which it may be asked for twice.

    With `fetches` it shows no URL to one that follows none, either.
    """

    def __init__(self, chats: Chats, fetches: Fetches | None = None) -> None:
        self._chats = chats
        self._fetches = fetches if fetches is not None and isinstance(chats, UploadsOnly) else None
        self._uploaded: dict[Key, MediaPart] = {}

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  Raises what an upload raises before anything is asked; cancelling stops the uploads."""
        if _is_text(request.messages):
            await self._chats.converse(request, sink)
            return
        request = _with_notes(self._without_history(request))
        sources = list(self._sources(request.messages))
        if sources:
            if not isinstance(self._chats, Uploads):
                raise takes_no_files()
            keys = {id(source): await _key(source) for source in sources}
            # The same file in two messages is one upload.
            files = {keys[id(source)]: source for source in sources}
            missing = {key: source for key, source in files.items() if key not in self._uploaded}
            if len(missing) > FILES:
                raise BadRequest(f"More than {FILES} files are to be uploaded.", hint="Send fewer with one question.")
            if sum(not isinstance(source, Inline) for source in missing.values()) > URLS:
                raise BadRequest(f"More than {URLS} URLs are to be fetched.", hint="Upload some of the files.")
            await self._upload(self._chats, missing, request)
            request = _with_uploads(request, {place: self._uploaded[key] for place, key in keys.items()})
        await self._chats.converse(request, sink)

    def _sources(self, messages: Iterable[Message]) -> Iterator[Source]:
        return (part for message in messages for part in message.parts if self._is_source(part))

    def _is_source(self, part: Part) -> TypeGuard[Source]:
        if isinstance(part, Image | File):
            return self._fetches is not None and bool(part.url)
        return isinstance(part, Inline)

    def _without_history(self, request: Request) -> Request:
        """The request, of whose files those are left that are sent.

        Raises `BadRequest` for an answer that is a file: Coze takes words, and an upload would be for nothing.
        """
        if request.tool_results:
            return replace(request, messages=self._without_files(request.messages))
        if request.resume is None:
            return request
        if any(self._sources(request.messages[-1:])):
            raise BadRequest("The answer to a question is words, in the last message.")
        before, new = split_at_answer(request.messages)
        return replace(request, messages=(*self._without_files(before), *new))

    def _without_files(self, messages: Iterable[Message]) -> tuple[Message, ...]:
        kept = (
            replace(message, parts=tuple(part for part in message.parts if not self._is_source(part)))
            for message in messages
        )
        return tuple(message for message in kept if message.parts)

    async def _upload(self, upstream: Uploads, sources: dict[Key, Source], request: Request) -> None:
        """Note what each file has become.  The first failure stops the others, and is raised."""
        failures: list[RealcozeError] = []

        async def work(waiting: Iterator[tuple[Key, Source]]) -> None:
            try:
                for key, source in waiting:
                    self._uploaded[key] = await self._put(upstream, source, request)
            except RealcozeError as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

        waiting = iter(sources.items())
        async with anyio.create_task_group() as tasks:
            for _ in range(min(AT_ONCE, len(sources))):
                tasks.start_soon(work, waiting)
        if failures:
            raise failures[0]

    async def _put(self, upstream: Uploads, source: Source, request: Request) -> MediaPart:
        if isinstance(source, Inline):
            return await upstream.upload(source.data, source.name, request.bot)
        if self._fetches is None:
            raise TypeError("a URL was taken for something to upload, and nothing can follow it")
        async with self._fetches.fetched(source.url, caller=request.caller) as found:
            if isinstance(source, Image) and not media_of(found.data).is_picture:
                raise BadRequest("The URL of a picture leads to what is no picture.", code="url_not_fetched")
            return await upstream.upload(found.data, found.name, request.bot)


def _is_text(messages: Iterable[Message]) -> bool:
    """There are words in each, and nothing else."""
    return all(message.parts and message.words is not None for message in messages)


def takes_no_files() -> BadRequest:
    """The error of an upstream that is no `Uploads`."""
    return BadRequest("This bot's upstream takes no files.", code="not_supported_by_upstream")


def _with_notes(request: Request) -> Request:
    """The request, which says of files that were not kept that they were there."""
    parts = (part for message in request.messages for part in message.parts)
    if not any(isinstance(part, Inline) and part.note for part in parts):
        return request
    return replace(request, messages=tuple(_noted(message) for message in request.messages))


def _noted(message: Message) -> Message:
    parts = (Text(text=part.note) if isinstance(part, Inline) and part.note else part for part in message.parts)
    return replace(message, parts=tuple(parts))


async def _key(source: Source) -> Key:
    return (source.name, await aside(_digest, source.data)) if isinstance(source, Inline) else source


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _with_uploads(request: Request, uploaded: dict[int, MediaPart]) -> Request:
    """`uploaded` goes by the identity of each part, so that none is hashed again."""

    def shown(part: Part) -> Part:
        return uploaded.get(id(part), part)

    messages = (replace(message, parts=tuple(map(shown, message.parts))) for message in request.messages)
    return replace(request, messages=tuple(messages))
