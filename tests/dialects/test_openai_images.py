import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.dialects.openai_images import (
    IGNORED,
    PIECE_BYTES,
    SAID_CHARACTERS,
    decode_request,
    encode_pictures,
    encode_reply,
    pictures_of,
)
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, CallerId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.errors import BadRequest

CALLER = CallerId("caller")
A, B = "https://p9.byteimg.com/tos-cn/a.png", "https://s.coze.cn/t/b-c_1/"
SIGNED = "https://p9.byteimg.com/tos-cn/a.jpeg~tplv-x:720.image?rk3s=1&x-expires=2&x-signature=a%2Bb%3D"
PAIR = "https://example.com/cat(1).png"


def read(**members: Any) -> bytes:
    return json.dumps({"prompt": "A cat", "model": "painter", **members}).encode()


def found(text: str) -> tuple[str, ...]:
    return pictures_of(Reply(text=text))


# The request


def test_the_prompt_is_the_question() -> None:
    asked = decode_request(read(user="u", coze={"parameters": {"style": "ink"}}), caller=CALLER)
    assert asked.request == Request(
        messages=(say("user", "A cat"),),
        bot=BotName("painter"),
        user_id=UserId("u"),
        parameters={"style": "ink"},
        caller=CALLER,
        wants=Wants(usage=True),
    )
    assert (asked.wants_bytes, asked.ignored) == (False, ())


def test_null_is_what_is_left_out() -> None:
    nothing = dict.fromkeys(("model", "n", "response_format", "stream", "user", "coze", *IGNORED))
    assert decode_request(read(**nothing), caller=CALLER) == decode_request(b'{"prompt":"A cat"}', caller=CALLER)


def test_addresses_are_usual_and_bytes_are_asked_for() -> None:
    wants = {
        wish: decode_request(read(response_format=wish), caller=CALLER).wants_bytes for wish in ("url", "b64_json")
    }
    assert wants == {"url": False, "b64_json": True}


def test_what_would_change_a_picture_is_ignored_and_named() -> None:
    wishes = {"size": "1024x1024", "quality": "hd", "style": "vivid", "output_format": "png", "moderation": "low"}
    ignored = decode_request(read(**wishes, n=1, stream=False), caller=CALLER).ignored
    assert ignored == ("moderation", "output_format", "quality", "size", "style")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 2}, "`n` is more than 1"),
        ({"stream": True}, "`stream`"),
        ({"response_format": "svg"}, "'svg'; there are url and b64_json"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["A cat"]}, "prompt"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        decode_request(read(**wrong), caller=CALLER)


# Which pictures an answer has


@pytest.mark.parametrize(
    ("text", "pictures"),
    [
        (f"![a cat]({A})", [A]),
        (f"Here:\n\n![]({B})\n\nand ![two]( <{A}> ), and ![]({SIGNED} 'x')", [B, A, SIGNED]),
        (f'![a]({SIGNED} "the title") again ![b]({SIGNED})', [SIGNED]),
        ("![](http://127.0.0.1:9000/a?x=1)", ["http://127.0.0.1:9000/a?x=1"]),
        (f"It stands at {A}. Do you like it?", [A]),
        (f"看：{A}，还有 {SIGNED}。", [A, SIGNED]),
        (f"**{A}** and [this one]({SIGNED})", [A, SIGNED]),
        (f'<img src="{A}" width=3>', [A]),
        (f'![a cat]({PAIR}) ![]({PAIR}?sig=a(b)c&x=1 "title")', [PAIR, f"{PAIR}?sig=a(b)c&x=1"]),
        (f"[cat]({PAIR}), or ({PAIR}), or {PAIR}", [PAIR]),
        ("![a](<https://example.com/a b.png>)", ["https://example.com/a%20b.png"]),
        (f"{A}\n{A}\n{SIGNED}", [A, SIGNED]),
        (B, [B]),
        (f"  {B}\n", [B]),
        (f'"{B}"', [B]),
        (json.dumps({"output": B}), [B]),
        (json.dumps({"output": [B, {"image": A, "of": "https://example.com/a.pdf"}], "n": 2, "ok": None}), [B, A]),
        ('{"image":"https:\\/\\/example.com\\/a?x=1\\u0026y=2"}', ["https://example.com/a?x=1&y=2"]),
        (json.dumps({"output": json.dumps({"data": [B]})}), [B]),
        (json.dumps({"output": f"Here it is: ![]({B}) and more at https://example.com/"}), [B]),
        (f"Drawing …\n\n{json.dumps({'output': B}, indent=2)}", [B]),
        (f"Here you are:\n```json\n{json.dumps({'output': B})}\n```\nDone.", [B]),
        (f"Done.\n\n{B}", [B]),
        ("https://example.com/a.PNG?x", ["https://example.com/a.PNG?x"]),
    ],
)
def test_the_pictures_of_an_answer_stand_in_it(text: str, pictures: list[str]) -> None:
    assert list(found(text)) == pictures


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot draw.",
        "Look at https://example.com/ and [here](https://example.com/cats).",
        "![](data:image/png;base64,AAAA) ![](/a.png) ![](ftp://example.com/a.png)",
        "https://example.com/report.pdf",
        '{"output": "a cat", "source": "https://example.com/page.html?x=a.png"}',
        "https://example.com/a.pngx or https://example.com/png",
        "{" * 100_000,
        "[" * 100_000,
        "![" * 100_000,
        "![](https://a(" * 10_000,
        "At https://" + "(a" * 100_000,
    ],
    ids=range(12),
)
def test_an_answer_without_one_is_an_error_that_tells_what_was_said(text: str) -> None:
    with pytest.raises(BadRequest, match="The bot drew no picture") as refusal:
        found(text)
    assert refusal.value.code == "no_picture"
    assert text[:SAID_CHARACTERS] in refusal.value.message
    assert len(refusal.value.message) < SAID_CHARACTERS + 100


def test_only_a_little_is_told_of_what_was_said() -> None:
    with pytest.raises(BadRequest) as refusal:
        found("No.\n\n" + "x" * 300)
    assert refusal.value.message.endswith(f"It said: No. {'x' * (SAID_CHARACTERS - 4)}…")


def test_json_in_json_has_an_end() -> None:
    text = json.dumps(B)
    for _ in range(6):
        text = json.dumps(text)
    with pytest.raises(BadRequest):
        found(text)


@PROPERTIES
@given(st.text(alphabet='![]()<>{}" \n:/.`\\,ahtpsng?#~', max_size=60))
def test_whatever_is_said_gives_addresses_or_the_one_error(text: str) -> None:
    try:
        pictures = found(f"{text} https://a.b/{text}")
    except BadRequest as refusal:
        pictures = ()
        code = refusal.code
    else:
        code = ""
    assert (code == "no_picture") == (not pictures)
    assert all(url.startswith(("https://", "http://")) and not any(map(str.isspace, url)) for url in pictures)


# The answer


def test_an_answer_has_addresses() -> None:
    assert json.loads(encode_reply([A, B], None, created=7)) == {"created": 7, "data": [{"url": A}, {"url": B}]}


def test_an_answer_has_the_pictures_themselves() -> None:
    assert b"".join(encode_pictures([b"\x00\xff", b"abc"], None, created=7)) == (
        b'{"created":7,"data":[{"b64_json":"AP8="},{"b64_json":"YWJj"}]}'
    )
    counted = Usage(input=3, output=4, total=7)
    assert b"".join(encode_pictures([], counted, created=7)) == encode_reply([], counted, created=7)


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 2])
def test_a_large_picture_comes_in_pieces_which_are_one_text(size: int) -> None:
    picture = random.Random(size).randbytes(size)
    pieces = list(encode_pictures([picture, picture], None, created=7))
    assert max(map(len, pieces)) == PIECE_BYTES // 3 * 4
    told = json.loads(b"".join(pieces))["data"]
    assert [base64.b64decode(each["b64_json"], validate=True) for each in told] == [picture, picture]


def test_an_answer_has_the_tokens_that_coze_counted() -> None:
    assert json.loads(encode_reply([A], Usage(input=3, output=4, total=7), created=7))["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
        "output_tokens": 4,
        "total_tokens": 7,
    }
