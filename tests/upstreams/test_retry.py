import pytest

from realcoze.errors import (
    BadRequest,
    Busy,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    Truncated,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.upstreams.retry import CAPACITY, LONGEST_S, SHORTEST_S, RetryBudget, wait_before_retry


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFailed("no connection", code="upstream_unreachable"),
        RateLimited("4020"),
        RateLimited("429", retry_after_s=2),
        Overloaded("4009", retry_after_s=1),
        Busy("4016", retry_after_s=1),
    ],
    ids=str,
)
def test_what_was_not_executed_may_be_asked_again_after_its_wait(error: RealcozeError) -> None:
    soonest, latest = wait_before_retry(error, 0.0), wait_before_retry(error, 1.0)
    assert soonest is not None
    assert latest is not None
    assert soonest == max(SHORTEST_S, error.retry_after_s or 0)
    assert latest == LONGEST_S


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFailed("5xx", code="upstream_protocol"),
        UpstreamFailed("a certificate", code="upstream_tls"),
        UpstreamFailed("coze", code="coze_5000"),
        UpstreamTimeout("too late"),
        Truncated("broke off"),
        UpstreamDenied("token"),
        QuotaExhausted("nothing left"),
        BadRequest("no"),
        RateLimited("429", retry_after_s=2.1),
    ],
    ids=str,
)
def test_what_may_have_been_executed_or_cannot_help_is_not_asked_again(error: RealcozeError) -> None:
    assert wait_before_retry(error, 0.0) is None


def test_a_budget_pays_for_its_capacity_and_no_more() -> None:
    budget = RetryBudget()
    assert sum(budget.take() for _ in range(1000)) == CAPACITY


def test_ten_calls_that_go_well_pay_for_one_retry() -> None:
    budget = RetryBudget()
    while budget.take():
        pass
    for _ in range(11):
        budget.succeeded()
    assert budget.take()
    assert not budget.take()


def test_a_budget_never_grows_beyond_its_capacity() -> None:
    budget = RetryBudget()
    for _ in range(100):
        budget.succeeded()
    assert sum(budget.take() for _ in range(100)) == CAPACITY
