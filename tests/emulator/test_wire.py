from realcoze.emulator.wire import WireNote, ignore


def test_a_note_says_what_happened() -> None:
    note = WireNote("frame", "detail", 12, "uuid")
    assert (note.kind, note.detail, note.size, note.push_uuid) == ("frame", "detail", 12, "uuid")
    assert WireNote("launch") == WireNote("launch", "", 0, "")


def test_nobody_has_to_listen() -> None:
    ignore(WireNote("launch"))
