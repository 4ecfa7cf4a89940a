import os
from pathlib import Path

import pytest

from pictures import PDF, jpeg, png
from realcoze.errors import BadRequest, CallerFault, NotFound, TooLarge
from realcoze.faces.terminal.attachment import read_file, read_picture

PICTURE = png(3, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, and the home of somebody; it has a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my cat.png").write_bytes(PICTURE)
    return tmp_path


@pytest.mark.parametrize(
    "typed",
    ["my cat.png", "'my cat.png'", '"my cat.png"', r"my\ cat.png", "~/my cat.png", r"~/my\ cat.png", "./my cat.png"],
)
@pytest.mark.usefixtures("folder")
def test_a_path_in_every_spelling(typed: str) -> None:
    picture = read_picture(typed, 1000)
    assert (picture.name, picture.data) == ("my cat.png", PICTURE)
    assert picture.about == f"my cat.png: image/png, 3 × 2 pixels, {len(PICTURE)} bytes"


def test_a_whole_path(folder: Path) -> None:
    assert read_file(f"{folder}/my cat.png", 1000) == read_picture("my cat.png", 1000)


def test_a_name_that_has_quotes_itself_comes_first(folder: Path) -> None:
    (folder / "'my cat.png'").write_bytes(PDF)
    assert read_file("'my cat.png'", 1000).data == PDF


def test_what_it_is_stands_in_its_bytes(folder: Path) -> None:
    (folder / "photo.png").write_bytes(jpeg(640, 480))
    (folder / "paper.png").write_bytes(PDF)
    (folder / "notes").write_bytes(b"x" * 1_234_567)
    assert read_picture("photo.png", 1000).about.startswith("photo.png: image/jpeg, 640 × 480 pixels, ")
    assert read_file("paper.png", 1000).about == f"paper.png: application/pdf, {len(PDF)} bytes"
    assert read_file("notes", 2_000_000).about == "notes: application/octet-stream, 1.2 MB"
    with pytest.raises(BadRequest, match=r"paper\.png is no picture: its bytes are no PNG, ") as caught:
        read_picture("paper.png", 1000)
    assert caught.value.hint == "/file takes any file."


@pytest.mark.parametrize(
    ("typed", "kind", "said"),
    [
        ("nothing.png", NotFound, "nothing.png cannot be read: No such file or directory."),
        ("'nothing.png'", NotFound, "'nothing.png' cannot be read: No such file or directory."),
        ("my cat.png/x", NotFound, "my cat.png/x cannot be read: Not a directory."),
        ("x" * 300, NotFound, f"{'x' * 300} cannot be read: File name too long."),
        (".", BadRequest, ". is a folder."),
        ("''", BadRequest, "'' is a folder."),
        ("empty", BadRequest, "empty is empty."),
        ("pipe", BadRequest, "pipe is no regular file."),
        ("/dev/zero", BadRequest, "/dev/zero is no regular file."),
        ("~nobody-here/x", BadRequest, "~nobody-here/x is no name for a file: Could not determine home directory."),
        ("a\0b\n\x1b[2Jc", BadRequest, "ab [2Jc is no name for a file: embedded null byte."),
        ("large", TooLarge, "large has 1001 bytes; 1000 is the most."),
    ],
)
def test_what_cannot_be_attached(folder: Path, typed: str, kind: type[CallerFault], said: str) -> None:
    (folder / "empty").touch()
    (folder / "large").write_bytes(b"x" * 1001)
    os.mkfifo(folder / "pipe")
    with pytest.raises(kind) as caught:
        read_file(typed, 1000)
    assert caught.value.message == said


def test_a_file_that_says_it_is_small_and_is_not() -> None:
    """As those of the kernel do, and one that grows."""
    assert Path("/proc/self/status").stat().st_size == 0
    with pytest.raises(TooLarge, match=r"/proc/self/status has more than 10 bytes\."):
        read_file("/proc/self/status", 10)


def test_a_file_of_somebody_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs as root may read everything, so the refusal is made here."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NotFound, match=r"my cat\.png cannot be read: Permission denied\."):
        read_file(f"{folder}/my cat.png", 1000)
