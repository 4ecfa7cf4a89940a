"""Fetching from a site with a name and TLS, beside a canary that must never be connected to (RELIABILITY S9)."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from aiohttp import web
from anyio.abc import TaskGroup

from certificates import self_signed, trusting
from pictures import png
from realcoze.domain.ids import CallerId
from realcoze.domain.ports import Fetched
from realcoze.errors import BadRequest, CallerFault, Overloaded, TooLarge
from realcoze.transports.fetch import (
    AT_ONCE,
    AT_ONCE_OF_ONE,
    REDIRECTS,
    Fetcher,
    Limits,
    SocketAddress,
    look_up,
    open_fetcher,
)
from servers import PATIENCE_S, RawServer, raw_server, soon
from sites import NAME, PUBLIC, Site, site

pytestmark = pytest.mark.usefixtures("nothing_left")

PICTURE = png(31, 17)
HERE = f"https://{NAME}"
SMALL = Limits(size_bytes=1000)
ONE = CallerId("one")


async def _picture(_request: web.Request) -> web.Response:
    return web.Response(body=PICTURE, headers={"Set-Cookie": "a=b"})


async def _hop(request: web.Request) -> web.Response:
    """A redirect that counts down to the picture."""
    left = int(request.match_info["left"])
    headers = {"Location": f"/hop/{left - 1}" if left else "/a.png", "Set-Cookie": "a=b"}
    return web.Response(status=(301, 302, 303, 307, 308)[left % 5], headers=headers)


async def _away(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.query["to"]})


async def _circle(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": str(request.rel_url)})


async def _sized(request: web.Request) -> web.StreamResponse:
    """So many bytes, with their number before them or without."""
    size = int(request.match_info["size"])
    if "declared" in request.query:
        return web.Response(body=b"x" * size)
    answer = web.StreamResponse()
    await answer.prepare(request)
    # A client that has had enough leaves.
    with contextlib.suppress(ConnectionError):
        for _ in range(size // 100):
            await answer.write(b"x" * 100)
    return answer


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]), text="a secret")


async def _packed(request: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b\x08\x00", headers={"Content-Encoding": request.query["as"]})


async def _broken(request: web.Request) -> web.StreamResponse:
    """A body that goes on with what is no chunk, once what was before it has been read."""
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    await answer.write(b"half")
    for _ in range(50):
        await anyio.lowlevel.checkpoint()
    assert request.transport is not None
    request.transport.write(b"no chunk\r\n")
    with contextlib.suppress(ConnectionError):
        await anyio.sleep_forever()
    return answer


async def _told(request: web.Request) -> web.Response:
    return web.json_response(dict(request.headers))


@pytest.fixture
async def here(nothing_left: None, tmp_path: Path) -> AsyncIterator[Site]:
    routes = [
        web.get("/a.png", _picture),
        web.get("/hop/{left}", _hop),
        web.get("/away", _away),
        web.get("/circle", _circle),
        web.get("/sized/{size}", _sized),
        web.get("/status/{status}", _status),
        web.get("/packed", _packed),
        web.get("/broken", _broken),
        web.get("/told", _told),
    ]
    async with site(tmp_path, *routes) as running:
        yield running


@pytest.fixture
async def canary(nothing_left: None) -> AsyncIterator[RawServer]:
    """On an address that is not public; every connection to it is a defect."""
    async with raw_server() as server:
        yield server
        assert server.received == []


async def _fetch(fetcher: Fetcher, url: str) -> Fetched:
    with anyio.fail_after(PATIENCE_S):
        async with fetcher.fetched(url, caller=ONE) as found:
            return found


async def _refusal(fetcher: Fetcher, url: str) -> CallerFault:
    with pytest.raises(CallerFault) as refusal:
        await _fetch(fetcher, url)
    assert NAME not in refusal.value.message
    assert "secret" not in refusal.value.message
    return refusal.value


# What is fetched


async def test_the_bytes_and_what_the_path_calls_them(here: Site) -> None:
    async with here.fetching() as fetcher:
        assert await _fetch(fetcher, f"{HERE}/a.png?size=%2e#top") == Fetched(data=PICTURE, name="a.png")
    assert here.seen == [f"{NAME}/a.png?size=%2e"], "not a byte of path and query is changed"
    assert (here.named, here.looked_up) == ([NAME], [NAME])


async def test_nothing_is_told_that_could_tell_who_asks(here: Site) -> None:
    async with here.fetching() as fetcher:
        await _fetch(fetcher, f"{HERE}/a.png")
        told = await _fetch(fetcher, f"{HERE}/told")
    for name in (b"Cookie", b"Authorization", b"Referer", b"aiohttp"):
        assert name not in told.data
    assert b'"Accept-Encoding": "identity"' in told.data


async def test_a_few_redirects_are_followed_and_each_is_looked_up_anew(here: Site) -> None:
    async with here.fetching() as fetcher:
        assert (await _fetch(fetcher, f"{HERE}/hop/{REDIRECTS - 1}")).data == PICTURE
    assert here.looked_up == [NAME] * (REDIRECTS + 1)


@pytest.mark.parametrize("path", [f"/hop/{REDIRECTS}", "/circle"])
async def test_more_redirects_or_a_circle_are_not(here: Site, path: str) -> None:
    async with here.fetching() as fetcher:
        assert (await _refusal(fetcher, HERE + path)).message.endswith("is redirected more than 3 times.")
    assert len(here.seen) == REDIRECTS + 1


async def test_the_names_of_this_machine_are_looked_up_by_default() -> None:
    assert ("127.0.0.1", 443) in await look_up("localhost")


# What is not


PRIVATE = "127.0.0.1"


def _answering(*answers: Sequence[SocketAddress]) -> Callable[[str], object]:
    """A name server that gives one answer after another."""
    waiting = iter(answers)

    async def resolve(_host: str) -> Sequence[SocketAddress]:
        return next(waiting)

    return resolve


async def test_a_name_with_a_private_address_is_not_connected_to(here: Site, canary: RawServer) -> None:
    private = (PRIVATE, canary.port)
    for addresses in ([private], [here.at, private], [private, here.at]):
        async with here.fetching(resolve=_answering(addresses)) as fetcher:
            assert (await _refusal(fetcher, f"{HERE}/a.png")).code == "url_refused"
    assert here.named == [], "nor is the public one of several"


async def test_whether_a_private_name_is_known_is_not_told(here: Site, canary: RawServer) -> None:
    async with here.fetching() as fetcher:
        unknown = await _refusal(fetcher, "https://unknown.example/")
    async with here.fetching(resolve=_answering([], [(PRIVATE, canary.port)])) as fetcher:
        assert {(await _refusal(fetcher, "https://a.example/")).message for _ in range(2)} == {unknown.message}


async def test_by_default_loopback_is_not_public(here: Site, canary: RawServer) -> None:
    async def resolve(_host: str) -> Sequence[SocketAddress]:
        return [(PRIVATE, canary.port)]

    async with open_fetcher(resolve=resolve) as fetcher:
        assert (await _refusal(fetcher, f"{HERE}/a.png")).code == "url_refused"


async def test_a_name_server_that_answers_otherwise_the_second_time_is_not_asked_twice(
    here: Site, canary: RawServer
) -> None:
    private = [(PRIVATE, canary.port)]
    async with here.fetching(resolve=_answering([here.at], private)) as fetcher:
        assert (await _fetch(fetcher, f"{HERE}/a.png")).data == PICTURE
        assert (await _refusal(fetcher, f"{HERE}/a.png")).code == "url_refused", "and no connection is kept"
    async with here.fetching(resolve=_answering([here.at], private)) as fetcher:
        assert (await _refusal(fetcher, f"{HERE}/hop/0")).code == "url_refused"


async def test_the_address_is_looked_at_again_when_it_is_connected_to(here: Site, canary: RawServer) -> None:
    answers = iter([True, False])
    async with here.fetching(
        resolve=_answering([(PRIVATE, canary.port)]), is_allowed=lambda _address: next(answers)
    ) as fetcher:
        assert (await _refusal(fetcher, f"{HERE}/a.png")).code == "url_not_fetched"


@pytest.mark.parametrize(
    "to",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1:PORT/",
        "http://127.0.0.1:PORT/",
        "//127.0.0.1:PORT/",
        "https://[::ffff:127.0.0.1]:PORT/",
        "https://2130706433:PORT/",
        "https://localhost:PORT/",
        "https://a@127.0.0.1:PORT#@pictures.example/",
        "https://canary.example/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_to_what_is_private_is_not_followed(here: Site, canary: RawServer, to: str) -> None:
    async def resolve(host: str) -> Sequence[SocketAddress]:
        return [here.at] if host == NAME else [(PRIVATE, canary.port)]

    there = to.replace("PORT", str(canary.port)).replace("#", "%23")
    async with here.fetching(resolve=resolve) as fetcher:
        assert (await _refusal(fetcher, f"{HERE}/away?to={there}")).code == "url_refused"
    assert len(here.seen) == 1, "the redirect was got"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "127.1", "0x7f000001", "localhost"])
async def test_an_address_in_place_of_a_name_is_neither_looked_up_nor_connected_to(
    here: Site, canary: RawServer, host: str
) -> None:
    async with here.fetching() as fetcher:
        for url in (f"https://{host}/", f"https://{host}:{canary.port}/"):
            assert (await _refusal(fetcher, url)).code == "url_refused"
    assert here.looked_up == []


async def test_a_proxy_of_the_environment_is_not_used(
    here: Site, canary: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    async with here.fetching() as fetcher:
        assert (await _fetch(fetcher, f"{HERE}/a.png")).data == PICTURE


@pytest.mark.parametrize("query", ["", "?declared"])
async def test_what_is_too_large_is_left(here: Site, query: str) -> None:
    async with here.fetching(limits=SMALL) as fetcher:
        assert len((await _fetch(fetcher, f"{HERE}/sized/1000{query}")).data) == 1000
        for size in (1100, 10_000_000):
            refusal = await _refusal(fetcher, f"{HERE}/sized/{size}{query}")
            assert isinstance(refusal, TooLarge)
            assert "1000 bytes" in refusal.message


@pytest.mark.parametrize(
    ("path", "why"),
    [
        *((f"/status/{status}", f"was answered with {status}") for status in (204, 206, 302, 404, 503)),
        ("/packed?as=gzip", "a compressed body"),
        ("/packed?as=br", "a compressed body"),
    ],
)
async def test_an_answer_without_the_file_is_said_so(here: Site, path: str, why: str) -> None:
    async with here.fetching() as fetcher:
        refusal = await _refusal(fetcher, HERE + path)
    assert isinstance(refusal, BadRequest)
    assert (refusal.code, refusal.retryable) == ("url_not_fetched", "503" in path)
    assert why in refusal.message


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.mark.parametrize("said", [b"", BEGUN])
async def test_a_host_that_is_too_slow_is_left(here: Site, tmp_path: Path, said: bytes) -> None:
    async with raw_server(said, stays=True, ssl=self_signed(tmp_path, NAME)) as slow:
        quick = Limits(total_s=0.1)
        resolve = _answering([(PRIVATE, slow.port)])
        async with here.fetching(resolve=resolve, is_allowed=PRIVATE.__eq__, limits=quick) as fetcher:
            refusal = await _refusal(fetcher, f"{HERE}/")
        assert "within 0.1 seconds" in refusal.message
        await slow.until(lambda: slow.gone == 1)


async def test_what_says_that_it_is_too_large_is_not_waited_for(here: Site, tmp_path: Path) -> None:
    declared = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
    async with raw_server(declared, stays=True, ssl=self_signed(tmp_path, NAME)) as silent:
        resolve = _answering([(PRIVATE, silent.port)])
        async with here.fetching(resolve=resolve, is_allowed=PRIVATE.__eq__, limits=SMALL) as fetcher:
            assert isinstance(await _refusal(fetcher, f"{HERE}/"), TooLarge)
        await silent.until(lambda: silent.gone == 1)


async def test_a_name_server_that_is_too_slow_is_left(here: Site) -> None:
    async def resolve(_host: str) -> Sequence[SocketAddress]:
        await anyio.sleep_forever()
        raise AssertionError

    async with here.fetching(resolve=resolve, limits=Limits(total_s=0.05)) as fetcher:
        assert "within 0.05 seconds" in (await _refusal(fetcher, f"{HERE}/")).message


NO_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"


@pytest.mark.parametrize("said", [b"", BEGUN, NO_CHUNK, b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000])
async def test_a_host_that_breaks_off_has_given_nothing(here: Site, tmp_path: Path, said: bytes) -> None:
    async with raw_server(said, ssl=self_signed(tmp_path, NAME)) as broken:
        resolve = _answering(*[[(PRIVATE, broken.port)]] * 2)
        async with here.fetching(resolve=resolve, is_allowed=PRIVATE.__eq__) as fetcher:
            assert (await _refusal(fetcher, f"{HERE}/")).code == "url_not_fetched"


async def test_a_body_that_goes_on_with_nonsense_is_not_waited_for(here: Site) -> None:
    async with here.fetching() as fetcher:
        assert "was not answered (" in (await _refusal(fetcher, f"{HERE}/broken")).message


async def test_a_second_attempt_goes_only_where_the_first_one_might(
    here: Site, canary: RawServer, tmp_path: Path
) -> None:
    async with raw_server(ssl=self_signed(tmp_path, NAME), host=PUBLIC) as leaving:
        resolve = _answering([(PUBLIC, leaving.port)], [(PRIVATE, canary.port)])
        async with here.fetching(resolve=resolve) as fetcher:
            assert (await _refusal(fetcher, f"{HERE}/")).code == "url_refused"
        assert len(leaving.received) == 1


async def test_where_nobody_listens_nothing_is_fetched(here: Site) -> None:
    async with here.fetching(resolve=_answering([(PUBLIC, 1)])) as fetcher:
        assert (await _refusal(fetcher, f"{HERE}/")).retryable


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
async def test_a_certificate_of_another_name_is_not_trusted(here: Site, tmp_path: Path, name: str) -> None:
    (folder := tmp_path / "other").mkdir()
    async with raw_server(BEGUN, ssl=self_signed(folder, name)) as other:
        async with here.fetching(
            resolve=_answering([(PRIVATE, other.port)]), is_allowed=PRIVATE.__eq__, tls=trusting(folder)
        ) as fetcher:
            assert "certificate" in (await _refusal(fetcher, f"{HERE}/")).message
        assert not any(other.received), "nothing was asked"


async def test_a_certificate_that_nobody_signed_is_not_trusted_by_default(here: Site) -> None:
    async with here.fetching(tls=None) as fetcher:
        assert "certificate" in (await _refusal(fetcher, f"{HERE}/a.png")).message
    assert here.seen == []


class Holding:
    """Callers that have the picture fetched, and hold what they got until they are told to let go."""

    def __init__(self, fetcher: Fetcher, tasks: TaskGroup) -> None:
        self._fetcher = fetcher
        self._tasks = tasks
        self.go = anyio.Event()
        self.held = 0

    def begin(self, times: int, *, caller: str) -> None:
        for _ in range(times):
            self._tasks.start_soon(self._hold, CallerId(caller))

    async def _hold(self, caller: CallerId) -> None:
        async with self._fetcher.fetched(f"{HERE}/a.png", caller=caller):
            self.held += 1
            await self.go.wait()


@pytest.fixture
async def holding(here: Site) -> AsyncIterator[Holding]:
    async with here.fetching() as fetcher, anyio.create_task_group() as tasks:
        holding = Holding(fetcher, tasks)
        yield holding
        holding.go.set()


async def test_so_many_are_held_at_once_and_the_next_one_waits(here: Site, holding: Holding) -> None:
    for caller in range(AT_ONCE + 1):
        holding.begin(1, caller=str(caller))
    await soon(lambda: holding.held == AT_ONCE)
    assert len(here.looked_up) == AT_ONCE
    holding.go.set()
    await soon(lambda: holding.held == AT_ONCE + 1)


async def test_one_caller_leaves_the_others_some(here: Site, holding: Holding) -> None:
    holding.begin(AT_ONCE + 1, caller="one")
    await soon(lambda: holding.held == AT_ONCE_OF_ONE)
    holding.begin(1, caller="another")
    await soon(lambda: holding.held == AT_ONCE_OF_ONE + 1)
    await anyio.wait_all_tasks_blocked()
    assert (holding.held, len(here.looked_up)) == (AT_ONCE_OF_ONE + 1, AT_ONCE_OF_ONE + 1)
    holding.go.set()
    await soon(lambda: holding.held == AT_ONCE + 2)


@pytest.mark.parametrize(
    ("callers", "said"),
    [
        (["one"] * AT_ONCE_OF_ONE, f"{AT_ONCE_OF_ONE} files are being fetched or passed on for one caller"),
        ([str(number) for number in range(AT_ONCE)], f"{AT_ONCE} files are being fetched"),
    ],
)
async def test_nobody_waits_for_a_place_for_ever(here: Site, callers: list[str], said: str) -> None:
    impatient = Limits(wait_s=0.05)
    async with here.fetching(limits=impatient) as fetcher, AsyncExitStack() as held:
        for caller in callers:
            await held.enter_async_context(fetcher.fetched(f"{HERE}/a.png", caller=CallerId(caller)))
        with pytest.raises(Overloaded, match=said) as refusal:
            await _fetch(fetcher, f"{HERE}/a.png")
        assert refusal.value.retry_after_s
        await held.aclose()
        for _ in range(AT_ONCE + 1):
            assert (await _fetch(fetcher, f"{HERE}/a.png")).data == PICTURE, "and its places were given back"
