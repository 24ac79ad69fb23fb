"""The words of operators' commands, in Chinese, Japanese and English."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from agent.messages import plain
from agent.tickets import Priority

_CARD = re.compile(r"【工单 #(\d{1,9})】")
# A reminder, or the line about who else asks, or what a member added.
_LINE = re.compile(r"(?:^|[⏰🔴]\s*)#(\d{1,9}) (?:快到时限|已超时|又有)|^💬 #(\d{1,9}) ")
_NUMBERED = re.compile(r"[#＃]\s*(\d{1,9})(?!\d)(?:\s*[:：,，]?\s*)(.*)", re.DOTALL)
_LIST = re.compile(
    r"[#＃]\s*(?:list|列表|工单|一覧)(?:\s*(mine|my|我的|自分)|\s*(overdue|超时|期限切れ))?",
    re.IGNORECASE,
)
_HELP = re.compile(r"[#＃].*", re.DOTALL)
_LEARN_ALL = re.compile(r"(?:learn|学习|収録)\s*(?:all|全部)")
_MERGE = re.compile(r"(?:merge(?: (?:into|with))?|合并到?|統合)\s*[#＃]?\s*(\d{1,9})")
_HAND_OVER = re.compile(
    r"(?:转给|移交给?|引き?継ぎ|hand over(?: to)?|assign(?: to)?)[\s@＠]*(\S.{0,39})"
)
_SPLIT = re.compile(r"(?:split|拆分|分割)(?:[\s@＠]+(\S.{0,39}))?")
_PRIORITY = re.compile(r"(?:priority|优先级?|優先度?)\s*[:：]?\s*(\S{1,6})")
_MISTYPED = re.compile(r"[a-z]{1,12}|(?:learn|close|show)\s+[a-z]{1,12}")

# At the start of a word: an address with an @ in it mentions nobody.
_MENTION = re.compile(r"(?<![A-Za-z0-9._%+-])[@＠](?=\S)")

HELP = (
    "指令：引用工单卡片直接写答案，或「#12 答案」答复；「#12 ask 问题」追问；「#12 claim」认领；"
    "「#12 close」关闭；「#12 转给 佐藤」；「#12 merge #9」合并；「#12 note 备注」；"
    "「#12 priority high」；「#12 reopen」重开；「#12 撤回 更正」撤回机器人的错误答案；"
    "「#12 learn」收入知识库（提问的群），"
    "「#12 learn all」收入知识库（所有群）；「#12」查看；"
    "「#list」列出未处理的工单，「#list mine」我的，「#list overdue」已超时的。"
)


class Verb(StrEnum):
    reply = "reply"
    ask = "ask"
    claim = "claim"
    release = "release"
    hand_over = "hand_over"
    learn = "learn"
    close = "close"
    reopen = "reopen"
    merge = "merge"
    undo = "undo"  # of a merge, or of the last joining
    split_off = "split"
    note = "note"
    withdraw = "withdraw"  # the bot's answer that the ticket is about
    prioritise = "prioritise"
    show = "show"
    list = "list"
    help = "help"
    unknown = "unknown"
    unsure = "unsure"  # whether it is for members at all: talk more likely


class Which(StrEnum):
    """What `list` lists."""

    all = "all"
    mine = "mine"
    overdue = "overdue"


_ALONE = {
    Verb.claim: ("claim", "take", "认领", "接单", "我来", "担当", "引き受け", "対応します"),
    Verb.release: ("release", "释放", "放回", "解除", "手放す"),
    Verb.close: ("close", "关闭", "閉じる"),
    Verb.reopen: ("reopen", "重开", "重新打开", "再開"),
    Verb.undo: ("undo", "unmerge", "撤销合并", "取消合并", "统合取消", "統合取消"),
    Verb.learn: ("learn", "学习", "収録"),
    Verb.show: ("show", "查看", "表示"),
}
_WITH_TEXT = {
    Verb.reply: ("reply", "answer", "答复", "回复", "返信", "回答"),
    Verb.ask: ("ask", "追问", "反问", "聞き返す", "確認"),
    Verb.note: ("note", "备注", "メモ"),
    Verb.withdraw: ("withdraw", "撤回", "更正", "訂正", "取り消し"),
}
_VERBS = {word: verb for verb, words in _ALONE.items() for word in words}
_SAID = {
    verb: re.compile(rf"(?:{'|'.join(words)})(?:\s*[:：]\s*|\s+)(.+)", re.DOTALL | re.IGNORECASE)
    for verb, words in _WITH_TEXT.items()
}
_NEED_TEXT = {word: verb for verb, words in _WITH_TEXT.items() for word in words}
_PRIORITIES = {
    word: priority
    for priority, words in {
        Priority.urgent: ("urgent", "紧急", "緊急", "至急"),
        Priority.high: ("high", "高", "高い"),
        Priority.normal: ("normal", "普通", "中", "通常"),
        Priority.low: ("low", "低", "低い"),
    }.items()
    for word in words
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """`text`: what is said or noted, or whom the ticket goes to; of an unknown command the words
    themselves."""

    verb: Verb
    number: int = 0
    text: str = ""
    everybody: bool = False  # of `learn`: for all groups
    into: int = 0  # of `merge`
    priority: Priority = Priority.normal
    which: Which = Which.all
    by_verb: bool = False  # of `reply`: the word was written, nobody has to guess


def parse(text: str, quoted: str | None) -> Command | None:
    """The command in an operator's message; None for talk that is none of ours.

    `quoted` is the text of the quoted message: quoting a card or a line about a ticket names it.
    What is written under a card is the answer; under a line it is talk unless it begins with a
    command.
    """
    words = text.strip()
    if numbered := _NUMBERED.fullmatch(words):
        return _numbered(int(numbered[1]), numbered[2])
    if listed := _LIST.fullmatch(words):
        which = Which.mine if listed[1] else Which.overdue if listed[2] else Which.all
        return Command(verb=Verb.list, which=which)
    if words[:1] in ("#", "＃") and _HELP.fullmatch(words):
        return Command(verb=Verb.help)
    if quoted and (carded := _CARD.search(quoted)):
        return _numbered(int(carded[1]), words)
    if quoted and (named := _LINE.search(quoted)):
        number = int(next(filter(None, named.groups())))
        found = _numbered(number, words)
        is_talk = found.verb is Verb.reply and not found.by_verb
        return Command(verb=Verb.unsure, number=number) if is_talk else found
    return None


def mentions_others(text: str, names: Collection[str]) -> bool:
    """Whether the text mentions anybody beside these."""
    after = (text[found.end() :] for found in _MENTION.finditer(text))
    return any(not rest.startswith(tuple(filter(None, names))) for rest in after)


def _numbered(number: int, rest: str) -> Command:
    word = plain(rest).lower()
    if not word:
        return Command(verb=Verb.show, number=number)
    if word in _VERBS:
        return Command(verb=_VERBS[word], number=number)
    if _LEARN_ALL.fullmatch(word):
        return Command(verb=Verb.learn, number=number, everybody=True)
    if found := _with_argument(number, word, rest.strip()):
        return found
    for verb, pattern in _SAID.items():
        if said := pattern.fullmatch(rest.strip()):
            by_verb = verb is Verb.reply
            return Command(verb=verb, number=number, text=said[1].strip(), by_verb=by_verb)
    if _MISTYPED.fullmatch(word) or word in _NEED_TEXT:
        # More likely a mistyped command than an answer for a whole group to read.
        return Command(verb=Verb.unknown, number=number, text=word)
    return Command(verb=Verb.reply, number=number, text=rest.strip())


def _with_argument(number: int, word: str, rest: str) -> Command | None:
    """What names another ticket, a colleague or a priority."""
    if merged := _MERGE.fullmatch(word):
        return Command(verb=Verb.merge, number=number, into=int(merged[1]))
    if wanted := _PRIORITY.fullmatch(word):
        if wanted[1] in _PRIORITIES:
            return Command(verb=Verb.prioritise, number=number, priority=_PRIORITIES[wanted[1]])
        return Command(verb=Verb.unknown, number=number, text=word)
    # Names keep their case and their width.
    one_line = " ".join(rest.replace("\u2005", " ").split())
    if handed := re.fullmatch(_HAND_OVER, one_line):
        return Command(verb=Verb.hand_over, number=number, text=handed[1].strip())
    if split := re.fullmatch(_SPLIT, one_line):
        return Command(verb=Verb.split_off, number=number, text=(split[1] or "").strip())
    return None
