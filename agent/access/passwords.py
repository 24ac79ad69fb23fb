"""Passwords: what counts as one, and how its hash is made and compared (argon2id)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from agent.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 200  # characters
_FEWEST_DIFFERENT = 5
# Of a password that nobody knows: comparing with it takes as long as with a real one.
NOBODYS = (
    "$argon2id$v=19$m=32768,t=3,p=1$8YRT+Q41/og1jbpAcHXpPw$"
    "l+vcneMAQW3p3EfAfGLCpImkKJVAxAyqUDEpLaMJjXk"
)


def check(password: str, login: str) -> None:
    """Raises `UsageError` for what is too easily guessed: length counts, not the kinds of
    characters in it (NIST SP 800-63B, 3.1.1.2)."""
    told = _normal(password)
    if not SHORTEST <= len(told) <= LONGEST:
        raise UsageError(
            f"a password has {SHORTEST} to {LONGEST} characters",
            code="password_length",
            shortest=SHORTEST,
            longest=LONGEST,
        )
    if len(set(told.casefold())) < _FEWEST_DIFFERENT or login.casefold() in (
        told.casefold(),
        told.casefold()[::-1],
    ):
        raise UsageError(
            "this password is too easily guessed: use several words that belong together for "
            "you alone",
            code="password_easy",
        )


def hashed(password: str) -> str:
    """The hash to keep: some 0.1 s of work and 32 MB, so never inside a transaction."""
    return _hasher().hash(_normal(password))


def matches(kept: str, password: str) -> bool:
    """Whether the password has this hash. An empty one matches nothing, and takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        right = _hasher().verify(kept or NOBODYS, _normal(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return right and bool(kept)


def is_outdated(kept: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(kept)


def _hasher() -> PasswordHasher:
    # Imported when somebody signs in: a process at rest need not hold it.
    from argon2 import PasswordHasher

    # Above the least that OWASP's password storage cheat sheet asks of argon2id.
    return PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)


def _normal(password: str) -> str:
    # Keyboards differ in how they compose what looks the same.
    return unicodedata.normalize("NFKC", password)
