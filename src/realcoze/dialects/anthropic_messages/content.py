"""The content of a message of the Messages API: a string, or blocks, to parts.

Of a bot's own blocks what it thought is passed over.  Of a user's, what cannot be told a bot on Coze is
refused by its place.  Results of tools are parts as far as they are text; those that a turn waits for are
read once more, to the letter.  What an emulated tool shows beside is a part like any other: no call of Coze's
takes it, and a message does.

Source: the types of anthropic 2.12.0 (`ContentBlockParam`).
"""

import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, assert_never

import msgspec

from realcoze.dialects.json_text import NotJson, read_if_json, read_json
from realcoze.domain.content import File, Image, Inline, Part, Text
from realcoze.domain.message import Role
from realcoze.domain.tool import ToolCall, ToolResult, are_emulated
from realcoze.errors import BadRequest

T = TypeVar("T")

_Block = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="text, image, document or tool_result, by its `type`",
        extra_json_schema={"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
    ),
]

WireContent = str | list[_Block]
"""As it stands in a body; the blocks are read one by one, since those of some types are passed over."""


class _Tag(msgspec.Struct):
    type: str


class _Base64(msgspec.Struct, tag_field="type", tag="base64"):
    """`data` may have line breaks in it, as the tools of many systems write them."""

    data: str


class _Url(msgspec.Struct, tag_field="type", tag="url"):
    url: str


class _FileId(msgspec.Struct, tag_field="type", tag="file"):
    """`file_id` is the key that an upload gave."""

    file_id: str


class _Plain(msgspec.Struct, tag_field="type", tag="text"):
    data: str


class _TextBlock(msgspec.Struct):
    text: str


class _ImageBlock(msgspec.Struct):
    source: _Base64 | _Url | _FileId


class _DocumentBlock(msgspec.Struct):
    source: _Base64 | _Url | _FileId | _Plain
    title: str | None = None


class _CallBlock(msgspec.Struct):
    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _ResultBlock(msgspec.Struct):
    tool_use_id: str
    content: WireContent | None = None
    is_error: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one message holds.  `results` are blocks by their place, for `decode_results`."""

    parts: tuple[Part, ...] = ()
    results: Mapping[str, msgspec.Raw] = field(default_factory=dict)


_SHOWN = frozenset({"image", "document"})
_TAG = msgspec.json.Decoder(_Tag)
_TEXT = msgspec.json.Decoder(_TextBlock)
_IMAGE = msgspec.json.Decoder(_ImageBlock)
_DOCUMENT = msgspec.json.Decoder(_DocumentBlock)
_RESULT = msgspec.json.Decoder(_ResultBlock)
_CALL = msgspec.json.Decoder(_CallBlock)


def decode_content(where: str, role: Role, content: WireContent) -> Content:
    """The content of the message that stands at `where`.  Raises `BadRequest` that names the block."""
    if isinstance(content, str):
        return Content(parts=_text(content))
    parts: list[Part] = []
    results: dict[str, msgspec.Raw] = {}
    for place, block in enumerate(content):
        at = f"{where}.content.{place}"
        kind = _read(at, block, _TAG).type
        if kind == "text":
            parts += _text(_read(at, block, _TEXT).text)
        elif role == "assistant":
            parts += _call(block) if kind == "tool_use" else ()
        elif kind in _SHOWN:
            parts.append(_shown(at, kind, block))
        elif kind == "tool_result":
            results[at] = block
            parts += _result(at, block)
        else:
            raise BadRequest(
                f"{at} is a block of type {kind[:40]!r}; a bot can be sent text, image, document and tool_result.",
                code="not_supported_by_upstream",
            )
    return Content(parts=tuple(parts), results=results)


def decode_results(content: Content) -> tuple[ToolResult, ...]:
    """What the tools gave that a message hands in.  Raises `BadRequest` for what is no text, and is to go to Coze."""
    read = {at: _read(at, block, _RESULT) for at, block in content.results.items()}
    return tuple(
        _as_result(
            result, _told(result) if are_emulated([result.tool_use_id]) else decode_text(at, result.content or "")
        )
        for at, result in read.items()
    )


def decode_text(where: str, content: WireContent) -> str:
    """Content that can only be text: instructions, and what a tool gave.  Raises `BadRequest`."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for place, block in enumerate(content):
        at = f"{where}.content.{place}"
        if (kind := _read(at, block, _TAG).type) != "text":
            raise BadRequest(f"{at} is a block of type {kind[:40]!r}, where a bot on Coze takes text only.")
        texts.append(_read(at, block, _TEXT).text)
    return "\n".join(texts)


def _call(block: msgspec.Raw) -> tuple[ToolCall, ...]:
    """A call that a bot made; none where it cannot be read, as it is over."""
    call = read_if_json(bytes(block), _CALL)
    if call is None:
        return ()
    return (ToolCall(call_id=call.id, name=call.name, arguments=bytes(call.input).decode(errors="replace")),)


def _result(at: str, block: msgspec.Raw) -> tuple[Part, ...]:
    """What a tool gave, as far as that is text, likewise; and what an emulated one shows."""
    result = read_if_json(bytes(block), _RESULT)
    if result is None:
        return ()
    told = _as_result(result, _told(result))
    if isinstance(result.content, str) or not are_emulated([result.tool_use_id]):
        return (told,)
    kinds = ((f"{at}.content.{place}", each) for place, each in enumerate(result.content or ()))
    tagged = ((where, _read(where, each, _TAG).type, each) for where, each in kinds)
    return (told, *(_shown(where, kind, each) for where, kind, each in tagged if kind in _SHOWN))


def _as_result(result: _ResultBlock, output: str) -> ToolResult:
    """A tool that failed has no other place to say so."""
    return ToolResult(call_id=result.tool_use_id, output=f"Error: {output}" if result.is_error else output)


def _told(result: _ResultBlock) -> str:
    return result.content if isinstance(result.content, str) else "\n".join(_texts(result.content or ()))


def _texts(blocks: Iterable[msgspec.Raw]) -> list[str]:
    read = (read_if_json(bytes(block), _TEXT) for block in blocks)
    return [block.text for block in read if block is not None]


def _read(at: str, block: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return read_json(bytes(block), decoder)
    except NotJson as error:
        raise BadRequest(f"{at}: {error}.") from error


def _text(text: str) -> tuple[Part, ...]:
    """No part for no text, as some clients send it beside a picture."""
    return (Text(text=text),) if text else ()


def _shown(at: str, kind: str, block: msgspec.Raw) -> Part:
    """A block of `_SHOWN`."""
    if kind == "image":
        return _image(at, _read(at, block, _IMAGE).source)
    return _document(at, _read(at, block, _DOCUMENT))


def _image(at: str, source: _Base64 | _Url | _FileId) -> Part:
    match source:
        case _Base64():
            return Inline(data=_bytes(at, source.data))
        case _Url():
            return Image(url=_web(at, source.url))
        case _FileId():
            return Image(key=source.file_id)
        case _:
            assert_never(source)


def _document(at: str, block: _DocumentBlock) -> Part:
    match block.source:
        case _Base64():
            return Inline(data=_bytes(at, block.source.data), name=block.title or "")
        case _Url():
            return File(url=_web(at, block.source.url))
        case _FileId():
            return File(key=block.source.file_id)
        case _Plain():
            return Text(text=block.source.data)
        case _:
            assert_never(block.source)


def _bytes(at: str, text: str) -> bytes:
    """A file, which is not empty."""
    try:
        data = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError as error:
        raise BadRequest(f"{at}: Invalid base64.") from error
    if not data:
        raise BadRequest(f"{at} has a source without data.")
    return data


def _web(at: str, url: str) -> str:
    """An address that Coze can fetch from."""
    if not url.startswith(("https://", "http://")):
        raise BadRequest(f"{at} has an address that is not on the web; what is no address goes into a source base64.")
    return url
