"""A file that a caller has uploaded, as it is listed: everything but its bytes, which only the upstream has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """`key` is the upstream's, and says which file a question means; `purpose` is the caller's own word.

    Seconds since 1970: when it came, and until when it is listed.
    """

    key: str
    name: str
    size_bytes: int
    purpose: str
    created: int
    until: int
