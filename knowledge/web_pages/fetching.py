"""Fetching the listed pages: politely, within limits, to public addresses only.

Follows robots.txt (RFC 9309: rules are kept a day; a site whose rules cannot be had is left alone
unless older rules are known), asks conditionally, and never lets what one page or site does keep
the others waiting. Blocking; call it in a thread and outside of transactions.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from knowledge.formats.encodings import decode
from knowledge.formats.pieces import MEGABYTE, Unreadable
from knowledge.web_pages.addresses import (
    Refused,
    Resolve,
    host_of,
    normal,
    public_address,
    site_of,
)  # fmt: skip
from knowledge.web_pages.responses import (
    Disallowed,
    Failed,
    Response,
    Unallowed,
    body_of,
    charset_of,
    is_plain,
    validator,
)  # fmt: skip
from knowledge.web_pages.store import PageStore, Visit, kind_of_type

if TYPE_CHECKING:
    import httpx2
    from protego import Protego

log = logging.getLogger(__name__)

TOKEN = "Shequn"
_ROBOTS_BYTES = 512 * 1024
_ROBOTS_FOR = timedelta(days=1)
_REDIRECTS = (301, 302, 303, 307, 308)
_MISSING = (404, 410)
_SLOWEST_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """How pages are fetched. `refresh_every` is the age at which a page is asked for again,
    `retry_after` the pause after a failure; `seconds` bounds one page with all its redirects."""

    refresh_every: timedelta = timedelta(hours=24)
    retry_after: timedelta = timedelta(hours=1)
    seconds: float = 20.0
    largest_bytes: int = 10 * MEGABYTE
    at_once: int = 4
    redirects: int = 5
    allowed_hosts: frozenset[str] = frozenset()
    contact: str = ""
    resolve: Resolve | None = None
    sleep: Callable[[float], None] = time.sleep

    @property
    def user_agent(self) -> str:
        """Names the program and, if the owner gives one, a page or address to complain to."""
        return f"{TOKEN}/1.0 (knowledge base of a community{self.contact and f'; {self.contact}'})"

    @property
    def allowed(self) -> str:
        """Tells one set of allowed hosts from another."""
        return " ".join(sorted(self.allowed_hosts))


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What one refresh did: pages with new content, unchanged ones, and failures by address."""

    new: tuple[str, ...] = ()
    unchanged: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)


def refresh(
    store: PageStore,
    addresses: Iterable[str],
    now: datetime,
    how: Fetching,
    progress: Callable[[int, int], None] | None = None,
) -> Fetched:
    """Ask for every address that is due; a few sites at a time, one page of a site after another.

    Raises nothing for what a site does: failures are in the report and in the store.
    """
    listed = list(dict.fromkeys(addresses))
    sites: dict[str, list[str]] = {}
    for address in listed:
        if _due(store.visit(address), now, how):
            sites.setdefault(host_of(address), []).append(address)
    total, done = sum(len(each) for each in sites.values()), 0
    new: list[str] = []
    unchanged = len(listed) - total
    failed: dict[str, str] = {}
    if not sites:
        return Fetched(unchanged=unchanged)
    with ThreadPoolExecutor(how.at_once, thread_name_prefix="web-pages") as pool:
        visits = [(pages, pool.submit(_site, store, pages, now, how)) for pages in sites.values()]
        for pages, visited in visits:
            try:
                outcomes = visited.result()
            except Exception as error:  # noqa: BLE001  what one site does is not another's concern
                # Its type only: the message may hold what the site sent.
                log.error("web pages of one site not fetched: %s", type(error).__name__)
                problem = f"the site was not understood ({type(error).__name__})"
                outcomes = dict.fromkeys(pages, ("failed", problem))
            for address, (outcome, problem) in outcomes.items():
                done += 1
                if outcome == "new":
                    new.append(address)
                elif outcome == "unchanged":
                    unchanged += 1
                else:
                    failed[address] = problem
                if progress:
                    progress(done, total)
    return Fetched(new=tuple(new), unchanged=unchanged, failed=failed)


def _due(visit: Visit | None, now: datetime, how: Fetching) -> bool:
    if visit is None or not visit.checked_at:
        return True
    if visit.unallowed_by is not None and visit.unallowed_by != how.allowed:
        return True  # what was refused may be allowed now
    pause = how.retry_after if visit.failures and not visit.missing else how.refresh_every
    return now - datetime.fromisoformat(visit.checked_at) >= pause


def _site(
    store: PageStore, addresses: list[str], now: datetime, how: Fetching
) -> dict[str, tuple[str, str]]:
    """Outcome and problem of each page of one site."""
    import httpx2

    outcomes: dict[str, tuple[str, str]] = {}
    # A proxy would resolve names itself, behind the back of the check.
    with httpx2.Client(
        trust_env=False, follow_redirects=False, timeout=how.seconds,
        headers={"User-Agent": how.user_agent, "Accept-Encoding": "gzip, deflate"},
    ) as client:  # fmt: skip
        visitor = _Visitor(client, store, now, how)
        for number, address in enumerate(addresses):
            if number:
                how.sleep(visitor.pause(address))
            outcomes[address] = _one(visitor, store, address, now, how)
    return outcomes


def _one(
    visitor: _Visitor, store: PageStore, address: str, now: datetime, how: Fetching
) -> tuple[str, str]:
    before = store.visit(address) or Visit(address=address)
    told = now.isoformat()
    try:
        response = visitor.page(address, before)
    except Failed as error:
        visit = replace(
            before, checked_at=told, problem=error.message, remedy=error.remedy,
            failures=before.failures + 1, missing=before.missing + 1 if error.missing else 0,
            forbidden=isinstance(error, Disallowed),
            unallowed_by=how.allowed if isinstance(error, Unallowed) else None,
        )  # fmt: skip
        store.keep(visit)
        if visit.gone:
            store.drop_body(address)
        return "failed", error.message
    fresh = replace(
        before, checked_at=told, fetched_at=told, problem="", remedy="", failures=0, missing=0,
        forbidden=False, unallowed_by=None,
    )  # fmt: skip
    if response.status == 304:
        store.keep(fresh)
        return "unchanged", ""
    same = store.same_body(address, response.body)
    store.keep(
        replace(
            fresh, etag=validator(response, "etag"), charset=response.charset,
            last_modified=validator(response, "last-modified"),
            kind=kind_of_type(response.headers.get("content-type", "text/html")) or "html",
        ),
        None if same else response.body,
    )  # fmt: skip
    return ("unchanged" if same else "new"), ""


class _Visitor:
    """Asks one site for its pages, with its rules at hand."""

    def __init__(
        self, client: httpx2.Client, store: PageStore, now: datetime, how: Fetching
    ) -> None:
        self._client = client
        self._store = store
        self._now = now
        self._how = how
        self._rules: dict[str, Protego] = {}

    def page(self, address: str, before: Visit) -> Response:
        """The page, or a 304 where it is unchanged. Raises `Failed`."""
        conditions = {}
        # Without its content an unchanged page would be of no use.
        if self._store.page(address).body is not None:
            conditions = {"If-None-Match": before.etag, "If-Modified-Since": before.last_modified}
        deadline = time.monotonic() + self._how.seconds
        try:
            address = normal(address)
        except Refused as error:
            raise Failed(error.message, error.remedy) from error
        for _ in range(self._how.redirects + 1):
            self._allowed(address, deadline)
            response = self._get(
                address, {k: v for k, v in conditions.items() if v and is_plain(v)}, deadline,
                self._how.largest_bytes,
            )  # fmt: skip
            if response.status not in _REDIRECTS:
                return self._judged(response)
            address = self._next(address, response)
            # What the first address said of its version says nothing about another.
            conditions = {}
        raise Failed(f"more than {self._how.redirects} redirects", "name the last address itself")

    def pause(self, address: str) -> float:
        """Seconds between two pages of this site."""
        rules = self._rules.get(site_of(address))
        wanted = rules.crawl_delay(TOKEN) if rules else None
        return min(max(float(wanted or 0.0), 0.5), _SLOWEST_SECONDS)

    def _next(self, address: str, response: Response) -> str:
        try:
            return normal(urljoin(address, response.headers.get("location", "")))
        except (Refused, ValueError) as error:
            raise Failed("it redirects to what is no web address", "correct the page") from error

    def _judged(self, response: Response) -> Response:
        if response.status == 304:
            return response
        if response.status in _MISSING:
            raise Failed(
                f"the page is gone (status {response.status})", "take it off the list",
                missing=True,
            )  # fmt: skip
        if response.status in (401, 403):
            raise Failed(
                f"the site refuses it (status {response.status})",
                "name a page that is open to everybody, or save its text in a file",
            )
        if response.status != 200:
            raise Failed(
                f"the site answers with status {response.status}", "it is tried again later"
            )
        content_type = response.headers.get("content-type", "text/html")
        if kind_of_type(content_type) is None:
            raise Failed(
                f"{content_type.partition(';')[0].strip()[:60]} is not read",
                "name pages, text, PDF, XLSX, DOCX or CSV",
            )
        return replace(response, charset=charset_of(content_type))

    # -- robots.txt ---------------------------------------------------------------------

    def _allowed(self, address: str, deadline: float) -> None:
        rules = self._rules_of(address, deadline)
        if not rules.can_fetch(address, self._how.user_agent):
            raise Disallowed(
                "the site's robots.txt asks robots not to read it",
                "ask its owner, or save its text in a file",
            )

    def _rules_of(self, address: str, deadline: float) -> Protego:
        from protego import Protego

        site = site_of(address)
        if site not in self._rules:
            self._rules[site] = Protego.parse(self._robots(site, deadline))
        return self._rules[site]

    def _robots(self, site: str, deadline: float) -> str:
        known = self._store.robots(site)
        if known and self._now - datetime.fromisoformat(known.fetched_at) < _ROBOTS_FOR:
            return self._store.robots_text(site)
        try:
            text = self._robots_fetched(f"{site}/robots.txt", deadline)
        except Unallowed:
            raise
        except Failed as error:
            if known:
                return self._store.robots_text(site)
            raise Failed(
                f"its robots.txt cannot be had ({error.message})",
                error.remedy or "it is tried again later",
            ) from error
        visit = Visit(address=site, fetched_at=self._now.isoformat())
        self._store.keep_robots(site, visit, text)
        return text

    def _robots_fetched(self, address: str, deadline: float) -> str:
        for _ in range(self._how.redirects + 1):
            response = self._get(address, {}, deadline, _ROBOTS_BYTES)
            if response.status in _REDIRECTS:
                address = self._next(address, response)
            elif response.status == 200:
                try:
                    return decode(response.body)
                except Unreadable:
                    return ""
            elif 400 <= response.status < 500:
                # RFC 9309, 2.3.1.3: no rules.
                return ""
            else:
                raise Failed(f"status {response.status}", "")
        return ""

    # -- one request --------------------------------------------------------------------

    def _get(
        self, address: str, headers: Mapping[str, str], deadline: float, largest: int
    ) -> Response:
        """One answer, read within the limits. Connects to the address that was checked: asking by
        name would resolve it a second time, to wherever its owner points it by then."""
        import httpx2

        try:
            ip = public_address(
                address, allowed_hosts=self._how.allowed_hosts, resolve=self._how.resolve
            )
        except Refused as error:
            raise Unallowed(error.message, error.remedy) from error
        parts = urlsplit(address)
        try:
            pinned = httpx2.URL(address).copy_with(host=ip)
            request = self._client.build_request(
                "GET", pinned, headers={**headers, "Host": parts.netloc},
                extensions={"sni_hostname": parts.hostname},
            )  # fmt: skip
            response = self._client.send(request, stream=True)
            try:
                return Response(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    body_of(response, deadline, largest),
                )
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise Failed(
                f"the site does not answer ({type(error).__name__})", "it is tried again later"
            ) from error
