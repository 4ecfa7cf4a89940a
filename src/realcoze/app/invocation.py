"""How this program can be called again, for lines that people paste into a shell."""

import shlex
import shutil
import sys
from pathlib import Path


def our_command() -> str:
    """`realcoze` where the shell finds this very installation by that name, else the way to it."""
    script = Path(sys.executable).with_name("realcoze")
    found = shutil.which("realcoze")
    if found and Path(found) == script:
        return "realcoze"
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m realcoze"
