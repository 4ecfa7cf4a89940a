import pytest

from open_coze import open_coze
from realcoze.emulator.fault import CALL_FAULTS as OLD_CALL_FAULTS
from realcoze.emulator.fault import PUSH_FAULTS, Fault, find_fault
from realcoze.emulator.open_api.fault import (
    CALL_FAULTS,
    CHAT_FAULTS,
    STREAM_FAULTS,
    TURN_FAULTS,
    WORKFLOW_FAULTS,
    number,
    raw_answer,
    seconds,
)

RESTING = frozenset({"stall", "silent", "deaf", "half", "stuck", "trickle"})
HARD = frozenset({"cut", "reset", "garbage"})


@pytest.mark.parametrize("name", CHAT_FAULTS)
def test_every_fault_can_be_asked_for(name: str) -> None:
    assert find_fault(f"hello [[fault {name} after=2 value=x-1]]", CHAT_FAULTS) == Fault(name, 2, "x-1")


def test_every_fault_is_described_for_people() -> None:
    assert len(CHAT_FAULTS) == len(CALL_FAULTS) + len(TURN_FAULTS) + len(STREAM_FAULTS)
    assert all(about and not about.endswith(".") for about in CHAT_FAULTS.values())


def test_the_faults_of_workflows_are_among_those_of_chats() -> None:
    assert set(CHAT_FAULTS) > WORKFLOW_FAULTS > set(CALL_FAULTS)


@pytest.mark.parametrize("name", ["stall", "silent", "broken", "rewrite"])
def test_what_the_playground_has_too_means_the_same(name: str) -> None:
    assert CHAT_FAULTS[name].startswith({**OLD_CALL_FAULTS, **PUSH_FAULTS}[name])


@pytest.mark.parametrize(
    ("fault", "status", "begin", "content_type", "headers"),
    [
        (Fault("region"), 200, b'{"code":1,', "application/json", {}),
        (Fault("session"), 401, b'{"code":4100,', "application/json", {}),
        (Fault("risk"), 200, b'{"code":4102,', "application/json", {}),
        (Fault("quota"), 200, b'{"code":4008,', "application/json", {}),
        (Fault("broken"), 502, b"<html>", "text/html", {}),
        (Fault("code"), 200, b'{"code":4016,', "application/json", {}),
        (Fault("code", value="5000"), 200, b'{"code":5000,', "application/json", {}),
        (Fault("failing"), 500, b'{"code":5000,', "application/json", {}),
        (Fault("failing", value="503"), 503, b'{"code":5000,', "application/json", {}),
        (Fault("empty"), 500, b"", "application/json", {}),
        (Fault("blank"), 200, b"", "application/json", {}),
        (Fault("login"), 200, b"<!DOCTYPE html>", "text/html", {}),
        (Fault("redirect"), 302, b"", "text/html", {"Location": "/sign"}),
        (Fault("limit"), 429, b'{"code":4020,', "application/json", {}),
        (Fault("limit", value="-5"), 429, b'{"code":4020,', "application/json", {"Retry-After": "-5"}),
        (Fault("limit", value="date"), 429, b'{"code":4020,', "application/json", {"Retry-After": "a date"}),
        (Fault("event", value="4100"), 200, b'event:error\ndata:{"code":4100,', "text/event-stream", {}),
    ],
)
def test_a_call_that_comes_to_no_chat_is_answered_so(
    fault: Fault, status: int, begin: bytes, content_type: str, headers: dict[str, str]
) -> None:
    raw = raw_answer(fault, http_date="a date")
    assert raw is not None
    assert (raw.status, raw.content_type, raw.headers) == (status, content_type, headers)
    assert raw.body.startswith(begin)


@pytest.mark.parametrize("name", ["mime", "stall", "silent", *TURN_FAULTS, *STREAM_FAULTS])
def test_all_other_faults_come_to_a_chat(name: str) -> None:
    assert raw_answer(Fault(name), http_date="") is None


@pytest.mark.parametrize(("value", "read"), [("", 7), ("x", 7), ("-1", 7), ("12", 12), ("9" * 20, 7), ("²", 7)])
def test_a_value_that_is_no_number_counts_for_nothing(value: str, read: int) -> None:
    assert number(Fault("code", value=value), 7) == read


@pytest.mark.parametrize(("value", "read"), [("", 7.0), ("x", 7.0), ("0.5", 0.5), ("-1", 0.0), ("1e9", 86400.0)])
def test_a_value_that_is_no_time_counts_for_nothing(value: str, read: float) -> None:
    assert seconds(Fault("trickle", value=value), 7) == read


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("personality", ["coze", "studio"])
@pytest.mark.parametrize("words", ["one two three", ""])
@pytest.mark.parametrize("name", [name for name in CHAT_FAULTS if name not in RESTING | HARD])
async def test_every_fault_that_ends_is_answered_by_any_bot_and_leaves_the_server_well(
    name: str, words: str, personality: str
) -> None:
    value = {"large": " value=100", "tiny": " value=100"}.get(name, "")
    async with open_coze(personality=personality) as coze:
        answer = await coze.chat(f"{words} [[fault {name} after=1{value}]]")
        assert (answer.status == 500) == (name in ("failing", "empty"))
        assert (await coze.chat("and on")).said == "and on"


@pytest.mark.usefixtures("nothing_left")
async def test_a_stream_may_call_itself_something_else() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("hello [[fault mime]]")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.said == "hello"


@pytest.mark.usefixtures("nothing_left")
async def test_a_whole_chat_has_the_faults_of_its_turn() -> None:
    async with open_coze() as coze:
        assert (await coze.chat("hello [[fault code value=4020]]", stream=False)).json["code"] == 4020
        assert (await coze.chat("hello [[fault broken]]", stream=False)).status == 502
