import pytest

from realcoze.domain.content import Audio, Text
from realcoze.domain.event import AudioDelta
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message
from realcoze.domain.ports import Speaks, Speech, Transcribes
from realcoze.domain.request import Request
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.sound import pcm_of, recording_of, wav_of
from realcoze.errors import BadRequest, NotFound, TooLarge, UpstreamDenied
from realcoze.upstreams.credentials import Secret
from servers import Coze, Gathered, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")

BOT = BotName("echo")
VOICE = next(iter(VOICES))


async def test_a_text_becomes_a_sound_that_lasts_as_it_should(coze: Coze) -> None:
    async with reached_openly(coze.base, voice_id=VOICE) as upstream:
        assert isinstance(upstream, Speaks)
        sound = await upstream.speak(Speech(text="one two three", format="wav"), BOT)
        slow = await upstream.speak(Speech(text="one two three", voice=VOICE, format="wav", speed=0.5), BOT)
        bare = await upstream.speak(Speech(text="one two three", format="pcm"), BOT)
    heard, slowly = recording_of(sound.data), recording_of(slow.data)
    assert sound.content_type == "audio/wav"
    assert heard is not None
    assert slowly is not None
    assert slowly.seconds == pytest.approx(2 * heard.seconds)
    assert (bare.content_type, bare.data) == ("audio/pcm", pcm_of("one two three"))


async def test_the_longest_text_at_the_slowest_is_not_too_much(coze: Coze) -> None:
    async with reached_openly(coze.base, voice_id=VOICE) as upstream:
        sound = await upstream.speak(Speech(text="x " * 500, format="wav", speed=0.2), BOT)
    heard = recording_of(sound.data)
    assert heard is not None
    assert heard.seconds == pytest.approx(300)


async def test_other_names_of_voices_are_those_of_the_settings(coze: Coze) -> None:
    names = {"mine": VOICE, "alloy": ""}
    async with reached_openly(coze.base, voices=names) as upstream:
        assert (await upstream.speak(Speech(text="hello", voice="mine", format="wav"), BOT)).data
        with pytest.raises(BadRequest, match="'alloy' means the account's own voice"):
            await upstream.speak(Speech(text="hello", voice="alloy", format="wav"), BOT)


async def test_without_a_voice_it_says_where_they_are_listed(coze: Coze) -> None:
    async with reached_openly(coze.base) as upstream:
        with pytest.raises(BadRequest) as caught:
            await upstream.speak(Speech(text="hello", format="wav"), BOT)
    assert caught.value.code == "no_voice"
    assert "/v1/audio/voices" in str(caught.value.hint)
    assert coze.open_api.seen.calls == []


async def test_what_cannot_be_spoken_is_told(coze: Coze) -> None:
    async with reached_openly(coze.base, voice_id=VOICE) as upstream:
        with pytest.raises(BadRequest, match="1024"):
            await upstream.speak(Speech(text="x" * 1025, format="wav"), BOT)
        with pytest.raises(NotFound, match="voice_id"):
            await upstream.speak(Speech(text="hello", voice="99", format="wav"), BOT)
        with pytest.raises(BadRequest, match="no encoder"):
            await upstream.speak(Speech(text="hello", format="mp3"), BOT)


async def test_a_recording_is_written_down(coze: Coze) -> None:
    async with reached_openly(coze.base) as upstream:
        assert isinstance(upstream, Transcribes)
        text = await upstream.transcribe(wav_of("one two three", rate=16_000), "", BOT)
        assert text == "A recording of 0.36 seconds at 16000 Hz."
        for data, said in ((b"%PDF-1.7", "no recording"), (b"", "empty")):
            with pytest.raises(BadRequest, match=said):
                await upstream.transcribe(data, "a.pdf", BOT)
        with pytest.raises(TooLarge):
            await upstream.transcribe(wav_of("x") + bytes(10 << 20), "a.wav", BOT)


async def test_a_refused_account_is_left_alone(coze: Coze) -> None:
    async with reached_openly(coze.base, token=Secret("pat_wrong"), voice_id=VOICE) as upstream:
        for _ in range(2):
            with pytest.raises(UpstreamDenied):
                await upstream.speak(Speech(text="hello", format="wav"), BOT)
    assert len(coze.open_api.seen.calls) == 1


async def test_a_bot_that_is_spoken_to_speaks(coze: Coze) -> None:
    gathered = Gathered()
    async with reached_openly(coze.base) as upstream:
        part = await upstream.upload(wav_of("hello there"), "a.wav", BOT)
        assert isinstance(part, Audio)
        asked = Message(role="user", parts=(Text(text="say this again"), part))
        await upstream.converse(Request(messages=(asked,), bot=BOT), gathered)
    sounds = [event for event in gathered.events if isinstance(event, AudioDelta)]
    assert gathered.text == "say this again"
    assert len(sounds) > 1
    assert b"".join(sound.audio for sound in sounds) == pcm_of("say this again")
