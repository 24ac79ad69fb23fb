"""`shequn check`: configuration, content and connections, each finding with its remedy."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from agent import bootstrap, config, schema
from agent.config import Access, Settings, WechatyAccount
from agent.database import Database, redacted
from agent.errors import ConfigurationError, Finding, ShequnError
from agent.timekeeping import SystemClock

_SECONDS = 5.0  # for one connection


def examine(path: Path) -> list[Finding]:
    """Everything worth telling about the community at `path`."""
    try:
        settings = config.load(path)
    except ConfigurationError as error:
        return list(error.findings)
    found = [_ok(str(path), f"{len(settings.groups)} groups, {len(settings.channels)} account(s)")]
    found += _groups(settings)
    database = _database(settings)
    found += database
    if all(finding.severity == "ok" for finding in database):
        found += _content(settings)
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
            _ok("knowledge.documents", f"{len(loaded.documents)} files, {chunks} entries"),
            *promotions.findings(),
            _ok("offers.folder", f"{len(promotions.load().offers)} offers"),
        ]
    finally:
        database.close()
    return found


def _models(settings: Settings) -> list[Finding]:
    """Whether the endpoints answer that are asked for answers, hearing, sight and embeddings."""
    found = []
    if not settings.models:
        found.append(_ok("model", "no model: answers are quoted from the sources"))
    named = [("model", access) for access in settings.models[:1]]
    named += [(f"model.fallbacks.{n}", access) for n, access in enumerate(settings.models[1:])]
    others = {
        "media.hearing": settings.hearing,
        "media.sight": settings.sight,
        "knowledge.embeddings": settings.hosted_embedding,
    }
    named += [(path, access) for path, access in others.items() if access]
    return found + [_endpoint(path, access) for path, access in named]


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
