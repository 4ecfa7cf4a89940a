"""AWS4-HMAC-SHA256 as ImageX wants it: service `imagex`, Host not signed.

Time is an argument: `date` is `YYYYMMDDTHHMMSSZ`.

Source: docs/protocol/playground-2024.md §7.1.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

SERVICE = "imagex"
SINGAPORE = "ap-singapore-1"
NORTH_CHINA = "cn-north-1"

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Short-lived ones, as the upload token carries them."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, ***)"


def region_of(base: str) -> str:
    """Where the pictures of the Coze at this address are: coze.cn has its own, all others have coze.com's."""
    host = urlsplit(base).hostname or ""
    return NORTH_CHINA if host == "coze.cn" or host.endswith(".coze.cn") else SINGAPORE


def canonical_query(query: Mapping[str, str]) -> str:
    """Sorted by name, encoded by RFC 3986; what is signed is what must stand in the address."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def signed_headers(
    method: str,
    query: Mapping[str, str],
    body: bytes | None,
    credentials: Credentials,
    *,
    date: str,
    region: str = SINGAPORE,
) -> dict[str, str]:
    """The headers that sign a call to path `/`; a call with a body also signs and sends its SHA-256."""
    headers = {"x-amz-date": date, "x-amz-security-token": credentials.session_token}
    if body is not None:
        headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    names = ";".join(sorted(headers))
    scope = f"{date[:8]}/{region}/{SERVICE}/aws4_request"
    canonical = _canonical(method, query, body or b"", headers)
    signature = _signature(canonical, credentials.secret_access_key, date, scope)
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def is_signed(
    method: str,
    query: Mapping[str, str],
    body: bytes | None,
    headers: Mapping[str, str],
    credentials: Credentials,
    *,
    region: str = SINGAPORE,
) -> bool:
    """Whether `headers` (names in lower case) carry the signature that these credentials make."""
    expected = signed_headers(method, query, body, credentials, date=headers.get("x-amz-date", ""), region=region)
    return all(hmac.compare_digest(_bytes(headers.get(name, "")), _bytes(value)) for name, value in expected.items())


def _canonical(method: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]) -> str:
    names = sorted(headers)
    lines = [f"{name}:{headers[name]}" for name in names]
    payload = hashlib.sha256(body).hexdigest()
    return "\n".join((method, "/", canonical_query(query), *lines, "", ";".join(names), payload))


def _signature(canonical: str, secret: str, date: str, scope: str) -> str:
    to_sign = "\n".join((_ALGORITHM, date, scope, hashlib.sha256(_bytes(canonical)).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, _bytes(part), "sha256")
    return hmac.new(key, _bytes(to_sign), "sha256").hexdigest()


def _bytes(text: str) -> bytes:
    """A server reads headers that hold anything (PEP 383)."""
    return text.encode(errors="surrogateescape")
