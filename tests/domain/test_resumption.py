from realcoze.domain.event import Interrupt, TurnStarted
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ChatId, ConversationId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.resumption import with_answer, with_results
from realcoze.domain.tool import ToolResult

ASKED = Request(
    messages=(say("user", "Hi"),),
    bot=BotName("bot"),
    user_id=UserId("ada"),
    conversation_id=ConversationId("1"),
    parameters={"a": 1},
    wants=Wants(steps=True),
)
RESULTS = (ToolResult(call_id="c1", output="noon"),)
QUESTION = Interrupt(event_id="5", kind="question", data={})
STARTED = TurnStarted(chat_id=ChatId("7"), conversation_id=ConversationId("8"))


def test_results_say_where_they_belong_and_nothing_again() -> None:
    assert with_results(ASKED, STARTED, RESULTS) == Request(
        messages=(),
        bot=BotName("bot"),
        user_id=UserId("ada"),
        conversation_id=ConversationId("8"),
        chat_id=ChatId("7"),
        tool_results=RESULTS,
        wants=Wants(steps=True),
    )


def test_an_answer_is_the_request_with_what_it_answers() -> None:
    request = with_answer(ASKED, Reply(text="", chat_id=ChatId("7"), conversation_id=ConversationId("8")), QUESTION)
    assert request.resume == Resume(event_id="5", kind="question")
    assert (request.conversation_id, request.chat_id) == ("8", "7")
    assert (request.messages, request.parameters) == (ASKED.messages, {"a": 1})


def test_a_turn_that_did_not_say_where_it_is_is_where_it_was_asked_to_be() -> None:
    request = with_results(ASKED, Reply(text=""), RESULTS)
    assert (request.conversation_id, request.chat_id) == ("1", None)
