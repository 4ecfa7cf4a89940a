"""The page in headless Chromium, over the emulator and over bots that say what one test wants.

The scenarios are in tests/judges/page/.  `quiet` is what all have in common: no dialog, no request to
another host, no complaint on the console but that an answer was an error.
"""

import runpy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio.lowlevel
import msgspec
import pytest

from houses import open_settings_for, settings_for
from judged import JUDGES, Chromium
from native_server import Bot, Turn, serving
from pictures import png
from realcoze.app.config import Settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.event import Step, Suggestion, TextDelta
from realcoze.domain.ids import MessageId
from realcoze.errors import UpstreamFailed
from servers import emulated

pytestmark = pytest.mark.anyio

Settle = Callable[..., Settings]
"""Makes settings that reach an emulator."""

KEY = "the-right-key-0123456789"


@asynccontextmanager
async def paged(
    folder: Path, *, pace: float = 0, idle_s: float = 30, settle: Settle = settings_for, **server: Any
) -> AsyncIterator[str]:
    """The page over an emulator; `pace` in tokens a second, 0 for as fast as it can."""
    async with emulated(pace=pace) as coze:
        settings = settle(coze, folder / "settings", **server)
        upstreams = {
            name: msgspec.structs.replace(upstream, idle_s=idle_s) for name, upstream in settings.upstreams.items()
        }
        settings = replace(settings, upstreams=upstreams)
        async with (
            open_house(settings) as house,
            listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        ):
            yield f"http://127.0.0.1:{port}/"


async def seen(
    chromium: Chromium, scenario: str, folder: Path, *, locale: str = "en-GB", **paging: Any
) -> dict[str, Any]:
    """What one scenario saw on a page of its own, which was quiet."""
    async with paged(folder, **paging) as url:
        return quiet(await chromium.drive(scenario, url, folder, locale=locale))


def quiet(told: dict[str, Any]) -> dict[str, Any]:
    assert (told["dialogs"], told["foreign"], told["complaints"]) == ([], [], [])
    return told


@pytest.mark.parametrize("settle", [settings_for, open_settings_for])
async def test_a_conversation_with_suggestion_and_steps_is_still_there_after_a_reload(
    chromium: Chromium, tmp_path: Path, settle: Settle
) -> None:
    told = await seen(chromium, "conversation", tmp_path, settle=settle)
    assert "My name is Ada." in told["first"]
    assert told["suggestions"][0] == "Do you remember what I said?"
    assert told["second"].startswith("Ada! Of course.")
    assert told["was_folded"]
    assert "calls weather.lookup" in told["steps"]
    assert '"city": "Berlin"' in told["steps"]
    assert told["after_reload"] == told["third"]
    assert "in Berlin" in told["third"]
    assert (told["kept"], told["title"], told["bot"]) == (1, "My name is Ada. – realcoze", "tools")


async def test_text_is_seen_to_grow_and_leaves_a_reader_who_scrolled_up_in_peace(
    chromium: Chromium, tmp_path: Path
) -> None:
    told = await seen(chromium, "stream", tmp_path, pace=150)
    assert len(told["lengths"]) > 5
    assert told["lengths"][len(told["lengths"]) // 2] < told["lengths"][-1]
    assert told["scrolled_at"] < told["lengths"][-1]
    assert (told["stayed"], told["offered"]) == (0, True)
    assert told["at_end"] < 2
    assert "About the sea" in told["told"]


async def test_stop_in_the_middle_and_before_the_first_word(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "stop", tmp_path, pace=100)
    assert told["text"].startswith("Let me think")
    assert not told["text"].endswith("there it is.")
    assert "You stopped this answer" in told["notice"]
    assert told["marked"] == 1
    assert "before the first word" in told["early"]
    assert told["next"] == "and on"


async def test_a_picture_is_attached_and_a_file_that_is_too_large_harms_nothing(
    chromium: Chromium, tmp_path: Path
) -> None:
    (tmp_path / "picture.png").write_bytes(png(64, 48))
    (tmp_path / "large.bin").write_bytes(bytes(9000))
    told = await seen(chromium, "attach", tmp_path, upload_bytes=8000)
    assert "image/png" in told["text"]
    assert "64 × 48 pixels" in told["text"]
    assert told["thumbs"] == 1
    assert "large.bin" in told["refused"]
    assert "larger than 8000 bytes" in told["refused"]
    assert (told["left"], told["draft"]) == (0, "still here")


async def test_an_upload_fails_is_taken_back_and_belongs_to_its_bot(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "uploads", tmp_path, locale="zh-CN")
    assert (told["in_edit"], told["after"], told["can_send"]) == (0, 0, True)
    assert told["refused"].strip() == "a.bin · 文件上传失败，请重试。 · It said no."
    assert (told["taken_back"], told["still"]) == ("net::ERR_ABORTED", told["refused"])
    assert told["of_another_bot"].startswith("a.bin (pictures): ")
    assert not told["told_again"]


async def test_an_error_stands_in_the_conversation_with_its_hint_and_can_be_tried_again(
    chromium: Chromium, tmp_path: Path
) -> None:
    told = await seen(chromium, "error", tmp_path)
    assert "regional restrictions" in told["notice"]
    assert "proxy" in told["notice"]
    assert "upstream_blocked · req_" in told["notice"]
    assert told["asked"] == ["POST"]
    assert told["answers"] == 1


async def test_an_answer_that_broke_off_is_visibly_incomplete(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "broken", tmp_path, idle_s=0.5)
    assert told["text"].startswith("one two three")
    assert "This answer broke off and is incomplete." in told["notice"]
    assert (told["marked"], told["retry"]) == (1, True)


async def test_an_answer_that_somebody_walked_away_from_is_visibly_incomplete(
    chromium: Chromium, tmp_path: Path
) -> None:
    told = await seen(chromium, "left", tmp_path, pace=100)
    assert told["text"].startswith("Let me think")
    assert "incomplete" in told["notice"]


async def test_an_earlier_question_is_edited_and_asked_again(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "edit", tmp_path)
    assert (told["in_box"], told["draft"]) == ("first", "a draft")
    assert (told["text"], told["title"], told["by_arrow"]) == ("changed", "changed", "changed")


async def test_several_conversations_run_are_copied_exported_deleted_and_brought_back(
    chromium: Chromium, tmp_path: Path
) -> None:
    told = await seen(chromium, "several", tmp_path, pace=40)
    assert (told["quick"], told["copied"]) == ("the quick one", "the quick **one**")
    assert (told["dots"], told["goes_on"]) == (1, 1)
    assert told["saved"] == "## You\n\nthe quick **one**\n\n## echo\n\nthe quick **one**\n"
    assert told["name"] == "the quick one.md"
    assert (told["after_delete"], told["kept_after_delete"]) == (["the quick **one**"], 1)
    assert (told["undone"], told["kept"]) == (["the quick **one**", "the slow one"], 2)
    assert "You stopped this answer" in told["notice"]


async def test_the_key_is_asked_once_and_kept_for_the_tab_only(chromium: Chromium, tmp_path: Path) -> None:
    folder = tmp_path / KEY
    folder.mkdir()
    async with paged(tmp_path, key=KEY) as url:
        told = quiet(await chromium.drive("key", url, folder))
    assert "hello" in told["text"]
    assert "again" in told["again"]
    assert told["kept_in"] == [False, True, False], "localStorage, sessionStorage, cookies"
    assert "invalid_api_key" in told["cancelled"]


async def test_a_chinese_browser_reads_chinese_errors_included(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "chinese", tmp_path, locale="zh-CN")
    assert (told["language"], told["new"]) == ("zh-CN", "新对话")
    assert told["names"] == ["把对话保存为文件", "添加图片或文件", "发送"]
    assert "北京" in told["text"]
    assert told["summary"] == "5 个步骤"
    assert "额度用完了" in told["notice"]
    assert "重试" in told["notice"]


async def test_a_picture_in_an_answer_loads_on_a_click_only(chromium: Chromium, tmp_path: Path) -> None:
    async with paged(tmp_path) as url:
        told = await chromium.drive("picture", url, tmp_path)
    assert told["before"] == []
    assert told["after"] == told["foreign"] == ["http://pictures.example/cat.png"]
    assert told["label"] == [" Load the picture from pictures.example · cat"]


async def test_two_tabs_keep_what_the_other_has(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "tabs", tmp_path)
    assert sorted(told["one"]) == ["from the first", "from the second"]
    assert told["other"] == "more"


async def test_a_browser_without_room_says_so(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "full", tmp_path)
    assert told["text"] == "hello"
    assert "is full" in told["banner"]


async def test_a_phone_has_no_sideways_scroll_large_buttons_and_readable_words(
    chromium: Chromium, tmp_path: Path
) -> None:
    told = await seen(chromium, "narrow", tmp_path)
    assert (told["wide"], told["small"], told["poor"], told["nameless"]) == ([], [], [], [])
    assert told["focused"] == ["", ""], "no keyboard jumps up"


async def test_it_can_be_used_by_keyboard_alone(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "keyboard", tmp_path)
    assert told["sent_while_composing"] == 0
    assert told["text"] == "ni hao\nagain"
    assert {"Copy", "Edit", "export", "bot", "attach", "new-conversation"} <= set(told["reached"])
    assert (told["on_phone"], told["sent_on_phone"]) == ("a\nb", 0)


async def test_with_200_messages_only_the_running_one_is_drawn(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "long", tmp_path, pace=300)
    assert (told["touched"], told["count"]) == ([201], 202)


async def test_every_message_of_an_answer_is_drawn_by_itself(chromium: Chromium, tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        for number, text in enumerate(("before\n```\nnever closed", "**after**")):
            turn.feed(TextDelta(message_id=MessageId(f"m{number}"), text=text))
        turn.done()

    async with serving(Bot(script)) as server:
        told = quiet(await chromium.drive("messages", f"{server.url}/", tmp_path))
    assert told["texts"][1] == "after"
    assert told["code"] == 1
    assert (told["visible"], told["chooser"]) == (True, False), "one bot needs no choice"


async def test_the_second_snippet_of_the_node_program_runs_unchanged_on_our_page(
    chromium: Chromium, tmp_path: Path
) -> None:
    (tmp_path / "stream.js").write_bytes((JUDGES / "seed" / "stream.js").read_bytes())
    told = await seen(chromium, "seed", tmp_path)
    assert told["result"] == "read to the end"
    assert told["logged"][-1]["continue"] is False
    assert "认得我吗" in told["logged"][-1]["content"]


async def test_hostile_answers_run_nothing_and_load_nothing(chromium: Chromium, tmp_path: Path) -> None:
    harmless(await seen(chromium, "inject", tmp_path))


async def test_hostile_answers_in_small_pieces_run_nothing_and_load_nothing(chromium: Chromium, tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        text = turn.request.messages[-1].text
        turn.start()
        for place in range(0, len(text), 3):
            turn.say(text[place : place + 3])
            await anyio.lowlevel.checkpoint()
        turn.done()

    async with serving(Bot(script)) as server:
        harmless(quiet(await chromium.drive("inject", f"{server.url}/", tmp_path)))


def harmless(told: dict[str, Any]) -> None:
    assert told["payloads"] > 100
    assert (told["not_asked"], told["strange"], told["hits"]) == ([], [], 0)
    assert set(told["links"]) <= {f"{kind} noopener noreferrer nofollow _blank" for kind in ("http:", "mailto:")}


async def test_hostile_steps_suggestions_titles_and_errors_run_nothing(chromium: Chromium, tmp_path: Path) -> None:
    payloads = hostile_texts()

    async def script(turn: Turn) -> None:
        if turn.request.messages[-1].text != "everything":
            raise UpstreamFailed(payloads[0], hint=payloads[9])
        turn.start()
        turn.say("all of it")
        turn.feed(*(Step(kind="call", title=text, body=text) for text in payloads))
        turn.feed(*(Suggestion(text=text) for text in payloads))
        turn.done()

    async with serving(Bot(script)) as server:
        told = quiet(await chromium.drive("inject_aside", f"{server.url}/", tmp_path))
    assert told["steps"] == told["suggestions"] == told["payloads"] == len(payloads)
    assert (told["strange"], told["hits"]) == ([], 0)


async def test_no_beginning_of_a_hostile_answer_runs_or_loads_anything(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "inject_prefixes", tmp_path)
    assert told["rendered"] == sum(map(len, hostile_texts()))
    assert (told["strange"], told["hits"]) == ([], 0)


def hostile_texts() -> tuple[str, ...]:
    """The payloads, which live with the judge."""
    payloads: tuple[str, ...] = runpy.run_path(str(JUDGES / "page" / "payloads.py"))["PAYLOADS"]
    return payloads
