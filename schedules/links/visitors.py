"""Who follows a link: a person, a preview that a chat program makes, or a machine. Pure."""

import hashlib
import hmac
import re
from enum import StrEnum


class Visitor(StrEnum):
    PERSON = "person"
    PREVIEW = "preview"
    BOT = "bot"


# Programs that fetch a page for the card they show in a chat, by what they call themselves.
_PREVIEWS = re.compile(
    r"facebookexternalhit|line-poker|whatsapp|telegrambot|twitterbot|slackbot|slack-imgproxy"
    r"|discordbot|linkedinbot|skypeuripreview|dingtalkbot|dingtalk-link|larkurlpreview|feishu-link"
    r"|redditbot|embedly|preview|mattermost|iframely",
    re.IGNORECASE,
)
_MACHINES = re.compile(  # CUBOT makes phones
    r"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scan|monitor|uptime|headless|phantomjs|puppeteer"
    r"|playwright|curl|wget|python|aiohttp|httpx|go-http|okhttp|java/|apache-http|libwww|axios"
    r"|node-fetch|undici|ruby|php|scrapy|postman|insomnia",
    re.IGNORECASE,
)


def kind_of(*, method: str, user_agent: str, purpose: str = "") -> Visitor:
    """Who it is, by the request's method, ``User-Agent`` and ``Sec-Purpose`` or ``Purpose``.

    What says nothing about itself is a machine: browsers, WeChat's own among them, always do.
    """
    if method.upper() == "HEAD" or re.search("prefetch|prerender|preview", purpose, re.IGNORECASE):
        return Visitor.PREVIEW
    if _PREVIEWS.search(user_agent):
        return Visitor.PREVIEW
    if not user_agent.strip() or _MACHINES.search(user_agent) or method.upper() != "GET":
        return Visitor.BOT
    return Visitor.PERSON


def pseudonym(salt: bytes, *, address: str, user_agent: str) -> bytes:
    """16 bytes that stand for a visitor for as long as ``salt`` is known, and for nobody after."""
    seen = f"{address}\n{user_agent}".encode("utf-8", "replace")
    return hmac.new(salt, seen, hashlib.sha256).digest()[:16]
