"""The emulated picture service: apply, upload, commit, each verified, and in this order only.

Source: docs/protocol/playground-2024.md §7 and §11.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from aiohttp import web

from realcoze.dialects.coze_playground import upload as calls
from realcoze.dialects.coze_playground.signature import Credentials, is_signed
from realcoze.dialects.coze_playground.upload import Auth, Grant, StoreInfo, UploadToken
from realcoze.emulator.wire import Listener, WireNote

TOKEN_LIFE_S = 3600
STORED_BYTES = 64 << 20
"""What is kept of uploads in all; the oldest go first."""

SERVICE_ID = "svc123"
CREDENTIALS = Credentials("AKEMULATED", "ZW11bGF0ZWQtc2VjcmV0", "STS-EMULATED")  # no secret: it opens nothing


@dataclass
class _Place:
    """One file on its way."""

    store_uri: str
    auth: str
    size_bytes: int
    data: bytes | None = None


class ImagexServer:
    """Routes for one aiohttp application; `host` (with its port) is known once it listens."""

    def __init__(self, listener: Listener, refused: Callable[[web.Request], bytes | None]) -> None:
        self.host = ""
        self.tokens = 0
        """How many were given out."""
        self._note = listener
        self._refused = refused
        self._places: dict[str, _Place] = {}
        self._numbers = count(1)
        self._objects: OrderedDict[str, bytes] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(calls.TOKEN_PATH, self._token),
            web.get("/", self._apply),
            web.post("/", self._commit),
            web.post("/upload/v1/{uri:.+}", self._upload),
        ]

    def find(self, key: str) -> bytes | None:
        """A committed file."""
        return self._objects.get(key)

    async def _token(self, request: web.Request) -> web.Response:
        self.tokens += 1
        now = datetime.now(UTC)
        auth = Auth(
            access_key_id=CREDENTIALS.access_key_id,
            secret_access_key=CREDENTIALS.secret_access_key,
            session_token=CREDENTIALS.session_token,
            expired_time=(now + timedelta(seconds=TOKEN_LIFE_S)).isoformat(),
            current_time=now.isoformat(),
        )
        token = UploadToken(service_id=SERVICE_ID, upload_host=self.host, auth=auth, schema="http")
        return _json(self._refused(request) or calls.encode_token(token))

    async def _apply(self, request: web.Request) -> web.Response:
        if (refused := _unsigned(request, None, calls.APPLY)) is not None:
            return refused
        size, extension = request.query.get("FileSize", ""), request.query.get("FileExtension", "")
        if not size.isdigit():
            return _fault(400, "InvalidParameter", "FileSize is no number")
        number = next(self._numbers)
        place = _Place(f"tos-emulated/{number:06}{extension}", f"SpaceKey/emulated/{number}", int(size))
        self._places[f"session-{number}"] = place
        self._note(WireNote("upload", f"apply, {size} bytes as {extension}"))
        grant = Grant(f"session-{number}", [self.host], [StoreInfo(place.store_uri, place.auth)])
        return _json(calls.encode_apply(grant))

    async def _upload(self, request: web.Request) -> web.Response:
        uri, data = request.match_info["uri"], await request.read()
        place = next((place for place in self._places.values() if place.store_uri == uri), None)
        if place is None or not hmac.compare_digest(request.headers.get("Authorization", ""), place.auth):
            return _json(calls.encode_stored(4010, "not applied for"), 403)
        crc = request.headers.get("Content-Crc32", "")
        if crc not in (calls.crc32_hex(data), calls.crc32_hex(data).lstrip("0")) or len(data) != place.size_bytes:
            return _json(calls.encode_stored(4008, "crc or size mismatch"), 400)
        place.data = data
        self._note(WireNote("upload", f"bytes of {uri}", len(data)))
        return _json(calls.encode_stored())

    async def _commit(self, request: web.Request) -> web.Response:
        body = await request.read()
        if (refused := _unsigned(request, body, calls.COMMIT)) is not None:
            return refused
        commit = calls.decode_commit_request(body)
        place = self._places.get(commit.SessionKey) if commit else None
        if place is None:
            return _fault(400, "InvalidSessionKey", "no such session")
        if place.data is None:
            return _fault(400, "ObjectNotFound", "commit before upload")
        self._keep(place.store_uri, place.data)
        del self._places[commit.SessionKey]  # type: ignore[union-attr]
        self._note(WireNote("upload", f"commit of {place.store_uri}"))
        return _json(calls.encode_committed())

    def _keep(self, key: str, data: bytes) -> None:
        self._objects[key] = data
        while sum(map(len, self._objects.values())) > STORED_BYTES and len(self._objects) > 1:
            self._objects.popitem(last=False)


def _unsigned(request: web.Request, body: bytes | None, action: str) -> web.Response | None:
    """The refusal of a call that is not signed, too old, or of another action; None when it is right."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not is_signed(request.method, dict(request.query), body, headers, CREDENTIALS):
        return _fault(403, "SignatureDoesNotMatch", "the signature is wrong")
    if request.query.get("Action") != action or request.query.get("ServiceId") != SERVICE_ID:
        return _fault(400, "InvalidAction", "unknown action or service")
    return None


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def _fault(status: int, code: str, message: str) -> web.Response:
    return _json(calls.encode_fault(code, message), status)
