"""Members who answer each other: what is an answer, and whose question it answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.messages import Quote
from agent.peers import Waiting, answered, is_answer, is_nudge, without_names

NOON = datetime(2027, 3, 1, 4, tzinfo=UTC)
SHAMPOO = Waiting(
    ticket_id=12, member_id=1, sender_id="m:小满", names=("小满", "满满"), asked_at=NOON,
    question="有没有儿童洗发水?", said=(("id-1", "有没有儿童洗发水？"),),
)  # fmt: skip
REFUND = Waiting(
    ticket_id=13, member_id=2, sender_id="m:Coco", names=("Coco酱",), asked_at=NOON,
    question="退款几天到账", said=(("id-2", "退款几天到账"),),
)  # fmt: skip
BOTH = (SHAMPOO, REFUND)
OTHER = 9  # a member who asks nothing


ANSWERS = """户外两小时补一次
可以的，我上次用过
@小满 有的，四月上架
我问过客服了，说是三天发货
没有儿童款哦
48小时内
在首页搜就行
不可以
看说明书上怎么用的，一天两次
2〜3日で届きますよ
yes, ships in two days"""

NO_ANSWERS = """同问
我也想知道
+1
😂
[旺柴]
你买的哪款？
你买的是哪个呢
不知道诶
这个我也不清楚
蹲一个
有人吗
哈哈哈
谢谢
问下客服吧
我没用过
@小满 同问
me too
not sure
同じく
私も知りたいです"""


@pytest.mark.parametrize("words", ANSWERS.split("\n"))
def test_what_tells_something_is_an_answer(words: str) -> None:
    assert is_answer(words)


@pytest.mark.parametrize("words", NO_ANSWERS.split("\n"))
def test_what_tells_nothing_is_none(words: str) -> None:
    assert not is_answer(words)


@pytest.mark.parametrize("words", ["有人吗", "有人知道吗", "求解答", "在吗", "人呢？", "anyone?"])
def test_waiting_aloud_is_no_question(words: str) -> None:
    assert is_nudge(words)


@pytest.mark.parametrize("words", ["有人用过面霜吗", "有没有洗发水", "在吗，面霜有货吗"])
def test_a_question_is_no_nudge(words: str) -> None:
    assert not is_nudge(words)


# -- to which question --------------------------------------------------------------


def test_a_quote_belongs_to_what_it_quotes_by_id_or_by_words() -> None:
    by_id = Quote(external_id="id-2", sender_name="Coco酱", text="")
    by_words = Quote(sender_name="Coco酱", text="退款几天到账")
    cut = Quote(text="有没有儿童洗")
    assert answered("三到五天", by_id, OTHER, BOTH) is REFUND
    assert answered("三到五天", by_words, OTHER, BOTH) is REFUND
    assert answered("有的，四月上架", cut, OTHER, BOTH) is SHAMPOO


def test_a_quote_of_something_else_belongs_to_nothing() -> None:
    elsewhere = Quote(sender_name="王姐", text="今天好冷")
    by_another = Quote(sender_name="王姐", text="退款几天到账")
    assert answered("@小满 多穿点", elsewhere, OTHER, BOTH) is None
    assert answered("三到五天", by_another, OTHER, BOTH) is None


def test_a_mention_of_who_asked_or_the_tickets_number_belongs_to_it() -> None:
    assert answered("@满满 有的，四月上架", None, OTHER, BOTH) is SHAMPOO
    assert answered("#13 三到五天到账", None, OTHER, BOTH) is REFUND


# Said to who asked, by mention: | what they asked | what is said.
MENTIONING = """answers | 有没有儿童洗发水？ | 有的，四月上架
answers | 有没有儿童洗发水？ | 没有儿童款哦
- | 有没有儿童洗发水？ | 有
answers | 有没有儿童洗发水？ | 没有的
answers | 有没有儿童洗发水？ | 洗发水上周下架了
answers | 有没有儿童洗发水？ | 儿童款要等四月
answers | 有没有儿童洗发水？ | 可以的，我给女儿用的
- | 有没有儿童洗发水？ | 生日快乐
- | 有没有儿童洗发水？ | 你头像好看
- | 有没有儿童洗发水？ | 晚上吃啥
- | 有没有儿童洗发水？ | 我也想买
- | 有没有儿童洗发水？ | 别急
- | 有没有儿童洗发水？ | 我也想买儿童洗发水
- | 有没有儿童洗发水？ | 恭喜恭喜
- | 有没有儿童洗发水？ | 今天好冷
- | 有没有儿童洗发水？ | 你上次的照片真美
- | 有没有儿童洗发水？ | 周末一起逛街
- | 有没有儿童洗发水？ | 到家了说一声
- | 有没有儿童洗发水？ | 你家孩子几岁了
- | 有没有儿童洗发水？ | 我先睡了
- | 有没有儿童洗发水？ | 没事的
- | 有没有儿童洗发水？ | 吃了没
answers | 退款几天到账 | 三到五天
answers | 退款几天到账 | 48小时内
answers | 退款几天到账 | 我等了一周
answers | 退款几天到账 | 下周应该能到
answers | 退款几天到账 | 退款都是原路退回
- | 退款几天到账 | 明天见
- | 退款几天到账 | 生日快乐
- | 退款几天到账 | 稍等
- | 退款几天到账 | 我也没到
- | 退款几天到账 | 好慢啊
answers | 面霜在哪里买 | 在首页搜就行
answers | 面霜在哪里买 | 小程序里有
- | 面霜在哪里买 | 我在上班
- | 面霜在哪里买 | 你好有钱
answers | 面霜在哪里买 | 三楼专柜
answers | 积分怎么换 | 点我的，再点会员中心
answers | 积分怎么换 | 先登录再点右上角
- | 积分怎么换 | 好难哦
answers | 积分怎么换 | 积分商城里换
- | 退款几天到账 | 今天好冷
- | 退款几天到账 | 明天一起吃饭
answers | 退款几天到账 | 今天就能到
- | 退款几天到账 | 666
- | 退款几天到账 | 有一点贵
answers | 退款几天到账 | 明天
answers | 退款几天到账 | 周三
- | 大家用过这个面霜吗 | 大家早啊
- | 今天发货吗 | 今天好冷
- | 今天发货吗 | 今天不发
answers | 今天发货吗 | 发货要等明天
- | 你们都在哪里买的 | 我买了个包
answers | 这个可以退吗 | 可以退
- | 这个可以退吗 | 可以一起去
- | 有人知道几点开门吗 | 我知道你是谁了
answers | 有人知道几点开门吗 | 十点开门
answers | 有人知道几点开门吗 | 十点
- | 你们觉得这款好用吗 | 我觉得你说得对
answers | 这款适合敏感肌吗 | 我敏感肌用着没问题
- | 这款适合敏感肌吗 | 你今天真好看
- | 请问现在还有货吗 | 现在在开会
answers | 请问现在还有货吗 | 还有的
answers | 请问现在还有货吗 | 有货
answers | 多少钱一瓶 | 198一瓶
- | 多少钱一瓶 | 我有一瓶
answers | do you ship to Japan? | yes, in two days
- | do you ship to Japan? | happy birthday!
answers | いつ届きますか | 2〜3日で届きますよ
- | いつ届きますか | お疲れさまです"""


@pytest.mark.parametrize("row", MENTIONING.split("\n"))
def test_what_only_mentions_who_asked_has_to_fit_what_they_asked(row: str) -> None:
    expected, question, words = row.split(" | ")
    ask = Waiting(
        ticket_id=12, member_id=1, sender_id="m:小满", names=("小满",), asked_at=NOON,
        question=question,
    )  # fmt: skip
    assert (answered(f"@小满 {words}", None, OTHER, (ask,)) is ask) is (expected == "answers")


@pytest.mark.parametrize("words", ["有的", "要看订单", "问过店里，月底", "这个得提前预约"])
def test_a_quote_of_the_question_needs_nothing_in_common_with_it(words: str) -> None:
    quote = Quote(external_id="id-1", text="")
    assert answered(words, quote, OTHER, BOTH) is SHAMPOO


@pytest.mark.parametrize("words", ["生日快乐", "你头像好看", "晚上吃啥", "我也想买", "别急", "666"])
def test_chatter_answers_nothing_though_it_quotes_the_question(words: str) -> None:
    quote = Quote(external_id="id-1", text="")
    assert answered(words, quote, OTHER, BOTH) is None


def test_words_to_nobody_and_to_similar_names_belong_to_nothing() -> None:
    assert answered("有的，四月上架", None, OTHER, BOTH) is None
    assert answered("@小满妈 有的，四月上架", None, OTHER, BOTH) is None


def test_who_asks_the_same_does_not_answer_it() -> None:
    same = Waiting(
        ticket_id=12, member_id=OTHER, sender_id="m:王姐", names=("王姐",), asked_at=NOON,
        question="有没有儿童洗发水",
    )  # fmt: skip
    assert answered("@小满 有的，四月上架", None, OTHER, (SHAMPOO, same)) is None


def test_of_two_questions_of_one_member_the_answer_shows_which_or_neither_is_closed() -> None:
    second = Waiting(
        ticket_id=14, member_id=1, sender_id="m:小满", names=("小满",), asked_at=NOON,
        question="面霜打折吗",
    )  # fmt: skip
    asks = (SHAMPOO, second)
    assert answered("@小满 儿童洗发水有的", None, OTHER, asks) is SHAMPOO
    assert answered("@小满 有的有的", None, OTHER, asks) is None


def test_a_draft_names_nobody() -> None:
    assert without_names("@小满\u2005有的，#12 四月上架", ()) == "有的， 四月上架"
    assert "Coco" not in without_names("Coco酱 说得对，四月上架", ("Coco酱",))
