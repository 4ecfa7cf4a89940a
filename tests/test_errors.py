import re
from pathlib import Path

import pytest

from realcoze import errors
from realcoze.errors import CallerFault, OurFault, RealcozeError, UpstreamFault

FACTS = {
    errors.BadRequest: (CallerFault, "bad_request", False),
    errors.TooLarge: (CallerFault, "request_too_large", False),
    errors.ContextTooLong: (CallerFault, "context_length_exceeded", False),
    errors.ContentRefused: (CallerFault, "content_filter", False),
    errors.Unauthorized: (CallerFault, "invalid_api_key", False),
    errors.NotFound: (CallerFault, "not_found", False),
    errors.Busy: (CallerFault, "conversation_busy", True),
    errors.Overloaded: (OurFault, "overloaded", True),
    errors.Misconfigured: (OurFault, "misconfigured", False),
    errors.Internal: (OurFault, "internal_error", False),
    errors.RateLimited: (UpstreamFault, "rate_limited", True),
    errors.QuotaExhausted: (UpstreamFault, "insufficient_quota", False),
    errors.UpstreamDenied: (UpstreamFault, "upstream_auth", False),
    errors.UpstreamFailed: (UpstreamFault, "upstream_error", False),
    errors.UpstreamTimeout: (UpstreamFault, "upstream_timeout", False),
    errors.Truncated: (UpstreamFault, "upstream_truncated", False),
}


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_a_class_says_whose_fault_it_is_and_has_its_code(kind: type[RealcozeError]) -> None:
    base, code, is_retryable = FACTS[kind]
    error = kind("What went wrong.")
    assert issubclass(kind, base)
    assert (error.code, error.retryable) == (code, is_retryable)
    assert (str(error), error.message) == ("What went wrong.", "What went wrong.")
    assert (error.hint, error.retry_after_s, error.upstream_code, error.logid) == (None, None, None, None)


def test_facts_are_fields_and_stand_above_the_defaults_of_the_class() -> None:
    error = errors.Busy(
        "m", code="c", hint="h", retryable=False, retry_after_s=1.5, upstream_code=4016, logid="021708900000"
    )
    assert (error.code, error.hint, error.retryable) == ("c", "h", False)
    assert (error.retry_after_s, error.upstream_code, error.logid) == (1.5, 4016, "021708900000")
    assert errors.BadRequest("m", retryable=True).retryable


def test_the_tree_has_no_class_beside_the_table_and_no_two_share_a_code() -> None:
    leaves = {leaf for base in RealcozeError.__subclasses__() for leaf in base.__subclasses__()}
    assert leaves == set(FACTS)
    assert len({kind.default_code for kind in FACTS}) == len(FACTS)
    assert RealcozeError("m").code == "error"


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    expected = [name for base in RealcozeError.__subclasses__() for name in (base, *base.__subclasses__())]
    assert drawn == [kind.__name__ for kind in expected]


def test_the_table_of_errors_names_every_class_that_a_client_can_meet() -> None:
    table = (Path(__file__).parents[1] / "docs" / "errors.md").read_text()
    for kind in FACTS:
        if kind not in (errors.Misconfigured, errors.Internal):
            assert f"| {kind.__name__} |" in table
