"""The original program's own clients, under Node, on a live server; see tests/judges/seed/README.md."""

import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import anyio
import pytest

from judged import require
from native_server import MESSAGE, Bot, Turn, saying, serving
from realcoze.dialects.native.snapshots import OBJECT_BYTES
from realcoze.domain.event import TextReplaced
from realcoze.errors import Truncated, UpstreamDenied
from servers import PATIENCE_S, emulated, reached

SEED = Path(__file__).parent / "seed"
ADDRESSES = {
    "server.js": ('"http://localhost:8080/"', '"http://localhost:{}/"'),
    "stream.js": ('"/', '"http://localhost:{}/'),
}
"""What stands in a snippet and what must stand there: of the second the page's own address, of the first the port."""

pytestmark = pytest.mark.usefixtures("nothing_left")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a snippet got, object by object, and what it said when it ended with an error."""

    objects: list[Any]
    complaint: str

    @property
    def last(self) -> Any:
        return self.objects[-1]


async def run(name: str, port: int, folder: Path) -> Ran:
    """Run a snippet with nothing changed but the address."""
    text = (SEED / name).read_text(encoding="utf-8")
    there, here = ADDRESSES[name]
    assert text.count(there) == 1
    script = anyio.Path(folder / f"{name}.mjs")
    await script.write_text(text.replace(there, here.format(port)), encoding="utf-8")
    with anyio.fail_after(4 * PATIENCE_S):
        ended = await anyio.run_process(
            [require("node"), "--import", str(SEED / "watch.mjs"), str(script)], check=False
        )
    complaint = ended.stderr.decode()
    assert bool(ended.returncode) == bool(complaint)
    return Ran([json.loads(line) for line in ended.stdout.splitlines()], complaint)


def assert_whole(ran: Ran, content: str) -> None:
    """Everything came, its last object once and last, and nothing was thrown."""
    assert ran.complaint == ""
    assert ran.last == {"content": content, "continue": False, "reply_type": 1}
    assert [each["continue"] for each in ran.objects] == [True] * (len(ran.objects) - 1) + [False]


def written_size(text: str) -> int:
    return len(text.encode()) + 5 * text.count("}")


def largest_mixture() -> str:
    """As much of `{`, `}` and Chinese as one object holds: a `}` costs six bytes, a Chinese character three."""
    mixture = "".join(islice(cycle("{}汉字"), 30_000))
    room = OBJECT_BYTES - len(EMPTY)
    while written_size(mixture) > room:
        mixture = mixture[: len(mixture) - max(1, (written_size(mixture) - room) // 6)]
    return mixture


EMPTY = '{"content":"","continue":false,"reply_type":1}'
MIXTURE = largest_mixture()


async def test_the_server_mode_snippet_gets_its_answer_from_the_embedded_coze(tmp_path: Path) -> None:
    async with (
        emulated() as coze,
        reached(coze, tmp_path / "state") as playground,
        serving({"memory": playground}) as served,
    ):
        ran = await run("server.js", served.port, tmp_path)
    (answer,) = ran.objects
    assert (ran.complaint, answer["status"]) == ("", 200)
    assert set(answer["value"]) == {"content", "continue", "reply_type"}
    assert "Atri，你认得我吗" in answer["value"]["content"]
    assert (answer["value"]["continue"], answer["value"]["reply_type"]) == (False, 1)


async def test_the_server_mode_snippet_gets_any_whole_answer(tmp_path: Path) -> None:
    text = MIXTURE * 20
    async with serving(saying(text)) as served:
        ran = await run("server.js", served.port, tmp_path)
    assert ran == Ran([{"status": 200, "value": {"content": text, "continue": False, "reply_type": 1}}], "")


async def test_the_stream_mode_snippet_reads_500_characters(tmp_path: Path) -> None:
    text = "我记得你，夏生先生。" * 50
    assert len(text) == 500

    async def tell(turn: Turn) -> None:
        for at in range(0, len(text), 10):
            turn.say(text[at : at + 10])
            await anyio.sleep(0.01)
        turn.done()

    async with serving(Bot(tell)) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert_whole(ran, text)
    assert len(ran.objects) > 1
    assert all(text.startswith(each["content"]) for each in ran.objects)


async def test_weakness_23_the_stream_mode_snippet_reads_60_kib_of_braces_and_chinese(tmp_path: Path) -> None:
    """The reader of weakness 23 itself, with every byte that it cannot read written in another way."""
    assert OBJECT_BYTES - 12 < len(EMPTY) + written_size(MIXTURE) <= OBJECT_BYTES
    pieces = [MIXTURE[at : at + 200] for at in range(0, len(MIXTURE), 200)]

    async def tell(turn: Turn) -> None:
        for piece in pieces:
            turn.say(piece)
            await anyio.sleep(0.02)
        turn.done()

    async with serving(Bot(tell)) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert_whole(ran, MIXTURE)
    assert len(ran.objects) > 1


async def test_the_stream_mode_snippet_reads_them_when_they_come_at_once(tmp_path: Path) -> None:
    async with serving(saying(*MIXTURE)) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert_whole(ran, MIXTURE)


async def test_the_stream_mode_snippet_reads_100_snapshots_that_came_at_once(tmp_path: Path) -> None:
    async def rewrite(turn: Turn) -> None:
        for number in range(100):
            turn.feed(TextReplaced(message_id=MESSAGE, text=f"{{}} 第{number}个"))
        turn.done()

    async with serving(Bot(rewrite)) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert_whole(ran, "{} 第99个")


async def test_the_stream_mode_snippet_reads_a_burst_of_the_embedded_coze(tmp_path: Path) -> None:
    """Its bot for Markdown, which says braces and Chinese, at no pace at all: every push in one go."""
    async with (
        emulated(frame_form="mixed") as coze,
        reached(coze, tmp_path / "state") as playground,
        serving({"markdown": playground}) as served,
    ):
        ran = await run("stream.js", served.port, tmp_path)
        assert coze.server.seen.frames >= 100
    assert_whole(ran, ran.last["content"])
    assert ran.last["content"].startswith("# About atri，你认得我吗")
    assert '{"content": "}", "nested": {"deep": [1, 2, 3]}}' in ran.last["content"]


async def test_the_stream_mode_snippet_is_told_of_an_answer_that_is_too_long(tmp_path: Path) -> None:
    async with serving(saying(MIXTURE, "…")) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert ran.last["error"].startswith("answer_too_long: ")
    assert (ran.last["continue"], ran.last["reply_type"]) == (True, 1)
    assert "terminated" in ran.complaint
    assert not any(each["continue"] is False for each in ran.objects)


@pytest.mark.parametrize("text", ["half {", MIXTURE[:-100]], ids=["short", "long"])
async def test_the_stream_mode_snippet_is_told_of_an_error_in_the_middle(tmp_path: Path, text: str) -> None:
    async def break_off(turn: Turn) -> None:
        turn.say(text)
        await anyio.sleep(0.2)
        raise Truncated("The socket {was} lost.")

    async with serving(Bot(break_off)) as served:
        ran = await run("stream.js", served.port, tmp_path)
    assert ran.last == {
        "content": text,
        "continue": True,
        "reply_type": 1,
        "error": "upstream_truncated: The socket {was} lost.",
    }
    assert "terminated" in ran.complaint


async def test_both_snippets_are_told_of_an_error_before_the_answer(tmp_path: Path) -> None:
    async def refuse(turn: Turn) -> None:
        raise UpstreamDenied("regional {restrictions}", code="upstream_blocked")

    async with serving(Bot(refuse)) as served:
        whole = await run("server.js", served.port, tmp_path)
        streamed = await run("stream.js", served.port, tmp_path)
    assert (whole.complaint, streamed.complaint) == ("", "")
    assert whole.last["status"] == 503
    assert whole.last["value"]["error"]["code"] == "upstream_blocked"
    assert streamed.objects == [
        {"content": "", "continue": True, "reply_type": 1, "error": "upstream_blocked: regional {restrictions}"}
    ]
