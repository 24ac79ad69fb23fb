"""What law and platform forbid in an offer's copy, found before anybody approves it.

``review(copy, rule_sets.load(market), facts)`` gives the findings; ``is_blocked`` says whether the
copy may be posted all the same. Nothing of this is needed by a process at rest: import it where
somebody asks.
"""

from schedules.review.copies import Copy, Facts, Goods, Kind, Market, Piece, Price
from schedules.review.findings import Finding, Severity, is_blocked, rewritten
from schedules.review.reviewing import review
from schedules.review.rule_sets import BrokenRules, Rule, RuleSet, load, read

__all__ = [
    "BrokenRules",
    "Copy",
    "Facts",
    "Finding",
    "Goods",
    "Kind",
    "Market",
    "Piece",
    "Price",
    "Rule",
    "RuleSet",
    "Severity",
    "is_blocked",
    "load",
    "read",
    "review",
    "rewritten",
]
