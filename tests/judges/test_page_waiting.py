"""The page in Chromium with bots that wait for something, or speak."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from judged import JUDGES, Chromium
from native_server import Bot, Turn, serving
from realcoze.domain.event import AudioDelta, InputRequested, Interrupt, ToolCallsRequested
from realcoze.domain.request import Resume
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import RateLimited

pytestmark = pytest.mark.anyio

QUESTION = InputRequested(interrupt=Interrupt(event_id="5", kind="question", data={"question": "Where are you?"}))


async def wanting(turn: Turn) -> None:
    """Wants two tools, then asks, then answers."""
    turn.start()
    if turn.request.tool_results:
        turn.feed(QUESTION)
    elif turn.request.resume is not None:
        turn.say(f"Noon in {turn.request.messages[-1].text}.")
        turn.done()
    else:
        turn.say("Let me see.")
        names = ("clock", "note")
        turn.feed(
            ToolCallsRequested(calls=tuple(ToolCall(call_id=name, name=name, arguments='{"a": 1}') for name in names))
        )


async def speaking(turn: Turn) -> None:
    turn.start()
    turn.say("Listen.")
    turn.feed(AudioDelta(audio=bytes(range(240)) * 100, format="pcm"), AudioDelta(audio=bytes(24_000), format="pcm"))
    turn.done()


async def seen(chromium: Chromium, scenario: str, bot: Bot, folder: Path, locale: str = "en-GB") -> dict[str, Any]:
    """What one scenario saw on a page that was quiet."""
    async with serving(bot) as server:
        told = await chromium.drive(scenario, f"{server.url}/", folder, locale=locale)
    assert (told["dialogs"], told["foreign"], told["complaints"]) == ([], [], [])
    return told


async def test_results_are_handed_in_and_the_next_message_answers_the_question(
    chromium: Chromium, tmp_path: Path
) -> None:
    bot = Bot(wanting)
    told = await seen(chromium, "tools", bot, tmp_path)
    assert told["before"] == "Let me see."
    assert told["calls"] == ['clock\n{"a": 1}', 'note\n{"a": 1}']
    assert told["asked"] == "Let me see.\n\nWhere are you?"
    assert told["hint"] == "The bot asks; your next message is the answer."
    assert (told["done"], told["hints_left"]) == ("Noon in Rome.", 0)
    assert "answers clock\n12:00" in told["steps"]
    _, results, answer = (turn.request for turn in bot.turns)
    assert results.tool_results == (
        ToolResult(call_id="clock", output="12:00"),
        ToolResult(call_id="note", output="done"),
    )
    assert (results.messages, results.chat_id, results.conversation_id) == ((), "chat-1", "conversation-1")
    assert (answer.resume, answer.chat_id) == (Resume(event_id="5", kind="question"), "chat-1")
    assert [message.text for message in answer.messages[-2:]] == ["Let me see.\n\nWhere are you?", "Rome"]


async def test_who_asks_something_else_gives_up_what_the_bot_waits_for(chromium: Chromium, tmp_path: Path) -> None:
    bot = Bot(wanting)
    told = await seen(chromium, "given_up", bot, tmp_path)
    assert (told["named"], told["forms"], told["marked"]) == (1, 1, 1)
    assert told["notice"].startswith("You asked something else; the bot got no results.")
    assert bot.turns[1].request.tool_results == ()


async def test_results_that_are_not_taken_stay_in_their_boxes(chromium: Chromium, tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        if len(bot.turns) == 2:
            raise RateLimited("Too fast.", hint="Wait a moment.")
        await wanting(turn)

    bot = Bot(script)
    told = await seen(chromium, "refused_results", bot, tmp_path)
    assert [said for said in told["said"] if said in ("Too fast.", "Wait a moment.")] == ["Too fast.", "Wait a moment."]
    assert told["typed"] == told["after_reload"] == ["12:00", ""]
    assert (told["retries"], told["asked"]) == (0, "Let me see.\n\nWhere are you?")
    assert told["steps"].count("answers clock") == 1
    assert bot.turns[1].request == bot.turns[2].request


async def test_the_sound_of_an_answer_is_that_of_all_its_rounds(chromium: Chromium, tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.feed(AudioDelta(audio=bytes(48_000), format="pcm"))
        if turn.request.tool_results:
            turn.done()
        else:
            turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c", name="clock", arguments="{}"),)))

    told = await seen(chromium, "speech_in_rounds", Bot(script), tmp_path)
    assert told == {**told, "first_s": 1, "both_s": 2, "again_s": 2, "made": 3, "released": 2}


async def test_a_spoken_answer_has_a_player_and_after_a_reload_a_note(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "speech", Bot(speaking), tmp_path)
    assert (told["text"], told["length_s"], told["after"]) == ("Listen.", 1, 0)
    assert "its sound is not kept" in told["note"]


async def test_a_chinese_browser_reads_chinese(chromium: Chromium, tmp_path: Path) -> None:
    told = await seen(chromium, "tools", Bot(wanting), tmp_path, locale="zh-CN")
    assert told["hint"] == "机器人在提问，你的下一条消息就是回答。"
    told = await seen(chromium, "speech", Bot(speaking), tmp_path, locale="zh-CN")
    assert "声音没有保存" in told["note"]


async def test_hostile_tools_and_questions_run_nothing(chromium: Chromium, tmp_path: Path) -> None:
    payloads = runpy.run_path(str(JUDGES / "page" / "payloads.py"))["PAYLOADS"]

    async def script(turn: Turn) -> None:
        turn.start()
        if turn.request.messages[-1].text == "tools":
            calls = tuple(ToolCall(call_id=text, name=text, arguments=text) for text in payloads)
            turn.feed(ToolCallsRequested(calls=calls))
        else:
            data = {"question": "\n\n".join(payloads)}
            turn.feed(InputRequested(interrupt=Interrupt(event_id="5", kind="question", data=data)))

    told = await seen(chromium, "inject_waiting", Bot(script), tmp_path)
    assert told["calls"] == told["payloads"] > 100
    assert (told["inside"], told["hits"]) == (0, 0)
