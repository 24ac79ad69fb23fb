"""All that one source yields, as a document has it: one chunk a key, within limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from knowledge.formats.blocks import Title
from knowledge.formats.pieces import Chunk, Limits, Skipped, Unreadable
from knowledge.formats.spool import IN_MEMORY, Spool
from knowledge.formats.tables import scoped_key

# What no database stores and nobody reads: control characters and halves of characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Content:
    """The chunks may be on disk; `findings` are what was passed over."""

    title: str
    chunks: Sequence[Chunk]
    findings: list[Skipped]


def collected(items: Iterable[Chunk | Skipped | Title], limits: Limits) -> Content:
    """One chunk a key and audience: of rows that ask the same, the last one counts, and is told if
    it answers otherwise."""
    title, count, left_out = "", 0, 0
    findings: list[Skipped] = []
    latest: dict[str, Chunk] = {}
    spool: Spool | None = None
    for item in items:
        match item:
            case Title(text=name):
                title = title or name
            case Skipped() if len(findings) < limits.findings:
                findings.append(item)
            case Skipped():
                left_out += 1
            case Chunk():
                count += 1
                if count > limits.entries:
                    raise Unreadable(
                        f"it holds more than the {limits.entries:,} entries that one file may have",
                        "keep in it what members ask about, or raise the limit where there is "
                        "memory for the index",
                    )
                chunk = _clean(item)
                earlier = latest.pop(chunk.key, None)
                if earlier and earlier.text != chunk.text and len(findings) < limits.findings:
                    findings.append(_contradiction(chunk))
                latest[chunk.key] = chunk
                if len(latest) >= IN_MEMORY:
                    spool = spool or Spool()
                    findings.extend(_spooled(spool, latest, limits.findings - len(findings)))
                    latest = {}
    if left_out:
        findings.append(
            Skipped(message=f"{left_out} more parts were not taken", remedy="mend those first")
        )
    if spool is None:
        chunks = tuple(replace(chunk, position=n) for n, chunk in enumerate(latest.values()))
        return Content(title, chunks, findings)
    findings.extend(_spooled(spool, latest, limits.findings - len(findings)))
    return Content(title, spool, findings)


def _spooled(spool: Spool, chunks: Mapping[str, Chunk], room: int) -> list[Skipped]:
    """Put the chunks on disk; returns what contradicts earlier ones, `room` of them at most."""
    before = spool.texts_of(list(chunks))
    spool.put(chunks.values())
    contrary = (c for c in chunks.values() if before.get(c.key, c.text) != c.text)
    return [_contradiction(chunk) for _, chunk in zip(range(room), contrary, strict=False)]


def _contradiction(chunk: Chunk) -> Skipped:
    asked = (chunk.question or chunk.heading or chunk.text)[:40]
    return Skipped(
        message=f"«{asked}» is answered in two ways; the later one counts",
        remedy="keep one of the two",
    )


def _clean(chunk: Chunk) -> Chunk:
    key = scoped_key(chunk)
    if chunk.text.isprintable() and (chunk.question or "").isprintable():
        return chunk if key == chunk.key else replace(chunk, key=key)
    return replace(
        chunk, key=key, text=written(chunk.text), heading=written(chunk.heading),
        question=None if chunk.question is None else written(chunk.question),
    )  # fmt: skip


def written(told: str) -> str:
    """A text as it can be stored."""
    return _UNWRITABLE.sub("", told)
