from realcoze.faces.terminal.printable import one_line, printable


def test_text_stays_as_it_is() -> None:
    text = "one\n\ttwo 三 🎉 é"
    assert printable(text) == text


def test_nothing_is_left_that_a_terminal_would_obey() -> None:
    assert printable("a\x1b[2Jb\x07c\x9bd\re\x7ff\x00\x08g") == "a[2Jbcdefg"


def test_a_name_stays_within_its_line() -> None:
    assert one_line("a\nb\x1b]0;c\x07") == "a b]0;c"
