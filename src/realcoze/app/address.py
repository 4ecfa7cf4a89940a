"""Where a server that listens on some host can be called, and what else it may be called."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address

from realcoze.app.sources import shortened
from realcoze.errors import Misconfigured

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
"""Addresses that stand for all of a machine's, and one of them that can be called."""

_HOST = re.compile(r"[\w\-]+(?:\.[\w\-]+)*", re.ASCII)
_ORIGIN = re.compile(r"null|[A-Za-z][\w+.\-]*://[^\s/*@]*/?")


def in_url(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def callable_at(host: str, port: int) -> str:
    """Host and port for a caller on the same machine."""
    return f"{in_url(EVERYWHERE.get(host, host))}:{port}"


def check_names(hosts: Iterable[str], origins: Iterable[str]) -> None:
    """Raises `ValueError` for what no Host and no Origin of a request ever is, and would change nothing."""
    for host in hosts:
        if host != "*" and _HOST.fullmatch(host) is None and not _is_ipv6(host):
            raise ValueError(f"{host[:80]!r} among `allowed_hosts` is no host name; write it like x.example")
    for origin in origins:
        if _ORIGIN.fullmatch(origin) is None:
            raise ValueError(f"{origin[:80]!r} among `allowed_origins` is none; write it like https://x.example")


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def port_of(text: str) -> int:
    """A port as somebody has written it.  Raises `Misconfigured`."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16):
        raise Misconfigured(f"server_port is {shortened(text)}; it must be a number from 0 to 65535.")
    return int(text)
