"""Make a Coze bot answer any client.

Somebody has a bot on Coze, somebody else has a client; `realcoze` stands between the two.
ARCHITECTURE.md draws the picture; the command is `realcoze --help`; docs/python.md is for those who
call it from Python.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realcoze.client import Coze, SyncCoze
    from realcoze.client import open as open  # noqa: A004 - read as realcoze.open
    from realcoze.client import open_sync as open_sync
    from realcoze.toolbox import tool

__version__ = "0.1.0"

__all__ = ["Coze", "SyncCoze", "__version__", "tool"]  # not `open`, which would hide the builtin from `import *`

_API = {
    "Coze": "realcoze.client",
    "SyncCoze": "realcoze.client",
    "open": "realcoze.client",
    "open_sync": "realcoze.client",
    "tool": "realcoze.toolbox",
}


def __getattr__(name: str) -> Any:
    """The Python API is imported when it is asked for: the command starts without it."""
    if name in _API:
        return getattr(import_module(_API[name]), name)
    raise AttributeError(f"module 'realcoze' has no attribute {name!r}")
