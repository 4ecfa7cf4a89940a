"""The prompts on a pipe in place of a terminal; tests/faces/terminal/test_chat.py has them on one."""

from io import StringIO

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.faces.terminal.results import ask_again, ask_results

CALLS = (
    ToolCall(call_id="c1", name="clock\x1b[2J", arguments='{"zone":\n"CET"}'),
    ToolCall(call_id="c2", name="note", arguments="{}"),
)


async def typed(keys: str) -> tuple[tuple[ToolResult, ...] | None, str]:
    """What came of it, and what was shown above the prompts."""
    paper = StringIO()
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(keys)
        results = await ask_results(CALLS, PromptSession(), Console(file=paper, width=80))
    return results, paper.getvalue()


async def test_each_call_is_shown_and_gets_what_is_typed_an_empty_line_is_done() -> None:
    results, shown = await typed("12:00 \r\r")
    assert results == (ToolResult(call_id="c1", output="12:00"), ToolResult(call_id="c2", output="done"))
    assert shown.splitlines() == ['→ clock[2J {"zone": "CET"}', "→ note {}"]


@pytest.mark.parametrize("key", ["\x03", "\x04"])
async def test_ctrl_c_and_ctrl_d_give_up(key: str) -> None:
    results, shown = await typed(f"12:00\r{key}")
    assert results is None
    assert shown.endswith("→ note {}\n")


@pytest.mark.parametrize(("key", "is_wanted"), [("\r", True), ("\x03", False), ("\x04", False)])
async def test_enter_hands_the_same_in_again(key: str, is_wanted: bool) -> None:  # noqa: FBT001 - a case
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(key)
        assert await ask_again(PromptSession()) is is_wanted
