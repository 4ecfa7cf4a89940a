import json
from typing import Any

import pytest

from pictures import png
from realcoze.domain.event import AnswerDone, Event, InputRequested, Step, TextDelta, TurnDone, TurnFailed
from realcoze.emulator.account import WORKFLOWS
from realcoze.emulator.workflow_script import BEAT, CAN_ASK, FORM, QUESTIONS, Play, output_of, perform


def played(workflow: str, *answers: str, **given: Any) -> tuple[Event, ...]:
    return perform(
        workflow, Play(given=given, answers=answers, event_id="1/2", beats=2, find_file={"7": png(2, 2)}.get)
    )


def said(events: tuple[Event, ...]) -> list[str]:
    return [event.text for event in events if isinstance(event, AnswerDone)]


@pytest.mark.parametrize("workflow", [each.name for each in WORKFLOWS])
def test_every_workflow_can_be_run_and_ends_once(workflow: str) -> None:
    *before, end = played(workflow)
    assert isinstance(end, TurnDone | TurnFailed | InputRequested)
    assert not any(isinstance(event, TurnDone | TurnFailed | InputRequested) for event in before)
    assert isinstance(end, InputRequested) == (workflow in CAN_ASK)


def test_a_poem_comes_node_by_node_and_ends_with_json() -> None:
    events = played("poem", input="the sea [[fault cut]]")
    assert [event.title for event in events if isinstance(event, Step)] == ["Title", "Verses"]
    title, verses, output = said(events)
    assert title == "About the sea"
    assert verses.startswith("Of the sea I sing,")
    assert json.loads(output) == {"output": verses}
    assert output_of(events) == output


def test_the_last_word_of_a_node_comes_with_its_end() -> None:
    events = played("poem", input="x")
    pieces = [event.text for event in events if isinstance(event, TextDelta) and event.message_id == "title"]
    assert pieces == ["About"]


@pytest.mark.parametrize(("questions", "asked"), [(None, 2), (1, 1), (4, 4), (99, 4), (0, 1), ("x", 2)])
def test_a_quiz_asks_as_often_as_it_is_to(questions: object, asked: int) -> None:
    answers: list[str] = []
    while isinstance((events := played("quiz", *answers, questions=questions))[-1], InputRequested):
        assert said(events) == [QUESTIONS[len(answers)][0]]
        answers.append(QUESTIONS[len(answers)][1].upper() + " ")
    assert len(answers) == asked
    assert json.loads(output_of(events)) == {"output": f"{asked} of {asked} answers are right.", "right": asked}


def test_a_wrong_answer_does_not_count() -> None:
    assert json.loads(output_of(played("quiz", "Mars", "8")))["right"] == 1


def test_a_question_has_the_event_and_its_node() -> None:
    asked = played("quiz")[-1]
    assert isinstance(asked, InputRequested)
    assert (asked.interrupt.event_id, asked.interrupt.kind) == ("1/2", "question")
    assert asked.interrupt.data == {"node_title": "Question", "data": ""}
    assert output_of(played("quiz")) == ""


def test_a_form_tells_its_fields_and_takes_json_or_a_name() -> None:
    asked = played("form")[-1]
    assert isinstance(asked, InputRequested)
    assert (asked.interrupt.kind, asked.interrupt.data["data"]) == ("input", FORM)
    assert [field["name"] for field in json.loads(FORM)] == ["name", "guests"]
    assert said(played("form", '{"name":"Ada","guests":3}'))[0] == "Booked for Ada, with 3 guests."
    assert said(played("form", "Ada"))[0] == "Booked for Ada, with 0 guests."


def test_a_broken_one_fails_in_the_middle() -> None:
    end = played("broken")[-1]
    assert isinstance(end, TurnFailed)
    assert end.error.upstream_code == 720701013


def test_a_quiet_one_only_shows_that_it_lives() -> None:
    assert played("quiet")[:2] == (BEAT, BEAT)


def test_files_are_seen_by_their_bytes() -> None:
    shown = {"image": '{"file_id":"7"}', "file": ['{"file_id":"8"}', "https://a/b"]}
    seen = said(played("files", **shown))[0].split("\n\n")
    assert seen[0].startswith("I see `image/png`")
    assert seen[1] == "I cannot see `8`: it was never uploaded to the end."
    assert seen[2] == "I see that there is something at <https://a/b>, and do not open links."
    assert said(played("files"))[0] == "I was given no image, file or audio."
