import base64
import json
from typing import Any

import msgspec
import pytest

from realcoze.dialects.anthropic_messages.content import (
    Content,
    WireContent,
    decode_content,
    decode_results,
    decode_text,
)
from realcoze.domain.content import File, Image, Inline, Text
from realcoze.domain.message import Role
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import BadRequest

PNG = b"\x89PNG\r\n\x1a\n"
IN_BASE64 = base64.b64encode(PNG).decode()


def wire(*blocks: Any) -> WireContent:
    return [msgspec.Raw(json.dumps(block).encode()) for block in blocks]


def read(*blocks: Any, role: Role = "user") -> Content:
    return decode_content("messages.3", role, wire(*blocks))


def test_a_string_is_one_text() -> None:
    assert decode_content("m", "user", "Hi") == Content(parts=(Text(text="Hi"),))


def test_no_text_is_no_part() -> None:
    assert decode_content("m", "user", "") == Content()
    assert read({"type": "text", "text": ""}) == Content()


def test_blocks_keep_their_order_and_unknown_members_are_passed_over() -> None:
    found = read(
        {"type": "text", "text": "What is", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "text", "text": "this?", "citations": None},
    )
    assert found.parts == (Text(text="What is"), Image(url="https://x.test/a.png"), Text(text="this?"))


def test_a_picture_comes_in_base64_by_its_address_or_by_the_key_of_an_upload() -> None:
    found = read(
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": IN_BASE64}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "7338"}},
    )
    assert found.parts == (Inline(data=PNG), Image(url="https://x.test/a.png"), Image(key="7338"))


def test_lines_of_base64_may_be_broken() -> None:
    wrapped = "\r\n".join(IN_BASE64[at : at + 4] for at in range(0, len(IN_BASE64), 4)) + "\n"
    assert read({"type": "image", "source": {"type": "base64", "data": wrapped}}).parts == (Inline(data=PNG),)


def test_results_are_read_to_the_letter_only_when_they_are_handed_in() -> None:
    shown = [{"type": "image", "source": {}}, {"type": "text", "text": "A cat."}]
    found = read({"type": "tool_result", "tool_use_id": "c1", "content": shown})
    assert found.parts == (ToolResult(call_id="c1", output="A cat."),)
    with pytest.raises(BadRequest):
        decode_results(found)


def test_a_document_comes_like_a_picture_with_its_title_for_a_name_or_as_plain_text() -> None:
    found = read(
        {"type": "document", "source": {"type": "base64", "data": IN_BASE64}, "title": "a.pdf"},
        {"type": "document", "source": {"type": "base64", "data": IN_BASE64}},
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "7338"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Once upon a time"}},
    )
    assert found.parts == (
        Inline(data=PNG, name="a.pdf"),
        Inline(data=PNG),
        File(url="https://x.test/a.pdf"),
        File(key="7338"),
        Text(text="Once upon a time"),
    )


def test_the_result_of_a_tool_is_text_however_it_is_written() -> None:
    found = read(
        {"type": "tool_result", "tool_use_id": "c1", "content": "warm"},
        {
            "type": "tool_result",
            "tool_use_id": "c2",
            "is_error": True,
            "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        },
        {"type": "tool_result", "tool_use_id": "c3"},
    )
    assert decode_results(found) == (
        ToolResult(call_id="c1", output="warm"),
        ToolResult(call_id="c2", output="Error: one\ntwo"),
        ToolResult(call_id="c3", output=""),
    )
    assert [part.output for part in found.parts if isinstance(part, ToolResult)] == ["warm", "Error: one\ntwo", ""]
    assert read({"type": "tool_result", "tool_use_id": 1}).parts == ()


def test_of_a_bot_s_own_blocks_what_it_said_and_called_is_read() -> None:
    found = read(
        {"type": "thinking", "thinking": "hm", "signature": "…"},
        {"type": "redacted_thinking", "data": "…"},
        {"type": "text", "text": "Wait."},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"in": "Rome"}},
        {"type": "tool_use", "id": "c2", "name": None},
        {"type": "of_tomorrow", "content": {"any": 1}},
        role="assistant",
    )
    called = ToolCall(call_id="c1", name="weather", arguments='{"in": "Rome"}')
    assert found == Content(parts=(Text(text="Wait."), called))


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "search_result", "content": []}, "messages.3.content.0 is a block of type 'search_result'"),
        ({"type": "image"}, "messages.3.content.0: Object missing required field `source`"),
        ({"type": "image", "source": {"type": "ftp"}}, "messages.3.content.0: Invalid value 'ftp'"),
        ({"type": "image", "source": {"type": "base64", "data": "?"}}, "messages.3.content.0: Invalid base64"),
        ({"type": "image", "source": {"type": "base64", "data": "é"}}, "messages.3.content.0: Invalid base64"),
        ({"type": "image", "source": {"type": "base64", "data": ""}}, "messages.3.content.0 has a source without data"),
        (
            {"type": "document", "source": {"type": "base64", "data": " \n"}},
            "messages.3.content.0 has a source without data",
        ),
        ({"text": "Hi"}, "messages.3.content.0: Object missing required field `type`"),
        (
            {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AA=="}},
            "messages.3.content.0 has an address that is not on the web",
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "file:///etc/passwd"}},
            "messages.3.content.0 has an address that is not on the web",
        ),
        ("Hi", "messages.3.content.0: Expected `object`, got `str`"),
        (
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "image"}]},
            "messages.3.content.0.content.0 is a block of type 'image', where a bot on Coze takes text only",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(block: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode_results(read(block))
    assert refused.value.message.startswith(said)


def test_instructions_are_a_string_or_blocks_of_text() -> None:
    assert decode_text("system", "Be brief.") == "Be brief."
    blocks = wire({"type": "text", "text": "Be"}, {"type": "text", "text": "brief."})
    assert decode_text("system", blocks) == "Be\nbrief."


def test_half_an_emoji_is_no_reason_to_refuse() -> None:
    found = decode_content("m", "user", [msgspec.Raw(b'{"type":"text","text":"a\\ud83d"}')])
    assert found.parts == (Text(text="a\ufffd"),)


def test_what_an_emulated_tool_shows_is_a_part_of_the_message() -> None:
    """As Claude Code 2.1.197 hands in a picture and a document that its tool Read has read."""
    source = {"type": "base64", "data": IN_BASE64, "media_type": "image/png"}
    shown = [{"type": "image", "source": source}, {"type": "text", "text": "Two."}]
    shown.append({"type": "document", "source": source, "title": "a.pdf"})
    found = read({"tool_use_id": "call_emulated_1", "type": "tool_result", "content": shown})
    told = ToolResult(call_id="call_emulated_1", output="Two.")
    assert found.parts == (told, Inline(data=PNG), Inline(data=PNG, name="a.pdf"))
    assert decode_results(found) == (told,)


def test_what_an_emulated_tool_shows_must_be_readable() -> None:
    with pytest.raises(BadRequest, match=r"messages\.3\.content\.0\.content\.0: Invalid base64"):
        read(
            {
                "tool_use_id": "call_emulated_1",
                "type": "tool_result",
                "content": [{"type": "image", "source": {"type": "base64", "data": "?"}}],
            }
        )
