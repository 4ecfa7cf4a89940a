from realcoze.dialects.coze_open.workflow_encoder import WorkflowStreamEncoder
from realcoze.domain.event import Event, Usage
from realcoze.emulator.account import WORKFLOWS
from realcoze.emulator.open_api.workflow_run import WorkflowRun
from realcoze.emulator.workflow_script import Play, perform

BY_NAME = {each.name: each for each in WORKFLOWS}


def run(name: str, *, beats: int = 0, beat_s: float = 0.0, stuck_after: int | None = None) -> WorkflowRun:
    play = Play(given={}, event_id="11/12", beats=beats)
    made = WorkflowRun("11", BY_NAME[name], play, 15)
    made.begin_leg(perform(name, play), WorkflowStreamEncoder(), beat_s=beat_s, stuck_after=stuck_after)
    return made


async def test_a_run_has_its_output_when_all_is_said() -> None:
    poem = run("poem")
    assert (poem.has_said_all, poem.output, poem.asks, poem.failure) == (False, "", None, None)
    await poem.play(None)
    assert poem.output.startswith('{"output":"Of nothing I sing')
    assert poem.usage.total > 0
    assert poem.debug_url == (
        "https://www.coze.com/work_flow?execute_id=11&space_id=7300000000000000000"
        "&workflow_id=7500000000000000001&execute_mode=2"
    )


async def test_a_run_that_asks_waits_with_its_question() -> None:
    quiz = run("quiz")
    await quiz.play(None)
    assert quiz.asks is not None
    assert quiz.asks.event_id == "11/12"
    assert (quiz.output, quiz.usage) == ("", Usage(input=0, output=0, total=0))


async def test_a_run_that_failed_says_why() -> None:
    broken = run("broken")
    await broken.play(None)
    assert broken.failure is not None
    assert broken.failure.upstream_code == 720701013


async def test_a_run_may_be_stuck_after_some_messages() -> None:
    poem = run("poem", stuck_after=1)
    await poem.play(None)
    assert not poem.has_said_all
    await poem.reached(1)


async def test_signs_of_life_are_blocks_of_their_own() -> None:
    quiet = run("quiet", beats=2)
    assert [block.name for block in quiet.blocks][:3] == ["PING", "PING", "Message"]


def test_a_run_that_has_not_begun_has_said_nothing() -> None:
    made = WorkflowRun("11", BY_NAME["poem"], Play(given={}), 15)
    nothing: tuple[Event, ...] = ()
    assert (made.events, made.blocks) == (nothing, ())
