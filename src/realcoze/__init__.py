"""Make a Coze bot answer any client.

Somebody has a bot on Coze, somebody else has a client; `realcoze` stands between the two.
ARCHITECTURE.md draws the picture; the command is `realcoze --help`.
"""

__version__ = "0.1.0"
