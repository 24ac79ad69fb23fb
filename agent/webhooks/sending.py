"""One message to one webhook: signed, to the very address that was looked at, in limited time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.webhooks import signing
from agent.webhooks.claiming import Due
from agent.webhooks.queueing import Webhook
from knowledge.web_pages.addresses import Refused, host_of, normal, public_address

if TYPE_CHECKING:
    import httpx2

_LONGEST_PAUSE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The other system answered with 2xx."""


@dataclass(frozen=True, kw_only=True)
class NotTaken:
    """`never`: it said that it wants no such message any more (410)."""

    why: str
    never: bool = False
    after_seconds: float = 0


async def send(
    client: httpx2.AsyncClient, hook: Webhook, due: Due, now: datetime
) -> Taken | NotTaken:
    """Send it once. Redirects are not followed: nobody signed for another address."""
    import httpx2

    body = body_of(hook, due)
    headers = signing.headers(f"evt_{due.event_id}", int(now.timestamp()), body, hook.secrets)
    try:
        address = normal(hook.url)
        allowed = frozenset({urlsplit(address).hostname or ""} if hook.private else ())
        headers |= {
            "host": host_of(address),
            "content-type": "application/json",
            "user-agent": "Shequn-Webhooks/1",
        }
        async with asyncio.timeout(hook.timeout_seconds):
            ip = await asyncio.to_thread(public_address, address, allowed_hosts=allowed)
            async with client.stream(
                "POST",
                httpx2.URL(address).copy_with(host=ip),
                content=body,
                headers=headers,
                extensions={"sni_hostname": urlsplit(address).hostname},
            ) as answer:
                return _judged(answer.status_code, answer.headers.get("retry-after", ""))
    except Refused as error:
        return NotTaken(why=error.message)
    except TimeoutError:
        return NotTaken(why=f"no answer within {hook.timeout_seconds:g} s")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return NotTaken(why=str(error) or type(error).__name__)


def body_of(hook: Webhook, due: Due) -> bytes:
    """The message's body, the same at every try."""
    payload = due.payload
    if hook.with_text:
        data = payload["data"] | {"question": due.question, "text": due.text}
        payload = payload | {"data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _judged(status: int, retry_after: str) -> Taken | NotTaken:
    if 200 <= status < 300:
        return Taken()
    seconds = float(retry_after) if retry_after.isdecimal() else 0.0
    return NotTaken(
        why=f"answered {status}" + (", a redirect" if 300 <= status < 400 else ""),
        never=status == 410,
        after_seconds=min(seconds, _LONGEST_PAUSE_SECONDS),
    )
