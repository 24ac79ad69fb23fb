"""What a member's words say about an answer. Pure; Chinese, Japanese, English, emoji.

A sign is only what the whole message says: "谢谢，那怎么退货？" asks, "不好用" is about a product,
"我错过了活动" is news. In doubt there is none, so that figures stay true and nobody's question is
taken for thanks.
"""

from __future__ import annotations

import re
from enum import StrEnum

from agent.messages import plain


class Sign(StrEnum):
    """`again` is never read from words alone: it is the same question asked anew."""

    good = "good"
    wrong = "wrong"
    unhelpful = "unhelpful"
    again = "again"


_LONGEST = 60  # characters; more than that says more than thanks

_GOOD_EMOJI = re.compile(r"👍|👌|🙏|💯|\[(强|赞|OK|ok|抱拳|合十|鼓掌|玫瑰|爱心|拥抱)\]|❤️?|🌹|🎉")
_BAD_EMOJI = re.compile(r"👎|❌|\[(弱|NO|no|裂开|吐)\]")
_ANY_EMOJI = re.compile(r"\[\w{1,6}\]|[\U0001F000-\U0001FAFF\u2600-\u27BF\uFE0F]")

# Around a sign, and no sign themselves.
_FILLER = (
    r"啊|呀|啦|哈|呢|哦|噢|喔|嗯|诶|欸|哎|了|的|吧|嘛|您|你|你们|亲|亲亲|大家|小助手|机器人|客服|老师|"
    r"店长|真的|真是|太|非常|很|超级|超|十分|好像|现在|这下|终于|总算|原来|这样|如此|是这样|"
    r"我|也|都|就|已经|全|完全|还|好|好的|行|嗯嗯|哈哈|一下|回复|回答|解答|帮助|帮忙|耐心|及时|"
    r"はい|あ|ああ|おお|どうも|本当に|とても|大変|すごく|よく|それで|これで|無事|無事に|です|ました|ます|ね|よ|"
    r"so|very|much|a|lot|oh|ok|okay|yes|yeah|yep|great|all|now|it|i|that|this|for|the|your|you|help|"
    r"answer|reply|again|everyone|again|really|is|was"
)
_GOOD = (
    r"谢谢|谢啦|谢了|谢|感谢|多谢|拜谢|感恩|谢过|3q|thx|懂了|明白了|清楚了|了解了|了解|知道了|会了|搞懂了|"
    r"收到|解决了|搞定了|搞定|可以了|成功了|弄好了|有用|有帮助|帮大忙了|帮到我了|"
    r"不错|没错|对的|正确|说得对|靠谱|给力|厉害|太棒了|棒|赞|点赞|牛|专业|学到了|涨知识了|辛苦了|辛苦|"
    r"ありがとう(ございます|ございました)?|感謝(です|します)?|助かりました|助かります|助かった|"
    r"(わかり|分かり|解り)ました|(わか|分か)った|了解(です|しました)?|承知(です|しました)?|"
    r"解決(しました|した|です)?|なるほど|役に立ちました|完璧(です)?|正解(です)?|"
    r"thanks|thankyou|ty|tysm|gotit|understood|perfect|awesome|helpful|solved|fixed|works|"
    r"worked|thatworks|thathelps|thathelped|cheers|correct|notbad|goodbot|appreciated|appreciateit"
)
_WRONG = (
    r"不对|不是这样(的)?|不是的|错了|错的|搞错了|弄错了|说错了|答错了|回答错了|答案错了|有误|不正确|不准确|不准|"
    r"胡说(八道)?|瞎说|乱说|误导人?|骗人|假的|不是这个|答非所问|牛头不对马嘴|驴唇不对马嘴|文不对题|"
    r"我问的不是这个|不是我问的|所问非所答|"
    r"違います|違う|ちがう|ちがいます|間違い(です)?|間違って(い)?(る|ます)|間違えて(い)?(る|ます)|"
    r"そうじゃない(です)?|そうではない(です)?|正しくない(です)?|正しくありません|嘘(です)?|"
    r"wrong|incorrect|nottrue|notright|notcorrect|thatswrong|thatsnotright|thatsnottrue|"
    r"thatsincorrect|wronganswer|false|misleading|nonsense|notwhatiasked|badbot"
)
_UNHELPFUL = (
    r"没用|没有用|没啥用|没什么用|一点用(都|也)?没有|没帮助|没有帮助|没解决|没有解决|还是没解决|解决不了|还是不行|还不行|"
    r"没懂|不懂|没听懂|听不懂|没看懂|看不懂|没明白|不明白|还是不明白|还是不懂|还是不知道|"
    r"废话|说了等于没说|等于没说|答了个寂寞|"
    r"役に立たない|役に立ちません(でした)?|役立たず|解決しない|解決しません|解決して(い)?(ない|ません)|"
    r"(わか|分か)らない(です)?|(わか|分か)りません|意味(が)?(わか|分か)らない|"
    r"useless|nothelpful|unhelpful|nothelping|doesnthelp|didnthelp|thatdoesnthelp|thatdidnthelp|"
    r"didntwork|thatdidntwork|notsolved|dontunderstand|dontgetit|makesnosense|nohelp"
)
_JUDGED = (
    r"这|这个|这是|这个回答|你的|你说|你说的|你这|上面|刚才|刚刚|回答|答案|这答案|内容|说法|说的|讲的|根本|完全|明显|明明|"
    r"都|是|还是|有点|又|好像|感觉|吧|啊|呀|呢|了|的|吗|机器人|但是|但|可是|可|不过|然而|"
    r"でも|しかし|それ|これ|は|が|回答|答え|全然|まだ|です|よ|ね|"
    r"but|no|sorry|its|it|is|thats|that|this|the|answer|your|was|still|completely|totally|just|i|"
    r"actually|im|afraid|all|a"
)


def _words_of(pattern: str) -> frozenset[str]:
    """Every word that an alternation of words with optional ends stands for."""
    found: set[str] = set()
    for word in re.findall(r"(?:[^|(]|\([^)]*\)\??)+", pattern):
        spellings = [""]
        for literal, group, optional in re.findall(r"([^(]+)|\(([^)]*)\)(\??)", word):
            ends = [literal] if literal else group.split("|") + ([""] if optional else [])
            spellings = [spelling + end for spelling in spellings for end in ends]
        found.update(spellings)
    return frozenset(found)


_FILLERS, _GOODS, _AROUND = _words_of(_FILLER), _words_of(_GOOD), _words_of(_JUDGED)
_WRONGS, _UNHELPFULS = _words_of(_WRONG), _words_of(_UNHELPFUL)
_LONGEST_WORD = max(map(len, _FILLERS | _GOODS | _AROUND | _WRONGS | _UNHELPFULS))


def _made_of(text: str, around: frozenset[str], signs: frozenset[str]) -> bool:
    """Whether the text is put together from these words, one of `signs` at least among them.

    Place by place, as a regular expression of repeated words takes exponential time.
    """
    reached = {(0, not signs)}
    for start in range(len(text)):
        for has in (True, False):
            if (start, has) not in reached:
                continue
            for end in range(start + 1, min(start + _LONGEST_WORD, len(text)) + 1):
                word = text[start:end]
                if word in signs:
                    reached.add((end, True))
                if word in around:
                    reached.add((end, has))
    return (len(text), True) in reached


_CLAUSES = re.compile(r"[，,。.！!；;、…\n]+")
_ASKS = re.compile(
    r"[?？]|[吗么呢]$|什么|怎么|为什么|为啥|如何|多少|哪|か$|\b(what|how|why|when|where)\b"
)
# "也有用吗" asks, "不错的选择吗" asks; who says it is wrong may do so as a question.
_DOUBTS = re.compile(r"(不对|错了|不是这样|搞错了|弄错了|違い|間違)[^?？]{0,6}[?？]$")
_REFUSES = re.compile(
    r"^(不用|不必|不)(谢谢?|客气)|不客气|^no,? ?thanks|no thank you|^別に|結構です"
)
# 了解一下, 谢谢解答一下 ask for something yet; 假的吧, 骗人的吧 are surprise, at whatever it is.
_SURPRISE_OR_WISH = re.compile(r"(?<!谢)一下|(假|骗人|真|开玩笑)的?吧|了解下")


def sign_of(text: str) -> Sign | None:
    """The sign that the whole of `text` is, or None. A clause that says it is wrong goes before
    one that thanks: "谢谢，但是不对" is no thanks."""
    words = plain(text).strip()
    if not words or len(words) > _LONGEST:
        return None
    if emoji := _emoji(words):
        return emoji
    words = _ANY_EMOJI.sub(" ", words).lower().strip(" ~～")
    if _REFUSES.search(words) or _SURPRISE_OR_WISH.search(words):
        return None
    if _ASKS.search(words) and not _DOUBTS.search(words):
        return None
    signs = [_clause(clause) for clause in _CLAUSES.split(words) if clause.strip()]
    if not signs or None in signs:
        # What else is said after "不对" is what is meant instead; the rest judges that.
        return None
    for sign in (Sign.wrong, Sign.unhelpful, Sign.good):
        if sign in signs:
            return sign
    return None


def _emoji(words: str) -> Sign | None:
    if _ANY_EMOJI.sub("", words).strip(" ~～!！。."):
        return None
    if _BAD_EMOJI.search(words):
        return Sign.unhelpful
    return Sign.good if _GOOD_EMOJI.search(words) else None


_NEUTRAL = "neutral"


def _clause(clause: str) -> Sign | str | None:
    """What one clause says; `neutral` for what is only around it, None for anything else."""
    words = re.sub(r"[\W_]", "", clause)
    if not words:
        return _NEUTRAL
    if _made_of(words, _FILLERS, _GOODS):
        return Sign.good
    if _made_of(words, _AROUND | _GOODS, _WRONGS):
        return Sign.wrong
    if _made_of(words, _AROUND | _GOODS, _UNHELPFULS):
        return Sign.unhelpful
    return _NEUTRAL if _made_of(words, _FILLERS | _AROUND, frozenset()) else None
