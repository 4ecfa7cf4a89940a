from pathlib import Path

import pytest

from commands import run as command
from commands import settled
from native_server import Bot, Turn, serving
from pty_terminal import in_terminal
from realcoze.app.run import read_inputs
from realcoze.domain.event import InputRequested, Interrupt, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.request import Json, Resume
from realcoze.errors import BadRequest
from servers import Coze


@pytest.mark.parametrize(
    ("typed", "text", "parameters"),
    [
        ([], "", {}),
        (["tea for two"], "tea for two", {}),
        (['{"a": 1, "b": null}'], "", {"a": 1, "b": None}),
        (["a=1", "b=x=y", "c=", 'd="1"', "e=null", "f=[1,2]", "城市=北京"], "",
         {"a": 1, "b": "x=y", "c": "", "d": "1", "e": None, "f": [1, 2], "城市": "北京"}),
        (["tea", "a=1", '{"a": 2}'], "tea", {"a": 2}),
        (["is 1 = 1?"], "is 1 = 1?", {}),
        (["[1]"], "[1]", {}),
        (["a={" + "[" * 100_000], "", {"a": "{" + "[" * 100_000}),
    ],
)  # fmt: skip
def test_what_is_typed_is_a_text_or_parameters(typed: list[str], text: str, parameters: dict[str, Json]) -> None:
    assert read_inputs(typed) == (text, parameters)


def test_two_texts_are_one_too_many() -> None:
    with pytest.raises(BadRequest, match="two plain texts"):
        read_inputs(["tea", "milk"])


def test_an_object_that_is_no_json_is_no_text() -> None:
    with pytest.raises(BadRequest, match=r"begins with \{ and is no JSON object"):
        read_inputs([" {'a': 1}"])


async def test_what_is_no_workflow_is_told_what_the_settings_have(tmp_path: Path) -> None:
    ended = await command("run", "nobody", cwd=tmp_path, COZE_API_TOKEN="pat_0123456789", COZE_BOT_ID="7")
    assert (ended.code, ended.err) == (
        65,
        "realcoze: There is no workflow 'nobody' here.\n  Any other is named by its id: workflow/ID, chatflow/ID.\n",
    )
    ended = await command("run", "coze", cwd=tmp_path, COZE_API_TOKEN="pat_0123456789", COZE_BOT_ID="7")
    assert ended.err.startswith("realcoze: 'coze' is a bot, and no workflow.")


async def test_without_an_account_of_the_open_api_it_says_what_to_set(coze: Coze, tmp_path: Path) -> None:
    ended = await command("run", "nobody", cwd=settled(tmp_path / "made", coze))
    assert ended.err.endswith("Workflows are of Coze's open API: set COZE_API_TOKEN (docs/settings.md).\n")


async def test_the_embedded_coze_is_gone_with_the_run_that_asked(tmp_path: Path) -> None:
    ended = await command("run", "quiz", "--demo", cwd=tmp_path)
    assert ended.code == 4
    assert "--resume" not in ended.err
    assert ended.err.endswith("ends with this command, and the run with it. On a terminal it can be answered.\n")


async def asking(turn: Turn) -> None:
    turn.feed(TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")))
    if turn.request.resume is None:
        question = Interrupt(event_id="7/5", kind="question", data={"question": "Which city?"})
        turn.feed(InputRequested(interrupt=question))
    else:
        turn.say(f"Tea in {turn.request.messages[-1].text}.")
        turn.done()


@pytest.mark.usefixtures("nothing_left")
async def test_a_chatflow_that_asks_is_answered_in_its_conversation(tmp_path: Path) -> None:
    async def script(turn: Turn) -> None:
        if turn.request.resume is None:
            turn.feed(TurnStarted(chat_id=ChatId("31"), conversation_id=ConversationId("32")))
            turn.feed(InputRequested(interrupt=Interrupt(event_id="5", kind="reply_message", data={})))
        else:
            turn.done()

    bot = Bot(script)
    async with serving({"chatflow/7": bot}) as server:
        asked = await command("run", "chatflow/7", "--url", server.url, "--input", "tea", cwd=tmp_path)
        line = "--resume 5 --kind reply_message --conversation 32 --chat 31 --answer"
        assert asked.err.endswith(f"again with this in place of its input: {line} TEXT\n")
        answered = await command("run", "chatflow/7", "--url", server.url, *line.split(), "Rome", cwd=tmp_path)
    assert answered.code == 0
    request = bot.turns[1].request
    assert (request.conversation_id, request.chat_id, request.messages[-1].text) == ("32", "31", "Rome")
    assert request.resume == Resume(event_id="5", kind="reply_message")


@pytest.mark.usefixtures("nothing_left")
async def test_a_run_that_asks_is_gone_on_with_by_another_command(tmp_path: Path) -> None:
    bot = Bot(asking)
    async with serving({"workflow/7": bot}) as server:
        to_server = ("run", "7", "--url", server.url)
        asked = await command(*to_server, "--input", "tea", "--input", "sugar=2", cwd=tmp_path)
        assert (asked.code, asked.out) == (4, "")
        assert "The workflow asks: Which city?" in asked.err
        assert "--resume 7/5 --kind question --answer TEXT" in asked.err
        answered = await command(*to_server, "--resume", "7/5", "--answer", "Rome", cwd=tmp_path)
    assert (answered.code, answered.out, answered.err) == (0, "Tea in Rome.\n", "")
    first, second = (turn.request for turn in bot.turns)
    assert (first.messages[-1].text, first.parameters) == ("tea", {"sugar": 2})
    assert second.resume == Resume(event_id="7/5", kind="question")


async def test_a_workflow_runs_on_the_embedded_coze(tmp_path: Path) -> None:
    ended = await command("run", "7500000000000000001", "--demo", "--input", "the sea", "--last", cwd=tmp_path)
    assert ended.code == 0
    assert "sea" in ended.out
    assert ended.err.startswith("· ")


async def test_a_workflow_asks_on_the_terminal(tmp_path: Path) -> None:
    async with in_terminal("run", "7500000000000000002", "--demo", cwd=tmp_path, columns=100) as session:
        terminal = session.terminal
        await terminal.until_shows("· Question", "Which planet is the largest?", "Answer>")
        assert terminal.text.count("Which planet") == 1
        terminal.say("Jupiter")
        await terminal.until_shows("Answer> Jupiter", "· Question", "Answer>")
        terminal.say("four")
        assert await session.ended() == 0
        assert "2" in terminal.everything[-1]


async def test_a_file_is_uploaded_and_given_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Bring tea.")
    ended = await command("run", "7500000000000000006", "--demo", "--file", "file=notes.txt", cwd=tmp_path)
    assert ended.code == 0
    assert "10 bytes" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing", "--demo"), "There is no workflow 'nothing' here.\n  The workflows and chatflows here are: poem,"),
        (("echo", "--demo"), "'echo' is a bot, and no workflow.\n  Talk to it: realcoze chat --bot echo"),
        (("bot-7", "--demo"), "'bot-7' is a bot, and no workflow."),
        (("chatflow/7x", "--demo"), "There is no bot 'chatflow/7x'."),
        (("7500000000000000011", "--demo"), "Coze answered code 4200: "),
        (("1", "--demo", "--input", "{'a': 1}"), "--input begins with { and is no JSON object."),
        (("1", "--demo", "--file", "notes.txt"), "--file 'notes.txt' has no name."),
        (("1", "--demo", "--file", "file=nowhere.txt"), "nowhere.txt cannot be read"),
        (("1", "--demo", "--input", "a", "--input", "b"), "--input has two plain texts."),
    ],
)
async def test_what_cannot_be_run_is_said_before_anything_is_sent(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    ended = await command("run", *arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (65, ""), ended
    assert ended.err.startswith(f"realcoze: {said}"), ended
