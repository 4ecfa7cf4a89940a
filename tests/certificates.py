"""A certificate that nobody signed but itself, made with the standard library alone.

Its key is drawn from a seed, so it is the same each time and worth nothing.
"""

import base64
import datetime as dt
import hashlib
import ssl
from functools import lru_cache
from pathlib import Path
from random import Random

_RSA = bytes.fromhex("06092a864886f70d010101") + b"\x05\x00"
_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b") + b"\x05\x00"
_SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_COMMON_NAME = bytes.fromhex("0603550403")
_SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
_EXPONENT = 65537
_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def self_signed(folder: Path, name: str = "127.0.0.1", *, days: tuple[int, int] = (-1, 1)) -> ssl.SSLContext:
    """A server's context with a certificate for `name` (or an IPv4 address), its files in `folder`.

    It is valid from and until so many days from now.
    """
    certificate, key = _pair(name, days)
    (folder / "certificate.pem").write_text(_pem("CERTIFICATE", certificate))
    (folder / "key.pem").write_text(_pem("RSA " + "PRIVATE KEY", key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def trusting(folder: Path) -> ssl.SSLContext:
    """A client's context that trusts the certificate in `folder`, and checks all else."""
    context = ssl.create_default_context(cafile=folder / "certificate.pem")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@lru_cache
def _pair(name: str, days: tuple[int, int]) -> tuple[bytes, bytes]:
    p, q = _primes()
    n, d = p * q, pow(_EXPONENT, -1, (p - 1) * (q - 1))
    key = _sequence(*map(_integer, (0, n, _EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))))
    public = _sequence(_sequence(_RSA), _tlv(0x03, b"\0" + _sequence(_integer(n), _integer(_EXPONENT))))
    who = _sequence(_tlv(0x31, _sequence(_COMMON_NAME, _tlv(0x0C, name.encode()))))
    is_address = name.replace(".", "").isdigit()
    subject = _tlv(0x87, bytes(map(int, name.split(".")))) if is_address else _tlv(0x82, name.encode())
    extensions = _tlv(0xA3, _sequence(_sequence(_SUBJECT_ALT_NAME, _tlv(0x04, _sequence(subject)))))
    body = _sequence(
        _tlv(0xA0, _integer(2)), _integer(1), _sequence(_SHA256_RSA), who, _validity(days), who, public, extensions
    )
    padding = _SHA256_DIGEST_INFO + hashlib.sha256(body).digest()
    padded = b"\0\x01" + b"\xff" * (253 - len(padding)) + b"\0" + padding
    signature = pow(int.from_bytes(padded), d, n).to_bytes(256)
    return _sequence(body, _sequence(_SHA256_RSA), _tlv(0x03, b"\0" + signature)), key


def _validity(days: tuple[int, int]) -> bytes:
    now = dt.datetime.now(dt.UTC)
    bounds = (now + dt.timedelta(days=day) for day in days)
    return _sequence(*(_tlv(0x17, bound.strftime("%y%m%d%H%M%SZ").encode()) for bound in bounds))


@lru_cache
def _primes() -> tuple[int, int]:
    random = Random(2024)
    return _prime(random), _prime(random)


def _prime(random: Random) -> int:
    """A prime of 1024 bits whose two highest bits are set, so that two of them make 2048."""
    while True:
        number = random.getrandbits(1024) | 3 << 1022 | 1
        if all(number % small for small in _SMALL_PRIMES) and all(_is_likely_prime(number, random) for _ in range(8)):
            return number


def _is_likely_prime(number: int, random: Random) -> bool:
    """One round of Miller and Rabin."""
    odd, twos = number - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    power = pow(random.randrange(2, number - 1), odd, number)
    if power == 1:
        return True
    for _ in range(twos):
        if power == number - 1:
            return True
        power = pow(power, 2, number)
    return False


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def _pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
