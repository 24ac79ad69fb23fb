"""The catalog's changes on their way into an index, in steps that bound memory.

Each process works in a folder of its own below the index directory (`slot`), so that two processes
never write the same files; all follow the catalog's revision. What was made by another format,
embedding or catalog, or does not open, is built again from the catalog: beside the one in use, if
there is one, and takes its place when it is whole; otherwise it is in use from its first step on,
so that a process that is killed goes on where it stopped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from sqlalchemy.engine import Connection

from knowledge import catalog, providers, ranking
from knowledge.catalog import Entry
from knowledge.embedding import Embeddings
from knowledge.language import Language
from knowledge.lexical import Lexicon
from knowledge.nearness import Nearness
from knowledge.slot import Mark, Slot
from knowledge.steps import Pending, Refreshed, on_the_way, read_step
from knowledge.stores import BATCH, HOSTED_BATCH, Progress, Stores, Told, counted
from knowledge.vectors import Vectors, from_chroma, typical, unreachable

log = logging.getLogger(__name__)

# Entries in memory at once; also what a killed process may have to do again.
STEP = 20_000
_ASKED_FOR = "asked for"

Reading = Callable[[], AbstractContextManager[Connection]]


@dataclass
class _Growing:
    """A generation that is not whole yet, beside the one in use: words and vectors are there up to
    `revision`, words of one step more up to `worded`."""

    stores: Stores
    reason: str
    catalog: str
    revision: int = 0
    worded: int = 0
    cosines: Sequence[float] | None = None


class Following:
    """An index as it follows the catalog; see `Index`, which searches it."""

    def __init__(
        self,
        directory: Path,
        embeddings: Embeddings,
        chroma_url: str | None,
        language: Language,
        step: int = STEP,
    ) -> None:
        self._directory = directory
        self.embeddings = embeddings
        self._chroma_url = chroma_url
        self._language = language
        self._step = step
        self._embedding = f"{providers.fingerprint(embeddings)} {language.fingerprint}"
        self._scale = ranking.LOCAL
        self._only_wording = isinstance(embeddings, providers.LocalEmbeddings)
        self._changing = threading.RLock()
        self._slot: Slot | None = None
        self._stores: Stores | None = None
        self._growing: _Growing | None = None
        self._spoilt = ""
        # How far words are ahead of vectors: the catalog's revision they are at, the entries that
        # have no vectors yet, and those (with their revisions) that got them since.
        self._worded = 0
        self._unembedded: frozenset[int] = frozenset()
        self._embedded: set[tuple[int, int]] = set()
        self._measured: Sequence[float] | None = None
        self._nearness = Nearness(embeddings, server=chroma_url is not None)

    @property
    def embedding(self) -> str:
        """Names the embedding and the language: what labels teach holds for this only."""
        return self._embedding

    @property
    def revision(self) -> int:
        """The catalog revision that searches see; 0 before the first refresh."""
        return self._slot.mark.revision if self._slot and self._slot.mark else 0

    @property
    def size(self) -> int:
        """How many entries can be found."""
        return self._stores.words.size if self._stores else 0

    def stale(self, connection: Connection) -> bool:
        """Whether a refresh has something to do; one indexed read."""
        return (
            self._stores is None
            or bool(self._spoilt)
            or catalog.revision(connection) != self.revision
        )

    def refresh(self, connection: Connection, progress: Progress | None = None) -> Refreshed:
        """`follow` in the caller's one transaction. Only reads through `connection`."""
        return self.follow(lambda: nullcontext(connection), progress)

    def follow(
        self, reading: Reading, progress: Progress | None = None, *, rebuild: bool = False
    ) -> Refreshed:
        """Take over what changed in the catalog, step by step: `reading` opens a connection, which
        is closed before an embedding is waited for. `rebuild` takes over everything anew.
        `progress(done, total)` is called per batch of entries.

        Interrupted anywhere, the next call finishes the work.
        """
        try:
            return self._steps(reading, progress, rebuild=rebuild)
        except Exception as error:
            if not (self._spoilt and from_chroma(error)):
                raise
            log.warning("building the index again: %s", self._spoilt)
            return self._steps(reading, progress, rebuild=False)

    def _steps(self, reading: Reading, progress: Progress | None, *, rebuild: bool) -> Refreshed:
        added = removed = done = 0
        reason = ""
        while True:
            with reading() as connection:
                pending = self.pending(connection, rebuild=rebuild and not done)
            try:
                told = self.apply(pending, on_the_way(progress, done, pending.waiting))
            except Exception:
                if pending.more:
                    self._word_the_rest(reading)
                raise
            added, removed = added + told.added, removed + told.removed
            done += len(pending.entries)
            reason = reason or told.rebuilt
            if not pending.more:
                return Refreshed(
                    added=added, removed=removed, revision=told.revision, rebuilt=reason
                )

    def pending(self, connection: Connection, *, rebuild: bool = False) -> Pending:
        """What `apply` has to take over next. `rebuild` asks for everything."""
        with self._changing:
            slot = self._opened()
            identity = catalog.identity(connection)
            newest = catalog.revision(connection)
            growing = self._still_growing(identity, newest, rebuild=rebuild)
            if growing is not None:
                reason, since = growing.reason, growing.revision
            else:
                reason = _ASKED_FOR if rebuild else self._reason_to_rebuild(slot, identity, newest)
                since = 0 if reason or slot.mark is None else slot.mark.revision
        return read_step(connection, since, newest, self._step, catalog=identity, rebuild=reason)

    def apply(self, pending: Pending, progress: Progress | None = None) -> Refreshed:
        """Bring one step into the index; uses no database. Embeds, over the network if the
        embedding is a hosted one, whose errors pass through.

        Words come first: whatever the embedding does, what is gone is told no more and what is new
        is found by its words. The revision is reached when the vectors are there too; the next
        refresh goes on where this one stopped.
        """
        with self._changing:
            slot = self._opened()
            if not pending.rebuild and pending.revision <= self.revision:
                return Refreshed(added=0, removed=0, revision=self.revision)
            live, gone = pending.live, pending.gone
            told = counted(progress, 2 * (len(live) + len(gone)))
            if pending.rebuild:
                self._grow(slot, pending, told)
            else:
                self._take(slot, pending, told)
            self._let_go(slot)
            return Refreshed(
                added=len(live), removed=0 if pending.rebuild else len(gone),
                revision=pending.revision, rebuilt=pending.rebuild,
            )  # fmt: skip

    # --- a generation of its own -----------------------------------------------------------------

    def _still_growing(self, identity: str, newest: int, *, rebuild: bool) -> _Growing | None:
        """The generation that is being built, unless it is of no use any more."""
        growing = self._growing
        if growing and (rebuild or growing.catalog != identity or newest < growing.revision):
            self._abandon(growing)
        return self._growing

    def _abandon(self, growing: _Growing) -> None:
        self._growing = None
        self._embedded.clear()
        growing.stores.vectors.close()

    def _grow(self, slot: Slot, pending: Pending, told: Told) -> None:
        """One step of a generation that takes the place of the one in use when it is whole. Where
        that one is none it does so at once; where it is spoilt and the embedding fails, as soon as
        it has words."""
        growing = self._growing
        if growing is None or growing.revision != pending.since:
            stores = self._open(slot.new_generation(), pending.catalog)
            growing = _Growing(stores, pending.rebuild, pending.catalog)
            self._embedded.clear()
            self._measured = None
        self._growing = growing
        stores = growing.stores
        if pending.revision > growing.worded:
            stores.put_words(pending.live, pending.gone, replay=bool(growing.worded), told=told)
            growing.worded = pending.revision
        else:
            told(len(pending.entries))
        try:
            if growing.cosines is None:
                growing.cosines = self._cosines(pending, slot.mark)
            self._embed(stores, pending.live, pending.gone, told)
        except Exception as error:
            self._stopped_growing(slot, growing, pending, error)
            raise
        growing.revision = pending.revision
        self._embedded.clear()
        if self._stores is None or not pending.more:
            self._replace(slot, growing, pending.revision)

    def _stopped_growing(
        self, slot: Slot, growing: _Growing, pending: Pending, error: Exception
    ) -> None:
        whole = not (pending.since or pending.more)
        if self._stores is None or (whole and growing.reason != _ASKED_FOR):
            self._replace(slot, growing, 0)
            self._worded = pending.revision
        elif growing.reason == _ASKED_FOR or from_chroma(error):
            self._abandon(growing)
        # Otherwise the next refresh goes on: what was embedded was paid for.

    def _replace(self, slot: Slot, growing: _Growing, revision: int) -> None:
        """From now on this is the generation in use; at `revision` 0 without all its vectors."""
        before, self._growing = self._stores, None
        cosines = growing.cosines if revision else None
        self._commit(
            slot, growing.stores, growing.catalog, revision=revision, cosines=cosines,
            embedded=None if revision else 0,
        )  # fmt: skip
        self._use(growing.stores, cosines)
        if revision:
            self._reached(revision, frozenset())
        if before is not None:
            before.vectors.close()

    # --- the generation in use -------------------------------------------------------------------

    def _take(self, slot: Slot, pending: Pending, told: Told) -> None:
        """Take changes over into the generation in use."""
        stores, mark = self._stores, slot.mark
        if mark is None or stores is None:
            raise ValueError("there is no generation to change")
        live, gone = pending.live, pending.gone
        self._word(slot, stores, mark, pending, told)
        try:
            cosines = self._cosines(pending, mark)
            self._embed(stores, live, gone, told)
        except Exception as error:
            # An embedding that changed its dimension, or a store gone bad under us.
            self._spoilt = self._spoilt or self._nearness.ruin(error)
            raise
        behind = self._unembedded - {entry.id for entry in live}
        self._commit(
            slot, stores, pending.catalog, revision=pending.revision, cosines=cosines,
            embedded=stores.words.size - len(behind) if behind else None,
        )  # fmt: skip
        self._use(stores, cosines)
        self._reached(pending.revision, behind)

    def _word(self, slot: Slot, stores: Stores, mark: Mark, pending: Pending, told: Told) -> None:
        """The words of one step, ahead of its vectors."""
        live, gone = pending.live, pending.gone
        if pending.revision > self._worded:
            # A process killed half-way through comes here twice with the same entries.
            stores.put_words(live, gone, replay=True, told=told)
            self._commit(
                slot, stores, pending.catalog, revision=mark.revision, cosines=mark.cosines,
                embedded=max(mark.vectors - len(gone), 0),
            )  # fmt: skip
            self._worded = pending.revision
        else:
            told(len(pending.entries))
        waiting = {e.id for e in live if (e.id, e.revision) not in self._embedded}
        self._unembedded = (self._unembedded | waiting) - set(gone)

    def _word_the_rest(self, reading: Reading) -> None:
        """The words of what waits behind a step whose embedding failed."""
        with self._changing:
            slot, stores, more = self._slot, self._stores, True
            while slot and stores and slot.mark and not (self._growing or self._spoilt) and more:
                with reading() as connection:
                    newest, identity = catalog.revision(connection), catalog.identity(connection)
                    if identity != slot.mark.catalog or self._worded >= newest:
                        return
                    pending = read_step(
                        connection, self._worded, newest, self._step, catalog=identity, rebuild=""
                    )
                self._word(slot, stores, slot.mark, pending, lambda _: None)
                more = pending.more

    def _reached(self, revision: int, behind: frozenset[int]) -> None:
        self._worded = max(self._worded, revision) if behind else revision
        self._unembedded = behind
        self._embedded.clear()
        self._measured = None

    def _commit(
        self, slot: Slot, stores: Stores, identity: str, *, revision: int,
        cosines: Sequence[float] | None, embedded: int | None = None,
    ) -> None:  # fmt: skip
        slot.commit(
            Mark(
                generation=stores.folder.name, embedding=self._embedding, catalog=identity,
                revision=revision, size=stores.words.size, cosines=cosines, embedded=embedded,
            )
        )  # fmt: skip

    def _embed(
        self, stores: Stores, live: Sequence[Entry], gone: Sequence[int], told: Told
    ) -> None:
        size = BATCH if self._only_wording else HOSTED_BATCH
        stores.put_vectors(live, gone, size=size, done=self._embedded, told=told)

    def _cosines(self, pending: Pending, mark: Mark | None) -> Sequence[float] | None:
        """A hosted embedding's scale; measured with the first entries that are enough."""
        if self._only_wording or (mark and mark.cosines and not pending.rebuild):
            return mark.cosines if mark else None
        if self._measured is None:
            self._measured = typical(self.embeddings, pending.live)
        return self._measured

    def _use(self, stores: Stores, cosines: Sequence[float] | None) -> None:
        self._stores, self._spoilt = stores, ""
        self._scale = ranking.LOCAL.measured(*cosines) if cosines else ranking.LOCAL

    # --- on disk ---------------------------------------------------------------------------------

    def _opened(self) -> Slot:
        """Our slot, with its stores open if they can be."""
        if self._slot is None:
            self._slot = Slot(self._directory)
        mark = self._slot.mark
        if self._stores is None and mark is not None and mark.embedding == self._embedding:
            self._slot.opening.touch()
            try:
                stores = self._open(self._slot.folder / mark.generation, mark.catalog)
                stores.vectors.probe()
                # More are left by a killed process and are written over; fewer are a loss.
                if stores.words.size != mark.size or stores.vectors.count() < mark.vectors:
                    raise ValueError(f"{mark.size} entries were written and are not all there")
            except Exception as error:
                if isinstance(error, ConnectionError) or unreachable(error):
                    # A server that is away says nothing of what it keeps.
                    self._slot.opening.unlink(missing_ok=True)
                    raise
                # Whatever a damaged folder makes two native libraries raise, the cure is the same.
                log.warning("the index does not open (%s); building it again", error)
                self._spoilt = "damaged"
            else:
                self._use(stores, mark.cosines)
                self._worded = mark.revision
            self._slot.opening.unlink(missing_ok=True)
        return self._slot

    def _open(self, folder: Path, identity: str) -> Stores:
        words = Lexicon(folder / "words", self._language)
        name = f"shequn-{identity[:8]}-{folder.name}"
        if self._chroma_url is not None:
            Slot.hosted(folder).write_text(name, "utf-8")
        vectors = Vectors(folder / "vectors", self.embeddings, self._chroma_url, name=name)
        return Stores(folder, words, vectors)

    def _let_go(self, slot: Slot) -> None:
        """Delete from a server of vectors what no generation of ours uses any more."""
        stores = self._stores
        if stores is None or self._chroma_url is None:
            return
        for folder in slot.abandoned():
            if self._growing is None or folder != self._growing.stores.folder:
                try:
                    stores.vectors.drop(Slot.hosted(folder).read_text("utf-8"))
                except Exception as error:  # noqa: BLE001  it costs room there and nothing else
                    log.warning("old vectors stay on their server (%s)", type(error).__name__)
                    return
                rmtree(folder, ignore_errors=True)

    def _reason_to_rebuild(self, slot: Slot, identity: str, newest: int) -> str:
        if self._spoilt:
            return self._spoilt
        mark = slot.mark
        if mark is None:
            return "new"
        if mark.embedding != self._embedding:
            return "another embedding"
        if mark.catalog != identity or mark.revision > newest:
            return "another catalog"
        return ""

    def close(self) -> None:
        """Let go of the folder; another process may take it over."""
        with self._changing:
            if self._growing:
                self._abandon(self._growing)
            if self._stores:
                self._stores.vectors.close()
            if self._slot:
                self._slot.release()
            self._slot = self._stores = None
