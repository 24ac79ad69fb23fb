"""Is this turn for us? Pure functions from what was said to a decision, or on to the answerer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent.messages import Content, Image, Quote, Text, Voice, plain, text_of

JUDGED_CHARACTERS = 2000  # of a turn's text; a longer one is a paste, not a question


class Outcome(StrEnum):
    answered = "answered"
    silent = "silent"
    escalated = "escalated"
    refused = "refused"


class Reason(StrEnum):
    """Why a turn ended as it did; stable codes for reports and tests."""

    # answered
    from_knowledge = "from_knowledge"
    greeting = "greeting"
    identity = "identity"
    same_question = "same_question"  # answered together with another turn
    words_please = "words_please"  # asked for words instead of a voice message or a picture
    operator_command = "operator_command"
    # silent
    not_addressed = "not_addressed"
    chatter = "chatter"
    no_words = "no_words"
    too_old = "too_old"
    muted = "muted"
    silenced = "silenced"
    member_ignored = "member_ignored"
    unlisted_group = "unlisted_group"
    direct_message = "direct_message"
    operators_talk = "operators_talk"
    unsure_unaddressed = "unsure_unaddressed"
    already_answered = "already_answered"  # this member, the same words, a moment ago
    left_to_peers = "left_to_peers"  # nobody called the bot: other members may answer first
    peer_answered = "peer_answered"  # answers what another member asked
    came_back = "came_back"  # answers what an operator asked back
    with_person = "with_person"  # a person was asked for; the words went to the ticket
    feedback = "feedback"  # thanks, or doubts, about an answer
    own_account = "own_account"  # another account of ours speaks
    too_many_in_a_row = "too_many_in_a_row"  # to one sender, while nobody else speaks
    # escalated
    asked_for_person = "asked_for_person"
    not_in_knowledge = "not_in_knowledge"
    low_confidence = "low_confidence"
    model_failed = "model_failed"
    failed_check = "failed_check"
    model_budget = "model_budget"
    disputed = "disputed"  # a member says that the answer is wrong
    partly_answered = "partly_answered"
    too_long = "too_long"
    repeated_failure = "repeated_failure"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a turn; `details` is what led to it, ready for JSON."""

    outcome: Outcome
    reason: Reason
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bot:
    """The bot as a group knows it."""

    self_id: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of a turn; `reading` is what a voice message says or a picture shows, None
    where nobody read it."""

    content: Content
    sent_at: datetime
    addressed: bool
    quote: Quote | None = None
    reading: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A group's policy as the gate applies it."""

    kind: str = "members"
    wake: str = "mention"
    muted: bool = False
    silence: tuple[str, ...] = ()
    ignore_members: tuple[str, ...] = ()
    only_members: tuple[str, ...] = ()
    max_age_seconds: float = 900
    # How long other members may answer what nobody was asked; None: not at all.
    peers_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One sender's messages, judged as one. `answered_before`: the bot answered this sender a
    moment ago."""

    sender_id: str
    sender_name: str  # as the group shows it
    messages: tuple[Said, ...]
    sender_names: frozenset[str] = frozenset()  # every name the sender goes by
    answered_before: bool = False

    @property
    def addressed(self) -> bool:
        return any(message.addressed for message in self.messages)

    @property
    def quote(self) -> Quote | None:
        return next((said.quote for said in reversed(self.messages) if said.quote), None)


@dataclass(frozen=True, kw_only=True)
class GoOn:
    """The turn is for us: `question` is what it asks, without the mention.

    `corrects`: it sets right what the bot took the sender's last question for. `shown` is what a
    picture beside the words shows.
    """

    question: str
    addressed: bool
    corrects: bool = False
    shown: str = ""


def judge(turn: Turn, rules: Rules, bot: Bot, now: datetime) -> Decision | GoOn:
    """Settle what needs no knowledge; hand on the rest."""
    if reason := _kept_out(turn, rules, now):
        return Decision(outcome=Outcome.silent, reason=reason)
    question = question_of(turn, bot)
    if turn.addressed and asks_for_person(turn, bot):
        return Decision(outcome=Outcome.escalated, reason=Reason.asked_for_person)
    meant = correction(question, addressed=turn.addressed) if turn.answered_before else None
    if meant and not to_somebody_else(turn, question):
        # Without a mention only a sure answer speaks up.
        return GoOn(question=meant, addressed=turn.addressed, corrects=True)
    if meant == "":
        return Decision(outcome=Outcome.escalated, reason=Reason.disputed)
    if not turn.addressed:
        return _judge_unaddressed(turn, rules, question)
    if len(question) > JUDGED_CHARACTERS:
        return Decision(outcome=Outcome.escalated, reason=Reason.too_long)
    if reason := small_talk(question):
        outcome = {
            Reason.chatter: Outcome.silent,
            Reason.asked_for_person: Outcome.escalated,
        }.get(reason, Outcome.answered)
        return Decision(outcome=outcome, reason=reason)
    if not question:
        shown = _shown(turn)
        if shown:
            return GoOn(question=shown[:JUDGED_CHARACTERS], addressed=True)
        if _unread(turn):
            return Decision(outcome=Outcome.answered, reason=Reason.words_please)
        has_words = any(isinstance(said.content, Text) for said in turn.messages)
        if has_words:
            return Decision(outcome=Outcome.answered, reason=Reason.greeting)
        return Decision(outcome=Outcome.silent, reason=Reason.no_words)
    return GoOn(question=question, addressed=True, shown=_shown(turn))


def to_be_read(turn: Turn, rules: Rules, now: datetime) -> tuple[int, ...]:
    """The places of voice messages and pictures in a turn that have to be read before it can be
    judged: all of a turn that addresses the bot, and what is said aloud where questions to nobody
    are answered."""
    if _kept_out(turn, rules, now):
        return ()
    kinds: tuple[type[Content], ...] = ()
    if turn.addressed:
        kinds = (Voice, Image)
    elif rules.wake == "question":
        kinds = (Voice,)
    return tuple(n for n, said in enumerate(turn.messages) if isinstance(said.content, kinds))


def _shown(turn: Turn) -> str:
    """What the turn's pictures show, as far as somebody looked at them."""
    return "\n".join(s.reading for s in turn.messages if isinstance(s.content, Image) and s.reading)


def _unread(turn: Turn) -> bool:
    return any(isinstance(s.content, Voice | Image) and not s.reading for s in turn.messages)


def asks_for_person(turn: Turn, bot: Bot) -> bool:
    """Whether one of the messages says so by itself, whatever else the turn holds."""
    return any(
        small_talk(question_of(replace(turn, messages=(said,)), bot)) is Reason.asked_for_person
        for said in turn.messages
    )


def _kept_out(turn: Turn, rules: Rules, now: datetime) -> Reason | None:
    if reason := left_alone(turn, rules):
        return reason
    newest = max(said.sent_at for said in turn.messages)
    too_old = (now - newest).total_seconds() > rules.max_age_seconds
    return Reason.too_old if too_old else None


def left_alone(turn: Turn, rules: Rules) -> Reason | None:
    """Why nothing is made of the turn, whatever it says and whenever it is judged."""
    who = {turn.sender_id, turn.sender_name, *turn.sender_names}
    if rules.kind == "direct":
        return Reason.direct_message
    if rules.kind == "unlisted":
        return Reason.unlisted_group
    if rules.muted:
        return Reason.muted
    if who & set(rules.ignore_members):
        return Reason.member_ignored
    if rules.only_members and not who & set(rules.only_members):
        return Reason.member_ignored
    text = "\n".join(text_of(said.content) for said in turn.messages)
    if any(re.search(pattern, text) for pattern in rules.silence):
        return Reason.silenced
    return None


def _judge_unaddressed(turn: Turn, rules: Rules, question: str) -> Decision | GoOn:
    # What quotes or mentions somebody else is said to them.
    if rules.wake == "mention" or to_somebody_else(turn, question):
        return Decision(outcome=Outcome.silent, reason=Reason.not_addressed)
    if not looks_like_question(question) or small_talk(question):
        return Decision(outcome=Outcome.silent, reason=Reason.chatter)
    return GoOn(question=question, addressed=False)


def to_somebody_else(turn: Turn, question: str) -> bool:
    """Whether it is said to another member: quotes or mentions one, and not the bot."""
    return not turn.addressed and (turn.quote is not None or "@" in question)


# -- addressing ---------------------------------------------------------------------


def is_addressed(
    content: Content,
    mentions: Sequence[str],
    mentions_bot: bool,
    quote: Quote | None,
    bot: Bot,
) -> bool:
    """Whether a message turns to the bot: by id, by name or alias in the text, or by quoting it.

    The network's own flag misses aliases, so the text is looked at as well.
    """
    if mentions_bot or (bot.self_id and bot.self_id in mentions):
        return True
    if quote and (
        (quote.sender_id and quote.sender_id == bot.self_id)
        or (not quote.sender_id and quote.sender_name in bot.names)
    ):
        return True
    if not isinstance(content, Text) or not any(sign in content.text for sign in "@＠"):
        return False
    text = plain(content.text[:JUDGED_CHARACTERS])
    return any(_names(text, name, bool(mentions)) for name in _written(bot))


def _written(bot: Bot) -> list[str]:
    """The bot's names as `plain` text has them, longest first."""
    return sorted(filter(None, map(plain, bot.names)), key=len, reverse=True)


_AFTER_NAME = r"(?=$|[\s,，。.!！?？:：;；、~～@()（）])"


def _names(text: str, name: str, others_mentioned: bool) -> bool:
    # "@小露露" is somebody else; "@小露怎么用" is typed by hand and has no mention ids.
    written = re.escape(name)
    if re.search(rf"@{written}{_AFTER_NAME}", text, re.IGNORECASE):
        return True
    return not others_mentioned and bool(re.search(rf"@{written}", text, re.IGNORECASE))


def question_of(turn: Turn, bot: Bot) -> str:
    """What the turn says, without the bot's mention, invisible characters and non-text content."""
    texts = [
        said.content.text if isinstance(said.content, Text) else said.reading or ""
        for said in turn.messages
        if isinstance(said.content, Text | Voice)
    ]
    lines = [plain(line) for text in texts for line in text[: 2 * JUDGED_CHARACTERS].split("\n")]
    for name in _written(bot):
        mention = re.compile(rf"@{re.escape(name)}({_AFTER_NAME}|)", re.IGNORECASE)
        lines = [mention.sub(" ", line) for line in lines]
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


# -- corrections --------------------------------------------------------------------

_NO = re.compile(
    r"(不是(这个|这样)?|不对|错了|搞错了|弄错了|違う|違います|そうじゃなくて)[啊呀的吧哦]?"
    r"(?=$|[\s,，。.!！;；、~～]|我|是)[\s,，。.!！;；、~～]*|no[,，\s]+(?=i (meant|was|asked))",
    re.IGNORECASE,
)
# To a machine alone: 我说的是 and 我的意思是 are said among people all the time.
_ASKED = re.compile(
    r"我(刚才|其实)?(想|要)?问的(其实)?是[\s,，:：]*"
    r"|(i was asking about|i asked about|i meant to ask about)\s+|(聞きたい|知りたい)のは[\s、]*",
    re.IGNORECASE,
)
_MEANT = re.compile(
    rf"{_ASKED.pattern}|我(刚才|其实)?(说|指)的(其实)?是[\s,，:：]*|我的意思是[\s,，:：]*"
    r"|i meant\s+",
    re.IGNORECASE,
)
# After a no, less is enough: 不是,我想问退货; 不是换货,是退货.
_RATHER = re.compile(r"我?是?(想|要)?(问|说|指)(的是)?[\s,，:：]*|是(?=\S)")
_NOT_BUT = re.compile(r"不是[^,，。!！?？是]{1,12}[,，\s]\s*(而?是)(?=\S)")


def correction(question: str, *, addressed: bool = True) -> str | None:
    """What a member meant instead (不是,我问的是退货 -> 退货), '' where they only say that it is
    wrong, None for anything else. Not `addressed`, only what speaks of having asked counts."""
    if addressed and (swapped := _NOT_BUT.match(question)):
        return question[swapped.end() :].strip()
    denied = _NO.match(question)
    rest = question[denied.end() :] if denied else question
    meant = (_MEANT if addressed else _ASKED).match(rest)
    if meant is None and denied and addressed:
        meant = _RATHER.match(rest)
    if meant:
        return rest[meant.end() :].strip() or None
    return "" if denied and addressed and not rest.strip() else None


# -- small talk ---------------------------------------------------------------------

_NOT_WORDS = re.compile(r"\[\w{1,6}\]|[\W_]")  # [旺柴] is how WeChat writes its emoji
# No word in here repeats by itself or is put together from others: under the outer plus either
# takes exponential time on a long "哈哈哈…".
_THANKS = re.compile(
    r"(谢|感谢|多谢|thanks?|thx|thankyou|3q|好的?|好嘞|行|可以|收到|了解|明白|知道|懂|"
    r"嗯|哦|噢|okay|ok|k|哈|嘿|呵|嘻|赞|厉害|牛|棒|辛苦|晚安|拜拜|再见|啊|呀|啦|了|您|你|大家|亲)+"
)
_GREETING = re.compile(
    r"(你好|您好|在吗|在么|在不在|在不|hi|hello|hey|嗨|哈喽|早|早上好|晚上好|下午好|有人吗)(呀|啊)?"
)
_IDENTITY = re.compile(
    r"(你|您)(是谁|叫什么(名字)?|叫啥)|whoareyou"
    # 你是机器人吗, 请问你到底是不是真人啊, 跟我聊的是人还是机器人, 这是机器人在回复吗
    r"|((你|您|这|这边|对面|那边|聊的|说话的)(们|里)?(到底|究竟|其实|不会)?(是不是|不是|是|在用)(个|一个)?"
    r"(真的?人|机器人|人工智能|ai|bot|gpt|智能客服|自动回复|人工客服|人工|人还是|真人还是|活人)"
    r"|^(真人|机器人|ai|bot)(吗|么|嘛|吧)$|机器人(在)?(自动)?回复(的)?(吗|么|吧))"
    r"|are(you|u)(areal|really|a|an|the|just|human)*(bot|robot|human|ai|person|machine)"
    r"|isthis(a|an)?(bot|robot|ai|human)"
    r"|(あなたは|これは|そちらは)?(ロボット|ボット|bot|ai|人工知能|人間)(なの|の返信)?(です|でしょう)?か$"
)
_IDENTITY_CHARACTERS = 30
# A person is asked for by a whole clause. What talks about one asks none: 人工费多少钱.
_SOMEBODY = (
    r"(个|位|一个|一位|你们的?|贵司的?|在线的?)*(真的?人|活人|人工客服|人工服务|人工座席|人工|真人客服|真人"
    r"|客服人员|客服小姐姐|客服|同事|工作人员|专员|店员|店长本人)"
)
_PERSON = re.compile(
    r"(请|麻烦|能不能|能否|可不可以|可以|能|快|赶紧|直接|那|还是|就|你|您|你们|给|帮|我|要|想|需要|必须|一下)*"
    rf"((转接|转到|转给|转|找|叫|换成|换|接通|接|联系|呼叫|喊)(一?下)?{_SOMEBODY}|人工(客服|服务)?"
    rf"|(要|想要|需要){_SOMEBODY}|(和|跟|同|与){_SOMEBODY}(说话|说|聊一?聊|聊|讲|沟通|对话|联系|谈)(一?下)?"
    r"|(让|叫|找|换|派|喊|请)(个|一个|位|一位)?(真的?人|活人|真人|人工|人|同事|客服)(来|过来|出来)?"
    r"(回答|回复|处理|解决|帮|跟|和|联系|接待|服务|看)(一?下)?(我|下|一下|我说|问题)*"
    r"|(换|找|叫|喊|来|派)(个|一个|位|一位)(真的?人|活人|人)(来|过来)?"
    r"|(有|有没有)(真人|活人|人工客服|人工服务|人工|真人客服|客服)(在|可以|能)?(吗|么|嘛|没有|没|不|呢)?"
    r"|(真人|活人|人工客服|人工|客服)(在|在不在|在哪|在哪里|呢)(吗|么|嘛|里)?"
    r"|(不要|不想要|别用|拒绝)(跟|和)?(个|这个)?(机器人|ai|自动回复|机器)(聊|说|回复|回答|说话)?(了)?"
    r"|不想(跟|和|同)(机器人|ai|机器)(聊|说|说话|对话|讲)(了)?)"
    # What for, said on: 转人工退款, 找客服处理一下.
    r"(来|吧|吗|谢谢|行吗|可以吗|好吗|好吧|行不行|啊|呀|了|一下|帮我|帮忙|给我|处理|解决|回复|回答|办理|办|咨询|问"
    r"|退款|退货|换货|退换货?|投诉|查单|查订单|查快递|售后|我)*"
)
_PERSON_ELSEWHERE = re.compile(
    r"(オペレーター?|担当者?|担当の?方|人間|スタッフ|係の?(人|者|方)|有人(対応|オペレーター?)?|店員)(さん|様|の方)?"
    r"(に|と|へ)?(直接)?(繋|つな|つない|代わ|かわ|替わ|お?話|話|はな|取り次|相談|連絡|お願い|出し)"
    r"|(ボット|ロボット|ai|機械)(では|じゃ)?なく(て)?(人|人間|担当|スタッフ)"
    r"|\b(talk|speak|chat|connect|transfer|put|pass|hand|get|switch)( me| you)?( over| through)?"
    r"( to| with| me)? (an?|the|some|your)? ?"
    r"(real |live |actual |human |customer (service|support) )*"
    r"(human|person|agent|operator|representative|someone real|staff|people)\b"
    r"|\b(want|need|would like|get me|give me|can i (get|have)) "
    r"(an? |some )?(real |live |actual )*"
    r"(human|person|agent|operator|representative)( please| now|$)"
    r"|^(a )?((real|live|actual) )*"
    r"(human|person|agent|operator|representative)( being)?( please| now)?$"
    r"|\bno (more )?(bots?|robots?)\b( please)?$"
)


_NAMED_ALONE = re.compile(
    r"(人工|真人|活人|客服)(客服|服务)?[呢吧啊呀吗]*|[a-z]*(person|human|agent|operator)"
)


def _wants_person(question: str) -> bool:
    """Whether one clause of a message asks for a person; who is only named has to be all of it:
    "材料，人工，运费怎么算" asks for a price."""
    clauses = [
        (words, clause)
        for clause in re.split(r"[,，。.!！?？;；、~～\n]+", question)
        if (words := _NOT_WORDS.sub("", clause).lower())
        and not (_GREETING.fullmatch(words) or _THANKS.fullmatch(words))
    ]
    for words, clause in clauses:
        if len(clauses) > 1 and _NAMED_ALONE.fullmatch(words):
            continue
        if len(words) <= _IDENTITY_CHARACTERS and _PERSON.fullmatch(words):
            return True
        spaced = " ".join(re.sub(r"[^\w']", " ", clause).lower().split())
        if len(spaced) <= 3 * _IDENTITY_CHARACTERS and _PERSON_ELSEWHERE.search(spaced):
            return True
    return False


def small_talk(question: str) -> Reason | None:
    """What the words are where they ask nothing of the knowledge base; None for all others."""
    if not question:
        return None
    words = _NOT_WORDS.sub("", question).lower()
    if not words:
        return Reason.chatter
    if len(words) <= _IDENTITY_CHARACTERS and _IDENTITY.search(words):
        return Reason.identity
    if _wants_person(question[:JUDGED_CHARACTERS]):
        return Reason.asked_for_person
    if _GREETING.fullmatch(words):
        return Reason.greeting
    if _THANKS.fullmatch(words):
        return Reason.chatter
    return None


_QUESTION = re.compile(
    r"[?？]|(吗|嘛|呢|么|不)$|什么|怎么|如何|咋|哪|多少|几|谁|为啥|为什么|能不能|可不可以|可以.*吗|"
    r"有没有|是不是|会不会|要不要|请问|求问|how|what|when|where|why|which|can|does|do you|is there",
    re.IGNORECASE,
)


def looks_like_question(text: str) -> bool:
    """Whether the words ask for something; about as good as word lists get, so it only opens
    the way to the answerer for unaddressed talk and never decides an answer."""
    return len(text) >= 4 and bool(_QUESTION.search(text))


# -- quiet time ---------------------------------------------------------------------

_ENDED = re.compile(r"[。！？!?…~～]\W*$")
_TO_BE_CONTINUED = re.compile(r"([，,、：:]|问一?下|请问|请教|还有|然后|就是|那个)\W*$")
_PARTICLE = re.compile(r"([吗呢么嘛吧呀啊呗啦哦]|谢谢)\W*$")


@dataclass(frozen=True, kw_only=True)
class QuietTimes:
    finished_seconds: float = 1
    fragment_seconds: float = 3
    longest_seconds: float = 8


def quiet_seconds(content: Content, addressed: bool, times: QuietTimes) -> float:
    """How long to wait for the sender's next message before judging what stands."""
    if not isinstance(content, Text) or not addressed:
        return times.fragment_seconds
    end = content.text[-40:]
    if _ENDED.search(end):
        return times.finished_seconds
    if _TO_BE_CONTINUED.search(end):
        return times.fragment_seconds
    if _PARTICLE.search(end) or looks_like_question(end):
        return times.finished_seconds
    return times.fragment_seconds
