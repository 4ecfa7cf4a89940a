"""OpenAI's pictures: a prompt, and what a bot or workflow drew to it.

A bot of Coze draws by saying where its picture stands.  So a picture is what its answer shows: a Markdown image, a
bare link to a file that is called like a picture, or, in the JSON of a workflow and in an answer that is nothing else,
any address.

Source: openai 3, types/image_generate_params.py and images_response.py; docs/openai-api.md.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from realcoze.dialects.json_text import read_if_json, read_request
from realcoze.dialects.openai_wire import CozeMember
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, CallerId, ConversationId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.errors import BadRequest

IGNORED = (
    "background", "complexity", "frame_count", "frame_duration_ms", "moderation", "output_compression",
    "output_format", "partial_images", "quality", "size", "style", "svg",
)  # fmt: skip
"""What would change a picture; a bot has no such switches, and what it can do stands in the prompt."""

SAID_CHARACTERS = 200
"""How much of an answer without a picture is told."""

JSON_DEPTH = 4
"""Texts in texts: a workflow may give JSON that holds the JSON of another."""

PIECE_BYTES = 48 << 10
"""How much of a picture is encoded in one go: whole groups of three bytes, which are four of base64."""

_HINT = 'Send {"model": "NAME", "prompt": "A cat at the sea"}.'

_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_SHOWN = re.compile(
    r"!\[[^\[\]\n]{0,500}\]\(\s{0,9}"
    r"(?:<(?P<quoted>https?://[^<>\n]{1,4000})>|(?P<image>https?://(?:[^\s<>()]|\([^\s<>()]{0,500}\)){1,4000}))"
    r"(?:\s{1,9}\"[^\"\n]{0,500}\")?\s{0,9}\)"
    r"|(?P<bare>https?://(?:[\w\-.~:/?#@!$&*+,;=%]|\([\w\-.~:/?#@!$&*+,;=%]{0,500}\))+)",
    re.ASCII,
)
"""A pair of parentheses is a part of an address, as in Markdown (CommonMark 0.31, 6.3); half of one is around it."""

_PICTURE = re.compile(r"[^?#]*\.(?:png|jpe?g|gif|webp|bmp|avif|svg)(?:[~!@?#].*)?", re.IGNORECASE)
"""The services that scale pictures write how behind the name, after a `~`, `!` or `@`."""

_NO_PICTURE = re.compile(
    r"[^?#]*\.(?:pdf|docx?|xlsx?|pptx?|txt|md|csv|json|html?|zip|mp3|wav|ogg|mp4|mov|webm)(?:[?#].*)?", re.IGNORECASE
)
_BETWEEN = re.compile(r"\n\s*\n|^[ \t]*```\w*[ \t]*$", re.MULTILINE)
"""An answer of several messages, and the fences of code, have these between their parts."""


class _Body(msgspec.Struct):
    """Members that are not named here are passed over."""

    prompt: str
    model: str | None = None
    n: float | None = None
    response_format: str | None = None
    stream: bool | None = None
    user: str | None = None
    coze: CozeMember | None = None
    background: Any = None
    complexity: Any = None
    frame_count: Any = None
    frame_duration_ms: Any = None
    moderation: Any = None
    output_compression: Any = None
    output_format: Any = None
    partial_images: Any = None
    quality: Any = None
    size: Any = None
    style: Any = None
    svg: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request; with `wants_bytes` the pictures themselves are to be answered, and not where they stand."""

    request: Request
    wants_bytes: bool = False
    ignored: tuple[str, ...] = ()


class Picture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of an answer, in one of two ways."""

    url: str = ""
    b64_json: str = ""


class _Details(msgspec.Struct):
    text_tokens: int
    image_tokens: int = 0


class _Usage(msgspec.Struct):
    input_tokens: int
    input_tokens_details: _Details
    output_tokens: int
    total_tokens: int


class _Pictures(msgspec.Struct, omit_defaults=True):
    created: int
    data: list[Picture]
    usage: _Usage | None = None


BODY, REPLY = _Body, _Pictures
"""What a request and an answer are, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Body)
_ANY = msgspec.json.Decoder(Any)


def decode_request(body: bytes, *, caller: CallerId) -> Asked:
    """Read the body of a request of `caller`'s.  Raises `BadRequest`."""
    read = read_request(body, _DECODER, hint=_HINT)
    if (read.n or 1) > 1:
        raise BadRequest(
            "`n` is more than 1: a call for each picture.",
            hint="Ask several times, or a bot that draws several at once: all pictures of its answer are given.",
        )
    if read.stream:
        raise BadRequest("`stream` asks for a picture in pieces, and it comes as a whole.", hint="Leave it out.")
    if read.response_format not in (None, "url", "b64_json"):
        raise BadRequest(f"`response_format` is {read.response_format[:20]!r}; there are url and b64_json.")
    return Asked(
        request=_request(read, caller),
        wants_bytes=read.response_format == "b64_json",
        ignored=tuple(name for name in IGNORED if getattr(read, name) is not None),
    )


def pictures_of(reply: Reply) -> tuple[str, ...]:
    """Where the pictures of an answer stand, each once, in their order.  Raises `BadRequest` if there is none."""
    found = tuple(dict.fromkeys(_pictures(reply.text, JSON_DEPTH)))
    if found:
        return found
    said = " ".join(reply.text.split())
    shortened = said if len(said) <= SAID_CHARACTERS else f"{said[:SAID_CHARACTERS]}…"
    raise BadRequest(
        f"The bot drew no picture. It said: {shortened}" if said else "The bot drew no picture, and said nothing.",
        code="no_picture",
        hint="Name a bot or workflow that draws, and ask it as one would in a chat.",
    )


def encode_reply(urls: Iterable[str], usage: Usage | None, *, created: int) -> bytes:
    """The body of an answer that says where its pictures stand; `created` in seconds since 1970."""
    return msgspec.json.encode(_Pictures(created, [Picture(url=url) for url in urls], _counted(usage)))


def encode_pictures(pictures: Iterable[bytes], usage: Usage | None, *, created: int) -> Iterator[bytes]:
    """The body of one that has them within it, piece by piece: as a whole it would be longer than all of them."""
    before, nothing, after = msgspec.json.encode(_Pictures(created, [], _counted(usage))).partition(b"[]")
    yield before + nothing[:1]
    for place, data in enumerate(pictures):
        yield b',{"b64_json":"' if place else b'{"b64_json":"'
        for start in range(0, len(data), PIECE_BYTES):
            yield binascii.b2a_base64(data[start : start + PIECE_BYTES], newline=False)
        yield b'"}'
    yield nothing[1:] + after


def _counted(usage: Usage | None) -> _Usage | None:
    if usage is None:
        return None
    return _Usage(usage.input, _Details(usage.input), usage.output, usage.total)


def _request(body: _Body, caller: CallerId) -> Request:
    coze = body.coze or CozeMember()
    return Request(
        messages=(say("user", body.prompt),),
        bot=BotName(body.model or ""),
        conversation_id=ConversationId(coze.conversation_id) if coze.conversation_id else None,
        user_id=UserId(body.user) if body.user else None,
        custom_variables=coze.custom_variables,
        parameters=coze.parameters,
        meta_data=coze.meta_data,
        extra_params=coze.extra_params,
        shortcut_command=coze.shortcut_command,
        caller=caller,
        wants=Wants(usage=True),
    )


def _pictures(text: str, depth: int) -> Iterator[str]:
    """The addresses of pictures in a text, which may be JSON or hold some."""
    text = text.strip()
    if _ADDRESS.fullmatch(text):
        if not _NO_PICTURE.fullmatch(text):
            yield text
        return
    if depth and text[:1] in ("{", "[", '"') and (held := read_if_json(text, _ANY)) is not None:
        for each in _texts(held):
            yield from _pictures(each, depth - 1)
        return
    blocks = [block for block in _BETWEEN.split(text) if block.strip()]
    if depth and len(blocks) > 1:
        for block in blocks:
            yield from _pictures(block, depth - 1)
        return
    for found in _SHOWN.finditer(text):
        if found["quoted"]:
            yield found["quoted"].strip().replace(" ", "%20")
        elif found["image"]:
            yield found["image"]
        elif _PICTURE.fullmatch(bare := found["bare"].rstrip(".,;:!?*_")):
            yield bare


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, in order; the names of members are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
