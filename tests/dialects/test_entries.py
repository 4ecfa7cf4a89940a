from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.dialects.entries import Entry, Key, KeyLists, decode_entries, encode_entries
from realcoze.domain.content import File, Image, Inline, Part, Text
from realcoze.domain.message import Message, Role, say
from realcoze.errors import BadRequest

ENTRIES = msgspec.json.Decoder(list[Entry])


def decoded(body: bytes) -> tuple[Message, ...]:
    return decode_entries(ENTRIES.decode(body))


def encoded(*messages: Message) -> Any:
    return msgspec.json.decode(msgspec.json.encode(encode_entries(messages)))


def test_weakness_22_role_1_is_the_bot_and_role_2_the_user_both_ways() -> None:
    history = (say("user", "Hi"), say("assistant", "Hello"))
    assert encoded(*history) == [
        {"role": 2, "content": "Hi", "contentType": 1},
        {"role": 1, "content": "Hello", "contentType": 1},
    ]
    assert decoded(b'[{"role":2,"content":"Hi","contentType":1},{"role":1,"content":"Hello"}]') == history


@pytest.mark.parametrize(
    "kind", [b"", b',"contentType":1', b',"content_type":1', b',"contentType":0', b',"contentType":null']
)
def test_text_is_the_default_and_both_spellings_are_read(kind: bytes) -> None:
    assert decoded(b'[{"role":2,"content":"Hi"' + kind + b"}]") == (say("user", "Hi"),)


@pytest.mark.parametrize("spelling", [b"contentType", b"content_type"])
def test_pictures_and_files_are_read_in_both_spellings(spelling: bytes) -> None:
    body = (
        b'[{"role":2,"content":"{\\"image_list\\":[{\\"key\\":\\"a.jpg\\",\\"image_thumb\\":{}},{\\"key\\":\\"b.jpg\\"}]}","%s":6},'
        b'{"role":2,"content":"{\\"file_list\\":[{\\"key\\":\\"c.pdf\\",\\"file_name\\":\\"c\\"}]}","%s":9}]'
    ) % (spelling, spelling)
    assert decoded(body) == (
        Message(role="user", parts=(Image(key="a.jpg"), Image(key="b.jpg"))),
        Message(role="user", parts=(File(key="c.pdf"),)),
    )


@pytest.mark.parametrize("url", ["https://example.com/a.png", "http://10.0.0.1/a", "https://"])
def test_a_key_that_is_a_web_address_is_a_picture_or_file_at_a_url_both_ways(url: str) -> None:
    history = (
        Message(role="user", parts=(Image(url=url), Image(key="a.jpg"))),
        Message(role="user", parts=(File(url=url),)),
    )
    entries = [
        {"role": 2, "content": f'{{"image_list":[{{"key":"{url}"}},{{"key":"a.jpg"}}]}}', "contentType": 6},
        {"role": 2, "content": f'{{"file_list":[{{"key":"{url}"}}]}}', "contentType": 9},
    ]
    assert encoded(*history) == entries
    assert decoded(msgspec.json.encode(entries)) == history


@pytest.mark.parametrize(
    "key", ["httpx", "tos/https://example.com", "ftp://example.com/a", "data:image/png;base64,", ""]
)
def test_any_other_key_is_that_of_an_upload(key: str) -> None:
    [message] = decode_entries([Entry(role=2, content=KeyLists(image_list=[Key(key)]), contentType=6)])
    assert message.parts == (Image(key=key),)


def test_the_list_of_keys_may_stand_there_as_an_object() -> None:
    assert decoded(b'[{"role":2,"content":{"image_list":[{"key":"a.jpg"}]},"contentType":6}]') == (
        Message(role="user", parts=(Image(key="a.jpg"),)),
    )


def test_members_of_an_entry_that_are_not_known_are_passed_over() -> None:
    assert decoded(b'[{"role":1,"content":"Hi","card":{"id":7}}]') == (say("assistant", "Hi"),)


@pytest.mark.parametrize("role", [0, 3, -1, 7])
def test_a_wrong_role_is_refused_with_its_place_and_number(role: int) -> None:
    with pytest.raises(BadRequest, match=f"Entry 1 has role {role}; 1 is the bot and 2 the user"):
        decode_entries([Entry(role=2, content="Hi"), Entry(role=role, content="Hi")])


@pytest.mark.parametrize("kind", [2, 3, 50])
def test_a_content_type_that_is_not_known_is_refused_by_its_number_whatever_the_content(kind: int) -> None:
    for content in ("plain text", '{"image_list":[{"key":"k"}]}'):
        with pytest.raises(
            BadRequest, match=f"Entry 0 has contentType {kind}; 1 .text., 6 .picture., 9 .file. and 11 .sound."
        ):
            decode_entries([Entry(role=2, content=content, contentType=kind)])


def test_text_that_is_no_string_is_refused() -> None:
    with pytest.raises(BadRequest, match="Entry 0 is text"):
        decoded(b'[{"role":2,"content":{"image_list":[]}}]')


@pytest.mark.parametrize("content", ["a picture of my secret", "[]", '{"image_list":[{}]}', "{"])
def test_content_of_a_picture_that_is_no_list_of_keys_is_refused_and_never_quoted(content: str) -> None:
    with pytest.raises(BadRequest, match=r"The content of entry 0 \(contentType 6\)") as refused:
        decode_entries([Entry(role=2, content=content, contentType=6)])
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(("content", "kind"), [("{}", 6), ('{"image_list":[{"key":"k"}]}', 9), ('{"file_list":[]}', 9)])
def test_a_picture_or_file_without_a_key_is_refused(content: str, kind: int) -> None:
    with pytest.raises(BadRequest, match=f"Entry 0 has contentType {kind}, but lists no key"):
        decode_entries([Entry(role=2, content=content, contentType=kind)])


def test_a_mixed_message_becomes_one_entry_for_each_run_of_a_kind() -> None:
    message = Message(
        role="user",
        parts=(
            Text(text="Look: "),
            Text(text="two"),
            Image(key="a"),
            Image(key="b"),
            File(key="c"),
            Text(text="Well?"),
        ),
    )
    assert encoded(message) == [
        {"role": 2, "content": "Look: two", "contentType": 1},
        {"role": 2, "content": '{"image_list":[{"key":"a"},{"key":"b"}]}', "contentType": 6},
        {"role": 2, "content": '{"file_list":[{"key":"c"}]}', "contentType": 9},
        {"role": 2, "content": "Well?", "contentType": 1},
    ]


def test_an_empty_text_is_written_as_such() -> None:
    assert encoded(say("assistant", "")) == [{"role": 1, "content": "", "contentType": 1}]
    assert decoded(b'[{"role":1}]') == (say("assistant", ""),)


def test_an_empty_history_has_no_entries() -> None:
    assert encoded() == []
    assert decode_entries([]) == ()


roles: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant"])
part_runs: st.SearchStrategy[tuple[Part, ...]] = st.one_of(
    st.builds(lambda text: (Text(text=text),), texts),
    st.lists(st.builds(Image, key=texts), min_size=1, max_size=3).map(tuple),
    st.lists(st.builds(File, key=texts), min_size=1, max_size=3).map(tuple),
)
one_kind_messages = st.builds(Message, role=roles, parts=part_runs)


@PROPERTIES
@given(st.lists(one_kind_messages, max_size=4))
def test_what_is_encoded_is_decoded(history: list[Message]) -> None:
    body = msgspec.json.encode(encode_entries(history))
    assert decoded(body) == tuple(history)


def test_a_file_that_was_not_uploaded_is_a_defect() -> None:
    with pytest.raises(TypeError):
        encode_entries([Message(role="user", parts=(Text(text="Look"), Inline(data=b"x")))])
