from collections.abc import Mapping

import pytest

from realcoze.dialects.coze_open.failure import (
    ABSENT_HINT,
    BOT_HINT,
    DAILY_HINT,
    GONE_HINT,
    LOGIN_HINT,
    MONEY_HINT,
    NO_CONVERSATION,
    NOT_CANCELLABLE,
    PUBLISH_HINT,
    REGION_HINT,
    SCOPE_HINT,
    TRAFFIC_HINT,
    WORKFLOW_HINT,
    cancelled,
    refusal,
    retry_after,
    without_envelope,
)
from realcoze.errors import (
    BadRequest,
    Busy,
    ContentRefused,
    ContextTooLong,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    TooLarge,
    Truncated,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)

Kind = type[RealcozeError]

NUMBERED = "coze_<n>"
NOT_UNDERSTOOD = [
    *(4000, 4003, 4004, 4005, 4007, 4201, 4300, 4301, 4303, 4304, 6003, 6039),
    *(400, 100000000, 103000000, 104000000, 104000002, 104000003, 104000005, 104000006, 104000007),
    *(720702001, 720702002, 720712014),
]
TABLE: list[tuple[Kind, str, list[int]]] = [
    (BadRequest, NUMBERED, NOT_UNDERSTOOD),
    (TooLarge, "request_too_large", [4302, 104000004]),
    (ContextTooLong, "context_length_exceeded", [4010, 702232007]),
    (ContentRefused, "content_filter", [4014, 4105, 700012050]),
    (NotFound, "model_not_found", [4006, 4021, 100000002, 103100002]),
    (NotFound, "model_not_found", [4015, 6031, 720702011]),
    (NotFound, "not_found", [4200, 4314, 4315, 103200001, 103200003, 103200004, 720702004]),
    (NotFound, "not_found", [4001, 4002, 103000002]),
    (Busy, "conversation_busy", [4016]),
    (RateLimited, "rate_limited", [4020]),
    (Overloaded, "overloaded", [4009]),
    (QuotaExhausted, "insufficient_quota", [4008, 702082008, 702082010]),
    (QuotaExhausted, "insufficient_quota", [4011, 4019, 4022, 4027, 4028, 702082020, 702095072]),
    (UpstreamDenied, "upstream_auth", [4100, 700012006]),
    (UpstreamDenied, "upstream_forbidden", [4101, 103000001, 108000000, 108000001, 108999999]),
    (UpstreamDenied, "upstream_blocked", [4102, 700012014, 700012015, 702240010]),
    (UpstreamFailed, NUMBERED, [4012, 4013, 5000, 500, 103100001, 103200002, 104000008]),
    (UpstreamFailed, NUMBERED, [720701013, 720702222, 720700000, 720799999, 701231, 1109, 1, -1]),
    (UpstreamTimeout, "upstream_timeout", [6023, 720702085]),
]


@pytest.mark.parametrize(
    ("code", "kind", "name"), [(code, kind, name) for kind, name, codes in TABLE for code in codes]
)
def test_every_code_of_the_table_has_its_class_and_its_name(code: int, kind: Kind, name: str) -> None:
    """CLIENTS §4.2 rule 10."""
    error = refusal(code, "Coze's words", logid="2025ABC")
    assert (type(error), error.code) == (kind, name.replace("<n>", str(code)))
    assert error.message == f"Coze answered code {code}: Coze's words"
    assert (error.upstream_code, error.logid) == (code, "2025ABC")


@pytest.mark.parametrize(
    ("hint", "codes"),
    [
        (LOGIN_HINT, [4100, 700012006]),
        (SCOPE_HINT, [4101, 103000001, 108000001]),
        (TRAFFIC_HINT, [4102, 700012014]),
        (BOT_HINT, [4006, 100000002]),
        (PUBLISH_HINT, [4015, 6031, 720702011]),
        (GONE_HINT, [4001, 4002, 103000002, 103200001, 103200003]),
        (ABSENT_HINT, [4200, 4314, 4315, 103200004]),
        (WORKFLOW_HINT, [720702004]),
        (DAILY_HINT, [4008, 702082008]),
        (MONEY_HINT, [4011, 4028, 702095072]),
        (None, [4000, 4016, 4013, 5000]),
    ],
)
def test_who_can_do_something_about_it_is_told_what(hint: str | None, codes: list[int]) -> None:
    """CLIENTS §5 item 18: a wrong id, a bot that is not published, a token that may not."""
    assert [refusal(code, "").hint for code in codes] == [hint] * len(codes)


def test_the_hints_name_what_to_look_at() -> None:
    """CLIENTS §5 item 18."""
    assert "channel API" in PUBLISH_HINT
    assert "coze.cn" in LOGIN_HINT
    assert "COZE_API_TOKEN" in LOGIN_HINT
    assert "permission" in SCOPE_HINT
    assert "COZE_BOT_ID" in BOT_HINT
    assert "tomorrow" in DAILY_HINT
    assert "credits" in MONEY_HINT


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("Requested resource bot_id=7342866812345 does not exist.", "model_not_found", BOT_HINT),
        ("The Bot was removed", "model_not_found", BOT_HINT),
        ("Requested resource file_id=1 does not exist.", "not_found", ABSENT_HINT),
        ("Requested resource conversation_id=1 does not exist.", "not_found", GONE_HINT),
        ("Requested resource workflow_id=1 does not exist, for bot_id=2.", "not_found", WORKFLOW_HINT),
    ],
)
def test_a_resource_that_is_not_found_is_what_the_text_says(text: str, name: str, hint: str) -> None:
    error = refusal(4200, text)
    assert (type(error), error.code, error.hint) == (NotFound, name, hint)


@pytest.mark.parametrize("code", [4000, 4101, 5000, 777])
def test_regional_restrictions_are_known_by_their_text_whatever_the_code(code: int) -> None:
    error = refusal(code, "Due to Regional Restrictions this is not available.")
    assert (type(error), error.code, error.hint) == (UpstreamDenied, "upstream_blocked", REGION_HINT)


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (200, UpstreamFailed, "coze_777"),
        (400, BadRequest, "coze_777"),
        (401, UpstreamDenied, "upstream_auth"),
        (403, UpstreamDenied, "upstream_forbidden"),
        (408, UpstreamTimeout, "upstream_timeout"),
        (413, TooLarge, "request_too_large"),
        (429, RateLimited, "rate_limited"),
        (500, UpstreamFailed, "coze_777"),
        (504, UpstreamTimeout, "upstream_timeout"),
    ],
)
def test_a_code_that_is_not_known_is_read_by_its_status(status: int, kind: Kind, name: str) -> None:
    error = refusal(777, "", status=status)
    assert (type(error), error.code) == (kind, name)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500, 504])
def test_a_code_that_is_known_counts_before_the_status(status: int) -> None:
    """CLIENTS §4.2 rule 10."""
    assert type(refusal(4016, "", status=status)) is Busy
    assert type(refusal(4100, "", status=status)) is UpstreamDenied


@pytest.mark.parametrize(
    ("code", "given_s", "wait_s"),
    [
        (4016, None, 1),
        (4016, 5, 5),
        (4009, None, 1),
        (4009, 9, 9),
        (4020, None, 1),
        (4020, 30, 30),
        (4008, 30, None),
        (4100, 30, None),
    ],
)
def test_only_what_waiting_can_help_says_how_long(code: int, given_s: float | None, wait_s: float | None) -> None:
    assert refusal(code, "", retry_after_s=given_s).retry_after_s == wait_s


@pytest.mark.parametrize(
    ("code", "retryable"), [(4016, True), (4020, True), (4009, True), (4008, False), (4100, False), (4000, False)]
)
def test_only_what_waiting_can_help_is_worth_a_second_call(code: int, retryable: bool) -> None:  # noqa: FBT001 - of a table
    assert refusal(code, "").retryable is retryable


def test_cozes_text_is_cut_and_may_be_missing() -> None:
    assert refusal(4000, "x" * 1000).message == "Coze answered code 4000: " + "x" * 300
    error = refusal(4000, "", logid="")
    assert (error.message, error.logid) == ("Coze answered code 4000.", None)


@pytest.mark.parametrize(
    ("status", "kind", "name", "wait_s"),
    [
        (200, UpstreamFailed, "upstream_protocol", None),
        (302, UpstreamFailed, "upstream_protocol", None),
        (401, UpstreamDenied, "upstream_auth", None),
        (403, UpstreamDenied, "upstream_forbidden", None),
        (404, UpstreamFailed, "upstream_protocol", None),
        (408, UpstreamTimeout, "upstream_timeout", None),
        (413, TooLarge, "request_too_large", None),
        (429, RateLimited, "rate_limited", 7),
        (500, UpstreamFailed, "upstream_protocol", None),
        (502, UpstreamFailed, "upstream_protocol", None),
        (503, Overloaded, "overloaded", 7),
        (504, UpstreamFailed, "upstream_protocol", None),
    ],
)
def test_an_answer_that_is_no_envelope_is_read_by_its_status(
    status: int, kind: Kind, name: str, wait_s: float | None
) -> None:
    """CLIENTS §5 item 15: such as the page of a proxy."""
    error = without_envelope(status, retry_after_s=7, logid="2025ABC")
    assert (type(error), error.code, error.retry_after_s) == (kind, name, wait_s)
    assert (error.message, error.logid) == (f"Coze answered HTTP {status} without its usual envelope.", "2025ABC")


def test_an_answer_that_is_no_envelope_gives_a_hint_where_somebody_can_help() -> None:
    assert without_envelope(401).hint == LOGIN_HINT
    assert without_envelope(403).hint == SCOPE_HINT
    assert "COZE_API_BASE" in str(without_envelope(404).hint)
    assert without_envelope(500).hint is None
    assert without_envelope(503).retry_after_s == 1
    assert without_envelope(429).retry_after_s == 1


def test_a_chat_that_somebody_stopped_is_not_the_whole_answer() -> None:
    error = cancelled("canceled")
    assert (type(error), error.message) == (Truncated, "Coze ended the chat as 'canceled' before it was complete.")


def test_a_cancel_that_came_too_late_and_a_conversation_that_is_gone_have_their_codes() -> None:
    assert {4104, 103200005} == NOT_CANCELLABLE
    assert {4001, 4002, 103000002} == NO_CONVERSATION


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "1"}, 1),
        ({"retry-after": " 30 "}, 30),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "999999"}, 120),
        ({"retry-after": "9" * 400}, 120),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "abc"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_of_seconds_within_reason_or_nothing(
    headers: Mapping[str, str], wait_s: float | None
) -> None:
    assert retry_after(headers) == wait_s
