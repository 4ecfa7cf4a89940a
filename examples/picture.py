"""Show a bot a picture.  `make demo` installs realcoze into `.venv`.

`.venv/bin/python examples/picture.py PICTURE` shows it to the first bot of the settings of this folder;
`.venv/bin/python examples/picture.py --demo PICTURE` to one of an embedded Coze.
"""

import sys

import realcoze
from realcoze.errors import RealcozeError

is_demo = "--demo" in sys.argv
match [word for word in sys.argv[1:] if word != "--demo"]:
    case [path]:
        bot = "pictures" if is_demo else ""
    case _:
        raise SystemExit(__doc__)

try:
    with realcoze.open_sync(demo=is_demo) as coze:
        picture = coze.upload(path, bot=bot)
        print(coze.ask([picture, "What is this?"], bot=bot).text)
except RealcozeError as error:
    raise SystemExit(f"{error.message} {error.hint or ''}") from None
except OSError as error:
    raise SystemExit(f"{path} cannot be read: {error.strerror}.") from None
