import json

from realcoze.domain.ids import RequestId
from realcoze.errors import Busy, Unauthorized
from realcoze.faces.http import Refused
from realcoze.faces.openai.refusal import refuse_at_door, refuse_error


def test_an_error_has_its_status_and_says_whether_to_ask_again() -> None:
    """CLIENTS §4.2 rule 10.  CLIENTS §4.2 rule 11."""
    response = refuse_error(RequestId("req_1"), Busy("Busy.", retry_after_s=2))
    assert response.status_code == 409
    assert json.loads(bytes(response.body))["error"]["code"] == "conversation_busy"
    told = {name: response.headers.get(name) for name in ("x-request-id", "retry-after", "x-should-retry")}
    assert told == {"x-request-id": "req_1", "retry-after": "2", "x-should-retry": "true"}
    assert "x-should-retry" not in refuse_error(RequestId("req_1"), Unauthorized("Who?")).headers


def test_what_is_refused_at_the_door_has_the_same_shape() -> None:
    """CLIENTS §4.2 rule 9."""
    response = refuse_at_door(Refused(404, "no_such_path", "There is none."))
    assert response.status_code == 404
    assert json.loads(bytes(response.body))["error"]["code"] == "no_such_path"
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-should-retry"] == "false"
