"""What the rows are played on: caller ⇄ a whole realcoze ⇄ a witness ⇄ an emulated Coze, all on loopback.

The witness is a relay that keeps what Coze said, so that a success can be held against it; an abort
goes through it as an abort.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import httptools

from native_server import NDJSON, SSE, Answer, connected, parsed
from native_server import request as http_request
from realcoze.app import wiring
from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import Bot, Server, Settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.open_api.settings import OpenSeen, Personality
from realcoze.emulator.open_api.settings import OpenSettings as OpenEmulatorSettings
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.upstreams.coze_open.settings import Deadlines, OpenSettings
from realcoze.upstreams.coze_open.upstream import open_coze
from realcoze.upstreams.credentials import Secret
from servers import TARGETS, Coze, Watched, held, until_held
from servers import emulated as emulating

KEY = "canary-key-of-the-house"
TOKEN = "pat_canary_0123456789"
SAID = "canary-plover"
"""The first word of all that callers say.  None of the three may ever stand in a log line or an error."""

CANARIES = (KEY, TOKEN, SAID)
ENDING_RECORDS = frozenset({"done", "requires_action", "input_required", "error"})
FORMS = {"whole": "", "SSE": SSE, "NDJSON": NDJSON}
"""How a caller may want the answer, and what it says that it accepts."""

_SUCCESSES = (
    *(b"conversation.chat.completed", b"conversation.chat.requires_action"),
    b'"status":"completed"',  # of a chat that was asked for
    *(b"event: Done", b"event: Interrupt"),  # of a workflow
)
_NO_LINGER = struct.pack("ii", 1, 0)


def spoken(words: int = 10) -> str:
    """What a caller says."""
    return " ".join((SAID, *(f"word{number}" for number in range(words))))


class Witness(Watched):
    """A relay on `port`; `said` is the body of all that came from Coze, without its chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.said = bytearray()
        self.open = 0

    def on_body(self, body: bytes) -> None:
        """For the parser of HTTP."""
        self.said += body
        self.changed()

    @property
    def saw_success(self) -> bool:
        """Coze said that the chat went well, or waits for a tool, and nothing of an error before that."""
        ends = [self.said.find(word) for word in _SUCCESSES]
        came = [end for end in ends if end >= 0]
        before = bytes(self.said[: min(came)]) if came else b""
        return bool(came) and b"event:error" not in before and b"event: error" not in before


@asynccontextmanager
async def witnessed(port: int) -> AsyncIterator[Witness]:
    """A relay to the server on `port`."""
    witness = Witness()
    running: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        parser = httptools.HttpResponseParser(witness)
        witness.open += 1

        async def there() -> None:
            with suppress(ConnectionError):
                while chunk := await reader.read(1 << 16):
                    ours.write(chunk)
                    await ours.drain()

        async def back() -> None:
            try:
                while chunk := await theirs.read(1 << 16):
                    with suppress(httptools.HttpParserError):
                        parser.feed_data(chunk)
                    writer.write(chunk)
                    await writer.drain()
            except ConnectionError:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()

        try:
            ways = [asyncio.create_task(way) for way in (there(), back())]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        finally:
            witness.open -= 1
            witness.changed()
            ours.close()
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(relay(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    witness.port = server.sockets[0].getsockname()[1]
    try:
        yield witness
    finally:
        server.close()
        for task in running:
            task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*running, return_exceptions=True)
            await server.wait_closed()


@dataclass(frozen=True)
class Outcome:
    """How one request ended for its caller.

    `error` is the inner object of an error, wherever it stood; `waiting` is what goes on with a turn that waits.
    """

    how: str
    text: str
    conversation_id: str
    error: dict[str, Any]
    waiting: dict[str, Any] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return not self.error


@dataclass
class House:
    """A realcoze that listens on `port`."""

    port: int

    async def ask(self, text: str, *, form: str = "whole", **more: Any) -> Outcome:
        """One question and how it ended; `more` are fields of the body."""
        return read_outcome(await self.answered(text, form=form, **more), form)

    async def answered(self, text: str, *, form: str = "whole", **more: Any) -> Answer:
        """The same as it stood on the wire."""
        async with connected(self.port) as connection:
            await connection.send(asked(text, form=form, **more))
            return parsed(await connection.rest())

    async def turns(self) -> int:
        """How many run now, by /health."""
        async with connected(self.port) as connection:
            await connection.send(http_request(b"", path="/health", method="GET"))
            health = parsed(await connection.rest()).json
        return int(health["upstreams"]["coze"]["turns"])


@dataclass
class Stage(House):
    """A house and what stands behind it."""

    coze: Coze
    witness: Witness

    @property
    def seen(self) -> OpenSeen:
        return self.coze.open_api.seen

    @property
    def ports(self) -> frozenset[int]:
        return frozenset({self.port, self.witness.port, self.coze.port})


def asked(text: str, *, form: str = "whole", **more: Any) -> bytes:
    """The bytes of one question; `more` are fields of the body."""
    body = {"messages": [{"role": 2, "content": text}], "bot": "echo", "stream": form != "whole", **more}
    return http_request(json.dumps(body).encode(), authorization=f"Bearer {KEY}", accept=FORMS[form] or "*/*")


def house_settings(base: str, folder: Path, *, server: dict[str, Any], **upstream: Any) -> Settings:
    """One bot on one account of the open API."""
    return Settings(
        server=Server(key=KEY, **server),
        upstreams={"coze": OpenUpstream(**{"token": TOKEN, **upstream}, base=base)},
        bots={BotName("echo"): Bot(upstream="coze", bot_id=TARGETS[BotName("echo")].id)},
        catches_all=False,
        state_dir=folder,
    )


def by_token(_coze: Coze) -> Mapping[str, Any]:
    """The settings of an account with a token that stays."""
    return {"token": TOKEN}


@asynccontextmanager
async def staged(folder: Path, personality: Personality = "coze", **settings: Any) -> AsyncIterator[Stage]:
    """See `set_up`; afterwards nothing is left of it."""
    async with giving_all_back(), set_up(folder, personality, **settings) as stage:
        yield stage


@asynccontextmanager
async def set_up(
    folder: Path,
    personality: Personality = "coze",
    *,
    pace: float = 0.0,
    gate_s: float = 5.0,
    emulated: Mapping[str, Any] = MappingProxyType({}),
    credentials: Callable[[Coze], Mapping[str, Any]] = by_token,
    **upstream: Any,
) -> AsyncIterator[Stage]:
    """All of it; `upstream` are settings of the account, which does not ask for the rest unless they say so."""
    emulator = OpenEmulatorSettings(personality=personality, token=TOKEN, pace=pace, **emulated)
    async with emulating(emulator) as coze, witnessed(coze.port) as witness:
        base = f"http://127.0.0.1:{witness.port}"
        told = {"recovery_calls": 0, **credentials(coze), **upstream}
        settings = house_settings(base, folder, server={"gate_s": gate_s}, **told)
        async with (
            open_house(settings) as house,
            listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        ):
            yield Stage(port, coze, witness)


@asynccontextmanager
async def housed(base: str, **deadlines: float) -> AsyncIterator[House]:
    """A house alone, whose Coze is at `base`, with deadlines that settings do not have."""
    told = Deadlines(**{"connect": 2.0, "tls": 2.0, "first_event": 5.0, "idle": 5.0, "cancel": 1.0, **deadlines})
    upstream = OpenSettings(token=Secret(TOKEN), bots=TARGETS, base=base, recovery_calls=0, deadlines=told)
    async with giving_all_back(), open_coze(upstream) as coze:
        inside = wiring.House(Gateway(Routes({BotName("echo"): coze})), lambda: {"coze": coze.health()})
        app = build_app(inside, house_settings(base, Path("/nowhere"), server={}))
        async with listening(app, host="127.0.0.1", port=0, grace_s=1) as port:
            yield House(port)


@asynccontextmanager
async def giving_all_back() -> AsyncIterator[None]:
    """After the block there are as many tasks, sockets and files as before."""
    before = held()
    yield
    await until_held(before)


def read_outcome(answer: Answer, form: str) -> Outcome:
    """What a caller makes of an answer.  Asserts that it has exactly one end (I1)."""
    if answer.status != 200:
        error = answer.error
        assert int(answer.headers.get("retry-after", 0)) == error.get("retry_after", 0)
        return Outcome(f"R {answer.status} {error['code']}", "", "", error)
    if form == "whole":
        told = answer.json
        how = told.get("status") or "success"
        return Outcome(how, told["content"], told.get("conversation_id", ""), {}, _waiting(told, told))
    return _read_records(_records(answer.text, form), has_last_chunk=answer.has_last_chunk)


def _records(text: str, form: str) -> list[dict[str, Any]]:
    if form == "NDJSON":
        return [json.loads(line) for line in text.split("\n") if line]
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    assert all((block[0] == "event: error") == ('"type":"error"' in block[-1]) for block in blocks)
    return [json.loads(block[-1].removeprefix("data: ")) for block in blocks]


def _read_records(records: list[dict[str, Any]], *, has_last_chunk: bool) -> Outcome:
    ends = [place for place, record in enumerate(records) if record["type"] in ENDING_RECORDS]
    assert ends == [len(records) - 1], f"{len(ends)} ends among {len(records)} records"
    last = records[-1]
    texts: dict[str, str] = {}
    for record in records:
        if record["type"] == "delta":
            texts[record["message_id"]] = texts.get(record["message_id"], "") + record["text"]
        elif record["type"] == "snapshot":
            texts[record["message_id"]] = record["text"]
    error = last.get("error", {})
    assert has_last_chunk == (not error), "only an answer that failed goes without its last chunk"
    how = f"M {error['code']}" if error else {"done": "success"}.get(last["type"], last["type"])
    start = next((record for record in records if record["type"] == "start"), {})
    text = "\n\n".join(texts.values())
    return Outcome(how, text, start.get("conversation_id", ""), error, _waiting(start, last))


def _waiting(start: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body that goes on with a turn; without what is to be said."""
    names = {name: start[name] for name in ("conversation_id", "chat_id") if start.get(name)}
    if calls := end.get("tool_calls"):
        return {**names, "tool_results": [{"call_id": call["id"], "output": "done"} for call in calls]}
    if asked := end.get("interrupt"):
        return {**names, "resume": {"event_id": asked["event_id"], "kind": asked["kind"]}}
    return {}
