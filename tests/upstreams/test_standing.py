from copy import copy

import pytest

from realcoze.errors import QuotaExhausted, RateLimited, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.standing import BLOCK_S, Standing

ENDED = UpstreamDenied("session ended", code="upstream_auth", hint="log in", upstream_code=700012006)
BLOCKED = UpstreamDenied("unusual traffic", code="upstream_blocked", hint="wait", upstream_code=700012014)


def test_a_new_account_is_refused_nothing() -> None:
    standing = Standing()
    standing.check(0)
    assert standing.reason(0) is None


@pytest.mark.parametrize("error", [UpstreamFailed("x"), UpstreamTimeout("x"), RateLimited("x"), QuotaExhausted("x")])
def test_other_errors_say_nothing_about_the_account(error: Exception) -> None:
    standing = Standing()
    standing.note(error, 0)  # type: ignore[arg-type]
    standing.check(0)
    assert standing.reason(0) is None


def test_an_ended_session_stays_ended() -> None:
    standing = Standing()
    standing.note(ENDED, 10)
    for now in (10, 11, 1e9):
        with pytest.raises(UpstreamDenied, match="session ended") as caught:
            standing.check(now)
        assert caught.value.code == "upstream_auth"
        assert caught.value.hint == "log in"
        assert caught.value.upstream_code == 700012006
        assert caught.value.retry_after_s is None
        assert standing.reason(now) == "session ended"


def test_a_block_lasts_a_minute_and_says_how_long_is_left() -> None:
    standing = Standing()
    standing.note(BLOCKED, 100)
    assert BLOCK_S == 60
    with pytest.raises(UpstreamDenied, match="unusual traffic") as caught:
        standing.check(115)
    assert caught.value.code == "upstream_blocked"
    assert caught.value.retry_after_s == 45
    assert standing.reason(159.9) == "unusual traffic"
    standing.check(160)
    assert standing.reason(160) is None


def test_a_refusal_says_at_once_how_long_it_stands() -> None:
    standing, first, second, ended = Standing(), copy(BLOCKED), copy(BLOCKED), copy(ENDED)
    standing.note(first, 100)
    standing.note(second, 115)
    standing.note(ended, 120)
    assert (first.retry_after_s, second.retry_after_s, ended.retry_after_s) == (60, 45, None)


def test_a_second_block_while_one_stands_does_not_prolong_it() -> None:
    standing = Standing()
    standing.note(BLOCKED, 100)
    standing.note(UpstreamDenied("again", code="upstream_blocked"), 130)
    assert standing.reason(159) == "unusual traffic"
    standing.check(160)
    standing.note(UpstreamDenied("again", code="upstream_blocked"), 161)
    assert standing.reason(162) == "again"
    with pytest.raises(UpstreamDenied):
        standing.check(220.9)


def test_an_ended_session_takes_the_place_of_a_block_and_never_the_other_way() -> None:
    standing = Standing()
    standing.note(BLOCKED, 100)
    standing.note(ENDED, 101)
    standing.note(BLOCKED, 102)
    with pytest.raises(UpstreamDenied, match="session ended"):
        standing.check(1e6)


def test_each_refusal_is_an_error_of_its_own() -> None:
    """One object raised in many tasks would gather the tracebacks, and so the frames, of all of them."""
    standing = Standing()
    standing.note(BLOCKED, 0)
    raised = []
    for _ in range(2):
        with pytest.raises(UpstreamDenied) as caught:
            standing.check(1)
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert BLOCKED not in raised
    assert BLOCKED.__traceback__ is None


def test_a_401_that_does_not_come_from_coze_itself_passes() -> None:
    standing = Standing()
    standing.note(UpstreamDenied("HTTP 401", code="upstream_auth"), 0.0)
    assert standing.reason(BLOCK_S - 1) == "HTTP 401"
    assert standing.reason(BLOCK_S) is None


def test_an_account_whose_tokens_are_renewed_is_only_blocked_by_a_refused_one() -> None:
    standing = Standing(can_end=False)
    standing.note(ENDED, 100)
    with pytest.raises(UpstreamDenied, match="session ended"):
        standing.check(130)
    standing.check(100 + BLOCK_S)
