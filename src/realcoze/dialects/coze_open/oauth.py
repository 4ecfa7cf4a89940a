"""OAuth: how a token is asked for, and what the answers say; not how a JWT is signed.

These calls have no envelope.  `expires_in` is no duration but a time: the Unix second at which the token
dies, by the clock of Coze.

Source: docs/protocol/openapi-v3.md §4.1, §4.2.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from realcoze.dialects.coze_open.envelope import logid_of
from realcoze.dialects.coze_open.failure import retry_after, without_envelope
from realcoze.dialects.coze_open.objects import Number, Word, number_of
from realcoze.dialects.dates import unix_time
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import RealcozeError, UpstreamDenied, UpstreamFailed

TOKEN_PATH = "/api/permission/oauth2/token"  # noqa: S105 - a path  # nosec B105
DEVICE_PATH = "/api/permission/oauth2/device/code"
AUTHORIZE_PATH = "/api/permission/oauth2/authorize"

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CODE_GRANT = "authorization_code"
REFRESH_GRANT = "refresh_token"

LONGEST_S = 86_399
"""The life that may be asked for a token of the JWT flow."""

Waiting = Literal["authorization_pending", "slow_down", "access_denied", "expired_token"]
"""What a device is told while there is no token."""

_WAITING: Mapping[str, Waiting] = {
    "authorization_pending": "authorization_pending",
    "slow_down": "slow_down",
    "access_denied": "access_denied",
    "expired_token": "expired_token",  # nosec B105
}

_NO_TIME = 1_000_000_000
"""Below it a number of seconds is a duration, whatever the document says; as a time it would be before 2001."""

DENIED_HINT = (
    "Look at the OAuth app at /open/oauth/apps of www.coze.com or www.coze.cn: its id, its public key's fingerprint, "
    "whether it is still authorised; and at this machine's clock. docs/oauth.md has each step."
)
NO_OAUTH_HINT = "Coze Studio has no OAuth: make a personal access token there, and set COZE_API_TOKEN."


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token; `expires_at` is Coze's time, `life_s` how much of it was left when Coze answered."""

    access_token: str = field(repr=False)
    expires_at: float
    life_s: float
    refresh_token: str = field(default="", repr=False)


class DeviceCode(msgspec.Struct):
    """What a device shows its person (`user_code`, the address) and asks with; times are durations in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int = 300
    interval: int = 5

    @property
    def address(self) -> str:
        """Where the person goes."""
        mark = "&" if "?" in self.verification_uri else "?"
        return f"{self.verification_uri}{mark}{urlencode({'user_code': self.user_code})}"


class TokenCall(msgspec.Struct, omit_defaults=True):
    """The body of a call for a token, of any flow."""

    grant_type: Word = ""
    client_id: Word = ""
    duration_seconds: int | None = None
    code: Word = ""
    redirect_uri: Word = ""
    code_verifier: Word = ""
    refresh_token: Word = ""
    device_code: Word = ""


class DeviceCall(msgspec.Struct):
    client_id: Word = ""


class _TokenAnswer(msgspec.Struct):
    access_token: Word = ""
    expires_in: Number = 0
    refresh_token: Word = ""
    token_type: Word = "Bearer"  # noqa: S105 - a type


class _Refusal(msgspec.Struct):
    error_code: Word = ""
    error_message: Word = ""


_TOKEN = msgspec.json.Decoder(_TokenAnswer)
_REFUSAL = msgspec.json.Decoder(_Refusal)
_DEVICE = msgspec.json.Decoder(DeviceCode)
_TOKEN_CALL = msgspec.json.Decoder(TokenCall)
_DEVICE_CALL = msgspec.json.Decoder(DeviceCall)


def token_path(account_id: str) -> str:
    """Where a JWT is exchanged; an enterprise's account has a path of its own."""
    return f"/api/permission/oauth2/account/{quote(account_id, safe='')}/token" if account_id else TOKEN_PATH


def encode_jwt_exchange(duration_s: int) -> bytes:
    """A token for the JWT in the call's header."""
    return msgspec.json.encode(TokenCall(grant_type=JWT_GRANT, duration_seconds=duration_s))


def encode_code_exchange(*, client_id: str, code: str, redirect_uri: str, verifier: str) -> bytes:
    """A token for the code that came with the redirect."""
    call = TokenCall(
        grant_type=CODE_GRANT, client_id=client_id, code=code, redirect_uri=redirect_uri, code_verifier=verifier
    )
    return msgspec.json.encode(call)


def encode_refresh(*, client_id: str, refresh_token: str) -> bytes:
    """A new pair of tokens for a refresh token, which dies of it."""
    return msgspec.json.encode(TokenCall(grant_type=REFRESH_GRANT, client_id=client_id, refresh_token=refresh_token))


def encode_device_request(client_id: str) -> bytes:
    """A code for a device."""
    return msgspec.json.encode(DeviceCall(client_id))


def encode_device_poll(*, client_id: str, device_code: str) -> bytes:
    """Ask whether the person has agreed."""
    return msgspec.json.encode(TokenCall(grant_type=DEVICE_GRANT, client_id=client_id, device_code=device_code))


def authorize_target(*, client_id: str, redirect_uri: str, state: str, challenge: str) -> str:
    """Path and query of the page where a person agrees."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{AUTHORIZE_PATH}?{urlencode(query)}"


def challenge_of(verifier: str) -> str:
    """What is shown of a verifier beforehand (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def decode_token(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Grant:
    """The token; `headers` in lower case, `now` our own clock, which counts where Coze does not say its time.

    Raises `UpstreamDenied` for a refusal, `UpstreamFailed` and others for what is no answer.
    """
    _raise_refusal(status, headers, body)
    try:
        answer = read_json(body, _TOKEN)
    except NotJson as error:
        raise without_envelope(status, logid=logid_of(headers)) from error
    if status >= 300 or not answer.access_token:
        raise without_envelope(status, retry_after_s=retry_after(headers), logid=logid_of(headers))
    theirs = now + ahead_s(headers, now)
    said = number_of(answer.expires_in)
    expires_at = said if said >= _NO_TIME else theirs + said
    return Grant(
        access_token=answer.access_token,
        expires_at=expires_at,
        life_s=expires_at - theirs,
        refresh_token=answer.refresh_token or "",
    )


def decode_poll(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Grant | Waiting:
    """The same for a device: there may be no token yet, or never.  Raises what `decode_token` raises."""
    waiting = _WAITING.get(_refusal_in(body).error_code or "")
    return waiting or decode_token(status, headers, body, now)


def decode_device(status: int, headers: Mapping[str, str], body: bytes) -> DeviceCode:
    """The code for a device.  Raises what `decode_token` raises."""
    _raise_refusal(status, headers, body)
    try:
        return read_json(body, _DEVICE)
    except NotJson as error:
        raise without_envelope(status, logid=logid_of(headers)) from error


def ahead_s(headers: Mapping[str, str], now: float) -> float:
    """How far Coze's clock is ahead of ours, by the `Date` of its answer; 0 where it says nothing."""
    told = unix_time(headers.get("date", ""))
    return 0.0 if told is None else told - now


def _raise_refusal(status: int, headers: Mapping[str, str], body: bytes) -> None:
    refusal = _refusal_in(body)
    code, text = refusal.error_code or "", refusal.error_message or ""
    if code or text:
        raise _refused(status, code, text, headers)
    if status == 404:
        raise UpstreamFailed(
            "Coze answered HTTP 404 where it gives out tokens.", code="upstream_protocol", hint=NO_OAUTH_HINT
        )


def _refused(status: int, code: str, text: str, headers: Mapping[str, str]) -> RealcozeError:
    logid = logid_of(headers)
    said = f"Coze gives no token: {code[:60]}: {text[:200]}."
    if code == "internal_error" or status >= 500:
        return UpstreamFailed(said, logid=logid, retryable=True)
    if status == 429:
        return without_envelope(status, retry_after_s=retry_after(headers), logid=logid)
    return UpstreamDenied(said, hint=DENIED_HINT, logid=logid)


def _refusal_in(body: bytes) -> _Refusal:
    try:
        return read_json(body, _REFUSAL)
    except NotJson:
        return _Refusal()


def encode_token(*, access_token: str, expires_at: int, refresh_token: str = "") -> bytes:
    """The server's answer to a call for a token."""
    told: dict[str, str | int] = {"access_token": access_token, "expires_in": expires_at, "token_type": "Bearer"}  # nosec B105
    return msgspec.json.encode({**told, "refresh_token": refresh_token} if refresh_token else told)


def encode_device(code: DeviceCode) -> bytes:
    """The server's answer to a device."""
    return msgspec.json.encode(code)


def encode_denial(code: str, text: str) -> bytes:
    """The server's refusal; SDKs read the first two fields."""
    return msgspec.json.encode({"error_code": code, "error_message": text, "error": code})


def decode_token_call(body: bytes) -> TokenCall:
    """What the server is asked for.  Raises `NotJson`."""
    return read_json(body, _TOKEN_CALL)


def decode_device_call(body: bytes) -> DeviceCall:
    """The same of a device.  Raises `NotJson`."""
    return read_json(body, _DEVICE_CALL)
