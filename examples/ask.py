"""Ask a bot one question, from a script.  `make demo` installs realcoze into `.venv`.

`.venv/bin/python examples/ask.py "Hello"` with the settings of this folder;
`.venv/bin/python examples/ask.py --demo "Hello"` on an embedded Coze.
"""

import sys

import realcoze
from realcoze.errors import RealcozeError

words = [word for word in sys.argv[1:] if word != "--demo"]

try:
    with realcoze.open_sync(demo="--demo" in sys.argv) as coze:
        reply = coze.ask(" ".join(words) or "Hello")
except RealcozeError as error:
    raise SystemExit(f"{error.message} {error.hint or ''}") from None

print(reply.text)
