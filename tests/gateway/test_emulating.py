from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Usage,
)
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.message import say
from realcoze.domain.ports import Sink
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import EMULATED, Form, Offer, Tool, ToolCall
from realcoze.errors import BadRequest, Truncated, UpstreamFailed
from realcoze.gateway.emulating import Emulating
from realcoze.gateway.schemas import Schemas
from servers import Gathered, NoFlow

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

OFFER = Offer(tools=(Tool(name="add"),))
ASKED = Request(messages=(say("user", "What is 1 + 2?"),), offer=OFFER)
CALL = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
WRONG = '<tool_call>{"name": "plus"}</tool_call>'
USED = Usage(input=10, output=5, total=15)
M = MessageId("m")


def turn(*texts: str, at: str = "conversation") -> list[Event]:
    return [
        TurnStarted(chat_id=ChatId("chat"), conversation_id=ConversationId(at)),
        *(TextDelta(message_id=M, text=text) for text in texts),
        AnswerDone(message_id=M, text="".join(texts)),
        USED,
        TurnDone(),
    ]


class Saying:
    """A fake at the port: one turn after another, and what it was asked."""

    def __init__(self, *turns: Sequence[Event]) -> None:
        self._turns = list(turns)
        self.asked: list[Request] = []
        self.flows: list[NoFlow] = []

    async def converse(self, request: Request, sink: Sink) -> None:
        self.asked.append(request)
        self.flows.append(NoFlow())
        sink.open(self.flows[-1])
        for event in self._turns.pop(0):
            sink.feed(event)
            await anyio.lowlevel.checkpoint()


async def heard(chats: Saying, request: Request = ASKED, *, goes_on: bool = False) -> list[Event]:
    sink = Gathered()
    await Emulating(chats, Schemas(), goes_on=goes_on).converse(request, sink)
    assert len(sink.ends) == 1
    assert len(sink.flows) == 1
    return sink.events


def folded(events: Sequence[Event]) -> Reply:
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.finish()


async def test_a_turn_that_has_nothing_to_be_told_is_passed_on_as_it_is() -> None:
    chats = Saying(turn("Hello"))
    request = replace(ASKED, offer=None)
    assert await heard(chats, request) == turn("Hello")
    assert chats.asked == [request]


async def test_an_answer_in_words_arrives_as_it_is_written() -> None:
    chats = Saying(turn("It is", " 3.", ""))
    events = await heard(chats)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["It is", " 3."]
    assert folded(events).text == "It is 3."
    assert chats.asked[0].messages[0].text.endswith("What is 1 + 2?")
    assert chats.asked[0].offer is None


@pytest.mark.parametrize("texts", [("Wait.\n\n", CALL), tuple("Wait. " + CALL + " It is 7.")])
async def test_a_call_ends_the_turn_and_is_shown_nowhere(texts: Sequence[str]) -> None:
    events = await heard(Saying(turn(*texts)))
    reply = folded(events)
    assert reply.text == "Wait."
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("add", '{"a": 1}')]
    assert reply.tool_calls[0].call_id.startswith(EMULATED)
    assert reply.usage == USED
    assert not any("<" in event.text for event in events if isinstance(event, TextDelta | AnswerDone))


async def test_what_is_beside_the_text_goes_on() -> None:
    beside: list[Event] = [ReasoningDelta(message_id=M, text="Hm"), Suggestion(text="And 2 + 3?")]
    events = await heard(Saying([*turn(CALL)[:-1], *beside, TurnDone()]))
    assert [event for event in events if isinstance(event, ReasoningDelta | Suggestion)] == beside


async def test_a_wrong_call_is_mended_once_and_both_are_paid_for() -> None:
    chats = Saying(turn("Wait.", WRONG), turn("Of course.", CALL))
    reply = folded(await heard(chats))
    assert (reply.text, [call.name for call in reply.tool_calls]) == ("Wait.\n\nOf course.", ["add"])
    assert reply.usage == Usage(input=20, output=10, total=30)
    question, answer, complaint = chats.asked[1].messages
    assert question == chats.asked[0].messages[0]
    assert answer == say("assistant", "Wait." + WRONG)
    assert complaint.text.startswith("There is no tool 'plus'. The tools are: add.")


async def test_it_is_mended_in_the_conversation_where_that_has_what_was_said() -> None:
    for request, at in ((ASKED, "conversation"), (replace(ASKED, conversation_id=ConversationId("7")), "7")):
        chats = Saying(turn(WRONG), turn(CALL))
        await heard(chats, request, goes_on=True)
        assert chats.asked[1].conversation_id == at
        assert len(chats.asked[1].messages) == 1


async def test_a_bot_that_cannot_do_better_fails_the_turn() -> None:
    chats = Saying(turn(WRONG), turn("Wait. ", WRONG))
    sink = Gathered()
    with pytest.raises(UpstreamFailed) as failed:
        await Emulating(chats, Schemas(), goes_on=False).converse(ASKED, sink)
    assert failed.value.code == "answer_unfit"
    assert failed.value.message.endswith("the request: There is no tool 'plus'. The tools are: add.")
    assert not sink.ends


async def test_a_demanded_call_is_demanded_twice() -> None:
    chats = Saying(turn("It is 3."), turn(CALL))
    reply = folded(await heard(chats, replace(ASKED, offer=replace(OFFER, is_demanded=True))))
    assert (reply.text, len(reply.tool_calls)) == ("It is 3.", 1)
    assert chats.asked[1].messages[-1].text.startswith("You have called no tool.")


async def test_an_answer_of_a_form_is_looked_at_before_anybody_sees_it() -> None:
    request = replace(ASKED, offer=None, form=Form())
    events = await heard(Saying(turn("Here: ", '{"a"', ": 3} or so")), request)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ['{"a": 3}']
    chats = Saying(turn("It is 3."), turn('{"a": 3}'))
    assert folded(await heard(chats, request)).text == '{"a": 3}'
    with pytest.raises(UpstreamFailed):
        await heard(Saying(turn("3"), turn("three")), request)


async def test_an_answer_is_held_against_its_schema_when_all_of_it_is_there() -> None:
    request = replace(ASKED, offer=None, form=Form(schema='{"required": ["a"]}'))
    chats = Saying(turn('{"b"', ": 3}"), turn('{"a": 3}'))
    events = await heard(chats, request)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ['{"a": 3}']
    complaint = chats.asked[1].messages[-1].text
    assert complaint.startswith('Your answer does not fit the schema: "a" is a required property.')
    with pytest.raises(UpstreamFailed):
        await heard(Saying(turn("{}"), turn("{}")), request)


async def test_a_strict_call_is_held_against_its_parameters() -> None:
    strict = Tool(name="add", parameters='{"properties": {"a": {"type": "string"}}}', is_strict=True)
    chats = Saying(turn(CALL), turn(CALL.replace("1", '"1"')))
    reply = folded(await heard(chats, replace(ASKED, offer=Offer(tools=(strict,)))))
    assert [call.arguments for call in reply.tool_calls] == ['{"a": "1"}']
    assert "do not fit its parameters: 1 is not of type" in chats.asked[1].messages[-1].text


async def test_a_schema_that_is_none_is_refused_before_anybody_is_asked() -> None:
    chats = Saying()
    with pytest.raises(BadRequest, match="The JSON schema of the answer's form cannot be used"):
        await heard(chats, replace(ASKED, form=Form(schema='{"type": "objec"}')))
    assert not chats.asked


async def test_a_turn_that_waited_is_mended_in_its_conversation_or_not_at_all() -> None:
    resumed = replace(ASKED, resume=Resume(event_id="e", kind="2"))
    chats = Saying(turn(WRONG), turn(CALL))
    await heard(chats, resumed, goes_on=True)
    assert chats.asked[0].messages == ASKED.messages
    assert (chats.asked[1].resume, chats.asked[1].conversation_id) == (None, "conversation")
    chats = Saying(turn(WRONG))
    with pytest.raises(UpstreamFailed):
        await heard(chats, resumed)
    assert len(chats.asked) == 1


async def test_a_call_comes_before_the_form() -> None:
    reply = folded(await heard(Saying(turn("Wait.", CALL)), replace(ASKED, form=Form())))
    assert (reply.text, len(reply.tool_calls)) == ("", 1)


@pytest.mark.parametrize(
    "end",
    [
        InputRequested(interrupt=Interrupt(event_id="e", kind="2", data={})),
        ToolCallsRequested(calls=(ToolCall(call_id="own", name="plugin", arguments="{}"),)),
        TurnFailed(error=Truncated("cut")),
    ],
)
@pytest.mark.parametrize("form", [None, Form()])
async def test_other_ends_come_after_all_that_was_said(end: Event, form: Form | None) -> None:
    events = await heard(Saying([*turn("Which", " one?")[:-1], end]), replace(ASKED, form=form))
    whole = AnswerDone(message_id=MessageId("answer"), text="Which one?")
    assert events[-1] == end
    assert (whole in events) is not isinstance(end, TurnFailed), "what broke off is not announced as whole"


async def test_what_cannot_be_taken_back_fails() -> None:
    replaced = TextReplaced(message_id=M, text="No")
    events = await heard(Saying([*turn("Yes")[:2], replaced, AnswerDone(message_id=M, text="No"), TurnDone()]))
    assert isinstance(events[-1], TurnFailed)
    assert events[-1].error.code == "answer_rewritten"


async def test_a_caller_that_is_slow_slows_both_calls() -> None:
    chats = Saying(turn(WRONG), turn(CALL))

    class Slow(Gathered):
        def feed(self, event: Event) -> None:
            super().feed(event)
            if isinstance(event, TurnStarted):
                self.flow.pause()

    sink = Slow()
    await Emulating(chats, Schemas(), goes_on=False).converse(ASKED, sink)
    assert [flow.said for flow in chats.flows] == [["pause"], ["pause"]]
    sink.flow.resume()
    assert [flow.said for flow in chats.flows] == [["pause"], ["pause", "resume"]]


async def test_no_call_is_spent_on_an_empty_question_that_a_form_would_hide() -> None:
    chats = Saying()
    with pytest.raises(BadRequest, match="The question is empty"):
        await heard(chats, replace(ASKED, messages=(say("user", " "),)))
    assert not chats.asked
