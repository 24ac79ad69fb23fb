"""The API's description for people, made from its OpenAPI document: one page, no scripts."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,"PingFang SC","Hiragino Sans","Noto Sans CJK SC",sans-serif;
max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px ui-monospace,monospace}
details{border:1px solid #8884;border-radius:8px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}b.m{display:inline-block;width:4.5rem}
table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
small{color:#8a8a8a}
"""


def drawn(document: dict[str, Any]) -> str:
    """The page for an OpenAPI 3.1 document."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        f"<title>{escape(document['info']['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{escape(document['info']['title'])}</h1>",
        f"<p>{escape(document['info'].get('description', ''))}</p>",
        '<p>As a document for programs: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            drawn = _operation(path, method, operation, document)
            by_tag.setdefault((operation.get("tags") or ["other"])[0], []).append(drawn)
    for tag, operations in by_tag.items():
        parts += [f"<h2>{escape(tag)}</h2>", *operations]
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = [
        _row(
            f"{one['name']} ({one['in']})",
            _kind(one["schema"]),
            one.get("description") or one["schema"].get("description", ""),
        )
        for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    rows += _fields(body.get("schema", {}), document, "body")
    for status, answer in operation.get("responses", {}).items():
        if status.startswith("2"):
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            rows.append(_row(f"answer {status}", _kind(schema), ""))
            rows += _fields(schema, document, "answer")
    return (
        f"<details><summary><b class=m>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>"
        f"<table>{''.join(rows)}</table></details>"
    )


def _fields(schema: dict[str, Any], document: dict[str, Any], what: str) -> list[str]:
    found = _resolved(schema, document)
    needed = set(found.get("required", []))
    return [
        _row(
            f"{what}.{name}" + ("" if name in needed or what == "answer" else "?"),
            _kind(one),
            one.get("description", ""),
        )
        for name, one in found.get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    for option in (schema, *schema.get("anyOf", [])):
        if reference := option.get("$ref"):
            found: dict[str, Any] = document["components"]["schemas"][reference.split("/")[-1]]
            return found
    return schema


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if reference := schema.get("$ref"):
        return str(reference.split("/")[-1])
    if options := schema.get("enum"):
        return " | ".join(str(one) for one in options)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _row(name: str, kind: str, words: str) -> str:
    return (
        f"<tr><td><code>{escape(name)}</code><td><small>{escape(kind)}</small>"
        f"<td>{escape(words)}</tr>"
    )
