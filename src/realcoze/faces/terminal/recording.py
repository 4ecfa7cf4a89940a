"""A spoken answer as a file: PCM becomes a WAV, anything else is written as it came."""

import io
import re
import time
import wave
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from rich.filesize import decimal

from realcoze.domain.event import AudioDelta

PCM = "pcm"
RATE_HZ, BYTES, CHANNELS = 24_000, 2, 1
"""Of Coze's PCM: docs/protocol/openapi-v3.md §13."""

_SUFFIX = re.compile("[A-Za-z0-9]{1,8}")


class Recording:
    """Gathers what one answer says aloud."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._format = ""

    def feed(self, event: AudioDelta) -> None:
        self._pieces.append(event.audio)
        self._format = event.format

    def save(self, folder: Path) -> str:
        """Write it into a file of its own, never over another; what is said about it, if anything was heard."""
        sound = b"".join(self._pieces)
        if not sound:
            return ""
        try:
            path = _written(folder, sound, self._format)
        except OSError as error:
            return f"The spoken answer cannot be saved in {folder}: {error.strerror}."
        return f"Saved {_length(sound, self._format)} of speech to {path.name}."


def _written(folder: Path, sound: bytes, sound_format: str) -> Path:
    is_pcm = sound_format == PCM
    # A bot's word for the format must not lead out of the folder.
    suffix = "wav" if is_pcm else sound_format if _SUFFIX.fullmatch(sound_format) else "audio"
    stem = time.strftime("answer-%Y%m%d-%H%M%S")
    names = chain([f"{stem}.{suffix}"], (f"{stem}-{number}.{suffix}" for number in count(2)))
    while True:
        path = folder / next(names)
        with suppress(FileExistsError), path.open("xb") as file:
            file.write(_wav(sound) if is_pcm else sound)
            return path


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(CHANNELS)
        written.setsampwidth(BYTES)
        written.setframerate(RATE_HZ)
        written.writeframes(pcm)
    return file.getvalue()


def _length(sound: bytes, sound_format: str) -> str:
    if sound_format != PCM:
        return str(decimal(len(sound)))
    return f"{len(sound) / (RATE_HZ * BYTES * CHANNELS):.1f} s"
