import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import termios
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from commands import BOT_NAMES, COMMAND, PATIENT_S, at_once, environment, pipe, run, running, settle, settled
from houses import served
from realcoze.app.config import Settings, load_settings
from realcoze.app.talk import Opening, partner, talk
from realcoze.errors import BadRequest
from servers import Coze, emulated, raw_server, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

QUICK = "[upstreams.playground]\nfirst_event_s = 0.5\nidle_s = 0.5\n"
KEY = "0123456789abcdef"


def never_asked() -> Settings:
    raise AssertionError("with an address no settings are needed")


def unread(pipe_end: int) -> int:
    """How many bytes nobody has read yet."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe_end, termios.FIONREAD, b"\0" * 4))[0]
    return count


async def test_a_piped_question_gets_the_answer_and_nothing_else(tmp_path: Path) -> None:
    ended = await run("chat", "--demo", "--bot", "echo", cwd=tmp_path, stdin="你好\n\nworld\n".encode())
    assert (ended.code, ended.out, ended.err, ended.left) == (0, "你好\n\nworld\n", "", [])


async def test_steps_and_suggestions_are_not_printed(coze: Coze, tmp_path: Path) -> None:
    ended = await run("chat", "--steps", cwd=settled(tmp_path, coze, bot="tools"), stdin=b"Berlin?")
    assert ended.code == 0
    assert ended.out.startswith("It is ")
    assert ended.out.endswith("close at six.\n")
    assert ended.out.count("\n") == 1


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("/dev/null", "There is no question on standard input."),
        ("gbk.txt", "The question on standard input is not UTF-8: byte 0 is 0xc4."),
        (None, "There is no question on standard input."),
    ],
)
async def test_without_a_question_there_is_a_sentence(coze: Coze, tmp_path: Path, stdin: str | None, said: str) -> None:
    folder = settled(tmp_path, coze)
    (folder / "gbk.txt").write_bytes("你好".encode("gbk"))
    closed = ("sh", "-c", 'exec "$@" <&-', "sh") if stdin is None else ()
    descriptor = os.open(folder / (stdin or "/dev/null"), os.O_RDONLY)
    try:
        ended = await run("chat", cwd=folder, stdin=descriptor, through=closed)
    finally:
        os.close(descriptor)
    assert ended.code == 65
    assert ended.out == ""
    assert ended.err.startswith(f"realcoze: {said}\n  ")
    assert coze.server.seen.launches == 0


async def test_an_input_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a folder, on which Python would not even start; a terminal that was taken away fails like it."""
    folder = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: folder, isatty=lambda: False))
    try:
        with pytest.raises(BadRequest, match=r"Standard input cannot be read: Is a directory\."):
            await talk(Opening(bot="", url="http://127.0.0.1:1", key="", demo=False, steps=False), never_asked)
    finally:
        os.close(folder)


async def test_a_file_may_be_the_question(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze)
    question = "long " * 20_000
    (folder / "question.txt").write_text(question)
    with (folder / "question.txt").open("rb") as file:
        ended = await run("chat", cwd=folder, stdin=file.fileno())
    assert (ended.code, ended.out, ended.err) == (0, question.strip() + "\n", "")


async def test_each_class_of_failure_has_its_code(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze, toml=QUICK)
    faults = {
        "region": (77, "regional restrictions. "),
        "session": (77, "session"),
        "signature": (77, "URL signatures"),
        "quota": (69, "daily limit reached"),
        "silent": (75, "pushed nothing for 0.5 s."),
    }
    commands = {name: (("chat",), f"[[fault {name}]] hi".encode()) for name in faults}
    commands["cut"] = ("chat",), b"[[fault cut after=3]] one two three four five six"
    ended = await at_once(folder, commands)
    for name, (code, said) in faults.items():
        assert (ended[name].code, ended[name].out) == (code, ""), name
        assert ended[name].err.startswith("realcoze: ")
        assert said in ended[name].err
        assert ended[name].err.count("\n") == 1
    assert ended["cut"].code == 3
    assert ended["cut"].out == "one two three\n"
    assert ended["cut"].err.startswith("[interrupted] The websocket was lost")


async def test_failures_of_settings_and_of_the_command_line(coze: Coze, tmp_path: Path) -> None:
    folder = settled(tmp_path, coze, toml="[bots.atri]\n[bots.helper]\nconfig = 'memory.json'\n")
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    ended = await at_once(
        folder,
        {
            "unknown bot": (("chat", "--bot", "nobody"), b"hi"),
            "first bot": (("chat",), b"hi"),
            "both": (("chat", "--url", "http://127.0.0.1:1", "--demo"), b"hi"),
            "no address": (("chat", "--url", "127.0.0.1:8080"), b"hi"),
            "nobody there": (("chat", "--url", "http://127.0.0.1:1"), b"hi"),
        },
    )
    codes = {name: (one.code, one.out) for name, one in ended.items()}
    assert codes == {
        "unknown bot": (65, ""),
        "first bot": (0, "hi\n"),
        "both": (2, ""),
        "no address": (78, ""),
        "nobody there": (69, ""),
    }
    assert ended["unknown bot"].err == "realcoze: There is no bot 'nobody'.\n  The bots here are: atri, helper.\n"
    assert "--url and --demo exclude each other." in ended["both"].err
    assert "Write it like http://127.0.0.1:8080" in ended["no address"].err
    assert ended["nobody there"].err.endswith("Is `realcoze serve` running there?\n")
    assert not any("Traceback" in one.err for one in ended.values())
    unsettled = await run("chat", cwd=nobody, stdin=b"hi")
    assert unsettled.code == 78
    assert unsettled.err.startswith("realcoze: No bot is configured.\n  Try it without an account: ")


async def test_where_one_bot_answers_to_every_name_it_says_so(coze: Coze, tmp_path: Path) -> None:
    ended = await run("chat", "--bot", "nobody", cwd=settled(tmp_path, coze), stdin=b"hi")
    assert (ended.code, ended.out, ended.err) == (0, "hi\n", "Only one bot is configured; talking to coze.\n")


async def test_a_failure_is_told_once(tmp_path: Path) -> None:
    """Not by the log as well."""
    async with raw_server() as nobody:
        port = nobody.port
    ended = await run("chat", cwd=settle(tmp_path, f"http://127.0.0.1:{port}"), stdin=b"hi")
    assert ended.code == 69
    assert ended.err.startswith("realcoze: 127.0.0.1 cannot be reached: ")
    assert ended.err.count("\n") == 1


async def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path) -> None:
    """As `| head -c 5` does."""
    async with emulated(pace=200.0) as coze:
        folder = settled(tmp_path, coze, bot="markdown")
        readable, writable = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "chat",
            cwd=folder,
            env=environment(folder / "home"),
            stdin=subprocess.PIPE,
            stdout=writable,
            stderr=subprocess.PIPE,
        )
        os.close(writable)
        assert process.stdin
        process.stdin.write(b"the sea")
        process.stdin.close()
        with os.fdopen(readable, "rb") as reader:
            assert await anyio.to_thread.run_sync(reader.read, 5) == b"# Abo"
        with anyio.fail_after(PATIENT_S):
            _, err = await process.communicate()
    assert (process.returncode, err) == (141, b"")


async def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    async with emulated(pace=40.0) as coze:
        folder = settled(tmp_path, coze, bot="slow")
        with pipe(b"Why?") as (question, end):
            os.close(end)
            async with running("chat", cwd=folder, stdin=question) as chat:
                await chat.until_says("Let me")
                chat.tell(signal.SIGINT)
                ended = await chat.ended()
    assert (ended.code, ended.err) == (130, "")
    assert ended.out.startswith("Let me")
    assert "there it is" not in ended.out


async def test_told_to_end_while_it_waits_for_the_question(tmp_path: Path) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with pipe(b"Why") as (question, end):
            async with running("chat", "--demo", cwd=tmp_path, stdin=question) as chat:
                await soon(lambda end=end: unread(end) == 0, within_s=PATIENT_S)  # type: ignore[misc]
                chat.tell(number)
                ended = await chat.ended()
        assert (ended.code, ended.out, ended.err, ended.left) == (code, "", "", [])


async def test_talking_to_a_running_server(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path / "served", key=KEY) as url:
        wrong = "f" * 16
        ended = await at_once(
            tmp_path,
            {
                "named key": (("chat", "--url", url, "--key", KEY, "--bot", "echo"), b"hi"),
                "wrong key": (("chat", "--url", url, "--key", wrong), b"hi"),
                "no key": (("chat", "--url", url), b"hi"),
                "unknown bot": (("chat", "--url", url, "--key", KEY, "--bot", "nobody"), b"hi"),
            },
        )
        by_environment = await run("chat", "--url", url, cwd=tmp_path, stdin=b"hi", REALCOZE_KEY=KEY)
    assert (ended["named key"].code, ended["named key"].out, ended["named key"].err) == (0, "hi\n", "")
    assert (by_environment.code, by_environment.err) == (0, "")
    assert {name: one.code for name, one in ended.items() if one.code} == {
        "wrong key": 77,
        "no key": 77,
        "unknown bot": 65,
    }
    assert "The key is not known here. Give the key of that server with `--key`" in ended["wrong key"].err
    assert "This server wants a key." in ended["no key"].err
    assert f"The bots here are: {', '.join(BOT_NAMES)}." in ended["unknown bot"].err
    assert not any(wrong in one.err + one.out for one in ended.values())


@pytest.mark.parametrize(
    ("bot", "upload_bytes"),
    [("", 1000), ("first", 1000), ("second", 5000), ("zwei", 5000), ("bot-7379462189365198898", 1000)],
)
async def test_a_file_may_be_as_large_as_the_account_of_the_bot_takes_however_it_is_called(
    tmp_path: Path, bot: str, upload_bytes: int
) -> None:
    (tmp_path / "realcoze.toml").write_text(
        "[upstreams.one]\nkind = 'coze_open'\ntoken = 'pat_1'\nupload_bytes = 1000\n"
        "[upstreams.two]\nkind = 'coze_open'\ntoken = 'pat_2'\nupload_bytes = 5000\n"
        "[bots.first]\nupstream = 'one'\nbot_id = '1'\n"
        "[bots.second]\nupstream = 'two'\nbot_id = '2'\naliases = ['zwei']\n"
    )
    opening = Opening(bot=bot, url="", key="", demo=False, steps=False)
    async with partner(opening, lambda: load_settings(folder=tmp_path, environment={})) as spoken_to:
        assert spoken_to.upload_bytes == upload_bytes
