import json
import signal
import wave
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from commands import BOT_NAMES, DEMO_NAMES, settled
from houses import served
from native_server import Bot, Turn, serving
from pictures import PDF, jpeg, png
from pty_terminal import ALT_ENTER, CTRL_C, CTRL_D, ENTER, UP, in_terminal
from realcoze.dialects.coze_playground.upload import crc32_hex
from realcoze.domain.content import File, Image
from realcoze.domain.event import AudioDelta, InputRequested, Interrupt, ToolCallsRequested
from realcoze.domain.request import Resume
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.emulator.script import _ARTICLE
from realcoze.errors import RateLimited
from realcoze.faces.terminal.command import HELP
from realcoze.faces.terminal.markdown import Answer
from servers import PATIENCE_S, Coze, emulated, files, raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")

STEPS = (
    '→ weather.lookup {"city": "Berlin"}',
    '← weather.lookup {"city": "Berlin", "degrees":',
    '→ workflow.pack_list {"degrees":',
    '← workflow.pack_list {"pack": ["water", "a book", "good shoes"]}',
    "≡ travel notes Museums close at six.",
)


CAT, DOG = png(3, 2), jpeg(640, 480)


def with_files(folder: Path) -> Path:
    for name, data in {"cat.png": CAT, "my [dog].png": DOG, "paper.pdf": PDF, "notes.txt": b"text"}.items():
        (folder / name).write_bytes(data)
    return folder


def seen(content_type: str, data: bytes, pixels: str = "") -> str:
    """What the bot `pictures` says of an upload."""
    return f"I see {content_type}{pixels}, {len(data)} bytes, CRC-32 {crc32_hex(data)}."


def rendered(text: str, columns: int) -> list[str]:
    """The lines of a whole answer."""
    paper = StringIO()
    Console(file=paper, width=columns).print(Answer(text))
    return [line.rstrip() for line in paper.getvalue().splitlines()]


def said(coze: Coze) -> list[tuple[str, str]]:
    """The history of the last question, as Coze got it."""
    return [(message.role, message.text) for message in coze.server.seen.executions[-1].messages()]


def wanting(turn_text: str = "") -> Bot:
    """Wants two tools, then asks back in a question of its own or in `turn_text`, then answers."""

    async def script(turn: Turn) -> None:
        turn.start()
        if turn.request.tool_results:
            if turn_text:
                turn.say(turn_text)
            question = Interrupt(event_id="5", kind="question", data={"question": "Where are you?"})
            turn.feed(InputRequested(interrupt=question))
        elif turn.request.resume is not None:
            turn.say(f"Noon in {turn.request.messages[-1].text}.")
            turn.done()
        else:
            turn.say("Let me see.")
            calls = (
                ToolCall(call_id="c1", name="clock", arguments='{"zone": "CET"}'),
                ToolCall(call_id="c2", name="note\x1b", arguments="{}"),
            )
            turn.feed(ToolCallsRequested(calls=calls))

    return Bot(script)


async def test_the_person_gives_the_results_of_tools_and_answers_the_question(tmp_path: Path) -> None:
    bot = wanting()
    async with (
        serving(bot) as server,
        in_terminal("chat", "--url", server.url, cwd=tmp_path, columns=100) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("What time is it?")
        await terminal.until_shows("Let me see.", '→ clock {"zone": "CET"}', "Result of clock, or Enter for “done”>")
        terminal.say("12:00")
        await terminal.until_shows("→ note {}", "Result of note, or Enter for “done”>")
        terminal.say("")
        await terminal.until_asks(2)
        await terminal.until_shows("Where are you?", "[the next line is your answer; /reset gives it up]")
        assert terminal.text.count("Where are you?") == 1
        terminal.say("Rome")
        await terminal.until_asks(3)
        await terminal.until_shows("Me> Rome", "Noon in Rome.")
        terminal.say("Thanks")
        await terminal.until_shows("Me> Thanks", "Let me see.", "Result of clock")
        terminal.type(CTRL_C)
        await terminal.until_asks(4)
        await terminal.until_shows("Me> Thanks", "[given up]")
        terminal.say(":q")
        assert await session.ended() == 0
    first, results, answer, last = (turn.request for turn in bot.turns)
    assert results.tool_results == (
        ToolResult(call_id="c1", output="12:00"),
        ToolResult(call_id="c2", output="done"),
    )
    assert (results.messages, results.chat_id, results.conversation_id) == ((), "chat-1", "conversation-1")
    assert (answer.resume, answer.chat_id) == (Resume(event_id="5", kind="question"), "chat-1")
    assert [message.text for message in answer.messages] == [
        "What time is it?", "Let me see.\n\nWhere are you?", "Rome",
    ]  # fmt: skip
    assert last.resume is first.resume is None
    assert [message.text for message in last.messages[-3:]] == ["Rome", "Noon in Rome.", "Thanks"]


async def test_results_that_were_not_taken_can_be_handed_in_again(tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        if len(bot.turns) in (2, 3, 6):
            raise RateLimited("Too fast.")
        turn.start()
        if turn.request.tool_results:
            turn.say("Noon.")
            turn.done()
        else:
            turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="clock", arguments="{}"),)))

    bot = Bot(script)
    async with serving(bot) as server, in_terminal("chat", "--url", server.url, cwd=tmp_path, columns=100) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("What time is it?")
        await terminal.until_shows("Result of clock")
        terminal.say("12:00")
        await terminal.until_shows("Too fast.", "Enter hands the same results in again, Ctrl-C gives up>")
        terminal.type(ENTER)
        await terminal.until_shows("Too fast.", "Too fast.", "Enter hands the same results in again")
        terminal.type(ENTER)
        await terminal.until_shows("Noon.")
        await terminal.until_asks(2)
        terminal.say("And now?")
        await terminal.until_shows("Noon.", "Result of clock")
        terminal.say("13:00")
        await terminal.until_shows("Noon.", "Too fast.", "Ctrl-C gives up>")
        terminal.type(CTRL_C)
        await terminal.until_asks(3)
        terminal.say(":q")
        assert await session.ended() == 0
    assert bot.turns[1].request == bot.turns[2].request == bot.turns[3].request
    assert len(bot.turns) == 6


async def test_a_question_that_the_answer_does_not_say_is_shown_below_it_and_can_be_given_up(tmp_path: Path) -> None:
    bot = wanting("One more thing.")
    async with serving(bot) as server, in_terminal("chat", "--url", server.url, cwd=tmp_path) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("What time is it?")
        await terminal.until_shows("Result of clock")
        terminal.type(ENTER)
        await terminal.until_shows("Result of note")
        terminal.type(ENTER)
        await terminal.until_shows("One more thing.", "Where are you?", "[the next line")
        await terminal.until_asks(2)
        terminal.say("/reset")
        await terminal.until_asks(3)
        terminal.say("Hello")
        await terminal.until_shows("Me> Hello", "Result of clock")
        terminal.type(CTRL_D)
        await terminal.until_asks(4)
        terminal.say(":q")
        assert await session.ended() == 0
    assert bot.turns[2].request.resume is None
    assert [message.text for message in bot.turns[2].request.messages] == ["Hello"]


async def test_the_embedded_coze_wants_a_tool_asks_and_speaks(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "voice.wav"), "wb") as sound:
        sound.setparams((1, 2, 24_000, 0, "NONE", ""))
        sound.writeframes(bytes(4800))
    async with in_terminal("chat", "--demo", "--bot", "secretary", cwd=tmp_path, columns=100, lines=60) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("Remind me at 5pm to make tea")
        await terminal.until_shows('→ add_reminder {"time":"5pm"', "Result of add_reminder")
        terminal.say("It is noted.")
        await terminal.until_asks(2)
        await terminal.until_shows("The tool says: It is noted.")
        terminal.say("/file voice.wav")
        await terminal.until_shows("Attached voice.wav: audio/wav")
        await terminal.until_asks(3)
        terminal.say("What do you hear?")
        await terminal.until_shows("What do you hear?", "Saved ", " s of speech to answer-")
        await terminal.until_asks(4)
        terminal.say("/bot workflow/7500000000000000002")
        await terminal.until_asks(5)
        terminal.say("Begin")
        await terminal.until_shows("Which planet is the largest?", "[the next line is your answer")
        await terminal.until_asks(6)
        terminal.say("Jupiter")
        await terminal.until_asks(7)
        terminal.say("8")
        await terminal.until_shows("2 of 2 answers are right.")
        await terminal.until_asks(8)
        terminal.say(":q")
        assert await session.ended() == 0


async def test_what_is_spoken_is_saved_beside_each_other(tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Listen.")
        turn.feed(AudioDelta(audio=bytes(24_000), format="pcm"), AudioDelta(audio=bytes(24_000), format="pcm"))
        turn.done()

    async with (
        serving(Bot(script)) as server,
        in_terminal("chat", "--url", server.url, cwd=tmp_path, columns=100) as session,
    ):
        terminal = session.terminal
        for number in (1, 2):
            await terminal.until_asks(number)
            terminal.say("Speak")
        await terminal.until_asks(3)
        await terminal.until_shows("Listen.", "Saved 1.0 s of speech to answer-", "Listen.", "Saved 1.0 s of speech to")
        terminal.say(":q")
        assert await session.ended() == 0
    assert len(files(tmp_path, "answer-*.wav")) == 2


async def test_a_conversation_without_an_account(tmp_path: Path) -> None:
    async with in_terminal("chat", "--demo", cwd=tmp_path, columns=140) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        assert terminal.everything[:2] == [
            f"Talking to memory. Also here, by /bot NAME: {', '.join(DEMO_NAMES[1:])}.",
            "/help shows what can be typed, :q leaves.",
        ]
        terminal.say("My name is Ada")
        await terminal.until_asks(2)
        await terminal.until_shows("Me> My name is Ada", "Ada! ", "you said “My name is Ada”.", "/1  Do you remember")
        terminal.say("/1")
        await terminal.until_asks(3)
        await terminal.until_shows("Me> /1", "Do you remember what I said?", "Of course. You said:", "“My name is Ada”")
        terminal.say("我叫小明")
        await terminal.until_asks(4)
        await terminal.until_shows("Me> 我叫小明", "小明！", "你说“我叫小明”。", "/2  我叫什么？")
        terminal.say(":q")
        assert await session.ended() == 0
    assert not terminal.cursor_is_hidden()


async def test_an_answer_is_shown_while_it_comes_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    async with emulated(pace=40.0) as coze, in_terminal("chat", cwd=settled(tmp_path, coze, bot="slow")) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("Why?")
        await terminal.until_shows("Let me think about")
        terminal.type(CTRL_C)
        await terminal.until_asks(2)
        await terminal.until_shows("Me> Why?", "Let me think about", "[stopped]", "Me>")
        assert "there it is" not in terminal.text
        terminal.say("And now?")
        await terminal.until_shows("[stopped]", "Me> And now?", "Let me think")
        role, partial = said(coze)[1]
        assert role == "assistant"
        assert partial.startswith("Let me think about")
        assert said(coze)[::2] == [("user", "Why?"), ("user", "And now?")]
        terminal.type(CTRL_C)
        await terminal.until_asks(3)
        terminal.type("never said")
        await terminal.until_shows("Me> never said")
        terminal.type(CTRL_C)
        await terminal.until_true(lambda: terminal.screen[-1] == "Me>", "a prompt with nothing in it")
        terminal.type(CTRL_C)
        assert await session.ended() == 0
    assert len(coze.server.seen.executions) == 2


async def test_ctrl_d_leaves(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", cwd=settled(tmp_path, coze)) as session:
        await session.terminal.until_asks(1)
        session.terminal.type(CTRL_D)
        assert await session.ended() == 0
        assert session.terminal.everything[0] == "Talking to coze."
        assert session.terminal.echoes()
    assert coze.server.seen.launches == 0


async def test_weakness_22_the_history_has_the_answers_of_the_bot(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", cwd=settled(tmp_path, coze)) as session:
        terminal = session.terminal
        for number, line in enumerate(("one", "two", "/reset", "three"), start=1):
            await terminal.until_asks(number)
            terminal.say(line)
            if line == "two":
                await terminal.until_asks(number + 1)
                assert said(coze) == [("user", "one"), ("assistant", "one"), ("user", "two")]
        await terminal.until_asks(5)
        assert said(coze) == [("user", "three")]
        terminal.say(":q")
        assert await session.ended() == 0


async def test_what_can_be_typed_beside_questions(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", cwd=settled(tmp_path, coze, bot="memory"), lines=60) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/help")
        await terminal.until_asks(2)
        await terminal.until_shows(*(typed for typed, _ in HELP))
        terminal.say("/nonsense")
        await terminal.until_shows("/nonsense is no command; /help lists them.")
        terminal.say("/1")
        await terminal.until_shows("There is no suggestion 1.")
        terminal.say("/save x.md")
        await terminal.until_shows("There is nothing to save yet.")
        await terminal.until_asks(5)
        terminal.say("I like tea")
        await terminal.until_asks(6)
        terminal.say("/reset")
        await terminal.until_asks(7)
        terminal.say("Do you remember?")
        await terminal.until_asks(8)
        after = terminal.text[terminal.text.index("A new conversation.") :]
        assert "tea" not in after
        assert "It is the first thing you tell me." in after
        terminal.say(" ")
        await terminal.until_true(lambda: terminal.everything[-3:] == ["Me>", "", "Me>"], "the prompt, once more")


async def test_another_bot_answers_from_the_next_question_on(tmp_path: Path) -> None:
    async with in_terminal("chat", "--demo", cwd=tmp_path, columns=160) as session:
        terminal = session.terminal
        names = ", ".join(DEMO_NAMES)
        told = {
            "/bot": f"Which bot? /bot NAME {names}",
            "/bot nobody": f"There is no bot 'nobody'. The bots here are: {names}.",
            "/bot echo": "Talking to echo.",
            "exactly this": "exactly this",
            "/bot memory": "Talking to memory.",
            "Again?": "Before that you said “exactly this”.",
        }
        for number, (line, answer) in enumerate(told.items(), start=1):
            await terminal.until_asks(number)
            terminal.say(line)
            await terminal.until_shows(f"Me> {line}\n", answer)


async def test_where_one_bot_answers_to_every_name_it_says_so(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", "--bot", "nobody", cwd=settled(tmp_path, coze)) as session:
        terminal = session.terminal
        await terminal.until_shows("Only one bot is configured; talking to coze.", "Me>")
        terminal.say("/bot tools")
        await terminal.until_shows("Me> /bot tools\nOnly one bot is configured; talking to coze.")


async def test_steps_are_shown_when_they_are_wanted(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", cwd=settled(tmp_path, coze, bot="tools"), lines=50) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("Berlin?")
        await terminal.until_asks(2)
        assert "weather.lookup" not in terminal.text
        terminal.say("/steps")
        await terminal.until_shows("Steps are shown.")
        await terminal.until_asks(3)
        terminal.say("Berlin again?")
        await terminal.until_asks(4)
        await terminal.until_shows("Berlin again?", *STEPS, "°C and clear in Berlin.", "/1  And tomorrow?")
        terminal.say("/steps")
        await terminal.until_shows("Steps are hidden.")


@pytest.mark.parametrize("lines", [60, 16])
async def test_markdown_is_rendered_in_place(tmp_path: Path, lines: int) -> None:
    """Once as a whole, once with an answer that is longer than the screen."""
    async with (
        emulated(pace=500.0) as coze,
        in_terminal("chat", cwd=settled(tmp_path, coze, bot="markdown"), lines=lines) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("the sea")
        await terminal.until_asks(2)
        everything = terminal.everything
        answer = everything[everything.index("Me> the sea") + 2 : everything.index("/1  Show me more code") - 1]
        assert answer == rendered(_ARTICLE.replace("TOPIC", "the sea"), 80)
        assert [line for line in answer if "##" in line or "```" in line or "**" in line] == []
        assert sum("That is all" in line for line in everything) == 1


async def test_saving_a_conversation(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze)
    async with in_terminal("chat", cwd=folder, columns=200) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("你好 “world”")
        await terminal.until_asks(2)
        for number, (name, told) in enumerate(
            {
                "x.json": f"Saved 2 messages to {folder}/x.json.",
                "x.md": f"Saved 2 messages to {folder}/x.md.",
                "config.json": f"{folder}/config.json is there already; choose another name.",
                "nowhere/x.md": "nowhere/x.md cannot be written: No such file or directory.",
                "~nobody-here/x.md": "~nobody-here/x.md is no name for a file:",
            }.items(),
            start=3,
        ):
            terminal.say(f"/save {name}")
            await terminal.until_asks(number)
            await terminal.until_shows(told)
        terminal.say("/save x.md")
        await terminal.until_asks(8)
        assert terminal.text.count(f"Saved 2 messages to {folder}/x.md.") == 2
        terminal.say("/save")
        await terminal.until_shows(f"Saved 2 messages to {folder}/conversation-")
    history = json.loads((folder / "x.json").read_text())
    assert [(entry["role"], entry["content"]) for entry in history] == [(2, "你好 “world”"), (1, "你好 “world”")]
    assert (folder / "x.md").read_text() == "## Me\n\n你好 “world”\n\n## Bot\n\n你好 “world”\n"
    question = [*history, {"role": 2, "content": "What did I say? Do you remember?"}]
    async with (
        served(coze, tmp_path / "served") as url,
        aiohttp.ClientSession() as client,
        client.post(url, json=question) as answer,
    ):
        assert "1. “你好 “world””" in (await answer.json())["content"]


async def test_several_lines_and_the_question_before(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", cwd=settled(tmp_path, coze)) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.type(f"first{ALT_ENTER}second")
        await terminal.until_shows("Me> first", "  … second")
        terminal.type(ENTER)
        await terminal.until_asks(2)
        assert said(coze) == [("user", "first\nsecond")]
        everything = terminal.everything
        assert everything[everything.index("  … second") :][:4] == ["  … second", "", "first", "second"]
        # The history is there once something typed is.
        terminal.type("x")
        await terminal.until_shows("Me> x")
        terminal.type(UP)
        await terminal.until_true(lambda: terminal.screen[-2:] == ["Me> first", "  … second"], "the question again")
        terminal.type(ENTER)
        await terminal.until_asks(3)
        assert said(coze)[-1] == ("user", "first\nsecond")
        terminal.type(f"\udcff{ENTER}")
        await terminal.until_asks(4)
        assert said(coze)[-1] == ("user", "?")
        terminal.say("[[fault late]]")
        await terminal.until_asks(5)
        await terminal.until_shows("Me> [[fault late]]", "[the bot said nothing]")
    typed = tmp_path / "temp" / "typed"
    assert typed.stat().st_mode & 0o777 == 0o600
    async with in_terminal("chat", cwd=tmp_path) as session:
        await session.terminal.until_asks(1)
        session.terminal.type("x")
        await session.terminal.until_shows("Me> x")
        session.terminal.type(UP * 3)
        await session.terminal.until_shows("Me> first", "  … second")


async def test_a_failure_is_one_sentence_and_the_prompt_comes_back(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze, bot="memory", toml="[upstreams.playground]\nidle_s = 0.5\n")
    async with in_terminal("chat", cwd=folder, columns=300) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("I like tea")
        await terminal.until_asks(2)
        terminal.say("[[fault stall]] and more")
        await coze.wire.until_count("execute", 2)
        terminal.type(CTRL_C)
        await terminal.until_asks(3)
        await terminal.until_shows("Me> [[fault stall]] and more\n\n[stopped]\n\nMe>")
        terminal.say("[[fault quota]] more")
        await terminal.until_asks(4)
        await terminal.until_shows("daily limit reached. ")
        terminal.say("/1")
        await terminal.until_shows("There is no suggestion 1.")
        terminal.say("[[fault cut after=6]] do you remember?")
        await terminal.until_asks(6)
        await terminal.until_shows("Of course", "[interrupted] ", ". Ask again; pushes that fall into such a gap")
        terminal.say("Do you remember?")
        await terminal.until_asks(7)
        assert [text for role, text in said(coze) if role == "user"] == ["I like tea", "Do you remember?"]
        assert terminal.text.count("daily limit reached") == 1


async def test_a_bot_that_begins_anew_is_drawn_anew(tmp_path: Path) -> None:
    async with (
        emulated(pace=60.0) as coze,
        in_terminal("chat", cwd=settled(tmp_path, coze, bot="memory")) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("[[fault rewrite after=7]] I like the sea")
        await terminal.until_asks(2)
        everything = terminal.everything
        after = everything[everything.index("Me> [[fault rewrite after=7]] I like the sea") + 1 :]
        assert [after[0], after[2]] == ["", ""]
        assert after[1].endswith(": you said “I like the sea”. It is the first thing you tell me.")
        assert "YOU SAID “i" not in terminal.text


async def test_a_narrow_terminal_and_one_that_changes_its_size(tmp_path: Path) -> None:
    async with (
        emulated(pace=100.0) as coze,
        in_terminal("chat", cwd=settled(tmp_path, coze, bot="echo"), columns=40) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        wide = "一个停下来的流从来不是成功，" * 6
        terminal.say(wide)
        await terminal.until_asks(2)
        assert terminal.text.replace("\n    ", "").replace("\n", "").count(wide) == 2
        terminal.say("end " + "of the sea " * 12)
        await terminal.until_shows("Me> end", "\nend of")
        terminal.resize(60, 20)
        await terminal.until_asks(3)
        assert terminal.text.replace("\n", " ").count("the sea of the sea") >= 2
        terminal.say(":q")
        assert await session.ended() == 0


async def test_what_is_typed_while_an_answer_comes_is_kept_for_the_prompt(tmp_path: Path) -> None:
    async with emulated(pace=200.0) as coze, in_terminal("chat", cwd=settled(tmp_path, coze, bot="slow")) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("Why?")
        await terminal.until_shows("Let me think")
        assert not terminal.echoes()
        terminal.say("And then?")
        await terminal.until_shows("there it is.")
        await terminal.until_shows("there it is.", "Me> And then?", "Let me think about “And")
        assert terminal.text.count("And then?") == 1 + terminal.text.count("“And then?")


async def test_told_to_end_it_gives_the_terminal_back(tmp_path: Path) -> None:
    async with in_terminal("chat", "--demo", "--bot", "slow", cwd=tmp_path) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("Why?")
        await terminal.until_shows("Let me think")
        assert not terminal.echoes()
        assert terminal.cursor_is_hidden()
        session.process.send_signal(signal.SIGTERM)
        assert await session.ended() == 143
        assert not terminal.cursor_is_hidden()
        assert terminal.echoes()
        assert "Traceback" not in terminal.text


async def test_the_log_does_not_disturb_what_is_drawn(coze: Coze, tmp_path: Path) -> None:
    async with in_terminal("chat", "-v", cwd=settled(tmp_path, coze), columns=150) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("one")
        await terminal.until_shows("INFO realcoze.gateway.chat: ")
        await terminal.until_true(lambda: terminal.everything.count("one") == 1, "the answer once")


async def test_talking_to_a_running_server(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path / "served") as url:
        async with in_terminal("chat", "--url", url, cwd=tmp_path) as session:
            await session.terminal.until_shows(f"Talking to the first bot at {url}.", "Me>")
            session.terminal.say("I like tea")
            await session.terminal.until_shows("you said “I like tea”.", "/1  Do you remember", "Me>")
        async with in_terminal("chat", "--url", url, "--bot", "nobody", cwd=tmp_path, columns=120) as session:
            await session.terminal.until_asks(1)
            session.terminal.say("hi")
            told = f"There is no bot 'nobody'. The bots here are: {', '.join(BOT_NAMES)}."
            await session.terminal.until_shows("Talking to nobody", "Me> hi", told, "Me>")


async def test_a_picture_goes_in_front_of_the_question_and_stays_in_the_history(coze: Coze, tmp_path: Path) -> None:
    folder = with_files(settled(tmp_path, coze, bot="pictures"))
    async with in_terminal("chat", cwd=folder, columns=120) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/image cat.png")
        await terminal.until_asks(2)
        about = f"cat.png: image/png, 3 × 2 pixels, {len(CAT)} bytes"
        await terminal.until_shows(f"Attached {about}. It goes in front of the next question.")
        assert not coze.server.seen.executions
        terminal.say("What is it?")
        await terminal.until_asks(3)
        await terminal.until_shows("Me> What is it?", seen("image/png", CAT, ", 3 × 2 pixels"))
        terminal.say("And now?")
        await terminal.until_asks(4)
        await terminal.until_shows("Show me a picture or a file.")
        shown, *_ = coze.server.seen.executions[-1].messages()
        assert [type(part) for part in shown.parts] == [Image]
        assert [role for role, _ in said(coze)] == ["user", "user", "assistant", "user"]
        terminal.say("/save x.md")
        await terminal.until_asks(5)
        await terminal.until_shows(f"Saved 5 messages to {folder}/x.md.")
    assert (folder / "x.md").read_text().startswith(f"## Me\n\n> {about}\n\nWhat is it?\n\n## Bot\n\nI see ")


async def test_several_files_in_their_order(coze: Coze, tmp_path: Path) -> None:
    folder = with_files(settled(tmp_path, coze, bot="pictures"))
    async with in_terminal("chat", cwd=folder, columns=120, lines=40) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.type("/image my\t")
        await terminal.until_shows("Me> /image my [dog].png")
        terminal.type(ENTER)
        await terminal.until_asks(2)
        terminal.say(f"/file '{folder}/paper.pdf'")
        await terminal.until_asks(3)
        terminal.say("/file cat.png")
        await terminal.until_asks(4)
        await terminal.until_shows(
            f"Attached my [dog].png: image/jpeg, 640 × 480 pixels, {len(DOG)} bytes.",
            f"Attached paper.pdf: application/pdf, {len(PDF)} bytes.",
            "Attached cat.png: image/png, 3 × 2 pixels",
        )
        terminal.say("Well?")
        await terminal.until_asks(5)
        await terminal.until_shows(
            seen("image/jpeg", DOG, ", 640 × 480 pixels"),
            seen("application/pdf", PDF),
            seen("image/png", CAT, ", 3 × 2 pixels"),
        )
    kinds = [type(message.parts[0]) for message in coze.server.seen.executions[-1].messages()[:3]]
    assert kinds == [Image, File, Image]


async def test_what_cannot_be_attached_is_one_sentence_and_nothing_is_lost(coze: Coze, tmp_path: Path) -> None:
    toml = f"[upstreams.playground]\nupload_bytes = {len(CAT)}\n"
    folder = with_files(settled(tmp_path, coze, bot="pictures", toml=toml))
    (folder / "large").write_bytes(b"x" * (len(CAT) + 1))
    async with in_terminal("chat", cwd=folder, columns=150, lines=50) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/image cat.png")
        told = {
            "/image": "Which file? /image PATH",
            "/file": "Which file? /file PATH",
            "/image nowhere.png": "nowhere.png cannot be read: No such file or directory.",
            "/image notes.txt": "notes.txt is no picture: its bytes are no PNG, JPEG, GIF, WebP or BMP. /file takes",
            "/file home": "home is a folder. Name a file in it.",
            "/file large": f"large has {len(CAT) + 1} bytes; {len(CAT)} is the most.",
        }
        for number, (line, sentence) in enumerate(told.items(), start=2):
            await terminal.until_asks(number)
            terminal.say(line)
            await terminal.until_shows(f"Me> {line}\n{sentence}")
        assert coze.wire.count("upload") == 4, "only the picture was"
        terminal.say("Well?")
        await terminal.until_shows("Me> Well?", seen("image/png", CAT, ", 3 × 2 pixels"))


async def test_an_attachment_outlives_a_question_that_fails_but_no_reset(coze: Coze, tmp_path: Path) -> None:
    folder = with_files(settled(tmp_path, coze, bot="pictures"))
    async with in_terminal("chat", cwd=folder, columns=120, lines=50) as session:
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/image cat.png")
        await terminal.until_asks(2)
        terminal.say("[[fault quota]] Well?")
        await terminal.until_asks(3)
        await terminal.until_shows("daily limit reached.")
        terminal.say("Again?")
        await terminal.until_asks(4)
        await terminal.until_shows("Me> Again?", seen("image/png", CAT, ", 3 × 2 pixels"))
        assert [message.text for message in coze.server.seen.executions[-1].messages()] == ["", "Again?"]
        terminal.say("/image cat.png")
        await terminal.until_asks(5)
        terminal.say("/reset")
        await terminal.until_asks(6)
        terminal.say("/save x.md")
        await terminal.until_shows("There is nothing to save yet.")
        terminal.say("And now?")
        await terminal.until_shows("Me> And now?", "Show me a picture or a file.")
        assert said(coze) == [("user", "And now?")]


async def test_a_picture_through_a_running_server(coze: Coze, tmp_path: Path) -> None:
    folder = with_files(tmp_path)
    (folder / "large").write_bytes(b"x" * 2_000_000)
    async with (
        served(coze, tmp_path / "served", upload_bytes=1000) as url,
        in_terminal("chat", "--url", url, "--bot", "pictures", cwd=folder, columns=120) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/image cat.png")
        await terminal.until_asks(2)
        terminal.say("/file large")
        await terminal.until_asks(3)
        await terminal.until_shows(
            "Me> /file large\nThe file is larger than 1000 bytes. The server's setting `upload_bytes`"
        )
        terminal.say("Well?")
        await terminal.until_shows("Me> Well?", seen("image/png", CAT, ", 3 × 2 pixels"))


async def test_ctrl_c_stops_an_upload_and_nothing_else(tmp_path: Path) -> None:
    """Here to a server that never answers."""
    folder = with_files(tmp_path)
    async with (
        raw_server(stays=True, after=CAT) as silent,
        in_terminal("chat", "--url", f"http://127.0.0.1:{silent.port}", cwd=folder) as session,
    ):
        terminal = session.terminal
        await terminal.until_asks(1)
        terminal.say("/image cat.png")
        await terminal.until_shows("Uploading cat.png: image/png")
        await silent.until(lambda: bool(silent.received) and CAT in silent.received[0], within_s=PATIENCE_S)
        assert not terminal.echoes()
        terminal.type(CTRL_C)
        await terminal.until_shows("Me> /image cat.png\n[stopped]\n\nMe>")
        await silent.until(lambda: silent.gone == 1)
        await terminal.until_asks(2)
        terminal.say("/save x.md")
        await terminal.until_shows("There is nothing to save yet.")
        terminal.say("/image cat.png")
        await terminal.until_shows("Uploading cat.png")
        session.process.send_signal(signal.SIGTERM)
        assert await session.ended() == 143
        assert terminal.echoes()
        assert not terminal.cursor_is_hidden()
        assert "Traceback" not in terminal.text
