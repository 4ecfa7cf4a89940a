"""The HTTP calls of one account: launch and execute, with its cookie.

Source: docs/protocol/playground-2024.md §1, §2, §6.
"""

import hashlib
import time

from realcoze.dialects.coze_playground import execute, launch, upload
from realcoze.dialects.coze_playground.launch import Launch
from realcoze.dialects.coze_playground.upload import UploadToken
from realcoze.transports.http import HttpClient
from realcoze.upstreams.coze_playground import state
from realcoze.upstreams.coze_playground.settings import PlaygroundSettings

USER_AGENT = "realcoze"
"""Our own name: we do not pass for Coze's web page."""


class Session:
    """Calls in the name of one session cookie."""

    def __init__(self, settings: PlaygroundSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        secret = f"{settings.base}\n{settings.session_id.reveal()}"
        self._account = hashlib.sha256(secret.encode()).hexdigest()[:32]

    def cached_launch(self) -> Launch | None:
        """Launch data from an earlier run, if it is young enough."""
        return state.load_launch(
            self._settings.state_dir, self._account, now=time.time(), lifetime_s=self._settings.cache_launch_s
        )

    def drop_launch(self) -> None:
        """The key made of the cached launch data was refused."""
        state.drop_launch(self._settings.state_dir, self._account)

    async def launch(self) -> Launch:
        """Ask for launch data and keep it.  Raises an `UpstreamFault`."""
        data = launch.decode_launch(*await self._post(launch.PATH, launch.REQUEST))
        if self._settings.cache_launch_s > 0:
            state.save_launch(self._settings.state_dir, self._account, data, now=time.time())
        return data

    async def execute(self, body: bytes) -> None:
        """Start a turn; its text comes by push.  Raises an `UpstreamFault`."""
        execute.decode_accepted(*await self._post(execute.PATH, body))

    async def upload_token(self) -> UploadToken:
        """Leave to upload, for as long as the token says.  Raises an `UpstreamFault`."""
        return upload.decode_token(*await self._post(upload.TOKEN_PATH, upload.TOKEN_REQUEST))

    async def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        answer = await self._http.call(
            "POST",
            self._settings.base.rstrip("/") + path,
            headers={
                "Cookie": f"sessionid={self._settings.session_id.reveal()}",
                "Content-Type": "application/json",
                "Accept": "application/json, text/plain, */*",
                "User-Agent": USER_AGENT,
            },
            body=body,
            reply_s=self._settings.deadlines.reply,
        )
        return answer.status, answer.body
