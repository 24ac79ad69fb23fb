"""What operators do, for whoever lets them do it: the browser, the HTTP API.

Each act looks up the user again, in the same transaction: somebody who was removed a moment ago
does nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, delete
from sqlalchemy.dialects import postgresql, sqlite

from agent import access, tickets, withdrawals
from agent.access import Role, User
from agent.actors import Actor
from agent.database import Database
from agent.errors import NotAllowed, UsageError
from agent.service_desk.inbox import Filters, Inbox, inbox
from agent.service_desk.translation import Interpreter
from agent.service_desk.view import Conversation, TicketView, conversation, view
from agent.signals import Feed
from agent.tickets import Priority, Sent, Terms
from agent.tickets.tables import reply_drafts, ticket_viewers
from agent.withdrawals import Affected, Correcting, Entries, Withdrawn

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Besides:
    """What a canned reply does beside replying. `priority` None: stays; `tags` are added."""

    priority: Priority | None = None
    tags: tuple[str, ...] = ()


_NOTHING_BESIDES = Besides()


class ServiceDesk:
    """Reads tickets and acts on them as a user. Every method that takes one raises `NotAllowed`
    for who may not (only `leave` lets everybody go), and what the functions of `agent.tickets`
    raise.

    `request`: the same for the same wish; a second one is not carried out again.
    `version`: the ticket's as the user saw it; None skips the comparison.
    """

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], datetime],
        feed: Feed,
        learn: tickets.Learn,
        terms: Terms,
        interpreter: Interpreter | None = None,
        correcting: Correcting | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._feed = feed
        self._learn = learn
        self._terms = terms
        self._interpreter = interpreter
        self._correcting = correcting or Correcting()

    # -- reading --------------------------------------------------------------------

    async def inbox(
        self, user: User, filters: Filters, *, limit: int = 100, offset: int = 0
    ) -> Inbox:
        """One page of the list, with the counts for its chips."""
        return await self._read(
            user,
            partial(
                inbox,
                filters=filters,
                user_id=user.id,
                now=self._now(),
                limit=limit,
                offset=offset,
            ),
        )

    async def ticket(self, user: User, ticket_id: int, *, groups: int | None = None) -> TicketView:
        """One ticket with all that belongs to it; what was said around the question in the first
        `groups` only, None: in every group that asked."""
        return await self._read(
            user,
            partial(view, ticket_id=ticket_id, user_id=user.id, now=self._now(), groups=groups),
        )

    async def conversation(self, user: User, ticket_id: int, group_id: int) -> Conversation | None:
        """What was said around the question in one group; None where nobody asked there."""
        return await self._read(user, partial(conversation, ticket_id=ticket_id, group_id=group_id))

    # -- whose it is ----------------------------------------------------------------

    async def claim(self, user: User, ticket_id: int, *, version: int | None = None) -> None:
        await self._act(user, tickets.claim, ticket_id, version=version)

    async def release(self, user: User, ticket_id: int, *, version: int | None = None) -> None:
        await self._act(user, tickets.release, ticket_id, version=version)

    async def assign(
        self, user: User, ticket_id: int, to: int, *, version: int | None = None
    ) -> None:
        """Hand the ticket to another operator, by the id of their user."""

        def work(connection: Connection, ticket_id: int, **values: Any) -> None:
            found = access.get(connection, to)
            if found is None or not found.may(Role.operator):
                raise UsageError("这位同事现在不能处理工单。", code="cannot_take_tickets")
            tickets.assign(connection, ticket_id, found.actor, **values)

        await self._act(user, work, ticket_id, version=version)

    # -- talking --------------------------------------------------------------------

    async def reply(
        self,
        user: User,
        ticket_id: int,
        text: str,
        *,
        in_languages: Mapping[str, str] | None = None,
        seen_replies: int | None = None,
        request: str | None = None,
        and_close: bool = False,
        hold: timedelta = timedelta(0),
        confirmed: bool = False,
        besides: Besides = _NOTHING_BESIDES,
        to_learn: tickets.ToLearn | None = None,
    ) -> Sent:
        """Answer everybody who asked; until `hold` is over, `take_back` undoes it. Where the reply
        is refused, nothing of `besides` is done either. With `to_learn` it is known after the
        hold, unless it was taken back.

        What a model translated carries the mark of AI text, and where it says something otherwise
        than `text` it is refused (`translation_differs`) unless it is `confirmed`.
        """
        in_languages = await self._as_sent(text, in_languages, confirmed=confirmed)

        def work(connection: Connection, ticket_id: int, *, by: Actor, now: datetime) -> Sent:
            if not tickets.was_done(connection, ticket_id, request):
                self._do_besides(connection, ticket_id, besides, by=by, now=now)
            sent = tickets.reply(
                connection,
                ticket_id,
                text,
                by=by,
                now=now,
                in_languages=in_languages or {},
                seen_replies=seen_replies,
                request=request,
                terms=self._terms,
                hold=hold,
                to_learn=to_learn,
            )
            if and_close and tickets.get(connection, ticket_id).state is tickets.State.answered:
                tickets.close(connection, ticket_id, by=by, now=now)
            _drop_draft(connection, ticket_id, user.id)
            return sent

        return await self._act(user, work, ticket_id)

    def _do_besides(
        self, connection: Connection, ticket_id: int, besides: Besides, *, by: Actor, now: datetime
    ) -> None:
        if besides.priority is not None:
            tickets.prioritise(
                connection, ticket_id, besides.priority, by=by, now=now, terms=self._terms
            )
        if besides.tags:
            tickets.retag(connection, ticket_id, add=besides.tags, by=by, now=now)

    async def _as_sent(
        self, text: str, in_languages: Mapping[str, str] | None, *, confirmed: bool
    ) -> Mapping[str, str] | None:
        if not in_languages or self._interpreter is None:
            return in_languages
        return await self._interpreter.as_sent(text, in_languages, confirmed=confirmed)

    async def take_back(self, user: User, ticket_id: int) -> str:
        """Undo the last reply while none of it has gone out; returns its text."""
        return await self._act(user, tickets.take_back, ticket_id, terms=self._terms)

    async def preview(
        self, user: User, ticket_id: int, text: str, in_languages: Mapping[str, str] | None = None
    ) -> list[tickets.Preview]:
        """What members of each group would see of a reply. Raises `UnknownTicket`."""
        in_languages = await self._as_sent(text, in_languages, confirmed=True)

        def work(connection: Connection) -> list[tickets.Preview]:
            tickets.see_that_it_exists(connection, ticket_id)
            return tickets.preview(connection, ticket_id, text, in_languages or {})

        return await self._read(user, work)

    async def ask_back(
        self,
        user: User,
        ticket_id: int,
        text: str,
        *,
        in_languages: Mapping[str, str] | None = None,
        request: str | None = None,
        confirmed: bool = False,
    ) -> Sent:
        """Ask the members something first; of translations see `reply`."""
        in_languages = await self._as_sent(text, in_languages, confirmed=confirmed)

        def work(connection: Connection, ticket_id: int, *, by: Actor, now: datetime) -> Sent:
            sent = tickets.ask_back(
                connection,
                ticket_id,
                text,
                by=by,
                now=now,
                in_languages=in_languages or {},
                request=request,
            )
            _drop_draft(connection, ticket_id, user.id)
            return sent

        return await self._act(user, work, ticket_id)

    async def note(
        self, user: User, ticket_id: int, text: str, *, request: str | None = None
    ) -> None:
        await self._act(user, partial(_texted, tickets.note, text), ticket_id, request=request)

    async def learn(self, user: User, ticket_id: int, *, everybody: bool = False) -> int:
        """Make question and answer knowledge at once; returns the entry's id. What cannot be freed
        of personal data is kept as a draft, and `UsageError` says so."""

        def work(connection: Connection, ticket_id: int, **values: Any) -> int | UsageError:
            try:
                return tickets.learn(
                    connection, ticket_id, add=self._learn, everybody=everybody, **values
                )
            except UsageError as error:
                if error.code != "needs_editing":
                    raise
                return error  # and commit: its draft is to stay

        learned = await self._act(user, work, ticket_id)
        if isinstance(learned, UsageError):
            raise learned
        return learned

    # -- taking a wrong answer back -------------------------------------------------

    async def answer_of(
        self,
        user: User,
        *,
        turn_id: int | None = None,
        ticket_id: int | None = None,
        delivery_id: int | None = None,
    ) -> Affected:
        """The bot's answer that one of these names: what `withdraw` would take back. Raises
        `UsageError` where there is none."""
        return await self._read(
            user,
            partial(
                withdrawals.named,
                turn_id=turn_id,
                ticket_id=ticket_id,
                delivery_id=delivery_id,
            ),
        )

    async def affected(self, user: User, turn_id: int, *, hours: float = 24) -> list[Affected]:
        """Who else got an answer from the same entries in the last hours, in all groups."""
        since = self._now() - timedelta(hours=hours)
        return await self._read(user, partial(withdrawals.affected, turn_id=turn_id, since=since))

    def corrected(self, answer: Affected, correction: str) -> str:
        """What members would read of the correction of an answer."""
        return withdrawals.worded(self._correcting.text, answer, correction)

    async def withdraw(
        self,
        user: User,
        turn_id: int,
        correction: str,
        *,
        also: Sequence[int] = (),
        entries: Entries = "keep",
        request: str | None = None,
    ) -> Withdrawn:
        """Take the bot's answer to a turn back, and those of `also` that the user chose among the
        affected; the groups read the correction. See `agent.withdrawals.withdraw`."""
        return await self._act(
            user,
            partial(_texted, withdrawals.withdraw, correction),
            turn_id,
            also=also,
            entries=entries,
            correcting=self._correcting,
            request=request,
        )

    # -- ending ---------------------------------------------------------------------

    async def close(self, user: User, ticket_id: int, *, version: int | None = None) -> None:
        await self._act(user, tickets.close, ticket_id, version=version)

    async def reopen(self, user: User, ticket_id: int, *, version: int | None = None) -> None:
        await self._act(user, tickets.reopen, ticket_id, version=version, terms=self._terms)

    async def merge(
        self, user: User, ticket_id: int, into: int, *, version: int | None = None
    ) -> None:
        await self._act(user, partial(_texted, tickets.merge, into), ticket_id, version=version)

    async def unmerge(self, user: User, ticket_id: int) -> None:
        await self._act(user, tickets.unmerge, ticket_id, terms=self._terms)

    async def split_off(self, user: User, asker_id: int) -> int:
        """Undo a joining by the asker's row; returns the new ticket's number."""
        return await self._act(user, tickets.split_off, asker_id, terms=self._terms)

    # -- describing -----------------------------------------------------------------

    async def prioritise(
        self, user: User, ticket_id: int, priority: Priority, *, version: int | None = None
    ) -> None:
        await self._act(
            user,
            partial(_texted, tickets.prioritise, priority),
            ticket_id,
            version=version,
            terms=self._terms,
        )

    async def tag(
        self, user: User, ticket_id: int, tags: Sequence[str], *, version: int | None = None
    ) -> None:
        await self._act(user, partial(_texted, tickets.tag, tags), ticket_id, version=version)

    async def retag(
        self, user: User, ticket_id: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add and remove single tags; those of colleagues stay."""
        await self._act(user, tickets.retag, ticket_id, add=add, remove=remove)

    # -- being there ----------------------------------------------------------------

    async def save_draft(self, user: User, ticket_id: int, content: dict[str, Any] | None) -> None:
        """Keep what the user typed, whatever their page made of it; None forgets it. Raises
        `UnknownTicket`."""

        def work(connection: Connection) -> None:
            _operator(connection, user)
            tickets.see_that_it_exists(connection, ticket_id)
            if content is None:
                return _drop_draft(connection, ticket_id, user.id)
            _upsert(
                connection,
                reply_drafts,
                ["ticket_id", "user_id"],
                ticket_id=ticket_id,
                user_id=user.id,
                content=content,
                saved_at=self._now(),
            )
            return None

        await self._database.write(work)

    async def look(self, user: User, ticket_id: int, *, writing: bool) -> None:
        """The user has the ticket open at this moment; say so every ten seconds. Raises
        `UnknownTicket`."""

        def work(connection: Connection) -> None:
            _operator(connection, user)
            tickets.see_that_it_exists(connection, ticket_id)
            _upsert(
                connection,
                ticket_viewers,
                ["ticket_id", "user_id"],
                ticket_id=ticket_id,
                user_id=user.id,
                seen_at=self._now(),
                writing=writing,
            )

        await self._database.write(work)
        self._feed.publish(f"ticket:{ticket_id}")

    async def leave(self, user: User, ticket_id: int) -> None:
        """The user has closed the ticket's page."""
        await self._database.write(
            lambda connection: connection.execute(
                delete(ticket_viewers).where(
                    ticket_viewers.c.ticket_id == ticket_id,
                    ticket_viewers.c.user_id == user.id,
                )
            )
        )
        self._feed.publish(f"ticket:{ticket_id}")

    # -- carrying out ---------------------------------------------------------------

    async def _read(self, user: User, work: Callable[[Connection], T]) -> T:
        def checked(connection: Connection) -> T:
            _operator(connection, user)
            return work(connection)

        return await self._database.read(checked)

    async def _act(self, user: User, work: Callable[..., T], subject: int, **values: Any) -> T:
        def checked(connection: Connection) -> T:
            by = _operator(connection, user).actor
            return work(connection, subject, by=by, now=self._now(), **values)

        result = await self._database.write(checked)
        self._feed.publish("tickets")
        self._feed.publish("decided")  # there may be something to send
        return result


def _operator(connection: Connection, user: User) -> User:
    """The user as they are now. Raises `NotAllowed` for who is no operator any more."""
    current = access.get(connection, user.id)
    if current is None or not current.may(Role.operator):
        raise NotAllowed("您现在没有处理工单的权限。", code="not_allowed")
    return current


def _texted(
    work: Callable[..., T], value: Any, connection: Connection, subject: int, **more: Any
) -> T:
    return work(connection, subject, value, **more)


def _drop_draft(connection: Connection, ticket_id: int, user_id: int) -> None:
    connection.execute(
        delete(reply_drafts).where(
            reply_drafts.c.ticket_id == ticket_id, reply_drafts.c.user_id == user_id
        )
    )


def _upsert(connection: Connection, table: Any, keys: list[str], **values: Any) -> None:
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[
        connection.dialect.name
    ](table).values(**values)
    others = {name: value for name, value in values.items() if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=others))
