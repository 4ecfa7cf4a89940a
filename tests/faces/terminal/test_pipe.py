import io
from collections.abc import Sequence

import pytest

from realcoze.domain.event import (
    Event,
    InputRequested,
    Interrupt,
    Step,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
)
from realcoze.domain.ids import BotName, MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest, RateLimited, RealcozeError, Truncated, UpstreamDenied, UpstreamFailed
from realcoze.faces.terminal.pipe import answer_pipe, read_question
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from servers import Failing


def text(said: str, message_id: str = "1") -> TextDelta:
    return TextDelta(message_id=MessageId(message_id), text=said)


def anew(said: str, message_id: str = "1") -> TextReplaced:
    return TextReplaced(message_id=MessageId(message_id), text=said)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


async def piped(
    events: Sequence[Event], error: RealcozeError | None = None, out: io.StringIO | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    bot = BotName("bot")
    chats = Failing(*events, error=error)
    out, err = out or io.StringIO(), io.StringIO()
    code = await answer_pipe(Gateway(Routes({bot: chats})), "hi", bot=bot, out=out, err=err)
    assert [message.text for message in chats.requests[0].messages] == ["hi"]
    return code, out.getvalue(), err.getvalue()


async def test_the_answer_and_nothing_else() -> None:
    step = Step(kind="call", title="weather", body="{}")
    assert await piped([step, text("Hel"), text("lo"), TurnDone()]) == (0, "Hello\n", "")


async def test_messages_stand_apart() -> None:
    assert await piped([text("one"), text("two", "2"), TurnDone()]) == (0, "one\n\ntwo\n", "")


async def test_what_was_taken_back_stays_and_the_new_text_follows() -> None:
    assert await piped([text("one"), anew("two"), text(", three"), TurnDone()]) == (0, "one\n\ntwo, three\n", "")


async def test_an_answer_may_begin_with_a_whole_text() -> None:
    assert await piped([anew("one"), text(", two"), TurnDone()]) == (0, "one, two\n", "")


async def test_an_empty_answer_is_empty() -> None:
    assert await piped([TurnDone()]) == (0, "", "")


async def test_a_failure_at_once() -> None:
    error = UpstreamDenied("The session has ended", hint="Log in again.")
    assert await piped([], error) == (77, "", "realcoze: The session has ended. Log in again.\n")
    assert (await piped([], RateLimited("Too fast.")))[0] == 75
    unreachable = UpstreamFailed("coze.test cannot be reached.", code="upstream_unreachable")
    code, _, told = await piped([], unreachable)
    assert (code, told.startswith("realcoze: coze.test cannot be reached. Look at the base address")) == (69, True)


async def test_a_failure_in_the_middle_has_a_code_of_its_own() -> None:
    assert await piped([text("Hel")], Truncated("It broke off.")) == (3, "Hel\n", "[interrupted] It broke off.\n")


async def test_a_bot_that_waits_is_no_answer() -> None:
    tool = ToolCallsRequested(calls=(ToolCall(call_id="1", name="take\x1b_picture", arguments="{}"),))
    said = (
        "realcoze: The bot waits for the result of a tool (take_picture). `realcoze chat` on a terminal asks you "
        "for it; from Python a function of yours is called.\n"
    )
    assert await piped([tool]) == (4, "", said)
    assert await piped([text("Wait."), tool]) == (4, "Wait.\n", said)
    asked = InputRequested(interrupt=Interrupt(event_id="1", kind="question", data={"question": "Which\ncity?"}))
    assert await piped([asked]) == (
        4,
        "",
        "realcoze: The bot's workflow asks: Which city? `realcoze chat` on a terminal takes your answer.\n",
    )


async def test_bytes_are_kept_but_for_a_terminal() -> None:
    events: list[Event] = [text("a\x1b[2Jb"), TurnDone()]
    assert (await piped(events))[1] == "a\x1b[2Jb\n"
    assert (await piped(events, out=Tty()))[1] == "a[2Jb\n"


@pytest.mark.parametrize(
    ("piped_in", "question"),
    [(b"Hello\n", "Hello"), ("\ufeff你好\r\n".encode(), "你好"), (b"\n one\n\n two \n", "one\n\n two")],
)
def test_a_question(piped_in: bytes, question: str) -> None:
    assert read_question(piped_in) == question


@pytest.mark.parametrize(
    ("piped_in", "said"),
    [
        (b"", "There is no question on standard input."),
        (b" \n\t\n", "There is no question on standard input."),
        ("abc你好".encode("gbk"), "The question on standard input is not UTF-8: byte 3 is 0xc4."),
    ],
)
def test_no_question(piped_in: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_question(piped_in)
    assert caught.value.message == said
    assert caught.value.hint
