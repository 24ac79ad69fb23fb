"""A knowledge base under examination: opened, asked every labelled question, taught by labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agent.cli import given, opening
from agent.cli.evaluate import telling

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


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A report, and what was learned for it; `gain` tells what learning changed, and `present` is
    how many of the questions are answered by what is in use today."""

    report: Report
    threshold: float | None
    present: int
    taught: Taught | None = None
    labels: int = 0
    gain: str = ""


@dataclass(frozen=True, kw_only=True)
class Examination:
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

    def learned(self) -> tuple[list[Labelled], list[str]]:
        """The questions that operators answered and that count in this group, and what is to be
        said of them. Raises `UsageError` where there are none."""
        from agent.errors import UsageError
        from agent.learning import questions
        from knowledge import catalog, labels

        with self.database.reading() as connection:
            every = questions.listed(connection)
            entries = catalog.selected(connection, catalog.Selection(), limit=10_000_000)
        here = [one for one in every if one.group in ("", self.scope.group)]
        elsewhere = sorted({one.group for one in every} - {"", self.scope.group})
        if not here:
            hint = f"; there are some for {', '.join(elsewhere)}: --group" if elsewhere else ""
            raise UsageError(f"no question was learned that counts here{hint}")
        labelled = [
            labels.Labelled(
                question=one.question, expected=one.expected, source=one.source, line=number
            )
            for number, one in enumerate(here, 1)
        ]
        shelf = labels.Shelf.of(entries)
        told, notes = labels.resolved(labelled, shelf, scope=self.scope, now=self.now)
        if elsewhere:
            left = len(every) - len(here)
            notes.append(f"{left} more were learned for {', '.join(elsewhere)} alone: --group")
        return told, notes + list(_one_sided(told))

    def without_model(
        self,
        labelled: Sequence[Labelled],
        lessons: Sequence[Labelled] | None,
        learning: bool,
        most_wrong: float,
    ) -> Examined:
        """Ask without a model; with `learning`, judged by what the other labels teach, and with
        `lessons` by what those teach."""
        from agent.errors import UsageError
        from knowledge import evaluation
        from knowledge.calibration import fit

        index = self.knowledge.index
        if (learning or lessons) and len(lessons or labelled) < _FEWEST_TO_LEARN:
            raise UsageError(f"{_FEWEST_TO_LEARN} labels are the fewest to learn from")
        if not (learning or lessons):
            report = self._judged(labelled)
            return Examined(report=report, threshold=self.threshold, present=report.answered)
        present = None if self.stored is None else self._judged(labelled).answered
        index.calibration = None
        plain = self._judged(labelled)
        present = plain.answered if present is None else present
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
        gain = telling.gain(plain, better, most_wrong)
        if better.log_loss >= plain.log_loss:
            gain += "; the built-in scale is at least as good, so it stays"
            return Examined(report=plain, threshold=self.threshold, present=present, gain=gain)
        count = min(len(lessons or labelled), evaluation.MOST_LEARNED)
        return Examined(
            report=better, threshold=self.threshold, present=present, taught=taught, labels=count,
            gain=gain,
        )  # fmt: skip

    def _judged(self, labelled: Sequence[Labelled]) -> Report:
        from knowledge import evaluation

        with _progress("questions", len(labelled)) as progress:
            return evaluation.evaluate(
                self.knowledge.answerer, labelled, scope=self.scope, now=self.now,
                progress=progress,
            )  # fmt: skip

    def with_model(self, labelled: Sequence[Labelled]) -> Examined:
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
        return Examined(report=report, threshold=None, present=report.answered)

    def account(
        self,
        examined: Examined,
        labelled: Sequence[Labelled],
        most_wrong: float,
        file: Path,
        notes: Sequence[str],
    ) -> Account:
        from knowledge.evaluation_report import Account

        report = examined.report
        said = [
            *notes,
            *telling.not_asked(report),
            *_forgotten(self.database, self.stored),
        ]
        facts = [
            ("asked in", self.scope.group or "no group"),
            ("asked at", f"{self.now.astimezone(self.settings.zone):%Y-%m-%d %H:%M}"),
            ("embedding", self.knowledge.index.embedding.split(" ")[0]),
            ("entries", str(self.knowledge.size)),
            ("time to answer", telling.times([outcome.seconds for outcome in report.outcomes])),
            *telling.cost(report, self.settings),
        ]
        if examined.threshold is not None:
            facts.insert(0, ("threshold", f"{examined.threshold:g}"))
        else:
            said.append(
                "A model decided. The threshold below is for answers without one, and for what "
                "nobody asked the bot."
            )
        if examined.gain:
            facts.append(("learning", examined.gain))
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
            checked=not report.answerable or any(label.entries for label in labelled),
        )  # fmt: skip

    def objection(self, examined: Examined, account: Account, *, as_counted: bool) -> str:
        """Why the proposal should not be written without a second thought; empty if it may."""
        count = max(len(examined.report.outcomes), examined.labels)
        if self.stored is not None and count < self.stored.labels:
            return telling.fewer_labels(count, self.stored.labels)
        proposal = account.proposal
        if not as_counted and (proposal.right + proposal.wrong) * 2 < examined.present:
            return telling.costly(proposal, account.counted, examined.present)
        return ""

    def apply(self, examined: Examined, proposal: Proposal) -> None:
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


def reset(context: typer.Context) -> int:
    """Remove what was learned for the present embedding; how many labels it rested on, 0 if there
    was nothing."""
    from sqlalchemy import delete, select

    from agent import audit, bootstrap
    from knowledge.calibration import calibrations

    with opening.opened(context) as (settings, database):
        clock = bootstrap.open_clock(settings)
        knowledge = bootstrap.open_knowledge(settings, database, clock)
        try:
            embedding = knowledge.index.embedding
        finally:
            knowledge.close()
        stored = calibrations.c.embedding == embedding
        with database.transaction() as connection:
            labels = connection.scalar(select(calibrations.c.labels).where(stored))
            if labels is None:
                return 0
            connection.execute(delete(calibrations).where(stored))
            audit.write(
                connection, actor=given.actor(), action="knowledge.calibration_reset",
                subject=f"calibration:{embedding}", at=clock.now(), labels=labels,
            )  # fmt: skip
    return int(labels)


@contextmanager
def opened(
    context: typer.Context,
    folder: Path | None,
    group: str | None,
    at: str | None,
    *,
    with_model: bool,
) -> Iterator[Examination]:
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
        yield Examination(
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


def _forgotten(database: Database, stored: Learned | None) -> Iterator[str]:
    """What was learned for another embedding or other synonyms counts no more."""
    from sqlalchemy import select

    from knowledge.calibration import calibrations

    with database.reading() as connection:
        other = connection.execute(select(calibrations.c.labels)).first()
    if stored is None and other is not None:
        yield (
            "A threshold was learned for another embedding or other synonyms, and is not in use: "
            "--apply learns it anew."
        )


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
