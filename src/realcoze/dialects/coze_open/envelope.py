"""The envelope `{"code": 0, "msg": "", "data": …, "detail": {"logid": …}}` around every whole answer.

Studio leaves the code out of some answers, and says `ConversationData`, `Messages` or
`ChatV3ChatDetail` where the others say `data`; the structs of each call name both.

Source: docs/protocol/openapi-v3.md §3; docs/protocol/studio-web.md §5.4.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from realcoze.dialects.coze_open.failure import refusal, retry_after, without_envelope
from realcoze.dialects.coze_open.objects import Number, Word, number_of
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import UpstreamFailed

LOGID_HEADERS = ("x-tt-logid", "x-log-id")

T = TypeVar("T")


class _Verdict(msgspec.Struct):
    """The envelope without its data; older servers said `error` for `detail`."""

    code: Number = 0
    msg: Word = ""
    detail: Any = None
    error: Any = None


_VERDICT = msgspec.json.Decoder(_Verdict)


def encode_success(data: object, *, logid: str) -> bytes:
    """The body of an answer that went well."""
    return msgspec.json.encode({"code": 0, "msg": "", "data": data, "detail": {"logid": logid}})


def encode_refusal(code: int, msg: str, *, logid: str) -> bytes:
    """The body of an answer that did not."""
    return msgspec.json.encode({"code": code, "msg": msg, "detail": {"logid": logid}})


def decode_answer(status: int, headers: Mapping[str, str], body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The whole answer of a call that went well; `headers` in lower case.

    Raises the error that a refusal stands for, and `UpstreamFailed` for what is no such answer.
    """
    raise_refusal(status, headers, body)
    try:
        return read_json(body, decoder)
    except NotJson as error:
        said = f"Coze's answer cannot be read: {error}."
        raise UpstreamFailed(said, code="upstream_protocol", logid=logid_of(headers)) from error


def raise_refusal(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return when the answer went well; else raise what it says."""
    wait_s, logid = retry_after(headers), logid_of(headers)
    try:
        verdict = read_json(body, _VERDICT)
    except NotJson as error:
        raise without_envelope(status, retry_after_s=wait_s, logid=logid) from error
    code = number_of(verdict.code)
    if code != 0:
        logid = _logid_in(verdict.detail) or _logid_in(verdict.error) or logid
        raise refusal(code, verdict.msg or "", status=status, retry_after_s=wait_s, logid=logid)
    if status >= 300:
        raise without_envelope(status, retry_after_s=wait_s, logid=logid)


def logid_of(headers: Mapping[str, str]) -> str | None:
    """Coze's own name of the call, for its support; None where it gave none."""
    return next((headers[name] for name in LOGID_HEADERS if headers.get(name)), None)


def _logid_in(detail: Any) -> str | None:
    logid = detail.get("logid") if isinstance(detail, dict) else None
    return logid if isinstance(logid, str) and logid else None
