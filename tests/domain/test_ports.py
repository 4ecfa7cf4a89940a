from typing import get_type_hints

from realcoze.domain.event import Event
from realcoze.domain.ports import Chats, Flow, Sink
from realcoze.domain.request import Request


def methods(port: type) -> set[str]:
    return {name for name in vars(port) if not name.startswith("_")}


def test_the_ports_are_as_small_as_they_are_described() -> None:
    assert methods(Flow) == {"pause", "resume"}
    assert methods(Sink) == {"open", "feed"}
    assert methods(Chats) == {"converse"}


def test_the_ports_speak_of_the_domain_only() -> None:
    assert get_type_hints(Sink.feed)["event"] == Event
    assert get_type_hints(Sink.open)["flow"] is Flow
    assert get_type_hints(Chats.converse) == {"request": Request, "sink": Sink, "return": type(None)}
