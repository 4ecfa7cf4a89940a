"""The emulated picture service: apply, upload, commit, each verified, and in this order only.

Of the lifetimes only the token's is ours to choose; a signature is good for a quarter of an hour.

Source: docs/protocol/playground-2024.md §7 and §11.
"""

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

STORED_BYTES = 64 << 20
"""What is kept of uploads in all; those without a commit go first, the oldest before the others."""

PLACES = 256
"""Files on their way at once; the oldest go first."""

SIGNED_S = 900
"""How far the time of a signature may be from now."""

SERVICE_ID = "svc123"
ACCESS_KEY_ID, SECRET = "AKEMULATED", "ZW11bGF0ZWQtc2VjcmV0"  # no secret: it opens nothing


@dataclass
class _Place:
    """One file on its way."""

    store_uri: str
    auth: str
    size_bytes: int
    data: bytes | None = None


class ImagexServer:
    """Routes for one aiohttp application; `host` (with its port) is known once it listens.

    `refused` gives the refusal that every call of this account gets, if any.
    """

    def __init__(
        self, listener: Listener, refused: Callable[[web.Request], bytes | None], *, token_life_s: float
    ) -> None:
        self.host = ""
        self.tokens = 0
        """How many were given out."""
        self._note = listener
        self._refused = refused
        self._token_life = timedelta(seconds=token_life_s)
        self._expiries: dict[str, datetime] = {}
        self._places: OrderedDict[str, _Place] = OrderedDict()
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
        if (refused := self._refused(request)) is not None:
            return _json(refused)
        self.tokens += 1
        now = datetime.now(UTC)
        expiry = now + self._token_life
        session_token = f"STS-EMULATED-{self.tokens}"
        self._expiries = {name: at for name, at in self._expiries.items() if at > now} | {session_token: expiry}
        auth = Auth(
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET,
            session_token=session_token,
            expired_time=expiry.isoformat(),
            current_time=now.isoformat(),
        )
        self._note(WireNote("upload", "token"))
        return _json(
            calls.encode_token(UploadToken(service_id=SERVICE_ID, upload_host=self.host, auth=auth, schema="http"))
        )

    async def _apply(self, request: web.Request) -> web.Response:
        if (refused := self._unsigned(request, None, calls.APPLY)) is not None:
            return refused
        size, extension = request.query.get("FileSize", ""), request.query.get("FileExtension", "")
        if not (size.isascii() and size.isdigit() and len(size) < 12 and int(size)):
            return _fault(400, "InvalidParameter", "FileSize is no number of bytes")
        number = next(self._numbers)
        place = _Place(f"tos-emulated/{number:06}{extension}", f"SpaceKey/emulated/{number}", int(size))
        self._places[f"session-{number}"] = place
        while len(self._places) > PLACES:
            self._places.popitem(last=False)
        self._note(WireNote("upload", f"apply, {size} bytes as {extension}"))
        grant = Grant(f"session-{number}", [self.host], [StoreInfo(place.store_uri, place.auth)])
        return _json(calls.encode_apply(grant))

    async def _upload(self, request: web.Request) -> web.Response:
        uri, data = request.match_info["uri"], await request.read()
        place = next((place for place in self._places.values() if place.store_uri == uri), None)
        if place is None or request.headers.get("Authorization") != place.auth:
            return _json(calls.encode_stored(4010, "not applied for"), 403)
        crc = calls.crc32_hex(data)
        # The Node program left leading zeros out (§7.1).
        is_right = request.headers.get("Content-Crc32") in (crc, crc.lstrip("0") or "0")
        if not is_right or len(data) != place.size_bytes:
            return _json(calls.encode_stored(4008, "crc or size mismatch"), 400)
        place.data = data
        self._make_room(data)
        self._note(WireNote("upload", f"bytes of {uri}", len(data)))
        return _json(calls.encode_stored())

    async def _commit(self, request: web.Request) -> web.Response:
        body = await request.read()
        if (refused := self._unsigned(request, body, calls.COMMIT)) is not None:
            return refused
        commit = calls.decode_commit_request(body)
        if commit is None or commit.SessionKey not in self._places:
            return _fault(400, "InvalidSessionKey", "no such session")
        place = self._places[commit.SessionKey]
        if place.data is None:
            return _fault(400, "ObjectNotFound", "commit before upload")
        self._objects[place.store_uri] = place.data
        del self._places[commit.SessionKey]
        self._note(WireNote("upload", f"commit of {place.store_uri}"))
        return _json(calls.encode_committed())

    def _unsigned(self, request: web.Request, body: bytes | None, action: str) -> web.Response | None:
        """The refusal of a call that is not signed, too old, or of another action; None when it is right."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        session_token = headers.get("x-amz-security-token", "")
        credentials = Credentials(ACCESS_KEY_ID, SECRET, session_token)
        if not is_signed(request.method, dict(request.query), body, headers, credentials):
            return _fault(403, "SignatureDoesNotMatch", "the signature is wrong")
        now = datetime.now(UTC)
        if abs((now - _signed_at(headers["x-amz-date"])).total_seconds()) > SIGNED_S:
            return _fault(403, "SignatureExpired", "the time of the signature is not now")
        if session_token not in self._expiries or self._expiries[session_token] <= now:
            return _fault(403, "ExpiredToken", "the security token is not known or has expired")
        if request.query.get("Action") != action or request.query.get("ServiceId") != SERVICE_ID:
            return _fault(400, "InvalidAction", "unknown action or service")
        return None

    def _make_room(self, newest: bytes) -> None:
        """Forget files until the rest fits; not this one."""
        waiting = [name for name, place in self._places.items() if place.data and place.data is not newest]
        committed = [key for key, data in self._objects.items() if data is not newest]
        for forget, names in ((self._places.pop, waiting), (self._objects.pop, committed)):
            for name in names:
                if self._stored_bytes() <= STORED_BYTES:
                    return
                forget(name)

    def _stored_bytes(self) -> int:
        waiting = sum(len(place.data or b"") for place in self._places.values())
        return waiting + sum(map(len, self._objects.values()))


def _signed_at(date: str) -> datetime:
    """The time of a signature; the beginning of all times when it is none."""
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def _fault(status: int, code: str, message: str) -> web.Response:
    return _json(calls.encode_fault(code, message), status)
