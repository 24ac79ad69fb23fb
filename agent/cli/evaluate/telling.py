"""What an examination found, in words and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import given, opening

if TYPE_CHECKING:
    from agent.config import Settings
    from knowledge.evaluation import Proposal, Report
    from knowledge.evaluation_report import Account


def gain(before: Report, after: Report, most_wrong: float) -> str:
    """What learning changed, in figures that compare."""
    told = []
    for report in (before, after):
        counted = report.as_counted(most_wrong)
        auc = report.separation()
        separated = "" if auc is None else f"AUC {auc:.3f}, "
        told.append(
            f"{separated}calibration loss {report.log_loss:.3f}, {counted.right} right and "
            f"{counted.wrong} wrong at its own threshold"
        )
    return f"built in: {told[0]}; learned, on questions it had not seen: {told[1]}"


def costly(proposal: Proposal, counted: Proposal, present: int) -> str:
    """Why a threshold that would nearly silence the bot is not written."""
    asked, rate = proposal.questions, f"{proposal.most_wrong:.2%}".replace(".00%", "%")
    return (
        f"nothing was written: the threshold {proposal.threshold:g} would answer "
        f"{proposal.right + proposal.wrong} instead of {present} of these {asked} questions, "
        f"because {asked} labels cannot show a rate of wrong answers under {rate} with more "
        "answers. Use --as-counted for the threshold that merely counts out on these labels "
        f"({counted.right} right, {counted.wrong} wrong), or label more questions (at least "
        f"{counted.needed} would show that one); --force writes it all the same."
    )


def fewer_labels(labels: int, stored: int) -> str:
    """Why few labels do not take the place of many."""
    return (
        f"nothing was written: what is in use was learned from {stored} labels, these are "
        f"{labels}. Put them together into one file and use that, or write it with --force."
    )


def times(seconds: Sequence[float]) -> str:
    """How long questions took."""
    ranked = sorted(seconds)
    median, late = ranked[len(ranked) // 2], ranked[min(len(ranked) * 95 // 100, len(ranked) - 1)]
    return (
        f"{median * 1000:.1f} ms median, {late * 1000:.1f} ms at 95 %, {sum(seconds):.1f} s in all"
    )


def cost(report: Report, settings: Settings) -> Iterator[tuple[str, str]]:
    """What models cost, if any was asked; in money where the configuration has their prices."""
    calls = [outcome.model for outcome in report.outcomes if outcome.model is not None]
    if not calls:
        return
    budget = settings.egress.budget
    names = sorted({call.model for call in calls})
    tokens_in = sum(call.input_tokens or 0 for call in calls)
    tokens_out = sum(call.output_tokens or 0 for call in calls)
    untold = sum(1 for call in calls if call.input_tokens is None)
    yield "model", ", ".join(names)
    told = f"{sum(call.attempts for call in calls)} calls, {tokens_in} tokens in, {tokens_out} out"
    if untold:
        told += f" ({untold} questions without a count)"
    if all(name in budget.prices for name in names):
        money = sum(
            budget.prices[call.model].input * (call.input_tokens or 0)
            + budget.prices[call.model].output * (call.output_tokens or 0)
            for call in calls
        )
        told += f", {money / 1_000_000:.4f} {budget.currency}"
    yield "cost", told


def not_asked(report: Report) -> Iterator[str]:
    """Questions that no model answered although one should have: they say nothing about it."""
    reasons = Counter(o.reason for o in report.outcomes if o.reason.startswith("model_"))
    for reason, count in reasons.most_common():
        detail = next(o.detail for o in report.outcomes if o.reason == reason)
        yield f"{count} questions got no answer of the model ({reason}: {detail or 'no detail'})"


def as_json(
    account: Account, files: Sequence[Path], *, learned: bool, applied: bool
) -> dict[str, Any]:
    """The same for programs; rates are 0..1."""
    from dataclasses import asdict

    from knowledge import measures
    from knowledge.evaluation import Verdict

    report, asked = account.report, len(account.report.outcomes)
    counts = {
        "answered": report.answered,
        "right_or_rightly_refused": report.right,
        "wrong": report.wrong,
    }
    return {
        "questions": asked,
        "answerable": len(report.answerable),
        "verdicts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "rates": {
            name: {"rate": events / asked, "interval": measures.interval(events, asked)}
            for name, events in counts.items()
        },
        "recall": {str(places): report.recall(places) for places in (1, 3, 5)},
        "answer_f1": report.answer_f1,
        "refusal_f1": report.refusal_f1,
        "auc": report.separation(),
        "length_only_floor": report.floor(),
        "calibration_error": measures.calibration_error(report.reliability()),
        "threshold": account.threshold,
        "proposal": asdict(account.proposal) if account.checked else None,
        "as_counted": asdict(account.counted) if account.checked else None,
        "learned": learned,
        "applied": applied,
        "facts": dict(account.facts),
        "notes": list(account.notes),
        "files": [str(file) for file in files],
    }


def print_account(account: Account, files: Sequence[Path]) -> None:
    """The figures, the proposed thresholds, what to know, and where the report is."""
    from agent.cli.knowledge.view import print_rows
    from knowledge import evaluation_report

    asked = len(account.report.outcomes)
    print_rows(("", f"{asked} labels", "95 % interval"), list(evaluation_report.rows(account)))
    opening.say("")
    for name, value in account.facts:
        opening.say(f"{name}: {value}")
    opening.say("")
    for line in evaluation_report.proposal_lines(account):
        opening.say(line)
    for note in account.notes:
        given.note(f"! {note}", style="yellow")
    if files:
        opening.say(f"\nreport: {files[0]}")


def print_applied(proposal: Proposal, *, learned: bool, configured: float | None) -> None:
    """What was written, and the `configured` threshold that goes before it."""
    scale = " and the learned scale" if learned else ""
    opening.say(
        f"written: the threshold {proposal.threshold:g}{scale}; a running process follows within "
        "seconds"
    )
    if not proposal.kept:
        given.note("! it is no promise: see above", style="yellow")
    if configured is not None:
        given.note(
            f"! knowledge.threshold: {configured:g} in the configuration goes before it; remove "
            "that line",
            style="yellow",
        )
