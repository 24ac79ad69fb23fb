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
from agent.sharing import shares_topic
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
# Wishes, compliments, comfort: said to somebody, and answers nothing.
_CHATTER = re.compile(
    r"(生日|节日?|新年|新婚|周末|圣诞|元旦|中秋|国庆|假期).{0,3}(快乐|愉快|好)|恭喜|祝(你|您|福|贺)|早安|晚安|(早上|中午|下午|晚上)好"
    r"|(头像|照片|朋友圈|自拍|名字|昵称|声音|你|宝宝).{0,4}(好看|好美|漂亮|可爱|好帅|好听)|^(先)?(别|不)(急|慌|着急|担心|客气)"
    r"|^(再)?(等等|等一等|等一?下(?!个|周)|稍等|等会儿?)|(明天|回头|晚上|下次|一会儿?|周末)见|抱抱|羡慕|好久不见|想你|辛苦|^没事"
    r"|^(6{2,}|8{2,}|9{2,})$|^(哎呀?|唉|天(哪|啊)|我去|厉害|牛|在的?|来了|收到|看到了?)+$|拍拍|吃(了|饭)|我也(想|要|需要|在等|没|买(?!过|了|的))"
    r"|happy birthday|congrat|good (morning|night|luck)|well done|nice (photo|pic|avatar)"
    r"|don.?t worry"
    r"|calm down|take care|おめでとう|おはよう|お疲れ|おやすみ|可愛い|かわいい|大丈夫(だよ)?$",
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
    no emoji, no thanks, no good wishes."""
    words = plain(without_names(text, ()))
    words = _EMOJI.sub("", _NUMBER.sub("", words)).strip(" ,，。.!！~～:：")
    if len(re.sub(r"[\W_]", "", words)) < _LEAST or is_nudge(words) or sign_of(words):
        return False
    if any(one.search(words) for one in (_NO_ANSWER, _NO_IDEA, _CHATTER)):
        return False
    return not _asks_back(words)


def _asks_back(words: str) -> bool:
    # "怎么用"… stands in answers as well ("看说明书上怎么用的"): what ends as a question asks.
    if re.search(r"[?？]|(吗|么|呢|不|か|了没|(?<!没)啥|什么)\s*$", words):
        return True
    return len(words) < 12 and looks_like_question(words)


def answered(
    text: str, quote: Quote | None, member_id: int, open_asks: Sequence[Waiting]
) -> Waiting | None:
    """The ask that a member's words belong to: they quote it, name its ticket's number, or mention
    who asked and fit what was asked. None for what belongs to none, or to several alike; and for
    what is said by somebody who asks that question as well."""
    own = {ask.ticket_id for ask in open_asks if ask.member_id == member_id}
    others = [ask for ask in open_asks if ask.ticket_id not in own]
    if not others or not is_answer(text):
        return None
    if quote is not None:
        # What quotes something else is said to that, whomever it mentions.
        return next((ask for ask in others if _is_quoted(quote, ask)), None)
    numbers = {int(number) for number in _NUMBER.findall(text)}
    named = [ask for ask in others if ask.ticket_id in numbers] or [
        ask for ask in others if _mentions(text, ask) and _fits(text, ask.question)
    ]
    by_ticket = {ask.ticket_id: ask for ask in named}
    if len(by_ticket) > 1:
        return _nearest(text, list(by_ticket.values()))
    return next(iter(by_ticket.values()), None)


# What a question asks for, and the form of what answers it.
_NUMERAL = r"[\d一二两三四五六七八九十半几]+"
_FORMS = (
    (
        re.compile(
            r"(吗|么|嘛|没有?|不|否|か)\W*$|有没有|能不能|可不可以|可以不|是不是|会不会|要不要|能否|是否|支不支持"
            r"|^(is|are|do|does|can|will|has|have)\b",
            re.IGNORECASE,
        ),
        re.compile(
            r"^(我?(还|都|也|应该|肯定|当然|好像|一直))?(不?(有|能|可以|行|是|会|要|对|支持|需要|用)|没有?|yes|yep|no|nope|はい|いいえ)"
            r"(的|哦|噢|啊|呀|哈|诶|滴|了|过|呢|货)?(?=$|[\s,，。.!！~～;；、]|(?<=的)有)",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(
            r"什么时候|啥时候|几[点号天月时]|多久|何时|哪天|when|how long|いつ|何時", re.IGNORECASE
        ),
        re.compile(
            rf"(?!一点|半天|一天天){_NUMERAL}\s*(点|号|日|天|周|个?月|小时|分钟|个?工作日|年|時|分|日)|\d"
            r"|(今天|今晚|明天|后天|下周|这周)(吧|的|呢)?$"
            r"|(今天|今晚|明天|后天|昨天|下周|这周).{0,8}[到发能开才就前内有]|周[一二三四五六日末]|星期|月[初中底末]|随时|马上就?到"
            r"|\b(today|tomorrow|tonight|(next )?(week|month)|\w+day|hours?|days?|minutes?)\b"
            r"|今日|明日|来週",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(r"多少钱|多贵|几[块元]|什么价|价格|how much|いくら", re.IGNORECASE),
        re.compile(
            rf"\d|{_NUMERAL}\s*(块|元|折|百|千|円)|免费|不要钱|包邮|\bfree\b|無料", re.IGNORECASE
        ),
    ),
    (
        re.compile(r"多少(?!钱)|几[个件片次瓶遍盒支]|how many|何(個|回|枚)", re.IGNORECASE),
        re.compile(rf"\d|{_NUMERAL}\s*(个|件|片|次|瓶|遍|盒|支|個|回|枚)"),
    ),
    (
        re.compile(r"哪里|哪儿|在哪|去哪|哪有|where|どこ", re.IGNORECASE),
        re.compile(
            r"首页|小程序|官网|门店|店里|专柜|商城|淘宝|京东|天猫|拼多多|[\d一二三四五六七八九十]+[楼层号]|页面|公众号|搜|链接"
            r"|^在[^的]{2,}|ホームページ|お店|\b(website|shop|store|page|app)\b",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(r"怎么|如何|咋|how (do|to|can)|どうやって|どうすれば", re.IGNORECASE),
        re.compile(
            r"先.+(再|然后)|点(击|开|一下|右|左|我的|进)|打开|进入|选择|填写?|搜|看说明|扫码|按住"
            r"|\b(click|open|tap|go to)\b",
            re.IGNORECASE,
        ),
    ),
)


# Both may say these and speak of different things.
_BESIDE = re.compile(
    r"现在|今天|今晚|明天|后天|昨天|最近|刚才|上次|下次|晚上|早上|时候|大家|我们|你们|咱们|[\d一两几][个款瓶件次下点天年盒支条套片位家]"
)
_EMPTY = frozenset(
    "的了吗么嘛呢吧啊呀哦我你您他她它这那个们有是在请问一都也还就能可以会不没什怎哪几多少知道觉得用人给和跟与想要看来去说好很太真上下里"
)


def _pairs(words: str) -> set[str]:
    """Two characters that follow each other, neither of which is a mere function word."""
    return {
        pair
        for run in re.findall(r"[\u4e00-\u9fff]{2,}", words)
        for pair in (run[i : i + 2] for i in range(len(run) - 1))
        if not _EMPTY & set(pair)
    }


def _fits(text: str, question: str) -> bool:
    """Whether words to somebody may be about what they asked: of the same thing, or of the form
    that the question asks for."""
    words = plain(without_names(text, ())).strip(" ,，。.!！~～:：")
    asked = plain(question)
    one, other = _BESIDE.sub(" ", words), _BESIDE.sub(" ", asked)
    if shares_topic(one, other) or _pairs(one) & _pairs(other):
        return True
    return any(asks.search(asked) and form.search(words) for asks, form in _FORMS)


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
