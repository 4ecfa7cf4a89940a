"""Workflows of the emulated open API, called by a plain HTTP client."""

import json
from typing import Any

import aiohttp
import anyio
import pytest

from open_coze import BOT_IDS, Answer, OpenClient, open_coze
from realcoze.dialects.coze_open.workflow_stream import WorkflowStreamDecoder
from realcoze.domain.event import AnswerDone, Event, InputRequested, TurnDone, TurnFailed
from realcoze.emulator.account import CHATFLOW, WORKFLOWS
from realcoze.emulator.open_api.settings import SeenEnd
from servers import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left")

RUN, STREAM = "/v1/workflow/run", "/v1/workflow/stream_run"
RESUME, WHOLE_RESUME = "/v1/workflow/stream_resume", "/v1/workflows/resume"
IDS = {each.name: each.workflow_id for each in WORKFLOWS}


def called(name: str, /, **parameters: Any) -> dict[str, Any]:
    return {"workflow_id": IDS[name], "parameters": parameters}


def answered(name: str, asked: InputRequested | dict[str, Any], text: str, number: int = 2) -> dict[str, Any]:
    event_id = asked.interrupt.event_id if isinstance(asked, InputRequested) else asked["event_id"]
    return {"workflow_id": IDS[name], "event_id": event_id, "resume_data": text, "interrupt_type": number}


def read(answer: Answer) -> list[Event]:
    """The events of a stream that is whole."""
    decoder = WorkflowStreamDecoder()
    return [*decoder.feed(answer.text.encode()), *decoder.finish()]


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, AnswerDone)]


def asked(events: list[Event]) -> InputRequested:
    end = events[-1]
    assert isinstance(end, InputRequested)
    return end


async def history(coze: OpenClient, name: str, execute_id: str) -> Any:
    return (await coze.get(f"/v1/workflows/{IDS[name]}/run_histories/{execute_id}")).json


def execute_id(url: str) -> str:
    return url.partition("execute_id=")[2].partition("&")[0]


async def test_a_run_is_streamed_with_numbers_and_spaces() -> None:
    async with open_coze() as coze:
        answer = await coze.post(STREAM, called("poem", input="the sea"))
        assert coze.server.seen.runs[0].given() == {"input": "the sea"}
        assert [end.how for end in coze.server.seen.ends] == ["whole"]
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    blocks = answer.text.split("\n\n")[:-1]
    assert [block.partition("\n")[0] for block in blocks] == [f"id: {number}" for number in range(len(blocks))]
    assert all("\nevent: " in block and "\ndata: {" in block for block in blocks)
    events = read(answer)
    assert texts(events)[0] == "About the sea"
    assert events[-1] == TurnDone()


async def test_a_run_that_is_not_streamed_is_whole_and_can_be_looked_at() -> None:
    async with open_coze() as coze:
        told = (await coze.post(RUN, called("poem", input="x"))).json
        record = (await history(coze, "poem", told["execute_id"]))["data"][0]
    assert (told["code"], told["cost"]) == (0, "0.00000")
    assert json.loads(told["data"])["output"].startswith("Of x I sing")
    assert told["token"] == told["usage"]["token_count"] > 0
    assert execute_id(told["debug_url"]) == told["execute_id"]
    assert (record["execute_status"], record["output"]) == ("Success", told["data"])
    assert record["usage"] == told["usage"]


async def test_a_quiz_is_answered_question_by_question() -> None:
    async with open_coze() as coze:
        first = read(await coze.post(STREAM, called("quiz")))
        second = read(await coze.post(RESUME, answered("quiz", asked(first), "Jupiter")))
        third = read(await coze.post(RESUME, answered("quiz", asked(second), "7")))
        assert [call.resume_data for call in coze.server.seen.resumes] == ["Jupiter", "7"]
    assert texts(first) == ["Which planet is the largest?"]
    assert asked(first).interrupt.data["question"] == "Which planet is the largest?"
    assert asked(first).interrupt.event_id != asked(second).interrupt.event_id
    assert texts(third)[0] == "1 of 2 answers are right."


async def test_the_numbers_of_a_stream_start_anew_after_an_answer() -> None:
    async with open_coze() as coze:
        first = read(await coze.post(STREAM, called("quiz")))
        second = await coze.post(RESUME, answered("quiz", asked(first), "x"))
    assert second.text.startswith("id: 0\n")


async def test_a_question_of_a_whole_run_is_answered_likewise() -> None:
    async with open_coze() as coze:
        told = (await coze.post(RUN, called("form"))).json
        interrupt = told["interrupt_data"]
        assert (interrupt["type"], json.loads(interrupt["data"])[0]["name"]) == (5, "name")
        ended = (await coze.post(WHOLE_RESUME, answered("form", interrupt, '{"name":"Ada"}', 5))).json
        assert (await history(coze, "form", told["execute_id"]))["data"][0]["execute_status"] == "Success"
    assert json.loads(ended["data"]) == {"output": "Booked for Ada, with 0 guests."}


async def test_a_wrong_answer_is_refused_and_the_run_still_waits() -> None:
    async with open_coze() as coze:
        first = asked(read(await coze.post(STREAM, called("quiz"))))
        right = answered("quiz", first, "x")
        wrong = [
            {**right, "event_id": "1/2"},
            {**right, "event_id": first.interrupt.event_id + "0"},
            {**right, "workflow_id": IDS["poem"]},
            {**right, "interrupt_type": 5},
            {**right, "workflow_id": "1"},
            {"event_id": 5},
            answered("quiz", first, "[[fault drift]]"),
        ]
        codes = [(await coze.post(path, body)).json["code"] for body in wrong for path in (RESUME, WHOLE_RESUME)]
        assert codes == [4000] * 8 + [4200] * 2 + [4000] * 4
        asked(read(await coze.post(RESUME, right)))
        assert (await coze.post(RESUME, right)).json["code"] == 4000


async def test_a_run_can_be_gone_on_with_three_times() -> None:
    async with open_coze() as coze:
        events = read(await coze.post(STREAM, called("quiz", questions=4)))
        for _ in range(3):
            events = read(await coze.post(RESUME, answered("quiz", asked(events), "x")))
        refused = (await coze.post(RESUME, answered("quiz", asked(events), "x"))).json
    assert (refused["code"], "3 times" in refused["msg"]) == (4000, True)


async def test_a_broken_one_fails_either_way() -> None:
    async with open_coze() as coze:
        end = read(await coze.post(STREAM, called("broken")))[-1]
        told = (await coze.post(RUN, called("broken"))).json
        record = (await history(coze, "broken", execute_id(told["debug_url"])))["data"][0]
    assert isinstance(end, TurnFailed)
    assert end.error.upstream_code == told["code"] == record["error_code"] == 720701013
    assert (record["execute_status"], record["error_message"]) == ("Fail", told["msg"])


async def test_a_quiet_one_shows_that_it_lives() -> None:
    async with open_coze(beats=4, beat_s=0.001) as coze:
        answer = await coze.post(STREAM, called("quiet"))
    assert answer.text.count("event: PING") == 4
    assert texts(read(answer))[0] == "There."


async def test_files_are_described_by_their_bytes() -> None:
    async with open_coze() as coze:
        form = aiohttp.FormData()
        form.add_field("file", b"hello", filename="a.txt", content_type="text/plain")
        async with coze.http.post(f"{coze.base}/v1/files/upload", data=form) as response:
            key = (await response.json())["data"]["id"]
        events = read(await coze.post(STREAM, called("files", file=json.dumps({"file_id": key}))))
    assert "5 bytes" in texts(events)[0]


@pytest.mark.parametrize("path", [RUN, STREAM])
async def test_what_cannot_be_run_is_refused_before_the_stream(path: str) -> None:
    hidden = IDS["poem"]
    async with open_coze(unpublished=frozenset({hidden})) as coze:

        async def code(body: dict[str, Any]) -> int:
            found: int = (await coze.post(path, body)).json["code"]
            return found

        assert await code({"workflow_id": "1"}) == 4200
        assert await code({"workflow_id": hidden}) == 4200
        assert await code({"workflow_id": CHATFLOW.workflow_id}) == 4200
        assert await code({**called("quiz"), "bot_id": BOT_IDS["echo"], "app_id": "1"}) == 4000
        assert await code({**called("quiz"), "parameters": "[]"}) == 4000
        assert await code({**called("quiz"), "is_async": True}) == 6003
        assert await code({"workflow_id": []}) == 4000


async def test_a_run_that_is_not_there_has_no_record() -> None:
    async with open_coze() as coze:
        assert (await history(coze, "poem", "1"))["code"] == 4314
        told = (await coze.post(RUN, called("poem"))).json
        assert (await history(coze, "quiz", told["execute_id"]))["code"] == 4314


async def test_only_so_many_runs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realcoze.emulator.open_api.workflow.RUNS", 1)
    async with open_coze() as coze:
        first, second = [(await coze.post(RUN, called("poem"))).json["execute_id"] for _ in range(2)]
        assert (await history(coze, "poem", first))["code"] == 4314
        assert (await history(coze, "poem", second))["code"] == 0


@pytest.mark.parametrize("value", ["0", "1", "100", "333"])
async def test_a_stream_can_be_cut_at_any_byte(value: str) -> None:
    async with open_coze() as coze:
        whole = (await coze.post(STREAM, called("poem", input="x"))).text
        short = (await coze.post(STREAM, called("poem", input=f"x [[fault eof value={value}]]"))).text
        with pytest.raises(aiohttp.ClientPayloadError):
            await coze.post(STREAM, called("poem", input=f"x [[fault cut value={value}]]"))
        assert [end.how for end in coze.server.seen.ends] == ["whole", "fault", "fault"]
    assert len(short) == int(value)
    assert short[:80] == whole[: min(80, int(value))].replace(execute_id(whole), execute_id(short) or "")


@pytest.mark.parametrize("name", ["crlf", "cr", "bom", "comments", "bytes"])
async def test_a_stream_may_look_otherwise_and_says_the_same(name: str) -> None:
    async with open_coze() as coze:
        events = read(await coze.post(STREAM, called("poem", input=f"x [[fault {name}]]")))
    assert texts(events)[0] == "About x"


async def test_a_fault_may_be_asked_for_in_an_answer() -> None:
    async with open_coze() as coze:
        first = read(await coze.post(STREAM, called("quiz")))
        end = read(await coze.post(RESUME, answered("quiz", asked(first), "x [[fault failed value=4011]]")))[-1]
    assert isinstance(end, TurnFailed)
    assert end.error.upstream_code == 4011


async def test_an_answer_that_is_refused_is_not_spent() -> None:
    async with open_coze() as coze:
        first = asked(read(await coze.post(STREAM, called("quiz"))))
        for path in (RESUME, WHOLE_RESUME):
            refused = await coze.post(path, answered("quiz", first, "x [[fault code value=4013]]"))
            assert refused.json["code"] == 4013
        second = asked(read(await coze.post(RESUME, answered("quiz", first, "Jupiter"))))
        events = read(await coze.post(RESUME, answered("quiz", second, "8")))
    assert texts(events)[0] == "2 of 2 answers are right."


async def test_what_is_refused_leaves_no_record_of_a_run() -> None:
    async with open_coze() as coze:
        refused = await coze.post(RUN, called("poem", input="x [[fault code value=4013]]"))
        assert refused.json["code"] == 4013
        assert [note.detail for note in coze.wire.notes if note.detail.startswith("workflow ")] == []


async def test_calls_may_fail_instead() -> None:
    async with open_coze() as coze:
        for path in (RUN, STREAM):
            answer = await coze.post(path, called("poem", input="x [[fault code value=4011]]"))
            assert answer.json["code"] == 4011


async def test_a_stuck_one_is_left_by_its_reader() -> None:
    async with open_coze() as coze:
        body = called("poem", input="x [[fault stuck after=1]]")
        with anyio.fail_after(PATIENCE_S):
            async with coze.http.post(coze.base + STREAM, json=body) as response:
                assert b"About" in await response.content.readany()
    assert isinstance(coze.server.seen.ends[0], SeenEnd)


# Studio


async def test_studio_runs_none_whole_that_can_ask() -> None:
    async with open_coze(personality="studio") as coze:
        told = (await coze.post(RUN, called("quiz"))).json
        poem = (await coze.post(RUN, called("poem", input="x"))).json
        broken = (await coze.post(RUN, called("broken"))).json
    assert told["code"] == 6039
    assert (poem["code"], poem["msg"], poem["BaseResp"], "detail" in poem) == (0, None, None, False)
    assert json.loads(poem["data"])["output"].startswith("Of x")
    assert (broken["code"], set(broken)) == (720701013, {"code", "msg", "debug_url"})


async def test_studios_streams_have_no_beats_and_its_questions_no_name() -> None:
    async with open_coze(personality="studio") as coze:
        quiet = await coze.post(STREAM, called("quiet"))
        answer = await coze.post(STREAM, called("quiz"))
        ended = read(await coze.post(RESUME, answered("quiz", asked(read(answer)), "x")))
    assert "PING" not in quiet.text
    interrupt = json.loads(answer.text.rpartition("data: ")[2])
    assert set(interrupt) == {"interrupt_data"}
    assert isinstance(ended[-1], InputRequested)


async def test_studio_loses_what_is_refused_before_a_stream() -> None:
    async with open_coze(personality="studio") as coze:
        for path in (STREAM, RESUME):
            refused = await coze.post(path, {"workflow_id": "1"})
            assert (refused.status, refused.headers["Content-Type"].split(";")[0], refused.text) == (
                200,
                "application/json",
                "",
            )


async def test_studio_tells_of_a_run_with_numbers() -> None:
    async with open_coze(personality="studio") as coze:
        told = (await coze.post(RUN, called("poem"))).json
        query = {"workflow_id": IDS["poem"], "execute_id": told["execute_id"]}
        record = (await coze.get("/v1/workflow/get_run_history", **query)).json["data"][0]
        missing = await coze.get(f"/v1/workflows/{IDS['poem']}/run_histories/{told['execute_id']}")
        assert (await coze.post(WHOLE_RESUME, {})).status == 404
    assert (record["execute_id"], record["execute_status"]) == (int(told["execute_id"]), "Success")
    assert missing.status == 404
