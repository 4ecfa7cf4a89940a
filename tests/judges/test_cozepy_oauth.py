"""cozepy 0.20.0 gets its tokens from the emulator, and speaks and listens there."""

import subprocess
import time
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest

from judged import JUDGES, missing
from open_coze import open_coze
from realcoze.emulator.account import API_TOKEN
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.open_api.oauth import CLIENT_ID

pytestmark = pytest.mark.anyio

FOLDER = JUDGES / "cozepy"
PYTHON = FOLDER / ".venv" / "bin" / "python"


def _run(base: str, given: dict[str, str], home: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [str(PYTHON), str(FOLDER / "oauth_and_audio.py"), base],
        env={"HOME": str(home), "LANG": "C.UTF-8"},
        input=msgspec.json.encode(given),
        capture_output=True,
        timeout=50,
        check=False,
    )


async def test_coze_com_gives_the_official_sdk_tokens_of_every_flow_and_sound(tmp_path: Path) -> None:
    if not PYTHON.exists():
        missing("The environment of tests/judges/cozepy")
    async with open_coze(device_interval_s=0) as coze:
        app = coze.server.oauth.app
        given = {
            "client_id": app.client_id,
            "key_id": app.key_id,
            "private_key": app.private_key,
            "person_client_id": CLIENT_ID,
            "token": API_TOKEN,
        }
        finished = await anyio.to_thread.run_sync(_run, coze.base, given, tmp_path)
    assert finished.returncode == 0, finished.stderr[-2000:]
    told: dict[str, Any] = msgspec.json.decode(finished.stdout)
    assert told["jwt_prefix"] == "czs_"
    assert 0 < told["jwt_ends_at"] - time.time() <= 600
    names = {name for name in told if name.endswith(("_me", "_client"))}
    assert len(names) == 6
    assert {told[name] for name in names} == {"emulated"}
    assert "issuer" in told["jwt_stranger"]["said"]
    assert told["device_code"]
    assert "authorization_pending" in told["device_pending"]["said"]
    assert "access_denied" in told["device_refused"]["said"]
    assert "used before" in told["refreshed_again"]["said"]
    assert told["pkce_plain_state"] == told["pkce_S256_state"] == "mine"
    assert "verifier" in told["pkce_wrong"]["said"]
    assert told["voices"] == list(VOICES)
    assert told["speech"] == "RIFF"
    assert told["transcription"] == "A recording of 0.36 seconds at 24000 Hz."
    assert "3010" in told["speech_too_long"]["said"]
