"""Passwords: what may be one, and how it is kept (argon2id with the parameters of OWASP's cheat sheet)."""

import os
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 128

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A hash is all processor and 19 MiB of memory: more at once than there are processors only makes all of them late.
_slots = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


def _bytes(password: str) -> bytes:
    # The same password from another keyboard may come as other code points (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", password).encode()


def hash_password(password: str) -> str:
    """Return the hash to keep."""
    with _slots:
        return _hasher.hash(_bytes(password))


# Of nobody's password: checking against it takes as long as checking an account's own.
_NOBODY = hash_password(os.urandom(16).hex())


def verify(password_hash: str | None, password: str) -> bool:
    """Tell whether the password is right; takes the same time when there is no hash."""
    with _slots:
        try:
            return _hasher.verify(password_hash or _NOBODY, _bytes(password)) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Tell whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)
