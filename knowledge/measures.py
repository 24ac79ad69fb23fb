"""Figures about labelled outcomes: exact confidence bounds, separation, calibration."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CONFIDENCE = 0.95


@lru_cache(maxsize=256)
def upper_bound(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided Clopper-Pearson bound: the rate above which so few events would be unlikely."""
    if events >= trials:
        return 1.0
    steps = np.arange(events)
    # log of the binomial coefficients, from one to the next
    ways = np.concatenate([[0.0], np.cumsum(np.log((trials - steps) / (steps + 1)))])
    counts = np.arange(events + 1)
    low, high = events / trials, 1.0
    for _ in range(50):
        rate = (low + high) / 2
        if rate >= 1.0:
            break
        logs = ways + counts * np.log(rate) + (trials - counts) * np.log1p(-rate)
        so_few = float(np.exp(logs).sum())
        low, high = (rate, high) if so_few > 1 - confidence else (low, rate)
    return high


def interval(events: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of a rate."""
    if not trials:
        return 0.0, 1.0
    each = 1 - (1 - confidence) / 2
    return 1.0 - upper_bound(trials - events, trials, each), upper_bound(events, trials, each)


def labels_needed(events: int, rate: float) -> int:
    """The fewest labels that show a rate below `rate` if `events` of them are events."""
    if rate <= 0:
        raise ValueError("no number of labels shows a rate of zero")
    enough = events + 1
    while upper_bound(events, enough) > rate:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if upper_bound(events, middle) > rate:
            too_few = middle
        else:
            enough = middle
    return enough


def most_events(trials: int, rate: float) -> int | None:
    """How many events in `trials` still show a rate of at most `rate`; None if not even none do."""
    if upper_bound(0, trials) > rate:
        return None
    low, high = 0, trials
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if upper_bound(middle, trials) <= rate else (low, middle)
    return low


def separation(holds: Sequence[float], lacks: Sequence[float]) -> float | None:
    """AUC: how often one of `holds` is above one of `lacks`, ties counting half; 0.5 is chance.

    None where one side is empty.
    """
    if not holds or not lacks:
        return None
    below = sorted(lacks)
    above = sum(bisect_left(below, one) + bisect_right(below, one) for one in holds)
    return above / (2 * len(holds) * len(lacks))


def f1(hits: int, claimed: int, wanted: int) -> float:
    """The harmonic mean of precision (hits of claimed) and recall (hits of wanted)."""
    return 2 * hits / (claimed + wanted) if claimed + wanted else 0.0


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Questions of about the same confidence, and how many of them were right."""

    confidence: float
    right: int
    count: int

    @property
    def rate(self) -> float:
        return self.right / self.count


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Bins of equal width over 0..1, without the empty ones."""
    places = [min(int(confidence * bins), bins - 1) for confidence in confidences]
    found = []
    for number in range(bins):
        members = [place for place, own in enumerate(places) if own == number]
        if members:
            found.append(
                Bin(
                    confidence=sum(confidences[m] for m in members) / len(members),
                    right=sum(right[m] for m in members),
                    count=len(members),
                )
            )
    return found


def calibration_error(found: Sequence[Bin]) -> float:
    """Expected calibration error: by how much confidence and rate of right differ on average."""
    total = sum(one.count for one in found)
    return sum(abs(one.confidence - one.rate) * one.count for one in found) / total


def log_loss(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The mean negative log likelihood of what was right; lower is better."""
    told = np.clip(np.array(confidences, dtype=float), 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(np.array(right, dtype=bool), np.log(told), np.log1p(-told))))
