"""Where a server that listens on some host can be called."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
"""Addresses that stand for all of a machine's, and one of them that can be called."""


def in_url(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def callable_at(host: str, port: int) -> str:
    """Host and port for a caller on the same machine."""
    return f"{in_url(EVERYWHERE.get(host, host))}:{port}"
