"""What OpenAI's clients are told when there is no answer."""

from starlette.responses import Response

from realcoze.dialects.openai_wire import encode_error, encode_refusal
from realcoze.dialects.statuses import retry_headers, status_of
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError
from realcoze.faces.http import Refused, new_request_id

JSON = "application/json"


def refuse_error(request_id: RequestId, error: RealcozeError) -> Response:
    """An error before any answer has begun."""
    headers = {"x-request-id": request_id, **retry_headers(error)}
    return Response(encode_error(error), status_of(error), headers, JSON)


def refuse_at_door(refused: Refused) -> Response:
    """The same shape for what the guard and the router refuse."""
    headers = {"x-request-id": new_request_id(), "x-should-retry": "false"}
    return Response(encode_refusal(refused.code, refused.message), refused.status, headers, JSON)
