"""The audio of OpenAI's official Python SDK over our face of it, and an emulated Coze behind."""

from pathlib import Path

import pytest

from houses import served_openly
from judged import driven
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
VOICE, OTHER, *_ = VOICES


async def test_the_official_sdk_speaks_and_writes_down(tmp_path: Path) -> None:
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY, voice_id=VOICE, voices={"mine": OTHER}) as base,
    ):
        told = await driven("openai", f"{base}/v1", KEY, home=tmp_path, script="audio.py")
    assert told["spoken"] == told["named"] == "RIFF"
    assert told["slowly"] == pytest.approx(2, rel=0.01)
    assert told["written"] == told["written_as_text"].strip() == "A recording of 0.36 seconds at 24000 Hz."
    refused = ("no_voice", "no_format", "subtitles", "in_pieces")
    wrong = {name: (told[name]["raised"], told[name]["status"]) for name in refused}
    assert wrong == {
        "no_voice": ("NotFoundError", 404),
        "no_format": ("BadRequestError", 400),
        "subtitles": ("BadRequestError", 400),
        "in_pieces": ("BadRequestError", 400),
    }
