"""Copy written for the review's tests, with what must be found in it, and how well that goes.

In ``*-caught`` files a line is ``rules | goods | copy``, in ``*-clean`` files ``goods | copy``;
``\\n`` is a new line. Rules about what is missing count only where they are named, and for lines
that are ``whole`` messages. The ``-heldout`` files were written after the rules, and no
rule is ever changed for them: what they teach goes into a later part.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from schedules.review import Copy, Facts, Goods, Market, Piece, load, review

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 15, 2, 0, tzinfo=UTC)
FACTS = Facts(now=NOW)
MARKETS = {"zh": Market.CN, "ja": Market.JP}
# What a line out of its message cannot be blamed for.
OF_WHOLE_MESSAGES = frozenset(
    {
        "missing-ad-mark",
        "missing-deadline",
        "missing-conditions",
        "missing-opt-out",
        "health-food-statement",
        "medical-goods-approval",
        "lottery-rules",
        "jp-missing-ad-mark",
        "jp-limited-period",
        "jp-missing-conditions",
        "jp-missing-opt-out",
        "jp-missing-sender",
        "jp-lottery-rules",
    }
)


@dataclass(frozen=True)
class Line:
    """A line of copy and the rules that must be found in it."""

    text: str
    market: Market
    goods: Goods = Goods.GENERAL
    rules: frozenset[str] = frozenset()
    whole: bool = False

    @property
    def copy(self) -> Copy:
        return Copy(
            pieces=(Piece(place="content[0].text", text=self.text),),
            market=self.market,
            goods=self.goods,
        )

    def found(self) -> frozenset[str]:
        """The rules that the review finds and that count for this line."""
        found = {finding.rule for finding in review(self.copy, load(self.market), FACTS)}
        return frozenset(found if self.whole else found - (OF_WHOLE_MESSAGES - self.rules))


@dataclass
class Figures:
    """Per rule: right findings, wrong ones, and those that are missing."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right.total() / max(1, self.right.total() + self.wrong.total())

    @property
    def recall(self) -> float:
        return self.right.total() / max(1, self.right.total() + self.missed.total())


def lines(language: str, part: str = "") -> list[Line]:
    """The caught and the clean lines of ``language``; ``part`` is the end of the files' names."""
    read: list[Line] = []
    for kind in ("caught", "clean"):
        written = (DATA / f"review-{language}-{kind}{part}.txt").read_text("utf-8").split("\n")
        read += [
            _line(each, kind, MARKETS[language])
            for each in written
            if each.strip() and not each.startswith("#")
        ]
    return read


def measure(corpus: list[Line]) -> Figures:
    """What the review makes of the lines."""
    figures = Figures()
    for line in corpus:
        found = line.found()
        figures.right.update(found & line.rules)
        figures.wrong.update(found - line.rules)
        figures.missed.update(line.rules - found)
        figures.faults += [f"wrong {rule}: {line.text}" for rule in sorted(found - line.rules)]
        figures.faults += [f"missed {rule}: {line.text}" for rule in sorted(line.rules - found)]
    return figures


def _line(written: str, kind: str, market: Market) -> Line:
    if kind == "caught":
        rules, goods, text = (part.strip() for part in written.split(" | ", 2))
        named = frozenset(rule.strip() for rule in rules.split(","))
        return Line(text=text.replace("\\n", "\n"), market=market, goods=Goods(goods), rules=named)
    goods, text = (part.strip() for part in written.split(" | ", 1))
    return Line(
        text=text.replace("\\n", "\n"),
        market=market,
        goods=Goods(goods.removeprefix("whole ").strip()),
        whole=goods.startswith("whole"),
    )


def report(part: str = "") -> str:
    """Precision and recall, over all and by rule."""
    told = []
    for language in MARKETS:
        corpus = lines(language, part)
        caught = sum(1 for line in corpus if line.rules)
        figures = measure(corpus)
        told.append(
            f"{language}{part}: {caught} caught, {len(corpus) - caught} clean: "
            f"precision {figures.precision:.3f}, recall {figures.recall:.3f}"
        )
        told += [
            f"  {rule:28} right {figures.right[rule]:3} wrong {figures.wrong[rule]:2} "
            f"missed {figures.missed[rule]:2}"
            for rule in sorted(figures.right | figures.wrong | figures.missed)
        ]
        told += [f"  ! {fault}" for fault in figures.faults]
    return "\n".join(told)


if __name__ == "__main__":
    import sys

    sys.stdout.write(report(sys.argv[1] if len(sys.argv) > 1 else "") + "\n")
