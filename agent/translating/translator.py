"""Texts into another language: remembered, or asked of the configured model in one call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from agent.database import Database
from agent.errors import StorageUnavailable
from agent.translating import memory
from agent.translating.fidelity import differences
from agent.translating.glossary import Glossary, base, language_of
from agent.translating.outcomes import Outcome, Reason, Translated, Untranslated
from knowledge.egress import Guard, Masked, Purpose
from knowledge.language import has_words

if TYPE_CHECKING:
    from knowledge.models import Models

log = structlog.get_logger(__name__)

LONGEST = 4_000  # characters of one text
_CALL_CHARACTERS = 8_000  # of one call; a ticket's texts are fewer
_CALL_TEXTS = 60
_TIDY_EVERY = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """One text on its way."""

    text: str
    source: str
    target: str
    key: str
    masked: Masked

    @property
    def leaving(self) -> str:
        return self.masked.texts[0]


class Translator:
    """Translates through the models that answer questions, behind their guard.

    `open_models` gives them, None where none is configured; it is called once, in a thread, when
    something is first translated. `model` names them for the memory: another model translates
    anew. Two who want the same at once share one call.
    """

    def __init__(
        self,
        *,
        database: Database,
        open_models: Callable[[], Models | None],
        model: str,
        guard: Guard,
        glossary: Glossary,
        now: Callable[[], datetime],
        limit_seconds: float = 15.0,
        keep: timedelta = timedelta(days=90),
    ) -> None:
        self.glossary = glossary
        self._database = database
        self._open_models = open_models
        self._model = model
        self._guard = guard
        self._now = now
        self._limit_seconds = limit_seconds
        self._keep = keep
        self._models: Models | None = None
        self._under_way: dict[str, asyncio.Future[memory.Remembered | Untranslated]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._tidied: datetime | None = None

    @property
    def available(self) -> bool:
        """Whether there is a model to ask."""
        return bool(self._model)

    async def translate(
        self, texts: Sequence[str], target: str, *, source: str | None = None
    ) -> list[Outcome]:
        """Each text in `target` (zh, ja, en), in the order given, or why not. `source` None: told
        from each text's script. Raises nothing that an endpoint does, and returns within the time
        limit."""
        wanted: dict[str, _Wanted | Untranslated] = {}
        for text in dict.fromkeys(texts):
            unwanted = self._unwanted(text, source, target)
            if unwanted is None:
                wanted[text] = await asyncio.to_thread(self._wanted, text, source, target)
            else:
                wanted[text] = unwanted
        asked = {one.key: one for one in wanted.values() if isinstance(one, _Wanted)}
        known = await self._remembered(asked)
        made = await self._made([one for key, one in asked.items() if key not in known])
        return [self._outcome(wanted[text], known, made) for text in texts]

    async def one(self, text: str, target: str, *, source: str | None = None) -> Outcome:
        """A single text; see `translate`."""
        return (await self.translate([text], target, source=source))[0]

    async def by_model(self, text: str, translation: str, source: str, target: str) -> bool:
        """Whether `translation` is a model's, or what somebody made of one: a model translated
        `text` into that language, or wrote just these words."""
        if not has_words(text) or not has_words(translation):
            return False
        wanted = await asyncio.to_thread(self._wanted, text, source, target)
        masked = await asyncio.to_thread(self._guard.mask, [translation])

        def work(connection: Connection) -> bool:
            if memory.found(connection, [wanted.key]):
                return True
            return memory.wrote(connection, masked.texts[0], base(target))

        return await self._database.read(work)

    # -- before and after -----------------------------------------------------------

    def _unwanted(self, text: str, source: str | None, target: str) -> Untranslated | None:
        spoken = base(source) if source else language_of(text, _other_than(target))
        if not has_words(text):
            return Untranslated(reason=Reason.NO_WORDS)
        if spoken == base(target):
            return Untranslated(reason=Reason.SAME_LANGUAGE)
        if not self._model:
            return Untranslated(reason=Reason.NO_MODEL)
        if len(text) > LONGEST:
            return Untranslated(reason=Reason.TOO_LONG, detail=f"{len(text)} characters")
        return None

    def _wanted(self, text: str, source: str | None, target: str) -> _Wanted:
        from agent.translating.asking import inert

        spoken = base(source) if source else language_of(text, _other_than(target))
        # Each by itself, so that its placeholders do not depend on its neighbours.
        masked = self._guard.mask([inert(text)])
        key = memory.key_of(
            masked.texts[0], spoken, base(target), self.glossary.digest(spoken, target),
            self._model,
        )  # fmt: skip
        return _Wanted(text=text, source=spoken, target=base(target), key=key, masked=masked)

    def _outcome(
        self,
        one: _Wanted | Untranslated,
        known: dict[str, memory.Remembered],
        made: dict[str, memory.Remembered | Untranslated],
    ) -> Outcome:
        if isinstance(one, Untranslated):
            return one
        found = known.get(one.key) or made[one.key]
        if isinstance(found, Untranslated):
            return found
        wrong = differences(
            one.leaving, found.text, of=one.source, into=one.target, glossary=self.glossary
        )
        return Translated(
            text=one.masked.restored(found.text), source=one.source, target=one.target,
            model=found.model, differences=wrong, remembered=one.key in known,
        )  # fmt: skip

    # -- remembering ----------------------------------------------------------------

    async def _remembered(self, asked: dict[str, _Wanted]) -> dict[str, memory.Remembered]:
        if not asked:
            return {}
        try:
            known = await self._database.read(partial(memory.found, keys=list(asked)))
            if known:
                now = self._now()
                await self._database.write(lambda c: memory.used(c, list(known), now))
        except StorageUnavailable:
            return {}
        return known

    async def _keep_made(self, made: Sequence[memory.Remembered]) -> None:
        now = self._now()
        tidy = self._tidied is None or now - self._tidied >= _TIDY_EVERY

        def work(connection: Connection) -> None:
            memory.keep(connection, made, now)
            if tidy:
                memory.forget(connection, now - self._keep)

        try:
            await self._database.write(work)
        except StorageUnavailable as error:
            log.warning("translation not kept", error=str(error))
        else:
            self._tidied = now if tidy else self._tidied

    # -- asking ---------------------------------------------------------------------

    async def _made(self, wanted: Sequence[_Wanted]) -> dict[str, memory.Remembered | Untranslated]:
        """Ask for what nobody is asking for already, and wait for all of it."""
        loop = asyncio.get_running_loop()
        mine = [one for one in wanted if one.key not in self._under_way]
        waiting = {one.key: self._under_way.get(one.key) or loop.create_future() for one in wanted}
        for one in mine:
            self._under_way[one.key] = waiting[one.key]
        for batch in _batches(mine):
            # A task of its own: who asked first may go away while another still waits.
            call = asyncio.create_task(self._ask(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return {key: await asyncio.shield(future) for key, future in waiting.items()}

    async def _ask(self, batch: Sequence[_Wanted]) -> None:
        outcomes: dict[str, memory.Remembered | Untranslated] = {}
        try:
            outcomes = await self._renderings(batch)
            if made := [one for one in outcomes.values() if isinstance(one, memory.Remembered)]:
                await self._keep_made(made)
        except Exception:
            log.exception("translating failed", texts=len(batch))
        finally:
            for one in batch:
                future = self._under_way.pop(one.key)
                if not future.done():
                    lost = Untranslated(reason=Reason.UNAVAILABLE)
                    future.set_result(outcomes.get(one.key, lost))

    async def _renderings(
        self, batch: Sequence[_Wanted]
    ) -> dict[str, memory.Remembered | Untranslated]:
        from agent.translating.asking import Renderings, messages, tidy
        from knowledge.models import Failed

        models = await self._opened()
        if models is None:
            return {one.key: Untranslated(reason=Reason.NO_MODEL) for one in batch}
        kinds: Counter[str] = Counter()
        for one in batch:
            kinds.update(one.masked.kinds)
        said, call = await models.ask(
            messages(
                [one.leaving for one in batch], [one.source for one in batch], batch[0].target,
                self.glossary,
            ),
            Renderings, guard=self._guard, masked=dict(kinds), limit_seconds=self._limit_seconds,
            purpose=Purpose.TRANSLATION,
        )  # fmt: skip
        if isinstance(said, Failed):
            failed = Untranslated(reason=_REASONS.get(said.fault.value, Reason.UNAVAILABLE),
                                  detail=said.detail)  # fmt: skip
            return {one.key: failed for one in batch}
        by_number = {one.number: tidy(one.text) for one in said.translations}
        model = call.model if call else self._model
        return {
            one.key: memory.Remembered(
                key=one.key, text=by_number[number], source=one.source, target=one.target,
                model=model,
            )
            if by_number.get(number)
            else Untranslated(reason=Reason.NONSENSE, detail="not among the translations")
            for number, one in enumerate(batch, 1)
        }  # fmt: skip

    async def _opened(self) -> Models | None:
        if self._models is None:
            self._models = await asyncio.to_thread(self._open_models)
        return self._models


def _batches(wanted: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """As few calls as the length allows."""
    batch: list[_Wanted] = []
    characters = 0
    for one in wanted:
        if batch and (
            characters + len(one.leaving) > _CALL_CHARACTERS or len(batch) == _CALL_TEXTS
        ):
            yield batch
            batch, characters = [], 0
        batch.append(one)
        characters += len(one.leaving)
    if batch:
        yield batch


def _other_than(target: str) -> str:
    """What Han characters alone are read as: a Japanese operator's texts come from Chinese."""
    return "ja" if base(target) == "zh" else "zh"


_REASONS = {
    "unavailable": Reason.UNAVAILABLE,
    "rejected": Reason.UNAVAILABLE,
    "unfit": Reason.UNAVAILABLE,
    "timeout": Reason.TIMEOUT,
    "rate_limited": Reason.RATE_LIMITED,
    "nonsense": Reason.NONSENSE,
    "budget": Reason.BUDGET,
    "withheld": Reason.WITHHELD,
}
