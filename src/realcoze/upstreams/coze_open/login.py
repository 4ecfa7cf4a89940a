"""What `realcoze login` keeps, in a file that only its owner can read, and the tokens that come of it.

A refresh token is good for one use: the next one is on the disk before the access token that came with it is
used, and of several programs with one file only one asks at a time.

Source: docs/protocol/openapi-v3.md §4.2.
"""

import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import msgspec

from realcoze.dialects.coze_open.oauth import Grant
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import Misconfigured, UpstreamDenied, UpstreamTimeout
from realcoze.leaving import finishing
from realcoze.upstreams.coze_open.oauth import TokenOffice
from realcoze.upstreams.coze_open.settings import LoginCredentials
from realcoze.upstreams.coze_open.tokens import Lease
from realcoze.upstreams.credentials import Secret

FILE_NAME = "login.json"
LOCK_S = 30.0
"""How long another program may take with the file."""

LOOK_S = 0.05
SPARE_S = 30.0
"""A kept token that lives for less is not worth a beginning."""

AGAIN_HINT = "Log in again: `realcoze login`."


class Login(msgspec.Struct, kw_only=True, frozen=True):
    """One person's login at one base.  `expires_at` is Coze's time."""

    base: str
    client_id: str
    access_token: str
    expires_at: float
    refresh_token: str

    def __repr__(self) -> str:
        return f"Login(base={self.base!r}, client_id={self.client_id!r})"


class _Kept(msgspec.Struct):
    """The file; the newest login stands last."""

    logins: list[Login] = []


_KEPT = msgspec.json.Decoder(_Kept)


class LoginFile:
    """The logins of one file, which need not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, base: str, client_id: str = "") -> Login | None:
        """The newest login at a base, or that of one app.  Raises `Misconfigured` for a file that cannot be read."""
        found = (each for each in reversed(self._read().logins) if each.base == _same(base))
        return next((each for each in found if client_id in ("", each.client_id)), None)

    def keep(self, base: str, client_id: str, grant: Grant) -> None:
        """Put a login in the place of the one before.  Raises `Misconfigured` when it cannot be written."""
        login = Login(
            base=_same(base),
            client_id=client_id,
            access_token=grant.access_token,
            expires_at=grant.expires_at,
            refresh_token=grant.refresh_token,
        )
        self._write([*self._without(base, client_id), login])

    def drop(self, base: str, client_id: str = "") -> int:
        """Forget the logins at a base, or that of one app; how many there were."""
        before = self._read().logins
        left = self._without(base, client_id)
        if len(left) < len(before):
            self._write(left)
        return len(before) - len(left)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Alone with the file, among all programs that ask so.  Raises `UpstreamTimeout` and `Misconfigured`.

        A lock of a file tells nobody that it is free, and a thread that waits for it cannot be stopped: so it
        is looked at again and again.
        """
        with _writable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with anyio.move_on_after(LOCK_S) as limit:
                while not _taken(descriptor):  # noqa: ASYNC110 - as said above
                    await anyio.sleep(LOOK_S)
            if limit.cancelled_caught:
                raise UpstreamTimeout(f"Another program has held {self._path} for {LOCK_S:.0f} s.")
            yield
        finally:
            os.close(descriptor)

    def _without(self, base: str, client_id: str) -> list[Login]:
        return [
            each for each in self._read().logins if each.base != _same(base) or client_id not in ("", each.client_id)
        ]

    def _read(self) -> _Kept:
        try:
            return read_json(self._path.read_bytes(), _KEPT)
        except FileNotFoundError:
            return _Kept()
        except (OSError, NotJson):
            # What is wrong with it may quote it.
            hint = "Remove the file, and log in again: `realcoze login`."
            raise Misconfigured(f"The logins in {self._path} cannot be read.", hint=hint) from None

    def _write(self, logins: list[Login]) -> None:
        """Whole or not at all, and never to be read by others."""
        with _writable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
            try:
                with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(msgspec.json.encode(_Kept(logins)))
                    file.flush()
                    os.fsync(file.fileno())
                new.replace(self._path)
            except OSError:
                new.unlink(missing_ok=True)
                raise


class LoginRenewal:
    """See `Renewal`; the tokens of somebody who logged in."""

    def __init__(self, credentials: LoginCredentials, office: TokenOffice) -> None:
        self._file = LoginFile(credentials.file)
        self._client_id = credentials.client_id
        self._office = office
        self._used = ""

    async def renew(self) -> Lease:
        """The token of the file, where it is another one than before and lives; else a new one."""
        async with self._file.locked():
            login = self._file.find(self._office.base, self._client_id)
            if login is None:
                raise UpstreamDenied(f"Nobody is logged in at {self._office.base} any more.", hint=AGAIN_HINT)
            life_s = login.expires_at - self._office.time()
            if login.access_token == self._used or life_s < SPARE_S:
                # Who has used up the old refresh token must have the new one written down.
                with finishing():
                    grant = await self._refreshed(login)
                    self._file.keep(login.base, login.client_id, grant)
                return self._lease(grant.access_token, grant.life_s)
        return self._lease(login.access_token, life_s)

    async def _refreshed(self, login: Login) -> Grant:
        try:
            grant = await self._office.refresh(login.client_id, login.refresh_token)
        except UpstreamDenied as error:
            raise UpstreamDenied(f"The login is over. {error.message}", hint=AGAIN_HINT, logid=error.logid) from error
        if not grant.refresh_token:
            raise UpstreamDenied("Coze gave no new refresh token, so that the login is over.", hint=AGAIN_HINT)
        return grant

    def _lease(self, access_token: str, life_s: float) -> Lease:
        self._used = access_token
        return Lease(token=Secret(access_token), life_s=life_s)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Misconfigured(
            f"The logins cannot be written to {path}: {error.strerror}.", hint="temp_path names another folder."
        ) from error


def _taken(descriptor: int) -> bool:
    """Take the lock of a file, unless somebody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(base: str) -> str:
    return base.rstrip("/")
