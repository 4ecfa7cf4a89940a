"""Bots, workspaces and the account.

Source: docs/protocol/openapi-v3.md §9; docs/protocol/studio-web.md §5.1, §5.4.
"""

from typing import Any

from aiohttp import web

from realcoze.dialects.coze_open.catalog import BOTS_PATH, ME_PATH, WORKSPACES_PATH
from realcoze.emulator.account import BOT_OF_ID, BOTS, SPACE_ID, EmulatedBot
from realcoze.emulator.open_api.conversation import paging
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.personality import OWNER_ID, Refused, Reply
from realcoze.emulator.open_api.state import page

MADE_AT = 1_750_000_000
ICON = "https://lf-coze-web.example/icon.png"


class OpenCatalog:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/bot/get_online_info", self._desk.guarded(self._online)),
            web.get(f"{BOTS_PATH}/{{id}}", self._desk.numbered(self._bot)),
        ]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not."""
        guarded = self._desk.guarded
        return [
            web.get("/v1/space/published_bots_list", guarded(self._published)),
            web.get(BOTS_PATH, guarded(self._bots)),
            web.get(WORKSPACES_PATH, guarded(self._workspaces)),
            web.get(ME_PATH, guarded(self._me)),
        ]

    async def _online(self, request: web.Request) -> Reply:
        personality = self._desk.personality
        personality.check_connector(request.query)
        return personality.online_bot(self._described(request.query.get("bot_id", "")), request[LOGID])

    async def _bot(self, request: web.Request) -> Reply:
        return self._desk.personality.success(self._described(request.match_info["id"]), request[LOGID])

    async def _published(self, request: web.Request) -> Reply:
        """The old list."""
        _of_the_space(request.query.get("space_id", ""))
        bots = [bot for bot in BOTS if self._is_published(bot)]
        items, _ = page(bots, *paging(request, "page_index"))
        told = [
            {
                "bot_id": bot.bot_id,
                "bot_name": bot.name,
                "description": bot.about,
                "icon_url": ICON,
                "publish_time": str(MADE_AT),
            }
            for bot in items
        ]
        return self._desk.personality.success({"space_bots": told, "total": len(bots)}, request[LOGID])

    async def _bots(self, request: web.Request) -> Reply:
        """The new list; documents and SDKs call the page differently."""
        _of_the_space(request.query.get("workspace_id", ""))
        status = request.query.get("publish_status") or "published_online"
        bots = [bot for bot in BOTS if status == "all" or self._is_published(bot) == status.startswith("published")]
        number = "page_num" if "page_num" in request.query else "page_index"
        items, _ = page(bots, *paging(request, number))
        told = [
            {
                "id": bot.bot_id,
                "name": bot.name,
                "icon_url": ICON,
                "folder_id": "",
                "description": bot.about,
                "is_published": self._is_published(bot),
                "updated_at": MADE_AT,
                "published_at": MADE_AT,
                "owner_user_id": OWNER_ID,
            }
            for bot in items
        ]
        return self._desk.personality.success({"items": told, "total": len(bots)}, request[LOGID])

    async def _workspaces(self, request: web.Request) -> Reply:
        spaces = [
            {
                "id": SPACE_ID,
                "name": "Emulated",
                "icon_url": ICON,
                "role_type": "owner",
                "workspace_type": "personal",
                "enterprise_id": "",
            }
        ]
        items, _ = page(spaces, *paging(request, "page_num"))
        return self._desk.personality.success({"workspaces": items, "total_count": len(spaces)}, request[LOGID])

    async def _me(self, request: web.Request) -> Reply:
        told = {"user_id": OWNER_ID, "user_name": "emulated", "nick_name": "Emulated", "avatar_url": ICON}
        return self._desk.personality.success(told, request[LOGID])

    def _is_published(self, bot: EmulatedBot) -> bool:
        return bot.bot_id not in self._desk.settings.unpublished

    def _described(self, bot_id: str) -> dict[str, Any]:
        """The object of a published bot.  Raises `Refused`."""
        bot = BOT_OF_ID.get(bot_id)
        if bot is None:
            raise Refused(4200, f"Requested resource bot_id={bot_id[:40]} does not exist.")
        if not self._is_published(bot):
            raise Refused(4015, f"The bot_id {bot_id} has not been published to the channel Agent As API.")
        return self._desk.personality.bot(bot, MADE_AT)


def _of_the_space(space_id: str) -> None:
    if space_id != SPACE_ID:
        raise Refused(4200, f"Requested resource workspace_id={space_id[:40]} does not exist.")
