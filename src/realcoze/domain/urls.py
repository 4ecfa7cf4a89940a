"""Which URLs are fetched for a caller, and which addresses anybody may reach: decided here, fetched elsewhere.

Who names a URL could name what only this machine can reach.  So a URL is read once, by the narrow rule below, and
what was read is handed on in parts: nothing reads it a second time, perhaps otherwise.  What the rule does not
know is refused; no form of a numeric address is a name.  (Where a server stands is said by the settings, and may be
anywhere: `is_server`.)

Sources: RFC 3986; the registries of special-purpose addresses of IANA (RFC 6890) and of names (RFC 6761).
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote, unquote, urlsplit

from realcoze.errors import BadRequest

PORT = 443
URL_CHARACTERS = 4096
NAME_CHARACTERS = 253

_NEVER = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
"""Parsers differ over these: some drop them, some end a host at them."""

_PARTS = re.compile(r"https://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.ASCII)
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
"""The last label begins with a letter, which that of an IPv4 address in whatever form does not."""

_LOCAL = (".localhost", ".local", ".internal", ".home.arpa")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII)

_IPV4_SPECIAL = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a provider's NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and the metadata of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # of protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_IPV6_GLOBAL = IPv6Network("2000::/3")
"""All that is given out.  Outside stand loopback, mapped IPv4, NAT64, private, link-local and multicast addresses."""

_IPV6_SPECIAL = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # of protocols; Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which holds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)

_HINT = "Give a URL such as https://example.com/picture.png, or upload the file."


@dataclass(frozen=True, slots=True)
class Url:
    """What may be asked of whom, at the port for https; `target` is path and query, in ASCII."""

    host: str
    target: str

    @property
    def name(self) -> str:
        """What the last part of the path calls the file; may be empty."""
        return unquote(self.target.partition("?")[0].rpartition("/")[2], errors="replace")

    def redirected(self, location: str) -> "Url":
        """Where a redirect from here leads.  Raises what `read_url` raises."""
        if _ABSOLUTE.match(location):
            return read_url(location)
        if location.startswith("//"):
            return read_url(f"https:{location}")
        if location.startswith("/"):
            return read_url(f"https://{self.host}{location}")
        path = self.target.partition("?")[0]
        return read_url(f"https://{self.host}{path if location[:1] in '?#' else path[: path.rfind('/') + 1]}{location}")


def read_url(text: str) -> Url:
    """The URL, if it may be fetched.  Raises `BadRequest` (code `url_refused`), which does not repeat it."""
    if len(text) > URL_CHARACTERS:
        raise refused(f"has more than {URL_CHARACTERS} characters")
    if _NEVER.search(text):
        raise refused("holds a space, a control character or a backslash")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise refused("does not begin with https://")
    authority, target = parts[1], parts[2]
    if "@" in authority:
        raise refused("holds a user name")
    host = _host(authority)
    if not target.startswith("/"):
        target = f"/{target}"
    return Url(host, quote(target, safe="%/?:@!$&'()*+,;=~[]|"))


def is_public(address: str) -> bool:
    """Anybody may be asked to connect there: it is no address of this machine, its network or anything special."""
    try:
        ipv4 = IPv4Address(address)
    except AddressValueError:
        return _is_public_ipv6(address)
    return not any(ipv4 in network for network in _IPV4_SPECIAL)


def refused(why: str) -> BadRequest:
    """The error of a URL that is not fetched; `why` goes on after "The URL of a picture or file"."""
    return BadRequest(f"The URL of a picture or file {why}.", code="url_refused", hint=_HINT)


def _host(authority: str) -> str:
    """The name of a host, in lower case."""
    if authority.startswith("["):
        raise refused("names its host by an address")
    if not authority.isascii():
        raise refused("names a host in other letters than ASCII; its name in ASCII begins with xn--")
    host, _, port = authority.lower().partition(":")
    if port not in ("", str(PORT)):
        raise refused(f"names a port other than {PORT}")
    if len(host) > NAME_CHARACTERS or not _NAME.fullmatch(host):
        raise refused("names no host by a full name")
    if host.endswith(_LOCAL):
        raise refused("names a host that is not public")
    return host


def _is_public_ipv6(address: str) -> bool:
    try:
        ipv6 = IPv6Address(address)
    except AddressValueError:
        return False
    if ipv6.scope_id is not None or ipv6 not in _IPV6_GLOBAL:
        return False
    return not any(ipv6 in network for network in _IPV6_SPECIAL)


def is_server(url: str) -> bool:
    """A server can be called there: http or https, a host, a port that can be, and nobody's name or password."""
    try:
        parts = urlsplit(url)
        is_reachable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_bare = "@" not in parts.netloc and not (parts.query or parts.fragment)
    return is_reachable and is_bare and url.isprintable() and " " not in url


def root_of(url: str) -> str:
    """The address of a server of ours, from itself or from the base URL of SDKs, which ends in /v1."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
