"""Execute: the whole bot configuration and the whole history, for one turn.

`config.json` is the body of the page's own update call, saved by a userscript.  Any of its members
may be there, and all of them go back to Coze as they came.  The history that was saved with the bot
(`work_info.message_info`) stands before the caller's.  The answer of the call says only that it was
accepted; the bot's text comes by push.

Source: docs/protocol/playground-2024.md §6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from realcoze.dialects.coze_playground.envelope import Envelope, decode_answer, encode_success
from realcoze.dialects.entries import Entry, decode_entries, encode_entries
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.content import Audio, File, Image
from realcoze.domain.message import Message
from realcoze.errors import BadRequest

PATH = "/api/draftbot/execute"
UPDATE_PATH = "/api/draftbot/update"

SYSTEM_PROMPT = 1
"""The prompt_type of the bot's instructions in `system_info_all`."""

_DOWNLOAD = (
    "It is the body of the bot page's own call POST /api/draftbot/update; "
    "save it again with the userscript (docs/userscript.md)."
)


@dataclass(frozen=True, slots=True)
class BotConfig:
    """A bot as its page saves it.  `document` and `saved` are never changed after reading."""

    document: Mapping[str, Any]
    saved: tuple[Any, ...]
    """The saved history, entry by entry, as it came."""

    @property
    def bot_id(self) -> str:
        return str(self.document["bot_id"])


class Prompt(msgspec.Struct, omit_defaults=True):
    prompt_type: int
    data: str = ""
    record_id: str = ""


class WorkInfo(msgspec.Struct, omit_defaults=True):
    """Every member is JSON text; these are the ones that a server must read."""

    message_info: str = "[]"
    system_info_all: str = "[]"


class Execution(msgspec.Struct):
    """What a server reads of an execute call."""

    bot_id: str
    device_id: str
    push_uuid: str
    work_info: WorkInfo

    def messages(self) -> tuple[Message, ...]:
        """The history.  Raises `BadRequest`."""
        return decode_entries(_decode_text(self.work_info.message_info, _ENTRIES, "message_info"))

    def system_prompt(self) -> str:
        """The bot's instructions; empty when it has none."""
        prompts = _decode_text(self.work_info.system_info_all, _PROMPTS, "system_info_all")
        return next((prompt.data for prompt in prompts if prompt.prompt_type == SYSTEM_PROMPT), "")


_CONFIG = msgspec.json.Decoder(dict[str, Any])
_ANY = msgspec.json.Decoder(list[Any])
_ENTRIES = msgspec.json.Decoder(list[Entry])
_PROMPTS = msgspec.json.Decoder(list[Prompt])
_EXECUTION = msgspec.json.Decoder(Execution)
_ACCEPTED = msgspec.json.Decoder(Envelope[Any])


def decode_config(text: bytes) -> BotConfig:
    """Read a `config.json`.  Raises `BadRequest` with a sentence that says what to do."""
    try:
        document = read_json(text.removeprefix(b"\xef\xbb\xbf"), _CONFIG)
    except NotJson as error:
        raise BadRequest(f"The bot configuration is no JSON object: {error}.", hint=_DOWNLOAD) from error
    return config_from(document)


def config_from(document: Mapping[str, Any]) -> BotConfig:
    """The same of an object that was already read, which is neither changed nor kept."""
    work_info = document.get("work_info")
    if not document.get("bot_id") or not isinstance(work_info, Mapping):
        raise BadRequest("The bot configuration lacks `bot_id` or `work_info`.", hint=_DOWNLOAD)
    text = work_info.get("message_info") or "[]"
    if not isinstance(text, str):
        raise BadRequest("`work_info.message_info` of the bot configuration is no text.", hint=_DOWNLOAD)
    saved = _decode_text(text, _ANY, "work_info.message_info of the bot configuration")
    copy = msgspec.json.decode(msgspec.json.encode(document))
    copy["work_info"].pop("message_info", None)
    return BotConfig(document=copy, saved=tuple(saved))


def encode_execute(config: BotConfig, messages: Iterable[Message], *, device_id: str, push_uuid: str) -> bytes:
    """The body of one call.  `device_id` must be the socket's, or the pushes go nowhere.

    Raises `BadRequest` for a picture or file at a public URL: this protocol knows uploads only.
    """
    messages = tuple(messages)
    _refuse_urls(messages)
    history = [*config.saved, *encode_entries(messages)]
    info = {**config.document["work_info"], "message_info": msgspec.json.encode(history).decode()}
    body = {**config.document, "work_info": info, "device_id": device_id, "push_uuid": push_uuid}
    return msgspec.json.encode(body)


def decode_execute(body: bytes) -> Execution:
    """Read a call as a server.  Raises `BadRequest`."""
    try:
        return read_json(body, _EXECUTION)
    except NotJson as error:
        raise BadRequest(f"execute: {error}.") from error


def decode_accepted(status: int, body: bytes) -> None:
    """Return when the call was accepted; raises what `decode_answer` raises."""
    decode_answer(status, body, _ACCEPTED)


def encode_accepted() -> bytes:
    """The answer of a server that accepts a call."""
    return encode_success({})


def _refuse_urls(messages: Iterable[Message]) -> None:
    if any(isinstance(part, Audio) for message in messages for part in message.parts):
        raise BadRequest(
            "The playground protocol cannot carry sound.",
            code="not_supported_by_upstream",
            hint="Bots of Coze's open API can hear; name one of them.",
        )
    if any(isinstance(part, Image | File) and part.url for message in messages for part in message.parts):
        raise BadRequest(
            "The playground protocol cannot carry a picture or file by its URL.",
            code="not_supported_by_upstream",
            hint="Upload it, and send the key that the upload gives; or set `fetch_urls` in [server], and it is "
            "fetched and uploaded.",
        )


def _decode_text(text: str, decoder: msgspec.json.Decoder[list[Any]], where: str) -> list[Any]:
    try:
        return read_json(text.encode(errors="replace"), decoder)
    except NotJson as error:
        raise BadRequest(f"{where}: {error}.", hint=_DOWNLOAD) from error
