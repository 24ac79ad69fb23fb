"""What a coupon's code looks like."""

import re
import secrets

ALPHABET = "34679ACDEFGHJKMNPQRTWXY"
"""Without what looks or sounds alike: 0 O, 1 I L, 2 Z, 5 S, 8 B, U V."""

ODDS = 2**30
"""A guess hits one of a batch's codes with a chance below one in this."""

LONGEST = 64
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,63}")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,16}")


def new_code(prefix: str, length: int) -> str:
    """``prefix`` and ``length`` characters from the system's source of randomness."""
    number = secrets.randbelow(len(ALPHABET) ** length)
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return prefix + "".join(characters)


def length_for(count: int) -> int:
    """How many random characters make ``count`` codes unguessable; at least 8."""
    length = 8
    while len(ALPHABET) ** length < count * ODDS:
        length += 1
    return length


def is_code(text: str) -> bool:
    """Whether ``text`` can be a code: 4 to 64 Latin letters, digits, ``-`` and ``_``.

    The first is a letter or digit, so that no spreadsheet takes an exported one for a formula.
    """
    return _CODE.fullmatch(text) is not None


def is_prefix(text: str) -> bool:
    """Whether generated codes may begin with ``text``."""
    return _PREFIX.fullmatch(text) is not None and (not text or text[0].isalnum())
