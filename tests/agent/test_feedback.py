"""Thanks, doubts and asking once more: what counts as which, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from agent import feedback
from agent.database import Database
from agent.directory import Directory, GroupPlan
from agent.feedback import About, Count, Said, Sign, sign_of
from agent.gate import QuietTimes
from agent.inbox import claim_due, hold, record
from agent.messages import InboundMessage, Text

GOOD = """谢谢
谢谢你
好的谢谢
明白了，谢谢
哦哦知道了
👍
[强]
👍👍👍
解决了，谢谢！
没错
不错不错
收到，辛苦了
原来如此，懂了
了解
了解了，谢谢
谢一下
ありがとうございます
ありがとう！助かりました
なるほど、ありがとうございます。
解決しました
了解です
Thank you so much!
got it, thanks
That works, thanks!
not bad"""

WRONG = """不对
不对吧？
你说错了
这个回答是错的
答非所问
不是这样的
谢谢，但是不对
明显不对啊
胡说八道
假的
这答案是假的
違います
それは違うよ
間違っています
That's wrong
no, that's not right
thanks but that's wrong
incorrect."""

UNHELPFUL = """没用
一点用都没有
还是没解决
👎
[弱]
没看懂
役に立たない
解決しません
not helpful
that didn't help"""

# Questions, products, other people, politeness, news: none of these judges an answer.
NEITHER = """谢谢，那怎么退货？
不好用
不谢
不用谢
我错过了活动
有用吗
解决了吗？
对不起
差不多
没用过这个
没用完能退吗
这款不错，多少钱
这个不错诶我也想买
what's wrong with my order
is that wrong?
no thanks
谢谢你的建议我再想想要不要买两瓶
違いは何ですか
分からないことがあります
你们的产品有问题
[微笑]
😂
不是说好今天发货吗
不对称的图案能换吗
我感谢过客服了但是快递还没到
怎么解决
有效期错了可以改吗
结果错了怎么办
不对，我问的是退货
不是换货，是退货
了解一下
我了解一下
了解下
先了解一下，谢谢
解决一下
帮忙解答一下，谢谢
谢谢回答一下
假的吧
这是假的吧
骗人的吧
骗人吧
真的吧
好的
嗯嗯
哈哈哈"""

TABLE = [
    (words, sign)
    for sign, lines in (
        (Sign.good, GOOD),
        (Sign.wrong, WRONG),
        (Sign.unhelpful, UNHELPFUL),
        (None, NEITHER),
    )
    for words in lines.split("\n")
]


def test_the_table_has_words_of_three_languages_and_traps() -> None:
    assert len(TABLE) >= 80


@pytest.mark.parametrize(("words", "sign"), TABLE, ids=[words for words, _ in TABLE])
def test_what_is_said_after_an_answer(words: str, sign: Sign | None) -> None:
    assert sign_of(words) is sign


@pytest.mark.parametrize("words", ["谢", "你的", "はい", "了的是", "notthat", "谢谢你"])
def test_reading_words_said_over_and_over_ends(words: str) -> None:
    # A regular expression of words put together from others would take hours.
    assert sign_of((words * 60)[:58] + "xj") is None


# -- what is kept -------------------------------------------------------------------

MONDAY = datetime(2027, 3, 1, 4, tzinfo=UTC)


class Members:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.count = 0
        plans = [GroupPlan(channel="web", account="demo", name=n) for n in ("会员群", "护肤群")]
        self.directory = Directory(plans, {})

    def think(
        self, sign: Sign, at: datetime, entries: tuple[int, ...] = (), group: str = "会员群"
    ) -> None:
        self.count += 1
        said = InboundMessage(
            channel="web", account="demo", external_id=f"m{self.count}", group_id=group,
            group_name=group, sender_id="小满", sender_name="小满", content=Text(text="…"),
            sent_at=at,
        )  # fmt: skip
        with self.database.transaction() as connection:
            record(connection, self.directory, [said], at, QuietTimes())
            (turn,) = claim_due(connection, at + timedelta(seconds=10), "one", 90)
            hold(connection, "one", [turn.id])
            for _ in range(2):
                feedback.record(
                    connection,
                    Said(sign=sign, about=About(answered_by="bot", entries=entries)),
                    group_id=turn.group_id,
                    member_id=turn.member_id,
                    turn_id=turn.id,
                    now=at,
                )


@pytest.fixture
def members(database: Database) -> Members:
    found = Members(database)
    found.think(Sign.good, MONDAY, (7, 7))
    found.think(Sign.wrong, MONDAY + timedelta(hours=1), (7, 8))
    found.think(Sign.good, MONDAY + timedelta(days=7), (8,), "护肤群")
    return found


def test_a_turn_counts_once_however_often_it_is_written(members: Members) -> None:
    with members.database.reading() as connection:
        kinds = connection.scalars(select(feedback.feedback.c.kind)).all()
    assert sorted(kinds) == ["good", "good", "wrong"]


def test_figures_by_entry_group_and_week(members: Members) -> None:
    since, until = MONDAY - timedelta(days=1), MONDAY + timedelta(days=30)
    with members.database.reading() as connection:
        entries = feedback.by_entry(connection, since, until)
        groups = feedback.by_group(connection, since, until)
        weeks = feedback.by_week(connection, since, until, ZoneInfo("Asia/Shanghai"))
        none = feedback.by_entry(connection, until, until + timedelta(days=1))
    assert entries == {7: Count(good=1, wrong=1), 8: Count(good=1, wrong=1)}
    assert sorted(groups.values(), key=str) == [Count(good=1, wrong=0), Count(good=1, wrong=1)]
    assert weeks == {
        date(2027, 3, 1): Count(good=1, wrong=1),
        date(2027, 3, 8): Count(good=1),
    }
    assert none == {}
    assert entries[7].satisfied == 0.5
    assert Count().satisfied is None
