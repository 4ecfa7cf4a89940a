"""Rows → an OpenAPI document.

Of OpenAPI 3.1, whose schemas are those of JSON Schema.  It has no word for a stream: the schema of one is that of
each of its events, in the form of 3.2's `itemSchema`, or of each of its lines.

Source: the OpenAPI Specification 3.1.1, and 3.2.0 (4.14.4) for events.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from realcoze import __version__
from realcoze.app.description import anthropic, native, openai, openai_kept
from realcoze.app.description.apis import CLOSING, Closing
from realcoze.app.description.call import JSON, Api, Call, Content, Parameter

CALLS: Mapping[tuple[str, str], Call] = {
    (call.method, call.path): call for call in (*native.CALLS, *openai.CALLS, *openai_kept.CALLS, *anthropic.CALLS)
}
"""What each route is, by its method and path."""

PASSED_OVER = frozenset({"HEAD", "OPTIONS"})
"""Methods that every path has in one and the same way."""

_ABOUT = (
    "Bots of Coze for clients of OpenAI's and Anthropic's APIs, and of our own. "
    "Members of a request that are not named here are passed over."
)
_SCHEMAS = "#/components/schemas/"
_BEGINNING = re.compile(r"realcoze\.(?:dialects|app\.description)\.")
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}

_Object = dict[str, Any]

_ID: _Object = {"x-request-id": {"description": "By it the log has the request", "schema": {"type": "string"}}}
_HEADERS: _Object = {
    **_ID,
    "retry-after": {"description": "Seconds to wait before the next call", "schema": {"type": "integer"}},
    "x-should-retry": {"description": "Whether another call may help", "schema": {"enum": ["true", "false"]}},
}
"""What an answer without success may say besides."""

_ALLOW: _Object = {"allow": {"description": "The methods that the path has", "schema": {"type": "string"}}}


def described(routes: Iterable[BaseRoute]) -> list[Call]:
    """The row of each route, in the order of the rows.  Raises `KeyError` for one that nobody has described."""
    there: set[tuple[str, str]] = set()
    for route in routes:
        if isinstance(route, Route):
            path = re.sub(r":\w+}", "}", route.path)
            there |= {(method, path) for method in (route.methods or set()) - PASSED_OVER}
    if undescribed := there - set(CALLS):
        raise KeyError(f"{sorted(undescribed)} have no row in app/description.")
    return [call for key, call in CALLS.items() if key in there]


def encode_document(calls: Sequence[Call], *, is_open: bool) -> bytes:
    """The whole document; `is_open` where the server has no key."""
    schemas = _Schemas(_types(calls))
    paths: dict[str, _Object] = {}
    refusals: dict[str, _Object] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas, refusals, is_open=is_open)
    apis = {api.name: api for call in calls for api in call.apis}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "realcoze",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": "./"}],
        "tags": [{"name": api.name, "description": api.about} for api in apis.values()],
        "paths": paths,
        "components": {"securitySchemes": _KEYS, "responses": refusals, "schemas": schemas.components},
    }
    return msgspec.json.encode(document)


class _Schemas:
    """The schemas of types, and the components that they refer to under names that people can read."""

    def __init__(self, types: Iterable[Any]) -> None:
        each = list(dict.fromkeys(types))
        schemas, components = msgspec.json.schema_components(each, ref_template=_SCHEMAS + "{name}")
        names = _names(components)
        self._of = dict(zip(each, (_renamed(schema, names) for schema in schemas), strict=True))
        self.components = {names[name]: _renamed(schema, names) for name, schema in components.items()}
        for name, schema in self.components.items():
            schema["title"] = name.rpartition(".")[2]

    def of(self, *types: Any) -> _Object:
        """The schema of what is one of `types`."""
        each = [self._of[type_] for type_ in types]
        return each[0] if len(each) == 1 else {"anyOf": each}


def _names(components: Iterable[str]) -> dict[str, str]:
    """The names that msgspec gives → ours: without what all begin with, and without underscores that tell nothing."""
    names: dict[str, str] = {}
    for name in sorted(components):
        module, _, last = _BEGINNING.sub("", name).rpartition(".")
        plain = ".".join(filter(None, (module, last.lstrip("_"))))
        names[name] = name if plain in names.values() else plain
    return names


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if isinstance(schema, dict):
        return {key: _renamed(value, names) for key, value in schema.items()}
    if isinstance(schema, str) and schema.startswith(_SCHEMAS):
        return _SCHEMAS + names[schema.removeprefix(_SCHEMAS)]
    return schema


def _types(calls: Iterable[Call]) -> Iterator[Any]:
    yield Closing
    for call in calls:
        yield from (api.failure for api in call.apis)
        yield from (parameter.type for parameter in call.parameters)
        for content in (*call.body, *call.answer):
            yield content.type
            yield from content.events


def _operation(call: Call, schemas: _Schemas, refusals: dict[str, _Object], *, is_open: bool) -> _Object:
    """One method of a path; the answers without success that it has are put into `refusals`."""
    keys: list[_Object] = [{name: []} for name in _KEYS]
    operation: _Object = {
        "operationId": "_".join(re.findall(r"\w+", f"{call.method.lower()} {call.path}")),
        "summary": call.summary,
        "tags": [api.name for api in call.apis],
        "security": [] if call.is_open else [{}, *keys] if is_open else keys,
        "responses": {"200": _answer(call, schemas), **_refusals(call, schemas, refusals)},
    }
    if call.about:
        operation["description"] = call.about
    if call.parameters:
        operation["parameters"] = [_parameter(each, schemas) for each in call.parameters]
    if call.body:
        operation["requestBody"] = {"required": True, "content": _content(call.body, schemas)}
    return operation


def _parameter(parameter: Parameter, schemas: _Schemas) -> _Object:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.about,
        "schema": schemas.of(parameter.type),
    }


def _content(contents: Iterable[Content], schemas: _Schemas) -> _Object:
    """By their media types, of which one may have several shapes."""
    of_media: dict[str, list[Content]] = {}
    for content in contents:
        of_media.setdefault(content.media, []).append(content)
    written: _Object = {}
    for media, each in of_media.items():
        written[media] = {"schema": _schema(each, schemas)}
        if examples := {name: {"value": value} for content in each for name, value in content.examples.items()}:
            written[media]["examples"] = examples
    return written


def _schema(contents: Sequence[Content], schemas: _Schemas) -> _Object:
    """What stands under one media type."""
    events = [event for content in contents for event in content.events]
    if not events:
        return schemas.of(*(content.type for content in contents))
    data: _Object = {"type": "string", "contentMediaType": JSON, "contentSchema": schemas.of(*events)}
    if ends := [{"const": content.last} for content in contents if content.last]:
        data = {"anyOf": [data, *ends]}
    return {"type": "object", "properties": {"event": {"type": "string"}, "data": data}, "required": ["data"]}


def _answer(call: Call, schemas: _Schemas) -> _Object:
    headers: _Object = {
        name: {"description": about, "schema": {"type": "string"}} for name, about in call.headers.items()
    }
    if not call.is_open:
        headers["x-request-id"] = {**_ID["x-request-id"], "required": True}
    return {"description": call.summary, "headers": headers, "content": _content(call.answer, schemas)}


def _refusals(call: Call, schemas: _Schemas, refusals: dict[str, _Object]) -> _Object:
    """By their statuses, in the shape of each API that the call is of."""
    of_status: dict[int, list[Api]] = {}
    for api in call.apis:
        for status in api.statuses:
            if call.errors is None or status in call.errors:
                of_status.setdefault(status, []).append(api)
    told: _Object = {}
    for status, apis in sorted(of_status.items()):
        name = "-".join([*(api.name for api in apis), str(status)])
        told[str(status)] = {"$ref": f"#/components/responses/{name}"}
        refusals[name] = _refusal(status, apis, schemas)
    return told


def _refusal(status: int, apis: Sequence[Api], schemas: _Schemas) -> _Object:
    failures = [*(api.failure for api in apis), *([Closing] if status in CLOSING else [])]
    return {
        "description": apis[0].statuses[status],
        "headers": {**_HEADERS, **(_ALLOW if status == 405 else {})},
        "content": {JSON: {"schema": schemas.of(*failures)}},
    }
