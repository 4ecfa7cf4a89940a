from realcoze.domain.content import Audio, Text
from realcoze.domain.event import AnswerDone, AudioDelta, Event, TextDelta, TurnDone
from realcoze.domain.ids import MessageId
from realcoze.domain.message import Message, say
from realcoze.emulator.sound import BITE_BYTES, RATE, Recording, is_spoken_to, pcm_of, recording_of, voiced, wav_of

ONE = MessageId("1")
SHOUT = Message(role="user", parts=(Text(text="hey"), Audio(key="1")))


def test_a_tone_for_each_word_and_the_same_for_the_same() -> None:
    assert pcm_of("") == b""
    assert len(pcm_of("one two")) == 2 * len(pcm_of("one")) == 4 * int(RATE * 0.12)
    assert pcm_of("one one")[: len(pcm_of("one"))] == pcm_of("one")
    assert pcm_of("one") != pcm_of("two")
    assert len(pcm_of("one", speed=2)) * 2 == len(pcm_of("one"))
    assert any(pcm_of("one"))


def test_a_file_says_what_it_is() -> None:
    assert recording_of(wav_of("one two", rate=8000)) == Recording(0.24, 8000, 1)
    for data in (b"", b"RIFF", wav_of("one")[:20], b"ID3"):
        assert recording_of(data) is None


def test_a_bot_is_spoken_to_when_the_question_has_sound() -> None:
    assert is_spoken_to([SHOUT])
    assert is_spoken_to([SHOUT, say("user", "and this")])
    assert not is_spoken_to([SHOUT, say("assistant", "yes"), say("user", "and this")])
    assert not is_spoken_to([])


def test_what_is_said_is_heard_in_pieces_before_it_is_done() -> None:
    said: list[Event] = [
        TextDelta(message_id=ONE, text="one two"),
        AnswerDone(message_id=ONE, text="one two"),
        TurnDone(),
    ]
    events = list(voiced(said))
    sounds = [event for event in events if isinstance(event, AudioDelta)]
    assert [event for event in events if event not in sounds] == said
    assert isinstance(events[-2], AnswerDone)
    assert b"".join(sound.audio for sound in sounds) == pcm_of("one two")
    assert all(len(sound.audio) <= BITE_BYTES for sound in sounds)
