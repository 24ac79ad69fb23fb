"""Members who answer each other: what is an answer, and to which question it belongs.

In doubt it is none: an open question that a colleague reads for nothing costs a minute, one that
was closed by chatter costs its answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from agent.directory import members
from agent.feedback import sign_of
from agent.gate import looks_like_question
from agent.inbox import messages
from agent.messages import Quote, content_from_json, plain, text_of
from agent.tickets import ticket_askers, tickets
from agent.tickets.tables import TO_PEERS, UNANSWERED


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One ask that other members may answer. `names`: what its asker is called in the group;
    `said`: the messages that asked it, as (the network's id, text)."""

    ticket_id: int
    member_id: int
    sender_id: str
    names: tuple[str, ...]
    question: str
    asked_at: datetime
    said: tuple[tuple[str, str], ...] = ()


_EMOJI = re.compile(r"\[\w{1,6}\]|[\U0001F000-\U0001FAFF\u2600-\u27BF\uFE0F]")
_MENTION = re.compile(r"[@＠][^\s@＠,，。.!！?？:：;；、]{1,30}(?=[\s\u2005]|$)")
_NUMBER = re.compile(r"[#＃]\s*(\d{1,9})(?!\d)")
_LEAST = 2  # characters: 可以, 有的
# Who also wants to know, who does not know either, who sends on to somebody else, who comments.
_NO_ANSWER = re.compile(
    r"^(同问|同求|蹲|\+1|我也(想|要|在|是)?(知道|问|蹲|好奇|求)|一样想|想知道|求(解|答|问|告知|科普)|等(一?个)?(答案|回复|大佬|官方)"
    r"|马克|mark|顶|插眼|路过|围观|好问题|问得好|我也不(知道|清楚|懂|会|太清楚)|不(知道|清楚|懂|了解|晓得)|没(用过|试过|买过|听说|注意)"
    r"|这个?(我)?也?(不(知道|清楚|懂)|得问|要问)|问(一?下)?(客服|店长|官方|群主|小助手|老师)|去问|你问|帮你?(问|顶|@)|看看?(有没有)?(人|谁)"
    r"|应该有人|有人(知道|懂|会)|谁(知道|懂|会)|坐等|等等看|让(客服|店长)|客服(呢|出来|在)|加油|哈+|笑死|确实|是的?啊?$|对啊?$|嗯+$|好的?$"
    r"|私(我|聊|信)|加我|滚|别问|自己(查|搜|看|百度)|百度一下"
    r"|same (here|question)|me too|\+ ?1|i don.?t know|no idea|not sure|idk|following"
    r"|anyone|someone"
    r"|私も(知りたい|気になる)|知りません|わかりません|分かりません|同じく|気になり?る?ます?)",
    re.IGNORECASE,
)
_NO_IDEA = re.compile(
    r"不(知道|清楚|太清楚|确定|懂)(哦|呢|啊|诶|欸|哎)?$|没用过|没试过|没买过|也想知道|也在(等|问)"
)
_NUDGE = re.compile(
    r"((有没有|有)人(在|吗|么|呢|知道(吗|么)?|懂(吗|么)?|回(一下|答)?(吗|么)?)+|在(吗|么)|人呢|没人(吗|么|理我?|回我?|知道(吗|么)?)"
    r"|求(解答|回复|告知|助|问)|顶(一下|上去)?|(再)?(问|顶)一(下|遍)|有没有人(知道|懂|回)?(一下|啊|呀)?|谁(知道|懂|能)(回答)?(一下)?"
    r"|等(一个|个)?(答案|回复)|怎么没人(回|理|说话|知道)?我?|(hello|anyone|anybody|bump|誰か(いますか|教えて)?|すみません)+)"
    r"(啊|呀|呢|吗|么|了|嘛|哦|谢谢|大家|亲们|姐妹们|各位)*"
)


def is_nudge(text: str) -> bool:
    """Whether somebody only waits aloud ("有人吗", "求解答") and asks nothing new."""
    words = re.sub(r"[\W_]", "", _EMOJI.sub("", plain(text).lower()))
    return bool(words) and bool(_NUDGE.fullmatch(words))


def is_answer(text: str) -> bool:
    """Whether the words, apart from mentions, tell something: no question back, no "same here",
    no emoji, no thanks."""
    words = plain(without_names(text, ()))
    words = _EMOJI.sub("", _NUMBER.sub("", words)).strip(" ,，。.!！~～:：")
    if len(re.sub(r"[\W_]", "", words)) < _LEAST or is_nudge(words) or sign_of(words):
        return False
    if _NO_ANSWER.search(words) or _NO_IDEA.search(words):
        return False
    return not _asks_back(words)


def _asks_back(words: str) -> bool:
    # "怎么用"… stands in answers as well ("看说明书上怎么用的"): what ends as a question asks.
    if re.search(r"[?？]|(吗|么|呢|不|か)\s*$", words):
        return True
    return len(words) < 12 and looks_like_question(words)


def answered(
    text: str, quote: Quote | None, member_id: int, open_asks: Sequence[Waiting]
) -> Waiting | None:
    """The ask that a member's words belong to: they quote it, mention who asked, or name its
    ticket's number. None for what belongs to none, or to several alike; and for what is said by
    somebody who asks that question as well."""
    own = {ask.ticket_id for ask in open_asks if ask.member_id == member_id}
    others = [ask for ask in open_asks if ask.ticket_id not in own]
    if not others or not is_answer(text):
        return None
    if quote is not None:
        # What quotes something else is said to that, whomever it mentions.
        return next((ask for ask in others if _is_quoted(quote, ask)), None)
    numbers = {int(number) for number in _NUMBER.findall(text)}
    named = [ask for ask in others if ask.ticket_id in numbers] or [
        ask for ask in others if _mentions(text, ask)
    ]
    by_ticket = {ask.ticket_id: ask for ask in named}
    if len(by_ticket) > 1:
        return _nearest(text, list(by_ticket.values()))
    return next(iter(by_ticket.values()), None)


def _mentions(text: str, ask: Waiting) -> bool:
    words = plain(text)
    return any(
        re.search(
            rf"@{re.escape(plain(name))}(?=$|[\s,，。.!！?？:：;；、~～])", words, re.IGNORECASE
        )
        for name in ask.names
        if name
    )


def _is_quoted(quote: Quote, ask: Waiting) -> bool:
    if quote.external_id and any(quote.external_id == id_ for id_, _ in ask.said):
        return True
    if quote.sender_id and quote.sender_id != ask.sender_id:
        return False
    if not quote.sender_id and quote.sender_name and quote.sender_name not in ask.names:
        return False
    quoted = _bare(quote.text)
    # A network may cut what it quotes.
    return len(quoted) >= 4 and any(
        _bare(said).startswith(quoted) for said in (ask.question, *(text for _, text in ask.said))
    )


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", plain(text).lower())


def _nearest(text: str, asks: Sequence[Waiting]) -> Waiting | None:
    """The one whose question shares more pairs of characters with the answer than any other."""
    words = _bare(text)
    pairs = {words[i : i + 2] for i in range(len(words) - 1)}

    def shared(ask: Waiting) -> int:
        question = _bare(ask.question)
        return len(pairs & {question[i : i + 2] for i in range(len(question) - 1)})

    ranked = sorted(asks, key=shared, reverse=True)
    return ranked[0] if shared(ranked[0]) > shared(ranked[1]) else None


def without_names(text: str, names: Sequence[str]) -> str:
    """The text without mentions, ticket numbers and these names, for a draft that everybody may
    read one day."""
    words = _NUMBER.sub(" ", text)
    for name in sorted(filter(None, names), key=len, reverse=True):
        words = re.sub(rf"[@＠]{re.escape(name)}[\s\u2005]*", " ", words)
        if len(name) > 1:
            words = words.replace(name, "")
    return re.sub(r"[ \u2005]+", " ", _MENTION.sub(" ", words)).strip(" ,，:：")


def open_asks(connection: Connection, group_ids: Collection[int]) -> dict[int, tuple[Waiting, ...]]:
    """By group: what its members may answer now. These tickets are few and have an index."""
    rows = connection.execute(
        select(
            ticket_askers.c.ticket_id,
            ticket_askers.c.group_id,
            ticket_askers.c.member_id,
            ticket_askers.c.turn_id,
            ticket_askers.c.question,
            ticket_askers.c.asked_at,
            members.c.external_id,
            members.c.name,
            members.c.alias,
        )
        .join(tickets, ticket_askers.c.ticket_id == tickets.c.id)
        .join(members, ticket_askers.c.member_id == members.c.id)
        .where(TO_PEERS, UNANSWERED, ticket_askers.c.group_id.in_(group_ids))
        .order_by(ticket_askers.c.id)
    ).all()
    said = _said(connection, [row.turn_id for row in rows if row.turn_id is not None])
    found: dict[int, list[Waiting]] = {}
    for row in rows:
        ask = Waiting(
            ticket_id=row.ticket_id,
            member_id=row.member_id,
            sender_id=row.external_id,
            names=tuple(dict.fromkeys(filter(None, (row.alias, row.name)))),
            question=row.question,
            asked_at=row.asked_at,
            said=tuple(said.get(row.turn_id, ())),
        )
        found.setdefault(row.group_id, []).append(ask)
    return {group_id: tuple(asks) for group_id, asks in found.items()}


def _said(connection: Connection, turn_ids: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    if turn_ids:
        rows = connection.execute(
            select(messages.c.turn_id, messages.c.external_id, messages.c.content).where(
                messages.c.turn_id.in_(turn_ids)
            )
        )
        for row in rows:
            text = text_of(content_from_json(row.content))
            found.setdefault(row.turn_id, []).append((row.external_id, text))
    return found
