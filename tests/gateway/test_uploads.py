"""Uploads before a question, on fakes at the ports `Chats`, `Uploads` and `Fetches`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import anyio
import pytest

from pictures import png
from realcoze.domain.content import Audio, File, Image, Inline, MediaPart, Part, Text
from realcoze.domain.event import TurnDone
from realcoze.domain.ids import BotName, CallerId
from realcoze.domain.message import Message, say
from realcoze.domain.ports import Fetched, Sink
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest, TooLarge, UpstreamFailed
from realcoze.gateway.uploads import AT_ONCE, FILES, URLS, Uploading
from servers import PATIENCE_S, Gathered, NoFlow, soon

BOT = BotName("bot")


@dataclass
class Album:
    """Takes files; `go` lets the uploads end, and a name that stands in `refused` fails."""

    go: anyio.Event = field(default_factory=anyio.Event)
    refused: dict[str, Exception] = field(default_factory=dict)
    begun: list[tuple[bytes, str, str]] = field(default_factory=list)
    running: int = 0
    left: int = 0
    requests: list[Request] = field(default_factory=list)

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:
        self.begun.append((data, name, bot))
        if name in self.refused:
            raise self.refused[name]
        self.running += 1
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.left += 1
            raise
        finally:
            self.running -= 1
        return Image(key=f"key of {data.decode()}")

    async def converse(self, request: Request, sink: Sink) -> None:
        self.requests.append(request)
        sink.open(NoFlow())
        sink.feed(TurnDone())


def _open_album(**refused: Exception) -> Album:
    album = Album(refused=refused)
    album.go.set()
    return album


def _shown(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def _inline(text: str) -> Inline:
    return Inline(data=text.encode(), name=text)


def _key(text: str) -> Image:
    return Image(key=f"key of {text}")


async def _ask(album: Album, *messages: Message) -> Gathered:
    sink = Gathered()
    with anyio.fail_after(PATIENCE_S):
        await Uploading(album).converse(Request(messages=messages, bot=BOT), sink)
    return sink


async def test_of_a_file_that_was_not_kept_its_note_is_told() -> None:
    album = _open_album()
    gone = Inline(data=b"", note="[a picture]")
    await _ask(album, _shown(Text(text="Look"), gone), say("assistant", "I see."), _shown(_inline("new")))
    look, _, new = album.requests[0].messages
    assert look.parts == (Text(text="Look"), Text(text="[a picture]"))
    assert (new.parts, [name for _, name, _ in album.begun]) == ((_key("new"),), ["new"])


async def test_files_become_what_their_upload_gave_where_they_stood() -> None:
    album = _open_album()
    known = File(key="k")
    sink = await _ask(
        album,
        _shown(_inline("a"), Text(text="Look"), known),
        say("assistant", "I see"),
        _shown(Text(text="And"), _inline("b"), _inline("c")),
    )
    assert album.requests == [
        Request(
            messages=(
                _shown(_key("a"), Text(text="Look"), known),
                say("assistant", "I see"),
                _shown(Text(text="And"), _key("b"), _key("c")),
            ),
            bot=BOT,
        )
    ]
    assert album.begun == [(b"a", "a", "bot"), (b"b", "b", "bot"), (b"c", "c", "bot")]
    assert sink.events == [TurnDone()]


async def test_the_same_file_twice_is_one_upload() -> None:
    album = _open_album()
    await _ask(album, _shown(_inline("a")), say("assistant", "I see"), _shown(_inline("a"), _inline("b")))
    assert [name for _, name, _ in album.begun] == ["a", "b"]
    assert album.requests[0].messages[2] == _shown(_key("a"), _key("b"))


async def test_without_files_the_request_passes_as_it_is() -> None:
    album = _open_album()
    await _ask(album, say("user", "Hello"))
    assert album.requests == [Request(messages=(say("user", "Hello"),), bot=BOT)]
    assert album.begun == []


async def test_a_few_at_once_and_no_more() -> None:
    album = Album()
    names = [str(number) for number in range(AT_ONCE + 2)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask, album, _shown(*map(_inline, names)))
        await soon(lambda: album.running == AT_ONCE)
        await anyio.wait_all_tasks_blocked()
        assert len(album.begun) == AT_ONCE
        assert album.requests == []
        album.go.set()
    assert album.requests[0].messages == (_shown(*map(_key, names)),)


async def test_a_failure_stops_the_others_and_nothing_is_asked() -> None:
    album = Album(refused={"big": TooLarge("The file is too large.")})
    with pytest.raises(TooLarge):
        await _ask(album, _shown(_inline("a"), _inline("big"), _inline("b")))
    assert album.left == 2
    assert album.requests == []


async def test_of_several_failures_the_first_is_told() -> None:
    album = _open_album(a=TooLarge("a"), b=UpstreamFailed("b"))
    with pytest.raises(TooLarge):
        await _ask(album, _shown(_inline("a"), _inline("b")))


async def test_a_caller_who_leaves_stops_the_uploads() -> None:
    album = Album()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask, album, _shown(_inline("a"), _inline("b")))
        await soon(lambda: album.running == 2)
        tasks.cancel_scope.cancel()
    assert album.left == 2
    assert album.requests == []


async def test_an_upstream_that_takes_no_files() -> None:
    class Deaf:
        async def converse(self, request: Request, sink: Sink) -> None:
            raise AssertionError("nothing is asked")

    with pytest.raises(BadRequest) as refusal:
        await Uploading(Deaf()).converse(Request(messages=(_shown(_inline("a")),), bot=BOT), Gathered())
    assert refusal.value.code == "not_supported_by_upstream"


BEFORE = (_shown(_inline("a"), Text(text="Look")), _shown(_inline("b")), say("assistant", "I see"))
WITHOUT = (_shown(Text(text="Look")), say("assistant", "I see"))
RESULTS = (ToolResult(call_id="c1", output="warm"),)
QUESTION = Resume(event_id="e", kind="question")


async def _converse(album: Album, *messages: Message, **fields: Any) -> None:
    with anyio.fail_after(PATIENCE_S):
        await Uploading(album).converse(Request(messages=messages, bot=BOT, **fields), Gathered())


async def test_who_hands_in_results_uploads_nothing_of_the_history() -> None:
    album = _open_album()
    await _converse(album, *BEFORE, tool_results=RESULTS)
    assert album.begun == []
    assert album.requests == [Request(messages=WITHOUT, bot=BOT, tool_results=RESULTS)]


async def test_who_answers_a_question_uploads_nothing_of_the_history() -> None:
    album = _open_album()
    await _converse(album, *BEFORE, say("user", "Rome"), resume=QUESTION)
    assert album.begun == []
    assert album.requests == [Request(messages=(*WITHOUT, say("user", "Rome")), bot=BOT, resume=QUESTION)]


async def test_what_is_new_beside_an_answer_is_uploaded() -> None:
    album = _open_album()
    await _converse(album, *BEFORE, _shown(_inline("c")), say("user", "Rome"), resume=QUESTION)
    assert [name for _, name, _ in album.begun] == ["c"]
    assert album.requests[0].messages == (*WITHOUT, _shown(_key("c")), say("user", "Rome"))


async def test_an_answer_that_is_a_file_is_refused_before_it_is_uploaded() -> None:
    album = _open_album()
    with pytest.raises(BadRequest, match="The answer to a question is words"):
        await _converse(album, *BEFORE, _shown(_inline("c"), Text(text="Rome")), resume=QUESTION)
    assert album.begun == []
    assert album.requests == []


async def test_a_turn_that_is_asked_for_anew_uploads_only_what_was_not_sent_at_first() -> None:
    album = _open_album()
    uploading = Uploading(album)
    for messages in ((_shown(_inline("b")),), (_shown(_inline("a")), _shown(_inline("b")))):
        await uploading.converse(Request(messages=messages, bot=BOT), Gathered())
    assert [name for _, name, _ in album.begun] == ["b", "a"]
    assert album.requests[1].messages == (_shown(_key("a")), _shown(_key("b")))


# What stands at a URL

PICTURE = png(2, 1).decode("latin-1")
PLACE = "https://example.com/"


class Blind(Album):
    """The same of an upstream that follows no URL."""

    follows_urls: ClassVar[Literal[False]] = False

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:
        await super().upload(data.decode("latin-1").encode(), name, bot)
        return File(key=f"key of {name}")


@dataclass
class Web:
    """What stands where; `callers` are for whom it was fetched, and `held` counts what was not yet let go."""

    pages: dict[str, Fetched | Exception]
    asked: list[str] = field(default_factory=list)
    callers: set[CallerId] = field(default_factory=set)
    held: int = 0

    @asynccontextmanager
    async def fetched(self, url: str, *, caller: CallerId) -> AsyncIterator[Fetched]:
        self.asked.append(url)
        self.callers.add(caller)
        found = self.pages[url]
        if isinstance(found, Exception):
            raise found
        self.held += 1
        try:
            yield found
        finally:
            self.held -= 1


def _web(**pages: Fetched | Exception) -> Web:
    return Web({f"{PLACE}{name}": page for name, page in pages.items()})


def _picture(name: str) -> Fetched:
    return Fetched(data=png(2, 1), name=name)


def _blind() -> Blind:
    album = Blind()
    album.go.set()
    return album


async def _ask_blind(album: Album, web: Web, *messages: Message, **fields: Any) -> None:
    with anyio.fail_after(PATIENCE_S):
        await Uploading(album, web).converse(Request(messages=messages, bot=BOT, **fields), Gathered())


async def test_what_stands_at_a_url_is_uploaded_for_who_follows_none() -> None:
    album, web = _blind(), _web(a=_picture("a.png"), b=Fetched(data=b"b", name="b.txt"))
    history = (_shown(Image(url=f"{PLACE}a"), Text(text="Look")), say("assistant", "I see"))
    await _ask_blind(album, web, *history, _shown(File(url=f"{PLACE}b"), File(key="k")), caller=CallerId("who"))
    assert album.requests[0].messages == (
        _shown(File(key="key of a.png"), Text(text="Look")),
        say("assistant", "I see"),
        _shown(File(key="key of b.txt"), File(key="k")),
    )
    assert album.begun == [(PICTURE.encode(), "a.png", "bot"), (b"b", "b.txt", "bot")]
    assert (web.held, web.callers) == (0, {"who"})


async def test_the_same_url_twice_is_fetched_once() -> None:
    album, web = _blind(), _web(a=_picture("a.png"))
    picture = Image(url=f"{PLACE}a")
    await _ask_blind(album, web, _shown(picture, Image(url=f"{PLACE}a")), _shown(picture))
    assert web.asked == [f"{PLACE}a"]
    assert [part for message in album.requests[0].messages for part in message.parts] == [File(key="key of a.png")] * 3


async def test_who_follows_urls_gets_them_and_nothing_is_fetched() -> None:
    album, web = _open_album(), _web()
    message = _shown(Image(url=f"{PLACE}a"), File(url=f"{PLACE}b"), _inline("c"))
    await _ask_blind(album, web, message)
    assert album.requests[0].messages == (_shown(*message.parts[:2], _key("c")),)
    assert web.asked == []


async def test_without_fetching_a_url_is_left_as_it_is() -> None:
    album = _blind()
    message = _shown(Image(url=f"{PLACE}a"))
    await _ask(album, message)
    assert album.requests[0].messages == (message,)


async def test_sound_is_not_fetched_for_who_cannot_hear() -> None:
    album, web = _blind(), _web()
    message = _shown(Audio(url=f"{PLACE}a"))
    await _ask_blind(album, web, message)
    assert album.requests[0].messages == (message,)
    assert web.asked == []


async def test_a_picture_that_is_none_is_not_uploaded() -> None:
    album, web = _blind(), _web(a=Fetched(data=b"<html>", name="a.png"))
    with pytest.raises(BadRequest, match="leads to what is no picture") as refusal:
        await _ask_blind(album, web, _shown(Image(url=f"{PLACE}a")))
    assert refusal.value.code == "url_not_fetched"
    assert (album.begun, album.requests, web.held) == ([], [], 0)


async def test_what_cannot_be_fetched_is_not_asked_about() -> None:
    album, web = _blind(), _web(a=_picture("a.png"), b=BadRequest("No.", code="url_refused"))
    with pytest.raises(BadRequest) as refusal:
        await _ask_blind(album, web, _shown(Image(url=f"{PLACE}a"), File(url=f"{PLACE}b")))
    assert refusal.value.code == "url_refused"
    assert (album.requests, web.held) == ([], 0)


async def test_a_request_with_very_many_urls_is_refused() -> None:
    album, web = _blind(), _web(**{str(number): _picture(str(number)) for number in range(URLS + 1)})
    pictures = [Image(url=url) for url in web.pages]
    await _ask_blind(album, web, _shown(*pictures[1:], pictures[1]))
    assert len(web.asked) == URLS
    with pytest.raises(BadRequest, match=f"More than {URLS} URLs"):
        await _ask_blind(album, web, _shown(*pictures))
    assert (len(web.asked), len(album.requests)) == (URLS, 1)


async def test_a_request_with_very_many_files_is_refused_before_the_first_upload() -> None:
    album, files = _open_album(), [_inline(str(number)) for number in range(FILES + 1)]
    await _ask(album, _shown(*files[1:], files[1]))
    assert (len(album.begun), len(album.requests)) == (FILES, 1)
    with pytest.raises(BadRequest, match=f"More than {FILES} files"):
        await _ask(album, _shown(*files))
    assert (len(album.begun), len(album.requests)) == (FILES, 1)


async def test_a_few_are_fetched_at_once_and_held_until_they_are_uploaded() -> None:
    album, web = Blind(), _web(**{str(number): _picture(str(number)) for number in range(AT_ONCE + 2)})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask_blind, album, web, _shown(*(Image(url=url) for url in web.pages)))
        await soon(lambda: album.running == AT_ONCE)
        await anyio.wait_all_tasks_blocked()
        assert (len(web.asked), web.held) == (AT_ONCE, AT_ONCE)
        album.go.set()
    assert (len(web.asked), web.held) == (AT_ONCE + 2, 0)


async def test_who_goes_on_with_a_turn_has_nothing_of_the_history_fetched() -> None:
    album, web = _blind(), _web()
    before = (_shown(Image(url=f"{PLACE}a"), Text(text="Look")), say("assistant", "I see"))
    await _ask_blind(album, web, *before, tool_results=RESULTS)
    await _ask_blind(album, web, *before, say("user", "Rome"), resume=QUESTION)
    assert web.asked == []
    assert [request.messages[:2] for request in album.requests] == [WITHOUT, WITHOUT]
