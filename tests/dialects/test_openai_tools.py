from typing import Any

import msgspec
import pytest

from realcoze.dialects.openai_tools import CallBody, Choice, Format, ToolBody, decode_calls, decode_form, decode_offer
from realcoze.domain.tool import Form, Offer, Tool, ToolCall
from realcoze.errors import BadRequest

SCHEMA = {"type": "object"}
WITHIN = {"type": "function", "function": {"name": "f", "description": "does", "parameters": SCHEMA, "strict": True}}
ITSELF = {"type": "function", "name": "f", "description": "does", "parameters": SCHEMA, "strict": True}
BARE = {"type": "function", "name": "g", "description": None, "parameters": None, "strict": None}
F, G = Tool(name="f", description="does", parameters='{"type":"object"}', is_strict=True), Tool(name="g")


def offer(*tools: Any, choice: Any = None, is_parallel: bool | None = None) -> Offer | None:
    read = msgspec.json.decode(msgspec.json.encode(tools), type=list[ToolBody])
    chosen = msgspec.json.decode(msgspec.json.encode(choice), type=str | Choice | None)
    return decode_offer(read, chosen, is_parallel=is_parallel)


@pytest.mark.parametrize("tool", [WITHIN, ITSELF])
def test_a_function_stands_within_a_tool_or_is_one(tool: Any) -> None:
    assert offer(tool, BARE) == Offer(tools=(F, G))


def test_tools_that_are_no_functions_are_passed_over() -> None:
    assert offer({"type": "web_search"}, {"type": "custom", "custom": {"name": "x"}}, {"type": "function"}) is None
    assert decode_offer(None, None, is_parallel=None) is None


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", Offer(tools=(F, G))),
        ("none", None),
        ("required", Offer(tools=(F, G), is_demanded=True)),
        ({"type": "function", "function": {"name": "g"}}, Offer(tools=(G,), is_demanded=True)),
        ({"type": "function", "name": "g"}, Offer(tools=(G,), is_demanded=True)),
        ({"type": "allowed_tools", "mode": "auto", "tools": [ITSELF]}, Offer(tools=(F,))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WITHIN]}},
            Offer(tools=(F,), is_demanded=True),
        ),
    ],
)
def test_a_choice_leaves_some_and_may_demand_one(choice: Any, expected: Offer | None) -> None:
    assert offer(ITSELF, BARE, choice=choice) == expected


def test_one_call_alone_may_be_wanted() -> None:
    assert offer(BARE, is_parallel=False) == Offer(tools=(G,), is_single=True)
    assert offer(BARE, is_parallel=True) == Offer(tools=(G,))


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "h"}, {"type": "web_search"}])
def test_a_demand_that_no_tool_can_meet_is_refused(choice: Any) -> None:
    with pytest.raises(BadRequest, match="`tool_choice` demands a tool"):
        offer(*([] if choice == "required" else [BARE]), choice=choice)


@pytest.mark.parametrize(
    ("format_", "form"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Form()),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, Form(schema='{"type":"object"}')),
        ({"type": "json_schema", "name": "n", "schema": SCHEMA}, Form(schema='{"type":"object"}')),
    ],
)
def test_a_form_is_an_object_or_what_fits_a_schema(format_: Any, form: Form | None) -> None:
    assert decode_form(msgspec.json.decode(msgspec.json.encode(format_), type=Format), "x") == form
    assert decode_form(None, "x") is None


@pytest.mark.parametrize("kind", ["grammar", "json_schema"])
def test_a_form_without_a_schema_or_of_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(BadRequest, match=r"`text\.format` is neither text"):
        decode_form(Format(type=kind), "text.format")


def test_calls_of_the_past_are_read_as_far_as_they_can_be() -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "2", "function": {"name": "g", "arguments": {"a": 1}}},
        {"id": "3", "type": "custom", "custom": {"name": "x", "input": "y"}},
        {"id": "4", "function": {"name": ""}},
    ]
    read = msgspec.json.decode(msgspec.json.encode(calls), type=list[CallBody])
    assert list(decode_calls(read)) == [
        ToolCall(call_id="1", name="f", arguments='{"a":1}'),
        ToolCall(call_id="2", name="g", arguments='{"a":1}'),
    ]
