"""What a question asks about its topic: a price, a time, a place, a person, a reason.

The words for it are the commonest of all and weigh next to nothing beside a rare topic, yet they
decide whether an entry is the answer: what a candle costs is not answered by how long it burns.
"""

from __future__ import annotations

import re
from functools import lru_cache

# An aspect, how it is asked for, and how a text that nobody asked tells it. All in plain spelling
# (`language.plain`): lower case, simplified characters.
_NUMBER = r"[\d一二两三四五六七八九十百半]"
_ASPECTS: tuple[tuple[str, str, str], ...] = (
    (
        "price",
        r"多少钱|价格|价钱|价位|售价|单价|标价|报价|定价|什么价|啥价|啥价位|怎么卖|咋卖|卖多少|几块|几元|几个钱|贵不贵"
        r"|贵吗|贵么|贵不|收费|收多少|要钱|花钱|加钱|算钱|收钱|免费|费用|多少一|多钱|花多少|几多钱"
        r"|几百|多少(?:米|元|块)|[买满充消][费够]?多少|[咋怎][么]?(?:计费|算钱|收钱)|费[咋怎]么?算|(?:要|得|[一每][节次晚年月平包瓶盒袋支位间场]|小时)多少(?=\W|[啊呀呢]|$)|いくら|値段|料金|费用"
        r"|无料|\bhow much\b|\bprices?\b|\bcosts?\b|\bfees?\b|\bfree\b",
        rf"{_NUMBER}\s*(?:多)?(?:元|块|円|圆|日元|美元|欧元|毛|rmb|cny|jpy|usd|eur|dollars?|euros?|yen)"
        r"|[¥￥$€£]|免费|收费|不要钱|不收|费用|费含|含费|另付|自费|自理|包含|含[双单早午晚餐]|赠|价格|价钱|价目|标价|料金|値段|无料|打折|折扣|\bfree\b|\bcosts?\b|\bprice",
    ),
    (
        "clock",
        r"几点|何时から|何时まで|何时に|何时で|何時|营业时间|営業时间|什么时间|时间安排"
        r"|什么时段|\bwhat time\b|\bhours\b",
        rf"\d[:：]\d\d|{_NUMBER}\s*(?:点|时)|全天|24\s*小时|\d\s*(?:am|pm)\b|营业",
    ),
    (
        "when",
        r"什么时候|啥时候|何时|几时|几号|几月|哪天|哪一天|哪日|星期几|礼拜几|周几|什么日子|いつ|\bwhen\b"
        r"|何日に|何曜日",
        rf"{_NUMBER}\s*(?:点|时|月|日|号|天|小时|分钟|周|年)|\d[:：]\d\d|每[天日周月年]|周[一二三四五六日末]"
        r"|星期|工作日|当天|当日|次日|之后|以后|以前|之前|前|后|随时|立即|马上|暂|曜|まで|から|前日|当日"
        r"|\d\s*(?:am|pm)\b|\b(?:day|week|month|year|hour|minute|morning|evening|noon)s?\b",
    ),
    (
        "long",
        r"多久|多长时间|几天|多少天|几个?小时|几个?钟头|几分钟|多少分钟|几个月|几年|几周|多长|用多|どのくらい|どれくらい"
        r"|何时间|何日间|何分|何年|何ヶ月|\bhow long\b|有效期|保质期|期限",
        rf"{_NUMBER}\s*个?(?:小时|钟头|天|日|分钟|秒|月|周|星期|礼拜|年|工作日|时间|分|ヶ月|週间)"
        r"|当天|当日|当场|立即|马上|随时|长期|永久|次日|即时"
        r"|\b(?:day|week|month|year|hour|minute|night)s?\b",
    ),
    (
        "place",
        r"(?<!差)在哪(?!天|个时|一天)|哪里(?!不)|哪儿|哪家|哪个店|哪个馆|哪个校区|哪个城市|哪些城市|什么地方|啥地方|地址|位置|地点|几楼|哪层|哪一层|哪楼"
        r"|去哪|到哪|往哪|哪买|哪能|哪可以|怎么走|どこ|场所|住所|\bwhere\b|\baddress\b|\blocation\b",
        r"在|路|街|巷|弄|楼|层|区|市|县|镇|村|店|馆|厅|室|院|站|号|门口|柜|台|地址|位于|小程序|网|页|公众号|app|点「|在「"
        r"|里|階|駅|前|\bfloor\b|\bstreet\b|\broad\b|\bat\b|\bin\b|\bon\b",
    ),
    (
        "who",
        r"谁(?!能|知道|有|会|懂|家|来|给)|哪位|哪个老师|哪个医生|什么人|联系人|誰|どなた|\bwho\b|\bwhom\b",
        r"师|长|客服|员|医生|教练|人|您|本人|自己|我们|顾问|专家|先生|女士|经理|联系|邮箱|电话|@|さん|方|者"
        r"|\b(?:you|we|staff|team|mr|ms|mrs|dr|teacher|owner|manager)\b",
    ),
    (
        "why",
        r"为什么|为啥|为何|什么原因|啥原因|怎么会|なぜ|どうして|\bwhy\b",
        r"因为|由于|原因|为了|所以|因此|导致|引起|造成|避免|防止|会|是|有时|ため|ので|から"
        r"|\bbecause\b|\bdue to\b|\bso that\b",
    ),
    (
        "how",
        r"怎么(?!样|办|弄|整|搞|回事|还|不|没|又|这么|那么|会|老|总|才|一直|都|走|卖|收费)|如何|咋(?!样|办|弄|整|搞|回事|还|不|没|卖|收费|这么)"
        r"|どうやって|どのように|方法は|\bhow (?:do|does|to|can|should|would)\b",
        r"请|点|打|联系|填|扫|关注|先|登录|申请|搜|通过|按|带|取|涂|用|选|找|发|寄|下单|报名|预约|登记|上传|更新|清|加|换|走|倒|洗|放"
        r"|可以|ください|から|\b(?:call|click|open|use|go|send|visit|press|ask|book|fill)\b",
    ),
    (
        "how many",
        r"几次|多少次|几个人|多少人|几位|几[片枚件瓶支包盒袋粒颗套张份台滴泵节寸种款岁勺]"
        r"|多少[片枚件瓶支盒袋粒颗套张份台滴泵节种款岁克个]|多少包(?!邮)"
        r"|几个(?!月|小时|钟头|钱)|多少个|名额|次数|多大|いくつ|何人|何个|何回|何枚|何歳"
        r"|\bhow many\b|\bhow often\b|\bhow old\b",
        rf"{_NUMBER}|每|各|单|\b(?:one|two|three|four|five|six|ten|each|every|once|twice)\b",
    ),
)  # fmt: skip
_ASKED = tuple((name, re.compile(asked)) for name, asked, _ in _ASPECTS)
_TOLD = {name: re.compile(told) for name, _, told in _ASPECTS}
# 什么时候发货 and 多久发货 ask the same; 几点 and 多久 do not.
_ALSO = {
    "when": ("clock", "long"),
    "clock": ("when",),
    "long": ("when",),
    "place": ("how",),
    "how": ("place", "who"),
    "who": ("how",),
}
# How the thing is done is told by nearly every answer, and asked for in passing.
_WORTH = {"how": 0.5}
_NEARLY = 0.5
# How a question names a value of an aspect, and so asks about it: 晚上十点还开着吗, 5 岁能学吗.
_VALUES = {
    "price": rf"{_NUMBER}\s*(?:元|块|円|刀|rmb)|[¥￥$€£]\s*\d",
    "clock": rf"{_NUMBER}\s*点(?!心)|\d[:：]\d\d|\d\s*(?:am|pm)\b|\d\s*时",
    "when": rf"{_NUMBER}\s*[月号日]|今天|明天|后天|今晚|明晚|明早|当天|周[一二三四五六日末天]"
    r"|(?:星期|礼拜)[一二三四五六日天]|周末|节假日|过年|春节|国庆|五一|元旦|中秋|除夕|年初"
    r"|暑假|寒假|半夜|凌晨|晚上|中午|下午|早上|上午|\b(?:today|tomorrow|weekends?|tonight)\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b",
    "long": rf"{_NUMBER}\s*个?(?:小时|钟头|天(?!然)|分钟|周|星期|礼拜|月|年|日)"
    r"|\b\d+ (?:day|week|month|year|hour|minute)",
    "how many": rf"{_NUMBER}\s*(?:[个人次岁位片件瓶支包盒袋台张份节只克歳回]|公?斤)",
}
OF_TROUBLE = frozenset(("how", "who", "why"))
_VALUE = tuple((name, re.compile(value)) for name, value in _VALUES.items())
# Concepts (`paraphrases`) that say nothing beside the aspect they ask for.
ASKED_BY_CONCEPT = frozenset(("≈价格", "≈收费", "≈多久", "≈地点", "≈次数", "≈营业时间"))
_ANY_ASKING = re.compile("|".join(asked for _, asked, _ in _ASPECTS))


@lru_cache(maxsize=16_384)
def asked_about(text: str) -> frozenset[str]:
    """The aspects that a plain question asks for; none for one that asks whether something is so.

    >>> sorted(asked_about("蜡烛多少钱,在哪里买"))
    ['place', 'price']
    """
    return frozenset(name for name, asked in _ASKED if asked.search(text))


@lru_cache(maxsize=4_096)
def valued(text: str) -> frozenset[str]:
    """The aspects of which a plain question names a value: it asks whether that is the one.

    >>> sorted(valued("晚上十点还开着吗"))
    ['clock', 'when']
    """
    return frozenset(name for name, value in _VALUE if value.search(text))


def without_asking(run: str) -> str:
    """A run of characters without its question words, which are aspects and no topic; `|` stands
    in their place."""
    return _ANY_ASKING.sub("|", run)


def meets(aspect: str, asked: frozenset[str]) -> float:
    """How far (0..1) a question about `asked` asks for `aspect`, too."""
    if aspect in asked:
        return 1.0
    return _NEARLY if any(also in asked for also in _ALSO.get(aspect, ())) else 0.0


def told_by(text: str) -> frozenset[str]:
    """The aspects of which a plain text bears something: an amount of money, a time, a place."""
    return frozenset(name for name, told in _TOLD.items() if told.search(text))


@lru_cache(maxsize=4_096)
def share_left(
    wanted: frozenset[str], asked: frozenset[str], told: frozenset[str] = frozenset()
) -> float:
    """The share (0..1) of the `wanted` aspects that a question about `asked` leaves open, and that
    a text which bears those `told` does not tell either."""
    left = 0.0
    for aspect in wanted:
        met = meets(aspect, asked)
        if met < 1.0 and aspect not in told:
            left += (1.0 - met) * _WORTH.get(aspect, 1.0)
    return left / len(wanted) if wanted else 0.0
