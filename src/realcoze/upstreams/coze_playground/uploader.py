"""Files of one account, put where its bots can see them: the `Uploads` port.

Source: docs/protocol/playground-2024.md §7.
"""

import secrets
import time
from collections.abc import Mapping

import anyio

from realcoze.dialects.coze_playground import upload as calls
from realcoze.dialects.coze_playground.signature import canonical_query, region_of, signed_headers
from realcoze.dialects.coze_playground.upload import Grant, UploadToken
from realcoze.domain.content import File, Image, MediaPart
from realcoze.domain.media import media_of
from realcoze.errors import BadRequest, TooLarge, UpstreamFault
from realcoze.transports.http import HttpClient
from realcoze.upstreams.coze_playground.session import USER_AGENT, Session
from realcoze.upstreams.coze_playground.settings import PlaygroundSettings

EARLY_S = 30.0
"""A token is renewed this long before it expires."""

UPLOAD_S = 120.0


class Uploader:
    """Keeps one upload token for as long as it lasts; any number of uploads share it."""

    def __init__(self, settings: PlaygroundSettings, session: Session, http: HttpClient) -> None:
        self._settings = settings
        self._session = session
        self._http = http
        self._token: UploadToken | None = None
        self._renewing = anyio.Lock()

    async def upload(self, data: bytes, name: str) -> MediaPart:
        """See `Uploads`: apply, upload, commit, in this order."""
        if not data:
            raise BadRequest("The file is empty.")
        if len(data) > self._settings.upload_bytes:
            raise TooLarge(f"The file has {len(data)} bytes; {self._settings.upload_bytes} is the most.")
        media = media_of(data, name)
        token = await self._fresh_token()
        try:
            key = await self._store(token, data, media.extension)
        except UpstreamFault:
            # It may be the token that was refused; the next upload asks for another.
            if self._token is token:
                self._token = None
            raise
        return Image(key=key) if media.is_picture else File(key=key)

    async def _store(self, token: UploadToken, data: bytes, extension: str) -> str:
        query = calls.apply_query(token, size_bytes=len(data), extension=extension, noise=secrets.token_hex(6))
        grant = calls.decode_apply(*await self._imagex("GET", token, query, None))
        await self._put(token, grant, data)
        calls.decode_committed(
            *await self._imagex("POST", token, calls.commit_query(token), calls.encode_commit(grant))
        )
        return grant.place.StoreUri

    async def _fresh_token(self) -> UploadToken:
        async with self._renewing:
            if self._token is None or self._token.expires_at() - EARLY_S < time.time():
                self._token = await self._session.upload_token()
            return self._token

    async def _put(self, token: UploadToken, grant: Grant, data: bytes) -> None:
        answer = await self._http.call(
            "POST",
            f"{token.schema or 'https'}://{grant.UploadHosts[0]}/upload/v1/{grant.place.StoreUri}",
            headers={**calls.upload_headers(grant, data), "User-Agent": USER_AGENT},
            body=data,
            reply_s=UPLOAD_S,
        )
        calls.decode_stored(answer.status, answer.body)

    async def _imagex(
        self, method: str, token: UploadToken, query: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        """A signed call; each with a time of its own."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        region = region_of(self._settings.base)
        headers = signed_headers(method, query, body, token.auth.credentials, date=date, region=region)
        headers["user-agent"] = USER_AGENT
        if body is not None:
            headers["content-type"] = "application/json"
        url = f"{token.base}/?{canonical_query(query)}"
        answer = await self._http.call(
            method, url, headers=headers, body=body or b"", reply_s=self._settings.deadlines.reply
        )
        return answer.status, answer.body
