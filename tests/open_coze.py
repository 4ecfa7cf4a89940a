"""The open API's side of the emulator and a plain HTTP client of it, for tests."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from realcoze.emulator.account import API_TOKEN, BOTS, SESSION_ID
from realcoze.emulator.open_api.server import OpenServer
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from servers import Wire

BOT_IDS = {bot.name: bot.bot_id for bot in BOTS}


@dataclass(frozen=True)
class Answer:
    """What one call gave."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Names and data of a stream that is framed as usual; what is no JSON stays text."""
        found = []
        for block in self.text.split("\n\n"):
            if block:
                name, _, data = block.partition("\n")
                found.append((name.removeprefix("event:"), _read(data.removeprefix("data:"))))
        return found

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    @property
    def said(self) -> str:
        """The deltas joined."""
        return "".join(data["content"] for name, data in self.events if name == "conversation.message.delta")


class OpenClient:
    """A caller of the open API with the right token, and the server that it calls."""

    def __init__(self, base: str, server: OpenServer, wire: Wire, http: aiohttp.ClientSession) -> None:
        self.base = base
        self.server = server
        self.wire = wire
        self.http = http

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """`body` is sent as JSON; `more` goes to aiohttp."""
        sent = {"json": body} if body is not None else {}
        async with self.http.request(method, self.base + path, allow_redirects=False, **sent, **more) as response:
            return Answer(response.status, dict(response.headers), await response.text(errors="replace"))

    async def get(self, path: str, **query: str) -> Answer:
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: Any = None, **query: str) -> Answer:
        return await self.call("POST", path, {} if body is None else body, params=query)

    async def chat(self, text: str, bot: str = "echo", conversation_id: str = "", **more: Any) -> Answer:
        """A chat, streamed unless `more` says otherwise."""
        query = {"conversation_id": conversation_id} if conversation_id else {}
        return await self.call("POST", "/v3/chat", asked(text, bot, **more), params=query)

    async def begin(self, text: str, bot: str = "echo", **more: Any) -> dict[str, str]:
        """A chat that isn't streamed; the query that names it."""
        answer = await self.chat(text, bot, stream=False, **more)
        chat = answer.json["data"]
        return {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}


def asked(text: str, bot: str = "echo", **more: Any) -> dict[str, Any]:
    """The body of a chat of one message."""
    message = {"role": "user", "content": text, "content_type": "text"}
    return {"bot_id": BOT_IDS[bot], "user_id": "u", "stream": True, "additional_messages": [message], **more}


@asynccontextmanager
async def open_coze(**settings: Any) -> AsyncIterator[OpenClient]:
    """As fast as it can, unless there is a `pace`."""
    wire = Wire()
    told = OpenSettings(**{"pace": 0.0, **settings})
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    async with (
        emulating(PlaygroundSettings(session_id=SESSION_ID, pace=0), told, listener=wire) as emulator,
        aiohttp.ClientSession(headers=headers) as http,
    ):
        yield OpenClient(emulator.base, emulator.open_api, wire, http)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
