"""The playground's server side: launch, update, execute, and the websocket that is pushed to.

Source: docs/protocol/playground-2024.md §2 to §6 and §11.
"""

import asyncio
import hmac
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import assert_never, cast

from aiohttp import WSMsgType, web

from realcoze.dialects.coze_playground import execute as execute_calls
from realcoze.dialects.coze_playground import launch as launch_calls
from realcoze.dialects.coze_playground.access import access_key
from realcoze.dialects.coze_playground.answer import AnswerEncoder
from realcoze.dialects.coze_playground.envelope import SESSION_EXPIRED, encode_refusal, encode_success
from realcoze.dialects.coze_playground.execute import Execution
from realcoze.dialects.coze_playground.launch import Launch
from realcoze.emulator.account import APP_ID, APP_KEY, BOT_OF_ID, PRODUCT_ID, SERVICE_ID
from realcoze.emulator.delivery import GARBAGE, Cut, Deafen, FrameForm, Garble, Pace, Rejoin, Send, Wrapper, deliver
from realcoze.emulator.fault import Fault, find_fault
from realcoze.emulator.script import FindFile, no_files, script
from realcoze.emulator.wire import Listener, WireNote, ignore
from realcoze.errors import BadRequest
from realcoze.framing.frontier import HEARTBEAT

BODY_BYTES = 32 << 20
SEEN = 10_000
REJOIN_S = 5.0
"""How long an answer waits for who was cut off, and what it says then is lost."""

SUBPROTOCOL = "pbbp2"
_REFUSALS = {
    "region": (1, "Coze is unavailable due to regional restrictions"),
    "session": (SESSION_EXPIRED, "login session invalid"),
    "risk": (700012014, "unusual traffic"),
    "quota": (4008, "daily limit reached"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundSettings:
    """`pace` in tokens a second, 0 for as fast as possible; `cut_every` frames a socket is cut, 0 never."""

    session_id: str
    seed: int = 0
    pace: float = 40.0
    frame_form: FrameForm = "json"
    cut_every: int = 0
    region_blocked: bool = False
    key_accepted: bool = True
    most_sockets: int = 0
    """Sockets of one device before more are refused; 0 for no limit."""
    upload_token_s: float = 3600.0
    """How long leave to upload lasts."""


@dataclass(eq=False)
class _Socket:
    ws: web.WebSocketResponse
    transport: asyncio.Transport
    frames: int = 0
    is_deaf: bool = False


@dataclass
class Seen:
    """What tests count; of each list only the newest."""

    launches: int = 0
    executions: deque[Execution] = field(default_factory=lambda: deque(maxlen=SEEN))
    sockets: int = 0
    frames: int = 0
    cuts: int = 0
    heartbeats: int = 0
    closes: deque[int | None] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The code with which each socket ended; 1006 or None for those without a close."""
    lost: deque[str] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The push_uuid of each push that reached no socket."""


class PlaygroundServer:
    """Routes for one aiohttp application; `base` is known once it listens."""

    def __init__(self, settings: PlaygroundSettings, listener: Listener = ignore) -> None:
        self.settings = settings
        self.seen = Seen()
        self.socket_base = ""
        self.find_file: FindFile = no_files
        self.base = ""
        self._note = listener
        self._wrapper = Wrapper(settings.frame_form)
        self._sockets: dict[str, list[_Socket]] = {}
        self._joins = asyncio.Event()
        """Set, and another one, when a socket joins."""
        self._playing: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(launch_calls.PATH, self._launch),
            web.post(execute_calls.UPDATE_PATH, self._update),
            web.post(execute_calls.PATH, self._execute),
            web.get("/ws/v2", self._socket),
        ]

    async def close(self) -> None:
        """Stop the answers that are being given, and the calls that are not answered."""
        self._closing.set()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    async def _launch(self, request: web.Request) -> web.Response:
        self.seen.launches += 1
        refused = self.refused(request)
        body = refused or launch_calls.encode_launch(
            Launch(
                app_key=APP_KEY,
                app_id=APP_ID,
                product_id=PRODUCT_ID,
                domain=self.socket_base,
                message_service_id=str(SERVICE_ID),
            )
        )
        self._note(WireNote("launch", "refused" if refused else "ok", len(body)))
        return _json(body)

    async def _update(self, request: web.Request) -> web.Response:
        body = self.refused(request) or encode_success({"updated": True})
        self._note(WireNote("update", "", len(body)))
        return _json(body)

    async def _execute(self, request: web.Request) -> web.Response:
        sent = await request.read()
        if (refused := self.refused(request)) is not None:
            return _json(refused)
        try:
            execution = execute_calls.decode_execute(sent)
            messages = execution.messages()
            fault = find_fault(messages[-1].text) if messages else None
        except BadRequest as error:
            return _json(encode_refusal(4000, error.message))
        if execution.bot_id not in BOT_OF_ID:
            return _json(encode_refusal(4006, f"bot {execution.bot_id[:40]} does not exist"))
        if not messages:
            return _json(encode_refusal(4000, "message_info is empty"))
        self.seen.executions.append(execution)
        detail = f"{BOT_OF_ID[execution.bot_id].name}, {len(messages)} messages"
        self._note(WireNote("execute", detail, len(sent), execution.push_uuid))
        return await self._answer_call(execution, fault)

    async def _answer_call(self, execution: Execution, fault: Fault | None) -> web.Response:
        name = fault.name if fault else ""
        if name in _REFUSALS:
            return _json(encode_refusal(*_REFUSALS[name]))
        if name == "signature":
            return web.Response(status=403)
        if name == "broken":
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if name == "stall":
            await self._closing.wait()
        elif name != "silent":
            task = asyncio.get_running_loop().create_task(self._play(execution, fault))
            self._playing.add(task)
            task.add_done_callback(self._playing.discard)
            if name == "early":
                await asyncio.shield(task)
        return _json(execute_calls.encode_accepted())

    async def _play(self, execution: Execution, fault: Fault | None) -> None:
        """Give the answer, push by push, at the pace that was set."""
        bot = BOT_OF_ID[execution.bot_id]
        messages = execution.messages()
        random = Random(f"{self.settings.seed}:{bot.name}:{len(messages)}:{messages[-1].text}")
        events = script(bot.name, messages, random, fault=fault, find_file=self.find_file, base=self.base)
        encoder = AnswerEncoder(push_uuid=execution.push_uuid)
        pushes = [push for event in events for push in encoder.feed(event)]
        loop = asyncio.get_running_loop()
        pace = Pace(self.settings.pace * bot.pace, loop.time()) if self.settings.pace else None
        for step in deliver(pushes, fault, self._wrapper, log_id_ms=time.time_ns() // 1_000_000):
            match step:
                case Send():
                    await self._push(execution, step)
                    if pace is not None and step.is_token:
                        await asyncio.sleep(pace.wait_s(loop.time()))
                case Cut():
                    for socket in self._sockets.get(execution.device_id, [])[:]:
                        self._cut(execution.device_id, socket)
                case Deafen():
                    for socket in self._sockets.get(execution.device_id, []):
                        socket.is_deaf = True
                case Garble():
                    for socket in self._sockets.get(execution.device_id, []):
                        socket.transport.write(GARBAGE)
                case Rejoin():
                    if pace is not None:
                        await self._rejoined(execution.device_id)
                case _:
                    assert_never(step)

    async def _rejoined(self, device_id: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REJOIN_S):
                while device_id not in self._sockets:
                    await self._joins.wait()

    async def _push(self, execution: Execution, step: Send) -> None:
        """Send one message to the sockets of its device; without one it is lost, as at Coze."""
        size = len(step.message)
        is_lost = True
        for socket in self._sockets.get(execution.device_id, [])[:]:
            if socket.is_deaf or not await _send(socket.ws, step.message):
                continue
            is_lost = False
            socket.frames += 1
            self.seen.frames += 1
            self._note(WireNote("frame", "", size, execution.push_uuid))
            if self.settings.cut_every and socket.frames % self.settings.cut_every == 0:
                self._cut(execution.device_id, socket)
        if is_lost:
            self.seen.lost.append(execution.push_uuid)
            self._note(WireNote("lost", "no socket", size, execution.push_uuid))

    def _cut(self, device_id: str, socket: _Socket) -> None:
        """End the connection under the websocket: what was written arrives, a close never does."""
        self.seen.cuts += 1
        self._forget(device_id, socket)
        socket.transport.close()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        device_id = query.get("device_id", "")
        expected = access_key(product_id=PRODUCT_ID, app_key=APP_KEY, device_id=device_id)
        accepted = hmac.compare_digest(query.get("access_key", "").encode(), expected.encode())
        if not (accepted and device_id and self.settings.key_accepted):
            return _handshake_refused(403, {"Handshake-Status": "403", "Handshake-Msg": "forbidden"})
        most = self.settings.most_sockets
        if most and len(self._sockets.get(device_id, [])) >= most:
            headers = {"Handshake-Status": "514", "Handshake-Msg": "auth failed", "Handshake-Autherrcode": "1000040350"}
            return _handshake_refused(514, headers)
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=1 << 20, compress=False, timeout=1)
        await ws.prepare(request)
        socket = _Socket(ws, cast("asyncio.Transport", request.transport))
        self._sockets.setdefault(device_id, []).append(socket)
        self._joins.set()
        self._joins = asyncio.Event()
        self.seen.sockets += 1
        self._note(WireNote("socket", f"device {device_id}"))
        try:
            await self._listen(socket)
        finally:
            self._forget(device_id, socket)
            self.seen.closes.append(ws.close_code)
            self._note(WireNote("closed", f"device {device_id}"))
        return ws

    async def _listen(self, socket: _Socket) -> None:
        """Echo heartbeats until the client is gone."""
        async for message in socket.ws:
            if socket.is_deaf or message.type is not WSMsgType.TEXT or message.data != HEARTBEAT:
                continue
            self.seen.heartbeats += 1
            self._note(WireNote("heartbeat", HEARTBEAT, len(HEARTBEAT)))
            with suppress(ConnectionError):
                await socket.ws.send_str(HEARTBEAT)

    def _forget(self, device_id: str, socket: _Socket) -> None:
        sockets = self._sockets.get(device_id, [])
        if socket in sockets:
            sockets.remove(socket)
        if not sockets:
            self._sockets.pop(device_id, None)

    def refused(self, request: web.Request) -> bytes | None:
        """The refusal that every call of this account gets, if any."""
        if self.settings.region_blocked:
            return encode_refusal(*_REFUSALS["region"])
        session_id = request.cookies.get("sessionid", "")
        if not hmac.compare_digest(session_id.encode(errors="replace"), self.settings.session_id.encode()):
            return encode_refusal(*_REFUSALS["session"])
        return None


async def _send(ws: web.WebSocketResponse, message: bytes | str) -> bool:
    """False when the socket is gone."""
    try:
        if isinstance(message, str):
            await ws.send_str(message)
        else:
            await ws.send_bytes(message)
    except ConnectionError:
        return False
    return True


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _handshake_refused(status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, headers=headers)
