"""One replay from the export to its two files."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from agent import bootstrap
from agent.bootstrap import Application
from agent.compliance.egress import Egress
from agent.config import Account, Pace, Settings
from agent.database import Database
from agent.errors import UsageError
from agent.pacing import PaceLimits
from agent.replaying import chat as exported
from agent.replaying import report, scratch
from agent.replaying.chat import Chat
from agent.replaying.costs import Cost, Prices
from agent.replaying.driving import Drive, Line
from agent.replaying.network import SwallowingChannel, people_of
from agent.replaying.report import write_report
from agent.replaying.scratch import Places, ScratchDatabase
from agent.replaying.tally import Tally
from agent.replaying.turns import Json
from agent.responder import Responder
from agent.timekeeping import ManualClock, SystemClock

Progress = Callable[[int, int], None]  # messages played, of how many


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the owner asked for.

    `group`: only this one, by name or id. `policy`: of groups that the configuration does not
    list. `with_learned`: entries that operators taught count as well. `with_model`: the configured
    endpoints are asked, at most about `most_calls` times (a repeated call is counted after it
    was made); later turns are judged as if there were no model. `with_text`: what members wrote
    stands in the output. `patience`: how long a person's answer in the chat counts as one.
    `prices`: of a model; None: those in the configuration.
    """

    out: Path | None = None
    group: str | None = None
    policy: str = "default"
    with_learned: bool = False
    with_model: bool = False
    most_calls: int | None = None
    with_text: bool = True
    patience: timedelta = timedelta(minutes=30)
    prices: Prices | None = None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came out: the files, the numbers, and what a reader has to know of both."""

    turns_file: Path
    report_file: Path
    summary: Json
    tally: Tally
    chat: Chat
    notes: tuple[str, ...]
    seconds: float  # of playing, without reading and without opening the knowledge base


def replay(
    settings: Settings, path: Path, wishes: Wishes, progress: Progress | None = None
) -> Replayed:
    """Play the chat in `path` through the agent as it is configured, and write turns.jsonl and
    report.html. Nothing is sent, and nothing of the owner's is changed.

    Raises `UsageError`, and what a broken configuration raises.
    """
    if wishes.with_model and not settings.models:
        raise UsageError(
            "--with-model: there is no OPENAI_API_KEY and no model.base_url, so there is no model "
            "to ask"
        )
    chat = exported.read(path, settings.zone)
    written = list(dict.fromkeys(message.group for message in chat.messages))
    places = scratch.places(settings, written, unnamed=wishes.group or path.stem, only=wishes.group)
    out = wishes.out or _beside(path)
    other = report.replayed(out / "report.html")
    if other not in ("", path.name):
        raise UsageError(
            f"{out} holds the replay of {other}, which would be lost: name another folder with "
            "--out, or remove that one"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="shequn-replay-") as folder:
            own = scratch.settings_for(
                settings,
                Path(folder),
                places,
                policy=wishes.policy,
                with_model=wishes.with_model,
            )
            scratch.lend_pages(settings, own)
            run = _Run(owners=settings, settings=own, places=places, chat=chat, wishes=wishes)
            return asyncio.run(run.through(path, out, progress))
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from error


def _beside(path: Path) -> Path:
    """A folder beside the chat; chat.jsonl and chat.csv have one each."""
    name = path.stem if path.suffix.lower() == ".jsonl" else path.name
    return path.with_name(f"{name}.replay")


@dataclass(kw_only=True)
class _Run:
    owners: Settings
    settings: Settings
    places: Places
    chat: Chat
    wishes: Wishes
    notes: list[str] = field(default_factory=list)
    _applications: list[Application] = field(default_factory=list)
    _record: Database | None = None

    async def through(self, path: Path, out: Path, progress: Progress | None) -> Replayed:
        messages = deque(m for m in self.chat.messages if self._is_wanted(m.group))
        self.chat.messages.clear()  # held once
        if not messages:
            raise UsageError(f"only the operators' group stands in {path}; there is nothing to ask")
        total = len(messages)
        start = messages[0].at
        self.clock = ManualClock(start)
        database = ScratchDatabase(self.settings.storage.data_folder)
        tally = Tally(zone=self.settings.zone, cost=Cost(estimated=not self.wishes.with_model))
        try:
            application = self._open(self.settings, database, start)
            drive = await self._drive(application, messages, tally, database)
            began = time.perf_counter()
            turns_file = out / "turns.jsonl"
            with turns_file.open("w", encoding="utf-8", newline="\n") as file:
                async for turn in drive.play(messages):
                    line = turn.to_json(tally.zone, with_text=self.wishes.with_text)
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    if progress is not None:
                        progress(total - len(messages), total)
            seconds = time.perf_counter() - began
            self._note(drive)
        finally:
            for each in self._applications:
                each.knowledge.close()
            if self._record is not None:
                self._record.close()
            database.close()
        prices = self.wishes.prices or _prices(self.owners)
        summary = tally.to_json(prices) | {
            "file": path.name,
            "lines": self.chat.lines,
            "broken": self.chat.broken,
            "broken_lines": [{"line": f.line, "why": f.why} for f in self.chat.faults],
            "duplicates": self.chat.duplicates,
            "notes": list(self.notes),
        }
        report_file = out / "report.html"
        write_report(
            report_file,
            tally,
            summary,
            prices=prices,
            with_text=self.wishes.with_text,
            community=self.settings.community.name,
        )
        return Replayed(
            turns_file=turns_file,
            report_file=report_file,
            summary=summary,
            tally=tally,
            chat=self.chat,
            notes=tuple(self.notes),
            seconds=seconds,
        )

    def _is_wanted(self, written: str) -> bool:
        group = self.places.group_of.get(written)
        return group is not None and (group != self.places.operators or not group)

    # -- opening --------------------------------------------------------------------

    def _open(self, settings: Settings, database: ScratchDatabase, now: datetime) -> Application:
        """The application as it would run, on networks that swallow everything, with its
        knowledge open and none of its loops running."""
        application = bootstrap.build(
            settings,
            clock=self.clock,
            database=database,
            channels=self._channel,
            guard=self._owners_guard(),
        )
        first = not self._applications
        self._applications.append(application)
        if first:
            application.knowledge.take_over()
            if self.wishes.with_learned:
                copied = scratch.copy_learned(self.owners, database, now)
                self.notes.append(f"{copied} learned entries were copied from the database.")
        application.knowledge.refresh()
        _ = application.knowledge.answerer
        return application

    def _owners_guard(self) -> Egress | None:
        """What really leaves counts against the owner's budget and stands in their record."""
        if not self.wishes.with_model:
            return None
        if self._record is None:
            self._record = bootstrap.open_database(self.owners)
        return bootstrap.open_egress(self.owners, self._record, SystemClock())

    def _channel(self, account: Account) -> SwallowingChannel:
        return SwallowingChannel(
            kind=account.kind,
            account=account.account,
            names=account.names,
            groups=scratch.accounts_of(self.settings, self.places)[account.account],
            now=self.clock.now,
        )

    async def _drive(
        self,
        application: Application,
        messages: deque[exported.ChatMessage],
        tally: Tally,
        database: ScratchDatabase,
    ) -> Drive:
        lines: dict[str, Line] = {}
        for line in application.worker.lines:
            assert isinstance(line.channel, SwallowingChannel)
            await line.channel.run(application.intake.record)
            pace: Pace = getattr(self.settings.pacing, line.channel.kind)
            lines[line.channel.account] = Line.of(
                line.account_id, line.channel, PaceLimits(**pace.model_dump())
            )

        def modelless() -> Responder:
            self.notes.append(
                f"After {self.wishes.most_calls} calls the model was not asked any more: "
                "later turns were judged without one."
            )
            without = scratch.without_model(self.settings)
            return self._open(without, database, self.clock.now()).responder

        return Drive(
            application=application,
            clock=self.clock,
            lines={
                group: lines[account.account] for group, account in self.places.account_of.items()
            },
            people=people_of(messages, self.places.group_of),
            group_of=self.places.group_of,
            tally=tally,
            patience=self.wishes.patience,
            most_calls=self.wishes.most_calls if self.wishes.with_model else None,
            modelless=modelless,
            curated_from=self.owners.knowledge.curated_from,
        )

    # -- telling --------------------------------------------------------------------

    def _note(self, drive: Drive) -> None:
        """What a reader has to know to read the numbers right."""
        places, wishes = self.places, self.wishes
        if places.unlisted:
            self.notes.append(
                f"Not in the configuration, and taken as members' groups with the policy "
                f"{wishes.policy!r}: {'、'.join(places.unlisted)}."
            )
        if places.operators and places.operators in places.group_of.values():
            self.notes.append(
                f"Messages of the operators' group {places.operators} were left out: their "
                "commands speak of other tickets."
            )
        if not wishes.with_model:
            self.notes.append(
                "No model was asked and no text left this machine. What a model would have cost "
                "is an estimate: a token for each Chinese or Japanese character, one for four "
                "others."
            )
            if self.owners.knowledge.embeddings.provider != "local":
                self.notes.append(
                    "The configured embeddings are an endpoint's; this replay used the local ones "
                    "in their place. With --with-model it asks the endpoint."
                )
        self.notes.append(
            "Offers were left out. A ticket counts as closed once a person answered its asker in "
            "the chat; others stay open to the end."
        )


def _prices(settings: Settings) -> Prices | None:
    """Those of the model that is configured; None where the owner named none."""
    budget = settings.egress.budget
    price = budget.prices.get(settings.model_name or settings.model.name)
    if price is None:
        return None
    return Prices(
        input_per_million=float(price.input),
        output_per_million=float(price.output),
        currency=budget.currency,
    )


__all__ = ["Prices", "Progress", "Replayed", "Wishes", "replay"]
