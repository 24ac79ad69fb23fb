"""What labelled questions taught about an embedding: weights and a threshold, kept in the catalog's
database, one row for each embedding.

`fit` starts from what the built-in scale says and learns by how much to correct it: from the signs
that retrieval gives for a question, and from the question's own characters, since chatter words
itself unlike a question. It is a logistic regression whose prior is "no correction": without labels
nothing changes, with few labels little.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from math import exp, log
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from knowledge import ranking
from knowledge.audience import SearchScope
from knowledge.catalog import Instant, metadata
from knowledge.language import clipped, plain

if TYPE_CHECKING:
    from knowledge.index import Index
    from knowledge.retrieval import Found, Passage

calibrations = sa.Table(
    "knowledge_calibrations",
    metadata,
    # `Index.embedding`: what another embedding or language scores is measured by another scale.
    sa.Column("embedding", sa.Text, primary_key=True),
    sa.Column("threshold", sa.Float),
    sa.Column("weights", sa.JSON, nullable=False),
    sa.Column("labels", sa.Integer, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
)

_DIMENSION = 4096
# Beyond this the built-in scale is sure, and a correction should not have to climb back.
_MOST_SURE = 6.0
# Where log odds end, for the sake of exp.
_LIMIT = 30.0
# Precisions of the prior: by how much signs, wording and the built-in estimate may be corrected.
_SIGNS_HELD, _WORDING_HELD, _ESTIMATE_HELD, _BIAS_HELD = 3.0, 0.15, 20.0, 2.0
_ROUNDS = 25


class Label(Protocol):
    """A question of which somebody knows whether an entry answers it, and which."""

    @property
    def question(self) -> str: ...

    @property
    def source(self) -> str | None:
        """None where nothing answers it."""

    def answered_by(self, passage: Passage) -> bool:
        """Whether this passage answers it; always true where nobody noted which one does."""


@dataclass(frozen=True)
class Taught:
    """A correction of the built-in confidence. Immutable; may be used by several threads.

    In log odds: `bias` + `estimate` times the built-in ones + `signs` times the question's signs +
    `wording` times its hashed character sequences (float32, 4,096 of them).
    """

    bias: float
    estimate: float
    signs: tuple[float, ...]
    wording: np.ndarray

    def confidence(self, query: str, signs: ranking.Signs) -> float:
        """The corrected estimate (0..1) that the best passage answers `query`."""
        total = _log_odds(signs.confidence, limit=_LIMIT) + self._correction(query, signs)
        return _odds(total)

    def _correction(self, query: str, signs: ranking.Signs) -> float:
        total = self.bias + (self.estimate - 1.0) * _log_odds(signs.confidence)
        total += sum(weight * value for weight, value in zip(self.signs, signs.values, strict=True))
        if self._worded:
            places, values = _sequences(query)
            total += float(self.wording[places] @ values)
        return total

    @cached_property
    def _worded(self) -> bool:
        return bool(self.wording.any())

    def applied(self, query: str, found: Found) -> tuple[Passage, ...]:
        """The passages in the same order, with corrected scores."""
        if found.signs is None or not found.passages:
            return found.passages
        correction = self._correction(query, found.signs)
        return tuple(
            replace(passage, score=_odds(_log_odds(passage.score, limit=_LIMIT) + correction))
            for passage in found.passages
        )

    def as_json(self) -> dict[str, Any]:
        """For a JSON column; a few kilobytes."""
        packed = base64.b64encode(zlib.compress(self.wording.astype("<f2").tobytes(), 9))
        return {
            "version": 1, "signs": dict(zip(ranking.SIGNS, self.signs, strict=True)),
            "bias": self.bias, "estimate": self.estimate, "wording": packed.decode(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Taught | None:
        """None for what another version of this program learned from other signs."""
        if stored.get("version") != 1 or set(stored["signs"]) != set(ranking.SIGNS):
            return None
        packed = zlib.decompress(base64.b64decode(stored["wording"]))
        return cls(
            stored["bias"], stored["estimate"],
            tuple(stored["signs"][name] for name in ranking.SIGNS),
            np.frombuffer(packed, dtype="<f2").astype(np.float32),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A calibration with the threshold that goes with it, and how many labels it rests on."""

    embedding: str
    threshold: float | None
    calibration: Taught
    labels: int
    made_at: datetime


def save(connection: Connection, learned: Learned) -> None:
    """Keep it in place of what was learned for this embedding before."""
    connection.execute(sa.delete(calibrations).where(calibrations.c.embedding == learned.embedding))
    connection.execute(
        sa.insert(calibrations).values(
            embedding=learned.embedding, threshold=learned.threshold,
            weights=learned.calibration.as_json(), labels=learned.labels, made_at=learned.made_at,
        )
    )  # fmt: skip


def load(connection: Connection, embedding: str) -> Learned | None:
    """What was learned for this embedding; None if nothing that still fits."""
    row = connection.execute(
        sa.select(calibrations).where(calibrations.c.embedding == embedding)
    ).one_or_none()
    taught = Taught.from_json(row.weights) if row is not None else None
    if row is None or taught is None:
        return None
    return Learned(
        embedding=row.embedding, threshold=row.threshold, calibration=taught,
        labels=row.labels, made_at=row.made_at,
    )  # fmt: skip


def fit(index: Index, labelled: Sequence[Label], *, scope: SearchScope, now: datetime) -> Taught:
    """Learn from labelled questions, asked in `scope` at `now`. Blocks; embeds each question."""
    return _learned([_case(index, label, scope, now) for label in labelled])


def out_of_fold(
    index: Index,
    labelled: Sequence[Label],
    *,
    scope: SearchScope,
    now: datetime,
    folds: int = 5,
    seed: int = 0,
) -> list[float]:
    """For every label the confidence by what the others teach: what `fit` promises for questions
    it has not seen. In the order of `labelled`."""
    cases = [_case(index, label, scope, now) for label in labelled]
    fold = np.random.default_rng(seed).permutation(len(cases)) % folds
    confidences = [0.0] * len(cases)
    for held_out in range(folds):
        taught = _learned([case for case, f in zip(cases, fold, strict=True) if f != held_out])
        for place in np.flatnonzero(fold == held_out):
            case = cases[place]
            if case.signs is not None:
                confidences[place] = taught.confidence(case.question, case.signs)
    return confidences


@dataclass(frozen=True, slots=True)
class _Case:
    question: str
    signs: ranking.Signs | None
    right: bool


def _case(index: Index, label: Label, scope: SearchScope, now: datetime) -> _Case:
    found = index.found(label.question, scope, now)
    best = found.passages[0] if found.passages else None
    right = label.source is not None and best is not None and label.answered_by(best)
    return _Case(label.question, found.signs if found.passages else None, right)


def _learned(cases: Sequence[_Case]) -> Taught:
    # What has nothing to look up is refused by everybody and teaches nothing.
    shown = [(case.question, case.signs, case.right) for case in cases if case.signs is not None]
    width = 2 + len(ranking.SIGNS)
    rows = np.zeros((len(shown), width + _DIMENSION), dtype=np.float64)
    for row, (question, signs, _) in zip(rows, shown, strict=True):
        row[0], row[1] = 1.0, _log_odds(signs.confidence)
        row[2:width] = signs.values
        places, values = _sequences(question)
        np.add.at(row, width + places, values)
    right = np.array([right for _, _, right in shown], dtype=np.float64)
    held = np.concatenate([
        [_BIAS_HELD, _ESTIMATE_HELD], np.full(width - 2, _SIGNS_HELD),
        np.full(_DIMENSION, _WORDING_HELD),
    ])  # fmt: skip
    weights = _most_likely(rows, right, rows[:, 1] if len(shown) else right, held)
    return Taught(
        float(weights[0]), 1.0 + float(weights[1]), tuple(map(float, weights[2:width])),
        weights[width:].astype(np.float32),
    )  # fmt: skip


def _most_likely(
    rows: np.ndarray, right: np.ndarray, offset: np.ndarray, held: np.ndarray
) -> np.ndarray:
    """Weights of a logistic regression on top of `offset` under a Gaussian prior around zero with
    precisions `held`: Newton's method, in the space of the cases since there are fewer of them
    (Rasmussen & Williams, Gaussian Processes for Machine Learning, algorithm 3.1)."""
    kernel = (rows / held) @ rows.T
    pull = np.zeros(len(rows))
    for _ in range(_ROUNDS):
        latent = kernel @ pull
        chance = 1.0 / (1.0 + np.exp(-np.clip(latent + offset, -30, 30)))
        slope = np.sqrt(chance * (1.0 - chance))
        target = slope**2 * latent + (right - chance)
        inner = np.eye(len(rows)) + slope[:, None] * kernel * slope
        step = target - slope * np.linalg.solve(inner, slope * (kernel @ target))
        if len(rows) == 0 or np.abs(step - pull).max() < 1e-6:
            pull = step
            break
        pull = step
    found: np.ndarray = (rows.T @ pull) / held
    return found


def _sequences(query: str) -> tuple[np.ndarray, np.ndarray]:
    """A question's sequences of one to three characters as hashed places with their weights, a
    vector of length 1."""
    text = f"^{plain(clipped(query))}$"
    grams = {text[start : start + size] for size in (1, 2, 3) for start in range(len(text))}
    codes = [zlib.crc32(gram.encode()) for gram in sorted(grams)]
    places = np.array([code % _DIMENSION for code in codes], dtype=np.intp)
    signs = np.array([1.0 if code & 0x8000_0000 else -1.0 for code in codes])
    return places, signs / np.sqrt(max(len(codes), 1))


def _log_odds(chance: float, limit: float = _MOST_SURE) -> float:
    if chance <= 0.0:
        return -limit
    if chance >= 1.0:
        return limit
    return max(-limit, min(limit, log(chance / (1.0 - chance))))


def _odds(log_odds: float) -> float:
    return 1.0 / (1.0 + exp(-max(-_LIMIT, min(_LIMIT, log_odds))))
