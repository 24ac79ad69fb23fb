"""What leaves for model endpoints: recorded before it does, refused where it must not, budgeted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.compliance import ledger
from agent.database import Database
from agent.errors import ShequnError
from knowledge.egress import BudgetSpent, Leaving, Masked, Purpose, Refused, Usage

log = structlog.get_logger(__name__)

_MILLION = Decimal(1_000_000)
# Where an endpoint does not tell: a token a character is the most that Chinese and Japanese cost,
# and a hundred bytes a token what pictures and speech cost by the order of magnitude.
_BYTES_A_TOKEN = 100
_REPLY_TOKENS = 300
_UNKNOWN_CALL = 1_000
# After so long a call has ended one way or another, whether or not it was told.
_CALL_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Price:
    """Money for a million tokens, in the budget's currency."""

    input: Decimal
    output: Decimal = Decimal(0)

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all models together may use in a day of the community; None: no limit."""

    tokens_per_day: int | None = None
    money_per_day: Decimal | None = None
    currency: str = "CNY"
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where texts may go: patterns `host`, `host:port` or `*.domain`. `deny` goes before `allow`;
    without any `allow` everything that is not denied is allowed."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def objection(self, endpoint: str) -> str:
        """Why this endpoint may not be used; empty if it may."""
        if any(_matches(endpoint, pattern) for pattern in self.deny):
            return f"{endpoint} is denied by egress.deny"
        if self.allow and not any(_matches(endpoint, pattern) for pattern in self.allow):
            return f"{endpoint} is not in egress.allow"
        return ""


def _matches(endpoint: str, pattern: str) -> bool:
    endpoint, pattern = endpoint.lower(), pattern.strip().lower()
    host = endpoint.rpartition(":")[0] if _has_port(endpoint) else endpoint
    wanted = endpoint if _has_port(pattern) else host
    if pattern.startswith("*."):
        return wanted.endswith(pattern[1:])
    return wanted == pattern


def _has_port(endpoint: str) -> bool:
    return endpoint.rpartition(":")[2].isdigit() and (
        endpoint.count(":") == 1 or endpoint.startswith("[")
    )


@dataclass(frozen=True, kw_only=True)
class Today:
    """What models have used since midnight in the community. `estimated` of `tokens` were not
    told by the endpoint; `money` leaves out the models in `unpriced`."""

    day: date
    calls: int
    tokens: int
    estimated: int
    money: Decimal
    unpriced: tuple[str, ...]
    tokens_limit: int | None
    money_limit: Decimal | None
    currency: str

    @property
    def spent(self) -> str:
        """Which limit is reached, in plain words; empty if none is."""
        if self.tokens_limit is not None and self.tokens >= self.tokens_limit:
            return f"today's {self.tokens_limit} tokens for models are used up"
        if self.money_limit is not None and self.money >= self.money_limit:
            return f"today's {self.money_limit} {self.currency} for models are used up"
        return ""


class _OnItsWay(NamedTuple):
    """A call that has left and was not told yet, with what it may cost."""

    at: datetime
    input_tokens: int
    output_tokens: int


class Egress:
    """`knowledge.egress.Guard` on the database. Safe in several threads; several processes share
    records and budget.

    The budget stops calls once the day's limit is reached. What is on its way in this process
    counts by estimate, so that many calls at once do not pass it together; another process's does
    when it is told.
    """

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
        budget: Budget | None = None,
        endpoints: Endpoints | None = None,
        masking: bool = True,
        names: Iterable[str] = (),
        public: Iterable[str] = (),
    ) -> None:
        """`zone` is the community's, for where a day begins. `names` and `public` as for
        `privacy.mask`; with `masking` off texts leave as they are and are recorded all the same."""
        self._database = database
        self._now = now
        self._zone = zone
        self._budget = budget or Budget()
        self._endpoints = endpoints or Endpoints()
        self._masking = masking
        self._names = tuple(names)
        self._public = tuple(public)
        self._lock = threading.Lock()
        self._under_way: dict[str, deque[_OnItsWay]] = {}
        self._being_told: list[tuple[str, _OnItsWay]] = []

    @property
    def fingerprint(self) -> str:
        """Names how texts are masked: vectors of texts masked in another way are not compared."""
        if not self._masking:
            return "unmasked"
        import hashlib

        from agent.compliance import privacy

        given = "\0".join((*sorted(self._names), "", *sorted(self._public)))
        return f"masked-{privacy.VERSION}-{hashlib.sha256(given.encode()).hexdigest()[:8]}"

    def mask(self, texts: Sequence[str]) -> Masked:
        """See `privacy.mask`."""
        if not self._masking:
            return Masked(texts=tuple(texts))
        from agent.compliance import privacy

        return privacy.mask(texts, names=self._names, public=self._public)

    def leave(self, leaving: Leaving) -> None:
        """Record the call, or raise `Refused`: the owner does not allow the endpoint, the record
        cannot be written, or (`BudgetSpent`) the day's limit is reached."""
        if objection := self._endpoints.objection(leaving.endpoint):
            raise Refused(objection)
        self._refuse_unpriced(leaving.model)
        now = self._now()
        guess = _guess(leaving, now)
        # Counted before the limit is looked at, or calls made at once would all pass it.
        others = self._set_out(leaving.model, guess)
        try:
            with self._database.transaction() as connection:
                told = ledger.spending_of(connection, self._day(now))
                if reason := self._today(now, told, others).spent:
                    raise BudgetSpent(reason)
                ledger.record(connection, leaving, now)
        except Refused:
            self._turned_back(leaving.model, guess)
            raise
        except (ShequnError, SQLAlchemyError) as error:
            self._turned_back(leaving.model, guess)
            raise Refused(f"what leaves cannot be recorded: {type(error).__name__}") from error

    def spent(self, usage: Usage) -> None:
        """Count a call's tokens; what the endpoint did not tell is estimated from what was sent.
        Never raises: a budget that cannot be written is logged."""
        try:
            self._count(usage)
        except Exception:  # an answer that is there must not be lost to its bookkeeping
            log.exception("model spending not counted", model=usage.model, calls=usage.calls)

    def today(self) -> Today:
        """What was used so far today, with what is on its way in this process."""
        now = self._now()
        with self._database.reading() as connection:
            told = ledger.spending_of(connection, self._day(now))
        with self._lock:
            return self._today(now, told, self._all_under_way(now))

    def price_of(self, spending: ledger.Spending) -> Decimal | None:
        """What this cost at today's prices; None for a model without a price."""
        price = self._budget.prices.get(spending.model)
        return None if price is None else price.of(spending.input_tokens, spending.output_tokens)

    # --- counting --------------------------------------------------------------------------------

    def _count(self, usage: Usage) -> None:
        with self._lock:
            sent = [self._taken(usage.model) for _ in range(usage.calls)]
            told = [(usage.model, one) for one in sent]
            self._being_told += told
        guessed_input = sum(one.input_tokens for one in sent)
        guessed_output = sum(one.output_tokens for one in sent)
        estimated = guessed_input if usage.input_tokens is None else 0
        estimated += guessed_output if usage.output_tokens is None else 0
        spending = ledger.Spending(
            day=self._day(self._now()), model=usage.model, calls=usage.calls,
            input_tokens=guessed_input if usage.input_tokens is None else usage.input_tokens,
            output_tokens=guessed_output if usage.output_tokens is None else usage.output_tokens,
            estimated=estimated,
        )  # fmt: skip
        try:
            with self._database.transaction() as connection:
                ledger.add(connection, spending)
        finally:
            with self._lock:
                for one in told:
                    self._being_told.remove(one)

    def _set_out(self, model: str, guess: _OnItsWay) -> list[tuple[str, _OnItsWay]]:
        """Note a call on its way; what else is on its way."""
        with self._lock:
            others = self._all_under_way(guess.at)
            self._under_way.setdefault(model, deque()).append(guess)
            return others

    def _turned_back(self, model: str, guess: _OnItsWay) -> None:
        with self._lock:
            if guess in (waiting := self._under_way.get(model, deque())):
                waiting.remove(guess)

    def _taken(self, model: str) -> _OnItsWay:
        """The model's oldest call on its way; the lock is held."""
        waiting = self._under_way.get(model)
        return waiting.popleft() if waiting else _OnItsWay(self._now(), _UNKNOWN_CALL, 0)

    def _all_under_way(self, now: datetime) -> list[tuple[str, _OnItsWay]]:
        """Calls that may still cost something; the lock is held."""
        for waiting in self._under_way.values():
            while waiting and (now - waiting[0].at).total_seconds() > _CALL_SECONDS:
                waiting.popleft()
        on_its_way = [(model, one) for model, queue in self._under_way.items() for one in queue]
        return on_its_way + self._being_told

    def _today(
        self, now: datetime, told: Sequence[ledger.Spending], under_way: list[tuple[str, _OnItsWay]]
    ) -> Today:
        guessed = sum(one.input_tokens + one.output_tokens for _, one in under_way)
        money, unpriced = Decimal(0), set()
        used = [(one.model, one.input_tokens, one.output_tokens) for one in told]
        used += [(model, one.input_tokens, one.output_tokens) for model, one in under_way]
        for model, sent, received in used:
            price = self._budget.prices.get(model)
            if price is None:
                unpriced.add(model)
            else:
                money += price.of(sent, received)
        return Today(
            day=self._day(now), calls=sum(one.calls for one in told) + len(under_way),
            tokens=sum(one.input_tokens + one.output_tokens for one in told) + guessed,
            estimated=sum(one.estimated for one in told) + guessed, money=money,
            unpriced=tuple(sorted(unpriced)), tokens_limit=self._budget.tokens_per_day,
            money_limit=self._budget.money_per_day, currency=self._budget.currency,
        )  # fmt: skip

    def _refuse_unpriced(self, model: str) -> None:
        if self._budget.money_per_day is not None and model not in self._budget.prices:
            raise Refused(
                f"{model} has no price, and the day a money limit: add it to egress.budget.prices"
            )

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()


def _guess(leaving: Leaving, now: datetime) -> _OnItsWay:
    sent = leaving.characters + leaving.bytes // _BYTES_A_TOKEN
    reply = 0 if leaving.purpose is Purpose.EMBEDDING else _REPLY_TOKENS
    return _OnItsWay(now, sent, reply)
