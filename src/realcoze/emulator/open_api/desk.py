"""What every call of the emulated open API passes: its name, its token, its plan, its record.

Source: docs/protocol/openapi-v3.md §2, §3; docs/protocol/studio-web.md §1, §5.1.
"""

import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from realcoze.emulator.open_api.personality import CozeCom, Refused, Reply, is_number
from realcoze.emulator.open_api.plan import Plan
from realcoze.emulator.open_api.settings import OpenSeen, OpenSettings, SeenCall
from realcoze.emulator.open_api.state import Conversation, OpenState
from realcoze.emulator.wire import Listener, WireNote
from realcoze.errors import BadRequest

LOGID = web.RequestKey("logid", str)
SENT_BYTES = 20_000
"""What is kept of a body for tests."""

Handler = Callable[[web.Request], Awaitable[Reply | web.StreamResponse]]
AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk:
    """What all handlers share; `guarded` makes one of aiohttp's of ours."""

    def __init__(
        self, settings: OpenSettings, personality: CozeCom, state: OpenState, listener: Listener, plan: Plan
    ) -> None:
        self.settings = settings
        self.personality = personality
        self.state = state
        self.seen = OpenSeen()
        self.note = listener
        self.plan = plan
        self.refusals: deque[Refused] = deque()
        """What the next calls are refused with, one each."""

    def guarded(self, handler: Handler) -> AiohttpHandler:
        """The handler behind token and plan, its answer named and recorded."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            logid = request[LOGID] = self.personality.new_logid()
            try:
                await self._record(request)
                self._admit(request)
                reply = await handler(request)
            except Refused as refused:
                reply = self.personality.refusal(request.path, refused, logid)
            except BadRequest as error:
                reply = self.personality.refusal(request.path, Refused(4000, error.message), logid)
            return self.answered(reply, logid) if isinstance(reply, Reply) else reply

        return guarded

    def unguarded(self, handler: AiohttpHandler) -> AiohttpHandler:
        """The handler behind nothing: who asks for a token has none yet."""

        async def unguarded(request: web.Request) -> web.StreamResponse:
            await self._record(request)
            return await handler(request)

        return unguarded

    def answered(self, reply: Reply, logid: str) -> web.Response:
        """The response, with its name."""
        headers = {self.personality.logid_header: logid}
        return web.Response(
            body=reply.body, status=reply.status, content_type=reply.content_type, charset="utf-8", headers=headers
        )

    def conversation(self, conversation_id: str) -> Conversation:
        """One that there is.  Raises `Refused`."""
        found = self.state.conversations.get(conversation_id)
        if found is None:
            raise Refused(4002, f"invalid conversation {conversation_id[:40]}: not found")
        return found

    def numbered(self, handler: Handler) -> AiohttpHandler:
        """The same for a path with an id in it: Studio knows its open API by the number there."""
        inner = self.guarded(handler)

        async def numbered(request: web.Request) -> web.StreamResponse:
            if self.personality.wants_numbers_in_paths and not is_number(request.match_info["id"]):
                await self._record(request)
                missing = Reply(b'{"code":401,"msg":"missing session_key in cookie"}', 401)
                return self.answered(missing, self.personality.new_logid())
            return await inner(request)

        return numbered

    def nothing_else(self) -> list[web.RouteDef]:
        """The routes of what Studio has not; they come after all others."""

        async def nothing(request: web.Request) -> web.StreamResponse:
            await self._record(request)
            return self.answered(Reply(b'{"code":404,"msg":"not found"}', 404), self.personality.new_logid())

        return [web.route("*", f"/{version}/{{rest:.*}}", nothing) for version in ("v1", "v3")]

    async def _record(self, request: web.Request) -> None:
        is_form = request.content_type.startswith("multipart/")
        body = b"" if is_form else (await request.read())[:SENT_BYTES]
        self.seen.order.append(SeenCall(request.method, request.path, dict(request.query), body))
        self.note(WireNote("call", f"{request.method} {request.path}", request.content_length or 0))

    def _admit(self, request: web.Request) -> None:
        """Raises `Refused` for a wrong token and for a plan that is used up."""
        authorization = request.headers.get("Authorization", "")
        expected = f"Bearer {self.settings.token}"
        is_given = hmac.compare_digest(authorization.encode(errors="replace"), expected.encode())
        scheme, _, token = authorization.partition(" ")
        if not is_given and not (scheme == "Bearer" and self.state.issued.is_good(token, time.time())):
            raise self.personality.unauthorized(authorization)
        if self.refusals:
            raise self.refusals.popleft()
        if request.path in self.settings.forbidden:
            raise Refused(4101, f"The token lacks the permission for {request.path}.")
        self.plan.take(request.path)
