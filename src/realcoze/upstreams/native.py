"""A running `realcoze serve`: the ports `Chats`, `Uploads`, `Speaks` and `Transcribes` over our own HTTP API.

What the terminal uses with `--url`, and the demo to talk to itself over real HTTP.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from realcoze.dialects.native.failure import decode_error
from realcoze.dialects.native.records import NdjsonEncoder, RecordDecoder
from realcoze.dialects.native.request import REPLY_TYPES, encode_request, encode_subscribe
from realcoze.dialects.native.speech import decode_text, encode_speech
from realcoze.dialects.native.upload import decode_uploaded
from realcoze.domain.content import MediaPart
from realcoze.domain.event import ENDS
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Sink, Sound, Speech
from realcoze.domain.request import Request
from realcoze.domain.urls import is_server, root_of
from realcoze.errors import Misconfigured, RealcozeError, Unauthorized, UpstreamFault
from realcoze.framing.json_stream import JsonStreamDecoder
from realcoze.transports.http import Answer, HttpClient, open_http
from realcoze.transports.pushed import Valve
from realcoze.upstreams.credentials import Secret

ERROR_BYTES = 64 << 10
"""How much of a refusal is read."""

IDLE_S = 660.0
"""How long a server may be silent: longer than it waits itself for what is silent longest, the nodes of a workflow."""

SOUND_BYTES = 64 << 20
"""More than what can be spoken at once."""


class NativeUpstream:
    """One server.  Made by `open_native`."""

    def __init__(self, http: HttpClient, url: str, key: Secret, idle_s: float) -> None:
        self._http = http
        self._url = root_of(url)
        self._key = key
        self._idle_s = idle_s

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  Leaving closes the connection, which stops the turn at the server."""
        reading = _Reading(sink)
        try:
            await self._http.stream(
                "POST",
                self._address(request),
                headers=self._headers(),
                body=encode_request(request),
                idle_s=self._idle_s,
                on_head=reading.head,
                on_bytes=reading.bytes,
                valve=reading.valve,
            )
        except UpstreamFault as fault:
            # After a record that ends the turn, how the connection ended says nothing new.
            if not reading.is_over:
                if fault.code == "upstream_unreachable":
                    fault.hint = fault.hint or "Is `realcoze serve` running there?"
                raise
        reading.finish()

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:
        """See `Uploads`."""
        return decode_uploaded((await self._with_file("upload", data, name, bot)).body)

    async def speak(self, speech: Speech, bot: BotName) -> Sound:
        """See `Speaks`."""
        answer = await self._http.call(
            "POST",
            f"{self._url}/speech",
            headers=self._headers(),
            body=encode_speech(speech, bot),
            reply_s=self._idle_s,
            max_bytes=SOUND_BYTES,
        )
        if answer.status != 200:
            raise _refusal(answer.status, answer.body)
        return Sound(data=answer.body, content_type=answer.headers.get("content-type", ""))

    async def transcribe(self, data: bytes, name: str, bot: BotName) -> str:
        """See `Transcribes`."""
        return decode_text((await self._with_file("transcription", data, name, bot)).body)

    async def _with_file(self, path: str, data: bytes, name: str, bot: BotName) -> Answer:
        """The answer to a file.  Raises what the server refused it with."""
        answer = await self._http.call(
            "POST",
            f"{self._url}/{path}?{urlencode({'name': name, 'bot': bot}, errors='replace')}",
            headers={**self._headers(), "Content-Type": "application/octet-stream"},
            body=data,
            reply_s=self._idle_s,
        )
        if answer.status != 200:
            raise _refusal(answer.status, answer.body)
        return answer

    def _address(self, request: Request) -> str:
        subscribe = encode_subscribe(frozenset(REPLY_TYPES)) if request.wants.steps else ""
        return f"{self._url}/?stream=true" + (f"&subscribe={subscribe}" if subscribe else "")

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": NdjsonEncoder.content_type, "Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return headers


@asynccontextmanager
async def open_native(
    url: str, *, key: Secret, connect_s: float = 5.0, idle_s: float = IDLE_S
) -> AsyncIterator[NativeUpstream]:
    """The server at `url`, which may be the base URL of SDKs, for as long as the block lasts.

    Nothing is sent before the first turn.  Raises `Misconfigured` for what is no address.
    """
    _check(url)
    async with open_http(connect_s=connect_s, tls_s=connect_s) as http:
        yield NativeUpstream(http, url, key, idle_s)


def _check(url: str) -> None:
    if not is_server(url):
        raise Misconfigured("The address of the server cannot be read.", hint="Write it like http://127.0.0.1:8080")


def _refusal(status: int, body: bytes) -> RealcozeError:
    """The error that the server answered with; its hint about a key speaks of headers, which nobody writes here."""
    error = decode_error(status, body)
    if isinstance(error, Unauthorized):
        error.hint = "Give the key of that server with `--key` or REALCOZE_KEY; from Python, with `key=`."
    return error


class _Reading:
    """One answer as it arrives."""

    def __init__(self, sink: Sink) -> None:
        self.valve = Valve()
        self._sink = sink
        self._stream = JsonStreamDecoder()
        self._records = RecordDecoder()
        self._refusal: tuple[int, bytearray] | None = None
        self.is_over = False
        sink.open(self.valve)

    def head(self, status: int, _headers: Mapping[str, str]) -> None:
        if status != 200:
            self._refusal = (status, bytearray())

    def bytes(self, chunk: bytes) -> None:
        if self._refusal is not None:
            self._refusal[1].extend(chunk[: ERROR_BYTES - len(self._refusal[1])])
            return
        for record in self._stream.feed(chunk):
            for event in self._records.feed(record):
                self.is_over = self.is_over or isinstance(event, ENDS)
                self._sink.feed(event)
        if self.is_over:
            # Nothing is left to hold back: a sink that is full now need not be waited for.
            self.valve.resume()

    def finish(self) -> None:
        if self._refusal is not None:
            raise _refusal(self._refusal[0], bytes(self._refusal[1]))
        if not self.is_over:
            self._stream.finish()
            self._records.finish()
