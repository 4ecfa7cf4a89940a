import msgspec

from realcoze.domain.uploaded import UploadedFile


def test_a_file_can_be_written_down_and_read() -> None:
    file = UploadedFile(key="a/b.png", name="é.png", size_bytes=3, purpose="vision", created=1, until=2)
    assert msgspec.json.decode(msgspec.json.encode(file), type=UploadedFile) == file
