from realcoze.app.description.call import IGNORED, THREAD
from realcoze.faces.fields import THREAD_CHARACTERS, THREAD_HEADERS
from realcoze.faces.http import ignoring


def test_the_headers_of_a_conversation_are_those_that_are_read() -> None:
    assert [parameter.name for parameter in THREAD] == list(THREAD_HEADERS)
    assert {parameter.type.__metadata__[0].max_length for parameter in THREAD} == {THREAD_CHARACTERS}


def test_the_header_of_what_is_passed_over_is_the_one_that_is_written() -> None:
    assert set(ignoring(["tools"])) == set(IGNORED)
