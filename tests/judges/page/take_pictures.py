"""`make pictures`: the pictures of the page in docs/pictures, over an emulator."""

import json
import subprocess
from pathlib import Path

import anyio

from realcoze.app.emulation import emulated_settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.emulator.account import SESSION_ID
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating

HERE = Path(__file__).parent
PICTURES = HERE.parents[2] / "docs" / "pictures"


async def main() -> None:
    async with (
        emulating(PlaygroundSettings(session_id=SESSION_ID, pace=0)) as emulator,
        emulated_settings(emulator) as settings,
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        command = [HERE / ".venv/bin/python", HERE / "drive.py", f"http://127.0.0.1:{port}/", "screenshots", PICTURES]
        done = await anyio.run_process([str(part) for part in command], stderr=subprocess.STDOUT)
    for name in json.loads(done.stdout)["names"]:
        print(PICTURES / name, (PICTURES / name).stat().st_size, "bytes")


anyio.run(main, backend_options={"use_uvloop": True})
