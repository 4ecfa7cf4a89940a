import json
from typing import Any

import pytest

from realcoze import errors
from realcoze.dialects.anthropic_messages.failure import encode_error, encode_refusal, status_of
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError

REQUEST = RequestId("req_1")


def test_an_error_has_its_type_our_code_and_all_that_helps() -> None:
    error = errors.NotFound("There is no bot 'x'.", code="model_not_found", hint="Publish it.", logid="2024")
    assert json.loads(encode_error(error, REQUEST)) == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "There is no bot 'x'. Publish it. (logid 2024)",
            "details": {"error_code": "model_not_found"},
        },
        "request_id": "req_1",
    }


def test_message_and_hint_are_two_sentences() -> None:
    body = json.loads(encode_error(errors.Overloaded("Full", hint="Wait."), RequestId("req_1")))
    assert body["error"]["message"] == "Full. Wait."


def test_an_error_without_a_hint_is_its_message() -> None:
    assert json.loads(encode_error(errors.Internal("Broken."), REQUEST))["error"]["message"] == "Broken."


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.BadRequest("x"), 400, "invalid_request_error"),
        (errors.TooLarge("x"), 413, "request_too_large"),
        (errors.ContextTooLong("x"), 400, "invalid_request_error"),
        (errors.ContentRefused("x"), 400, "invalid_request_error"),
        (errors.Unauthorized("x"), 401, "authentication_error"),
        (errors.NotFound("x"), 404, "not_found_error"),
        (errors.Busy("x"), 429, "rate_limit_error"),
        (errors.RateLimited("x"), 429, "rate_limit_error"),
        (errors.Overloaded("x"), 529, "overloaded_error"),
        (errors.QuotaExhausted("x", upstream_code=4008), 429, "rate_limit_error"),
        (errors.QuotaExhausted("x"), 429, "rate_limit_error"),
        (errors.QuotaExhausted("x", upstream_code=4028), 402, "billing_error"),
        (errors.UpstreamDenied("x"), 500, "api_error"),
        (errors.UpstreamFailed("x"), 500, "api_error"),
        (errors.UpstreamTimeout("x"), 504, "timeout_error"),
        (errors.Truncated("x"), 500, "api_error"),
        (errors.Misconfigured("x"), 500, "api_error"),
        (errors.Internal("x"), 500, "api_error"),
    ],
)
def test_each_class_has_the_status_and_the_type_of_the_one_table(error: RealcozeError, status: int, kind: str) -> None:
    assert status_of(error) == status
    assert json.loads(encode_error(error, REQUEST))["error"]["type"] == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
    ],
)
def test_a_refusal_of_http_itself_has_the_same_shape(status: int, kind: str) -> None:
    body: Any = json.loads(encode_refusal(status, "some_code", "No.", REQUEST))
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    assert body["error"] == {"type": kind, "message": "No.", "details": {"error_code": "some_code"}}
