"""What all HTTP faces share: the guard at the door, keys, bodies within limits, clients that leave.

Pure ASGI.  Answers that are streamed: `streamed.py`.
"""

import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.media import size_in_words
from realcoze.domain.tool import OTHER_TOOLS
from realcoze.errors import BadRequest, RealcozeError, TooLarge
from realcoze.faces.fields import Fields, fields_of, presented_keys
from realcoze.gateway.access import Access
from realcoze.tasks import background_tasks

T = TypeVar("T")

Work = Callable[[HttpRequest], Awaitable[Response]]
CallersWork = Callable[[HttpRequest, CallerId], Awaitable[Response]]

CHAT_BODY_BYTES = 20 << 20
"""The largest body of a request for an answer."""

TEXT_BODY_BYTES = 1 << 20
"""The largest one of a request for something short."""

CODED_HINT = "Send it without compression, and without content-encoding."

FORM_BYTES = 64 << 10
"""What a form may hold beside its file."""

UPLOAD_HINT = "The server's setting `upload_bytes` is the most that a file may have."

FORM_PIECE_BYTES = 64 << 10
"""How much of a form is read in one go, while everybody else waits."""

PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type, x-api-key, x-conversation-id, x-openwebui-chat-id",
    "access-control-max-age": "600",
}
"""What a page of an allowed origin may do, as its browser asks beforehand."""

OFFER = frozenset({"tools", "tool_choice"})
"""What of a request is not passed over where the bot emulates tools."""

LENGTH_DIGITS = 19
"""More has no Content-Length that is one; Python takes long to read a number of many."""

EXPOSED = "x-request-id, request-id, retry-after, x-should-retry, x-realcoze-estimate, x-realcoze-ignored"
"""The headers of an answer that such a page may read beside the usual ones."""

ADDED_HEADERS = "realcoze.headers"
"""Where a scope has the headers that are added to its response, for one that does not begin by `send`."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::[0-9]*)?")


class Refused(Exception):
    """An answer at the door, in the HTTP sense only: not a fault of any turn."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def new_request_id() -> RequestId:
    """A name by which a request is found in the log; no secret."""
    return RequestId(f"req_{random.getrandbits(80):020x}")


def ignoring(names: Iterable[str], *, heeds_offer: bool = False) -> dict[str, str]:
    """The header that names what of a request was passed over; none where nothing was."""
    heeded = OFFER if heeds_offer else {OTHER_TOOLS}  # which are among the tools
    told = ", ".join(name for name in names if name not in heeded)
    return {"x-realcoze-ignored": told} if told else {}


def nobody() -> Response:
    """For a client that has left; it is never sent, and stands in no table but nginx's."""
    return Response(status_code=499)


async def answered(
    request: HttpRequest,
    access: Access,
    work: Work,
    refuse: Callable[[RequestId, RealcozeError], Response],
) -> Response:
    """What `work` comes to for a caller who may ask; the response says by which name the log has it."""
    return await answered_for(request, access, lambda request, _: work(request), refuse)


async def answered_for(
    request: HttpRequest,
    access: Access,
    work: CallersWork,
    refuse: Callable[[RequestId, RealcozeError], Response],
) -> Response:
    """The same for work that depends on who the caller is."""
    request_id = new_request_id()
    try:
        response = await work(request, access.authenticate(presented_keys(fields_of(request.scope))))
    except ClientDisconnect:
        return nobody()
    except RealcozeError as error:
        return refuse(request_id, error)
    response.headers["x-request-id"] = request_id
    return response


def declared_bytes(request: HttpRequest, *, most: int) -> int:
    """How long a body says it is; `most` where it does not say, or says more."""
    declared = fields_of(request.scope).first(b"content-length")
    return min(int(declared), most) if declared.isdecimal() and len(declared) <= LENGTH_DIGITS else most


async def read_body(request: HttpRequest, *, max_bytes: int = CHAT_BODY_BYTES) -> bytes:
    """The whole body; refused as it comes, not after it was buffered.

    Raises `TooLarge`, `BadRequest` for one that is compressed, and `ClientDisconnect` when the client leaves before
    its end.
    """
    fields = fields_of(request.scope)
    for coded in (fields.first(b"content-encoding"), fields.first(b"transfer-encoding")):
        if coded and coded.lower() not in ("identity", "chunked"):
            raise BadRequest(f"The body is said to be coded ({coded[:40]}), and is read as it is.", hint=CODED_HINT)
    for declared in fields.all(b"content-length"):
        if not declared.isdecimal() or len(declared) > LENGTH_DIGITS or int(declared) > max_bytes:
            raise _body_too_large(max_bytes)
    message = await _next_of_body(request)
    first: bytes = message.get("body", b"")
    gathered = bytearray()
    if message.get("more_body", False):
        gathered += first
    while message.get("more_body", False) and len(gathered) <= max_bytes:
        message = await _next_of_body(request)
        gathered += message.get("body", b"")
    if max(len(first), len(gathered)) > max_bytes:
        raise _body_too_large(max_bytes)
    return bytes(gathered) if gathered else first


async def _next_of_body(request: HttpRequest) -> Message:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


def _body_too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {size_in_words(max_bytes)}.")


def is_a_form(request: HttpRequest) -> bool:
    """A file in it has fields beside it."""
    return fields_of(request.scope).first(b"content-type").lower().startswith("multipart/form-data")


class ReceivedFile(NamedTuple):
    """A file, the name it came with, and the other fields of its form."""

    data: bytes
    name: str
    fields: Mapping[str, str]


async def read_file(request: HttpRequest, *, max_bytes: int) -> ReceivedFile:
    """The body itself, or the field `file` of a form.

    Raises `TooLarge`, and `BadRequest` for a form without such a field.
    """
    too_large = TooLarge(f"The file is larger than {size_in_words(max_bytes)}.", hint=UPLOAD_HINT)
    is_form = is_a_form(request)
    try:
        body = await read_body(request, max_bytes=max_bytes + FORM_BYTES if is_form else max_bytes)
    except TooLarge as error:
        raise too_large from error
    if not is_form:
        return ReceivedFile(body, "", {})
    boundary = parse_options_header(fields_of(request.scope).first(b"content-type"))[1].get(b"boundary", b"")
    if not _is_whole(boundary, body):
        raise BadRequest("The form ends in the middle.")
    # Of its own charset a form may say what Python decodes slowly, or not at all; all of them write UTF-8.
    said = Headers(raw=[(b"content-type", b'multipart/form-data; boundary="%b"' % boundary)])
    parser = MultiPartParser(said, _in_pieces(body), max_files=1, max_fields=16, max_part_size=FORM_BYTES)
    parser.spool_max_size = len(body) + 1  # in memory: Starlette (1.10) would write above 1 MiB to a file
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The form cannot be read: {error.message}") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest("The form has no file in a field `file`.")
        data = await file.read()
        if len(data) > max_bytes:
            raise too_large
        others = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        return ReceivedFile(data, file.filename or "", others)
    finally:
        await form.close()


def _is_whole(boundary: bytes, body: bytes) -> bool:
    """The last delimiter is there, near the end.

    Starlette (1.10) passes over a part without an end, and leaves its file open.
    """
    return not boundary or body.find(b"--%b--" % boundary, max(0, len(body) - FORM_BYTES)) >= 0


async def _in_pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), FORM_PIECE_BYTES):
        yield body[start : start + FORM_PIECE_BYTES]
        await anyio.lowlevel.checkpoint()
    yield b""


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[TaskGroup]:
    """Run the block for as long as the client is there; the block is cancelled when it leaves."""
    async with background_tasks() as tasks:
        tasks.start_soon(_wait_for_leaving, receive, tasks.cancel_scope)
        yield tasks


async def unless_left(receive: Receive, work: Awaitable[T]) -> T:
    """What `work` comes to.  It is cancelled when the client leaves; then raises `ClientDisconnect`."""
    async with while_connected(receive):
        return await work
    raise ClientDisconnect


class Guard:
    """The door: which Host names we answer to, and which pages may call us.

    A page of another site can reach a server on loopback through its visitor's browser, directly or
    by a name that resolves to 127.0.0.1.  So the Host must be one of ours and the Origin, where
    there is one, too; programs such as curl and Node send no Origin.  The pages of
    `allowed_origins` may read the answers as well (CORS), without credentials: the key is no cookie.

    Paths that begin with `open_to_all` are for the pages of every site, as programs that live in a page call
    them from wherever they were loaded: there a key must be the guard.  Below `any_header` pages that may call may
    send whatever headers they have, also from the web to a private network.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Iterable[str],
        allowed_origins: Iterable[str],
        open_to_all: str | None = None,
        any_header: str | None = None,
        refuse: Callable[[Scope, Refused], Response],
    ) -> None:
        self._app = app
        self._open_to_all = open_to_all
        self._any_header = any_header
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(_origin(origin) for origin in allowed_origins)
        self._refuse = refuse

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Not a coroutine itself: each that waits for a stream costs half a KiB (2026-11-22)."""
        if scope["type"] not in ("http", "websocket"):
            return self._app(scope, receive, send)
        fields = fields_of(scope)
        origins = fields.all(b"origin")
        is_open_to_all = _is_below(self._open_to_all, scope)
        try:
            self._check_host(fields)
            if origins and not is_open_to_all:
                self._check_origin(scope["type"], scope.get("method", "GET"), fields)
        except Refused as refused:
            return self._refuse(scope, refused)(scope, receive, send)
        origin = _origin(origins[0]) if origins else ""
        if scope["type"] == "websocket" or not (origin in self._origins or (origin and is_open_to_all)):
            return self._app(scope, receive, send)
        if scope["method"] == "OPTIONS" and fields.all(b"access-control-request-method"):
            echoed = _echo(fields) if _is_below(self._any_header, scope) else {}
            allowed = {**_readable_by(origin), **PREFLIGHT, **echoed}
            return Response(status_code=204, headers=allowed)(scope, receive, send)
        readable = {**scope, ADDED_HEADERS: _told_to_pages(origin)}
        return self._app(readable, receive, partial(_send_readable, send, origin))

    def _check_host(self, fields: Fields) -> None:
        name = _host_name(_host(fields))
        if "*" not in self._hosts and name not in self._hosts:
            raise Refused(421, "wrong_host", f"This server does not answer to the host name {name[:80]!r}.")

    def _check_origin(self, kind: str, method: str, fields: Fields) -> None:
        if kind == "http" and method in ("GET", "HEAD", "OPTIONS"):
            return
        host = _host(fields).lower()
        own = (f"http://{host}", f"https://{host}")
        for origin in map(_origin, fields.all(b"origin")):
            if origin not in own and origin not in self._origins:
                raise Refused(403, "wrong_origin", f"Pages of {origin[:80]!r} may not call this server.")


async def _wait_for_leaving(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _is_below(beginning: str | None, scope: Scope) -> bool:
    return beginning is not None and scope["type"] == "http" and scope["path"].startswith(beginning)


def _origin(value: str) -> str:
    """An Origin as it is compared; a browser writes it in lower case and without a slash."""
    return value.rstrip("/").lower()


def _echo(fields: Fields) -> dict[str, str]:
    """What a page of another site may send: whatever it asks for, as SDKs have headers of their own (`x-stainless-*`).

    Browsers ask apart whether a page of the web may reach a private network (WICG, Private Network Access).
    """
    allowed = {"access-control-allow-headers": (fields.all(b"access-control-request-headers") or ["*"])[0]}
    if fields.all(b"access-control-request-private-network"):
        allowed["access-control-allow-private-network"] = "true"
    return allowed


def _readable_by(origin: str) -> dict[str, str]:
    """What tells a browser that a page of `origin`, which is one of the allowed, may read the answer."""
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _told_to_pages(origin: str) -> list[tuple[bytes, bytes]]:
    """What every answer says besides, for a page of `origin`."""
    return Headers({**_readable_by(origin), "access-control-expose-headers": EXPOSED}).raw


async def _send_readable(send: Send, origin: str, message: Message) -> None:
    if message["type"] == "http.response.start":
        message = {**message, "headers": [*message["headers"], *_told_to_pages(origin)]}
    await send(message)


def _host(fields: Fields) -> str:
    """The only Host header; empty when there is none, or another."""
    hosts = fields.all(b"host")
    return hosts[0] if len(hosts) == 1 else ""


@lru_cache(maxsize=64)
def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; empty when it is none."""
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).rstrip(".").lower() if match else ""
