"""The websocket on `/` and `/ws`: many turns at once on one socket, fair among them.

Each turn has a lane that keeps what is not yet sent of it: its steps, and the newest snapshot only.
One task sends, a message of each lane in turn, so that neither a long answer nor a slow client
makes another turn wait or memory grow.
"""

from collections import OrderedDict, deque
from collections.abc import Callable

import anyio
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from realcoze.dialects.native.socket import (
    Ask,
    BadMessage,
    Cancel,
    decode_message,
    encode_failure,
    encode_last,
    encode_snapshot,
    encode_step,
)
from realcoze.domain.event import ENDS, Event, Step, TextDelta, TextReplaced
from realcoze.domain.fold import Fold
from realcoze.domain.ids import RequestId
from realcoze.domain.ports import Flow
from realcoze.errors import BadRequest, Overloaded, RealcozeError
from realcoze.faces.http import new_request_id, presented_keys
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway

TURNS = 128
"""Turns at once on one socket."""

KEY_PREFIX = "realcoze.key."
"""A browser can send no header with a websocket; it offers its key as a subprotocol."""

PROTOCOL = "realcoze"
"""Offer this too, and the key is not echoed as the chosen subprotocol."""

Refuse = Callable[[RequestId, RealcozeError], Response]


class SocketFace:
    """`refuse` makes the answer to a handshake without a key; `stall_s` is how long a client may not read."""

    def __init__(self, gateway: Gateway, access: Access, *, refuse: Refuse, stall_s: float) -> None:
        self._gateway = gateway
        self._access = access
        self._refuse = refuse
        self._stall_s = stall_s

    def routes(self) -> list[BaseRoute]:
        return [WebSocketRoute("/", self._serve), WebSocketRoute("/ws", self._serve)]

    async def _serve(self, socket: WebSocket) -> None:
        offered = [name.strip() for name in socket.headers.get("sec-websocket-protocol", "").split(",") if name.strip()]
        keys = [name.removeprefix(KEY_PREFIX) for name in offered if name.startswith(KEY_PREFIX)]
        try:
            self._access.authenticate([*presented_keys(socket.headers), *keys])
        except RealcozeError as error:
            await socket.send_denial_response(self._refuse(new_request_id(), error))
            return
        chosen = PROTOCOL if PROTOCOL in offered else next(iter(offered), None)
        await socket.accept(subprotocol=chosen)
        await _Conversations(socket, self._gateway, self._stall_s).run()


class _Conversations:
    """All turns of one socket."""

    def __init__(self, socket: WebSocket, gateway: Gateway, stall_s: float) -> None:
        self._socket = socket
        self._gateway = gateway
        self._stall_s = stall_s
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._outbox = _Outbox()

    async def run(self) -> None:
        """Until the client leaves; then every turn is stopped."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send, tasks.cancel_scope)
            while (text := await self._next()) is not None:
                self._take(text, tasks)
            tasks.cancel_scope.cancel()

    async def _next(self) -> str | None:
        """The next message of the client; None when it has left."""
        try:
            message = await self._socket.receive()
        except (WebSocketDisconnect, RuntimeError):
            return None
        if message["type"] == "websocket.disconnect":
            return None
        return message.get("text") or (message.get("bytes") or b"").decode(errors="replace")

    def _take(self, text: str, tasks: anyio.abc.TaskGroup) -> None:
        try:
            message = decode_message(text)
        except BadMessage as bad:
            self._outbox.put_failure(bad.uuid, bad.error, new_request_id())
            return
        match message:
            case Cancel(uuid):
                if uuid in self._scopes:
                    self._scopes[uuid].cancel()
            case Ask(uuid):
                if uuid in self._scopes:
                    self._outbox.put_failure(uuid, BadRequest("A turn with this uuid is running."), new_request_id())
                elif len(self._scopes) >= TURNS:
                    error = Overloaded(f"{TURNS} turns run on this socket already.", retry_after_s=1)
                    self._outbox.put_failure(uuid, error, new_request_id())
                else:
                    self._scopes[uuid] = anyio.CancelScope()
                    tasks.start_soon(self._converse, message)

    async def _converse(self, ask: Ask) -> None:
        lane = _Lane(ask, new_request_id(), self._outbox)
        try:
            with self._scopes[ask.uuid]:
                await self._gateway.relay(ask.question.request, lane, request_id=lane.request_id)
        finally:
            del self._scopes[ask.uuid]

    async def _send(self, whole: anyio.CancelScope) -> None:
        while True:
            text = await self._outbox.get()
            with anyio.move_on_after(self._stall_s) as sending:
                await self._socket.send_text(text)
            if sending.cancelled_caught:
                whole.cancel()
                return


class _Outbox:
    """Lanes that have something to send, first come first served, one message at a time."""

    def __init__(self) -> None:
        self._ready: OrderedDict[object, _Lane] = OrderedDict()
        self._failures: deque[str] = deque(maxlen=TURNS)
        self._filled = anyio.Event()

    def put(self, lane: "_Lane") -> None:
        """The lane has something; where it waits already it keeps its place."""
        self._ready.setdefault(lane, lane)
        self._filled.set()

    def put_failure(self, uuid: str, error: RealcozeError, request_id: RequestId) -> None:
        """A failure outside any lane; of too many the oldest are dropped."""
        self._failures.append(encode_failure(uuid, error, request_id))
        self._filled.set()

    async def get(self) -> str:
        """The next message; waits for one."""
        while not (self._failures or self._ready):
            self._filled = anyio.Event()
            await self._filled.wait()
        if self._failures:
            return self._failures.popleft()
        _, lane = self._ready.popitem(last=False)
        text = lane.next()
        if lane.has_more:
            self.put(lane)
        return text


class _Lane:
    """One turn's sink: keeps what is not yet sent of it."""

    def __init__(self, ask: Ask, request_id: RequestId, outbox: _Outbox) -> None:
        self.request_id = request_id
        self._ask = ask
        self._outbox = outbox
        self._fold = Fold()
        self._steps: deque[Step] = deque()
        self._has_news = False
        self._is_over = False

    @property
    def has_more(self) -> bool:
        return bool(self._steps) or self._has_news

    def open(self, flow: Flow) -> None:
        """Never too slow: only the newest snapshot is kept."""

    def feed(self, event: Event) -> None:
        self._fold.feed(event)
        if isinstance(event, Step):
            if event.kind in self._ask.question.steps:
                self._steps.append(event)
        elif isinstance(event, ENDS):
            self._has_news = self._is_over = True
        elif isinstance(event, TextDelta | TextReplaced):
            self._has_news = True
        if self.has_more:
            self._outbox.put(self)

    def next(self) -> str:
        """The next message of this turn."""
        uuid = self._ask.uuid
        if self._steps:
            return encode_step(uuid, self._steps.popleft())
        self._has_news = False
        if not self._is_over:
            return encode_snapshot(uuid, self._fold.text)
        try:
            return encode_last(uuid, self._ask.question, self._fold.finish(), self.request_id)
        except RealcozeError as error:
            return encode_failure(uuid, error, self.request_id)
