import functools
import logging
import threading
from typing import Any

import anyio
import pytest

import realcoze
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest
from realcoze.toolbox import Toolbox, tool


def call(name: str, arguments: str = "{}", call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=arguments)


async def output(*functions: Any, name: str, arguments: str = "{}") -> str:
    """What came of one call."""
    (result,) = await Toolbox(functions).results([call(name, arguments)])
    assert result.call_id == "c1"
    return result.output


def weather(city: str, days: int = 1) -> dict[str, Any]:
    return {"city": city, "days": days, "warm": True}


def broken() -> str:
    raise ValueError("no such city")


async def test_the_arguments_are_those_of_the_function_and_its_result_is_json() -> None:
    arguments = '{"city": "北京", "days": 2}'
    assert await output(weather, name="weather", arguments=arguments) == '{"city": "北京", "days": 2, "warm": true}'


async def test_a_text_is_the_result_as_it_is() -> None:
    def clock() -> str:
        return "noon"

    assert await output(clock, name="clock", arguments="") == "noon"


async def test_a_coroutine_function_is_awaited_and_another_one_runs_beside_the_event_loop() -> None:
    async def here() -> bool:
        await anyio.lowlevel.checkpoint()
        return threading.current_thread() is threading.main_thread()

    def there() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await output(here, name="here") == "true"
    assert await output(there, name="there") == "false"


async def test_a_function_that_only_gives_a_coroutine_is_awaited_too() -> None:
    async def said(text: str) -> str:
        return text

    assert await output(tool("echo")(functools.partial(said, text="hi")), name="echo") == "hi"


async def test_calls_are_answered_in_their_order_each_by_its_id() -> None:
    calls = [call("weather", '{"city": "Rome"}', "c2"), call("nothing", call_id="c3"), call("broken", call_id="c4")]
    results = await Toolbox([weather, broken]).results(calls)
    assert [(result.call_id, result.output) for result in results] == [
        ("c2", '{"city": "Rome", "days": 1, "warm": true}'),
        ("c3", "There is no tool nothing."),
        ("c4", "The tool broken failed: ValueError: no such city"),
    ]


async def test_a_failure_is_a_sentence_for_the_bot_and_a_traceback_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "realcoze.toolbox"):
        assert "Traceback" not in await output(broken, name="broken")
    assert [record.getMessage() for record in caplog.records] == ["the tool broken failed"]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("arguments", ["{", "[1]", '"Rome"', "[" * 100_000])
async def test_arguments_that_are_no_object_are_told_to_the_bot(arguments: str) -> None:
    assert await output(weather, name="weather", arguments=arguments) == "The arguments of weather are no JSON object."


@pytest.mark.parametrize("arguments", ["{}", '{"city": "Rome", "town": "Rome"}'])
async def test_arguments_that_do_not_fit_are_told_to_the_bot(arguments: str) -> None:
    said = await output(weather, name="weather", arguments=arguments)
    assert said.startswith("The tool weather failed: TypeError: weather() ")


async def test_what_no_json_can_say_and_half_an_emoji_do_not_end_the_turn() -> None:
    assert "is not JSON serializable" in await output(tool("strange")(object), name="strange")
    assert await output(tool("half")(lambda: "\ud83d"), name="half") == "?"


async def test_a_tool_that_ends_the_program_has_only_failed() -> None:
    def leave() -> str:
        raise SystemExit(3)

    async def leave_too() -> str:
        raise SystemExit("enough")

    assert await output(leave, name="leave") == "The tool leave failed: SystemExit: 3"
    assert await output(leave_too, name="leave_too") == "The tool leave_too failed: SystemExit: enough"


async def test_an_error_of_ours_is_raised_for_whoever_wants_the_turn_to_end() -> None:
    def gives_up() -> None:
        raise BadRequest("Not today.")

    with pytest.raises(BadRequest, match="Not today"):
        await output(gives_up, name="gives_up")


def test_a_tool_can_be_called_as_the_function_it_is() -> None:
    named = realcoze.tool("weather-lookup")(weather)
    assert (named.name, named("Rome", days=3)["days"]) == ("weather-lookup", 3)
    assert realcoze.tool(weather).name == "weather"


def test_what_has_no_name_is_told_how_to_get_one() -> None:
    nameless = functools.partial(weather, city="Rome")
    for made in (lambda: Toolbox([nameless]), lambda: realcoze.tool(nameless)):
        with pytest.raises(TypeError, match=r'partial has no name; give it one: realcoze\.tool\("name"\)'):
            made()
    assert Toolbox([realcoze.tool("weather")(nameless)])


def test_what_is_no_function_or_has_only_pythons_name_is_refused() -> None:
    with pytest.raises(TypeError, match="`tools` holds str; it takes functions"):
        Toolbox(["weather"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="A tool is a function, and int is none"):
        tool(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="A lambda has no name"):
        Toolbox([lambda: "x"])


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match="Two tools have the name 'weather'"):
        Toolbox([weather, realcoze.tool("weather")(broken)])
