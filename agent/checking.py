"""`shequn check`: configuration, content and connections, each finding with its remedy."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent import bootstrap, config, schema
from agent.config import Access, Settings, WechatyAccount
from agent.database import Database, redacted
from agent.errors import ConfigurationError, Finding, ShequnError
from agent.timekeeping import SystemClock

if TYPE_CHECKING:
    from knowledge.documents import Loaded
    from schedules.offers import Offer

_MOST_ENTRIES = 10_000_000
_SECONDS = 5.0  # for one connection


def examine(path: Path) -> list[Finding]:
    """Everything worth telling about the community at `path`."""
    try:
        settings = config.load(path)
    except ConfigurationError as error:
        return list(error.findings)
    found = [_ok(str(path), f"{len(settings.groups)} groups, {len(settings.channels)} account(s)")]
    found += _groups(settings)
    found += bootstrap.level_findings(settings, SystemClock().now())
    database = _database(settings)
    found += database
    if all(finding.severity == "ok" for finding in database):
        found += _content(settings)
        found += _web(settings)
    found += _models(settings)
    found += _channels(settings)
    return found


def _ok(path: str, message: str) -> Finding:
    return Finding(path=path, message=message, severity="ok")


def _groups(settings: Settings) -> list[Finding]:
    found = []
    if not settings.groups:
        found.append(
            Finding(
                path="groups",
                message="no group is listed: the bot will only listen",
                remedy="list the groups that it may speak in",
                severity="warning",
            )
        )
    if not settings.operators.group:
        found.append(
            Finding(
                path="operators.group",
                message="unanswered questions reach no operators' group",
                remedy="name one; until then `shequn tickets` shows them",
                severity="warning",
            )
        )
    return found


def _database(settings: Settings) -> list[Finding]:
    url = redacted(settings.database_url)
    try:
        bootstrap.make_data_folder(settings)
        database = Database(settings.database_url)
        try:
            with database.reading() as connection:
                version = schema.version(connection)
            schema.upgrade(database)
        finally:
            database.close()
    except ConfigurationError as error:
        return list(error.findings)
    except (ShequnError, OSError) as error:
        return [Finding(path="storage.database_url", message=f"{url}: {error}", remedy=_DATABASE)]
    state = f"at version {version}" if version else "new"
    return [_ok("storage.database_url", f"{url}, {state}")]


def _web(settings: Settings) -> list[Finding]:
    """Who reaches the page, and whether anybody can sign in there."""
    from agent.access.administering import is_administered

    web, found = settings.web, []
    database = bootstrap.open_database(settings)
    try:
        with database.reading() as connection:
            administered = is_administered(connection)
    finally:
        database.close()
    elsewhere = not web.is_loopback or bool(web.public_url)
    if not administered and elsewhere:
        found.append(
            Finding(
                path="web.host",
                message="nobody can sign in yet, so the page is not served"
                if not web.is_loopback
                else "nobody can sign in to the desk yet",
                remedy="make an admin: `shequn user add NAME --role admin`",
                severity="warning" if web.is_loopback else "error",
            )
        )
    if elsewhere and not web.public_url.startswith("https://"):
        found.append(
            Finding(
                path="web.public_url",
                message="passwords would travel unencrypted",
                remedy="put a reverse proxy with a certificate before the page, and name its "
                "https:// address here",
                severity="warning",
            )
        )
    if web.public_url and web.is_loopback and not web.trusted_proxies:
        found.append(
            Finding(
                path="web.trusted_proxies",
                message="no proxy is trusted: everybody seems to come from the proxy's address, "
                "and locks on it lock everybody out",
                remedy="add the proxy's address, such as 127.0.0.1",
                severity="warning",
            )
        )
    if web.public_url and web.serves_simulator:
        found.append(
            Finding(
                path="web.simulator",
                message="the simulator, where anybody speaks as any member or operator without a "
                "sign-in, is open to whoever the proxy forwards as if they were on this machine",
                remedy="remove it; or have the proxy send Host, X-Forwarded-For and "
                "X-Forwarded-Proto as docs/desk.md says",
                severity="warning",
            )
        )
    if not found:
        told = web.public_url or "for this machine"
        told += "" if web.serves_simulator else ", without the simulator"
        told += "" if administered else "; the desk has no user yet (`shequn user add`)"
        found.append(_ok("web", f"served on {web.host}, {told}"))
    return found


_DATABASE = "see that the folder can be written and the server runs; `shequn migrate` tries again"


def _content(settings: Settings) -> list[Finding]:
    database = bootstrap.open_database(settings)
    clock = SystemClock()
    try:
        knowledge = bootstrap.open_knowledge(settings, database, clock)
        promotions = bootstrap.open_promotions(
            settings, database, bootstrap.open_directory(settings), clock
        )
        loaded = knowledge.load()
        chunks = sum(len(document.chunks) for document in loaded.documents)
        found = [
            *knowledge.findings(),
            *_audiences(settings, database, loaded),
            _ok("knowledge.documents", f"{len(loaded.documents)} files, {chunks} entries"),
            *promotions.findings(),
            *_copy(settings, database, promotions.load().offers),
            _ok("offers.folder", f"{len(promotions.load().offers)} offers"),
        ]
    finally:
        database.close()
    return found


def _copy(settings: Settings, database: Database, offers: Sequence[Offer]) -> list[Finding]:
    """Offers whose copy law or platform forbids."""
    from schedules.review import is_blocked, offered

    policy, now = bootstrap.review_policy(settings), SystemClock().now()
    found = []
    with database.reading() as connection:
        for offer in offers:
            findings = offered.reviewed(connection, offer, policy, now)
            if is_blocked(findings):
                rules = sorted({each.rule for each in findings if each.severity == "block"})
                found.append(
                    Finding(
                        path=str(settings.offers.folder / (offer.source or offer.id)),
                        message=f"the copy breaks {', '.join(rules)}",
                        remedy=f"see `shequn offers review {offer.id}`",
                        severity="warning",
                    )
                )
    return found


def _audiences(settings: Settings, database: Database, loaded: Loaded) -> list[Finding]:
    """Live entries that are meant for a group or tag which no configured group has."""
    from knowledge import catalog
    from knowledge.audience import ScopeKind

    with database.reading() as connection:
        known = catalog.selected(connection, catalog.Selection(), limit=_MOST_ENTRIES)
    # What a file says now counts, not what was taken over from it before.
    now = {each.path for each in loaded.documents}
    told = [(entry.source, entry.scope) for entry in known if entry.source not in now]
    told += [(each.path, chunk.scope) for each in loaded.documents for chunk in each.chunks]
    names = {group.name for group in settings.groups}
    strange: dict[str, set[str]] = {}
    for source, scope in told:
        having = names if scope.kind is ScopeKind.GROUP else settings.tags
        for name, mark in zip(scope.names, scope.marks, strict=False):
            if name not in having:
                strange.setdefault(mark, set()).add(source)
    return [
        Finding(
            path=", ".join(sorted(sources)[:3]) + (" …" if len(sources) > 3 else ""),
            message=f"entries are meant for {mark}, which no configured group has",
            remedy=f"correct it there or under groups: the tags are "
            f"{', '.join(sorted(settings.tags)) or 'none'}, the groups "
            f"{', '.join(sorted(names)) or 'none'}",
            severity="warning",
        )
        for mark, sources in sorted(strange.items())
    ]


def _embeddings(settings: Settings) -> list[Finding]:
    """An embedding that cannot be had as it is configured."""
    from importlib.util import find_spec

    wanted, path = settings.knowledge.embeddings, "knowledge.embeddings"
    if wanted.provider == "local":
        return []
    if not wanted.model:
        return [Finding(path=f"{path}.model", message="is empty", remedy="name the model")]
    if wanted.provider == "sentence-transformers" and find_spec("sentence_transformers") is None:
        return [
            Finding(
                path=f"{path}.provider",
                message="sentence-transformers is not installed: nothing can be found or answered",
                remedy='.venv/bin/pip install -e ".[local-model]", or `provider: local`',
            )
        ]
    if wanted.provider == "openai" and settings.hosted_embedding is None:
        return [
            Finding(
                path=f"{path}.provider",
                message="openai has neither a key nor an address: nothing can be found or answered",
                remedy=f"set {wanted.key_variable} in the environment, or {path}.base_url for a "
                "server of your own, or `provider: local`",
            )
        ]
    return []


def _budget(settings: Settings) -> list[Finding]:
    """Models whose money nobody counts although there is a limit to it."""
    budget = settings.egress.budget
    if budget.money_per_day is None:
        return []
    unpriced = sorted({access.name for _, access in _asked(settings)} - set(budget.prices))
    if not unpriced:
        return []
    return [
        Finding(
            path="egress.budget.prices",
            message=f"no price for {', '.join(unpriced)}: what that costs does not count towards "
            f"money_per_day ({budget.money_per_day} {budget.currency})",
            remedy="add `name: {input: …, output: …}`, the money for a million tokens",
        )
    ]


def _asked(settings: Settings) -> list[tuple[str, Access]]:
    """The endpoints that are asked for answers, hearing, sight and embeddings, by their paths."""
    named = [("model", access) for access in settings.models[:1]]
    named += [(f"model.fallbacks.{n}", access) for n, access in enumerate(settings.models[1:])]
    others = {
        "media.hearing": settings.hearing,
        "media.sight": settings.sight,
        "knowledge.embeddings": settings.hosted_embedding,
    }
    return named + [(path, access) for path, access in others.items() if access]


def _models(settings: Settings) -> list[Finding]:
    """Whether the endpoints may be asked, and answer."""
    from agent.compliance.egress import Endpoints

    found = [*_embeddings(settings), *_budget(settings)]
    if not settings.models:
        found.append(_ok("model", "no model: answers are quoted from the sources"))
    egress = Endpoints(allow=settings.egress.allow, deny=settings.egress.deny)
    for path, access in _asked(settings):
        if objection := egress.objection(_address(access)):
            found.append(
                Finding(
                    path=path,
                    message=f"{objection}: it will never be asked",
                    remedy="correct egress.allow and egress.deny, or name another endpoint",
                )
            )
        else:
            found.append(_endpoint(path, access))
    return found


def _address(access: Access) -> str:
    """The endpoint as the record of what leaves names it."""
    from knowledge.providers import endpoint_of

    return endpoint_of(access.base_url)


def _endpoint(path: str, access: Access) -> Finding:
    if access.base_url is None:
        return _ok(path, f"{access.name} at its maker's own address")
    parts = urlsplit(access.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if problem := _unreachable(parts.hostname or "", port):
        return Finding(
            path=f"{path}.base_url",
            message=f"{parts.hostname}:{port} does not answer: {problem}",
            remedy="start the endpoint or correct OPENAI_BASE_URL; until then questions "
            "become tickets",
        )
    return _ok(path, f"{access.name} at {parts.hostname}:{port}")


def _channels(settings: Settings) -> list[Finding]:
    found = []
    for position, account in enumerate(settings.channels):
        path = f"channels.{position}"
        if isinstance(account, WechatyAccount):
            found.append(_gateway(path, account))
        else:
            found.append(_ok(path, f"{account.kind} account {account.account}, simulated"))
    return found


def _gateway(path: str, account: WechatyAccount) -> Finding:
    host, _, port = account.endpoint.rpartition(":")
    if problem := _unreachable(host, int(port)):
        return Finding(
            path=f"{path}.endpoint",
            message=f"{account.endpoint} does not answer: {problem}",
            remedy="start the gateway, or correct host and port",
        )
    return _ok(f"{path}.endpoint", f"{account.endpoint} answers")


def _unreachable(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
