"""A response on its way: how it is told as it goes on, and where it is kept."""

from dataclasses import dataclass

import msgspec

from realcoze.dialects.openai_responses.kept import encode_record
from realcoze.dialects.openai_responses.reply import ResponseBody, Status, failed, replied, response_body
from realcoze.dialects.openai_responses.request import Asked
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId
from realcoze.domain.media import size_in_words
from realcoze.errors import RealcozeError, TooLarge
from realcoze.gateway.kept import RECORD_BYTES, Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`key` is what it is kept under, `items` what was said before it, `created` in seconds since 1970.

    `size_bytes` is how long all of the request is, with what it builds on; `kept` is None for one that is not kept.
    """

    asked: Asked
    request_id: RequestId
    created: int
    key: str
    size_bytes: int
    items: list[msgspec.Raw]
    kept: Kept | None

    def begun(self, status: Status) -> ResponseBody:
        """The response before anything is said."""
        return response_body(self.asked, self.request_id, created=self.created, status=status, output=[])

    def replied(self, reply: Reply) -> ResponseBody:
        return replied(self.asked, reply, self.request_id, created=self.created)

    def failed(self, error: RealcozeError) -> ResponseBody:
        return failed(self.asked, error, self.request_id, created=self.created)

    def encoder(self) -> ResponseEncoder:
        """For a stream; it announces the response with its last event."""
        return ResponseEncoder(self.asked, self.request_id, created=self.created, keep=self.announce)

    def announce(self, body: ResponseBody) -> bool:
        """From now on it can be found as it stands here; False where it is not kept, or too long.

        Who is to come for it later finds that it was too long.
        """
        if self._announce(body):
            return True
        if not self.asked.is_background or not self._announce(self.failed(_too_long())):
            self.withdraw()
        return False

    def _announce(self, body: ResponseBody) -> bool:
        if self.kept is None:
            return False
        record = encode_record(body, self.items)
        if len(record) > RECORD_BYTES:
            return False
        self.kept.announce(self.key, record)
        return True

    def withdraw(self) -> None:
        """It is not to be found any more."""
        if self.kept is not None:
            self.kept.withdraw(self.key)

    async def keep(self) -> None:
        """Store what was announced.  Finishes though its caller is cancelled."""
        if self.kept is not None:
            await self.kept.keep(self.key)


def _too_long() -> TooLarge:
    return TooLarge(
        f"The answer, with all that was said before, is longer than {size_in_words(RECORD_BYTES)} and was not kept.",
        hint="Ask for it without `background`.",
    )
