"""Responses that are made in the background: they can be found while they are made, and nobody needs to wait.

A stream of one is a window on it: its client may leave, and the turn goes on.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from realcoze.dialects.openai_responses.reply import ResponseBody
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.domain.event import Event, TurnFailed
from realcoze.domain.media import size_in_words
from realcoze.domain.ports import Flow, Sink
from realcoze.errors import BadRequest, Overloaded, RealcozeError, Truncated
from realcoze.faces.openai.draft import Draft
from realcoze.gateway.chat import Gateway
from realcoze.gateway.kept import RECORD_BYTES
from realcoze.gateway.unattended import Unattended


class Background:
    """Turns of `gateway` that go on in `unattended`."""

    def __init__(self, gateway: Gateway, unattended: Unattended) -> None:
        self._gateway = gateway
        self._unattended = unattended

    def begin(self, draft: Draft) -> ResponseBody:
        """Have a response made; what is to be told of it now.  Raises `Overloaded` and `BadRequest`."""
        self._begin(draft, partial(self._make, draft))
        return draft.begun("queued")

    async def relay(self, draft: Draft, encoder: ResponseEncoder, sink: Sink) -> None:
        """The same, while `sink` gets the events of its turn, which `encoder` makes the response of.

        Cancelling it means that the client left.
        """
        listening = Listening(sink, encoder)
        try:
            is_over = self._begin(draft, partial(self._stream, draft, encoder, listening))
        except (Overloaded, BadRequest) as error:
            sink.feed(TurnFailed(error=error))
            return
        try:
            await is_over.wait()
        finally:
            listening.leave()

    async def stop(self, key: str) -> bool:
        """Cancel the turn of a response, and wait until it is over; False where there is none any more."""
        return await self._unattended.stop(key)

    def _begin(self, draft: Draft, work: Callable[[], Awaitable[None]]) -> anyio.Event:
        """Nothing is begun that nobody could find."""
        if not draft.announce(draft.begun("in_progress")):
            draft.withdraw()
            raise BadRequest(
                f"What the request repeats is longer than {size_in_words(RECORD_BYTES)}, and cannot be kept.",
                hint="Leave `background` out, and wait for the answer.",
            )
        caller = draft.asked.request.caller
        try:
            return self._unattended.begin(draft.key, work, caller=caller, size_bytes=draft.size_bytes)
        except Overloaded:
            draft.withdraw()
            raise

    async def _make(self, draft: Draft) -> None:
        body = draft.failed(_interrupted())
        try:
            body = draft.replied(await self._gateway.ask(draft.asked.request, request_id=draft.request_id))
        except RealcozeError as error:
            body = draft.failed(error)
        finally:
            draft.announce(body)
            await draft.keep()

    async def _stream(self, draft: Draft, encoder: ResponseEncoder, listening: "Listening") -> None:
        """Of a turn whose client was told by a status that it failed, nothing is kept: it never had an id."""
        try:
            await self._gateway.relay(draft.asked.request, listening, request_id=draft.request_id)
        except BaseException:
            listening.feed(TurnFailed(error=_interrupted()))
            raise
        finally:
            if not encoder.is_closed:
                draft.withdraw()
            await draft.keep()


class Listening:
    """A sink between a turn and a client that listens for as long as it likes; the encoder hears all of it.

    `sink` is the client's, and feeds the encoder itself.
    """

    def __init__(self, sink: Sink, encoder: ResponseEncoder) -> None:
        self._sink = sink
        self._encoder = encoder
        self._is_heard = True
        self._flow: Flow | None = None

    def open(self, flow: Flow) -> None:
        if self._is_heard:
            self._flow = flow
            self._sink.open(flow)

    def feed(self, event: Event) -> None:
        if self._is_heard:
            self._sink.feed(event)
        else:
            self._encoder.feed(event)

    def leave(self) -> None:
        """The client has left, and nothing waits for it any more."""
        self._is_heard = False
        if self._flow is not None:
            self._flow.resume()


def _interrupted() -> Truncated:
    """The error of a response that was stopped, by its caller or with the server."""
    return Truncated("The answer was stopped before it was complete.")
