"""Functions that a request groups under a namespace, as Codex does those of an MCP server.

A bot is told of each by one name.  Its calls go back as the client knows them, namespace and name apart: by the
one name Codex (0.169.0) finds none.

Source: openai 3, types/responses/namespace_tool.py.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from realcoze.dialects.openai_tools import NAMESPACE, ToolBody


def one_name(namespace: str | None, name: str) -> str:
    """What a bot knows a function by."""
    return f"{namespace}__{name}" if namespace else name


def without_namespaces(tools: Iterable[ToolBody]) -> Iterator[ToolBody]:
    """The tools, those of namespaces among them by their one names."""
    for tool in tools:
        if tool.type == NAMESPACE:
            yield from (replace(held, name=one_name(tool.name, held.name)) for held in tool.tools if held.name)
        else:
            yield tool


def namespaces_of(tools: Iterable[ToolBody]) -> dict[str, str]:
    """The namespace of each one name that has one."""
    return {
        one_name(tool.name, held.name): tool.name for tool in tools if tool.type == NAMESPACE for held in tool.tools
    }


def apart(name: str, namespaces: Mapping[str, str]) -> tuple[str | None, str]:
    """The namespace and the name of what a bot has called."""
    namespace = namespaces.get(name)
    return namespace, name.removeprefix(one_name(namespace, "")) if namespace else name
