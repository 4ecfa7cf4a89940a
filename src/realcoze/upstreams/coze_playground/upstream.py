"""Conversations and uploads over the playground protocol: the ports `Chats` and `UploadsOnly`.

A turn takes a place, makes itself known to the socket's reader, and only then posts its execute
call, so that no push can come too early.  Whatever happens, the place and the name are given back.
"""

import logging
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

import anyio

from realcoze.dialects.coze_playground.access import DEVICE_ID_NOISE_BITS, device_id
from realcoze.dialects.coze_playground.execute import BotConfig, encode_execute
from realcoze.domain.content import MediaPart
from realcoze.domain.ids import BotName
from realcoze.domain.message import refuse_nothing
from realcoze.domain.ports import Sink
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, Misconfigured, NotFound, RealcozeError, UpstreamDenied
from realcoze.tasks import background_tasks
from realcoze.transports.http import open_http
from realcoze.transports.proxy import check_proxy
from realcoze.upstreams.coze_playground import state
from realcoze.upstreams.coze_playground.session import Session
from realcoze.upstreams.coze_playground.settings import PlaygroundSettings
from realcoze.upstreams.coze_playground.socket import PushSocket
from realcoze.upstreams.coze_playground.turn import Turn
from realcoze.upstreams.coze_playground.uploader import Uploader
from realcoze.upstreams.credentials import can_be_cookie
from realcoze.upstreams.slots import Slots
from realcoze.upstreams.standing import Standing

log = logging.getLogger(__name__)

_CANNOT_CARRY = (
    "conversation_id",
    "custom_variables",
    "parameters",
    "meta_data",
    "extra_params",
    "shortcut_command",
    "chat_id",
    "tool_results",
    "resume",
)


class Playground:
    """One account.  Made by `open_playground`."""

    follows_urls: ClassVar[Literal[False]] = False

    def __init__(self, settings: PlaygroundSettings, session: Session, uploader: Uploader, device: str) -> None:
        self._settings = settings
        self._session = session
        self._uploader = uploader
        self._device_id = device
        self._standing = Standing()
        self._slots = Slots(limit=settings.max_turns, queue=settings.max_queue, queue_s=settings.deadlines.queue)
        self.socket = PushSocket(settings, session, self._standing, device)

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  The protocol has no word for stopping a turn, so Coze is not told of a leaver."""
        config = self._config(request)
        _refuse_what_cannot_be_carried(request)
        self._standing.check(anyio.current_time())
        push_uuid = str(uuid.uuid4())
        body = encode_execute(config, request.messages, device_id=self._device_id, push_uuid=push_uuid)
        async with self._slots.place():
            with self.socket.turn(push_uuid, sink, wants_suggestions=request.wants.suggestions) as turn:
                await self.socket.ready()
                # While this turn waited, another one may have been refused.
                self._standing.check(anyio.current_time())
                async with background_tasks() as tasks:
                    tasks.start_soon(self._execute, body, turn)
                    await turn.wait()

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:  # noqa: ARG002 - see below
        """See `Uploads`.  All bots of an account see the same files."""
        self._standing.check(anyio.current_time())
        try:
            return await self._uploader.upload(data, name)
        except RealcozeError as error:
            self._standing.note(error, anyio.current_time())
            raise

    def health(self) -> dict[str, str | int]:
        """What /health tells of this upstream: the socket's state, turns, and a standing refusal."""
        facts: dict[str, str | int] = {"socket": self.socket.state, "turns": self.socket.turns_in_flight}
        refused = self._standing.reason(anyio.current_time())
        if refused:
            facts["refused"] = refused
        return facts

    async def _execute(self, body: bytes, turn: Turn) -> None:
        try:
            await self._session.execute(body)
        except RealcozeError as error:
            self._standing.note(error, anyio.current_time())
            if turn.is_answered and not _is_refusal(error):
                # The pushes show that Coze took the question; what became of the call says nothing new.
                log.info("the call of a turn that is being answered failed: %s", error)
            else:
                turn.fail(error)

    def _config(self, request: Request) -> BotConfig:
        config = self._settings.bots.get(request.bot)
        if config is None:
            raise NotFound(f"There is no bot {request.bot!r} on this upstream.", code="model_not_found")
        return config


@asynccontextmanager
async def open_playground(settings: PlaygroundSettings) -> AsyncIterator[Playground]:
    """The upstream for as long as the block lasts; nothing is sent before the first turn.

    Raises `Misconfigured` for a setting that could not work.  Turns still in flight at the end of
    the block fail.
    """
    _check(settings)
    deadlines = settings.deadlines
    async with open_http(proxy=settings.proxy, connect_s=deadlines.connect, tls_s=deadlines.tls) as http:
        session = Session(settings, http)
        with state.device_id(settings.state_dir, _roll) as device:
            playground = Playground(settings, session, Uploader(settings, session, http), device)
            async with background_tasks() as tasks:
                tasks.start_soon(playground.socket.run)
                try:
                    yield playground
                finally:
                    playground.socket.close()


def _is_refusal(error: RealcozeError) -> bool:
    """Coze itself said no, rather than something on the way."""
    return error.upstream_code is not None or isinstance(error, UpstreamDenied)


def _refuse_what_cannot_be_carried(request: Request) -> None:
    """Before a call is spent on it."""
    refuse_nothing(request.messages)
    given = [name for name in _CANNOT_CARRY if getattr(request, name)]
    if given:
        raise BadRequest(
            f"The playground protocol cannot carry {', '.join(given)}.",
            code="not_supported_by_upstream",
            hint="It sends the bot's configuration and the whole history, and nothing else. Leave the fields "
            "out, or name a bot of Coze's open API.",
        )


def _check(settings: PlaygroundSettings) -> None:
    """Refuse now what would otherwise fail in the middle of a turn, each time."""
    check_proxy(settings.ws_proxy)
    if not can_be_cookie(settings.session_id.reveal()):
        raise Misconfigured(
            "session_id holds characters that a cookie cannot have.",
            hint="Copy only the value of the cookie `sessionid`, without its name, quotes or spaces.",
        )


def _roll() -> str:
    return device_id(now_ms=time.time_ns() // 1_000_000, noise=secrets.randbits(DEVICE_ID_NOISE_BITS))
