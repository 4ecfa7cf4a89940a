import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from realcoze.domain.event import AudioDelta
from realcoze.faces.terminal.recording import Recording
from servers import files

SECOND = bytes(range(240)) * 200


def recorded(*pieces: bytes, sound_format: str = "pcm") -> Recording:
    recording = Recording()
    for piece in pieces:
        recording.feed(AudioDelta(audio=piece, format=sound_format))
    return recording


def test_pcm_becomes_a_wav_that_others_read(tmp_path: Path) -> None:
    said = recorded(SECOND, SECOND[:4800]).save(tmp_path)
    (path,) = files(tmp_path, "answer-*.wav")
    assert said == f"Saved 1.1 s of speech to {path.name}."
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (24_000, 2, 1)
        assert sound.readframes(30_000) == SECOND + SECOND[:4800]


def test_another_format_is_written_as_it_came(tmp_path: Path) -> None:
    said = recorded(b"OggS", b"more", sound_format="opus").save(tmp_path)
    (path,) = files(tmp_path, "answer-*.opus")
    assert (said, path.read_bytes()) == (f"Saved 8 bytes of speech to {path.name}.", b"OggSmore")


@pytest.mark.parametrize("sound_format", ["../../etc", "", "音声", "x" * 9, "a" * 300])
def test_a_format_is_no_path(tmp_path: Path, sound_format: str) -> None:
    recorded(b"x", sound_format=sound_format).save(tmp_path)
    assert [path.suffix for path in files(tmp_path, "*")] == [".audio"]


def test_no_file_is_written_over(tmp_path: Path) -> None:
    for _ in range(4):
        recorded(SECOND).save(tmp_path)
    assert len(files(tmp_path, "answer-*.wav")) == 4


def test_two_that_write_at_once_have_a_file_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: recorded(SECOND).save(tmp_path), range(40)))
    assert len(set(said)) == len(files(tmp_path, "answer-*.wav")) == 40


def test_silence_leaves_no_file(tmp_path: Path) -> None:
    assert recorded().save(tmp_path) == recorded(b"").save(tmp_path) == ""
    assert files(tmp_path, "*") == []


def test_a_folder_that_takes_nothing_is_a_sentence(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert recorded(SECOND).save(nowhere) == (
        f"The spoken answer cannot be saved in {nowhere}: No such file or directory."
    )
