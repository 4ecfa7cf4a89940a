"""A run over a fake at the port `Chats`; questions by a pipe in place of a terminal."""

import io
from collections.abc import Sequence
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from native_server import Bot, Turn
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Step,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnStarted,
)
from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import RealcozeError, Truncated, UpstreamDenied
from realcoze.faces.terminal.run import AsItComes, LastOnly, Runner
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes

NAME = BotName("workflow/7")
REQUEST = Request(messages=(say("user", "tea"),), bot=NAME, parameters={"a": 1}, wants=Wants(steps=True))
QUESTION = InputRequested(interrupt=Interrupt(event_id="7/5 x", kind="question", data={"question": "Which\ncity?"}))
CALL = ToolCallsRequested(calls=(ToolCall(call_id="c1", name="clock", arguments="{}"),))


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def node(title: str, *texts: str) -> list[Event]:
    """What a node does."""
    deltas = [TextDelta(message_id=MessageId(title), text=text) for text in texts]
    done = AnswerDone(message_id=MessageId(title), text="".join(texts))
    return [Step(kind="other", title=title, body="Message"), *deltas, done]


def steady(events: Sequence[Event], error: RealcozeError | None = None) -> Bot:
    """A run is in no conversation."""

    async def script(turn: Turn) -> None:
        turn.feed(*events)
        if error is not None:
            raise error

    return Bot(script)


def asking() -> Bot:
    """Wants a tool, then asks, then is done."""

    async def script(turn: Turn) -> None:
        turn.start()
        if turn.request.resume:
            turn.feed(*node("End", f"Tea in {turn.request.messages[-1].text}."))
            turn.done()
        else:
            turn.feed(*node("Ask", "One moment."), QUESTION if turn.request.tool_results else CALL)

    return Bot(script)


async def ran(
    bot: Bot,
    *,
    out: io.StringIO | None = None,
    new_spoken: type[AsItComes | LastOnly] = AsItComes,
    person: PromptSession[str] | None = None,
    is_kept: bool = True,
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = out or io.StringIO(), io.StringIO()
    gateway = Gateway(Routes({NAME: bot}))
    runner = Runner(gateway=gateway, out=out, err=err, person=person, new_spoken=new_spoken, is_kept=is_kept)
    code = await runner.run(REQUEST)
    return code, out.getvalue(), err.getvalue()


async def typing(bot: Bot, keys: str, **more: Any) -> tuple[int, str, str]:
    """The same with somebody there, who types this."""
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(keys)
        return await ran(bot, person=PromptSession(), **more)


async def test_what_the_nodes_say_is_the_output_and_their_titles_stand_beside_it() -> None:
    bot = steady([*node("Start"), *node("Poem", "one ", "two"), *node("End", '{"output": 1}'), TurnDone()])
    assert await ran(bot) == (0, 'one two\n\n{"output": 1}\n', "· Start\n· Poem\n· End\n")
    assert bot.turns[0].request == REQUEST


async def test_on_a_terminal_the_empty_line_stands_above_the_title() -> None:
    events = [*node("Start"), *node("Poem", "one ", "two"), *node("Quiet"), *node("End", "three"), TurnDone()]
    both = Tty()
    gateway = Gateway(Routes({NAME: steady(events)}))
    await Runner(gateway=gateway, out=both, err=both, person=None, new_spoken=AsItComes).run(REQUEST)
    assert both.getvalue() == "· Start\n· Poem\none two\n\n· Quiet\n· End\nthree\n"


async def test_what_was_taken_back_stays_and_the_new_text_follows() -> None:
    events = [*node("a", "one")[:2], TextReplaced(message_id=MessageId("a"), text="two"), TurnDone()]
    assert (await ran(steady(events)))[1] == "one\n\ntwo\n"


async def test_the_last_node_alone_is_what_a_program_wants() -> None:
    bot = steady([*node("Poem", "one"), *node("End", '{"output": "\x1b"}'), TurnDone()])
    assert await ran(bot, new_spoken=LastOnly) == (0, '{"output": "\x1b"}\n', "· Poem\n· End\n")
    assert (await ran(bot, new_spoken=LastOnly, out=Tty()))[1] == '{"output": ""}\n'
    assert await ran(steady([TurnDone()]), new_spoken=LastOnly) == (0, "", "")


async def test_bytes_are_kept_but_for_a_terminal() -> None:
    bot = steady([*node("a\x1b", "x\x1by"), TurnDone()])
    assert await ran(bot) == (0, "x\x1by\n", "· a\n")
    assert (await ran(bot, out=Tty()))[1] == "xy\n"


async def test_a_failure_says_what_it_is_and_whether_something_was_said() -> None:
    assert await ran(steady([], UpstreamDenied("No."))) == (77, "", "realcoze: No.\n")
    assert await ran(steady(node("a", "x"), Truncated("It broke off."))) == (
        3, "x\n", "· a\n[interrupted] It broke off.\n",
    )  # fmt: skip


async def test_a_question_that_nobody_is_there_to_answer_says_how_to_go_on() -> None:
    code, out, err = await ran(steady([*node("Ask", "Which?"), QUESTION]))
    assert (code, out) == (4, "Which?\n")
    _, asked, how = err.splitlines()
    assert asked == "realcoze: The workflow asks: Which city?"
    assert how.endswith("in place of its input: --resume '7/5 x' --kind question --answer TEXT")
    silent = InputRequested(interrupt=Interrupt(event_id="1", kind="plugin", data={}))
    assert "The workflow asks for something.\n" in (await ran(steady([silent])))[2]
    assert "The workflow asks: Which?\n" in (await ran(steady([*node("Ask", "Which?"), silent])))[2]
    in_conversation = TurnStarted(chat_id=ChatId("7"), conversation_id=ConversationId("8"))
    assert (await ran(steady([in_conversation, QUESTION])))[2].endswith(
        "--kind question --conversation 8 --chat 7 --answer TEXT\n"
    )
    gone = (await ran(steady([QUESTION]), is_kept=False))[2]
    assert gone.endswith(
        "\n  The embedded Coze ends with this command, and the run with it. On a terminal it can be answered.\n"
    )


async def test_tools_that_nobody_is_there_to_run_are_named() -> None:
    code, _, err = await ran(steady([CALL]))
    assert (code, err.startswith("realcoze: The bot waits for the result of a tool (clock).")) == (4, True)


async def test_who_is_there_gives_results_and_answers() -> None:
    bot = asking()
    code, out, err = await typing(bot, "noon\rRome\r")
    assert (code, out) == (0, "One moment.\n\nOne moment.\n\nTea in Rome.\n")
    assert err == "· Ask\n→ clock {}\n· Ask\nWhich\ncity?\n· End\n"
    _, results, answer = (turn.request for turn in bot.turns)
    assert results.tool_results == (ToolResult(call_id="c1", output="noon"),)
    assert answer == Request(
        messages=(say("user", "Rome"),),
        bot=NAME,
        chat_id=answer.chat_id,
        conversation_id=answer.conversation_id,
        resume=Resume(event_id="7/5 x", kind="question"),
        wants=Wants(steps=True),
    )
    assert (answer.chat_id, answer.conversation_id) == ("chat-1", "conversation-1")


async def test_a_question_that_stands_on_the_screen_is_not_repeated() -> None:
    async def script(turn: Turn) -> None:
        if turn.request.resume:
            turn.done()
        else:
            turn.feed(*node("Ask", "Which\ncity?"), QUESTION)

    assert await typing(Bot(script), "Rome\r", out=Tty()) == (0, "Which\ncity?\n", "· Ask\n")
    assert await typing(Bot(script), "Rome\r") == (0, "Which\ncity?\n", "· Ask\nWhich\ncity?\n")
    code, out, err = await typing(Bot(script), "Rome\r", out=Tty(), new_spoken=LastOnly)
    assert (code, out, err) == (0, "Which\ncity?\n", "· Ask\nWhich\ncity?\n")


async def test_giving_up_is_an_end_that_waits() -> None:
    assert (await typing(asking(), "\x03"))[0] == 4
    for key in ("\x03", "\x04"):
        code, _, err = await typing(steady([*node("Ask", "Which?"), QUESTION]), key)
        assert code == 4
        assert "\n  Run it again with this in place of its input: --resume '7/5 x' --kind question --answer TEXT" in err
        gone = (await typing(steady([QUESTION]), key, is_kept=False))[2]
        assert gone.endswith("\n  The embedded Coze ends with this command, and the run with it.\n")


async def test_a_blank_line_is_no_answer_and_spends_none() -> None:
    bot = asking()
    assert (await typing(bot, "noon\r\r  \rRome\r"))[0] == 0
    assert [turn.request.messages[-1].text for turn in bot.turns if turn.request.resume] == ["Rome"]


async def test_the_last_node_alone_is_silent_where_the_run_gives_nothing() -> None:
    failing = steady(node("Poem", "one"), Truncated("It broke off."))
    assert await ran(failing, new_spoken=LastOnly) == (69, "", "· Poem\nrealcoze: It broke off.\n")
    for end in (QUESTION, CALL):
        code, out, _ = await ran(steady([*node("Ask", "Which?"), end]), new_spoken=LastOnly)
        assert (code, out) == (4, "")
