"""Fetched pages on disk: what each address last said, and what is known about fetching it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from knowledge.web_pages.addresses import host_of

_KINDS = {
    "text/html": "html", "application/xhtml+xml": "html", "text/plain": "text",
    "text/markdown": "markdown", "text/csv": "csv", "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip


def kind_of_type(content_type: str) -> str | None:
    """The kind of source that a Content-Type header says; None for one that is not read."""
    return _KINDS.get(content_type.partition(";")[0].strip().lower())


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What is known of one address. Times are ISO 8601; `failures` counts tries in a row that
    failed, `missing` those among them in which the site itself said that the page is gone;
    `forbidden` says that it asks robots not to read the page; `unallowed_by` names the hosts that
    were allowed when ours was the refusal, None where it was not."""

    address: str
    checked_at: str = ""
    fetched_at: str = ""
    etag: str = ""
    last_modified: str = ""
    kind: str = "html"
    charset: str = ""
    problem: str = ""
    remedy: str = ""
    failures: int = 0
    missing: int = 0
    forbidden: bool = False
    unallowed_by: str | None = None

    @property
    def gone(self) -> bool:
        """Whether what the page said may not be used any more."""
        # Once may be a slip of whoever publishes the site; twice, a day apart, is meant.
        return self.forbidden or self.missing >= 2


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page as it was last fetched. `body` is None as long as it never was; `problem` says why
    it could not be fetched at the last try, '' if it could."""

    address: str
    body: Path | None
    kind: str = "html"
    charset: str = ""
    fetched_at: datetime | None = None
    problem: str = ""
    remedy: str = ""
    gone: bool = False


class PageStore:
    """A folder of its own. Every file is written whole or not at all, so that one process may read
    while another writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def page(self, address: str) -> Page:
        """What the address last said."""
        visit = self.visit(address)
        if visit is None:
            return Page(
                address=address, body=None, problem="the page was not fetched so far",
                remedy="it is fetched at the next look; wait, or run ingest",
            )  # fmt: skip
        body = self._body(address)
        return Page(
            address=address, body=body if body.exists() and not visit.gone else None,
            kind=visit.kind, charset=visit.charset, problem=visit.problem, remedy=visit.remedy,
            fetched_at=datetime.fromisoformat(visit.fetched_at) if visit.fetched_at else None,
            gone=visit.gone,
        )  # fmt: skip

    def visit(self, address: str) -> Visit | None:
        """What is known of fetching it; None if it was never tried, or that is damaged."""
        try:
            return Visit(**json.loads(self._file(address, "json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, visit: Visit, body: bytes | None = None) -> None:
        """Remember a visit and, where it brought one, the page's new content."""
        if body is not None:
            self._write(self._body(visit.address), body)
        self._write(self._file(visit.address, "json"), json.dumps(asdict(visit)).encode())

    def drop_body(self, address: str) -> None:
        """Forget what an address said."""
        self._body(address).unlink(missing_ok=True)

    def same_body(self, address: str, body: bytes) -> bool:
        """Whether this is what the address said last time."""
        try:
            return self._body(address).read_bytes() == body
        except OSError:
            return False

    def keep_only(self, addresses: Iterable[str]) -> int:
        """Forget every page that is on no list any more, and the robots.txt of hosts that are on
        none; returns how many files went."""
        listed = list(addresses)
        wanted = {_name(address) for address in listed}
        for host in {host_of(address) for address in listed}:
            # Many a page leads from http to https.
            wanted |= {_name(_robots(f"{scheme}://{host}")) for scheme in ("http", "https")}
        gone = 0
        for file in self._folder.glob("*.*") if self._folder.is_dir() else ():
            if file.suffix in (".json", ".body", ".rules") and file.stem not in wanted:
                file.unlink(missing_ok=True)
                gone += 1
        return gone

    def robots(self, site: str) -> Visit | None:
        """When a site's robots.txt was looked at."""
        return self.visit(_robots(site))

    def robots_text(self, site: str) -> str:
        """The rules it held."""
        try:
            return self._body(_robots(site)).read_text("utf-8", "replace")
        except OSError:
            return ""

    def keep_robots(self, site: str, visit: Visit, text: str) -> None:
        """Remember a site's robots.txt."""
        self.keep(Visit(**{**asdict(visit), "address": _robots(site)}), text.encode())

    def fingerprint(self) -> str:
        """Changes when the content of a page does; costs one stat a page."""
        digest = hashlib.sha256()
        for file in sorted(self._folder.glob("*.body")) if self._folder.is_dir() else ():
            try:
                stat = file.stat()
            except OSError:
                continue
            digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def _body(self, address: str) -> Path:
        return self._file(address, "rules" if address.startswith("robots ") else "body")

    def _file(self, address: str, suffix: str) -> Path:
        return self._folder / f"{_name(address)}.{suffix}"

    def _write(self, file: Path, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(data)
            os.replace(name, file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def _name(address: str) -> str:
    prefix = "robots-" if address.startswith("robots ") else ""
    return prefix + hashlib.sha256(address.encode()).hexdigest()[:40]


def _robots(site: str) -> str:
    return f"robots {site}"
