"""What one setting cannot know of another."""

from __future__ import annotations

import re
from typing import Any

from agent.config.sections import WechatyAccount
from agent.config.settings import Settings
from agent.errors import Finding

# What tells people that they talk to a machine.
_TELLS = re.compile(r"机器人|機器人|人工智能|\bAI\b|AI|\bbot\b|ロボット|ボット", re.IGNORECASE)


def cross_check(settings: Settings) -> list[Finding]:
    """What one field cannot know of another: accounts, policies, names used twice."""
    faults = []
    if not settings.channels:
        faults.append(fault("channels", "there is no account", "add one, or remove `channels`"))
    accounts = [account.account for account in settings.channels]
    for position, account in enumerate(settings.channels):
        if account.account in accounts[:position]:
            faults.append(fault(f"channels.{position}.account", "is used twice", "rename one"))
        if isinstance(account, WechatyAccount) and not settings.wechaty_token(account):
            faults.append(
                fault(
                    f"channels.{position}.token",
                    "the gateway's token is not set",
                    f"set {account.token_variable} in the environment",
                )
            )
    seen: set[tuple[str, str, str]] = set()
    names: set[str] = set()
    for position, group in enumerate(settings.groups):
        where = f"groups.{position}"
        if group.account and group.account not in accounts:
            faults.append(
                fault(
                    f"{where}.account", f"there is no account {group.account!r}", _names(accounts)
                )
            )
        if group.policy not in settings.policies and group.policy != "default":
            faults.append(
                fault(
                    f"{where}.policy",
                    f"there is no policy {group.policy!r}",
                    _names(list(settings.policies)),
                )
            )
        owner = group.account or (accounts[0] if accounts else "")
        key = (owner, "id", group.id) if group.id else (owner, "name", group.name)
        if key in seen:
            faults.append(fault(f"{where}.{key[1]}", f"{key[2]!r} is listed twice", "remove one"))
        elif group.name in names:
            faults.append(
                fault(
                    f"{where}.name",
                    f"{group.name!r} is listed twice, and knowledge and audiences go by names",
                    "give one of them another name here; its `id` says which group it is",
                )
            )
        seen.add(key)
        names.add(group.name)
    if settings.operators.id and not settings.operators.group:
        faults.append(
            fault("operators.group", "is missing beside `operators.id`", "give the group's name")
        )
    if any(group.name == settings.operators.group for group in settings.groups):
        faults.append(
            fault(
                "operators.group",
                f"{settings.operators.group!r} is listed under groups as well",
                "name a group of its own for the operators",
            )
        )
    escalated = settings.service_levels.escalation.group
    if escalated and escalated in names | {settings.operators.group}:
        faults.append(
            fault(
                "service_levels.escalation.group",
                f"{escalated!r} has another part already",
                "name a group of its own; the operators' group reads of overdue tickets anyway",
            )
        )
    if settings.operators.account and settings.operators.account not in accounts:
        faults.append(
            fault(
                "operators.account",
                f"there is no account {settings.operators.account!r}",
                _names(accounts),
            )
        )
    faults += [
        fault(
            f"texts.{name}",
            "does not say that the bot is one, and people have to know",
            "write 机器人, AI, bot or ロボット into it",
        )
        for name in ("identity", "welcome")
        if not _TELLS.search(getattr(settings.texts, name).replace("{bot}", ""))
    ]
    faults += _key_variables(settings)
    faults += _webhooks(settings)
    web = [account for account in settings.channels if account.kind == "web"]
    if len(web) > 1:
        faults.append(fault("channels", "more than one `kind: web`", "keep one"))
    return faults


# What `export NAME=…` takes. Most keys are no such name, or begin as those of known makers do.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"sk[-_]|AIza|gsk_|hf_|xai-", re.IGNORECASE)


def _key_variables(settings: Settings) -> list[Finding]:
    """Keys where the name of their variable belongs. The value is not told: it may be one."""
    named = {
        "model": settings.model.key_variable,
        "media.hearing": settings.media.hearing.key_variable,
        "media.sight": settings.media.sight.key_variable,
        "knowledge.embeddings": settings.knowledge.embeddings.key_variable,
    } | {
        f"model.fallbacks.{n}": each.key_variable for n, each in enumerate(settings.model.fallbacks)
    }
    return [
        fault(
            f"{path}.key_variable",
            "looks like a key, or is no name of an environment variable",
            "write the variable's name here, such as OPENAI_API_KEY, and set the key in the "
            "environment",
        )
        for path, name in named.items()
        if not _VARIABLE.fullmatch(name) or _KEY.match(name) or len(name) > _LONGEST_VARIABLE
    ]


_LONGEST_VARIABLE = 100


def fault(path: str, message: str, remedy: str) -> Finding:
    """A finding at a setting's path."""
    return Finding(path=path, message=message, remedy=remedy)


def _names(names: list[str]) -> str:
    return f"use one of: {', '.join(names)}" if names else "define one first"


def secrets(content: dict[str, Any]) -> list[Finding]:
    """Passwords that stand in the file."""
    storage = content.get("storage")
    url = storage.get("database_url") if isinstance(storage, dict) else None
    if isinstance(url, str) and re.match(r"[^/]+://[^/@]*:[^/]*@", url):
        return [
            fault(
                "storage.database_url",
                "holds a password, and secrets do not belong into this file",
                "remove it here and set SHEQUN_DATABASE_URL in the environment",
            )
        ]
    return _in_urls(content)


def _in_urls(content: Any, path: str = "") -> list[Finding]:
    """Addresses of endpoints with a password in them."""
    if isinstance(content, dict):
        inside = [(f"{path}.{name}".lstrip("."), value) for name, value in content.items()]
    elif isinstance(content, list):
        inside = [(f"{path}.{place}", value) for place, value in enumerate(content)]
    else:
        credentials = isinstance(content, str) and re.match(r"https?://[^/\s]*@", content)
        if not (credentials and path.rpartition(".")[2] in ("base_url", "chroma_url")):
            return []
        return [
            fault(
                path,
                "holds a user or password, and secrets do not belong into this file",
                "remove it here; a key comes from the variable that `key_variable` names",
            )
        ]
    return [finding for where, value in inside for finding in _in_urls(value, where)]


def _webhooks(settings: Settings) -> list[Finding]:
    faults = []
    names = [hook.name for hook in settings.webhooks]
    for position, hook in enumerate(settings.webhooks):
        where = f"webhooks.{position}"
        if hook.name in names[:position]:
            faults.append(fault(f"{where}.name", "is used twice", "rename one"))
        if any(len(secret) < 16 for secret in hook.secrets) or not hook.secrets:
            faults.append(
                fault(
                    f"{where}.secret_variable",
                    f"{hook.secret_variable} is not set, or shorter than 16 characters",
                    "set it in the environment: `openssl rand -base64 32`",
                )
            )
    return faults
