"""Let a bot call a function of yours: its local plugin.  `make demo` installs realcoze into `.venv`.

`.venv/bin/python examples/tools.py "make tea"` with the settings of this folder;
`.venv/bin/python examples/tools.py --demo` on an embedded Coze.
"""

import sys

import realcoze
from realcoze.errors import RealcozeError

is_demo = "--demo" in sys.argv
errand = " ".join(word for word in sys.argv[1:] if word != "--demo") or "make tea"


@realcoze.tool
def add_reminder(time: str, what: str) -> str:
    print(f"[add_reminder] at {time}: {what}")
    return "It stands in the calendar."


try:
    with realcoze.open_sync(demo=is_demo) as coze:
        reply = coze.ask(f"Remind me at 5pm: {errand}", bot="secretary" if is_demo else "", tools=[add_reminder])
except RealcozeError as error:
    raise SystemExit(f"{error.message} {error.hint or ''}") from None

print(reply.text)
