from inspect import Parameter, signature
from typing import get_args

import pytest

from realcoze.domain.event import (
    ENDS,
    Event,
    InputRequested,
    Interrupt,
    TextDelta,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
)
from realcoze.domain.ids import MessageId
from realcoze.domain.request import Json


def test_the_union_is_closed_and_has_fourteen_members() -> None:
    assert [kind.__name__ for kind in get_args(Event)] == [
        "TurnStarted",
        "TextDelta",
        "TextReplaced",
        "ReasoningDelta",
        "AnswerDone",
        "Step",
        "ToolCallsRequested",
        "InputRequested",
        "Suggestion",
        "AudioDelta",
        "Usage",
        "TurnDone",
        "TurnFailed",
        "Unknown",
    ]


def test_four_events_end_a_turn() -> None:
    assert set(ENDS) == {TurnDone, TurnFailed, ToolCallsRequested, InputRequested}
    assert set(ENDS) <= set(get_args(Event))


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_is_a_frozen_value_without_a_dict(kind: type[Event]) -> None:
    assert "__dict__" not in dir(kind)
    config = kind.__struct_config__
    assert config.frozen
    assert config.eq
    assert all(parameter.kind is Parameter.KEYWORD_ONLY for parameter in signature(kind).parameters.values())


@pytest.mark.parametrize(
    ("data", "question"),
    [
        ({}, ""),
        ({"node_title": "Ask"}, "Ask"),
        ({"node_title": "Ask", "data": "Which city?"}, "Which city?"),
        ({"node_title": "Ask", "question": "Which city?", "data": "{}"}, "Which city?"),
        ({"node_title": "Ask", "question": "", "data": [{"name": "城市"}]}, "Wanted, as JSON or in words: 城市"),
        (
            {
                "data": [
                    {"name": "name", "type": "string", "required": True, "description": "Who comes"},
                    {"name": "guests", "type": "integer"},
                ]
            },
            "Wanted, as JSON or in words: name (Who comes, string, required); guests (integer)",
        ),
        ({"data": [{"label": "城市"}]}, '[{"label": "城市"}]'),
        ({"data": {"name": "x"}}, '{"name": "x"}'),
        ({"data": ["x"]}, '["x"]'),
    ],
)
def test_what_an_interrupt_asks_is_found_where_the_workflow_says_it(data: dict[str, Json], question: str) -> None:
    assert Interrupt(event_id="1", kind="question", data=data).question == question


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TextDelta(message_id=MessageId("m"), text="a").text = "b"  # type: ignore[misc]
