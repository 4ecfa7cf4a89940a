from io import BytesIO
from typing import Any

import aiohttp
import pytest

from open_coze import Answer, OpenClient, open_coze
from realcoze.dialects.coze_open.audio import SPEECH_PATH, TRANSCRIPTIONS_PATH, VOICES_PATH
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.sound import pcm_of, recording_of, wav_of

pytestmark = pytest.mark.usefixtures("nothing_left")

VOICE = next(iter(VOICES))


async def spoken(coze: OpenClient, **more: Any) -> Answer:
    return await coze.post(SPEECH_PATH, {"input": "one two", "voice_id": VOICE, "response_format": "wav", **more})


async def written(coze: OpenClient, data: bytes) -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", BytesIO(data), filename="a.wav")
    return await coze.call("POST", TRANSCRIPTIONS_PATH, data=form)


async def test_speech_is_a_real_sound_whose_length_follows_the_text() -> None:
    async with open_coze() as coze:
        body = {"input": "one two three", "voice_id": VOICE, "response_format": "wav", "sample_rate": 16000}
        async with coze.http.post(coze.base + SPEECH_PATH, json=body) as answer:
            assert answer.content_type == "audio/wav"
            found = recording_of(await answer.read())
        async with coze.http.post(coze.base + SPEECH_PATH, json={**body, "response_format": "pcm"}) as answer:
            assert answer.content_type == "audio/pcm"
            assert await answer.read() == pcm_of("one two three", 16000)
    assert found is not None
    assert (found.rate, found.channels) == (16000, 1)
    assert found.seconds == pytest.approx(0.36)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"input": "x" * 1025}, 3010),
        ({"voice_id": "1"}, 4200),
        ({"response_format": "mp3"}, 4000),
        ({"sample_rate": 12345}, 4000),
        ({"speed": 9}, 4000),
        ({"input": None}, 4000),
    ],
    ids=str,
)
async def test_what_cannot_be_spoken_is_refused(wish: dict[str, Any], code: int) -> None:
    async with open_coze() as coze:
        assert (await spoken(coze, **wish)).json["code"] == code


async def test_a_recording_is_described() -> None:
    async with open_coze() as coze:
        told = (await written(coze, wav_of("one two"))).json
        assert told["data"]["text"] == "A recording of 0.24 seconds at 24000 Hz."
        assert "audio/mpeg" in (await written(coze, b"ID3" + bytes(20))).json["data"]["text"]
        assert (await written(coze, b"%PDF")).json["code"] == 4303
        assert (await written(coze, wav_of("x") + bytes(10 << 20))).json["code"] == 4302
        assert (await coze.post(TRANSCRIPTIONS_PATH)).json["code"] == 4300


async def test_the_voices_are_listed_by_kind_and_page() -> None:
    async with open_coze() as coze:
        every = (await coze.get(VOICES_PATH)).json["data"]
        assert [voice["voice_id"] for voice in every["voice_list"]] == list(VOICES)
        small = (await coze.get(VOICES_PATH, model_type="small")).json["data"]["voice_list"]
        assert [voice["name"] for voice in small] == ["Whistle"]
        first = (await coze.get(VOICES_PATH, page_num="1", page_size="1")).json["data"]
        assert (len(first["voice_list"]), first["has_more"]) == (1, True)


async def test_studio_has_no_audio() -> None:
    async with open_coze(personality="studio") as coze:
        assert (await spoken(coze)).status == 404
