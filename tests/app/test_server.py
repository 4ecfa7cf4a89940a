import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from native_server import (
    HEALTH,
    NDJSON,
    SSE,
    Bot,
    Turn,
    application,
    connected,
    deaf_client,
    exchange,
    parsed,
    post,
    request,
    saying,
    serving,
)
from realcoze.app.server import NOTSENT_LOWAT, is_loopback, listening
from realcoze.errors import Misconfigured
from servers import held, soon

PIECE = "x" * (64 << 10)

# The listener


async def test_port_0_takes_a_free_one_and_a_taken_one_is_said_to_be(nothing_left: None) -> None:
    async with listening(application(saying("Hi")), host="127.0.0.1", port=0, grace_s=1) as port:
        assert (await post(port)).status == 200
        with pytest.raises(Misconfigured, match=f"Cannot listen on 127.0.0.1, port {port}: Address already in use"):
            async with listening(application(saying("Hi")), host="127.0.0.1", port=port, grace_s=1):
                raise AssertionError
    async with listening(application(saying("Hi")), host="127.0.0.1", port=port, grace_s=1) as again:
        assert again == port


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("203.0.113.1", 0), ("a" * 300, 0), ("no host", 0)]
)
async def test_an_address_that_cannot_be_listened_on_is_a_wrong_setting(
    host: str, port: int, nothing_left: None
) -> None:
    with pytest.raises(Misconfigured, match="Cannot listen on") as refused:
        async with listening(application(saying("Hi")), host=host, port=port, grace_s=1):
            raise AssertionError
    assert refused.value.hint is not None
    assert ("Look at the host" in refused.value.hint) is (host in ("a" * 300, "no host"))


async def test_it_listens_on_ipv6_too(nothing_left: None) -> None:
    async with listening(application(saying("Hi")), host="::1", port=0, grace_s=1) as port:
        with socket.create_connection(("::1", port)) as client:
            client.sendall(request(host=f"[::1]:{port}"))
            assert (await anyio.to_thread.run_sync(client.recv, 20)).startswith(b"HTTP/1.1 200")


async def test_the_kernel_takes_little_ahead_of_the_client(nothing_left: None) -> None:
    """By default it swallows 3.9 MiB before anybody notices that a client does not read."""
    async with serving(saying("Hi")) as served, connected(served.port) as client:
        await client.send(HEALTH)
        await client.until(b'"upstreams"')
        found = [each for each in own_sockets() if each[0] == served.port]
    assert len(found) == 2
    assert {lowat for _, lowat in found} == {NOTSENT_LOWAT}


def own_sockets() -> list[tuple[int, int]]:
    """The port and the option of every TCP socket of this process."""
    found: list[tuple[int, int]] = []
    for link in Path("/proc/self/fd").iterdir():
        if link.is_socket():
            with socket.fromfd(int(link.name), socket.AF_INET, socket.SOCK_STREAM) as each, suppress(OSError):
                lowat = each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
                found.append((each.getsockname()[1], lowat))
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost"])
def test_who_cannot_be_reached_from_outside_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    application(saying("Hi"), host=host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.0.1", "127.example.com", "example.com", "localhost.example", ""]
)
def test_who_can_be_needs_one(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(Misconfigured, match="no key is set"):
        application(saying("Hi"), host=host)
    application(saying("Hi"), host=host, key="0123456789abcdef")
    with pytest.raises(Misconfigured, match="fewer than 16"):
        application(saying("Hi"), host=host, key="short")


# The end


async def ask_and_wait(port: int, into: list[bytes], **options: Any) -> None:
    into.append(await exchange(port, request(**options)))


async def test_leaving_lets_answers_in_flight_finish(nothing_left: None) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()
        turn.say("lo")
        turn.done()

    bot, got = Bot(wait), list[bytes]()

    async def let_go_when_closed() -> None:
        await soon(lambda: held().listeners < listeners)
        for turn in bot.turns:
            turn.go.set()

    async with anyio.create_task_group() as tasks:
        async with serving(bot, grace_s=10) as served, connected(served.port) as idle:
            await idle.send(HEALTH)
            await idle.until(b'"upstreams"')
            tasks.start_soon(lambda: ask_and_wait(served.port, got))
            tasks.start_soon(lambda: ask_and_wait(served.port, got, path="/?stream=true", accept=NDJSON))
            await bot.turn(1)
            listeners = held().listeners
            tasks.start_soon(let_go_when_closed)
        assert not any(turn.is_cancelled for turn in bot.turns)
    whole, streamed = sorted(map(parsed, got), key=lambda answer: "transfer-encoding" in answer.headers)
    assert whole.json["content"] == "Hello"
    assert streamed.has_last_chunk


async def test_what_does_not_finish_in_time_is_cut(nothing_left: None) -> None:
    has_cleaned_up = []

    async def for_ever(turn: Turn) -> None:
        turn.say(PIECE * 64)
        try:
            await turn.go.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                has_cleaned_up.append(turn)

    bot, got = Bot(for_ever), list[bytes]()
    async with anyio.create_task_group() as tasks:
        async with serving(bot, grace_s=0.1) as served:
            tasks.start_soon(lambda: ask_and_wait(served.port, got))
            tasks.start_soon(lambda: ask_and_wait(served.port, got, path="/?stream=true", accept=NDJSON))
            with deaf_client(served.port, request(path="/?stream=true", accept=SSE)):
                await bot.turn(2)
        assert sorted(map(id, has_cleaned_up)) == sorted(map(id, bot.turns))
    assert sorted(parsed(raw).status for raw in got) == [200, 500]
    assert not any(raw.endswith(b"0\r\n\r\n") for raw in got)


async def test_a_deaf_client_is_dropped_at_the_end(nothing_left: None) -> None:
    bot = saying(PIECE * 256)
    before = held().sockets
    with anyio.fail_after(10):
        async with serving(bot, grace_s=0.1) as served:
            client = socket.create_connection(("127.0.0.1", served.port))
            client.sendall(request(path="/?stream=true", accept=NDJSON))
            turn = await bot.turn()
            await turn.until(lambda: turn.is_over)
    assert held().sockets == before + 1
    client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_while_it_waits_means_at_once(nothing_left: None, number: signal.Signals) -> None:
    async def for_ever(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()

    bot, got, before = Bot(for_ever), list[bytes](), signal.getsignal(number)

    async def send_it() -> None:
        await soon(lambda: signal.getsignal(number) is not before)
        os.kill(os.getpid(), number)

    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            async with serving(bot, grace_s=300) as served:
                tasks.start_soon(lambda: ask_and_wait(served.port, got, path="/?stream=true", accept=NDJSON))
                await bot.turn()
                tasks.start_soon(send_it)
    assert (await bot.turn()).is_cancelled
    assert not got[0].endswith(b"0\r\n\r\n")
    assert signal.getsignal(number) == before
