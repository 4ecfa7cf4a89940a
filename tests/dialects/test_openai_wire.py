import base64
import json

import pytest

from realcoze import errors
from realcoze.dialects.openai_wire import (
    Content,
    ContentPart,
    FilePart,
    ImageUrl,
    InputAudio,
    answer_id,
    data_line,
    decode_parts,
    decode_said,
    decode_text,
    encode_error,
    encode_refusal,
    usage_body,
)
from realcoze.domain.content import File, Image, Inline, Part, Text
from realcoze.domain.event import Usage
from realcoze.domain.ids import RequestId
from realcoze.errors import BadRequest, RealcozeError

PNG = b"\x89PNG"
ENCODED = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ()),
        ("", (Text(text=""),)),
        ("Hi", (Text(text="Hi"),)),
        ([], ()),
        ([ContentPart(text="Hi")], (Text(text="Hi"),)),
        ([ContentPart(type="input_text", text="a"), ContentPart(text="")], (Text(text="a"), Text(text=""))),
        ([ContentPart(type="image_url", image_url=ImageUrl("https://a/b"))], (Image(url="https://a/b"),)),
        ([ContentPart(type="image_url", image_url="http://a/b")], (Image(url="http://a/b"),)),
        (
            [ContentPart(type="image_url", image_url=ImageUrl(f"data:image/jpeg;base64,{ENCODED}"))],
            (Inline(data=PNG),),
        ),
        (
            [ContentPart(type="input_audio", input_audio=InputAudio(ENCODED, "mp3"))],
            (Inline(data=PNG, name="audio.mp3"),),
        ),
        (
            [ContentPart(type="input_audio", input_audio=InputAudio(ENCODED, "../"))],
            (Inline(data=PNG, name="audio.wav"),),
        ),
        ([ContentPart(type="input_audio", input_audio=InputAudio(ENCODED))], (Inline(data=PNG, name="audio.wav"),)),
        (
            [ContentPart(type="file", file=FilePart(f"DATA:x/y;base64,{ENCODED}", filename="a.pdf"))],
            (Inline(data=PNG, name="a.pdf"),),
        ),
        ([ContentPart(type="file", file=FilePart(f"{ENCODED[:4]}\r\n{ENCODED[4:]}"))], (Inline(data=PNG),)),
        ([ContentPart(type="file", file=FilePart(f"{ENCODED}\n"))], (Inline(data=PNG),)),
        ([ContentPart(type="file", file=FilePart(file_id="739"))], (File(key="739"),)),
    ],
)
def test_content_is_nothing_a_text_or_parts(content: Content, parts: tuple[Part, ...]) -> None:
    """CLIENTS §4.2 rule 8."""
    assert decode_parts(content, 0) == parts


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (ContentPart(type="video_url"), "type 'video_url'"),
        (ContentPart(type="refusal"), "type 'refusal'"),
        (ContentPart(type="text"), "type 'text'"),
        (ContentPart(type="image_url"), "type 'image_url'"),
        (ContentPart(type="file", file=FilePart()), "type 'file'"),
        (ContentPart(type="image_url", image_url="file:///etc/passwd"), "neither an address on the web nor"),
        (ContentPart(type="image_url", image_url="data:image/png,raw"), "neither an address on the web nor"),
        (ContentPart(type="image_url", image_url="data:image/png;base64,?"), "no base64"),
        (ContentPart(type="image_url", image_url="data:image/png;base64,é"), "no base64"),
        (ContentPart(type="image_url", image_url="data:image/png;base64,"), "is empty"),
    ],
)
def test_a_part_that_cannot_be_read_is_named_by_the_place_of_its_message(part: ContentPart, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        decode_parts([part], 3)
    assert "essage 3" in caught.value.message


def test_of_what_a_bot_said_itself_only_text_is_read() -> None:
    parts = [ContentPart(type="thinking"), ContentPart(text="a"), ContentPart(type="image_url"), ContentPart(text="")]
    assert decode_said(parts) == decode_said("a") == (Text(text="a"),)
    assert decode_said(None) == decode_said("") == ()


def test_where_only_text_can_stand_other_parts_are_refused() -> None:
    assert decode_text([ContentPart(text="a"), ContentPart(text="b")], 0) == "a\nb"
    assert decode_text(None, 0) == ""
    with pytest.raises(BadRequest, match="Message 2 may hold only text"):
        decode_text([ContentPart(type="file", file=FilePart(file_id="7"))], 2)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (errors.BadRequest("m", code="coze_4000"), "invalid_request_error", "coze_4000"),
        (errors.TooLarge("m"), "request_too_large", "request_too_large"),
        (errors.ContentRefused("m"), "invalid_request_error", "content_filter"),
        (errors.Unauthorized("m"), "authentication_error", "invalid_api_key"),
        (errors.NotFound("m", code="model_not_found"), "invalid_request_error", "model_not_found"),
        (errors.Busy("m"), "invalid_request_error", "conversation_busy"),
        (errors.RateLimited("m"), "rate_limit_error", "rate_limited"),
        (errors.Overloaded("m"), "overloaded", "overloaded"),
        (errors.QuotaExhausted("m"), "insufficient_quota", "insufficient_quota"),
        (errors.UpstreamDenied("m"), "upstream_error", "upstream_auth"),
        (errors.UpstreamFailed("m", code="coze_5000"), "upstream_error", "coze_5000"),
        (errors.UpstreamTimeout("m"), "upstream_error", "upstream_timeout"),
        (errors.Truncated("m"), "upstream_error", "upstream_truncated"),
        (errors.Internal("m"), "internal_error", "internal_error"),
    ],
)
def test_an_error_has_the_type_and_code_of_the_table(error: RealcozeError, kind: str, code: str) -> None:
    """CLIENTS §4.2 rule 10."""
    assert json.loads(encode_error(error)) == {"error": {"message": "m", "type": kind, "param": None, "code": code}}


def test_the_message_holds_hint_and_logid_as_most_programs_show_nothing_else() -> None:
    """CLIENTS §4.2 rule 10."""
    error = errors.Overloaded("Full.", hint="Wait.", logid="0217")
    assert json.loads(encode_error(error))["error"]["message"] == "Full. Wait. (logid 0217)"


def test_a_context_that_is_too_long_says_its_code_in_words_as_langchain_looks_nowhere_else() -> None:
    error = json.loads(encode_error(errors.ContextTooLong("Too long.", code="coze_4010", hint="Begin anew.")))["error"]
    assert error["message"] == "Too long. Begin anew. (context_length_exceeded)"
    assert (error["type"], error["code"]) == ("invalid_request_error", "coze_4010")


def test_a_refusal_of_http_itself_has_the_same_shape() -> None:
    """CLIENTS §4.2 rule 9."""
    body = {"message": "There is none.", "type": "invalid_request_error", "param": None, "code": "no_such_path"}
    assert json.loads(encode_refusal("no_such_path", "There is none.")) == {"error": body}


def test_an_event_is_one_data_line() -> None:
    """CLIENTS §4.2 rule 2."""
    assert data_line(b"{}") == b"data: {}\n\n"


def test_the_id_of_an_answer_leads_to_its_request() -> None:
    assert answer_id(RequestId("req_0123")) == "chatcmpl-0123"


def test_usage_is_as_coze_counted() -> None:
    body = usage_body(Usage(input=1, output=2, total=3))
    assert (body.prompt_tokens, body.completion_tokens, body.total_tokens) == (1, 2, 3)
