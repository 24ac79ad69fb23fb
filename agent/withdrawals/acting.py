"""Taking an answer back: once, with a correction to whom it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent import audit, outbox, splitting
from agent.actors import Actor
from agent.directory import groups, members
from agent.errors import UsageError
from agent.inbox import decisions, messages
from agent.messages import Mention, Quote, Text, content_from_json, text_of
from agent.outbox import deliveries
from agent.splitting import LONGEST_TEXT
from agent.tickets import ticket_askers
from agent.withdrawals.affected import Affected, answer_to
from agent.withdrawals.recalling import want_recall
from agent.withdrawals.tables import withdrawals
from knowledge import catalog

Entries = Literal["keep", "retire", "edit"]
_QUESTION = 40  # characters of it in a correction
_INSERT: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, kw_only=True)
class Correcting:
    """`text`: what members read, with {question} and {correction} filled in. `recall_within`: so
    long after sending, the network is asked to take the message back; None: never."""

    text: str = "更正：刚才关于「{question}」的回答有误。{correction}"
    recall_within: timedelta | None = timedelta(seconds=110)


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What was done. `recalling`: messages that the network is asked to take back; `unsent`:
    answers that had not left yet and never will; `unreachable`: groups we are no longer in;
    `entries`: changed ones of the catalog; `still_known`: those that go on answering."""

    turns: tuple[int, ...]
    groups: tuple[str, ...]
    people: int
    recalling: int
    unsent: int
    unreachable: tuple[str, ...] = ()
    entries: tuple[int, ...] = ()
    still_known: tuple[int, ...] = ()


def withdraw(
    connection: Connection,
    turn_id: int,
    correction: str,
    *,
    by: Actor,
    now: datetime,
    also: Sequence[int] = (),
    entries: Entries = "keep",
    correcting: Correcting | None = None,
    request: str | None = None,
) -> Withdrawn:
    """Withdraw the bot's answer to a turn, and to those of `also` that a person chose; each group
    reads the correction, which mentions who was answered.

    `entries`: what becomes of the catalog's entries it came from. `edit` makes the correction the
    answer of the only one.

    Raises `UsageError`: nothing was answered, it was withdrawn before (code `withdrawn_before`),
    the correction is empty or too long, or the entry cannot be changed so.
    """
    correcting = correcting or Correcting()
    correction = _checked(correction)
    if request is not None and (before := _done_before(connection, request)):
        return before
    answers = [answer_to(connection, one) for one in dict.fromkeys((turn_id, *also))]
    unique = {answer.turn_id: answer for answer in answers}
    changed, still = _change_entries(connection, answers[0], correction, entries, now)
    places: list[str] = []
    unreachable: list[str] = []
    people = recalling = unsent = 0
    for answer in unique.values():
        _mark(connection, answer, correction, by, now, entries, request)
        said = _Said.of(connection, answer.turn_id)
        unsent += said.stop(connection)
        if said.arrived and not said.reachable:
            unreachable.append(answer.group)
        elif said.arrived:
            recalling += want_recall(connection, said.sent_ids, now, correcting.recall_within)
            people += said.correct(connection, answer, correction, correcting.text, now)
            places.append(answer.group)
    return Withdrawn(
        turns=tuple(unique),
        groups=tuple(dict.fromkeys(places)),
        people=people,
        recalling=recalling,
        unsent=unsent,
        unreachable=tuple(dict.fromkeys(unreachable)),
        entries=changed,
        still_known=still,
    )


def worded(text: str, answer: Affected, correction: str) -> str:
    """What members read of a correction; `text` as `Correcting` has it."""
    question = " ".join(answer.question.split())
    question = question if len(question) <= _QUESTION else question[: _QUESTION - 1] + "…"
    return text.replace("{question}", question).replace("{correction}", correction)


def turn_of_ticket(connection: Connection, ticket_id: int) -> int:
    """The turn whose answer by the bot a ticket is about: the one that a member disputes, or the
    answered part of what was asked. Raises `UsageError` where there is none."""
    rows = connection.execute(
        select(decisions.c.turn_id, decisions.c.reason, decisions.c.details)
        .join(ticket_askers, ticket_askers.c.turn_id == decisions.c.turn_id)
        .where(ticket_askers.c.ticket_id == ticket_id)
        .order_by(ticket_askers.c.id.desc())
    )
    for row in rows:
        if row.details.get("disputed_turn"):
            return int(row.details["disputed_turn"])
        if row.reason == "partly_answered":
            return int(row.turn_id)
    raise UsageError(
        f"工单 #{ticket_id} 不是关于机器人的答案，没有可以撤回的。",
        code="no_answer_on_ticket",
        number=ticket_id,
    )


def named(
    connection: Connection,
    *,
    turn_id: int | None = None,
    ticket_id: int | None = None,
    delivery_id: int | None = None,
) -> Affected:
    """The bot's answer to a turn, that a ticket is about, or that a delivery carried."""
    if turn_id is None and delivery_id is not None:
        turn_id = connection.scalar(
            select(deliveries.c.turn_id).where(deliveries.c.id == delivery_id)
        )
    if turn_id is None and ticket_id is not None:
        turn_id = turn_of_ticket(connection, ticket_id)
    return answer_to(connection, turn_id or 0)


def _checked(correction: str) -> str:
    correction = correction.strip()
    if not correction:
        raise UsageError("请写上正确的说法，群里的人会读到。", code="empty_correction")
    if len(correction) > LONGEST_TEXT:
        raise UsageError(
            f"更正有 {len(correction)} 字，最多 {LONGEST_TEXT} 字，请缩短后再发。",
            code="too_long",
            length=len(correction),
            longest=LONGEST_TEXT,
        )
    return correction


def _done_before(connection: Connection, request: str) -> Withdrawn | None:
    """What the same request did."""
    turns = tuple(
        connection.scalars(
            select(withdrawals.c.turn_id)
            .where(withdrawals.c.request == request)
            .order_by(withdrawals.c.turn_id)
        )
    )
    if not turns:
        return None
    answers = [answer_to(connection, turn_id) for turn_id in turns]
    return Withdrawn(
        turns=turns,
        groups=tuple(dict.fromkeys(answer.group for answer in answers)),
        people=sum(len(answer.members) for answer in answers),
        recalling=0,
        unsent=0,
    )


def _mark(
    connection: Connection,
    answer: Affected,
    correction: str,
    by: Actor,
    now: datetime,
    entries: Entries,
    request: str | None,
) -> None:
    """Write the withdrawal down; the key lets nobody do it twice, however close together."""
    marked = connection.execute(
        _INSERT[connection.dialect.name](withdrawals)
        .values(
            turn_id=answer.turn_id,
            at=now,
            actor=by.name,
            user_id=by.user_id,
            correction=correction,
            entries=entries,
            request=request,
        )
        .on_conflict_do_nothing(index_elements=["turn_id"])
        .returning(withdrawals.c.turn_id)
    ).one_or_none()
    if marked is None:
        who = connection.scalar(
            select(withdrawals.c.actor).where(withdrawals.c.turn_id == answer.turn_id)
        )
        raise UsageError(
            f"{who} 已经撤回过这个答案（{answer.group}「{answer.question[:_QUESTION]}」），"
            "更正只发一次；要再补充请在群里直接说。",
            code="withdrawn_before",
            by=who,
            turn=answer.turn_id,
        )
    audit.write(
        connection,
        actor=by.key,
        action="answer.withdrawn",
        subject=f"turn:{answer.turn_id}",
        at=now,
        entries=entries,
    )


def _change_entries(
    connection: Connection, answer: Affected, correction: str, what: Entries, now: datetime
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(changed, still answering); what is no longer live changes nothing any more."""
    live = []
    for entry_id in answer.entries:
        try:
            if catalog.get(connection, entry_id).state is catalog.EntryState.LIVE:
                live.append(entry_id)
        except catalog.NoSuchEntry:
            continue
    if what == "keep":
        return (), tuple(live)
    if what == "retire":
        for entry_id in live:
            catalog.retire(connection, entry_id, now)
        return tuple(live), ()
    if len(live) != 1:
        raise UsageError(
            f"这个答案来自 {len(live)} 个现有条目，不能直接改成更正的内容，请在知识页里逐条修改。",
            code="not_one_entry",
            entries=live,
        )
    try:
        return (catalog.edit(connection, live[0], now=now, answer=correction),), ()
    except ValueError as error:
        raise UsageError(
            "这个条目现在不能修改，请在知识页里看一下。", code="entry_not_editable", entry=live[0]
        ) from error


@dataclass(frozen=True)
class _Said:
    """The messages of one answer: usually one, several where it was long. Locked: the sender
    takes none between what is read here and what is done about it."""

    parts: tuple[Any, ...]

    @classmethod
    def of(cls, connection: Connection, turn_id: int) -> _Said:
        return cls(
            tuple(
                connection.execute(
                    select(
                        deliveries,
                        groups.c.present.label("reachable"),
                        messages.c.external_id.label("echo"),
                    )
                    .join(groups, deliveries.c.group_id == groups.c.id)
                    .outerjoin(messages, deliveries.c.echo_id == messages.c.id)
                    .where(deliveries.c.turn_id == turn_id, deliveries.c.kind == "answer")
                    .order_by(deliveries.c.id)
                    .with_for_update(of=deliveries)
                )
            )
        )

    @property
    def arrived(self) -> bool:
        """Whether members may have read any of it."""
        return any(one.state in ("sent", "sending", "ambiguous") for one in self.parts)

    @property
    def reachable(self) -> bool:
        return all(one.reachable for one in self.parts)

    @property
    def sent_ids(self) -> tuple[int, ...]:
        return tuple(one.id for one in self.parts if one.state == "sent")

    def stop(self, connection: Connection) -> int:
        """Keep back what has not left yet; returns how many messages."""
        waiting = [one.id for one in self.parts if one.state == "pending"]
        if not waiting:
            return 0
        return connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(waiting), deliveries.c.state == "pending")
            .values(state="cancelled", error="the answer was withdrawn")
        ).rowcount

    def correct(
        self, connection: Connection, answer: Affected, correction: str, text: str, now: datetime
    ) -> int:
        """Queue the correction; returns how many people it mentions."""
        first = self.parts[0]
        present = set(
            connection.scalars(
                select(members.c.external_id).where(
                    members.c.group_id == first.group_id, members.c.present
                )
            )
        )
        mentions = tuple(
            Mention(external_id=id_, name=name) for id_, name in first.mentions if id_ in present
        )
        words = worded(text, answer, correction)
        said = outbox.Delivery(
            key=f"turn:{answer.turn_id}:correction",
            account_id=first.account_id,
            group_id=first.group_id,
            kind="correction",
            content=Text(text=words),
            mentions=mentions,
            quote=Quote(
                external_id=first.external_id or first.echo or "",
                text=text_of(content_from_json(first.content)),
            ),
            turn_id=answer.turn_id,
        )
        outbox.enqueue(connection, splitting.in_parts(said), now)
        return len(mentions)
