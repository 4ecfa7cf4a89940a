"""Conversations and uploads over the open API: the ports `Chats` and `Uploads`.

Every turn is streamed from Coze, whatever the caller wants: nothing is asked for twice, and an answer
is known to be whole.  A turn that is given up is stopped at Coze too, before the next one of its
conversation begins.
"""

import asyncio
import hashlib
import logging
import random
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import anyio

from realcoze.dialects.coze_open.failure import MODEL_FAILED, NO_PERMISSION, NOT_CANCELLABLE
from realcoze.dialects.coze_open.stream import Told
from realcoze.domain.content import MediaPart
from realcoze.domain.ids import ANY_BOT, CHATFLOW, WORKFLOW, BotName, ChatId, ConversationId
from realcoze.domain.ports import Published, Sink, Sound, Speech
from realcoze.domain.request import Request
from realcoze.errors import NotFound, RealcozeError
from realcoze.leaving import finishing
from realcoze.transports.http import open_http
from realcoze.transports.proxy import check_proxy
from realcoze.transports.pushed import Valve
from realcoze.turnstile import Turnstile
from realcoze.upstreams.coze_open.asking import Asking, asking_for
from realcoze.upstreams.coze_open.authentication import open_tokens
from realcoze.upstreams.coze_open.calls import Calls, is_about_token
from realcoze.upstreams.coze_open.lists import Lists
from realcoze.upstreams.coze_open.recovery import Recovery
from realcoze.upstreams.coze_open.settings import Kind, OpenSettings, Target
from realcoze.upstreams.coze_open.turn import Turn
from realcoze.upstreams.coze_open.uploader import Uploader
from realcoze.upstreams.coze_open.voices import Voices
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.retry import ATTEMPTS, SHORTEST_S, RetryBudget, wait_before_retry
from realcoze.upstreams.slots import Slots
from realcoze.upstreams.standing import Standing

log = logging.getLogger(__name__)

DEFAULT_USER = "realcoze"
USER_ID_CHARACTERS = 32
MOST_WAITING = 1024
"""Chats that wait, of which it is known what they have told."""

_KINDS: dict[str, Kind] = {ANY_BOT: "bot", WORKFLOW: "workflow", CHATFLOW: "chatflow"}
"""What the beginning of a name says, where an id follows."""


class CozeOpen:
    """One account.  Made by `open_coze`."""

    def __init__(self, settings: OpenSettings, calls: Calls) -> None:
        self._settings = settings
        self.calls = calls
        self.lists = Lists(calls, base=settings.base)
        self._uploader = Uploader(calls, max_bytes=settings.upload_bytes)
        self._voices = Voices(calls, default=settings.voice_id, names=settings.voices)
        self._standing = Standing(can_end=isinstance(settings.token, Secret))
        self._budget = RetryBudget()
        self._slots = Slots(limit=settings.max_turns, queue=settings.max_queue, queue_s=settings.deadlines.queue)
        self._turnstile = Turnstile(settings.deadlines.queue)
        self._recovery = Recovery(calls, most_calls=settings.recovery_calls, first_s=settings.deadlines.recovery)
        self._default_user_id = _user_id(DEFAULT_USER)
        # Of the loop itself: anyio.current_time() asks each time which loop that is.
        self._now = asyncio.get_running_loop().time
        self._may_cancel = True
        self._waiting: OrderedDict[ChatId, Told] = OrderedDict()
        """What chats that wait for tools or answers have told already."""
        self._published: frozenset[str] = frozenset()
        """Names of bots that were listed, which are reached by their ids whatever the settings say of others."""

    @property
    def takes_any_bot(self) -> bool:
        """`bot-<id>`, `workflow/<id>` and `chatflow/<id>` mean the one of that id."""
        return self._settings.takes_any_bot

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`."""
        asking = self._asking(request)
        self._standing.check(self._now())
        if request.conversation_id is None:
            await self._begin(request, asking, sink)
        else:
            async with self._turnstile.turn(request.conversation_id):
                await self._begin(request, asking, sink)

    async def _begin(self, request: Request, asking: Asking, sink: Sink) -> None:
        """The turn, when there is a place for it."""
        async with self._slots.place():
            # While this turn waited, another one may have been refused.
            self._standing.check(self._now())
            valve = Valve()
            sink.open(valve)
            begun: list[Callable[[], None]] = []

            def on_started(conversation_id: ConversationId) -> None:
                """Whoever goes on with the conversation waits until this turn has ended, or is stopped."""
                if request.conversation_id is None and conversation_id:
                    begun.append(self._turnstile.take(conversation_id))

            try:
                await self._run(asking, lambda: Turn(asking, sink, valve, self._settings.deadlines, on_started), valve)
            except RealcozeError as error:
                self._note(error)
                raise
            finally:
                for leave in reversed(begun):
                    leave()
            self._budget.succeeded()

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:  # noqa: ARG002 - see below
        """See `Uploads`.  All bots of an account see the same files."""
        with self._heeding():
            return await self._uploader.upload(data, name)

    async def speak(self, speech: Speech, bot: BotName) -> Sound:  # noqa: ARG002 - see above
        """See `Speaks`."""
        with self._heeding():
            return await self._voices.speak(speech)

    async def transcribe(self, data: bytes, name: str, bot: BotName) -> str:  # noqa: ARG002 - see above
        """See `Transcribes`."""
        with self._heeding():
            return await self._voices.transcribe(data, name)

    async def published(self) -> tuple[Published, ...]:
        """See `Catalog`: a call for each page of workspaces, and for each page of the bots of one."""
        with self._heeding():
            bots = await self.lists.all_bots()
        self._published = frozenset(f"{ANY_BOT}{bot.known_as}" for bot in bots)
        return tuple(Published(id=bot.known_as, name=bot.name or bot.bot_name or "") for bot in bots)

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        """A call that is not made to an account that was refused, and whose own refusal is noted."""
        self._standing.check(self._now())
        try:
            yield
        except RealcozeError as error:
            self._note(error)
            raise

    def health(self) -> dict[str, str | int]:
        """What /health tells of this upstream: turns, and a standing refusal."""
        facts: dict[str, str | int] = {"turns": self._slots.taken}
        refused = self._standing.reason(self._now())
        if refused:
            facts["refused"] = refused
        return facts

    def _note(self, error: RealcozeError) -> None:
        """Remember what was refused to the account as a whole; a permission is that of one bot or call."""
        if error.code != NO_PERMISSION:
            self._standing.note(error, self._now())

    def _asking(self, request: Request) -> Asking:
        told = self._waiting.get(request.chat_id) if request.chat_id else None
        user_id = _user_id(request.user_id) if request.user_id else self._default_user_id
        target = self._target(request.bot)
        new_name = secrets.token_hex(8) if target.kind == "chatflow" else ""
        return asking_for(request, target, user_id=user_id, new_name=new_name, told=told)

    def _target(self, name: BotName) -> Target:
        known = self._settings.bots.get(name)
        if known is not None:
            return known
        for beginning, kind in _KINDS.items():
            if name.startswith(beginning) and (self._settings.takes_any_bot or name in self._published):
                return Target(id=name.removeprefix(beginning), kind=kind, saves_history=self._settings.saves_history)
        raise NotFound(f"There is no bot {name[:80]!r} on this upstream.", code="model_not_found")

    async def _run(self, asking: Asking, new_turn: Callable[[], Turn], valve: Valve) -> None:
        """One turn, asked for once more where nothing of it can have been executed."""
        for attempt in range(1, ATTEMPTS + 1):
            token = await self.calls.tokens.current()
            turn = new_turn()
            try:
                await self._attempt(asking, turn, valve, token)
            except RealcozeError as error:
                if turn.has_chat:
                    error.retryable = False  # it was asked for, and may be paid for
                wait_s = self._wait_before_retry(error, turn, token)
                # A token that died is no outage: all who had it ask once more.
                if attempt == ATTEMPTS or wait_s is None or not (is_about_token(error) or self._budget.take()):
                    raise
                log.info("a turn is asked for again in %.1f s: %s", wait_s, error)
            else:
                return
            await anyio.sleep(wait_s)
            self._standing.check(self._now())

    def _wait_before_retry(self, error: RealcozeError, turn: Turn, token: Secret) -> float | None:
        if turn.has_chat:
            return None
        if is_about_token(error):
            return 0.0 if self.calls.tokens.refuse(token) else None
        if error.upstream_code == MODEL_FAILED:
            return SHORTEST_S
        return wait_before_retry(error, random.random())  # noqa: S311 - jitter

    async def _attempt(self, asking: Asking, turn: Turn, valve: Valve, token: Secret) -> None:
        """One call, and what its stream did not tell asked for afterwards.  Raises the turn's error."""
        try:
            await self._listen(asking, turn, valve, token)
        except RealcozeError as error:
            if turn.is_over or turn.complete():
                # How the connection ended says nothing new after the event that ends the turn.
                turn.raise_failure()
            elif self._recovery.is_for(error, turn):
                await self._recovery.finish(turn, error)
            else:
                raise
        finally:
            if not turn.is_over and not turn.complete() and not turn.has_ended_at_coze:
                await self._stop(turn)
            self._remember(turn)
            if turn.strays:
                log.info("%d events of a stream were out of place", turn.strays)
            if turn.debug_url:
                log.info("a workflow's run can be looked at: %s", turn.debug_url)
            turn.let_go()

    def _remember(self, turn: Turn) -> None:
        """Note what a chat has told that waits now; one that goes on is forgotten."""
        self._waiting.pop(turn.chat_id, None)
        if turn.told is not None:
            self._waiting[turn.chat_id] = turn.told
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)

    async def _listen(self, asking: Asking, turn: Turn, valve: Valve, token: Secret) -> None:
        """Feed the turn its stream.  Raises what ended it, `UpstreamTimeout` where it was we."""
        try:
            # 3.3 µs, where a scope of anyio's takes 5.4 (2026-11-23); nothing is shielded below.
            async with asyncio.timeout(None) as limit:
                turn.watch(partial(limit.reschedule, 0))
                await self.calls.stream(
                    asking.target, asking.body, token=token, on_head=turn.head, on_bytes=turn.bytes, valve=valve
                )
        except TimeoutError:
            raise turn.too_late() from None
        finally:
            turn.unwatch()
        turn.finish()

    async def _stop(self, turn: Turn) -> None:
        """Tell Coze that nobody waits for this turn any more, whatever becomes of us."""
        if not turn.can_be_stopped or not self._may_cancel:
            return
        with finishing(self._settings.deadlines.cancel):
            try:
                await self.calls.cancel(turn.conversation_id, turn.chat_id)
            except RealcozeError as error:
                if error.code == NO_PERMISSION and error.upstream_code is not None:
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
    deadlines = settings.deadlines
    async with (
        open_http(proxy=settings.proxy, connect_s=deadlines.connect, tls_s=deadlines.tls) as http,
        open_tokens(settings, http) as tokens,
    ):
        yield CozeOpen(settings, Calls(settings, http, tokens))


def _user_id(user: str) -> str:
    """Stable for each user, of a length that Coze takes; not the name itself, though a name can be guessed from it."""
    return hashlib.sha256(user.encode(errors="replace")).hexdigest()[:USER_ID_CHARACTERS]
