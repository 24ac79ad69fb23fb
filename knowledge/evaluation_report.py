"""An evaluation for people: curves as PNG, and one HTML file with everything in it.

Labels are English throughout: a machine may have no font for what members write, so nothing of it
is drawn. The page loads nothing, and everything that was asked or answered stands escaped in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import measures
from knowledge.evaluation import Outcome, Proposal, Report, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GOOD, _BAD, _QUIET = "#1a7f4b", "#c0392b", "#5b6770"
_LONGEST_CELL = 400


@dataclass(frozen=True, kw_only=True)
class Account:
    """A report with what it rests on, and what it proposes: shown with confidence, and as merely
    counted.

    `notes` are what its reader must know; `threshold` is the one that decided, None where a model
    did; `facts` are lines such as group, model, cost. Where nothing was `checked` (no label names
    an entry that is there), no threshold is proposed.
    """

    title: str
    report: Report
    proposal: Proposal
    counted: Proposal
    threshold: float | None
    made_at: datetime
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    checked: bool = True


def rows(account: Account) -> Iterator[tuple[str, str, str]]:
    """The figures as (what, value, bounds), for a terminal and for the page."""
    report = account.report
    asked = len(report.outcomes)
    lacking = asked - len(report.answerable)

    def rate(name: str, events: int, trials: int) -> tuple[str, str, str]:
        low, high = measures.interval(events, trials)
        return name, f"{events / trials:.1%} ({events} of {trials})", f"{low:.1%} to {high:.1%}"

    yield rate("answered", report.answered, asked)
    yield rate("right or rightly refused", report.right, asked)
    yield rate("wrong answers", report.wrong, asked)
    if report.answerable:
        answered = report.count(Verdict.RIGHT)
        yield rate("  of those with an answer: answered right", answered, len(report.answerable))
        refused = report.count(Verdict.REFUSED)
        yield rate("  of those with an answer: refused", refused, len(report.answerable))
    if lacking:
        invented = report.count(Verdict.INVENTED)
        yield rate("  of those without: answered all the same", invented, lacking)
    unasked = report.unasked
    if unasked:
        silent = len(unasked.outcomes) - unasked.answered
        yield rate("to nobody: left alone", silent, len(unasked.outcomes))
        yield rate("to nobody: answered wrong", unasked.wrong, len(unasked.outcomes))
    for places in (1, 3, 5) if report.answerable else ():
        yield rate(f"R@{places}", report.found(places), len(report.answerable))
    if report.answerable:
        yield "F1 of answering", f"{report.answer_f1:.3f}", ""
    if lacking:
        yield "F1 of refusing", f"{report.refusal_f1:.3f}", ""
    auc, floor = report.separation(), report.floor()
    yield "AUC, answerable above not", "–" if auc is None else f"{auc:.3f}", ""
    yield "  length-only floor", "–" if floor is None else f"{floor:.3f}", ""
    yield "calibration error", f"{measures.calibration_error(report.reliability()):.3f}", ""


def proposal_lines(account: Account) -> Iterator[str]:
    """The proposed thresholds in plain words: what is shown, and what was merely counted."""
    if not account.checked:
        yield (
            "no threshold is proposed: no label names an entry that is in the knowledge base, so "
            "nothing is known about right answers"
        )
        return
    proposal, counted = account.proposal, account.counted
    present = "" if account.threshold is None else f" (present threshold: {account.threshold:g})"
    if proposal.kept:
        yield f"proposed: {_line(proposal)}{present}"
        if not proposal.right:
            yield "It keeps the promise by answering nothing."
    else:
        yield (
            f"{proposal.questions} labels are too few to show a rate under "
            f"{proposal.most_wrong:.1%}: even with {proposal.wrong} wrong answers that takes "
            f"{proposal.needed}."
        )
        yield f"the safest that they know, no promise: {_line(proposal)}{present}"
    if counted.right > proposal.right:
        yield (
            f"as counted, not shown: {_line(counted)}; to show it takes at least "
            f"{counted.needed} labels with as few wrong answers (--as-counted applies this one)"
        )


def _line(proposal: Proposal) -> str:
    asked = proposal.questions
    return (
        f"threshold {proposal.threshold:g}: {proposal.right} right and {proposal.wrong} wrong "
        f"answers to {asked} questions ({proposal.wrong / asked:.1%} wrong; with 95 % confidence "
        f"under {proposal.bound:.1%} of questions like these)"
    )


def write(folder: Path, account: Account) -> list[Path]:
    """`report.html` and three PNGs into `folder`, which is made; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = curves(account)
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    page = folder / "report.html"
    page.write_text(html(account, pictures), encoding="utf-8")
    return [page, *(folder / f"{name}.png" for name in pictures)]


# --- curves --------------------------------------------------------------------------------------


def curves(account: Account) -> dict[str, bytes]:
    """The PNGs by name: threshold, risk-coverage, reliability."""
    return {
        "threshold": _drawn(_threshold_curve, account),
        "risk-coverage": _drawn(_risk_coverage, account),
        "reliability": _drawn(_reliability, account),
    }


def _drawn(draw: Any, account: Account) -> bytes:
    from matplotlib.figure import Figure

    # Not through pyplot: it keeps figures and picks a backend for the whole process.
    figure: Figure = Figure(figsize=(6.4, 4.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="#e3e6e8", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes, account)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _threshold_curve(axes: Axes, account: Account) -> None:
    points = account.report.curve()
    asked = len(account.report.outcomes)
    across = [point.threshold for point in points]
    axes.step(
        across, [(p.right + p.wrong) / asked for p in points], where="pre", color=_GOOD,
        label="answered",
    )  # fmt: skip
    axes.step(
        across, [p.wrong / asked for p in points], where="pre", color=_BAD, label="answered wrong"
    )
    proposal = account.proposal
    axes.axhline(
        proposal.most_wrong, color=_BAD, linestyle=":", linewidth=1,
        label=f"wanted: wrong under {proposal.most_wrong:.1%}",
    )  # fmt: skip
    axes.axvline(
        proposal.threshold, color="#2c5d8f", linestyle="--", linewidth=1,
        label=f"proposed {proposal.threshold:.3f}",
    )  # fmt: skip
    if account.counted.threshold < proposal.threshold:
        axes.axvline(
            account.counted.threshold, color="#8a6100", linestyle="--", linewidth=1,
            label=f"as counted {account.counted.threshold:.3f}",
        )  # fmt: skip
    if account.threshold is not None:
        axes.axvline(
            account.threshold, color=_QUIET, linestyle="-.", linewidth=1,
            label=f"present {account.threshold:.3f}",
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="threshold", ylabel="share of all questions")
    axes.set_title(f"Answers over the threshold ({asked} labels)")
    axes.legend(fontsize=8, frameon=False)


def _risk_coverage(axes: Axes, account: Account) -> None:
    asked = len(account.report.outcomes)
    told = [p for p in account.report.curve() if p.right + p.wrong]
    coverage = [(p.right + p.wrong) / asked for p in told]
    bounds = [measures.interval(p.wrong, p.right + p.wrong) for p in _thinned(told)]
    axes.fill_between(
        [(p.right + p.wrong) / asked for p in _thinned(told)],
        [low for low, _ in bounds], [high for _, high in bounds],
        color=_BAD, alpha=0.12, linewidth=0, label="95 % interval",
    )  # fmt: skip
    axes.plot(
        coverage, [p.wrong / (p.right + p.wrong) for p in told], color=_BAD, marker="o",
        markersize=2, linewidth=1, label="wrong, of what is answered",
    )  # fmt: skip
    axes.set(xlim=(0, 1.02), ylim=(0, None), xlabel="share of questions answered (coverage)")
    axes.set_ylabel("share of answers that are wrong (risk)")
    axes.set_title(f"Risk and coverage ({asked} labels)")
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _thinned(points: Sequence[Any], most: int = 120) -> Sequence[Any]:
    """Evenly chosen points: exact bounds cost too much for ten thousand."""
    if len(points) <= most:
        return points
    return [points[round(n * (len(points) - 1) / (most - 1))] for n in range(most)]


def _reliability(axes: Axes, account: Account) -> None:
    bins = account.report.reliability()
    bounds = [measures.interval(one.right, one.count) for one in bins]
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", linewidth=1, label="perfect")
    axes.errorbar(
        [one.confidence for one in bins], [one.rate for one in bins],
        yerr=[
            [max(one.rate - low, 0) for one, (low, _) in zip(bins, bounds, strict=True)],
            [max(high - one.rate, 0) for one, (_, high) in zip(bins, bounds, strict=True)],
        ],
        color="#2c5d8f", marker="o", markersize=4, linewidth=1, elinewidth=0.8, capsize=2,
        label="first entry right, with 95 % interval",
    )  # fmt: skip
    for one in bins:
        axes.annotate(
            str(one.count), (one.confidence, one.rate), textcoords="offset points",
            xytext=(5, -9 if one.rate > 0.1 else 5), fontsize=7, color=_QUIET,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="share right")
    error = measures.calibration_error(bins)
    axes.set_title(f"Calibration (error {error:.3f}; small numbers: questions)")
    axes.legend(fontsize=8, frameon=False, loc="upper left")


# --- the page ------------------------------------------------------------------------------------

_VERDICTS = {
    Verdict.RIGHT: ("right", "good"),
    Verdict.WRONG: ("wrong entry", "bad"),
    Verdict.INVENTED: ("answered without an answer", "bad"),
    Verdict.REFUSED: ("refused, had an answer", "miss"),
    Verdict.RIGHTLY_REFUSED: ("rightly refused", "good"),
}
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2429; --quiet: #5b6770; --line: #d9dee2;
  --ground: #fff; --good: #1a7f4b; --bad: #c0392b; --miss: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaed; --quiet: #9aa6ae; --line: #333c43;
  --ground: #14181b; --good: #5fd39a; --bad: #ff8a7a; --miss: #e6b94d; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, "PingFang SC", "Hiragino Sans",
  "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.made { color: var(--quiet); margin-top: .2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--quiet); white-space: nowrap; }
table.figures { width: auto; } table.figures td { padding-right: 2rem; }
table.figures td:first-child { white-space: pre; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; } .questions { min-width: 56rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .miss { color: var(--miss); }
.quiet { color: var(--quiet); } ul.notes li { margin: .2rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.pictures img { max-width: 100%; width: 24rem; background: #fff; border: 1px solid var(--line); }
.filter { display: flex; flex-wrap: wrap; gap: .5rem; margin: .8rem 0; align-items: center; }
.filter input { flex: 1 1 16rem; } .filter input, .filter select { font: inherit; padding: .3rem;
  color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 4px; }
"""
_SCRIPT = """
const rows = [...document.querySelectorAll("tbody.questions tr")];
const words = document.getElementById("words"), verdict = document.getElementById("verdict");
const shown = document.getElementById("shown");
const texts = rows.map(row => row.textContent.toLowerCase());
function narrow() {
  const wanted = words.value.trim().toLowerCase();
  let count = 0;
  rows.forEach((row, n) => {
    const fits = (!verdict.value || row.dataset.verdict === verdict.value ||
      row.dataset.kind === verdict.value) && texts[n].includes(wanted);
    row.hidden = !fits;
    count += fits;
  });
  shown.textContent = count + " of " + rows.length;
}
words.addEventListener("input", narrow);
verdict.addEventListener("change", narrow);
narrow();
"""


def html(account: Account, pictures: dict[str, bytes]) -> str:
    """The page: one file that loads nothing."""
    return "\n".join(_page(account, pictures))


def _page(account: Account, pictures: dict[str, bytes]) -> Iterator[str]:
    report = account.report
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
    )
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(account.title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(account.title)}</h1>"
    yield f'<p class="made">{len(report.outcomes)} labelled questions · made '
    yield f"{account.made_at:%Y-%m-%d %H:%M %Z}</p>"
    if account.notes:
        yield '<h2>To know first</h2><ul class="notes">'
        yield from (f"<li>{escape(note)}</li>" for note in account.notes)
        yield "</ul>"
    yield '<h2>Figures</h2><div class="wide"><table class="figures">'
    yield "<tr><th></th><th></th><th>95 % interval</th></tr>"
    for name, value, bounds in rows(account):
        yield f'<tr><td>{escape(name)}</td><td class="number">{escape(value)}</td>'
        yield f'<td class="number quiet">{escape(bounds)}</td></tr>'
    yield '</table></div><ul class="notes">'
    for name, value in account.facts:
        yield f'<li><span class="quiet">{escape(name)}:</span> {escape(value)}</li>'
    yield "</ul>"
    yield f"<h2>Threshold for at most {account.proposal.most_wrong:.1%} wrong answers</h2>"
    for line in proposal_lines(account):
        yield f"<p>{escape(line)}</p>"
    yield '<h2>Curves</h2><div class="pictures">'
    for name, data in pictures.items():
        source = base64.b64encode(data).decode()
        yield f'<img alt="{escape(name)}" src="data:image/png;base64,{source}">'
    yield "</div>"
    yield from _questions(report)
    yield f"<script>{_SCRIPT}</script></body></html>"


def _questions(report: Report) -> Iterator[str]:
    yield '<h2>Questions</h2><div class="filter">'
    yield '<input id="words" type="search" placeholder="Find text" aria-label="Find text">'
    yield '<select id="verdict" aria-label="Verdict"><option value="">every verdict</option>'
    yield '<option value="bad">all that is wrong</option>'
    for verdict, (name, _) in _VERDICTS.items():
        if count := report.count(verdict):
            yield f'<option value="{verdict.value}">{escape(name)} ({count})</option>'
    yield '</select><span id="shown" class="quiet"></span></div><div class="wide">'
    yield '<table><thead><tr class="questions"><th>line</th><th>question</th><th>verdict</th>'
    yield "<th>confidence</th><th>place</th><th>expected</th><th>answer, or the nearest entry</th>"
    yield '</tr></thead><tbody class="questions">'
    yield from map(_question, report.outcomes)
    yield "</tbody></table></div>"


def _question(outcome: Outcome) -> str:
    name, kind = _VERDICTS[outcome.verdict]
    nearest = outcome.passages[0] if outcome.passages else None
    near = (nearest.question or nearest.heading or nearest.text) if nearest else "nothing"
    found = f"{near} · {nearest.source}" if nearest else near
    expected = "nothing answers it"
    if outcome.source is not None:
        expected = f"{outcome.expected} · {outcome.source}"
    why = "" if outcome.answered else outcome.detail or outcome.reason.replace("_", " ")
    answer = f"{_cell(outcome.answer)}<br>" if outcome.answer else ""
    nobody = "" if outcome.addressed else '<br><span class="quiet">to nobody</span>'
    return (
        f'<tr data-verdict="{outcome.verdict.value}" data-kind="{kind}">'
        f'<td class="number quiet">{outcome.line or ""}</td>'
        f"<td>{_cell(outcome.question)}{nobody}</td>"
        f'<td class="{kind}">{escape(name)}<br><span class="quiet">{_cell(why)}</span></td>'
        f'<td class="number">{outcome.confidence:.3f}</td>'
        f'<td class="number">{outcome.place or "–"}</td>'
        f"<td>{_cell(expected)}</td>"
        f'<td>{answer}<span class="quiet">{_cell(found)}</span></td></tr>'
    )


def _cell(text: str) -> str:
    return escape(text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…")
