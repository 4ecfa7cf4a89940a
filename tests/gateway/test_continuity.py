from typing import Any

import pytest
from msgspec.structs import replace

from realcoze.domain.content import File, Image, Inline, Text
from realcoze.domain.event import InputRequested, Interrupt, TurnDone, TurnStarted
from realcoze.domain.ids import BotName, CallerId, ChatId, ConversationId, UserId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Resume, Thread
from realcoze.domain.tool import ToolResult
from realcoze.gateway.continuity import (
    ELSEWHERE,
    FOLDED_CHARACTERS,
    Place,
    begun,
    continued,
    fingerprint,
    handed_in,
    key_after,
    key_before,
    key_of,
    keys_answered,
    keys_of_calls,
    place_after_failure,
    place_of_calls,
    places_after,
)

HELLO, HI, MORE = say("user", "Hello"), say("assistant", "Hi!"), say("user", "More")
AT = ConversationId("c1")
PLACE = Place(conversation_id=AT)
QUESTION = Place(conversation_id=AT, chat_id=ChatId("chat"), event_id="e1", kind="question")
STARTED = TurnStarted(chat_id=ChatId("chat"), conversation_id=AT)
ASKED = InputRequested(interrupt=Interrupt(event_id="e1", kind="question", data={}))
SENDS_NEW, SENDS_ALL = Thread(id="t", is_whole=False), Thread(id="t", is_whole=True)


def _request(*messages: Message, **fields: Any) -> Request:
    return Request(messages=messages, bot=BotName("bot"), **fields)


FIRST, SECOND = _request(HELLO), _request(HELLO, HI, MORE)
ANSWERED = fingerprint(SECOND, (HELLO, HI))


@pytest.mark.parametrize(
    "same",
    [
        (say("user", " Hello\n"), HI),
        (HELLO, say("assistant", "\tHi! ")),
        (Message(role="user", parts=(Text(text="Hel"), Text(text="lo"))), HI),
    ],
)
def test_white_space_and_the_way_a_text_is_cut_make_no_other_history(same: tuple[Message, ...]) -> None:
    assert fingerprint(SECOND, same) == ANSWERED


def test_a_long_text_is_trimmed_at_its_ends_alone() -> None:
    long = "a  b" * FOLDED_CHARACTERS
    known = fingerprint(SECOND, (say("user", long),))
    assert fingerprint(SECOND, (say("user", f" {long}\n"),)) == known
    exact = "a  b\n"[: FOLDED_CHARACTERS % 5 or 5] + "a" * (FOLDED_CHARACTERS - (FOLDED_CHARACTERS % 5 or 5))
    assert fingerprint(SECOND, (say("user", exact),)) == fingerprint(SECOND, (say("user", exact + "\n"),))
    assert fingerprint(SECOND, (say("user", long.replace("  ", " ")),)) != known


@pytest.mark.parametrize(
    "other",
    [
        (HELLO,),
        (HI, HELLO),
        (HELLO, HI, HI),
        (say("user", "hello"), HI),
        (say("user", "Hel lo"), HI),
        (say("assistant", "Hello"), say("user", "Hi!")),
        (say("user", "HelloHi!"),),
        (say("user", ""), HELLO, HI),
        (Message(role="user", parts=(Text(text="Hello"), Image(key="1"))), HI),
    ],
)
def test_other_words_make_another_history(other: tuple[Message, ...]) -> None:
    assert fingerprint(SECOND, other) != ANSWERED


def test_no_two_histories_are_written_alike() -> None:
    """The length stands before each field, so that none can hold the end of another."""
    histories = [
        (say("user", "a"), say("user", "b")),
        (say("user", "a 4:user1:b"),),
        (say("user", "a0:4:user1:b"),),
        (say("user", "a"), say("user", "b"), say("user", "")),
    ]
    assert len({fingerprint(FIRST, history) for history in histories}) == 4


def test_of_a_picture_its_kind_counts_and_not_its_address() -> None:
    def shown(part: Any) -> str:
        return fingerprint(FIRST, (Message(role="user", parts=(Text(text="this"), part)),))

    assert shown(Image(key="1")) == shown(Image(url="https://x/2"))
    assert shown(Image(key="1")) != shown(File(key="1"))
    assert shown(Inline(data=b"1")) == shown(Inline(data=b"2", name="x")) != shown(Image(key="1"))


def test_any_text_has_a_fingerprint() -> None:
    assert fingerprint(FIRST, (say("user", "\ud800"),)) != fingerprint(FIRST, (say("user", "\udfff"),))


@pytest.mark.parametrize(
    "others",
    [
        {"caller": CallerId("k")},
        {"bot": BotName("other")},
        {"user_id": UserId("u")},
        {"thread": SENDS_ALL},
        {"instructions": "Be kind."},
        {"caller": CallerId("bot"), "bot": BotName("")},
    ],
)
def test_who_says_it_to_whom_makes_another_key(others: Any) -> None:
    """CLIENTS §5 item 11: the caller's key, its user and the chat that it names."""
    assert key_before(replace(SECOND, **others)) != key_before(SECOND)
    assert key_after(replace(FIRST, **others), "Hi!") != key_after(FIRST, "Hi!")


@pytest.mark.parametrize("shown", ["Hi!", " Hi!\n"])
@pytest.mark.parametrize("fields", [{}, {"thread": SENDS_ALL}, {"thread": SENDS_NEW}, {"user_id": UserId("u")}])
def test_the_key_after_a_turn_is_the_key_before_the_next(fields: Any, shown: str) -> None:
    after = key_after(replace(FIRST, **fields), shown)
    assert after is not None
    assert after == key_before(replace(SECOND, **fields))
    third = (*SECOND.messages, say("assistant", "Yes"), HELLO)
    assert key_after(replace(SECOND, **fields), "Yes") == key_before(_request(*third, **fields))


def test_what_begins_has_no_place_and_what_showed_nothing_leaves_none() -> None:
    assert key_before(FIRST) is None
    assert key_before(_request(HELLO, thread=SENDS_ALL)) is None
    assert key_after(FIRST, "") is None
    assert key_after(_request(tool_results=(ToolResult(call_id="1", output=""),)), "Hi!") is None


def test_a_conversation_that_is_named_has_one_place_whatever_is_said_in_it() -> None:
    for fields in ({"conversation_id": AT}, {"thread": SENDS_NEW}):
        keys = [
            key_before(_request(HELLO, **fields)),
            key_before(_request(HELLO, HI, MORE, **fields)),
            key_after(_request(HELLO, **fields), "x"),
        ]
        assert keys[0] is not None
        assert keys[0].holds_one
        assert keys == [keys[0]] * 3
    both = _request(HELLO, conversation_id=AT, thread=SENDS_NEW)
    assert key_before(both) == key_before(_request(HELLO, conversation_id=AT))
    assert key_before(_request(HELLO, thread=Thread(id="c1", is_whole=False))) != key_before(
        _request(HELLO, conversation_id=AT)
    )


def test_what_goes_on_with_a_turn_that_waits_is_found_by_what_was_said() -> None:
    """The ids in it are those of the turn before."""
    resume = Resume(event_id="e", kind="question")
    explicit = replace(SECOND, resume=resume, conversation_id=AT, chat_id=ChatId("chat"))
    assert key_after(explicit, "Yes") == key_after(SECOND, "Yes")
    assert key_after(replace(explicit, thread=SENDS_NEW), "Yes") == key_before(replace(FIRST, thread=SENDS_NEW))


def test_a_question_that_is_answered_explicitly_may_lie_under_each_of_its_names() -> None:
    asked = replace(SECOND, conversation_id=AT, thread=SENDS_NEW)
    named = [key_before(_request(conversation_id=AT)), key_before(_request(thread=SENDS_NEW)), key_before(SECOND)]
    assert list(keys_answered(replace(asked, thread=None))) == [named[0], named[2]]
    assert list(keys_answered(asked))[:2] == named[:2]
    assert keys_answered(FIRST) == ()


def test_a_bot_that_replays_sends_what_it_got() -> None:
    for request in (FIRST, SECOND, replace(SECOND, conversation_id=AT)):
        assert begun(request, "replay") is request


def test_a_bot_that_goes_on_sends_everything_where_it_begins_and_what_is_new_where_it_is_told_to() -> None:
    assert begun(SECOND, "continue") is SECOND
    assert begun(replace(SECOND, conversation_id=AT), "continue") == _request(MORE, conversation_id=AT)
    ends_with_the_bot = _request(HELLO, HI, conversation_id=AT)
    assert begun(ends_with_the_bot, "continue") == ends_with_the_bot
    explicit = replace(SECOND, conversation_id=AT, resume=Resume(event_id="e", kind="question"))
    assert begun(explicit, "continue") is explicit


def test_going_on_sends_what_is_new_to_the_conversation() -> None:
    place = replace(PLACE, after=ANSWERED)
    assert continued(SECOND, place, "continue") == _request(MORE, conversation_id=AT)
    whole = replace(SECOND, thread=SENDS_ALL)
    place = replace(PLACE, after=fingerprint(whole, (HELLO, HI)))
    assert continued(whole, place, "continue") == _request(MORE, conversation_id=AT, thread=SENDS_ALL)


def test_a_place_is_not_gone_on_from_by_a_bot_that_replays() -> None:
    assert continued(SECOND, replace(PLACE, after=ANSWERED), "replay") is None


def test_a_client_of_a_thread_may_send_no_history() -> None:
    request = _request(MORE, thread=SENDS_NEW)
    assert continued(request, PLACE, "continue") == replace(request, conversation_id=AT)


def test_a_client_of_a_thread_that_sends_a_history_must_send_the_right_one() -> None:
    request = _request(HELLO, HI, MORE, thread=SENDS_NEW)
    place = replace(PLACE, after=fingerprint(request, (HELLO, HI)))
    assert continued(request, place, "continue") == _request(MORE, thread=SENDS_NEW, conversation_id=AT)
    edited = _request(HELLO, say("assistant", "Bye"), MORE, thread=SENDS_NEW)
    assert continued(edited, place, "continue") is None
    assert continued(request, PLACE, "continue") is None


def test_a_history_that_the_bot_ends_has_nothing_new_to_send() -> None:
    request = _request(HELLO, HI)
    assert continued(request, replace(PLACE, after=fingerprint(request, (HELLO, HI))), "continue") is None


@pytest.mark.parametrize("history", ["replay", "continue"])
def test_a_question_is_answered_by_the_next_turn_of_any_bot(history: Any) -> None:
    resume = Resume(event_id="e1", kind="question")
    expected = _request(MORE, conversation_id=AT, chat_id=ChatId("chat"), resume=resume)
    assert continued(SECOND, replace(QUESTION, after=ANSWERED), history) == expected
    named = replace(SECOND, conversation_id=ConversationId("mine"))
    assert continued(named, QUESTION, history) == replace(expected, conversation_id=ConversationId("mine"))


def test_a_workflow_has_no_ids_to_answer_it_with_but_those_of_its_question() -> None:
    place = Place(conversation_id=ConversationId(""), event_id="e1", kind="question", after=ANSWERED)
    expected = _request(MORE, resume=Resume(event_id="e1", kind="question"))
    assert continued(SECOND, place, "replay") == expected


def test_the_place_after_a_turn_is_under_all_that_was_said_then() -> None:
    [(key, place)] = places_after(FIRST, STARTED, TurnDone(), "Hi!", "continue")
    assert (key, place) == (key_before(SECOND), replace(PLACE, after=ANSWERED))
    sends_new = replace(FIRST, thread=SENDS_NEW)
    assert places_after(sends_new, STARTED, TurnDone(), "", "continue") == ((key_before(sends_new), PLACE),)


def test_no_place_is_kept_where_nobody_needs_it_or_could_find_it() -> None:
    nowhere = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    assert places_after(FIRST, STARTED, TurnDone(), "Hi!", "replay") == ()
    assert places_after(FIRST, STARTED, TurnDone(), "", "continue") == ()
    assert places_after(FIRST, nowhere, TurnDone(), "Hi!", "continue") == ()
    assert places_after(FIRST, nowhere, ASKED, "", "continue") == ()
    assert places_after(replace(FIRST, conversation_id=AT), STARTED, TurnDone(), "Hi!", "continue") == ()


def test_what_went_on_with_tools_or_an_answer_leaves_a_place_like_any_turn() -> None:
    went_on = replace(FIRST, conversation_id=AT, tool_results=(ToolResult(call_id="1", output="x"),))
    [(_, place)] = places_after(went_on, STARTED, TurnDone(), "Hi!", "continue")
    assert place == replace(PLACE, after=ANSWERED)


@pytest.mark.parametrize("history", ["replay", "continue"])
def test_a_question_lies_under_its_conversation_and_what_was_said_leads_there(history: Any) -> None:
    (own, question), (said, leading_on) = places_after(FIRST, STARTED, ASKED, "Hi!", history)
    assert own == key_of(FIRST, AT) == key_before(replace(SECOND, conversation_id=AT))
    assert question == replace(QUESTION, after=ANSWERED)
    assert said == key_before(SECOND)
    assert leading_on == Place(conversation_id=AT, after=ANSWERED, kind=ELSEWHERE)


def test_a_question_in_a_named_conversation_lies_under_that_name_alone() -> None:
    named = replace(FIRST, conversation_id=AT)
    assert places_after(named, STARTED, ASKED, "Hi!", "replay") == (
        (key_of(named, AT), replace(QUESTION, after=ANSWERED)),
    )
    assert places_after(FIRST, STARTED, ASKED, "", "replay") == ((key_of(FIRST, AT), QUESTION),)


def test_a_question_of_a_workflow_which_has_no_conversation_lies_under_what_was_said() -> None:
    nowhere = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    [(key, place)] = places_after(FIRST, nowhere, ASKED, "Hi!", "replay")
    assert key == key_before(SECOND)
    assert (place.kind, place.event_id, place.conversation_id) == ("question", "e1", "")


def test_after_a_turn_that_broke_off_only_a_client_without_a_history_goes_on() -> None:
    assert place_after_failure(_request(MORE, thread=SENDS_NEW), AT, "continue") == PLACE
    for request in (FIRST, SECOND, replace(FIRST, thread=SENDS_ALL), replace(SECOND, thread=SENDS_NEW)):
        assert place_after_failure(request, AT, "continue") is None
    assert place_after_failure(_request(MORE, thread=SENDS_NEW), AT, "replay") is None
    assert place_after_failure(_request(MORE, thread=SENDS_NEW), ConversationId(""), "continue") is None
    assert place_after_failure(_request(MORE, thread=SENDS_NEW, conversation_id=AT), AT, "continue") is None


WAITING = Place(conversation_id=AT, chat_id=ChatId("chat"))
RESULTS = (ToolResult(call_id="1", output="sunny"), ToolResult(call_id="2", output="done"))


def test_each_call_of_a_turn_has_a_key_of_its_own_for_its_caller_and_bot() -> None:
    keys = [
        *keys_of_calls(FIRST, ["1", "2", "1"]),
        *keys_of_calls(replace(FIRST, caller=CallerId("k")), ["1"]),
        *keys_of_calls(replace(FIRST, bot=BotName("other")), ["1"]),
        *keys_of_calls(replace(FIRST, conversation_id=AT), ["c1"]),
        key_before(replace(FIRST, conversation_id=AT)),
    ]
    assert len(set(keys)) == len(keys) == 6
    assert keys_of_calls(FIRST, []) == ()


def test_who_hands_results_in_need_not_say_whose_chat_it_was_nor_what_was_said() -> None:
    other = _request(user_id=UserId("u"), thread=SENDS_ALL, tool_results=RESULTS)
    assert keys_of_calls(other, ["1"]) == keys_of_calls(FIRST, ["1"])


def test_a_turn_that_waits_for_results_leaves_where_it_is() -> None:
    nowhere = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    assert place_of_calls(FIRST, STARTED) == WAITING
    assert place_of_calls(FIRST, nowhere) is None
    assert place_of_calls(FIRST, TurnStarted(chat_id=ChatId(""), conversation_id=AT)) is None
    # The rest of a turn need not say it again.
    assert place_of_calls(_request(conversation_id=AT, chat_id=ChatId("chat")), nowhere) == WAITING


def test_results_go_to_the_one_turn_that_waits_for_all_of_them() -> None:
    request = _request(HELLO, tool_results=RESULTS)
    there = replace(request, conversation_id=AT, chat_id=ChatId("chat"))
    assert handed_in(request, [WAITING]) == there
    assert handed_in(request, [WAITING, WAITING]) == there
    for places in ([None], [None, None], [WAITING, None], [None, WAITING], [WAITING, PLACE]):
        assert handed_in(request, places) is None
