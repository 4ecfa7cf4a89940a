import asyncio

import msgspec
import pytest

from native_server import saying, serving
from realcoze import errors
from realcoze.app.description.apis import ANTHROPIC, CLOSING, LOCAL, NATIVE, OPENAI, Closing
from realcoze.dialects.anthropic_messages import failure as anthropic
from realcoze.dialects.statuses import STATUS, status_of


def test_every_error_stands_under_the_status_that_it_has() -> None:
    for kind in STATUS:
        error = kind("")
        line = f"`{error.code}`: {str(kind.__doc__).partition(chr(10))[0]}"
        for api in (NATIVE, OPENAI):
            assert line in api.statuses[status_of(error)]
        assert line in ANTHROPIC.statuses[anthropic.status_of(error)]


def test_an_account_that_must_pay_and_a_region_that_is_blocked_have_statuses_of_their_own() -> None:
    assert "`upstream_blocked`" in OPENAI.statuses[503]
    assert "`insufficient_quota`" in ANTHROPIC.statuses[402]
    assert 402 not in OPENAI.statuses


def test_what_is_answered_here_cannot_fail_by_coze() -> None:
    upstream = {status_of(kind("")) for kind in STATUS if issubclass(kind, errors.UpstreamFault)}
    assert {502, 504, 429} <= upstream
    assert LOCAL.isdisjoint(upstream)
    assert not LOCAL - set(NATIVE.statuses)


@pytest.mark.parametrize(("sent", "status"), [(b"no HTTP\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nx: %b\r\n\r\n", 431)])
async def test_the_last_answer_on_a_connection_is_as_described(sent: bytes, status: int) -> None:
    async with serving(saying("hello")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent.replace(b"%b", b"x" * 100_000))
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert status in CLOSING
    body = answer.partition(b"\r\n\r\n")[2]
    assert msgspec.json.encode(msgspec.json.decode(body, type=Closing)) == body
