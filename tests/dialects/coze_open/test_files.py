import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.dialects.coze_open.files import RETRIEVE_PATH, UPLOAD_PATH, decode_uploaded, encode_upload
from realcoze.errors import TooLarge, UpstreamFailed


def test_the_calls_are_those_of_the_page() -> None:
    assert (UPLOAD_PATH, RETRIEVE_PATH) == ("/v1/files/upload", "/v1/files/retrieve")


def test_an_upload_is_a_form_with_one_part_that_is_named_file() -> None:
    assert encode_upload(b"\x89PNG\r\n", "a.png", "image/png", boundary="b0undary") == (
        "multipart/form-data; boundary=b0undary",
        (
            b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\n--b0undary--\r\n"
        ),
    )


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("", "file"),
        ("日历.pdf", "日历.pdf"),
        ('a"; name="other', "a_; name=_other"),
        ("a\r\nX-Evil: 1", "a__X-Evil: 1"),
        ("a\\b\x7f\0", "a_b__"),
        ("\udcff.txt", "?.txt"),
    ],
)
def test_a_name_cannot_break_out_of_its_line(name: str, sent: str) -> None:
    _, body = encode_upload(b"", name, "text/plain", boundary="b")
    assert body.split(b"\r\n")[1] == f'Content-Disposition: form-data; name="file"; filename="{sent}"'.encode()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (
            b'{"code":0,"msg":"","data":{"id":"736949598110202","bytes":152236,"file_name":"1120.jpeg","created_at":1715847583}}',
            "736949598110202",
        ),
        (
            b'{"data":{"uri":"u","bytes":1,"CreatedAt":1,"file_name":"f","url":"http://x","id":"7"},"BaseResp":null}',
            "7",
        ),
        (b'{"data":{"id":736949598110202123}}', "736949598110202123"),
        (b'{"data":{"id":"7","bytes":null,"file_name":null,"created_at":"1715847583"}}', "7"),
    ],
)
def test_the_new_files_id_is_read_of_coze_and_of_studio(body: bytes, key: str) -> None:
    assert decode_uploaded(200, {}, body) == key


@pytest.mark.parametrize(
    "body", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":{"id":null}}', b'{"data":{"id":""}}']
)
def test_an_answer_without_a_file_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="names no file") as caught:
        decode_uploaded(200, {}, body)
    assert caught.value.code == "upstream_protocol"


def test_an_upload_that_was_refused_raises_why() -> None:
    with pytest.raises(TooLarge):
        decode_uploaded(200, {}, b'{"code":4302,"msg":"too large"}')


@PROPERTIES
@given(st.binary().filter(lambda data: b"--b0undary" not in data), texts)
def test_a_server_finds_the_one_file_whatever_it_holds(data: bytes, name: str) -> None:
    content_type, body = encode_upload(data, name, "application/octet-stream", boundary="b0undary")
    head, _, rest = body.partition(b"\r\n\r\n")
    assert rest == data + b"\r\n--b0undary--\r\n"
    lines = head.decode().split("\r\n")
    assert (content_type, lines[0]) == ("multipart/form-data; boundary=b0undary", "--b0undary")
    assert lines[1].startswith('Content-Disposition: form-data; name="file"; filename="')
    assert lines[1].count('"') == 4
    assert lines[2:] == ["Content-Type: application/octet-stream"]
