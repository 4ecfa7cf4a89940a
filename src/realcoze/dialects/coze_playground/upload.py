"""Uploads: a token, then apply, upload, commit, in this order.

The token is Coze's; the other calls go to ImageX, the picture service of the same house, whose
answers have a shape of their own.  What comes out is the store URI, the key of a history entry.

Source: docs/protocol/playground-2024.md §7.
"""

import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from realcoze.dialects.coze_playground.envelope import Envelope, decode_answer, encode_success
from realcoze.dialects.coze_playground.signature import Credentials
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import UpstreamFailed

TOKEN_PATH = "/api/playground/upload/auth_token"  # noqa: S105 - a path  # nosec B105
TOKEN_REQUEST = b'{"scene":"bot_task"}'
API_VERSION = "2018-08-01"
APPLY, COMMIT = "ApplyImageUpload", "CommitImageUpload"
UPLOADED = 2000
"""The code of an upload that went well."""


class Auth(msgspec.Struct):
    """As all that carries a secret here, it does not print it."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expired_time: str
    current_time: str = ""

    def __repr__(self) -> str:
        return f"Auth({self.access_key_id!r}, ***)"

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.access_key_id, self.secret_access_key, self.session_token)


class UploadToken(msgspec.Struct, kw_only=True):
    """`upload_host` without a scheme, which is https unless the server says otherwise."""

    service_id: str
    upload_host: str
    auth: Auth
    upload_path_prefix: str = ""
    schema: str = "https"

    @property
    def base(self) -> str:
        return f"{self.schema or 'https'}://{self.upload_host}"

    def expires_at(self) -> float:
        """Unix time in seconds; 0 for a date that nobody can read."""
        return _unix_time(self.auth.expired_time)


class StoreInfo(msgspec.Struct):
    """Where one file goes.  Names are the wire's."""

    StoreUri: str
    Auth: str
    UploadID: str = ""

    def __repr__(self) -> str:
        return f"StoreInfo({self.StoreUri!r}, ***)"


class Grant(msgspec.Struct):
    """What apply gives: one place for one file."""

    SessionKey: str
    UploadHosts: list[str]
    StoreInfos: list[StoreInfo]

    def __repr__(self) -> str:
        return f"Grant(***, {self.UploadHosts!r}, {self.StoreInfos!r})"

    @property
    def place(self) -> StoreInfo:
        return self.StoreInfos[0]


class _Result(msgspec.Struct, omit_defaults=True):
    UploadAddress: Grant | None = None


class _Fault(msgspec.Struct):
    Code: str = ""
    Message: str = ""


class _Metadata(msgspec.Struct, omit_defaults=True):
    Error: _Fault | None = None


class _Answer(msgspec.Struct, omit_defaults=True):
    ResponseMetadata: _Metadata = msgspec.field(default_factory=_Metadata)
    Result: _Result | None = None


class _Stored(msgspec.Struct, omit_defaults=True):
    code: int
    message: str = ""


class Commit(msgspec.Struct):
    SessionKey: str

    def __repr__(self) -> str:
        return "Commit(***)"


_TOKEN = msgspec.json.Decoder(Envelope[UploadToken])
_ANSWER = msgspec.json.Decoder(_Answer)
_STORED = msgspec.json.Decoder(_Stored)
_COMMIT = msgspec.json.Decoder(Commit)


def decode_token(status: int, body: bytes) -> UploadToken:
    """Raises what `decode_answer` raises."""
    token = decode_answer(status, body, _TOKEN)
    if token is None:
        raise UpstreamFailed("Coze's answer has no upload token.", code="upstream_protocol")
    return token


def encode_token(token: UploadToken) -> bytes:
    return encode_success(token)


def apply_query(token: UploadToken, *, size_bytes: int, extension: str, noise: str) -> dict[str, str]:
    """What apply asks; `extension` with its dot, `noise` anything that differs from call to call."""
    return {
        "Action": APPLY,
        "Version": API_VERSION,
        "ServiceId": token.service_id,
        "FileSize": str(size_bytes),
        "FileExtension": extension,
        "s": noise,
    }


def decode_apply(status: int, body: bytes) -> Grant:
    """Raises `UpstreamFailed` with ImageX's own words."""
    result = _decode_imagex(status, body).Result
    grant = result.UploadAddress if result else None
    if grant is None or not grant.UploadHosts or not grant.StoreInfos:
        raise UpstreamFailed("The upload service named no place for the file.", code="upstream_protocol")
    return grant


def encode_apply(grant: Grant) -> bytes:
    return msgspec.json.encode(_Answer(Result=_Result(grant)))


def upload_headers(grant: Grant, data: bytes) -> dict[str, str]:
    """What goes with the bytes themselves."""
    return {
        "Authorization": grant.place.Auth,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": 'attachment; filename="undefined"',
        "Content-Crc32": crc32_hex(data),
    }


def decode_stored(status: int, body: bytes) -> None:
    """Return when the bytes arrived whole; raises `UpstreamFailed`."""
    try:
        stored = read_json(body, _STORED)
    except NotJson as error:
        raise _failed(f"HTTP {status}") from error
    if stored.code != UPLOADED:
        raise _failed(f"code {stored.code}: {stored.message[:300]}")


def encode_stored(code: int = UPLOADED, message: str = "Success") -> bytes:
    return msgspec.json.encode(_Stored(code, message))


def commit_query(token: UploadToken) -> dict[str, str]:
    return {"Action": COMMIT, "Version": API_VERSION, "ServiceId": token.service_id}


def encode_commit(grant: Grant) -> bytes:
    """The body of commit, which is signed as it stands."""
    return msgspec.json.encode(Commit(grant.SessionKey))


def decode_commit_request(body: bytes) -> Commit | None:
    """A server's reading of it; None when it is none."""
    try:
        return read_json(body, _COMMIT)
    except NotJson:
        return None


def decode_committed(status: int, body: bytes) -> None:
    """Return when the file may be used; raises `UpstreamFailed`."""
    _decode_imagex(status, body)


def encode_committed() -> bytes:
    return msgspec.json.encode(_Answer(Result=_Result()))


def encode_fault(code: str, message: str) -> bytes:
    """A refusal of ImageX."""
    return msgspec.json.encode(_Answer(ResponseMetadata=_Metadata(_Fault(code, message))))


def crc32_hex(data: bytes) -> str:
    """Eight digits, lower case; the Node program left the leading zero out, and servers take both."""
    return f"{zlib.crc32(data):08x}"


def _decode_imagex(status: int, body: bytes) -> _Answer:
    try:
        answer = read_json(body, _ANSWER)
    except NotJson as error:
        raise _failed(f"HTTP {status}") from error
    fault = answer.ResponseMetadata.Error
    if fault is not None:
        raise _failed(f"{fault.Code}: {fault.Message[:300]}")
    if status != 200:
        raise _failed(f"HTTP {status}")
    return answer


def _failed(what: str) -> UpstreamFailed:
    return UpstreamFailed(f"The upload service answered {what}.", code="upload_failed")


def _unix_time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
