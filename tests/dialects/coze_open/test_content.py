import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.coze_open.content import beside_their_text, decode_content, encode_content, shown
from realcoze.domain.content import Audio, File, Image, Inline, Part, Text
from realcoze.domain.message import Message, Role, say
from realcoze.errors import BadRequest

PICTURE, PAPER = Image(key="738"), File(url="https://example.com/a.pdf")


def pictured(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def test_text_alone_is_text_and_several_texts_are_its_lines() -> None:
    assert encode_content([Text(text="Hi")]) == ("Hi", "text")
    assert encode_content([Text(text="Hi"), Text(text="there")]) == ("Hi\nthere", "text")
    assert encode_content([]) == ("", "text")


def test_pictures_and_files_are_an_object_string_with_the_text_before_them() -> None:
    content, kind = encode_content([PICTURE, Text(text="What"), PAPER, Text(text="is this?")])
    assert kind == "object_string"
    assert json.loads(content) == [
        {"type": "text", "text": "What\nis this?"},
        {"type": "image", "file_id": "738"},
        {"type": "file", "file_url": "https://example.com/a.pdf"},
    ]


def test_a_url_counts_more_than_a_key() -> None:
    content, _ = encode_content([Text(text="?"), Image(key="738", url="https://example.com/a.png")])
    assert json.loads(content)[1] == {"type": "image", "file_url": "https://example.com/a.png"}


@pytest.mark.parametrize(("part", "stand_in"), [(PICTURE, "[image]"), (PAPER, "[file]")])
def test_coze_never_sees_a_picture_or_file_without_a_text(part: Part, stand_in: str) -> None:
    for parts in ([part], [Text(text=""), part]):
        content, _ = encode_content(parts)
        assert json.loads(content)[0] == {"type": "text", "text": stand_in}


def test_an_object_string_is_read_with_all_its_items() -> None:
    content = json.dumps(
        [
            {"type": "text", "text": "What is on this picture?"},
            {"type": "image", "file_id": "7380234567890"},
            {"type": "image", "file_url": "https://example.com/a.png", "text": None, "file_id": None},
            {"type": "file", "file_id": 7380234567890123456},
            {"type": "audio", "file_id": "739"},
            {"type": "text", "text": None},
        ]
    )
    assert decode_content(content, "object_string") == (
        Text(text="What is on this picture?"),
        Image(key="7380234567890"),
        Image(url="https://example.com/a.png"),
        File(key="7380234567890123456"),
        Audio(key="739"),
        Text(text=""),
    )


@pytest.mark.parametrize("kind", ["text", "", "card", "markdown"])
def test_content_of_any_other_kind_is_text_as_it_came(kind: str) -> None:
    assert decode_content('[{"type":"image"}]', kind) == (Text(text='[{"type":"image"}]'),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("my secret", "The object_string of a message: "),
        ("", "The object_string of a message: "),
        ("{}", "The object_string of a message: "),
        ('[{"text":"my secret"}]', "The object_string of a message: "),
        ('[{"type":null}]', "The object_string of a message: "),
        ("[]", "holds no item"),
        ('[{"type":"image"}]', "an item of type 'image' with neither file_id nor file_url"),
        ('[{"type":"file","file_id":"","file_url":null}]', "an item of type 'file' with neither"),
        ('[{"type":"hologram","file_id":"1"}]', "holds an item of type 'hologram'"),
        (json.dumps([{"type": "x" * 1000}]), "holds an item of type 'xxxxxxxxxxxxxxxxxxxx'"),
    ],
)
def test_an_object_string_that_cannot_be_read_is_refused_and_never_quoted(content: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why) as refused:
        decode_content(content, "object_string")
    assert "secret" not in refused.value.message


def test_pictures_that_come_as_a_message_of_their_own_join_a_neighbour_of_their_side() -> None:
    assert beside_their_text([pictured("user", PICTURE), pictured("user", PAPER), say("user", "What?")]) == [
        pictured("user", PICTURE, PAPER, Text(text="What?"))
    ]
    assert beside_their_text([say("user", "See:"), pictured("user", PICTURE), say("user", "What?")]) == [
        pictured("user", Text(text="See:"), PICTURE),
        say("user", "What?"),
    ]


def test_very_many_pictures_join_while_the_others_hardly_wait() -> None:
    """One at a time it would take minutes."""
    history = [pictured("user", PICTURE)] * 100_000
    (joined,) = beside_their_text(history)
    assert joined.parts == (PICTURE,) * 100_000


def test_messages_of_text_and_messages_of_the_other_side_stay_as_they_are() -> None:
    history = [say("user", "Hi"), say("user", "there"), say("assistant", "Hello"), pictured("user", PICTURE)]
    assert beside_their_text(history) == history
    assert beside_their_text([]) == []


def test_an_answer_of_several_parts_is_shown_with_its_pictures_and_files_as_links() -> None:
    content = json.dumps(
        [
            {"type": "text", "text": "Here:"},
            {"type": "image", "file_url": "https://example.com/a.png"},
            {"type": "file", "file_url": "https://example.com/a.pdf"},
            {"type": "image", "file_id": "738"},
            {"type": "text"},
        ]
    )
    assert shown(content, "object_string") == (
        "Here:\n\n![](https://example.com/a.png)\n\n[file](https://example.com/a.pdf)"
    )


@pytest.mark.parametrize(
    ("content", "kind"), [("[]", "text"), ("no list", "object_string"), ('[{"type":null}]', "object_string")]
)
def test_an_answer_that_has_no_parts_is_shown_as_it_came(content: str, kind: str) -> None:
    assert shown(content, kind) == content


keys = texts.filter(bool)
media: st.SearchStrategy[Part] = st.one_of(
    st.builds(Image, key=keys), st.builds(Image, url=keys), st.builds(File, key=keys), st.builds(File, url=keys)
)
carried: st.SearchStrategy[tuple[Part, ...]] = st.one_of(
    st.builds(lambda text: (Text(text=text),), texts),
    st.builds(lambda text, parts: (Text(text=text), *parts), keys, st.lists(media, min_size=1, max_size=3)),
)


@PROPERTIES
@given(carried)
def test_what_is_encoded_is_decoded(parts: tuple[Part, ...]) -> None:
    assert decode_content(*encode_content(parts)) == parts


@PROPERTIES
@given(bytes_near(b"[", b"]", b"{", b"}", b'"type":"image"', b'"file_id":"1"', b'"text"', b":", b",", b"null"))
def test_any_content_is_read_or_refused_as_a_bad_request(content: bytes) -> None:
    try:
        parts = decode_content(content.decode(errors="replace"), "object_string")
    except BadRequest:
        return
    assert parts


def test_a_file_that_was_not_uploaded_is_a_defect() -> None:
    with pytest.raises(TypeError):
        encode_content((Text(text="Look"), Inline(data=b"x")))
