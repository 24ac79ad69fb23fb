"""How a lottery's winners follow from what was published: pure, for anybody to run.

Before the first entry the rules, their SHA-256 and the SHA-256 of a secret seed (the commitment)
are published. After the close everybody's tickets are sorted and hashed. Each ticket's rank is the
HMAC-SHA256, under the seed, of rules hash, entries hash, beacon and ticket, a line each; the lowest
ranks win, first prizes first. The seed cannot be chosen after the entries, for its hash is known;
the beacon, a number that the rules name and that nobody of ours makes (a closing index of a stock
exchange, say), keeps whoever knows the seed from choosing entries by it.

``python -m schedules.activities.draws proof.json`` says whether a published draw is right.
"""

import hashlib
import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Winner:
    ticket: str
    prize: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    """All that a draw follows from, and what followed. ``seed`` is hexadecimal.

    ``rules`` is the published text, a JSON object with ``prizes`` of ``name`` and ``count`` and
    the ``beacon`` that was announced (empty: none).
    """

    rules: str
    rules_hash: str
    commitment: str
    seed: str
    beacon: str
    entries: tuple[str, ...]
    entries_hash: str
    winners: tuple[Winner, ...]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The winners follow from what was published."""


@dataclass(frozen=True, kw_only=True)
class Refuted:
    """They do not; ``why`` names everything that does not fit."""

    why: tuple[str, ...]


def canonical(fields: Mapping[str, Any]) -> str:
    """JSON that is the same for the same content."""
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def hash_of(text: str) -> str:
    """SHA-256 in hexadecimal, of the text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def commitment_to(seed: bytes) -> str:
    """What is published of a seed before it is used."""
    return hashlib.sha256(seed).hexdigest()


def hash_of_entries(tickets: Sequence[str]) -> str:
    """SHA-256 of the sorted tickets, a line each."""
    return hash_of("\n".join(sorted(tickets)))


def winners_of(rules: str, seed: bytes, tickets: Sequence[str], beacon: str) -> tuple[Winner, ...]:
    """The winners, first prize first; each ticket wins at most once."""
    stem = f"{hash_of(rules)}\n{hash_of_entries(tickets)}\n{beacon}\n"

    def rank(ticket: str) -> bytes:
        return hmac.new(seed, (stem + ticket).encode(), hashlib.sha256).digest()

    prizes = [prize["name"] for prize in json.loads(rules)["prizes"] for _ in range(prize["count"])]
    ranked = sorted(sorted(tickets), key=rank)
    return tuple(
        Winner(ticket=ticket, prize=prize) for ticket, prize in zip(ranked, prizes, strict=False)
    )


def verify(proof: Proof) -> Verified | Refuted:
    """Whether a draw is right. Compare rules hash and commitment with what was published before
    the first entry, and look for your own ticket among the entries: that nobody else can do."""
    try:
        seed = bytes.fromhex(proof.seed)
        beacon_named = bool(json.loads(proof.rules)["beacon"])
        winners = winners_of(proof.rules, seed, proof.entries, proof.beacon)
    except (ValueError, KeyError, TypeError) as error:
        return Refuted(why=(f"it cannot be read: {type(error).__name__}",))
    doubts = {
        "the rules are not the ones that were published": hash_of(proof.rules) != proof.rules_hash,
        "the seed is not the one committed to": commitment_to(seed) != proof.commitment,
        "an entry counts more than once": len(set(proof.entries)) != len(proof.entries),
        "the entries do not fit their hash": hash_of_entries(proof.entries) != proof.entries_hash,
        "the beacon is missing, or none was announced": beacon_named != bool(proof.beacon),
        "the winners are others": winners != proof.winners,
    }
    why = tuple(doubt for doubt, founded in doubts.items() if founded)
    return Refuted(why=why) if why else Verified()


def to_json(proof: Proof) -> str:
    """The proof as it is published."""
    return json.dumps(asdict(proof), ensure_ascii=False, indent=2)


def from_json(text: str) -> Proof:
    """The inverse of ``to_json``. Raises ValueError for anything else."""
    try:
        fields = json.loads(text)
        winners = tuple(Winner(**winner) for winner in fields["winners"])
        return Proof(**{**fields, "winners": winners, "entries": tuple(fields["entries"])})
    except (KeyError, TypeError) as error:
        raise ValueError("this is no proof of a draw") from error


def main(arguments: Sequence[str]) -> int:
    """Verify the proof in the named file: 0 where it is right, 1 where it is not."""
    with open(arguments[0], encoding="utf-8") as file:
        outcome = verify(from_json(file.read()))
    lines = ("verified",) if isinstance(outcome, Verified) else outcome.why
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if isinstance(outcome, Verified) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
