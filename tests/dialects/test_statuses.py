import re
from pathlib import Path

import pytest

from realcoze import errors
from realcoze.dialects.statuses import STATUS, retry_after_of, retry_headers, should_retry, status_of, told
from realcoze.errors import RealcozeError

TABLE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")

AGAIN: dict[type[RealcozeError], bool | None] = {
    errors.BadRequest: False,
    errors.TooLarge: False,
    errors.ContextTooLong: False,
    errors.ContentRefused: False,
    errors.Unauthorized: None,
    errors.NotFound: False,
    errors.Busy: True,
    errors.RateLimited: True,
    errors.Overloaded: True,
    errors.QuotaExhausted: False,
    errors.UpstreamDenied: False,
    errors.UpstreamFailed: False,
    errors.UpstreamTimeout: False,
    errors.Truncated: False,
    errors.Misconfigured: False,
    errors.Internal: False,
}


def test_every_class_of_error_has_a_status() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RealcozeError)}
    assert set(STATUS) == set(AGAIN) == {kind for kind in kinds if not kind.__subclasses__()}


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_the_status_is_that_of_the_table(kind: type[RealcozeError]) -> None:
    """CLIENTS §4.2 rule 10."""
    row = re.search(rf"^\| {kind.__name__} \|[^|]*\| (?:[^|]*, then )?(?:before text )?(\d+) ", TABLE, re.MULTILINE)
    assert status_of(kind("m")) == STATUS[kind]
    assert int(row[1]) == STATUS[kind] if row else kind in (errors.Misconfigured, errors.Internal)


def test_a_cause_that_passes_by_itself_is_told_apart() -> None:
    assert status_of(errors.UpstreamDenied("m", code="upstream_blocked")) == 503
    assert status_of(errors.UpstreamDenied("m", code="upstream_forbidden")) == 502


def test_an_error_outside_the_table_is_ours() -> None:
    assert status_of(RealcozeError("m")) == 500


@pytest.mark.parametrize(
    ("told_s", "written"), [(None, None), (0, 1), (0.2, 1), (1.6, 2), (30, 30), (120, 120), (121, 120), (3600, 120)]
)
def test_a_client_is_told_to_wait_between_1_and_120_seconds(told_s: float | None, written: int | None) -> None:
    assert retry_after_of(errors.RateLimited("m", retry_after_s=told_s)) == written


def test_a_client_asks_again_only_where_it_may_help_and_costs_nothing() -> None:
    """CLIENTS §4.2 rule 11."""
    assert {kind: should_retry(kind("m")) for kind in STATUS} == AGAIN


def test_of_what_never_reached_coze_the_client_decides_by_the_status() -> None:
    """CLIENTS §4.2 rule 11."""
    assert should_retry(errors.UpstreamFailed("m", code="upstream_unreachable", retryable=True)) is None


def test_both_are_headers() -> None:
    """CLIENTS §4.2 rule 11."""
    assert retry_headers(errors.Busy("m", retry_after_s=1.6)) == {"retry-after": "2", "x-should-retry": "true"}
    assert retry_headers(errors.QuotaExhausted("m")) == {"x-should-retry": "false"}
    assert retry_headers(errors.Unauthorized("m")) == {}


@pytest.mark.parametrize(
    ("message", "hint", "logid", "text"),
    [
        ("Full.", None, None, "Full."),
        ("Full", None, None, "Full"),
        ("Full.", "Wait.", None, "Full. Wait."),
        ("Full", "Wait.", None, "Full. Wait."),
        ("Full!", "Wait.", None, "Full! Wait."),
        ("\u6ee1\u4e86\u3002", "Wait.", None, "\u6ee1\u4e86\u3002 Wait."),
        ("Full", "Wait.", "0217", "Full. Wait. (logid 0217)"),
        ("Full", None, "0217", "Full (logid 0217)"),
    ],
)
def test_what_is_known_stands_in_one_text(message: str, hint: str | None, logid: str | None, text: str) -> None:
    """CLIENTS §4.2 rule 10."""
    assert told(errors.Overloaded(message, hint=hint, logid=logid)) == text
