"""What the composer hands in, checked: a draft as the page holds it -> an utterance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.desk.pictures import uploaded
from agent.desk.ports import Utterance
from agent.desk.timeline import Person
from agent.desk.wording import PAGE, Translate
from agent.errors import UsageError
from agent.messages import MENTION_END, Content, Image, LinkCard, MiniProgramCard, Text

MOST_CHARACTERS = 100_000
_MOST_FIELD = 2000


def utterance(
    draft: dict[str, Any], group_id: int, present: Sequence[Person], folder: Path, _: Translate
) -> Utterance:
    """The draft as something to say. Raises `UsageError` in the page's language.

    draft: {speaker, text, mentions: [member ids], bot: bool, quote: "m<id>" | null,
    extra: null | {kind: image, picture, name} | {kind: link | mini_program, …}}.
    """
    names = {person.id: person.name for person in present}
    speaker = draft.get("speaker")
    if not isinstance(speaker, int):
        raise UsageError(_(PAGE["pick_member_first"]))
    if speaker not in names:
        raise UsageError(_(PAGE["gone_member"]))
    text = str(draft.get("text") or "")
    quote = str(draft.get("quote") or "")
    return Utterance(
        group_id=group_id,
        member_id=speaker,
        content=_content(text, draft.get("extra"), folder, _),
        mention_ids=tuple(
            member
            for member in dict.fromkeys(draft.get("mentions") or ())
            if member in names and f"@{names[member]}{MENTION_END}" in text
        ),
        mentions_bot=draft.get("bot") is True,
        quote_message_id=int(quote[1:]) if quote[:1] == "m" and quote[1:].isdigit() else None,
    )


def _content(text: str, extra: Any, folder: Path, _: Translate) -> Content:
    if not isinstance(extra, dict):
        if len(text) > MOST_CHARACTERS:
            words = _(PAGE["too_long"])
            raise UsageError(words.format(n=f"{MOST_CHARACTERS:,}", has=f"{len(text):,}"))
        return Text(text=text)
    fields = {key: str(value).strip()[:_MOST_FIELD] for key, value in extra.items()}
    if extra.get("kind") == "image":
        path = uploaded(folder, fields.get("picture", ""))
        if path is None:
            raise UsageError(_(PAGE["image_failed"]))
        return Image(path=str(path), name=fields.get("name", "")[:120])
    if not fields.get("title"):
        raise UsageError(_(PAGE["needs_title"]))
    if extra.get("kind") == "link":
        if not fields.get("url", "").startswith(("http://", "https://")):
            raise UsageError(_(PAGE["needs_url"]))
        return LinkCard(
            title=fields["title"], url=fields["url"], description=fields.get("description", "")
        )
    if not fields.get("app_id"):
        raise UsageError(_(PAGE["needs_app_id"]))
    return MiniProgramCard(
        title=fields["title"],
        app_id=fields["app_id"],
        page_path=fields.get("page_path", ""),
        description=fields.get("description", ""),
    )
