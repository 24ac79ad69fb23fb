"""`shequn evaluate`: labelled questions, how they are answered, and the threshold they propose."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import given, opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from agent.compliance.egress import Egress
    from agent.config import Settings
    from agent.database import Database
    from agent.knowledge_base import KnowledgeBase
    from agent.timekeeping import Clock
    from knowledge.audience import SearchScope
    from knowledge.calibration import Learned, Taught
    from knowledge.evaluation import Labelled, Proposal, Report
    from knowledge.evaluation_report import Account

# Fewer labels than this teach nothing that could be told from chance.
_FEWEST_TO_LEARN = 20


def add_to(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(help="CSV: question, expected, source (or none).")],
    most_wrong: Annotated[
        float, typer.Option(min=0.0001, max=0.99, help="The rate of wrong answers to stay under.")
    ] = 0.02,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the threshold and what the labels teach.")
    ] = False,
    as_counted: Annotated[
        bool,
        typer.Option("--as-counted", help="Apply what these labels count, shown or not."),
    ] = False,
    learn: Annotated[
        bool | None,
        typer.Option("--learn/--no-learn", help="Learn from the labels; --apply does by itself."),
    ] = None,
    learn_from: Annotated[
        Path | None, typer.Option(help="Learn from these labels instead, and test on QUESTIONS.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="One JSON line a question into this file; - for output.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.html and PNGs; else NAME-report here.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    knowledge: Annotated[
        Path | None,
        typer.Option(help="Ask this documents folder, in a temporary database and index."),
    ] = None,
    group: Annotated[str | None, typer.Option(help="As members of this group.")] = None,
    at: Annotated[str | None, typer.Option(help="As if it were then.")] = None,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Ask the model, too; costs what it costs.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Instead of the one before evaluate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure answers on labelled questions, and propose the confidence threshold."""
    from agent.errors import UsageError

    if config is not None:
        context.obj = config
    if apply and knowledge is not None:
        raise UsageError(
            "--apply writes into the configured database, and --knowledge uses none: set "
            "knowledge.documents in the configuration"
        )
    if with_model and (apply or learn or learn_from):
        raise UsageError("labels teach without a model: leave --with-model away")
    with _asked(context, knowledge, group, at, with_model=with_model) as examination:
        labelled, notes = examination.labels(questions)
        lessons = examination.labels(learn_from)[0] if learn_from else None
        if with_model:
            examined = examination.with_model(labelled)
        else:
            learning = apply if learn is None else learn
            examined = examination.without_model(labelled, lessons, learning, most_wrong)
        account = examination.account(examined, most_wrong, questions, notes)
        chosen = account.counted if as_counted else account.proposal
        if apply:
            examination.apply(examined, chosen)
        files = [] if no_report else _written(report or Path(f"{questions.stem}-report"), account)
    if jsonl is not None:
        _write_lines(jsonl, examined.report)
    if as_json:
        opening.print_json(_told(account, examined, files, applied=apply))
    elif str(jsonl) != "-":
        _print(account, files)
        if apply:
            _print_applied(examination, chosen, examined)


@dataclass(frozen=True, kw_only=True)
class _Examined:
    """A report, and what was learned for it; `gain` tells what learning changed."""

    report: Report
    threshold: float | None
    taught: Taught | None = None
    labels: int = 0
    gain: str = ""


@dataclass(frozen=True, kw_only=True)
class _Examination:
    """An opened knowledge base, and where and when it is asked."""

    settings: Settings
    database: Database
    knowledge: KnowledgeBase
    clock: Clock
    scope: SearchScope
    now: datetime
    stored: Learned | None

    @property
    def threshold(self) -> float:
        """The confidence that answers need: as configured, else as labels taught, else built in."""
        return self.knowledge.answerer.threshold

    def labels(self, file: Path) -> tuple[list[Labelled], list[str]]:
        """The labels of a file, and what is wrong with them. Raises `UsageError`."""
        from agent.errors import UsageError
        from knowledge import catalog, labels

        try:
            labelled = labels.read_labelled(file)
        except ValueError as error:
            raise UsageError(str(error)) from None
        with self.database.reading() as connection:
            entries = catalog.selected(connection, catalog.Selection(), limit=10_000_000)
        shelf = labels.Shelf.of(entries)
        told, notes = labels.resolved(labelled, shelf, scope=self.scope, now=self.now)
        if not entries:
            notes.insert(0, "the knowledge base is empty")
        return told, notes + list(_one_sided(told))

    def without_model(
        self,
        labelled: Sequence[Labelled],
        lessons: Sequence[Labelled] | None,
        learning: bool,
        most_wrong: float,
    ) -> _Examined:
        """Ask without a model; with `learning`, judged by what the other labels teach, and with
        `lessons` by what those teach."""
        from agent.errors import UsageError
        from knowledge import evaluation
        from knowledge.calibration import fit

        index = self.knowledge.index
        if (learning or lessons) and len(lessons or labelled) < _FEWEST_TO_LEARN:
            raise UsageError(f"{_FEWEST_TO_LEARN} labels are the fewest to learn from")
        if not (learning or lessons):
            return _Examined(report=self._judged(labelled), threshold=self.threshold)
        index.calibration = None
        plain = self._judged(labelled)
        with _progress("learning", None):
            if lessons is not None:
                taught = fit(index, lessons, scope=self.scope, now=self.now)
                index.calibration = taught
                fresh = self._judged(labelled)
                confidences = [outcome.confidence for outcome in fresh.outcomes]
            else:
                taught, confidences = evaluation.learned(
                    index, labelled, scope=self.scope, now=self.now
                )
        better: Report = plain.under(confidences, self.threshold)
        gain = _gain(plain, better, most_wrong)
        if better.log_loss >= plain.log_loss:
            gain += "; the built-in scale is at least as good, so it stays"
            return _Examined(report=plain, threshold=self.threshold, gain=gain)
        count = min(len(lessons or labelled), evaluation.MOST_LEARNED)
        return _Examined(
            report=better, threshold=self.threshold, taught=taught, labels=count, gain=gain
        )

    def _judged(self, labelled: Sequence[Labelled]) -> Report:
        from knowledge import evaluation

        with _progress("questions", len(labelled)) as progress:
            return evaluation.evaluate(
                self.knowledge.answerer, labelled, scope=self.scope, now=self.now,
                progress=progress,
            )  # fmt: skip

    def with_model(self, labelled: Sequence[Labelled]) -> _Examined:
        """Ask the whole answerer. Raises `UsageError` where no model is configured."""
        import asyncio

        from agent.errors import UsageError
        from knowledge import evaluation

        if not self.settings.models:
            raise UsageError("no model is configured: set OPENAI_API_KEY or model.base_url")
        with _progress("questions", len(labelled)) as progress:
            report = asyncio.run(
                evaluation.evaluate_with_model(
                    self.knowledge.answerer, labelled, scope=self.scope, now=self.now,
                    progress=progress,
                )
            )  # fmt: skip
        return _Examined(report=report, threshold=None)

    def account(
        self, examined: _Examined, most_wrong: float, file: Path, notes: Sequence[str]
    ) -> Account:
        from knowledge.evaluation_report import Account

        report = examined.report
        facts = [
            ("asked in", self.scope.group or "no group"),
            ("asked at", f"{self.now.astimezone(self.settings.zone):%Y-%m-%d %H:%M}"),
            ("embedding", self.knowledge.index.embedding.split(" ")[0]),
            ("entries", str(self.knowledge.size)),
            ("time to answer", _times([outcome.seconds for outcome in report.outcomes])),
            *_cost(report, self.settings),
        ]
        if examined.threshold is not None:
            facts.insert(0, ("threshold", f"{examined.threshold:g}"))
        if examined.gain:
            facts.append(("learning", examined.gain))
        said = [*notes, *_not_asked(report)]
        if examined.taught is not None:
            said.append(
                f"The figures are by a scale learned from {examined.labels} labels; no question "
                "was judged by a scale that it had taught."
            )
        elif self.stored is not None and not examined.gain:
            said.append(
                f"A scale learned from {self.stored.labels} labels on "
                f"{opening.local(self.stored.made_at, self.settings)} is in use. If these labels "
                "are among them, the figures flatter: use --learn."
            )
        return Account(
            title=f"How {file.name} is answered", report=report,
            proposal=report.propose(most_wrong), counted=report.as_counted(most_wrong),
            threshold=examined.threshold, made_at=self.clock.now().astimezone(self.settings.zone),
            facts=facts, notes=said,
        )  # fmt: skip

    def apply(self, examined: _Examined, proposal: Proposal) -> None:
        """Write the threshold, and the learned scale if there is a better one."""
        from agent import audit
        from knowledge import calibration

        index, now = self.knowledge.index, self.clock.now()
        kept = self.stored.calibration if self.stored and not examined.gain else None
        taught = examined.taught or kept or calibration.fit(index, [], scope=self.scope, now=now)
        count = len(examined.report.outcomes)
        learned = calibration.Learned(
            embedding=index.embedding, threshold=proposal.threshold, calibration=taught,
            labels=max(count, examined.labels), made_at=now,
        )  # fmt: skip
        with self.database.transaction() as connection:
            calibration.save(connection, learned)
            audit.write(
                connection, actor=given.actor(), action="knowledge.calibrated",
                subject=f"calibration:{index.embedding}", at=now, threshold=proposal.threshold,
                labels=count, most_wrong=proposal.most_wrong, shown=proposal.kept,
                learned=examined.taught is not None,
            )  # fmt: skip


@contextmanager
def _asked(
    context: typer.Context,
    folder: Path | None,
    group: str | None,
    at: str | None,
    *,
    with_model: bool,
) -> Iterator[_Examination]:
    """The configured knowledge base, or one made of `folder` for the moment."""
    import tempfile

    from agent import bootstrap
    from agent.bootstrap.knowledge import open_egress
    from agent.errors import UsageError

    settings = opening.load_settings(context)
    scope = given.asked_in(settings, group)
    clock = bootstrap.open_clock(settings)
    moment = given.moment(at, settings)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--knowledge: {folder} is no folder")
    with ExitStack() as at_the_end:
        guard: Egress | None = None
        if folder is not None:
            if with_model or settings.hosted_embedding:
                # What leaves counts and is on record where the owner looks for it.
                owners = bootstrap.open_database(settings)
                at_the_end.callback(owners.close)
                guard = open_egress(settings, owners, clock)
            temporary = tempfile.TemporaryDirectory(prefix="shequn-evaluate-")
            settings = _in(settings, Path(at_the_end.enter_context(temporary)), folder)
            database = bootstrap.open_embedded_database(settings)
        else:
            database = bootstrap.open_database(settings)
        at_the_end.callback(database.close)
        knowledge = bootstrap.open_knowledge(settings, database, clock, guard=guard)
        at_the_end.callback(knowledge.close)
        for finding in knowledge.findings() if folder is not None else ():
            given.note(f"! {finding}", style="yellow")
        knowledge.take_over()
        with _progress("index", None) as progress:
            knowledge.refresh(progress)
        yield _Examination(
            settings=settings, database=database, knowledge=knowledge, clock=clock,
            scope=scope, now=moment or clock.now(), stored=_stored(database, knowledge),
        )  # fmt: skip


def _in(settings: Settings, temporary: Path, folder: Path) -> Settings:
    """The same settings over another documents folder, keeping everything in `temporary`."""
    storage = settings.storage.model_copy(
        update={"data_folder": temporary, "database_url": None, "chroma_url": None}
    )
    documents = settings.knowledge.model_copy(update={"documents": folder.resolve()})
    return settings.model_copy(update={"storage": storage, "knowledge": documents})


def _stored(database: Database, knowledge: KnowledgeBase) -> Learned | None:
    """What earlier labels taught about this embedding."""
    from knowledge import calibration

    with database.reading() as connection:
        return calibration.load(connection, knowledge.index.embedding)


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _one_sided(labelled: Sequence[Labelled]) -> Iterator[str]:
    lacking = sum(1 for label in labelled if label.source is None)
    if lacking == len(labelled):
        yield "every label is none: nothing is known about right answers, R@k and AUC"
    if not lacking:
        yield (
            "no label is none: whether the agent is silent when it should be is not tested; add "
            "questions that nothing answers"
        )


def _gain(before: Report, after: Report, most_wrong: float) -> str:
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


def _times(seconds: Sequence[float]) -> str:
    ranked = sorted(seconds)
    median, late = ranked[len(ranked) // 2], ranked[min(len(ranked) * 95 // 100, len(ranked) - 1)]
    return (
        f"{median * 1000:.1f} ms median, {late * 1000:.1f} ms at 95 %, {sum(seconds):.1f} s in all"
    )


def _cost(report: Report, settings: Settings) -> Iterator[tuple[str, str]]:
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


def _not_asked(report: Report) -> Iterator[str]:
    """Questions that no model answered although one should have: they say nothing about it."""
    reasons = Counter(o.reason for o in report.outcomes if o.reason.startswith("model_"))
    for reason, count in reasons.most_common():
        detail = next(o.detail for o in report.outcomes if o.reason == reason)
        yield f"{count} questions got no answer of the model ({reason}: {detail or 'no detail'})"


def _written(folder: Path, account: Account) -> list[Path]:
    from agent.errors import UsageError
    from knowledge import evaluation_report

    try:
        return evaluation_report.write(folder, account)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error


def _write_lines(file: Path, report: Report) -> None:
    from agent.errors import UsageError

    if str(file) == "-":
        for line in report.lines():
            sys.stdout.write(f"{line}\n")
        return
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in report.lines())
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


def _told(
    account: Account, examined: _Examined, files: Sequence[Path], *, applied: bool
) -> dict[str, Any]:
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
        "proposal": asdict(account.proposal),
        "as_counted": asdict(account.counted),
        "learned": examined.taught is not None,
        "applied": applied,
        "facts": dict(account.facts),
        "notes": list(account.notes),
        "files": [str(file) for file in files],
    }


def _print(account: Account, files: Sequence[Path]) -> None:
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


def _print_applied(examination: _Examination, proposal: Proposal, examined: _Examined) -> None:
    learned = " and the learned scale" if examined.taught is not None else ""
    opening.say(
        f"written: the threshold {proposal.threshold:g}{learned}; a running process follows within "
        "seconds"
    )
    if not proposal.kept:
        given.note("! it is no promise: see above", style="yellow")
    configured = examination.settings.knowledge.threshold
    if configured is not None:
        given.note(
            f"! knowledge.threshold: {configured:g} in the configuration goes before it; remove "
            "that line",
            style="yellow",
        )
