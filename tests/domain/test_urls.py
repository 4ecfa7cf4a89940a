"""What may be fetched: forms of URLs that got through elsewhere, each with what becomes of it here."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.domain.urls import NAME_CHARACTERS, URL_CHARACTERS, Url, is_public, is_server, read_url, root_of
from realcoze.errors import BadRequest

TAKEN = {
    "https://example.com": ("example.com", "/"),
    "https://example.com/a.png": ("example.com", "/a.png"),
    "HTTPS://Example.COM/A.png": ("example.com", "/A.png"),
    "https://example.com:443/a": ("example.com", "/a"),
    "https://example.com:/a": ("example.com", "/a"),
    "https://example.com?x=1": ("example.com", "/?x=1"),
    "https://example.com#x": ("example.com", "/"),
    "https://example.com/a?b=https://c.org/@d#e?f": ("example.com", "/a?b=https://c.org/@d"),
    "https://example.com/%2e%2e/a%20b": ("example.com", "/%2e%2e/a%20b"),
    "https://example.com/图.png?q=é": ("example.com", "/%E5%9B%BE.png?q=%C3%A9"),
    'https://example.com/"<a>"': ("example.com", "/%22%3Ca%3E%22"),
    "https://xn--fsqu00a.xn--fiqs8s/": ("xn--fsqu00a.xn--fiqs8s", "/"),
    "https://a_b.example.com//c": ("a_b.example.com", "//c"),
    "https://1.2.3.example/": ("1.2.3.example", "/"),
    f"https://{'a.' * 125}com/": ("a." * 125 + "com", "/"),
    f"https://example.com/{'a' * (URL_CHARACTERS - 20)}": ("example.com", "/" + "a" * (URL_CHARACTERS - 20)),
}

NO_HTTPS, NO_NAME = "does not begin with https://", "names no host by a full name"
ADDRESS, USER, PORT = "names its host by an address", "holds a user name", "names a port other than 443"
ODD, LETTERS, LOCAL = "a space, a control character or a backslash", "other letters than ASCII", "is not public"
REFUSED = {
    # Not the web, or not with TLS
    "": NO_HTTPS,
    "http://example.com/": NO_HTTPS,
    "http://127.1/": NO_HTTPS,
    "file:///etc/passwd": NO_HTTPS,
    "gopher://example.com/_x": NO_HTTPS,
    "data:image/png;base64,AAAA": NO_HTTPS,
    "ftp://example.com/": NO_HTTPS,
    "jar:https://example.com!/": NO_HTTPS,
    "//example.com/": NO_HTTPS,
    "https:/example.com/": NO_HTTPS,
    "https:example.com": NO_HTTPS,
    "httpſ://example.com/": NO_HTTPS,
    "url:https://example.com/": NO_HTTPS,
    # No host, or none by its name
    "https://": NO_NAME,
    "https:///example.com/": NO_NAME,
    "https://?x": NO_NAME,
    "https://127.1/": NO_NAME,
    "https://127.0.0.1/": NO_NAME,
    "https://8.8.8.8/": NO_NAME,
    "https://0x7f.1/": NO_NAME,
    "https://0x7f000001/": NO_NAME,
    "https://0177.0.0.1/": NO_NAME,
    "https://2130706433/": NO_NAME,
    "https://0/": NO_NAME,
    "https://169.254.169.254/latest/meta-data/": NO_NAME,
    "https://127.0.0.1./": NO_NAME,
    "https://example.0x7f/": NO_NAME,
    "https://[::1]/": ADDRESS,
    "https://[::]/": ADDRESS,
    "https://[::ffff:127.0.0.1]/": ADDRESS,
    "https://[fd00::1]/": ADDRESS,
    "https://[64:ff9b::7f00:1]/": ADDRESS,
    "https://[2002:7f00:1::]/": ADDRESS,
    "https://[fe80::1%25eth0]/": ADDRESS,
    "https://[2606:4700::1111]:443/": ADDRESS,
    "https://[v1.x]/": ADDRESS,
    "https://::1/": PORT,
    "https://localhost/": NO_NAME,
    "https://localhost./": NO_NAME,
    "https://LOCALHOST:443/": NO_NAME,
    "https://intranet/": NO_NAME,
    "https://example.com./": NO_NAME,
    "https://.example.com/": NO_NAME,
    "https://example..com/": NO_NAME,
    "https://-a.example/": NO_NAME,
    "https://example.c-/": NO_NAME,
    "https://exa%6Dple.com/": NO_NAME,
    "https://127.0.0.1%2f.example.com/": NO_NAME,
    "https://a.example.com;b/": NO_NAME,
    "https://{a}.example.com/": NO_NAME,
    f"https://{'a' * 64}.com/": NO_NAME,
    f"https://{'a.' * (NAME_CHARACTERS // 2)}com/": NO_NAME,
    "https://a.localhost/": LOCAL,
    "https://printer.local/": LOCAL,
    "https://metadata.google.internal/": LOCAL,
    "https://router.home.arpa/": LOCAL,
    # More than a host
    "https://a@example.com/": USER,
    "https://a:b@example.com/": USER,
    "https://example.com@127.0.0.1/": USER,
    "https://127.0.0.1@example.com/": USER,
    "https://a@127.0.0.1#@example.com/": USER,
    "https://@example.com/": USER,
    "https://example.com:80/": PORT,
    "https://example.com:0443/": PORT,
    "https://example.com:443:80/": PORT,
    "https://example.com:+443/": PORT,
    "https://example.com:４４３/": LETTERS,
    # What parsers differ over
    " https://example.com/": ODD,
    "https://example.com/ ": ODD,
    "https://example.com/a b": ODD,
    "https://exam\tple.com/": ODD,
    "ht\ntps://example.com/": ODD,
    "https://example.com\r\nHost: a/": ODD,
    "https://example.com\x00.org/": ODD,
    "https://example.com\\@127.0.0.1/": ODD,
    "https:\\\\example.com/": ODD,
    "https://example.com/\x85": ODD,
    "https://example.com/\ud800": ODD,
    "https://127。0。0。1/": LETTERS,
    "https://example．com/": LETTERS,
    "https://①②⑦.0.0.1/": LETTERS,
    "https://例子.中国/": LETTERS,
    "https://loc\u00adalhost.example/": LETTERS,
    "https://\u212aelvin.example/": LETTERS,
    f"https://example.com/{'a' * URL_CHARACTERS}": "more than 4096 characters",
}


@pytest.mark.parametrize(("text", "url"), TAKEN.items())
def test_what_may_be_fetched_is_read_in_parts(text: str, url: tuple[str, str]) -> None:
    assert read_url(text) == Url(*url)


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_must_not_be_fetched_is_refused_and_not_repeated(text: str, why: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_url(text)
    assert refusal.value.code == "url_refused"
    assert why in refusal.value.message
    assert "example.com" not in refusal.value.message
    assert "127" not in refusal.value.message


@PROPERTIES
@given(st.text(max_size=30), st.text(alphabet="a.1x:@[]%\\/#?\t。", max_size=20))
def test_whatever_follows_it_is_read_as_a_name_or_refused(anything: str, near: str) -> None:
    for text in (anything, f"https://{anything}", f"https://{near}"):
        with suppress(BadRequest):
            url = read_url(text)
            assert set(url.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
            assert url.host.rpartition(".")[2][0].isalpha()
            assert url.target.startswith("/")
            assert url.target.isascii()
            assert read_url(f"https://{url.host}{url.target}") == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/a/report.pdf?x=/b.png", "report.pdf"),
        ("https://example.com/%E5%9B%BE.png", "图.png"),
        ("https://example.com/图.png", "图.png"),
        ("https://example.com/a/", ""),
        ("https://example.com", ""),
        ("https://example.com/%ff", "\ufffd"),
    ],
)
def test_a_file_is_called_what_the_path_calls_it(url: str, name: str) -> None:
    assert read_url(url).name == name


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("https://other.example/c", "https://other.example/c"),
        ("//other.example/c", "https://other.example/c"),
        ("/c?d", "https://example.com/c?d"),
        ("c", "https://example.com/a/c"),
        ("?c", "https://example.com/a/b?c"),
        ("#c", "https://example.com/a/b"),
        ("", "https://example.com/a/b"),
    ],
)
def test_a_redirect_leads_where_it_would_in_a_browser(location: str, there: str) -> None:
    assert read_url("https://example.com/a/b?x=/y").redirected(location) == read_url(there)


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "//localhost/",
        "//[::1]/",
        "///etc",
        "/\\127.0.0.1/",
        "file:///etc/passwd",
        "HTTP://example.com/",
        "javascript:1",
    ],
)
def test_a_redirect_is_read_as_strictly(location: str) -> None:
    with pytest.raises(BadRequest, match="The URL of a picture or file"):
        read_url("https://example.com/a").redirected(location)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1"]
)
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "127.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "localhost",
        "",
    ],
)
def test_addresses_that_not_everybody_can_reach_or_that_hide_one(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://127.0.0.1:8888", True),
        ("https://api.coze.com/base", True),
        ("http://[::1]:80", True),
        ("https://", False),
        ("api.coze.com", False),
        ("ftp://x.example", False),
        ("http://x.example:0", False),
        ("http://x.example:99999", False),
        ("http://[::1", False),
        ("http://exa mple.com", False),
        ("https://a\0b", False),
        ("https://a?x=1", False),
        ("https://a/#f", False),
        ("https://ada@x.example", False),
        ("https://ada:pw@x.example", False),  # pragma: allowlist secret
    ],
)
def test_a_server_stands_where_it_can_be_called(url: str, is_one: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_server(url) is is_one


@pytest.mark.parametrize("url", ["http://host", "http://host/", "http://host/v1", "http://host/v1/"])
def test_a_server_has_one_root_however_it_is_written(url: str) -> None:
    assert root_of(url) == "http://host"


def test_a_server_may_stand_below_a_path() -> None:
    assert (root_of("https://host/coze/v1"), root_of("https://host/v11")) == ("https://host/coze", "https://host/v11")
