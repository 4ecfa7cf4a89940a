"""The websocket on `/` and `/ws`: many turns at once on one socket, fair among them.

Each turn has a lane that keeps what is not yet sent of it: the newest snapshot only, and its steps,
which hold the upstream back when they are too many.  One task sends, a message of each lane in turn,
so that neither a long answer nor a slow client makes another turn wait or memory grow: a turn has its
place until its last message is on its way, and while too many refusals wait to be sent nothing more
is read.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import assert_never

import anyio
from msgspec.structs import replace
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
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.ports import Flow
from realcoze.domain.request import Thread
from realcoze.errors import BadRequest, Overloaded, RealcozeError
from realcoze.faces.fields import fields_of, presented_keys, thread_of
from realcoze.faces.http import new_request_id
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.tasks import aside

TURNS = 128
"""Turns at once on one socket."""

STEP_CHARACTERS = 1 << 20
"""Steps of one turn that may wait to be sent; beyond that its upstream is held back until half is gone."""

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
        offered: list[str] = socket.scope.get("subprotocols", [])
        keys = [name.removeprefix(KEY_PREFIX) for name in offered if name.startswith(KEY_PREFIX)]
        try:
            caller = self._access.authenticate([*presented_keys(fields_of(socket.scope)), *keys])
            thread = thread_of(fields_of(socket.scope))
        except RealcozeError as error:
            await socket.send_denial_response(self._refuse(new_request_id(), error))
            return
        ours = [name for name in offered if name == PROTOCOL or name.startswith(KEY_PREFIX)]
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in ours else next(iter(ours), None))
        await _Conversations(socket, self._gateway, self._stall_s, caller, thread).run()


class _Conversations:
    """All turns of one socket, of one caller, and in the thread that its handshake named."""

    def __init__(
        self, socket: WebSocket, gateway: Gateway, stall_s: float, caller: CallerId, thread: Thread | None
    ) -> None:
        self._socket = socket
        self._gateway = gateway
        self._stall_s = stall_s
        self._caller = caller
        self._thread = thread
        self._lanes: dict[str, _Lane] = {}
        self._outbox = _Outbox()

    async def run(self) -> None:
        """Until the client leaves; then every turn is stopped."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send, tasks.cancel_scope)
            while (data := await self._next()) is not None:
                await self._take(data, tasks)
                await self._outbox.room()
            tasks.cancel_scope.cancel()

    async def _next(self) -> bytes | None:
        """The next message of the client; None when it has left."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        return message.get("bytes") or (message.get("text") or "").encode()

    async def _take(self, data: bytes, tasks: anyio.abc.TaskGroup) -> None:
        try:
            message = await aside(decode_message, data)
        except BadMessage as bad:
            self._outbox.put_failure(bad.uuid, bad.error, new_request_id())
            return
        match message:
            case Cancel(uuid):
                if (lane := self._lanes.get(uuid)) is not None:
                    lane.stop()
                    if lane.has_returned:
                        self._forget(lane)
            case Ask(uuid):
                if uuid in self._lanes:
                    self._outbox.put_failure(uuid, BadRequest("A turn with this uuid is running."), new_request_id())
                elif len(self._lanes) >= TURNS:
                    error = Overloaded(f"{TURNS} turns run on this socket already.", retry_after_s=1)
                    self._outbox.put_failure(uuid, error, new_request_id())
                else:
                    lane = self._lanes[uuid] = _Lane(message, new_request_id(), self._outbox)
                    tasks.start_soon(self._converse, lane)
            case _:
                assert_never(message)

    async def _converse(self, lane: "_Lane") -> None:
        request = replace(lane.ask.question.request, caller=self._caller, thread=self._thread)
        with lane.scope:
            await self._gateway.relay(request, lane, request_id=lane.request_id)
        lane.has_returned = True
        if lane.is_deaf:
            self._forget(lane)

    def _forget(self, lane: "_Lane") -> None:
        """Free its place; its uuid may be another turn's by now."""
        if self._lanes.get(lane.ask.uuid) is lane:
            del self._lanes[lane.ask.uuid]

    async def _send(self, whole: anyio.CancelScope) -> None:
        """Until the client has left or takes nothing any more."""
        is_there = True
        while is_there:
            text, lane = await self._outbox.get()
            if lane is not None and lane.is_told:
                self._forget(lane)
            is_there = await self._sent(text)
        whole.cancel()

    async def _sent(self, text: str) -> bool:
        with anyio.move_on_after(self._stall_s) as sending:
            try:
                await self._socket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):  # uvicorn's word for what the client or the server has closed
                return False
        return not sending.cancelled_caught


class _Outbox:
    """Lanes that have something to send, first come first served, one message at a time."""

    def __init__(self) -> None:
        self._ready: OrderedDict[_Lane, None] = OrderedDict()
        self._failures: deque[str] = deque()
        self._filled = anyio.Event()
        self._emptied = anyio.Event()

    def put(self, lane: "_Lane") -> None:
        """The lane has something; where it waits already it keeps its place."""
        self._ready.setdefault(lane)
        self._filled.set()

    def put_failure(self, uuid: str, error: RealcozeError, request_id: RequestId) -> None:
        """A failure outside any lane."""
        self._failures.append(encode_failure(uuid, error, request_id))
        self._filled.set()

    def drop(self, lane: "_Lane") -> None:
        """Nobody wants to hear more of this turn."""
        self._ready.pop(lane, None)

    async def room(self) -> None:
        """Return when another failure may be put; gives everybody else a turn in any case."""
        await anyio.lowlevel.checkpoint()
        while len(self._failures) >= TURNS:
            self._emptied = anyio.Event()
            await self._emptied.wait()

    async def get(self) -> "tuple[str, _Lane | None]":
        """The next message, and the turn it is of if it is one's; waits for one."""
        while not (self._failures or self._ready):
            self._filled = anyio.Event()
            await self._filled.wait()
        if self._failures:
            self._emptied.set()
            return self._failures.popleft(), None
        lane, _ = self._ready.popitem(last=False)
        text = lane.next()
        if lane.has_more:
            self.put(lane)
        return text, lane


class _Lane:
    """One turn's sink: keeps what is not yet sent of it.

    Once stopped it is deaf, whatever the upstream says while it is being stopped; it keeps its place
    until that `has_returned`.
    """

    def __init__(self, ask: Ask, request_id: RequestId, outbox: _Outbox) -> None:
        self.ask = ask
        self.request_id = request_id
        self.scope = anyio.CancelScope()
        self.has_returned = False
        self.is_deaf = False
        self._outbox = outbox
        self._fold = Fold()
        self._flow: Flow | None = None
        self._is_paused = False
        self._steps: deque[Step] = deque()
        self._step_characters = 0
        self._has_news = False
        self._is_over = False

    @property
    def has_more(self) -> bool:
        return bool(self._steps) or self._has_news

    @property
    def is_told(self) -> bool:
        """Its last message has been given."""
        return self._is_over and not self.has_more

    def stop(self) -> None:
        """Nobody wants to hear more of this turn."""
        self.is_deaf = True
        self.scope.cancel()
        self._outbox.drop(self)

    def open(self, flow: Flow) -> None:
        self._flow = flow

    def feed(self, event: Event) -> None:
        if self.is_deaf or (isinstance(event, Step) and event.kind not in self.ask.question.steps):
            return
        self._fold.feed(event)
        if isinstance(event, Step):
            self._steps.append(event)
            self._step_characters += len(event.body)
            if self._step_characters > STEP_CHARACTERS and self._flow is not None and not self._is_paused:
                self._is_paused = True
                self._flow.pause()
        elif isinstance(event, ENDS):
            self._has_news = self._is_over = True
        elif isinstance(event, TextDelta | TextReplaced):
            self._has_news = True
        if self.has_more:
            self._outbox.put(self)

    def next(self) -> str:
        """The next message of this turn."""
        uuid = self.ask.uuid
        if self._steps:
            return encode_step(uuid, self._next_step())
        self._has_news = False
        if not self._is_over:
            return encode_snapshot(uuid, self._fold.text)
        try:
            return encode_last(uuid, self.ask.question, self._fold.finish(), self.request_id)
        except RealcozeError as error:
            return encode_failure(uuid, error, self.request_id)

    def _next_step(self) -> Step:
        """The oldest; the upstream may go on when half of what held it back is gone."""
        step = self._steps.popleft()
        self._step_characters -= len(step.body)
        if self._is_paused and self._flow is not None and self._step_characters <= STEP_CHARACTERS // 2:
            self._is_paused = False
            self._flow.resume()
        return step
