"""config.yaml and the environment, validated once into frozen `Settings`.

`load(path)` is the only way in. Every fault is reported by its path in the file with
what to do about it. Environment variables override the file: `SHEQUN_` and the path in
capitals joined by two underscores (`SHEQUN_WEB__PORT=9000`). Secrets come from the
environment alone: `OPENAI_API_KEY`, `SHEQUN_WECHATY_TOKEN` (or the variable that
`token_variable` names), `SHEQUN_DATABASE_URL`.
"""

from __future__ import annotations

from agent.config.access import SignIn
from agent.config.loading import load
from agent.config.models import Budget, ChatModel, Egress, Endpoint, Media, Model, Price
from agent.config.sections import (
    Account,
    Community,
    Group,
    Knowledge,
    Offers,
    Operators,
    Pace,
    Pacing,
    Policy,
    Storage,
    Suggestions,
    TerminalAccount,
    Texts,
    Tls,
    Web,
    WebAccount,
    WechatyAccount,
)
from agent.config.settings import Access, Settings

__all__ = [
    "Access",
    "Account",
    "Budget",
    "ChatModel",
    "Community",
    "Egress",
    "Endpoint",
    "Group",
    "Knowledge",
    "Media",
    "Model",
    "Offers",
    "Operators",
    "Pace",
    "Pacing",
    "Policy",
    "Price",
    "Settings",
    "SignIn",
    "Storage",
    "Suggestions",
    "TerminalAccount",
    "Texts",
    "Tls",
    "Web",
    "WebAccount",
    "WechatyAccount",
    "load",
]
