"""HTTP basic authentication against bcrypt hashes."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

import bcrypt

from exporter.errors import TooManyAttempts

MAX_PASSWORD_BYTES: Final = 72
"""bcrypt looks at no more; the hashes that htpasswd makes of longer passwords were cut there too."""

MAX_WAITING: Final = 16
"""Checks that wait for their turn; at a hash's usual cost the last one waits about a second."""


def basic_credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """User and password of an Authorization header, or None if it holds none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None


class Passwords:
    """Checks passwords; shows neither users nor hashes in its repr.

    bcrypt is slow on purpose. It runs in a thread, one check at a time so that guessing takes one core at most, and the
    right password of each user is remembered (its keyed digest) so that a scrape does not pay for it every time.

    Args:
        users: name to bcrypt hash.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = {name.encode(): hashed for name, hashed in users.items()}
        self._hashes = list(self._users.values())
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, bytes] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def right(self, user: bytes, password: bytes) -> bool:
        """Whether the user exists and this is their password. An unknown user takes as long as a known one.

        Raises:
            TooManyAttempts: too many others wait for their check.
        """
        password = password[:MAX_PASSWORD_BYTES]
        digest = self._digest(password)
        if hmac.compare_digest(self._verified.get(user, b""), digest):
            return True
        matches = await self._check(password, self._users.get(user) or self._decoy(user))
        if not (matches and user in self._users):
            return False
        self._verified[user] = digest
        return True

    async def _check(self, password: bytes, hashed: bytes) -> bool:
        # A client that went away leaves its check behind; without a limit it could leave any number.
        if self._waiting >= MAX_WAITING:
            raise TooManyAttempts
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await asyncio.to_thread(bcrypt.checkpw, password, hashed)
        finally:
            self._waiting -= 1

    def _decoy(self, user: bytes) -> bytes:
        """A real user's hash, always the same for one name, so that the time shows no difference."""
        return self._hashes[int.from_bytes(self._digest(user)) % len(self._hashes)]

    def _digest(self, value: bytes) -> bytes:
        return hmac.digest(self._key, value, "sha256")
