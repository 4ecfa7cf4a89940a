"""Coze's open API, the server side: all its calls behind one desk, in one personality.

Source: docs/protocol/openapi-v3.md §16; docs/protocol/studio-web.md §5.1, §9.
"""

import time
from itertools import count

from aiohttp import web

from realcoze.emulator.open_api.audio import OpenAudio
from realcoze.emulator.open_api.catalog import OpenCatalog
from realcoze.emulator.open_api.chat import OpenChats
from realcoze.emulator.open_api.chatflow import OpenChatflows
from realcoze.emulator.open_api.conversation import OpenConversations
from realcoze.emulator.open_api.desk import Desk
from realcoze.emulator.open_api.file import OpenFiles
from realcoze.emulator.open_api.oauth import OpenOAuth
from realcoze.emulator.open_api.personality import CozeCom, Refused
from realcoze.emulator.open_api.plan import Plan
from realcoze.emulator.open_api.settings import OpenSeen, OpenSettings
from realcoze.emulator.open_api.stage import Stage
from realcoze.emulator.open_api.state import OpenState
from realcoze.emulator.open_api.studio import Studio
from realcoze.emulator.open_api.workflow import OpenWorkflows
from realcoze.emulator.open_api.workflow_wording import CozeWording, StudioWording
from realcoze.emulator.wire import Listener, ignore

_FIRST_ID = 7_600_000_000_000_000_000


class OpenServer:
    """Routes for one aiohttp application."""

    def __init__(self, settings: OpenSettings, listener: Listener = ignore) -> None:
        self.settings = settings
        self.state = OpenState(map(str, count(_FIRST_ID + time.time_ns() // 1_000_000 * 1_000)))
        personality = Studio() if settings.personality == "studio" else CozeCom()
        wording = StudioWording() if settings.personality == "studio" else CozeWording()
        self._desk = Desk(settings, personality, self.state, listener, Plan(settings, time.monotonic))
        self._stage = Stage(self._desk)
        self.oauth = OpenOAuth(self._desk, self._stage)
        self._chatflows = OpenChatflows(self._desk, self._stage, wording)
        self._parts = (
            OpenChats(self._desk, self._stage),
            OpenConversations(self._desk),
            OpenFiles(self._desk),
            OpenCatalog(self._desk),
            OpenWorkflows(self._desk, self._stage, wording),
        )
        self._parts_of_coze_com = (OpenAudio(self._desk), self.oauth)

    @property
    def seen(self) -> OpenSeen:
        """What tests count."""
        return self._desk.seen

    def refuse_next(self, code: int, text: str = "asked for") -> None:
        """The next call is refused with that code; further ones queue behind it."""
        self._desk.refusals.append(Refused(code, text))

    def routes(self) -> list[web.RouteDef]:
        routes = [route for part in (*self._parts, self._chatflows) for route in part.routes()]
        if self.settings.personality == "studio":
            return [*routes, *self._desk.nothing_else()]
        more = [route for part in (*self._parts, *self._parts_of_coze_com) for route in part.more_routes()]
        return [*routes, *more]

    async def close(self) -> None:
        """End the turns, and the streams that rest."""
        await self._stage.close()
