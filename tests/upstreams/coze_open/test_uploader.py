import anyio
import pytest

from pictures import png
from realcoze.domain.content import File, Image, Text
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, TooLarge, UpstreamDenied
from realcoze.upstreams.coze_open import uploader
from realcoze.upstreams.credentials import Secret
from servers import ask, emulated, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")

BOT = BotName("pictures")
UPLOAD = "/v1/files/upload"


async def test_a_bot_sees_the_picture_that_was_uploaded() -> None:
    picture = png(13, 7)
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        part = await upstream.upload(picture, "cat.jpg", BOT)
        assert isinstance(part, Image)
        seen = Message(role="user", parts=(Text(text="What is it?"), part))
        reply = await ask(upstream, Request(messages=(seen,), bot=BOT))
    assert "image/png" in reply.text
    assert "13 × 7" in reply.text


async def test_a_picture_in_a_message_of_its_own_goes_with_the_text_beside_it() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        part = await upstream.upload(png(3, 2), "", BOT)
        shown = Message(role="user", parts=(part,))
        asked = Message(role="user", parts=(Text(text="And this?"),))
        assert "3 × 2" in (await ask(upstream, Request(messages=(shown, asked), bot=BOT))).text
        assert "3 × 2" in (await ask(upstream, Request(messages=(shown,), bot=BOT))).text
        assert [len(chat.additional_messages or ()) for chat in coze.open_api.seen.chats] == [1, 1]


async def test_what_is_no_picture_is_a_file() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        assert isinstance(await upstream.upload(b"%PDF-1.7 ...", "paper.pdf", BOT), File)


async def test_the_same_bytes_are_sent_once() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        first = await upstream.upload(png(2, 2), "a.png", BOT)
        assert await upstream.upload(png(2, 2), "a.png", BOT) == first
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(upstream.upload, png(4, 4), "b.png", BOT)
        assert coze.open_api.seen.count(UPLOAD) == 2
        assert await upstream.upload(png(2, 2), "another name.png", BOT) != first
        assert await upstream.upload(png(2, 2), "no utf-8 \udcff.png", BOT)


async def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader, "KNOWN", 2)
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        for size in (1, 2, 3, 1):
            await upstream.upload(png(size, size), "a.png", BOT)
        assert coze.open_api.seen.count(UPLOAD) == 4


async def test_what_cannot_be_taken_is_refused_without_a_call() -> None:
    async with emulated() as coze, reached_openly(coze.base, upload_bytes=10) as upstream:
        with pytest.raises(BadRequest, match="empty"):
            await upstream.upload(b"", "a.png", BOT)
        with pytest.raises(TooLarge, match="11 bytes; 10 is the most"):
            await upstream.upload(b"x" * 11, "a.txt", BOT)
        assert not coze.open_api.seen.calls


async def test_a_refused_account_is_left_alone() -> None:
    async with emulated() as coze, reached_openly(coze.base, token=Secret("pat_wrong")) as upstream:
        for _ in range(2):
            with pytest.raises(UpstreamDenied):
                await upstream.upload(png(1, 1), "a.png", BOT)
        assert len(coze.open_api.seen.calls) == 1
