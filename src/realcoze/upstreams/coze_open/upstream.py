"""Conversations and uploads over the open API: the ports `Chats` and `Uploads`.

Every turn is streamed from Coze, whatever the caller wants: nothing is asked for twice, and an answer
is known to be whole.  A turn that is given up is stopped at Coze too, before the next one of its
conversation begins.
"""

import hashlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import anyio

from realcoze.dialects.coze_open.chat import encode_chat
from realcoze.dialects.coze_open.failure import MODEL_FAILED, NOT_CANCELLABLE
from realcoze.domain.content import MediaPart
from realcoze.domain.ids import ANY_BOT, BotName, ConversationId
from realcoze.domain.ports import Sink
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, Misconfigured, NotFound, RealcozeError, Truncated
from realcoze.tasks import background_tasks
from realcoze.transports.http import Valve, open_http
from realcoze.transports.proxy import check_proxy
from realcoze.upstreams.coze_open.calls import Calls
from realcoze.upstreams.coze_open.settings import OpenSettings
from realcoze.upstreams.coze_open.tokens import StaticToken
from realcoze.upstreams.coze_open.turn import Turn
from realcoze.upstreams.coze_open.uploader import Uploader
from realcoze.upstreams.credentials import can_be_token
from realcoze.upstreams.retry import ATTEMPTS, SHORTEST_S, RetryBudget, wait_before_retry
from realcoze.upstreams.slots import Slots
from realcoze.upstreams.standing import Standing
from realcoze.upstreams.turnstile import Turnstile

log = logging.getLogger(__name__)

DEFAULT_USER = "realcoze"
FORBIDDEN = "upstream_forbidden"
USER_ID_CHARACTERS = 32


class CozeOpen:
    """One account.  Made by `open_coze`."""

    def __init__(self, settings: OpenSettings, calls: Calls) -> None:
        self._settings = settings
        self.calls = calls
        self._uploader = Uploader(calls, max_bytes=settings.upload_bytes)
        self._standing = Standing()
        self._budget = RetryBudget()
        self._slots = Slots(limit=settings.max_turns, queue=settings.max_queue, queue_s=settings.deadlines.queue)
        self._turnstile = Turnstile(settings.deadlines.queue)
        self._may_cancel = True

    @property
    def takes_any_bot(self) -> bool:
        """A name `bot-<id>` means the bot of that id."""
        return self._settings.takes_any_bot

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`."""
        body = self._encode(request)
        self._standing.check(anyio.current_time())
        async with self._turnstile.turn(request.conversation_id), self._slots.place():
            # While this turn waited, another one may have been refused.
            self._standing.check(anyio.current_time())
            valve = Valve()
            sink.open(valve)
            with ExitStack() as begun:

                def on_started(conversation_id: ConversationId) -> None:
                    """Whoever goes on with the conversation waits until this turn has ended, or is stopped."""
                    if request.conversation_id is None and conversation_id:
                        begun.callback(self._turnstile.take(conversation_id))

                try:
                    await self._run(
                        request, body, lambda: Turn(sink, valve, self._settings.deadlines, on_started), valve
                    )
                except RealcozeError as error:
                    self._note(error)
                    raise
            self._budget.succeeded()

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:  # noqa: ARG002 - see below
        """See `Uploads`.  All bots of an account see the same files."""
        self._standing.check(anyio.current_time())
        try:
            return await self._uploader.upload(data, name)
        except RealcozeError as error:
            self._note(error)
            raise

    def health(self) -> dict[str, str | int]:
        """What /health tells of this upstream: turns, and a standing refusal."""
        facts: dict[str, str | int] = {"turns": self._slots.taken}
        refused = self._standing.reason(anyio.current_time())
        if refused:
            facts["refused"] = refused
        return facts

    def _note(self, error: RealcozeError) -> None:
        """Remember what was refused to the account as a whole; a permission is that of one bot or call."""
        if error.code != FORBIDDEN:
            self._standing.note(error, anyio.current_time())

    def _encode(self, request: Request) -> bytes:
        if request.tool_results:
            raise BadRequest("The results of tools cannot be handed in yet.", code="not_supported_by_upstream")
        return encode_chat(
            request,
            bot_id=self._bot_id(request.bot),
            user_id=_user_id(request.user_id or DEFAULT_USER),
            saves_history=self._settings.saves_history,
        )

    def _bot_id(self, name: BotName) -> str:
        known = self._settings.bots.get(name)
        if known is not None:
            return known.id
        bot_id = name.removeprefix(ANY_BOT)
        if bot_id == name or not self._settings.takes_any_bot:
            raise NotFound(f"There is no bot {name[:80]!r} on this upstream.", code="model_not_found")
        return bot_id

    async def _run(self, request: Request, body: bytes, new_turn: Callable[[], Turn], valve: Valve) -> None:
        """One turn, asked for once more where nothing of it can have been executed."""
        for attempt in range(1, ATTEMPTS + 1):
            turn = new_turn()
            try:
                await self._attempt(request, body, turn, valve)
            except RealcozeError as error:
                wait_s = _wait_before_retry(error, turn)
                if attempt == ATTEMPTS or wait_s is None or not self._budget.take():
                    raise
                log.info("a turn is asked for again in %.1f s: %s", wait_s, error)
            else:
                return
            await anyio.sleep(wait_s)
            self._standing.check(anyio.current_time())

    async def _attempt(self, request: Request, body: bytes, turn: Turn, valve: Valve) -> None:
        is_late = False

        async def watch() -> None:
            nonlocal is_late
            await turn.watch()
            is_late = True
            tasks.cancel_scope.cancel()

        failure: RealcozeError | None = None
        is_read = False
        try:
            async with background_tasks() as tasks:
                tasks.start_soon(watch)
                await self.calls.stream_chat(
                    request.conversation_id, body, on_head=turn.head, on_bytes=turn.bytes, valve=valve
                )
                is_read = True
        except RealcozeError as error:
            failure = error
        finally:
            if not is_read and not turn.is_over and not turn.complete():
                await self._stop(turn)
        if turn.strays:
            log.info("%d events of a stream were out of place", turn.strays)
        if is_read:
            await self._finish(turn)
        elif turn.is_over:
            # How the connection ended says nothing new after the event that ends the turn.
            turn.raise_failure()
        elif failure is not None:
            raise failure
        elif is_late:
            raise turn.too_late()

    async def _finish(self, turn: Turn) -> None:
        """The answer has ended.  One that ended too soon may go on at Coze, where nobody wants it any more."""
        try:
            turn.finish()
        except Truncated:
            if not turn.is_over:
                await self._stop(turn)
            raise

    async def _stop(self, turn: Turn) -> None:
        """Tell Coze that nobody waits for this turn any more, whatever becomes of us."""
        if not turn.chat_id or not self._may_cancel or not self._settings.saves_history:
            return
        with anyio.move_on_after(self._settings.deadlines.cancel, shield=True):
            try:
                await self.calls.cancel(turn.conversation_id, turn.chat_id)
            except RealcozeError as error:
                if error.code == FORBIDDEN and error.upstream_code is not None:
                    self._may_cancel = False
                    log.warning("turns that are given up cannot be stopped at Coze; %s", error.message)
                elif error.upstream_code not in NOT_CANCELLABLE:
                    log.info("a turn could not be stopped: %s", error)


@asynccontextmanager
async def open_coze(settings: OpenSettings) -> AsyncIterator[CozeOpen]:
    """The upstream for as long as the block lasts; nothing is sent before the first turn.

    Raises `Misconfigured` for a setting that could not work.
    """
    check_proxy(settings.proxy)
    if not can_be_token(settings.token.reveal()):
        raise Misconfigured(
            "COZE_API_TOKEN is empty or holds characters that no token has.",
            hint="Copy the token itself, which begins with pat_, without quotes or spaces.",
        )
    deadlines = settings.deadlines
    async with open_http(proxy=settings.proxy, connect_s=deadlines.connect, tls_s=deadlines.tls) as http:
        yield CozeOpen(settings, Calls(settings, http, StaticToken(settings.token)))


def _wait_before_retry(error: RealcozeError, turn: Turn) -> float | None:
    if turn.has_chat:
        return None
    if error.upstream_code == MODEL_FAILED:
        return SHORTEST_S
    return wait_before_retry(error, random.random())  # noqa: S311 - jitter


def _user_id(user: str) -> str:
    """Stable for each user, of a length that Coze takes; not the name itself, though a name can be guessed from it."""
    return hashlib.sha256(user.encode(errors="replace")).hexdigest()[:USER_ID_CHARACTERS]
