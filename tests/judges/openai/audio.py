"""The audio of OpenAI's official Python SDK against a server: what each of its calls comes to.

Called as `audio.py BASE KEY`.  Prints one JSON object: call → what it gave, or how it failed.
"""

import json
import sys
from functools import partial
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)


def spoken(voice: str = "alloy", form: str = "wav", **more: Any) -> bytes:
    sound: bytes = client.audio.speech.create(
        model="echo", voice=voice, input="one two three", response_format=form, **more
    ).content
    return sound


def kind(*wished: str) -> str:
    """The first bytes of a sound."""
    return spoken(*wished)[:4].decode()


def written(**more: Any) -> Any:
    return client.audio.transcriptions.create(model="echo", file=("a.wav", spoken()), **more)


tried("spoken", kind)
tried("slowly", lambda: len(spoken(speed=0.5)) / len(spoken()))
tried("named", partial(kind, "mine"))
tried("no_voice", partial(kind, "99"))
tried("no_format", partial(kind, "alloy", "flac"))
tried("written", lambda: written().text)
tried("written_as_text", lambda: written(response_format="text"))
tried("in_pieces", lambda: [event.type for event in written(stream=True)])
tried("subtitles", lambda: written(response_format="srt"))
sys.stdout.write(json.dumps(told))
