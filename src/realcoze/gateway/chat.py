"""One turn from its request to its last event: route, relay, record.

Faces call `relay` and are pushed to; people's code iterates the turn that `say` opens, which is the
same thing with a bounded queue in between.
"""

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Self, get_args

import anyio
from msgspec.structs import replace

from realcoze.domain.content import MediaPart
from realcoze.domain.event import ENDS, Event, Piece, TurnFailed
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import BotName, RequestId
from realcoze.domain.message import refuse_flood
from realcoze.domain.ports import Chats, Fetches, Flow, Sink, Sound, Speaks, Speech, Transcribes, Uploads
from realcoze.domain.request import Request
from realcoze.domain.shortcut import HasShortcut, Shortcut, shortcut_of
from realcoze.domain.turn import Phase, TurnLife
from realcoze.errors import BadRequest, Internal, NotFound, RealcozeError
from realcoze.gateway.background import LOCAL, PASS, Task, answer_to, task_of, turn_of
from realcoze.gateway.catalog import Discovery
from realcoze.gateway.continued import Continuity
from realcoze.gateway.emulating import Emulating
from realcoze.gateway.instructions import Policy, default_policy, instructed
from realcoze.gateway.route import Onward, Routes, can_be_found
from realcoze.gateway.schemas import Schemas
from realcoze.gateway.tools import emulable, schemas_of, without_tools
from realcoze.gateway.uploads import Uploading, takes_no_files
from realcoze.tasks import background_tasks

log = logging.getLogger(__name__)

OPEN_API_HINT = "Bots of Coze's open API can; name one of them."

QUEUED_EVENTS = 256
"""What an iterated turn holds before it slows its upstream down."""


NO_END = "no end"
"""The outcome of a turn that has not ended."""


class Gateway:
    """The middle of everything; faces know it and nothing below it.

    Without `continuity` each turn stands for itself, and without `backgrounds` no background request is known
    as one: so for who hands on to another realcoze.  `backgrounds` and `policies` have the bots of the
    settings that do not go by the defaults (`background.py`, `instructions.py`), `emulating` those that are told
    of tools in words (`tools.py`).  `discovery` has bots that do not stand there.  With `fetches` bots see what
    stands at URLs that their upstream does not follow.
    """

    def __init__(
        self,
        routes: Routes | Onward,
        *,
        continuity: Continuity | None = None,
        backgrounds: Mapping[BotName, str] | None = None,
        policies: Mapping[BotName, Policy] | None = None,
        emulating: Collection[BotName] = (),
        discovery: Discovery | None = None,
        fetches: Fetches | None = None,
    ) -> None:
        self._routes = routes
        self._continuity = continuity
        self._backgrounds = backgrounds
        self._policies = policies or {}
        self._emulating = frozenset(emulating)
        self._discovery = discovery
        self._fetches = fetches
        self._schemas = Schemas()

    @property
    def bots(self) -> tuple[BotName, ...]:
        """The names of the settings, which can be asked for; none where only the upstream knows them."""
        return tuple(self._routes.bots)

    @property
    def aliases(self) -> Mapping[BotName, BotName]:
        """More names that can be asked for, each with the bot that it reaches."""
        return self._routes.aliases

    @property
    def catch_all(self) -> BotName | None:
        """Who answers to every name that is no bot's, where there is one."""
        return self._routes.catch_all

    async def discovered(self) -> tuple[BotName, ...]:
        """The names of bots that stand in no settings; looked up if that was long ago."""
        return () if self._discovery is None else await self._discovery.names()

    async def names(self) -> tuple[BotName, ...]:
        """All that can be asked for: the bots, their other names, and what is discovered."""
        return (*self.bots, *self.aliases, *await self.discovered())

    async def find(self, name: BotName) -> BotName:
        """The bot that answers to a name, or to none.  Raises `NotFound`, which lists the names there are."""
        return (await self._route(name))[0]

    def heeds_offer(self, request: Request) -> bool:
        """There are tools in the request, and the bot that answers to its name is told of them."""
        if not self._emulating or request.offer is None:
            return False
        try:
            return self._routes.route(request.bot)[0] in self._emulating
        except NotFound:
            return False

    async def _route(self, name: BotName) -> tuple[BotName, Chats]:
        """See `Routes.route`; what stands in no settings is looked for among the bots that are discovered."""
        if self._discovery is None or self._routes.has(name):
            return self._routes.route(name)
        if not can_be_found(name):
            return self._routes.route(name, others=self._discovery.listed)
        found = await self._discovery.find(name)
        return found or self._routes.route(name, others=await self._discovery.names())

    async def relay(self, request: Request, sink: Sink, *, request_id: RequestId = RequestId("-")) -> None:
        """Run one turn; `sink` gets its events, and exactly one that ends it, whatever happens.

        Never raises a `RealcozeError`.  Cancelling it means that the caller left.
        """
        started = time.monotonic()
        guard = _Guard(sink)
        bot = request.bot
        try:
            refuse_flood(request.messages)
            bot, chats = await self._route(request.bot)
            if bot != request.bot:
                request = replace(request, bot=bot)
            if self._backgrounds is not None and (task := task_of(request)) is not None:
                await self._relay_background(request, task, self._backgrounds.get(bot, LOCAL), guard)
            else:
                await self._relay_turn(request, chats, guard)
        except RealcozeError as error:
            guard.fail(error)
        except Exception:
            log.exception("request %s: a defect ended the turn", request_id)
            guard.fail(Internal("Something here is broken; the log has the details."))
        except BaseException:
            # Who was told the end may leave before the upstream has returned.
            how = "given up" if guard.outcome == NO_END else guard.outcome
            log.info("request %s: bot %.80s, %s after %.1f s", request_id, bot, how, time.monotonic() - started)
            raise
        guard.close()
        took_s = time.monotonic() - started
        log.info("request %s: bot %.80s, %s after %.1f s", request_id, bot, guard.outcome, took_s)

    def _relay_turn(self, request: Request, chats: Chats, sink: Sink) -> Awaitable[None]:
        """A turn of a conversation."""
        request = self._offered(request)
        asked = self._prepared(request, chats)
        if self._continuity is None:
            return asked.converse(request, sink)
        return self._continuity.converse(request, asked, sink)

    def _prepared(self, request: Request, chats: Chats) -> Chats:
        """The same upstream, which is shown no bytes of files, and told of tools in words where that is wanted."""
        uploading = Uploading(chats, self._fetches)
        if request.bot not in self._emulating:
            return uploading
        goes_on = self._continuity is not None and self._continuity.goes_on(request.bot)
        return Emulating(uploading, self._schemas, goes_on=goes_on)

    async def _relay_background(self, request: Request, task: Task, who: str, sink: Sink) -> None:
        """What a program asks for itself: it belongs to no conversation, whoever answers."""
        if who == LOCAL:
            sink.open(_NoFlow())
            for event in turn_of(answer_to(task)):
                sink.feed(event)
            return
        bot, chats = await self._route(request.bot if who == PASS else BotName(who))
        alone = replace(request, bot=bot, conversation_id=None, chat_id=None, thread=None)
        await self._prepared(alone, chats).converse(self._offered(alone), sink)

    def _offered(self, request: Request) -> Request:
        """The request with what this bot is told beside the messages, and without what it cannot be told."""
        request = emulable(request) if request.bot in self._emulating else without_tools(request)
        return instructed(request, self._policies.get(request.bot) or default_policy(request.bot))

    async def check(self, request: Request) -> None:
        """Raises the `RealcozeError` that is sure before anybody is asked, for who cannot tell it later.

        Of what a program asks for itself nothing is sure.
        """
        if self._backgrounds is not None and task_of(request) is not None:
            return
        refuse_flood(request.messages)
        bot, _ = await self._route(request.bot)
        self._offered(replace(request, bot=bot))
        if bot in self._emulating:
            await self._schemas.check(schemas_of(request), request.caller)

    async def ask(self, request: Request, *, request_id: RequestId = RequestId("-")) -> Reply:
        """The whole reply.  Raises the turn's error."""
        gathering = _Gathering()
        await self.relay(request, gathering, request_id=request_id)
        return gathering.fold.finish()

    async def upload(self, data: bytes, name: str, *, bot: BotName = BotName("")) -> MediaPart:
        """Put a file where a bot can see it; the part to say it with.  Raises a `RealcozeError`."""
        bot, upstream = await self._route(bot)
        if not isinstance(upstream, Uploads):
            raise takes_no_files()
        return await upstream.upload(data, name, bot)

    @property
    def fetches(self) -> Fetches | None:
        """What stands at public URLs, where it may be fetched."""
        return self._fetches

    async def speak(self, speech: Speech, *, bot: BotName = BotName("")) -> Sound:
        """A text, spoken by a voice of a bot's account.  Raises a `RealcozeError`."""
        bot, upstream = await self._route(bot)
        if not isinstance(upstream, Speaks):
            raise _not_supported("This bot's upstream does not speak.")
        return await upstream.speak(speech, bot)

    async def transcribe(self, data: bytes, name: str, *, bot: BotName = BotName("")) -> str:
        """What is said in a recording.  Raises a `RealcozeError`."""
        bot, upstream = await self._route(bot)
        if not isinstance(upstream, Transcribes):
            raise _not_supported("This bot's upstream takes no recordings.")
        return await upstream.transcribe(data, name, bot)

    @asynccontextmanager
    async def say(self, request: Request) -> AsyncIterator["TurnStream"]:
        """A turn to iterate; leaving the block before its end stops the turn."""
        stream = TurnStream()
        async with background_tasks() as tasks:
            tasks.start_soon(self.relay, request, stream)
            try:
                yield stream
            finally:
                stream.close()


def _not_supported(said: str) -> BadRequest:
    return BadRequest(said, code="not_supported_by_upstream", hint=OPEN_API_HINT)


class TurnStream:
    """The events of one turn, as an asynchronous iterator that ends after the event that ends it."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = anyio.Event()
        self._flow: Flow | None = None
        self._paused = False
        self._over = False

    def open(self, flow: Flow) -> None:
        self._flow = flow

    def feed(self, event: Event) -> None:
        self._events.append(event)
        self._arrived.set()
        if len(self._events) >= QUEUED_EVENTS and self._flow and not self._paused:
            self._paused = True
            self._flow.pause()

    def close(self) -> None:
        """Nothing more will come; whoever iterates on finds the end."""
        self._over = True
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        while not self._events:
            self._arrived = anyio.Event()
            await self._arrived.wait()
            if self._over:
                raise StopAsyncIteration
        event = self._events.popleft()
        self._over = isinstance(event, ENDS)
        if self._paused and not self._events and self._flow:
            self._paused = False
            self._flow.resume()
        return event


class _Gathering:
    """A sink that makes one reply."""

    def __init__(self) -> None:
        self.fold = Fold()

    def open(self, flow: Flow) -> None:
        """A fold is never too slow."""

    def feed(self, event: Event) -> None:
        self.fold.feed(event)


_PIECES = frozenset(get_args(Piece))
"""Nearly all events."""


class _Guard(HasShortcut):
    """Lets through what the table of a turn's life allows, and sees to it that the turn ends."""

    __slots__ = ("_is_open", "_is_under_way", "_life", "_sink", "outcome")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._life = TurnLife()
        self._is_open = False
        self._is_under_way = False
        """More of the answer is in place."""
        self.outcome = NO_END

    def open(self, flow: Flow) -> None:
        self._is_open = True
        self._sink.open(flow)

    def feed(self, event: Event) -> None:
        if self._is_under_way and type(event) in _PIECES:
            self._sink.feed(event)
        elif self._life.accepts(event):
            self._is_under_way = self._life.phase is Phase.STARTED
            self._sink.feed(event)
            if self._life.phase is Phase.ENDED:
                self.outcome = _failure(event.error) if isinstance(event, TurnFailed) else "ended well"

    def shortcut(self, like: Piece) -> Shortcut | None:
        """See `HasShortcut`: that of the sink; more of an answer is in place."""
        return shortcut_of(self._sink, like) if self._is_under_way else None

    def fail(self, error: RealcozeError) -> None:
        if not self._is_open:
            self.open(_NoFlow())
        if self.outcome == NO_END:
            self._life.phase = Phase.STARTED  # an end that broke the sink was none
        self.feed(TurnFailed(error=error))

    def close(self) -> None:
        """The upstream has returned: a turn that never ended is its defect."""
        if self.outcome == NO_END:
            self.fail(Internal("The upstream returned before the turn was over."))
        if self._life.dropped:
            log.warning("%d events came out of place and were dropped", self._life.dropped)


def _failure(error: RealcozeError) -> str:
    """For the log: what Coze's support asks for stands there, too."""
    return f"{error.code} (logid {error.logid})" if error.logid else error.code


class _NoFlow:
    """The flow of a turn that no upstream has begun: there is nothing to hold back."""

    def pause(self) -> None:
        """Nothing comes but the failure."""

    def resume(self) -> None:
        """Nothing was held back."""
