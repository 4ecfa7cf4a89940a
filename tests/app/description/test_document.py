import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from realcoze.app.description.document import CALLS, described, encode_document


async def nothing(_request: Request) -> Response:
    return Response()


def document(*, is_open: bool = True) -> Any:
    return json.loads(encode_document(list(CALLS.values()), is_open=is_open))


def operations() -> Iterator[tuple[str, Any]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def values(tree: Any, name: str) -> Iterator[Any]:
    """All that stands under a name, however deep."""
    if isinstance(tree, dict):
        yield from (value for key, value in tree.items() if key == name)
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from values(each, name)


def test_a_route_has_the_row_of_its_method_and_path() -> None:
    routes = [
        Route("/v1/models/{name:path}", nothing, methods=["GET"]),
        Route("/health", nothing, methods=["GET", "OPTIONS"]),
    ]
    assert [call.path for call in described(routes)] == ["/health", "/v1/models/{name}"]


def test_a_route_that_nobody_has_described_is_a_defect() -> None:
    with pytest.raises(KeyError, match="'POST', '/v1/new'"):
        described([Route("/v1/new", nothing, methods=["POST"])])


def test_every_reference_leads_somewhere_and_nothing_is_there_in_vain() -> None:
    whole = document()
    references = set(values(whole, "$ref")) | {
        each for mapping in values(whole, "mapping") for each in mapping.values() if isinstance(mapping, dict)
    }
    components = whole["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in components[kind]}
    assert references == there


def test_names_are_for_people() -> None:
    names = set(document()["components"]["schemas"])
    assert {"openai_chat.request.Body", "native.request.Body", "Chunk", "MessageBody"} <= names
    assert {name for name in names if name.startswith("realcoze.") or not re.fullmatch(r"[\w.]+", name)} == set()


def test_members_that_are_not_named_may_be_sent() -> None:
    """All requests pass them over."""
    assert False not in list(values(document()["components"]["schemas"], "additionalProperties"))


def test_each_operation_has_a_name_of_its_own_and_says_what_it_is() -> None:
    each = dict(operations())
    assert len({operation["operationId"] for operation in each.values()}) == len(each)
    assert all(operation["summary"] and operation["tags"] for operation in each.values())


@pytest.mark.parametrize(
    ("is_open", "keys"), [(True, [[], ["bearer"], ["x-api-key"]]), (False, [["bearer"], ["x-api-key"]])]
)
def test_a_key_is_wanted_where_the_server_has_one(is_open: bool, keys: list[list[str]]) -> None:  # noqa: FBT001
    paths = document(is_open=is_open)["paths"]
    assert [list(each) for each in paths["/v1/messages"]["post"]["security"]] == keys
    assert paths["/health"]["get"]["security"] == []


def test_errors_have_the_shape_of_their_api() -> None:
    paths, responses = document()["paths"], document()["components"]["responses"]

    def shapes(path: str, method: str, status: str) -> list[str]:
        named = paths[path][method]["responses"][status]["$ref"].rpartition("/")[2]
        return [str(each) for each in values(responses[named]["content"], "$ref")]

    native, openai, anthropic = (f"#/components/schemas/{name}" for name in (
        "native.failure.Wrapped", "openai_wire.Wrapped", "anthropic_messages.failure.Body"
    ))  # fmt: skip
    assert shapes("/", "post", "404") == [native]
    assert shapes("/v1/responses", "post", "404") == [openai]
    assert shapes("/v1/messages", "post", "404") == [anthropic]
    assert shapes("/v1/models", "get", "404") == [openai, anthropic]
    assert shapes("/v1/models", "get", "402") == [anthropic]
    assert "502" not in paths["/health"]["get"]["responses"]


def test_headers_are_told_where_they_come() -> None:
    whole = document()
    count = whole["paths"]["/v1/messages/count_tokens"]["post"]["responses"]
    assert set(count["200"]["headers"]) == {"request-id", "x-request-id", "x-realcoze-estimate"}
    assert count["200"]["headers"]["x-request-id"]["required"]
    assert whole["paths"]["/health"]["get"]["responses"]["200"]["headers"] == {}
    having = {name for name, each in whole["components"]["responses"].items() if "allow" in each["headers"]}
    assert having == {name for name in whole["components"]["responses"] if name.endswith("405")}


def test_the_events_of_a_stream_are_described_and_what_ends_it() -> None:
    answer = document()["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    json_data, done = answer["text/event-stream"]["schema"]["properties"]["data"]["anyOf"]
    assert done == {"const": "[DONE]"}
    assert [each["$ref"].rpartition("/")[2] for each in json_data["contentSchema"]["anyOf"]] == [
        "Chunk",
        "openai_wire.Wrapped",
    ]
