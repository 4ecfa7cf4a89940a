"""What stands on the wire between a client of OpenAI's or Anthropic's API and realcoze, with an emulated Coze behind.

The rules are those of CLIENTS; other people's clients judge the same in tests/judges.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from callers import BOTH_FACES, LINE_BYTES, SIGNS_OF_LIFE, ask, port_of, question, read
from houses import served_openly
from native_server import Answer, connected, parsed
from realcoze.dialects.coze_open.chat import CANCEL_PATH, CHAT_PATH
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from reliability.faces import ANTHROPIC, OPENAI, Face
from reliability.stage import staged
from servers import Coze, emulated, held, soon, until_held

WORDS = "one two three four five six"
EVERY_SCRIPT = "naïve 你好，世界 👋🏽 👩‍👩‍👧 𝄞 \u2028 \u0085 end"


class House:
    """A realcoze before each Coze, which does not ask Coze for the rest of an answer."""

    def __init__(self, ports: dict[Personality, int], cozes: dict[Personality, Coze]) -> None:
        self.ports, self.cozes = ports, cozes

    @property
    def port(self) -> int:
        return self.ports["coze"]

    @property
    def coze(self) -> Coze:
        return self.cozes["coze"]


@pytest.fixture(scope="module")
async def open_house(anyio_backend: object, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for all tests of this file: to end one takes uvicorn a fifth of a second."""
    before = held()
    async with AsyncExitStack() as stack:
        ports: dict[Personality, int] = {}
        cozes: dict[Personality, Coze] = {}
        for personality in ("coze", "studio"):
            settings = OpenSettings(personality=personality, pace=0.0)
            cozes[personality] = await stack.enter_async_context(emulated(settings))
            folder = tmp_path_factory.mktemp(personality)
            served = served_openly(cozes[personality], folder, recovery_calls=0, gate_s=60.0, keepalive_s=0.05)
            ports[personality] = port_of(await stack.enter_async_context(served))
        yield House(ports, cozes)
    await until_held(before)


@pytest.fixture
def house(open_house: House) -> House:
    return open_house


def chunks_of(answer: Answer) -> list[Any]:
    """The chunks of a stream that ends well; all of its lines are data."""
    *lines, done = [line for line in answer.text.split("\n") if line and not line.startswith(":")]
    assert done == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


# What goes out


async def test_the_lines_of_a_chat_completion_are_data_whatever_the_bot_says(house: House) -> None:
    """CLIENTS §4.2 rule 2."""
    said = "a\nevent: ping\nid: 1\nretry: 5\n\ndata: {}\r\n: x\u2028event: y"
    answer = await ask(house.port, OPENAI, said)
    assert read(OPENAI, answer) == (said, {})
    assert {line[:6] for line in answer.text.split("\n") if line} == {"data: "}


async def test_chunks_have_one_head_one_role_one_end_and_then_the_usage_that_was_asked_for(house: House) -> None:
    """CLIENTS §4.2 rule 3.  CLIENTS §4.2 rule 4."""
    *chunks, last = chunks_of(await ask(house.port, OPENAI, WORDS, stream_options={"include_usage": True}))
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in [*chunks, last]}) == 1
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 12)
    assert not [chunk for chunk in chunks if "usage" in chunk]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert len(choices) == len(chunks)
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert not [choice for choice in choices[1:] if "role" in choice["delta"]]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert not [chunk for chunk in chunks_of(await ask(house.port, OPENAI, WORDS)) if "usage" in chunk]


@BOTH_FACES
async def test_an_event_of_a_mebibyte_arrives_whole_in_lines_that_every_client_reads(house: House, face: Face) -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 3."""
    for is_streamed in (True, False):
        answer = await ask(house.port, face, f"hi [[fault large value={1 << 20}]]", is_streamed=is_streamed)
        text, error = read(face, answer)
        assert (len(text) >= 1 << 20, error) == (True, {})
        if is_streamed:
            assert max(len(line.encode()) for line in answer.text.split("\n")) <= LINE_BYTES


@BOTH_FACES
async def test_an_event_above_8_mib_is_refused(house: House, face: Face) -> None:
    """CLIENTS §4.2 rule 7."""
    _, error = read(face, await ask(house.port, face, f"hi [[fault large value={9 << 20}]]"))
    assert face.code_of(error) == "event_too_large"


# What comes in


@BOTH_FACES
@pytest.mark.parametrize("is_streamed", [True, False])
async def test_text_that_comes_byte_by_byte_is_text(house: House, face: Face, *, is_streamed: bool) -> None:
    """CLIENTS §5 item 1: each byte of Coze's stream is a chunk of its own."""
    said = f"{EVERY_SCRIPT} [[fault bytes]]"
    assert read(face, await ask(house.port, face, said, is_streamed=is_streamed)) == (EVERY_SCRIPT, {})


LOOKS = [
    *("crlf", "cr", "bom", "comments", "fields", "lines", "spaces", "unknown", "tiny value=1000"),
    *("abrupt", "undone", "ending value=empty", "ending value=plain", "ending value=object", "numbers", "sparse"),
]


@BOTH_FACES
@pytest.mark.parametrize("mark", LOOKS)
async def test_an_answer_is_the_same_however_coze_frames_it(house: House, face: Face, mark: str) -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 2."""
    assert read(face, await ask(house.port, face, f"{EVERY_SCRIPT} [[fault {mark}]]")) == (EVERY_SCRIPT, {})


@BOTH_FACES
async def test_studio_ends_its_stream_with_an_event_without_data(house: House, face: Face) -> None:
    """CLIENTS §5 item 2."""
    assert read(face, await ask(house.ports["studio"], face, EVERY_SCRIPT)) == (EVERY_SCRIPT, {})


# Failures


@BOTH_FACES
@pytest.mark.parametrize("mark", ["reset", "cut", "eof", "torn", "failed", "error", "garbage"])
async def test_an_answer_that_breaks_off_ends_with_an_error_and_the_connection(
    house: House, face: Face, mark: str
) -> None:
    """CLIENTS §4.2 rule 5.  CLIENTS §4.3.  CLIENTS §5 item 5.  CLIENTS §5 item 8."""
    asked = question(face, f"{WORDS} [[fault {mark} after=3]]", headers={"connection": "keep-alive"})
    async with connected(house.port) as client:
        await client.send(asked)
        answer = parsed(await client.rest())
    text, error = read(face, answer)
    assert (answer.status, text) == (200, "one two three")
    assert error["message"]
    assert "[DONE]" not in answer.text


@BOTH_FACES
@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(
    ("fault", "statuses", "code"),
    [
        ("failed value=5000", (502, 500), "coze_5000"),
        ("failed value=4020", (429, 429), "rate_limited"),
        ("failed value=4009", (503, 529), "overloaded"),
        ("failed value=4016", (409, 429), "conversation_busy"),
    ],
)
async def test_a_chat_that_fails_before_its_first_word_has_a_status_and_is_not_to_be_asked_again(
    house: House, face: Face, fault: str, statuses: tuple[int, int], code: str, *, is_streamed: bool
) -> None:
    """CLIENTS §5 item 8.  CLIENTS §4.2 rule 11: the chat exists, so another call would cost another one."""
    before = house.coze.open_api.seen.count(CHAT_PATH)
    answer = await ask(house.port, face, f"{WORDS} [[fault {fault}]]", is_streamed=is_streamed)
    assert answer.status == dict(zip((OPENAI.name, ANTHROPIC.name), statuses, strict=True))[face.name]
    assert face.code_of(answer.json["error"]) == code
    assert answer.headers["x-should-retry"] == "false"
    assert house.coze.open_api.seen.count(CHAT_PATH) - before == 1


@pytest.mark.parametrize(
    ("mark", "status", "told"),
    [
        ("code value=4000", 400, {"type": "invalid_request_error", "code": "coze_4000"}),
        ("code value=4015", 404, {"type": "invalid_request_error", "code": "model_not_found"}),
        ("code value=4009", 503, {"type": "overloaded", "code": "overloaded"}),
        ("code value=4028", 429, {"type": "insufficient_quota", "code": "insufficient_quota"}),
        ("limit value=2", 429, {"type": "rate_limit_error", "code": "rate_limited"}),
        ("event value=5000", 502, {"type": "upstream_error", "code": "coze_5000"}),
        ("broken", 502, {"type": "upstream_error", "code": "upstream_protocol"}),
    ],
)
async def test_what_coze_refuses_in_its_own_words_is_a_status_with_the_members_of_an_error(
    house: House, mark: str, status: int, told: dict[str, str]
) -> None:
    """CLIENTS §4.2 rule 10: most of these Coze answers with HTTP 200.  CLIENTS §4.2 rule 11."""
    answer = await ask(house.port, OPENAI, f"hello [[fault {mark}]]")
    error = answer.json["error"]
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert error == {**told, "param": None, "message": error["message"]}
    assert "(logid 20" in error["message"]
    assert ("channel API" in error["message"]) is (mark == "code value=4015"), "a hint where somebody can help"
    may_pass = told["code"] in ("overloaded", "rate_limited")
    assert answer.headers["x-should-retry"] == ("true" if may_pass else "false")
    assert answer.headers.get("retry-after") == ({"limit value=2": "2"}.get(mark, "1") if may_pass else None)


# Silence and leaving


@BOTH_FACES
async def test_while_coze_is_silent_a_client_has_signs_of_life_and_when_it_leaves_the_chat_is_cancelled(
    house: House, face: Face
) -> None:
    """CLIENTS §4.2 rule 1.  CLIENTS §4.3.  CLIENTS §5 item 6.  CLIENTS §5 item 7."""
    seen = house.coze.open_api.seen
    before = seen.count(CANCEL_PATH)
    async with connected(house.port) as client:
        await client.send(question(face, f"{WORDS} [[fault deaf after=2]]"))
        got = await client.until(SIGNS_OF_LIFE[face.name], times=5)
        assert b"two" in got
        assert seen.open_streams == 1
        client.leave()
        await soon(lambda: seen.count(CANCEL_PATH) > before and seen.open_streams == 0)


@BOTH_FACES
async def test_a_client_that_leaves_a_whole_answer_ends_the_chat_too(face: Face, tmp_path: Path) -> None:
    """CLIENTS §5 item 7."""
    async with staged(tmp_path) as stage, connected(stage.port) as client:
        await client.send(question(face, f"{WORDS} [[fault deaf after=2]]", is_streamed=False))
        await stage.witness.until(lambda: b"two" in stage.witness.said)
        client.leave()
        await soon(lambda: stage.seen.count(CANCEL_PATH) == 1 and stage.seen.open_streams == 0)
