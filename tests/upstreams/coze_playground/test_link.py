import itertools

import pytest

from realcoze.upstreams.coze_playground.link import NEXT, Due, Input, Link, State
from realcoze.upstreams.coze_playground.settings import Heart

HEART = Heart(beat=15, silence=30, backoff=0.5, backoff_max=30, retries=3)

TABLE = {
    (State.IDLE, Input.WANTED): State.OPENING,
    (State.OPENING, Input.OPENED): State.OPEN,
    (State.OPENING, Input.FAILED): State.WAITING,
    (State.OPENING, Input.REFUSED): State.IDLE,
    (State.OPEN, Input.LOST): State.WAITING,
    (State.WAITING, Input.DUE): State.OPENING,
    (State.WAITING, Input.EXHAUSTED): State.IDLE,
    (State.IDLE, Input.CLOSED): State.CLOSED,
    (State.OPENING, Input.CLOSED): State.CLOSED,
    (State.OPEN, Input.CLOSED): State.CLOSED,
    (State.WAITING, Input.CLOSED): State.CLOSED,
    (State.CLOSED, Input.CLOSED): State.CLOSED,
}


def _link(heart: Heart = HEART, *, jitter: float = 1.0) -> Link:
    return Link(heart, jitter=lambda: jitter)


def _at(state: State) -> Link:
    """A link that came to a state in the ordinary way, at time 0."""
    link = _link()
    if state is State.CLOSED:
        link.closed()
    elif state is not State.IDLE:
        link.wanted()
        if state is State.OPEN:
            link.opened(0)
        elif state is State.WAITING:
            link.failed(0)
    assert link.at(state)
    return link


def _give(link: Link, what: Input) -> None:
    """Put an input to the link as its owner would; DUE and EXHAUSTED are its own."""
    match what:
        case Input.WANTED:
            link.wanted()
        case Input.OPENED:
            link.opened(0)
        case Input.FAILED:
            link.failed(0)
        case Input.REFUSED:
            link.refused()
        case Input.LOST:
            link.lost(0)
        case Input.DUE | Input.EXHAUSTED:
            link._go(what)
        case Input.CLOSED:
            link.closed()


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert NEXT == TABLE


@pytest.mark.parametrize(("state", "what"), list(itertools.product(State, Input)))
def test_every_pair_does_what_the_table_says(state: State, what: Input) -> None:
    link = _at(state)
    _give(link, what)
    assert link.state is TABLE.get((state, what), state)
    assert link.at(link.state)


@pytest.mark.parametrize("what", Input)
def test_closed_is_final(what: Input) -> None:
    link = _at(State.CLOSED)
    _give(link, what)
    link.heard(1)
    assert link.at(State.CLOSED)
    assert link.deadline() is None
    assert link.tick(1e9) is Due.NOTHING


@pytest.mark.parametrize("state", [State.IDLE, State.OPENING, State.CLOSED])
def test_nothing_is_timed_where_nobody_waits(state: State) -> None:
    link = _at(state)
    assert link.deadline() is None
    assert link.tick(1e9) is Due.NOTHING


def test_an_open_socket_says_hi_at_once_and_every_beat() -> None:
    link = _at(State.OPENING)
    link.opened(100)
    assert link.deadline() == 100
    assert link.tick(100) is Due.BEAT
    assert link.deadline() == 115
    link.heard(101)
    assert link.tick(114.9) is Due.NOTHING
    assert link.tick(115.2) is Due.BEAT
    assert link.deadline() == 130.2


def test_silence_is_counted_from_the_last_thing_heard() -> None:
    link = _at(State.OPENING)
    link.opened(100)
    link.tick(100)
    link.tick(115)
    link.heard(116)
    assert link.tick(130) is Due.BEAT
    assert link.tick(145) is Due.BEAT
    assert link.deadline() == 146
    assert link.tick(145.9) is Due.NOTHING
    assert link.tick(146) is Due.DROP
    assert link.at(State.OPEN)  # who drops it reports it as lost
    link.lost(146)
    assert link.at(State.WAITING)


def test_a_beat_that_is_late_does_not_hide_the_silence() -> None:
    link = _at(State.OPENING)
    link.opened(100)
    assert link.tick(131) is Due.DROP


def test_attempts_are_spaced_by_a_limit_that_doubles() -> None:
    link = _link(Heart(backoff=0.5, backoff_max=3, retries=9))
    link.wanted()
    now, waits = 0.0, []
    for _ in range(5):
        link.failed(now)
        due = link.deadline()
        assert due is not None
        waits.append(due - now)
        assert link.tick(due - 0.001) is Due.NOTHING
        assert link.tick(due) is Due.OPEN
        assert link.at(State.OPENING)
        now = due
    assert waits == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_the_wait_is_anything_below_the_limit(jitter: float) -> None:
    link = _link(jitter=jitter)
    link.wanted()
    link.opened(0)
    link.heard(1)
    link.lost(10)
    assert link.deadline() == 10 + 0.5 * jitter


def test_any_number_of_retries_has_a_limit_that_can_be_counted() -> None:
    link = _link(Heart(retries=5000, backoff_max=30))
    link.wanted()
    for now in range(3000):
        link.failed(now)
        assert link.deadline() == now + min(30, 0.5 * 2 ** min(now + 1, 10))
        link.tick(1e9)


def test_after_so_many_failures_it_waits_for_somebody_to_ask() -> None:
    link = _link()
    link.wanted()
    for _ in range(HEART.retries):
        link.failed(0)
        assert link.at(State.WAITING)
        link.tick(1e9)
    link.failed(0)
    assert link.at(State.IDLE)
    link.wanted()
    assert link.at(State.OPENING)
    link.failed(0)
    assert link.deadline() == 1  # the count began anew


def test_a_socket_that_said_something_starts_the_back_off_again() -> None:
    link = _link()
    link.wanted()
    for _ in range(HEART.retries):
        link.failed(0)
        link.tick(1e9)
    link.opened(0)
    link.heard(1)
    link.lost(2)
    assert link.deadline() == 2.5
    assert link.losses == 1


def test_a_socket_that_never_said_anything_counts_as_a_failure() -> None:
    link = _link()
    link.wanted()
    for time in range(HEART.retries):
        link.opened(time)
        link.lost(time)
        assert link.at(State.WAITING)
        link.tick(1e9)
    link.opened(9)
    link.lost(9)
    assert link.at(State.IDLE)
    assert link.losses == HEART.retries + 1


def test_a_refusal_is_not_tried_again() -> None:
    link = _at(State.OPENING)
    link.refused()
    assert link.at(State.IDLE)
    assert link.deadline() is None


def test_it_is_coming_back_from_the_loss_until_it_is_there_or_given_up() -> None:
    link = _at(State.OPEN)
    told = [link.is_coming_back]
    for happens in (
        lambda: link.lost(0),
        lambda: link.tick(1e9),
        lambda: link.failed(0),
        lambda: link.tick(1e9),
        lambda: link.opened(0),
        lambda: link.lost(0),
        lambda: link.tick(1e9),
        link.refused,
    ):
        happens()
        told.append(link.is_coming_back)
    assert told == [False, True, True, True, True, False, True, True, False]


def test_a_first_attempt_that_fails_is_not_coming_back() -> None:
    assert not _at(State.WAITING).is_coming_back


def test_only_an_open_socket_can_be_lost() -> None:
    for state in (State.IDLE, State.OPENING, State.WAITING, State.CLOSED):
        link = _at(state)
        link.lost(0)
        assert link.losses == 0
        assert link.at(state)
