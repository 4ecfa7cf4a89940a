import pytest

from realcoze import errors
from realcoze.domain.event import Interrupt
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.exits import BROKE_OFF, exit_code, explain, explain_calls, explain_question


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.BadRequest("?"), 65),
        (errors.TooLarge("?"), 65),
        (errors.ContextTooLong("?"), 65),
        (errors.ContentRefused("?"), 65),
        (errors.NotFound("?"), 65),
        (errors.Busy("?"), 65),
        (errors.Unauthorized("?"), 77),
        (errors.UpstreamDenied("?"), 77),
        (errors.Overloaded("?"), 75),
        (errors.RateLimited("?"), 75),
        (errors.UpstreamTimeout("?"), 75),
        (errors.Misconfigured("?"), 78),
        (errors.Internal("?"), 70),
        (errors.UpstreamFailed("?"), 69),
        (errors.QuotaExhausted("?"), 69),
        (errors.Truncated("?"), 69),
        (RealcozeError("?"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failures_are_told_apart(error: RealcozeError, code: int) -> None:
    assert exit_code(error) == code
    assert exit_code(error, has_text=True) == BROKE_OFF == 3


@pytest.mark.parametrize(
    ("message", "hint", "said"),
    [
        ("It is broken.", None, "It is broken."),
        ("It is broken", "Mend it.", "It is broken. Mend it."),
        ("为什么？", "因为", "为什么？ 因为"),
        ("Really!\n", None, "Really!"),
        ("a\x1b[31mb", "c\x07d", "a[31mb. cd"),
    ],
)
def test_a_failure_is_a_sentence_and_what_to_do(message: str, hint: str | None, said: str) -> None:
    assert explain(errors.UpstreamFailed(message, hint=hint)) == said


def test_what_a_bot_waits_for_is_a_sentence_with_a_way_to_go_on() -> None:
    calls = [ToolCall(call_id=name, name=name, arguments="{}") for name in ("clock", "note\x1b")]
    assert explain_calls(calls).startswith("The bot waits for the result of a tool (clock, note). `realcoze chat`")
    asked = Interrupt(event_id="1", kind="question", data={"question": "Which\ncity?"})
    assert explain_question(asked).startswith("The bot's workflow asks: Which city? `realcoze chat`")
    silent = Interrupt(event_id="1", kind="plugin", data={})
    assert explain_question(silent).startswith("The bot's workflow asks for something. `realcoze chat`")
