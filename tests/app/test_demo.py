import os
import re
import signal
from pathlib import Path

import aiohttp
import pytest

from commands import DEMO_NAMES, run, running
from servers import raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")

CONVERSATION = r"""The embedded Coze listens at http://127\.0\.0\.1:\d+
realcoze serves its bots at http://127\.0\.0\.1:\d+

Me> My name is Ada, and I like the sea\.
  ⇄ launch   ok, \d+ bytes of keys and addresses
  ⇄ socket   websocket open for device \d+
  → execute  memory, 1 messages, \d+ bytes
memory> Ada! .* you said “My name is Ada, and I like the sea\.”\. It is the first thing you tell me\.
  \[suggestion\] Do you remember what I said\?
  \[suggestion\] What is my name\?
  \[suggestion\] Tell me something else
  ← frames   (?P<frames>\d+) frames, (?P<bytes>\d+) bytes

Me> Do you remember what I said\?
  → execute  memory, 3 messages, \d+ bytes
memory> Ada! Of course\. You said:

1\. “My name is Ada, and I like the sea\.”
(?s:.*)
  ← frames   \d+ frames, \d+ bytes

Me> 北京的天气怎么样？
  → execute  tools, 1 messages, \d+ bytes
  \[call\] weather\.lookup {"city": "北京"}
  \[result\] weather\.lookup .*
  \[call\] workflow\.pack_list .*
  \[result\] workflow\.pack_list .*
  \[recall\] travel notes Museums close at six\.
tools> 北京现在 .*
(?s:.*)
  ← frames   \d+ frames, \d+ bytes

"""


async def test_once_shows_the_conversation_and_what_went_over_the_wire(tmp_path: Path) -> None:
    """With closed input and without a terminal."""
    ended = await run("demo", "--once", cwd=tmp_path, through=("sh", "-c", 'exec "$@" <&-', "sh"))
    assert (ended.code, ended.err, ended.left) == (0, "", [])
    told = re.fullmatch(CONVERSATION, ended.out)
    assert told, ended.out
    assert int(told["frames"]) > 20
    assert int(told["bytes"]) > 100 * int(told["frames"])


async def test_it_serves_on_until_it_is_stopped(tmp_path: Path) -> None:
    """On another port when its own is taken."""
    async with (
        raw_server() as taken,
        running("demo", cwd=tmp_path, stdin=os.open(os.devnull, os.O_RDONLY), server_port=str(taken.port)) as demo,
    ):
        said = await demo.until_says("--bot markdown")
        assert f"Cannot listen on 127.0.0.1, port {taken.port}: Address already in use. Taking a free port" in said
        assert f"Serving {', '.join(DEMO_NAMES)} at " in said
        found = re.search(r"\n  realcoze chat --url (http://127\.0\.0\.1:\d+) --bot markdown\n", said)
        assert found
        async with aiohttp.ClientSession() as client, client.get(f"{found[1]}/health") as health:
            assert (await health.json())["bots"] == DEMO_NAMES
        assert f"\nOpen {found[1]}/ in a browser, or:\n  curl " in said
        async with aiohttp.ClientSession() as client, client.post(f"{found[1]}/upload", data=b"a file") as uploaded:
            assert uploaded.status == 200
        shown = (await demo.until_says("→ upload   commit of ")).partition("--bot markdown\n")[2]
        assert re.findall(r"  → upload   (\w+)", shown) == ["token", "apply", "bytes", "commit"]
        demo.tell(signal.SIGTERM)
        ended = await demo.ended()
    assert (ended.code, ended.err, ended.left) == (0, "", [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_it_may_be_stopped_in_the_middle(tmp_path: Path, number: signal.Signals, code: int) -> None:
    async with running("demo", "--once", cwd=tmp_path) as demo:
        await demo.until_says("memory> Ada!")
        demo.tell(number)
        ended = await demo.ended()
    assert (ended.code, ended.err, ended.left) == (code, "", [])


async def test_an_answer_is_cut_and_nothing_is_said_of_it(tmp_path: Path) -> None:
    async with running("demo", "--port", "0", cwd=tmp_path) as demo:
        url = re.findall(r"http://127\.0\.0\.1:\d+", await demo.until_says("--bot markdown\n"))[-1]
        question = {"messages": [{"role": 2, "content": "the sea"}], "bot": "markdown"}
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{url}/?stream=true", json=question, headers={"Accept": "text/event-stream"}) as answer,
        ):
            await answer.content.readuntil(b'"type":"delta"')
            demo.tell(signal.SIGINT)
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()
        ended = await demo.ended()
    assert (ended.code, ended.err, ended.left) == (0, "", [])


async def test_a_wrong_port_is_a_sentence(tmp_path: Path) -> None:
    ended = await run("demo", "--once", cwd=tmp_path, server_port="http")
    assert ended.code == 78
    assert ended.err == "realcoze: server_port is 'http'; it must be a number from 0 to 65535.\n"
