"""The voice of the emulated Coze: a tone for each word, as real PCM and as a real WAV file.

Source: docs/protocol/openapi-v3.md §6.7, §11.
"""

import array
import io
import math
import sys
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from realcoze.domain.content import Audio
from realcoze.domain.event import AnswerDone, AudioDelta, Event
from realcoze.domain.message import Message

RATE = 24_000
WORD_S = 0.12
TONES_HZ = (262, 294, 330, 392, 440)
"""A pentatonic scale: no two of it sound wrong together."""

LOUDNESS = 8_000
MOST_WORDS = 500
BITE_BYTES = 9_600
"""A fifth of a second."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a WAV file."""

    seconds: float
    rate: int
    channels: int


def pcm_of(text: str, rate: int = RATE, speed: float = 1.0) -> bytes:
    """A text as 16-bit little-endian mono: a tone for each of its words, the same for the same word."""
    samples = array.array("h")
    for word in text.split()[:MOST_WORDS]:
        samples.extend(_tone(TONES_HZ[sum(map(ord, word)) % len(TONES_HZ)], rate, WORD_S / speed))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def wav_of(text: str, rate: int = RATE, speed: float = 1.0) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm_of(text, rate, speed))
    return file.getvalue()


def recording_of(data: bytes) -> Recording | None:
    """What a WAV file is; None for what is none."""
    try:
        with wave.open(io.BytesIO(data)) as reader:
            rate = reader.getframerate()
            return Recording(reader.getnframes() / rate, rate, reader.getnchannels())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None


def is_spoken_to(history: Sequence[Message]) -> bool:
    """The question came as sound: since the bot's last answer there is some."""
    asked = takewhile(lambda message: message.role == "user", reversed(history))
    return any(isinstance(part, Audio) for message in asked for part in message.parts)


def voiced(events: Iterable[Event]) -> Iterator[Event]:
    """A turn that is said aloud, too: each message's sound comes in pieces before it is done."""
    for event in events:
        if isinstance(event, AnswerDone):
            sound = pcm_of(event.text)
            for at in range(0, len(sound), BITE_BYTES):
                yield AudioDelta(audio=sound[at : at + BITE_BYTES], format="pcm")
        yield event


@lru_cache(maxsize=64)
def _tone(pitch_hz: int, rate: int, seconds: float) -> "array.array[int]":
    """One word, which swells and fades, so that nothing clicks."""
    count = int(rate * seconds)
    return array.array(
        "h",
        (
            int(LOUDNESS * math.sin(math.pi * place / count) * math.sin(2 * math.pi * pitch_hz * place / rate))
            for place in range(count)
        ),
    )
