import asyncio
import json
import re
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import pytest

from commands import PATIENT_S, Ended, Running, at_once, run, running, settle, settled, shell
from realcoze.app.serving import allow_files, curl_line
from servers import Coze, emulated, raw_server

KEY = "0123456789abcdef"
SESSION = "canary-of-the-session-4711"


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    allow_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def serve(cwd: Path, *options: str, **variables: str) -> AsyncIterator[tuple[Running, int]]:
    """`realcoze serve` on a free port."""
    told = ("serve", "--port", "0", *options)
    async with running(*told, cwd=cwd, home=cwd / "home", stdin=DEVNULL, **variables) as server:
        said = await server.until_says("Hello\"}]}'\n")
        port = re.search(r"http://\S+?:(\d+)", said)
        assert port
        yield server, int(port[1])


def printed(server: Running, word: str) -> str:
    """The line with this word that it tells to type."""
    return next(line.strip() for line in server.out.splitlines() if line.startswith("  ") and f"{word} " in line)


async def ask(port: int, bot: str = "echo", text: str = "Hello") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a stream and return when it has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"messages": [{"role": 2, "content": text}], "bot": bot}).encode()
    writer.write(
        b"POST /?stream=true HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    with anyio.fail_after(PATIENT_S):
        head = await reader.readuntil(b'"type":"delta"')
    assert b"200 OK" in head
    return reader, writer


def small_files(folder: Path) -> list[Path]:
    """What was written there beside the settings."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".env"]


async def until_refused(port: int) -> None:
    """Wait until nobody listens there any more."""
    with anyio.fail_after(PATIENT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()


@pytest.mark.usefixtures("nothing_left")
async def test_it_says_what_it_serves_and_the_line_to_try_works(coze: Coze, tmp_path: Path) -> None:
    async with serve(settled(tmp_path, coze)) as (server, port):
        assert server.out.startswith(
            f"Serving coze at http://127.0.0.1:{port}, until Ctrl-C.\n"
            f"Base URL of OpenAI clients: http://127.0.0.1:{port}/v1, of Anthropic clients: http://127.0.0.1:{port}.\n"
            "No key is needed.\n"
        )
        told = printed(server, "snippets")
        assert "snippets openai-python --url" in told
        program = await shell(told, tmp_path)
        assert f'base_url="http://127.0.0.1:{port}/v1"' in program.out
        pasted = await shell(told.replace("openai-python", "curl"), tmp_path)
        assert f"http://127.0.0.1:{port}/v1/chat/completions" in pasted.out
        assert f"\nOpen http://127.0.0.1:{port}/ in a browser, or:\n  curl -N " in server.out
        page = await shell(f"curl -sS http://127.0.0.1:{port}/", tmp_path)
        assert "<title>realcoze</title>" in page.out
        ended = await shell(printed(server, "curl"), tmp_path)
        server.tell(signal.SIGTERM)
        assert await server.ended() == Ended(0, server.out, "", [])
    assert ended.code == 0, ended.err
    assert 'data: {"type":"delta"' in ended.out
    assert ended.out.rstrip().endswith('data: {"type":"done"}')


@pytest.mark.usefixtures("nothing_left")
async def test_with_a_key_all_the_machines_addresses_may_be_served(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze, toml="[bots.atri]\n[bots.helper]\nconfig = 'memory.json'\n")
    for host in ("0.0.0.0", "::"):
        async with serve(folder, "--host", host, REALCOZE_KEY=KEY) as (server, port):
            assert f"Serving atri, helper at http://{'[::]' if host == '::' else host}:{port}, until" in server.out
            assert f"\nOpen http://{'[::1]' if host == '::' else '127.0.0.1'}:{port}/ in a browser, or:\n" in server.out
            await server.until_says("Other machines are refused until server.allowed_hosts")
            assert "\nThey need the key of the settings (REALCOZE_KEY).\n" in server.out
            assert "snippets openai-python --url http://" in server.out
            assert KEY not in server.out
            with_key = await shell(printed(server, "curl"), tmp_path, REALCOZE_KEY=KEY)
            without = await shell(printed(server, "curl"), tmp_path)
        assert with_key.out.rstrip().endswith('data: {"type":"done"}')
        assert '"code":"invalid_api_key"' in without.out


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_signals_end_it_quietly(coze: Coze, tmp_path: Path, number: signal.Signals) -> None:
    async with serve(settled(tmp_path, coze)) as (server, _):
        server.tell(number)
        assert await server.ended() == Ended(0, server.out, "", [])


@pytest.mark.usefixtures("nothing_left")
async def test_a_first_signal_lets_answers_finish(tmp_path: Path) -> None:
    async with emulated(pace=60.0) as coze, serve(settled(tmp_path, coze)) as (server, port):
        reader, writer = await ask(port, text="one two three " * 10)
        server.tell(signal.SIGTERM)
        await until_refused(port)
        with anyio.fail_after(PATIENT_S):
            rest = await reader.read(-1)
        writer.close()
        ended = await server.ended()
    assert (ended.code, ended.err) == (0, "")
    assert b'{"type":"done"}' in rest
    assert rest.endswith(b"0\r\n\r\n")


@pytest.mark.usefixtures("nothing_left")
async def test_a_second_signal_cuts_them(tmp_path: Path) -> None:
    async with emulated(pace=60.0) as coze, serve(settled(tmp_path, coze, bot="slow")) as (server, port):
        reader, writer = await ask(port, text="one two three " * 10)
        server.tell(signal.SIGINT)
        await until_refused(port)
        server.tell(signal.SIGINT)
        with anyio.fail_after(PATIENT_S):
            rest = await reader.read(-1)
        writer.close()
        ended = await server.ended()
    assert (ended.code, ended.err) == (0, "")
    assert b'{"type":"done"}' not in rest
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.usefixtures("nothing_left")
async def test_answers_that_outlast_the_grace_are_cut_and_counted(tmp_path: Path) -> None:
    async with emulated(pace=60.0) as coze:
        folder = settled(tmp_path, coze, bot="slow", toml="[server]\ngrace_s = 0.2\n")
        async with serve(folder) as (server, port):
            reader, writer = await ask(port, text="one two three " * 10)
            server.tell(signal.SIGTERM)
            with anyio.fail_after(PATIENT_S):
                rest = await reader.read(-1)
            writer.close()
            ended = await server.ended()
    assert ended.code == 0
    assert ended.err.endswith("WARNING realcoze.app.server: 1 answer(s) were not over after 0.2 s and are cut\n")
    assert ended.err.count("\n") == 1
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.usefixtures("nothing_left")
async def test_what_it_will_not_do(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze)
    (folder / "broken.toml").write_text("[server]\nprot = 1\n")
    (folder / "two.toml").write_text(
        "[bots.a]\n[bots.b]\nupstream = 'b'\nconfig = 'nowhere.json'\n[upstreams.b]\nsession_id = 'x'\n"
    )
    (folder / "two.toml").chmod(0o600)
    (folder / "proxy.toml").write_text("[upstreams.playground]\nproxy = 'ftp://user:hidden@x:1'\n")
    async with raw_server() as taken:
        told = {
            "0.0.0.0": ("--host", "0.0.0.0"),
            "::": ("--host", "::"),
            "taken": ("--port", str(taken.port)),
            "broken": ("--config", "broken.toml"),
            "two": ("--config", "two.toml"),
            "proxy": ("--config", "proxy.toml"),
        }
        ended = await at_once(folder, {name: (("serve", *options), b"") for name, options in told.items()})
    said = {name: one.err for name, one in ended.items()}
    assert {one.code for one in ended.values()} == {78}
    assert not any("Traceback" in one for one in said.values())
    assert all(one.startswith("realcoze: ") and one.count("\n") == 2 for one in said.values()), said
    for name in ("0.0.0.0", "::"):
        assert "can be reached by others, and no key is set.\n  Set REALCOZE_KEY" in said[name]
    assert f"Cannot listen on 127.0.0.1, port {taken.port}: Address already in use." in said["taken"]
    assert "Choose another with --port (0 takes a free one)" in said["taken"]
    assert "`$.server.prot` is no setting." in said["broken"]
    assert "nowhere.json cannot be read: No such file or directory." in said["two"]
    assert "hidden" not in said["proxy"]
    (folder / "config.json").write_text("{")
    broken = await run("serve", cwd=folder)
    assert broken.code == 78
    assert f"{folder}/config.json: The bot configuration is no JSON" in broken.err


@pytest.mark.usefixtures("nothing_left")
async def test_a_session_and_a_key_are_never_said(tmp_path: Path) -> None:
    """However much is logged, whatever goes wrong."""
    async with emulated(session_id=SESSION) as coze:
        good, bad = tmp_path / "good", tmp_path / "bad"
        settle(good, coze.base, session_id=SESSION)
        settle(bad, coze.base, session_id=f"{SESSION}-and-more")
        chats: dict[str, tuple[tuple[str, ...], bytes]] = {
            "well": (("chat", "-vv"), b"hi"),
            "broken": (("chat", "-vv"), b"[[fault broken]]"),
        }
        said = "".join(one.out + one.err for one in (await at_once(good, chats)).values())
        expired = await run("chat", "-vv", cwd=bad, stdin=b"hi")
        assert expired.code == 77
        proxied = await run("chat", "-vv", cwd=good, stdin=b"hi", proxy=f"http://user:{SESSION}@127.0.0.1:1")
        assert proxied.code == 69
        cookie = await run("chat", "-vv", cwd=good, stdin=b"hi", session_id=f"sessionid={SESSION}; Path=/")
        assert cookie.code == 78
        async with serve(good, "-vv", REALCOZE_KEY=KEY) as (server, port):
            line = f'curl -s \'http://127.0.0.1:{port}/\' -d \'[{{"role":2,"content":"hi"}}]\' -H '
            right = await shell(f"{line}'x-api-key: {KEY}'", tmp_path)
            wrong = await shell(f"{line}'x-api-key: {KEY}wrong'", tmp_path)
            health = await shell(f"curl -s http://127.0.0.1:{port}/health", tmp_path)
            server.tell(signal.SIGTERM)
            ended = await server.ended()
    assert '"content":"hi"' in right.out
    assert "invalid_api_key" in wrong.out
    said += "".join(one.out + one.err for one in (expired, proxied, cookie, right, wrong, health, ended))
    assert "INFO" in said
    assert SESSION not in said
    assert KEY not in said
    kept = small_files(tmp_path)
    assert [path for path in kept if SESSION.encode() in path.read_bytes()] == []
    modes = {path.stat().st_mode & 0o777 for path in kept if path.name.startswith(("launch", "device"))}
    assert modes == {0o600}


def test_the_line_to_try_names_a_key_and_does_not_show_it() -> None:
    assert "$REALCOZE_KEY" not in curl_line("127.0.0.1:1")
    assert '-H "Authorization: Bearer $REALCOZE_KEY"' in curl_line("127.0.0.1:1", has_key=True)
