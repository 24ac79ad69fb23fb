"""config.yaml -> `Settings`, or findings with a path and a remedy each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from agent.config.checks import cross_check, fault, secrets
from agent.config.sections import Account, WechatyAccount
from agent.config.settings import Settings
from agent.errors import ConfigurationError, Finding


def load(path: Path) -> Settings:
    """Read and validate `path` with the environment over it.

    Relative paths inside are taken from the file's folder. Raises `ConfigurationError`
    with a finding for each fault.
    """
    content = _read(path)
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(*_findings(error)) from None
    except SettingsError as error:
        raise ConfigurationError(_of_environment(error)) from None
    settings = _with_absolute_paths(settings, path.resolve().parent)
    faults = secrets(content) + cross_check(settings)
    if faults:
        raise ConfigurationError(*faults)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            Finding(
                path=str(path),
                message="there is no such file",
                remedy="`shequn init DIR` writes a commented one; or name yours with --config",
            )
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Finding(path=str(path), message=f"cannot be read: {error}", remedy="save it as UTF-8")
        ) from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2027-02-30
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error) or "cannot be parsed"
        raise ConfigurationError(
            Finding(
                path=place,
                message=f"not YAML: {problem}",
                remedy="look at this line and the one above: indentation, colons, quotes",
            )
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(
            Finding(path=str(path), message="must be a mapping of sections", remedy="see README")
        )
    faults = [
        fault(str(name), "is not a setting", _REMEDIES["extra_forbidden"])
        for name in content
        if not isinstance(name, str) or name.startswith("_")
    ]
    if faults:
        raise ConfigurationError(*faults)
    return content


def _of_environment(error: SettingsError) -> Finding:
    """A variable that should hold JSON and does not; the error names the field, not the value."""
    named = re.search(r'field "(\w+)"', str(error))
    field = named[1] if named else "environment"
    return fault(
        field,
        f"the environment variable SHEQUN_{field.upper()} is not JSON",
        f"write JSON into it, or set one value: SHEQUN_{field.upper()}__NAME",
    )


_REMEDIES = {
    "extra_forbidden": "remove it or correct its spelling",
    "missing": "add it",
    "union_tag_invalid": "use one of: web, terminal, wechaty",
    "union_tag_not_found": "add `kind: web`, `terminal` or `wechaty`",
}


_MESSAGES = {
    "tuple_type": "must be a list: [a, b]",
    "list_type": "must be a list: [a, b]",
    "set_type": "must be a list: [a, b]",
    "frozen_set_type": "must be a list: [a, b]",
    "dict_type": "must be a section of `name: value` lines",
    "model_type": "must be a section of `name: value` lines",
    "model_attributes_type": "must be a section of `name: value` lines",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number, such as 5",
    "int_parsing": "must be a whole number, such as 5",
    "int_from_float": "must be a whole number, such as 5",
    "float_type": "must be a number, such as 0.5",
    "float_parsing": "must be a number, such as 0.5",
    "decimal_type": "must be a number, such as 0.5",
    "decimal_parsing": "must be a number, such as 0.5",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "missing": "is missing",
}


def _findings(error: ValidationError) -> list[Finding]:
    found = []
    for wrong in error.errors(include_url=False, include_input=False):
        # A tagged union puts the tag into the path of everything below it.
        place = [str(part) for part in wrong["loc"]]
        if len(place) > 2 and place[0] == "channels" and place[2] in {"web", "terminal", "wechaty"}:
            del place[2]
        remedy = _REMEDIES.get(wrong["type"], "correct it; `shequn init DIR` shows each setting")
        if wrong["type"] == "extra_forbidden" and place[-1] in {"token", "api_key", "password"}:
            remedy = "secrets come from the environment: set SHEQUN_WECHATY_TOKEN, OPENAI_API_KEY"
        message = _MESSAGES.get(wrong["type"], wrong["msg"].removeprefix("Value error, "))
        if wrong["type"] == "extra_forbidden":
            message = "is not a setting"
        found.append(Finding(path=".".join(place), message=message, remedy=remedy))
    return found


def _with_absolute_paths(settings: Settings, root: Path) -> Settings:
    def absolute(path: Path) -> Path:
        return (root / path.expanduser()).resolve()

    def with_authority(account: Account) -> Account:
        if not isinstance(account, WechatyAccount) or account.tls.authority is None:
            return account
        tls = account.tls.model_copy(update={"authority": absolute(account.tls.authority)})
        return account.model_copy(update={"tls": tls})

    return settings.model_copy(
        update={
            "channels": tuple(with_authority(account) for account in settings.channels),
            "storage": settings.storage.model_copy(
                update={"data_folder": absolute(settings.storage.data_folder)}
            ),
            "knowledge": settings.knowledge.model_copy(
                update={"documents": absolute(settings.knowledge.documents)}
            ),
            "offers": settings.offers.model_copy(
                update={"folder": absolute(settings.offers.folder)}
            ),
        }
    )
