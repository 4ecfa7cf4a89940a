"""Ask a bot one question, from a script.

`python examples/ask.py "Hello"` with the settings of this folder;
`python examples/ask.py --demo "Hello"` on an embedded Coze.
"""

import sys

import realcoze

words = [word for word in sys.argv[1:] if word != "--demo"]

with realcoze.open_sync(demo="--demo" in sys.argv) as coze:
    reply = coze.ask(" ".join(words) or "Hello")

print(reply.text)
